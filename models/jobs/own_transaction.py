# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import logging
import random
import time

from psycopg2 import IntegrityError, OperationalError

from odoo import SUPERUSER_ID, api
from odoo.http import _request_stack
from odoo.service.model import PG_CONCURRENCY_ERRORS_TO_RETRY

_logger = logging.getLogger(__name__)

# How often work is repeated that collides with that of others.
MAX_TRIES = 5


def after_transaction(env, do, is_always=False):
    """ Have something done in a database transaction of its own as soon as the present one is over.

    It waits for nothing that the present one has locked, and whatever fails there is only logged.

    :param Environment env: The environment of the present database transaction.
    :param function do: Does it, is called with the environment of the other one.
    :param bool is_always: Whether it is also done if the present one is rolled back.
    :return: None
    """
    registry = env.registry

    def run():
        # Templates would use the cursor of the request, which is closed by then.
        _request_stack.push(None)
        try:
            in_own_transaction(registry, do)
        except Exception:
            _logger.exception("What was to follow a database transaction was not done.")
        finally:
            _request_stack.pop()

    env.cr.postcommit.add(run)
    if is_always:
        env.cr.postrollback.add(run)


def in_own_transaction(registry, do):
    """ Do something in a database transaction of its own, again if it collides with another one.

    :param Registry registry: The registry of the database.
    :param function do: Does it, is called with the environment.
    :return: The result of `do`.
    :raise OperationalError: If it collides again and again, or if the database does not work.
    :raise IntegrityError: If a constraint is violated again and again.
    """
    for tries_left in reversed(range(MAX_TRIES)):
        try:
            with registry.cursor() as cr:
                return do(api.Environment(cr, SUPERUSER_ID, {}))
        except (OperationalError, IntegrityError) as error:
            is_collision = (
                isinstance(error, IntegrityError)  # Like two journal entries with one number.
                or error.pgcode in PG_CONCURRENCY_ERRORS_TO_RETRY
            )
            if not tries_left or not is_collision:
                raise
        time.sleep(random.uniform(0, 0.2))  # Those who collided do not collide again.
