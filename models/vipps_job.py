# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import random
import time

from psycopg2 import OperationalError

from odoo import SUPERUSER_ID, api
from odoo.service.model import PG_CONCURRENCY_ERRORS_TO_RETRY

# A run of a job ends after this time, so that other jobs have their turn.
RUN_SECONDS = 30


def run_steps(env, step):
    """ Do steps, each in a database transaction of its own, until there is nothing left to do.

    A step that meets a serialization failure is done again: what it looks for has changed.

    :param Environment env: The environment of the job.
    :param function step: Does one step in the environment that it is called with, and returns
                          whether there was anything to do.
    :return: Whether the time ran out before the work did.
    :rtype: bool
    """
    end = time.monotonic() + RUN_SECONDS
    while time.monotonic() < end:
        try:
            with env.registry.cursor() as cr:
                if not step(api.Environment(cr, SUPERUSER_ID, dict(env.context))):
                    return False
        except OperationalError as error:
            if error.pgcode not in PG_CONCURRENCY_ERRORS_TO_RETRY:
                raise
            time.sleep(random.uniform(0, 0.2))  # Those who collided do not collide again.
    return True
