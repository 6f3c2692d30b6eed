# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import logging
import time
from contextlib import contextmanager
from datetime import timedelta

from psycopg2 import OperationalError
from psycopg2.errors import LockNotAvailable

from odoo import _, _lt, api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL

from ...patience import WAITING_SECONDS, Patience
from ...step_log import log_step
from ..api.client import VippsError
from ..jobs.job import DONE, NO_ANSWER, run_steps

_logger = logging.getLogger(__name__)

# How long a payment that Vipps MobilePay does not know is looked for: it may just be created.
NOT_FOUND_PERIOD = timedelta(minutes=10)

FIRST_READ_DELAY = timedelta(minutes=1)
LAST_READ_DELAY = timedelta(hours=1)

# Nothing is scheduled for later than this.
MAX_DELAY = timedelta(days=1)

# How many payments a run of the job reads at most.
READS_PER_RUN = 100

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
        self.vipps_last_read = now  # Kept when the rest fails, so that nobody asks without pause.
        with self.env.cr.savepoint():
            payment = self._vipps_ask()
            if is_job and not was_approved:
                self._vipps_lock_documents(SQL("NOWAIT"))
                self = self._vipps_with_patience()
            self._vipps_converge(payment)
        if may_capture and payment and not self._vipps_capture_if_due() and not was_approved:
            self._vipps_read_soon()
        self._vipps_tell_safely(lambda tx: tx._vipps_follow_up_all(is_new=not was_approved))
        self._vipps_schedule_app_link()
        if self.vipps_next_comparison:
            self.vipps_next_comparison = False
        if not self._vipps_is_open() and not self._vipps_is_log_awaited():
            self.write({'vipps_next_read': False, 'vipps_read_count': 0})
        elif not self.vipps_next_read:  # It was closed.
            self._vipps_schedule_next_read()
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
        """ Tell whether we wait for something to happen at Vipps MobilePay. """
        return (
            self.state in ('draft', 'pending')
            # That answer was from before the approval.
            or (self.state == 'authorized' and self.vipps_payment_state == 'CREATED')
            or bool(self._vipps_get_due_capture_amount())
            or self._vipps_is_release_due()
        )

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
        with self.env.cr.savepoint() as savepoint:
            is_free = self._vipps_lock(wait=wait)
            savepoint.rollback()  # That also unlocks what was locked since.
        return is_free and self._vipps_lock_rows(self, SQL() if wait else SQL("SKIP LOCKED"))

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

    def _vipps_read_soon(self):
        """ Have the job do as soon as this is committed what is due and took too long here. """
        self.vipps_next_read = fields.Datetime.now()
        cron = self.env.ref('mobilepay_vipps.cron_read_open_payments', raise_if_not_found=False)
        if cron:
            cron.sudo()._trigger()

    def _vipps_schedule_next_read(self):
        """ Schedule when the job reads the payment, in growing intervals. """
        self.write({
            'vipps_next_read': fields.Datetime.now() + min(
                FIRST_READ_DELAY * 2 ** min(self.vipps_read_count, 10), LAST_READ_DELAY
            ),
            'vipps_read_count': self.vipps_read_count + 1,
        })

    @api.model
    def _cron_vipps_read_open_payments(self):
        """ Read the payments whose orders were changed, then those that are still open and that
        nobody else asks for, then those that are to be compared, and in the end set links. """
        if run_steps(
            self.env, lambda env: env[self._name]._vipps_read_next(), READS_PER_RUN,
            job='read_open_payments',
        ):
            self.env.ref('mobilepay_vipps.cron_read_open_payments')._trigger()

    @api.model
    def _vipps_read_next(self):
        """ Read the payment that is due for the longest time, or else set a link in the app.

        :return: What it came to, see :func:`run_steps`.
        :rtype: str
        """
        tx = self.env['vipps.read.request']._take_next()
        if tx:
            return tx._vipps_read_scheduled()
        tx = self._vipps_lock_next('vipps_next_read')
        if tx:
            return tx._vipps_read_open()
        tx = self._vipps_lock_next('vipps_next_comparison')
        if tx:
            return tx._vipps_compare()
        return self._vipps_set_next_app_link()

    @api.model
    def _vipps_lock_next(self, field_name):
        """ Return the transaction that is due for the longest time and that nobody works on.

        What is due in more than a day was scheduled before the clock was set back.

        :param str field_name: The field that says when a transaction is due.
        :return: The transaction, locked, in its company; empty if there is none.
        :rtype: payment.transaction
        """
        now = fields.Datetime.now()
        self.env.cr.execute(SQL(
            """
            SELECT id FROM payment_transaction
             WHERE %(field)s <= %(now)s OR %(field)s > %(latest)s
             ORDER BY %(field)s
             LIMIT 1
               FOR NO KEY UPDATE SKIP LOCKED
            """,
            field=SQL.identifier(field_name), now=now, latest=now + MAX_DELAY,
        ))
        tx = self.browse(row[0] for row in self.env.cr.fetchall())
        return tx.with_company(tx.company_id)

    def _vipps_read_open(self):
        """ Read an open payment, unless somebody watches whether the customer approves it.

        :return: What it came to, see :func:`run_steps`.
        :rtype: str
        """
        now = fields.Datetime.now()
        if self.state in ('draft', 'pending') and self.vipps_last_read and (
            now - WATCHED_PERIOD < self.vipps_last_read <= now
        ):
            self.vipps_next_read = self.vipps_last_read + FIRST_READ_DELAY
            return DONE
        return self._vipps_read_scheduled()

    def _vipps_read_scheduled(self):
        """ Read a payment, and schedule when it is read again if that fails.

        :return: What it came to, see :func:`run_steps`.
        :rtype: str
        """
        now = fields.Datetime.now()
        self._vipps_schedule_next_read()  # Whatever happens now, the next payment has its turn.
        error = self._vipps_try(lambda: self._vipps_refresh(wait=False))
        self._vipps_tell_safely(lambda tx: tx._vipps_tell_delay(error))
        if not error:
            if not self.vipps_last_read or self.vipps_last_read < now:  # Somebody works on it.
                self.vipps_next_read = now + FIRST_READ_DELAY
            return DONE
        if not error.retryable and not self._vipps_is_open():
            self.write({'vipps_next_read': False, 'vipps_read_count': 0})  # Nothing is waited for.
        else:
            self.vipps_next_read = max(
                self.vipps_next_read, now + timedelta(seconds=error.retry_after)
            )
        return NO_ANSWER if error.is_no_answer else DONE

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
            self.provider_id._vipps_alert_administrator(
                f'payment:{self.id}', _lt("Payment %s cannot be processed", self.reference),
                error,
            )
            return VippsError(str(error))
        except Exception:
            _logger.exception("Payment %s cannot be processed.", self.reference)
            return VippsError(_("Something went wrong in Odoo. Its log says what."))
        self.provider_id._vipps_end_alert(f'payment:{self.id}')
        return None
