# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import logging
import random
import time

from psycopg2 import OperationalError

from odoo import SUPERUSER_ID, api
from odoo.service.model import PG_CONCURRENCY_ERRORS_TO_RETRY

from ...step_log import log_step
from ...trust import keep_trusted

_logger = logging.getLogger(__name__)

# A run of a job ends after this time, so that other jobs have their turn.
RUN_SECONDS = 30

# A run also ends when Vipps MobilePay did not answer so many times in a row: what is left is tried
# in the next minute.
MAX_SILENCES = 3

# What a step came to.
DONE, NOTHING_LEFT, NO_ANSWER = 'done', 'nothing_left', 'no_answer'


def run_steps(env, step, max_steps=None, job=None):
    """ Do steps, each in a database transaction of its own, until there is nothing left to do.

    A step that meets a serialization failure is done again: what it looks for has changed.

    :param Environment env: The environment of the job.
    :param function step: Does one step in the environment that it is called with, and returns
                          `DONE`, `NOTHING_LEFT` or `NO_ANSWER`.
    :param int max_steps: How many steps a run has at most.
    :param str job: The name of the job, for the log.
    :return: Whether the run ended because its time or its steps were used up, so that the next one
             should start at once.
    :rtype: bool
    """
    started = time.monotonic()
    steps = silences = 0
    is_over = False
    while not is_over and time.monotonic() < started + RUN_SECONDS and steps != max_steps:
        try:
            with env.registry.cursor() as cr:
                outcome = step(
                    api.Environment(cr, SUPERUSER_ID, keep_trusted(env.context))
                )
        except OperationalError as error:
            if error.pgcode not in PG_CONCURRENCY_ERRORS_TO_RETRY:
                raise
            time.sleep(random.uniform(0, 0.2))  # Those who collided do not collide again.
            continue
        steps += outcome != NOTHING_LEFT
        silences = silences + 1 if outcome == NO_ANSWER else 0
        is_over = outcome == NOTHING_LEFT or silences == MAX_SILENCES
    if job and steps:
        log_step(
            _logger, 'job_run', outcome='no_answer' if silences else 'done', started=started,
            job=job, steps=steps,
        )
    return not is_over
