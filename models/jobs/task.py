# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import logging
import random
import time
from datetime import timedelta

from psycopg2 import IntegrityError, OperationalError

from odoo import SUPERUSER_ID, api, fields, models
from odoo.exceptions import UserError
from odoo.fields import NO_ACCESS
from odoo.service.model import PG_CONCURRENCY_ERRORS_TO_RETRY
from odoo.tools import SQL

from ...step_log import log_step
from .job import RUN_SECONDS

_logger = logging.getLogger(__name__)

# The kinds of tasks, the most urgent first, with their first and their longest delay after a try.
# The delay is committed before the try, so that a task that hangs comes after all others.
BACK_OFFS = {
    'confirm': (timedelta(minutes=1), timedelta(hours=1)),
    'book': (timedelta(minutes=1), timedelta(hours=1)),
    'release_message': (timedelta(minutes=5), timedelta(hours=6)),
    'order_mail': (timedelta(minutes=5), timedelta(hours=6)),
    'invoice_mail': (timedelta(minutes=5), timedelta(hours=6)),
    'template_mail': (timedelta(minutes=5), timedelta(hours=6)),
    'user_info': (timedelta(minutes=2), timedelta(days=1)),
}

# What each job does. One job never waits for another one. All that renders documents is in one
# job, so that a renderer that hangs occupies one worker only.
JOBS = {
    'mobilepay_vipps.cron_follow_up': ('confirm', 'book', 'release_message', 'user_info'),
    'sale_async_emails.cron': ('order_mail', 'invoice_mail', 'template_mail'),
}

# A clock that was set back does not keep a task waiting until it has caught up.
MAX_DELAY = max(last_delay for _first_delay, last_delay in BACK_OFFS.values())

# How often a task that collides with others is done at once, before it waits for its next try.
MAX_COLLISIONS = 5


class VippsTask(models.Model):
    """ What is to be done after a payment was read: a queue.

    Rows are only inserted by others, so that nobody waits for anybody. A task is claimed together
    with its next try in one database transaction, and done in the next one: a database error, a
    hang or a killed worker costs this task one try, and nothing else.
    """
    _name = 'vipps.task'
    _description = "Vipps MobilePay Task"

    transaction_id = fields.Many2one(
        comodel_name='payment.transaction', required=True, readonly=True, ondelete='cascade',
        index=True,
    )
    kind = fields.Selection(
        selection=[
            ('confirm', "Confirm"), ('book', "Book"), ('order_mail', "Send Order Mail"),
            ('invoice_mail', "Send Invoice"), ('template_mail', "Send Mail"),
            ('release_message', "Tell Customer of Release"), ('user_info', "Fetch Shared Data"),
        ],
        required=True,
        readonly=True,
    )
    due = fields.Datetime(required=True, readonly=True, index=True)
    tries = fields.Integer(readonly=True)
    arguments = fields.Json(
        help="What is to be done, where the kind does not say it.", readonly=True, groups=NO_ACCESS,
    )

    #=== BUSINESS METHODS - SCHEDULING ===#

    @api.model
    def _schedule(self, txs, kind, arguments=None):
        """ Have something done with transactions as soon as this is committed.

        What is scheduled twice is done once.

        :param payment.transaction txs: The transactions.
        :param str kind: The kind of the tasks.
        :param dict arguments: The arguments of the method that does it.
        :return: None
        """
        if not txs:
            return
        now = fields.Datetime.now()
        self.sudo().create([
            {
                'transaction_id': tx.id, 'kind': kind, 'due': now, 'tries': 0,
                'arguments': arguments,
            } for tx in txs
        ])
        self._wake(kind)

    @api.model
    def _wake(self, kind, at=None):
        """ Have the job run that does a kind of tasks.

        :param str kind: The kind.
        :param datetime at: When, if not as soon as this is committed.
        :return: None
        """
        xmlid = next(xmlid for xmlid, kinds in JOBS.items() if kind in kinds)
        cron = self.env.ref(xmlid, raise_if_not_found=False)
        if cron:
            cron.sudo().with_context(prefetch_fields=False)._trigger(at=at)

    @api.model
    def _get_scheduled(self, txs, kind):
        """ Return those of some transactions that have a task of a kind. """
        return self.sudo().search([
            ('transaction_id', 'in', txs.ids), ('kind', '=', kind),
        ]).transaction_id & txs

    #=== BUSINESS METHODS - JOB ===#

    @api.model
    def _cron_follow_up(self):
        """ Confirm orders, book payments, tell customers of releases, and fetch the data that they
        share.

        Notifications are left to Odoo's queue of mails: a mail server can hang.
        """
        self.with_context(mail_notify_force_send=False)._run('mobilepay_vipps.cron_follow_up')

    @api.model
    def _run(self, job):
        """ Do the tasks of a job that are due.

        :param str job: The job, one of :data:`JOBS`.
        :return: None
        """
        kinds = JOBS[job]
        started, steps = time.monotonic(), 0
        while time.monotonic() < started + RUN_SECONDS:
            task_ids = self._in_transaction(lambda tasks: tasks._claim_next(kinds))
            if not task_ids:
                break
            self._work(task_ids)
            steps += 1
        else:
            self._in_transaction(lambda tasks: tasks._wake(kinds[0]))
        if steps:
            log_step(_logger, 'job_run', started=started, job=job, steps=steps)

    def _in_transaction(self, do):
        """ Do something in a database transaction of its own, again if it collides with another.

        :param function do: Is called with tasks in the environment of that transaction.
        :return: What that returns.
        """
        collisions = 0
        while True:
            try:
                with self.env.registry.cursor() as cr:
                    return do(self.with_env(
                        api.Environment(cr, SUPERUSER_ID, dict(self.env.context))
                    ))
            except (OperationalError, IntegrityError) as error:
                collisions += 1
                if collisions == MAX_COLLISIONS or (
                    isinstance(error, OperationalError)
                    and error.pgcode not in PG_CONCURRENCY_ERRORS_TO_RETRY
                ):
                    raise
            time.sleep(random.uniform(0, 0.2))  # Those who collided do not collide again.

    @api.model
    def _claim_next(self, kinds):
        """ Claim the most urgent task that is due, and all that are the same, for one try.

        What was not tried yet comes before what has failed.

        :param tuple kinds: The kinds of tasks, the most urgent first.
        :return: The ids of the tasks.
        :rtype: list[int]
        """
        now = fields.Datetime.now()
        self.env.cr.execute(SQL(
            """
            SELECT id, kind, tries
              FROM vipps_task
             WHERE kind IN %(kinds)s
               AND (due <= %(now)s OR due > %(latest)s)
             ORDER BY tries > 0, array_position(%(order)s, kind::text), due, id
             LIMIT 1
               FOR NO KEY UPDATE SKIP LOCKED
            """,
            kinds=kinds, order=list(kinds), now=now, latest=now + MAX_DELAY,
        ))
        row = self.env.cr.fetchone()
        if not row:
            return []
        task_id, kind, tries = row
        first_delay, last_delay = BACK_OFFS[kind]
        due = now + min(first_delay * 2 ** min(tries, 10), last_delay)
        self.env.cr.execute(SQL(
            """
            UPDATE vipps_task AS task
               SET tries = %(tries)s, due = %(due)s
              FROM vipps_task AS claimed
             WHERE claimed.id = %(task_id)s
               AND task.transaction_id = claimed.transaction_id
               AND task.kind = claimed.kind
               AND task.arguments IS NOT DISTINCT FROM claimed.arguments
            RETURNING task.id
            """,
            tries=tries + 1, due=due, task_id=task_id,
        ))
        task_ids = [row[0] for row in self.env.cr.fetchall()]
        if kind not in JOBS['mobilepay_vipps.cron_follow_up']:  # That one runs every minute.
            self._wake(kind, at=due)
        return task_ids

    @api.model
    def _work(self, task_ids):
        """ Do what was claimed.

        :param list task_ids: The ids of tasks of the same transaction, kind and arguments.
        :return: None
        """
        try:
            self._in_transaction(lambda tasks: tasks.browse(task_ids)._do())
        except Exception as error:
            if getattr(error, 'pgcode', None) in PG_CONCURRENCY_ERRORS_TO_RETRY:
                _logger.info("Tasks %s collide with others, and are tried later.", task_ids)
                return
            if isinstance(error, UserError):
                problem = str(error)
            else:
                _logger.exception("Tasks %s failed.", task_ids)
                problem = None
            try:
                self._in_transaction(lambda tasks: tasks.browse(task_ids)._fail(problem))
            except Exception:
                _logger.exception("Nobody is told that tasks %s failed.", task_ids)

    def _do(self):
        """ Do the tasks, which are the same, and remove them if there is nothing left to do. """
        tasks = self.exists()  # The payment can be gone.
        if tasks:
            tx, kind, tries = tasks.transaction_id, tasks[0].kind, tasks[0].tries
            started = time.monotonic()
            do = getattr(tx.with_company(tx.company_id), f'_vipps_do_{kind}')
            is_done = do(**(tasks[0].arguments or {}))
            if is_done:
                tasks.unlink()
            self.env.flush_all()  # From here on, nothing can fail.
            log_step(
                _logger, kind, tx, outcome='done' if is_done else 'later', started=started,
                tries=tries,
            )

    def _fail(self, problem):
        """ Give somebody something to do about the tasks, which could not be done.

        :param str|None problem: What went wrong, if that is a sentence for people.
        :return: None
        """
        tasks = self.exists()
        if tasks:
            tx = tasks.transaction_id
            tx = tx.with_company(tx.company_id)._vipps_in_staff_language()
            log_step(
                _logger, tasks[0].kind, tx, outcome='failed', error=problem, tries=tasks[0].tries,
            )
            tx._vipps_fail_task(tasks[0].kind, problem)
