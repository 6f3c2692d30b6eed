# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import logging
import math
import time
from contextlib import suppress
from datetime import timedelta
from threading import Timer

from psycopg2.errors import SerializationFailure

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.fields import NO_ACCESS
from odoo.service.model import PG_CONCURRENCY_ERRORS_TO_RETRY
from odoo.tools import SQL

from ...step_log import log_step
from .own_transaction import RUN_SECONDS, call_apart

_logger = logging.getLogger(__name__)

# The jobs. One job never waits for another one: money, the steps that follow it, and the
# mails. All that renders documents is in one job, so that a renderer that hangs occupies one worker
# only.
MONEY = 'mobilepay_vipps.cron_sync_payments'
FOLLOW_UP = 'mobilepay_vipps.cron_follow_up'
MAILS = 'sale_async_emails.cron'

# The jobs that do the tasks of the money job in other workers while many are due. They are the last
# ones that a worker looks at, and their runs are short.
HELPERS = tuple(f'mobilepay_vipps.cron_help_sync_payments_{number}' for number in (1, 2, 3))
HELP_SECONDS = 10

# So late at most, a run tells the other workers that there is something to do: all of them look.
NOTIFICATION_SECONDS = 0.5

# Others help if more tasks than this are due. That is looked at once in so many tasks.
MAX_UNSHARED = 20

# The kinds of tasks, the most urgent first: their job, and the first and the longest delay after a
# try. The delay is committed before the try, so that a task that hangs comes after all others.
KINDS = {
    'verify': (MONEY, timedelta(minutes=1), timedelta(hours=1)),
    'sync': (MONEY, timedelta(minutes=1), timedelta(hours=1)),
    'capture': (MONEY, timedelta(minutes=1), timedelta(hours=1)),
    'confirm': (FOLLOW_UP, timedelta(minutes=1), timedelta(hours=1)),
    'book': (FOLLOW_UP, timedelta(minutes=1), timedelta(hours=1)),
    'release_message': (FOLLOW_UP, timedelta(minutes=5), timedelta(hours=6)),
    'order_mail': (MAILS, timedelta(minutes=5), timedelta(hours=6)),
    'invoice_mail': (MAILS, timedelta(minutes=5), timedelta(hours=6)),
    'template_mail': (MAILS, timedelta(minutes=5), timedelta(hours=6)),
    'app_link': (FOLLOW_UP, timedelta(minutes=2), timedelta(hours=2)),
    'user_info': (FOLLOW_UP, timedelta(minutes=2), timedelta(days=1)),
    'compare': (MONEY, timedelta(minutes=5), timedelta(hours=6)),
}

KINDS_BY_JOB = {
    job: tuple(kind for kind, (its_job, *_delays) in KINDS.items() if its_job == job)
    for job in (MONEY, FOLLOW_UP, MAILS)
}

# After so many tries, a task of these kinds is given up: nobody misses its effect that much.
MAX_TRIES = {'app_link': 8}

# A clock that was set back does not keep a task waiting until it has caught up.
MAX_DELAY = max(last_delay for _job, _first_delay, last_delay in KINDS.values())

# One in so many tasks is the one that has been waiting for the longest time, of any kind and
# however many are new: nothing waits for ever.
FAIR_SHARE = 4

# A run ends when Vipps MobilePay did not answer so many times in a row: the rest is done in the
# next minute.
MAX_SILENCES = 3

# How long the money job waits for other work on a payment, once nothing else is left to do.
LOCK_SECONDS = 2

# If others work on more payments than this at once, the job waits for them.
MAX_BUSY = 20

# Note the next try of a task, and remove those that are the same, except from those that others
# claim at this moment.
CLAIM = """
    WITH same AS (
        SELECT id, tries
          FROM vipps_task
         WHERE transaction_id = %(tx_id)s
           AND kind = %(kind)s
           AND arguments IS NOT DISTINCT FROM (SELECT arguments FROM vipps_task WHERE id = %(id)s)
         ORDER BY id
           FOR UPDATE SKIP LOCKED
    ), removed AS (
        DELETE FROM vipps_task WHERE id IN (SELECT id FROM same WHERE id != %(id)s)
    )
    UPDATE vipps_task
       SET tries = least.tries + 1,
           due = %(now)s + LEAST(%(first_delay)s * 2 ^ LEAST(least.tries, 10), %(last_delay)s)
      FROM (SELECT min(tries) AS tries FROM same) least
     WHERE id = %(id)s
 RETURNING due
"""

# The outcome of a task.
DONE, LATER, NO_ANSWER = 'done', 'later', 'no_answer'


class VippsTask(models.Model):
    """ A queue of tasks that follow events, clicks, changed documents and time.

    Others only insert rows, so that nobody waits for anybody. A task is claimed together
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
            ('verify', "Verify Operation"), ('sync', "Read"), ('capture', "Capture or Release"),
            ('confirm', "Confirm"), ('book', "Book"), ('order_mail', "Send Order Mail"),
            ('invoice_mail', "Send Invoice"), ('template_mail', "Send Mail"),
            ('release_message', "Send Release Message"), ('app_link', "Set Link in App"),
            ('user_info', "Fetch Shared Data"), ('compare', "Compare"),
        ],
        required=True,
        readonly=True,
    )
    due = fields.Datetime(required=True, readonly=True, index=True)
    # A task that was not tried yet is more than a repetition: it may not be put off.
    tries = fields.Integer(readonly=True)
    arguments = fields.Json(
        help="What is to be done, where the kind does not say it.", readonly=True, groups=NO_ACCESS,
    )

    #=== BUSINESS METHODS - TASKS OF A PAYMENT ===#

    @api.model
    def _find(self, txs, kinds):
        """ Return the tasks of some kinds for transactions, as far as this database transaction
        sees them. """
        return self.sudo().search_fetch(
            [('transaction_id', 'in', txs.ids), ('kind', 'in', kinds)],
            ['transaction_id', 'kind', 'due', 'tries'],
        )

    def _settle(self, tx, kinds):
        """ Remove the tasks that are done since the payment was read, and schedule missing ones.

        :param payment.transaction tx: The transaction, locked.
        :param tuple kinds: The kinds of tasks of the money job that are still to be done.
        :return: None
        """
        left = self.filtered(lambda task: task.kind in kinds)
        (self - left)._remove()
        for kind in kinds:
            if kind not in left.mapped('kind'):
                _job, first_delay, _last_delay = KINDS[kind]
                self._schedule(tx, kind, due=fields.Datetime.now() + first_delay, tries=1)

    def _remove(self):
        """ Remove the tasks, but leave those to others that they claim at this moment, or have
        claimed since this database transaction began. """
        if not self:
            return
        self.flush_recordset()
        # Odoo would let a till or a customer wait for up to two seconds before it tries again.
        with suppress(SerializationFailure), self.env.cr.savepoint(flush=False):
            self.env.cr.execute(SQL(
                """
                DELETE FROM vipps_task WHERE id IN (
                    SELECT id FROM vipps_task WHERE id = ANY(%s) ORDER BY id FOR UPDATE SKIP LOCKED
                )
                """, self.ids,
            ), log_exceptions=False)
        self.invalidate_recordset()

    @api.model
    def _limit_due(self, tx, kind, earliest=None, latest=None):
        """ Limit when a task of a transaction is tried next.

        :param payment.transaction tx: The transaction.
        :param str kind: The kind of the task.
        :param datetime earliest: When it is tried at the earliest; that is the stronger limit.
        :param datetime latest: When it is tried at the latest.
        :return: None
        """
        for task in self._find(tx, [kind]):
            due = min(task.due, latest) if latest else task.due
            task.due = max(due, earliest) if earliest else due

    @api.model
    def _put_off(self, tx, kind, due):
        """ Put a task of a transaction off that was not tried after all. """
        for task in self._find(tx, [kind]):
            task.write({'due': due, 'tries': task.tries - 1})

    @api.model
    def _get_scheduled(self, txs, *kinds):
        """ Return those of some transactions that have a task of one of some kinds. """
        return txs and self._find(txs, kinds).transaction_id & txs

    @api.model
    def _get_tries(self, tx, kind):
        """ Return how often a task of a transaction was tried, with this try. """
        return min(self._find(tx, [kind]).mapped('tries'), default=0)

    @api.model
    def _is_due(self, job):
        """ Return whether a job has a task to do at this moment. """
        return bool(self.sudo().search_count([
            ('kind', 'in', KINDS_BY_JOB[job]), ('due', '<=', fields.Datetime.now()),
        ], limit=1))

    #=== BUSINESS METHODS - JOB ===#

    @api.model
    def _cron_sync_payments(self):
        """ Read the payments that have new events, are open or are to be compared, and do the
        captures and releases that are due. """
        call_apart(self.env['vipps.webhook.event'], '_schedule_pending')
        self._run(MONEY)

    @api.model
    def _cron_help_sync_payments(self):
        """ Do tasks of the money job in another worker while many are due. """
        self._run(MONEY, is_helper=True)

    @api.model
    def _cron_follow_up(self):
        """ Confirm orders, book payments, inform customers of releases, set links in the app, and
        fetch the data that customers share.

        Notifications are left to Odoo's queue of mails: a mail server can hang.
        """
        self.with_context(mail_notify_force_send=False)._run(FOLLOW_UP)

    @api.model
    def _send_mails(self):
        """ Render the mails about orders, for Odoo's queue of mails. """
        tasks = self.with_context(mail_notify_force_send=False)
        call_apart(tasks.env['sale.order'], '_vipps_queue_mails')
        tasks._run(MAILS)

    @api.model
    def _run(self, job, is_helper=False):
        """ Do the tasks of a job that are due.

        :param str job: The job.
        :param bool is_helper: Whether this is a worker that helps the one that runs the job.
        :return: None
        """
        kinds = KINDS_BY_JOB[job]
        # The others have something better to do than to wait.
        max_silences = MAX_SILENCES if job == MONEY and not is_helper else 1
        seconds = HELP_SECONDS if is_helper else RUN_SECONDS
        self = self.with_context(vipps_is_notified_later=True)
        started, steps, silences, busy_ids, notification = time.monotonic(), 0, 0, set(), None
        while silences < max_silences:
            if time.monotonic() > started + seconds:
                call_apart(self, '_wake', kinds[0])
                break
            is_fair = steps % FAIR_SHARE == FAIR_SHARE - 1
            task_id = call_apart(self, '_claim_next', kinds, is_fair, busy_ids)
            if not task_id:
                break
            steps += 1
            silences = silences + 1 if self.browse(task_id)._work() == NO_ANSWER else 0
            if job == MONEY and not silences and steps % MAX_UNSHARED == 1:
                call_apart(self, '_call_helpers')
            if not (notification and notification.is_alive()):  # The next task can hang.
                notification = Timer(NOTIFICATION_SECONDS, self.env['ir.cron']._notifydb)
                notification.daemon = True
                notification.start()
        if notification:
            notification.cancel()
        if steps or busy_ids:
            self.env['ir.cron']._notifydb()
        if steps:
            log_step(
                _logger, 'job_run', outcome='no_answer' if silences else 'done', started=started,
                job=job.partition('.')[2], steps=steps,
            )

    @api.model
    def _call_helpers(self):
        """ Have workers that have nothing else to do help if many tasks of the money job are due.
        """
        if self.search_count([
            ('kind', 'in', KINDS_BY_JOB[MONEY]), ('due', '<=', fields.Datetime.now()),
        ], limit=MAX_UNSHARED + 1) > MAX_UNSHARED:
            for name in HELPERS:
                cron = self.env.ref(name, raise_if_not_found=False)
                if cron:
                    cron._trigger()

    @api.model
    def _claim_next(self, kinds, is_fair, busy_ids):
        """ Claim the most urgent task that is due for one try; those that are the same end in it.

        New tasks come before those that have failed. Of payments, the newest come first:
        after an outage, customers that are paying now do not wait for tasks that are hours old.

        :param tuple kinds: The kinds of tasks, the most urgent first.
        :param bool is_fair: Whether to claim the task that has been waiting for the longest time
                             instead.
        :param set busy_ids: The ids of transactions that others were found to work on; they come
                             last, and then they are waited for.
        :return: The id of the task, if there is one.
        :rtype: int | None
        """
        found, tx, kind = self._find_next(kinds, is_fair, busy_ids)
        while found and KINDS[kind][0] == MONEY and self._is_busy(tx):
            busy_ids.add(tx.id)
            if len(busy_ids) == MAX_BUSY:
                found = self.browse()
                break
            found, tx, kind = self._find_next(kinds, is_fair, busy_ids)
        if not found and busy_ids:
            found, tx, kind = self._find_next(kinds, is_fair, set())
            if found and self._is_busy(tx, wait=LOCK_SECONDS):
                self._wake(kind)
                return None
        if not found:
            return None
        job, first_delay, last_delay = KINDS[kind]
        self.env.cr.execute(CLAIM, {
            'id': found.id, 'tx_id': tx.id, 'kind': kind, 'now': fields.Datetime.now(),
            'first_delay': first_delay, 'last_delay': last_delay,
        }, log_exceptions=False)  # Collisions are expected.
        due, = self.env.cr.fetchone()
        if job == MAILS:  # The others run every minute.
            self._wake(kind, at=due)
        return found.id

    @api.model
    def _is_busy(self, tx, wait=False):
        """ Return whether others work on a transaction, or have done so since this database
        transaction began.

        :param payment.transaction tx: The transaction.
        :param bool|float wait: For how many seconds to wait for them.
        """
        try:
            return not tx._vipps_is_free(wait=wait)
        except SerializationFailure:
            return True

    @api.model
    def _find_next(self, kinds, is_fair, busy_ids):
        """ Return the task of :meth:`_claim_next`, locked, with its transaction and its kind. """
        now = fields.Datetime.now()
        order = SQL("due, id")
        if not is_fair:
            if kinds == KINDS_BY_JOB[MONEY]:
                order = SQL("CASE WHEN tries = 0 THEN due END DESC, %s", order)
            order = SQL("tries > 0, array_position(%s, kind::text), %s", list(kinds), order)
        self.env.cr.execute(SQL(
            """
            SELECT id, transaction_id, kind
              FROM vipps_task
             WHERE kind IN %(kinds)s
               AND (due <= %(now)s OR due > %(latest)s)
               AND transaction_id != ALL(%(busy_ids)s)
             ORDER BY %(order)s
             LIMIT 1
               FOR NO KEY UPDATE SKIP LOCKED
            """,
            kinds=kinds, now=now, latest=now + MAX_DELAY, busy_ids=list(busy_ids), order=order,
        ), log_exceptions=False)  # Collisions are expected.
        task_id, tx_id, kind = self.env.cr.fetchone() or (None, None, None)
        return self.browse(task_id), self.env['payment.transaction'].browse(tx_id), kind

    def _work(self):
        """ Do the task that was claimed.

        :return: The outcome: `DONE`, `LATER` or `NO_ANSWER`.
        :rtype: str
        """
        try:
            return call_apart(self, '_do')
        except Exception as error:
            if getattr(error, 'pgcode', None) in PG_CONCURRENCY_ERRORS_TO_RETRY:
                _logger.info("Task %s collides with others, and is tried later.", self.id)
                return LATER
            problem = str(error) if isinstance(error, UserError) else None
            if not problem:
                _logger.exception("Task %s failed.", self.id)
            try:
                call_apart(self, '_fail', problem)
            except Exception:
                _logger.exception("The failure of task %s is not reported.", self.id)
            return LATER

    def _do(self):
        """ Do the task, and remove it if there is nothing left to do.

        :return: The outcome: `DONE`, `LATER` or `NO_ANSWER`.
        :rtype: str
        """
        # The payment can be gone, or was read by somebody else meanwhile.
        task = self.search_fetch(
            [('id', '=', self.id)], ['transaction_id', 'kind', 'tries', 'arguments']
        )
        if not task:
            return DONE
        tx, kind, tries = task.transaction_id, task.kind, task.tries
        if KINDS[kind][0] == MONEY:
            self.env.cr.execute("SET LOCAL lock_timeout = %s", [f'{LOCK_SECONDS}s'])
        started = time.monotonic()
        do = getattr(tx.with_company(tx.company_id), f'_vipps_do_{kind}')
        outcome = do(**(task.arguments or {}))
        if outcome == DONE or tries >= MAX_TRIES.get(kind, math.inf):
            task._remove()
        self.env.flush_all()  # From here on, nothing can fail.
        log_step(_logger, kind, tx, outcome=outcome, started=started, tries=tries)
        return outcome

    def _fail(self, problem):
        """ Alert people to the task, which could not be done; with a sentence if there is one. """
        task = self.exists()
        if task:
            tx = task.transaction_id
            tx = tx.with_company(tx.company_id)._vipps_in_staff_language()
            log_step(_logger, task.kind, tx, outcome='failed', error=problem, tries=task.tries)
            tx._vipps_fail_task(task.kind, problem)
