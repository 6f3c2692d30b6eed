# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import logging
import random
import time

from psycopg2 import IntegrityError, OperationalError

from odoo import SUPERUSER_ID, api
from odoo.http import _request_stack
from odoo.service.model import PG_CONCURRENCY_ERRORS_TO_RETRY

from ...step_log import log_step
from ...trust import keep_trusted

_logger = logging.getLogger(__name__)

# How often work is repeated that collides with that of others.
MAX_TRIES = 5

# A run of a job ends after this time, so that other jobs have their turn.
RUN_SECONDS = 30

# The outcome of a step.
DONE, NOTHING_LEFT = 'done', 'nothing_left'


def in_own_transaction(registry, do, context=None):
    """ Do work in a database transaction of its own, again if it collides with another one.

    :param Registry registry: The registry of the database.
    :param function do: Does it, is called with the environment.
    :param dict context: The context of that environment, empty by default.
    :return: The result of `do`.
    :raise OperationalError: If it collides again and again, or if the database does not work.
    :raise IntegrityError: If a constraint is violated again and again.
    """
    for tries_left in reversed(range(MAX_TRIES)):
        try:
            with registry.cursor() as cr:
                # Nothing is written in the end if no environment is left that knows what to write.
                env = api.Environment(cr, SUPERUSER_ID, context or {})
                return do(env)
        except (OperationalError, IntegrityError) as error:
            is_collision = (
                isinstance(error, IntegrityError)  # Like two journal entries with one number.
                or error.pgcode in PG_CONCURRENCY_ERRORS_TO_RETRY
            )
            if not tries_left or not is_collision:
                raise
        time.sleep(random.uniform(0, 0.2))  # The next try does not collide with the same one.


def call_apart(records, method, *args):
    """ Call a method of records in a database transaction of its own, again if it collides.

    :param recordset records: The records; their context is kept, their user is the system.
    :param str method: The name of the method.
    :param args: The arguments of the method.
    :return: The result of the method.
    :raise OperationalError: See :func:`in_own_transaction`.
    """
    def call(env):
        return getattr(records.with_env(env), method)(*args)

    return in_own_transaction(records.env.registry, call, records.env.context)


def after_transaction(env, do, is_always=False):
    """ Do work in a database transaction of its own as soon as the present one has ended.

    It waits for nothing that the present one has locked, and its errors are only logged.

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


def run_steps(env, step, max_steps=None, job=None):
    """ Do steps, each in a database transaction of its own, until there is nothing left to do.

    A step that collides with another one is done again: its work has changed.

    :param Environment env: The environment of the job.
    :param function step: Does one step in the environment that it is called with, and returns
                          `DONE` or `NOTHING_LEFT`.
    :param int max_steps: How many steps a run has at most.
    :param str job: The name of the job, for the log.
    :return: Whether the run ended because its time or its steps were used up, so that the next one
             should start at once.
    :rtype: bool
    """
    started, steps, context = time.monotonic(), 0, keep_trusted(env.context)
    is_over = False
    while not is_over and time.monotonic() < started + RUN_SECONDS and steps != max_steps:
        is_over = in_own_transaction(env.registry, step, context) == NOTHING_LEFT
        steps += not is_over
    if job and steps:
        log_step(_logger, 'job_run', started=started, job=job, steps=steps)
    return not is_over
