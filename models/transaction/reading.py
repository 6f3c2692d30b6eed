# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import logging
import time
from contextlib import contextmanager
from datetime import timedelta

from psycopg2 import OperationalError
from psycopg2.errors import LockNotAvailable

from odoo import _, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL

from ...patience import WAITING_SECONDS, Patience
from ...source import WEBHOOK
from ...step_log import log_step
from ..api.client import VippsError
from ..jobs.task import DONE, LATER, NO_ANSWER

_logger = logging.getLogger(__name__)

# How long a payment that Vipps MobilePay does not know is looked for: it may just be created.
NOT_FOUND_PERIOD = timedelta(minutes=10)

FIRST_READ_DELAY = timedelta(minutes=1)

# How long something of which was heard is waited with, at most, if there is no answer.
LAST_NO_ANSWER_DELAY = timedelta(minutes=5)

# How often a capture is tried, in growing intervals, before somebody is told.
PATIENT_TRIES = 6

# A customer's status page reads every few seconds: what was read within this time is watched.
WATCHED_PERIOD = timedelta(seconds=30)

# However many pages show a payment, it is read at most once within this time for all of them.
CUSTOMER_READ_INTERVAL = timedelta(seconds=2)


class PaymentTransaction(models.Model):
    _inherit = 'payment.transaction'

    #=== BUSINESS METHODS - READING ===#

    def _vipps_refresh(self, min_age=None, wait=True, may_capture=True):
        """ Read the payment at Vipps MobilePay and converge to what it says.

        A job can wait long for an answer. Meanwhile it locks the transaction alone: the customer
        goes on changing the cart. Once it has locked the documents, it waits as a person does, and
        what takes longer is left to the next look, for which an approved payment needs no document.

        Note: `self.ensure_one()`

        :param timedelta min_age: Don't read again what was read within this time.
        :param bool wait: Whether to wait for others who work on the same payment or document;
                          people wait for a short time.
        :param bool may_capture: Whether to capture and release what nobody has to ask for.
        :return: Whether the payment was read.
        :rtype: bool
        :raise VippsError: If it cannot be read.
        :raise LockNotAvailable: If a document was locked while a job waited for the answer.
        """
        self.ensure_one()
        now = fields.Datetime.now()
        is_job = not self.env['vipps.api.client']._get_patience()
        # Times are kept in whole seconds: only a longer difference proves that the time has passed.
        # After the clock was set back, nobody waits until it has caught up.
        if min_age and self.vipps_last_read and (
            timedelta() <= now - self.vipps_last_read <= min_age
        ):
            return False
        if not (
            self._vipps_lock_alone(wait=wait) if is_job
            else self._vipps_lock(wait=wait and WAITING_SECONDS)
        ):
            return False
        was_approved = self.state in ('authorized', 'done')
        events = self.env['vipps.webhook.event']._get_pending(self)
        tasks = self.env['vipps.task']._get_money_tasks(self)
        self.vipps_last_read = now  # Kept when the rest fails, so that nobody asks without pause.
        with self.env.cr.savepoint():
            payment = self._vipps_ask()
            if is_job and not was_approved:
                self._vipps_lock_documents(SQL("NOWAIT"))
                self = self._vipps_with_patience()
            self._vipps_converge(payment)
        if may_capture and payment and not self._vipps_capture_if_due() and not was_approved:
            tasks._schedule(self, 'capture')  # It took too long here.
        self._vipps_tell_safely(lambda tx: tx._vipps_follow_up_all(is_new=not was_approved))
        self._vipps_schedule_app_link()
        events._settle()
        tasks._settle(self, self._vipps_get_open_kinds())
        return True

    def _vipps_ask(self):
        """ Return the payment as it is at Vipps MobilePay, or None if it was never created.

        :rtype: protocol.payment.Payment | None
        :raise VippsError: If it cannot be read.
        """
        try:
            return self.env['vipps.api.client']._read_payment(self)
        except VippsError as error:
            age = fields.Datetime.now() - self.create_date
            if not error.is_not_found or self.vipps_payment_state or age <= NOT_FOUND_PERIOD:
                raise
            return None

    def _vipps_converge(self, payment):
        """ Converge to the payment as it was read, with everything locked that this needs.

        :param protocol.payment.Payment|None payment: The payment; None if it was never created.
        :return: None
        :raise VippsError: If it cannot be read how the money was moved.
        """
        started, before = time.monotonic(), (self.state, self.vipps_payment_state)
        if payment:
            self._handle_notification_data('vipps', {'payment': payment})
        else:
            self._vipps_in_customer_language()._vipps_set_canceled('TERMINATED')
        if (self.state, self.vipps_payment_state) != before:
            log_step(
                _logger, 'read', self, started=started, state=self.state,
                payment_state=self.vipps_payment_state,
                source=self.env['vipps.audit.event']._get_source(),
            )

    def _vipps_follow_up_all(self, is_new=False):
        """ Give people what they have to do about the payment.

        :param bool is_new: Whether the customer has just approved the payment.
        :return: None
        """
        self._vipps_follow_up_change(is_new)
        self._vipps_follow_up()

    def _vipps_tell_safely(self, tell):
        """ Tell people something; whatever fails there does not undo what was read or done.

        :param function tell: Tells it, is called with the transactions.
        :return: None
        """
        try:
            with self.env.cr.savepoint():
                tell(self)
        except OperationalError:
            raise  # Another worker was faster: all of this is done again.
        except Exception:
            _logger.exception("Nobody is told of payments %s.", self.mapped('reference'))

    def _vipps_refresh_for_customer(self, wait=False):
        """ Read open payments for a customer who waits, without an error: what cannot be read now
        is read later.

        :param bool wait: Whether to wait for a short time for others who work on the same payment.
        """
        txs = self._vipps_with_patience(is_polling=True)
        for tx in txs.filtered(lambda t: t.provider_code == 'vipps' and t._vipps_is_open()):
            if tx._vipps_may_ask():
                tx._vipps_try(
                    lambda tx=tx: tx._vipps_refresh(min_age=CUSTOMER_READ_INTERVAL, wait=wait)
                )

    def _vipps_with_patience(self, is_polling=False):
        """ Return the transactions for a person who waits until they are read.

        :param bool is_polling: Whether the page or the till asks again without being told to.
        :rtype: payment.transaction
        """
        if self.env['vipps.api.client']._get_patience():
            return self  # It is one request, and one person.
        return self.with_context(vipps_patience=Patience(is_polling))

    def _vipps_may_ask(self):
        """ Return whether a person who waits may have the payment read now.

        Otherwise not even its row is locked.
        """
        return self.provider_id._vipps_may_ask(self.env['vipps.api.client']._get_patience())

    def _vipps_is_open(self):
        """ Return whether we wait for something to happen at Vipps MobilePay. """
        return self._vipps_is_decision_open() or self._vipps_is_operation_due()

    def _vipps_is_decision_open(self):
        """ Hook: return whether it is not known yet what becomes of the payment: the customer may
        still approve it. """
        return self.state in ('draft', 'pending') or (
            # That answer was from before the approval.
            self.state == 'authorized' and self.vipps_payment_state == 'CREATED'
        )

    def _vipps_is_operation_due(self):
        """ Return whether there is something to capture or to release. """
        return bool(self._vipps_get_due_capture_amount()) or self._vipps_is_release_due()

    def _vipps_get_open_kinds(self):
        """ Return the kinds of tasks that are left of the payment for the money job.

        :rtype: tuple
        """
        kinds = []
        if self._vipps_is_decision_open() or self._vipps_is_log_awaited():
            kinds.append('sync')
        if self._vipps_is_operation_due():
            kinds.append('capture')
        return tuple(kinds)

    def _vipps_lock(self, wait=True):
        """ Lock the documents and then the transaction until the end of the database transaction.

        Once the payment is approved, the documents are left to others: how much is to be paid of
        them was decided then, and nobody in a warehouse shall wait for an answer of the API.

        What was changed by others in the meantime ends in a serialization failure, after which
        Odoo repeats the whole request.

        :param bool|float wait: Whether to wait for others who hold a lock, or for how many seconds.
        :return: Whether everything is locked.
        :rtype: bool
        """
        if not isinstance(wait, bool):
            patience = self.env['vipps.api.client']._get_patience()
            try:  # A person waits for locks and for reads together.
                with self._vipps_waiting(patience.get_seconds() if patience else wait):
                    return self._vipps_lock()
            except LockNotAvailable:
                return False
        self.flush_recordset()
        option = SQL() if wait else SQL("SKIP LOCKED")
        return self._vipps_lock_documents(option) and self._vipps_lock_rows(self, option)

    @contextmanager
    def _vipps_waiting(self, seconds):
        """ Wait no longer than some seconds for each lock.

        :param float seconds: The seconds.
        :raise LockNotAvailable: If others hold one for longer.
        """
        with self.env.cr.savepoint():
            milliseconds = max(int(seconds * 1000), 1)  # 0 would be without an end.
            self.env.cr.execute("SET LOCAL lock_timeout = %s", [milliseconds])
            yield
            self.env.cr.execute("SET LOCAL lock_timeout TO DEFAULT")

    def _vipps_lock_alone(self, wait=True):
        """ Lock the transaction when nobody works on it or on its documents, and leave those to
        others all the same.

        Who locks the transaction before the documents never waits for these.

        :param bool wait: Whether to wait for others who hold a lock.
        :return: Whether the transaction is locked.
        :rtype: bool
        """
        return self._vipps_is_free(wait) and self._vipps_lock_rows(
            self, SQL() if wait else SQL("SKIP LOCKED")
        )

    def _vipps_is_free(self, wait=False):
        """ Return whether nobody works on the transaction or on its documents.

        :param bool|float wait: For how many seconds to wait for others who hold a lock.
        :rtype: bool
        """
        with self.env.cr.savepoint() as savepoint:
            is_free = self._vipps_lock(wait=wait)
            savepoint.rollback()  # That also unlocks what was locked since.
        return is_free

    def _vipps_lock_documents(self, option):
        """ Lock the documents of a payment that is not approved.

        :param SQL option: What to do if others hold a lock, as PostgreSQL calls it.
        :return: Whether they are locked.
        :rtype: bool
        """
        return self.state in ('authorized', 'done') or all(
            self._vipps_lock_rows(documents, option)
            for documents in (self.sale_order_ids, self.invoice_ids)
        )

    def _vipps_lock_rows(self, records, option):
        if not records:
            return True
        self.env.cr.execute(SQL(
            "SELECT id FROM %s WHERE id IN %s ORDER BY id FOR NO KEY UPDATE %s",
            SQL.identifier(records._table), tuple(records.ids), option,
        ), log_exceptions=False)  # Collisions are expected.
        return self.env.cr.rowcount == len(records)

    def _vipps_lock_for_person(self):
        """ Lock what :meth:`_vipps_lock` does, for a person who does not wait for long.

        :return: None
        :raise VippsError: If others work on it for longer.
        """
        if not self._vipps_lock(wait=WAITING_SECONDS):
            raise VippsError(self.env['vipps.api.client']._get_sentence('6160'))

    def _vipps_touch_documents(self):
        """ Let everybody who waits for the documents of the transaction start anew.

        A lock alone does not show what was inserted while one waited for it.
        """
        for records in (self.sale_order_ids, self.invoice_ids):
            if records:
                self.env.cr.execute(SQL(
                    "UPDATE %s SET id = id WHERE id IN %s",
                    SQL.identifier(records._table), tuple(records.ids),
                ), log_exceptions=False)

    #=== BUSINESS METHODS - JOB ===#

    def _vipps_watch(self):
        """ Have the job read the payment until the customer has decided, in growing intervals. """
        self.env['vipps.task']._schedule(
            self, 'sync', due=fields.Datetime.now() + FIRST_READ_DELAY, tries=1
        )

    def _vipps_do_sync(self):
        """ Read the payment, unless a customer watches the page that reads it anyway.

        :return: What it came to.
        :rtype: str
        """
        tasks, now = self.env['vipps.task'], fields.Datetime.now()
        if tasks._get_tries(self, 'sync') > 1 and self.state in ('draft', 'pending') and (
            self.vipps_last_read and now - WATCHED_PERIOD < self.vipps_last_read <= now
        ):
            tasks._limit_due(self, 'sync', latest=self.vipps_last_read + FIRST_READ_DELAY)
            return LATER
        return self._vipps_read_for_task('sync') or (
            LATER if self._vipps_is_decision_open() or self._vipps_is_log_awaited() else DONE
        )

    def _vipps_do_verify(self):
        """ Read the payment after an operation whose outcome may be unknown. """
        return self._vipps_read_for_task('verify') or DONE

    def _vipps_do_capture(self):
        """ Capture or release what is due, which reading does. """
        return self._vipps_read_for_task('capture') or (
            LATER if self._vipps_is_operation_due() else DONE
        )

    def _vipps_read_for_task(self, kind):
        """ Read the payment for a task.

        :param str kind: The kind of the task.
        :return: What it came to if the payment could not be read, None if it was read.
        :rtype: str | None
        """
        tasks, now = self.env['vipps.task'], fields.Datetime.now()
        events = self.env['vipps.webhook.event']._get_pending(self)
        tx = self.with_context(vipps_source=WEBHOOK) if events else self
        error = tx._vipps_try(tx._vipps_refresh)
        if tasks._get_tries(self, 'capture') > PATIENT_TRIES and self._vipps_is_operation_due():
            self._vipps_tell_safely(lambda tx: tx._vipps_tell_delay(error))
        if not error:
            return None
        events._keep_error(error)
        is_awaited = any(event.state == 'pending' for event in events)
        is_left = is_awaited or self._vipps_is_open() or self._vipps_is_log_awaited()
        if not is_left and (kind == 'sync' or not error.retryable):
            return DONE
        tasks._limit_due(
            self, kind, earliest=now + timedelta(seconds=error.retry_after),
            # When Vipps MobilePay is back, nobody wants to wait for an hour.
            latest=now + LAST_NO_ANSWER_DELAY if error.is_no_answer and is_awaited else None,
        )
        return NO_ANSWER if error.is_no_answer else LATER

    def _vipps_try(self, refresh, step='read'):
        """ Refresh the payment where an error would reach nobody who can do something about it.

        :param function refresh: Refreshes it.
        :param str step: What the log calls that.
        :return: What went wrong, if anything.
        :rtype: VippsError | None
        """
        try:
            refresh()
        except VippsError as error:
            if not error.is_recorded:
                log_step(_logger, step, self, outcome=error.outcome, error=error.log_text)
            return error
        except OperationalError:
            raise  # Another worker was faster: all of this is done again.
        except UserError as error:
            # What Odoo says can name the customer: people read that in the activity.
            log_step(
                _logger, step, self, outcome='failed', level=logging.WARNING,
                error=type(error).__name__,
            )
            self.provider_id._vipps_alert_administrator('payment', error, self)
            return VippsError(str(error))
        except Exception:
            _logger.exception("Payment %s cannot be processed.", self.reference)
            return VippsError(_("Something went wrong in Odoo. Its log says what."))
        self.provider_id._vipps_end_alert('payment', self)
        return None
