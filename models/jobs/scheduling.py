# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import logging

from psycopg2.extras import Json

from odoo import api, fields, models
from odoo.http import request
from odoo.tools import SQL

from .own_transaction import call_apart
from .task import KINDS

_logger = logging.getLogger(__name__)

# The jobs that were woken since the last flush, and whether the workers are going to be notified,
# among the data of the cursor.
WOKEN_KEY = 'vipps_woken'

# Insert the tasks of transactions and the trigger of their job, as core's `_trigger` does, unless
# there is no cause.
INSERT_TASKS = """
    WITH cause AS (
        %(cause)s
    ), task AS (
        INSERT INTO vipps_task (
            transaction_id, kind, due, tries, arguments,
            create_uid, create_date, write_uid, write_date
        )
        SELECT unnest(%(tx_ids)s::integer[]), %(kind)s, %(due)s, %(tries)s, %(arguments)s,
               %(uid)s, %(now)s, %(uid)s, %(now)s
          FROM cause
    ), waking AS (
        INSERT INTO ir_cron_trigger (
            cron_id, call_at, create_uid, create_date, write_uid, write_date
        )
        SELECT cron.id, %(now)s, %(uid)s, %(now)s, %(uid)s, %(now)s
          FROM cause, ir_cron cron
         WHERE cron.id = %(cron_id)s AND cron.active
    )
    SELECT id FROM cause
"""
NO_CAUSE = SQL("SELECT 1 AS id")


class VippsTask(models.Model):
    """ Scheduling tasks, and waking the job that does them. """
    _inherit = 'vipps.task'

    #=== BUSINESS METHODS - SCHEDULING ===#

    @api.model
    def _schedule(self, txs, kind, arguments=None, due=None, tries=0):
        """ Schedule a task of transactions, normally for the moment of the commit.

        Tasks that are the same are done once.

        :param payment.transaction txs: The transactions.
        :param str kind: The kind of the tasks, one of :data:`KINDS`.
        :param dict arguments: The arguments of the method that does the task.
        :param datetime due: When the task is due, if not now. The oldest come last.
        :param int tries: How often the task was tried before.
        :return: None
        """
        if txs:
            self._schedule_after(NO_CAUSE, txs, kind, arguments, due, tries)

    @api.model
    def _schedule_after(self, cause, txs, kind, arguments=None, due=None, tries=0):
        """ Schedule a task of transactions, and wake its job, in one statement with what causes it.
        Without transactions, only the job is woken. See :meth:`_schedule`.

        :param SQL cause: The statement that stores the cause. Its result is an `id`; without one,
                          nothing is scheduled.
        :return: That id, or None.
        """
        now = fields.Datetime.now()
        cron = self.env['ir.cron'].sudo()
        # What is rolled back to a savepoint is forgotten there, too.
        woken = self.env.cr.precommit.data.setdefault(WOKEN_KEY, set())
        cron_id = self.env['ir.model.data']._xmlid_to_res_id(KINDS[kind][0])
        is_woken = cron_id and cron_id not in woken and (not due or due <= now)
        self.env.cr.execute(SQL(
            INSERT_TASKS, cause=cause, tx_ids=txs.ids, kind=kind, due=due or now, tries=tries,
            arguments=Json(arguments) if arguments else None, uid=self.env.uid, now=now,
            cron_id=cron_id if is_woken else None,
        ), log_exceptions=False)  # Collisions are expected.
        row = self.env.cr.fetchone()
        if row and is_woken:
            woken.add(cron_id)
            data = self.env.cr.postcommit.data
            if not (data.get(WOKEN_KEY) or self.env.context.get('vipps_is_notified_later')):
                # All workers look for all jobs then. It takes another connection: Vipps MobilePay
                # gets its answer first.
                data[WOKEN_KEY] = True
                answer = getattr(request, 'vipps_answer', None) if request else None
                call_later = answer.call_on_close if answer else self.env.cr.postcommit.add
                call_later(cron.browse(cron_id)._notifydb)
        return row and row[0]

    @api.model
    def _schedule_after_rollback(self, txs, kind):
        """ Schedule a task of transactions in case the present database transaction is rolled back.

        :param payment.transaction txs: The transactions.
        :param str kind: The kind of the tasks, one of :data:`KINDS`.
        :return: None
        """
        def schedule():
            try:
                call_apart(self, '_schedule', txs, kind)
            except Exception:
                # It would take the place of the error that the user is to read.
                _logger.exception("Nothing is scheduled for transactions %s.", txs.ids)

        self.env.cr.postrollback.add(schedule)

    @api.model
    def _wake(self, kind, at=None):
        """ Wake the job that does a kind of tasks.

        :param str kind: The kind.
        :param datetime at: When, if not as soon as this is committed.
        :return: None
        """
        if not at:
            self._schedule_after(NO_CAUSE, self.env['payment.transaction'], kind)
            return
        cron = self.env.ref(KINDS[kind][0], raise_if_not_found=False)
        if cron:
            cron.sudo()._trigger(at=at)
