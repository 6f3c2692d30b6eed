# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import logging
import time
from datetime import timedelta
from functools import partial

from psycopg2 import OperationalError

from odoo import _, fields, models
from odoo.exceptions import UserError, ValidationError
from odoo.tools import SQL

from ...patience import WAITING_SECONDS
from ...source import WEBHOOK
from ...step_log import log_step
from ..api.client import VippsError
from ..jobs.task import DONE, KINDS_BY_JOB, LATER, MONEY, NO_ANSWER

_logger = logging.getLogger(__name__)

# How long a payment that Vipps MobilePay does not know is looked for: it may just be created.
NOT_FOUND_PERIOD = timedelta(minutes=10)

# However many pages show a payment, it is read at most once within this time for all of them.
CUSTOMER_READ_INTERVAL = timedelta(seconds=2)

FIRST_READ_DELAY = timedelta(minutes=1)

# A customer's status page reads every few seconds: payments read within this time are watched.
WATCHED_PERIOD = timedelta(seconds=30)

# The period of waiting for the event of a booked operation, when the log lags behind the sums.
LOG_PERIOD = timedelta(days=1)

# The longest delay of a read after an event, as long as Vipps MobilePay does not answer.
LAST_NO_ANSWER_DELAY = timedelta(minutes=5)

# How often a capture is tried, in growing intervals, before somebody is told.
PATIENT_TRIES = 6


class PaymentTransaction(models.Model):
    """ Sync: read the payment at Vipps MobilePay, and make Odoo say the same.

    Every way to learn of a payment ends here: events, jobs, customers, tills and operations.
    """
    _inherit = 'payment.transaction'

    # As last read, of the root.
    vipps_authorized_amount = fields.Monetary(
        string="Authorized Amount", copy=False, readonly=True,
    )
    vipps_captured_amount = fields.Monetary(
        string="Captured Amount", copy=False, readonly=True,
    )
    vipps_refunded_amount = fields.Monetary(
        string="Refunded Amount", copy=False, readonly=True,
    )
    vipps_remaining_amount = fields.Monetary(
        string="Reserved Amount",
        help="The amount that is reserved, and neither captured nor released.",
        copy=False,
        readonly=True,
    )
    vipps_guaranteed_until = fields.Datetime(
        string="Guaranteed Until",
        help="The day until which Vipps MobilePay guarantees that the reserved amount can be"
             " captured. After that, a capture can fail, because the bank may have released the"
             " money.",
        copy=False,
        readonly=True,
    )
    vipps_capture_deadline = fields.Datetime(
        string="Last Day of Capture",
        help="After that, the reserved amount can no longer be captured.",
        copy=False,
        readonly=True,
    )
    # The events of the payment, oldest first, as last read; amounts in minor units.
    vipps_event_log = fields.Json(copy=False, readonly=True)

    #=== BUSINESS METHODS - READING ===#

    def _vipps_sync(self, min_age=None, wait=True, may_capture=True, events=None):
        """ Read the payment at Vipps MobilePay and converge to it.

        A job can wait long for an answer. Meanwhile it locks the transaction alone: the customer
        goes on changing the cart. Once it has locked the documents, it waits as a person does, and
        longer steps are left to the next read, for which an approved payment needs no document.

        Note: `self.ensure_one()`

        :param bool wait: Whether to wait for others who work on the same payment or document;
                          people wait for a short time.
        :param bool may_capture: Whether to capture and release amounts that nobody has to ask for.
        :param vipps.webhook.event events: The pending events, if they were looked up.
        :return: Whether the payment was read.
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
            else self._vipps_lock(wait=WAITING_SECONDS) if wait else self._vipps_try_lock()
        ):
            return False
        was_approved = self.state in ('authorized', 'done')
        if events is None:
            events = self.env['vipps.webhook.event']._get_pending(self)
        tasks = self.env['vipps.task']._find(self, KINDS_BY_JOB[MONEY])
        try:
            with self.env.cr.savepoint():
                self.vipps_last_read = now
                payment = self._vipps_read()
                if is_job and not was_approved:
                    self._vipps_lock_documents(SQL("NOWAIT"))
                    self = self._vipps_with_patience()
                self._vipps_converge(payment)
        except Exception:
            self.vipps_last_read = now  # So that nobody asks without pause.
            raise
        if may_capture and payment and not self._vipps_capture_if_due() and not was_approved:
            tasks._schedule(self, 'capture')  # It took too long here.
        if self.state in ('authorized', 'done', 'cancel'):
            self._vipps_tell_safely(lambda tx: tx._vipps_follow_up_change(is_new=not was_approved))
        self._vipps_tell_safely(lambda tx: tx._vipps_follow_up())
        self._vipps_schedule_app_link()
        events._settle()
        left = {'sync': self._vipps_is_read_due(), 'capture': self._vipps_is_operation_due()}
        tasks._settle(self, [kind for kind in left if left[kind]])
        return True

    def _vipps_read(self):
        """ Return the payment as it is at Vipps MobilePay, or None if it was never created.

        :raise VippsError: If it cannot be read.
        """
        try:
            return self.env['vipps.api.client']._call_for(self, 'get')
        except VippsError as error:
            age = fields.Datetime.now() - self._vipps_get_start_time()
            if not error.is_not_found or self.vipps_payment_state or age <= NOT_FOUND_PERIOD:
                raise
            return None

    def _vipps_get_start_time(self):
        """ Hook to return the time before which nobody was asked for the payment. """
        return self.create_date

    #=== BUSINESS METHODS - CONVERGING ===#

    def _vipps_converge(self, payment):
        """ Converge to the payment as it was read, with everything locked that this needs.

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

    def _get_tx_from_notification_data(self, provider_code, notification_data):
        """ Override of `payment` to find the transaction by the reference of the payment.

        :raise ValidationError: If there is none.
        """
        tx = super()._get_tx_from_notification_data(provider_code, notification_data)
        if provider_code != 'vipps' or len(tx) == 1:
            return tx

        tx = self.search([
            ('vipps_payment_reference', '=', notification_data['payment'].reference),
            ('provider_code', '=', 'vipps'),
        ])
        if not tx:
            raise ValidationError("Vipps MobilePay: " + _(
                "No transaction found matching reference %s.",
                notification_data['payment'].reference,
            ))
        return tx

    def _process_notification_data(self, notification_data):
        """ Override of `payment` to converge to a payment as read at Vipps MobilePay.

        Every way to learn of a payment ends here. Earlier reads, and their number, do not matter.
        The transaction is locked by the caller.

        Note: `self.ensure_one()`

        :param dict notification_data: The `payment`, as a `protocol.payment.Payment`, and `own_tx`,
                                       the transaction of the operation that it is the answer to.
        :raise VippsError: If it cannot be read how the money was moved.
        """
        super()._process_notification_data(notification_data)
        if self.provider_code != 'vipps':
            return

        tx = self._vipps_in_customer_language()
        payment = notification_data['payment']
        is_right = tx._vipps_check_payment(payment)
        if payment.reference == self.vipps_payment_reference:
            tx._vipps_keep_state(payment)
        if not is_right:
            return
        if tx._vipps_is_to_release(payment):
            log_step(_logger, 'release_decided', self)  # Nothing is left that it would pay.
            payment = tx._vipps_request('release', self.amount)
            if not tx._vipps_check_payment(payment):
                return
            tx._vipps_keep_state(payment)

        if payment.state == 'AUTHORIZED':
            tx._vipps_process_authorized(payment, notification_data.get('own_tx'))
        elif payment.is_final:
            tx._vipps_set_canceled(payment.state)
        self._vipps_flag_difference(self._vipps_describe_difference(payment))

    def _vipps_keep_state(self, payment):
        """ Hook: keep the amounts, dates and state of a payment, even if it is not the right one.

        :param protocol.payment.Payment payment: The payment as read.
        """
        api_client = self.env['vipps.api.client']
        approved = None
        if payment.authorized and not (
            self.vipps_authorized_amount and self.vipps_capture_deadline
        ):
            approved = self._vipps_get_approval_time()
        if payment.authorized and not self.vipps_authorized_amount:
            self._vipps_keep_approval_time(approved)
        self.write({
            'provider_reference': payment.psp_reference,
            **{
                f'vipps_{name}_amount': api_client._to_major(amount, self.currency_id)
                for name, amount in (
                    ('authorized', payment.authorized),
                    ('captured', payment.captured),
                    ('refunded', payment.refunded),
                    ('remaining', payment.remaining),
                )
            },
        })
        if payment.capture_guaranteed_until:
            self.vipps_guaranteed_until = payment.capture_guaranteed_until.replace(microsecond=0)
        if payment.authorized and not self.vipps_capture_deadline:
            # Without its event, it was approved some time later: a day too early costs no money.
            reserved = approved or self.create_date
            days = self.provider_id._vipps_get_reservation_days(self.currency_id)
            self.vipps_capture_deadline = max(filter(None, (
                reserved + timedelta(days=days), self.vipps_guaranteed_until,
            )))
        # A state that is not known yet says nothing about the money, but is no reason to fail.
        if payment.derived_state in self._fields['vipps_payment_state'].get_values(self.env):
            self.vipps_payment_state = payment.derived_state
        if payment.is_final:
            self.vipps_redirect_url = False  # The customer has decided.
        self._vipps_keep_user_info(payment)

    def _vipps_check_payment(self, payment):
        """ Hook: ensure that a payment is the one of this transaction, for the same amount.

        If it is not, somebody has to look at it: it is flagged, and never paid.

        :return: Whether it is.
        """
        api_client = self.env['vipps.api.client']
        amount = api_client._to_minor(self.amount, self.currency_id)
        amounts = self._vipps_get_read_amounts(payment)
        if (payment.reference, payment.currency, amounts) == (
            self.vipps_payment_reference, self.currency_id.name, {amount}
        ):
            return True
        self._vipps_refuse_payment(payment, min(amounts - {amount}, default=amount))
        return False

    def _vipps_get_read_amounts(self, payment):
        """ Hook: return the amounts of a payment that have to be that of the transaction.

        :rtype: set[int]
        """
        amounts = {payment.amount}
        if payment.state == 'AUTHORIZED':
            amounts.add(payment.authorized)
        return amounts

    def _vipps_process_authorized(self, payment, own_tx=None):
        """ Converge to a payment that the customer approved.

        :raise VippsError: If it cannot be read how the money was moved.
        """
        if self.state not in ('authorized', 'done'):
            if not payment.captured and not payment.remaining:  # It never was a reservation here.
                self._vipps_set_canceled('CANCELLED')
                if self.state != 'cancel':
                    return
            else:
                self._vipps_touch_documents()
                if payment.captured < payment.authorized:
                    self._vipps_set_state('authorized')
        self._vipps_converge_operations(payment, own_tx)

    def _vipps_set_canceled(self, payment_state):
        if self.state in ('draft', 'pending', 'authorized'):
            self._set_canceled(self._vipps_explain_end(payment_state))

    #=== BUSINESS METHODS - REMAINING AMOUNTS ===#

    def _vipps_is_open(self):
        """ Return whether we wait for something to happen at Vipps MobilePay. """
        return self._vipps_is_decision_open() or self._vipps_is_operation_due()

    def _vipps_is_decision_open(self):
        """ Hook: return whether the payment is not decided yet: the customer may still approve it.
        """
        return self.state in ('draft', 'pending') or (
            # That answer was from before the approval.
            self.state == 'authorized' and self.vipps_payment_state == 'CREATED'
        )

    def _vipps_is_operation_due(self):
        """ Return whether there is something to capture or to release. """
        return bool(self._vipps_get_due_operation()[0])

    def _vipps_is_read_due(self):
        """ Return whether the customer may still decide, or something was booked lately whose event
        is still to come. """
        since = fields.Datetime.now() - LOG_PERIOD
        return self._vipps_is_decision_open() or any(
            tx.last_state_change >= since for tx in self._vipps_get_unreferenced()
        )

    def _vipps_watch(self):
        """ Have the job read the payment until the customer has decided, in growing intervals. """
        self.env['vipps.task']._schedule(
            self, 'sync', due=fields.Datetime.now() + FIRST_READ_DELAY, tries=1
        )

    #=== BUSINESS METHODS - CALLERS ===#

    def _vipps_sync_for_customer(self, wait=False):
        """ Read open payments for a customer who waits, without an error: a payment that cannot be
        read now is read later.

        :param bool wait: Whether to wait for a short time for others who work on the same payment.
        """
        txs = self._vipps_with_patience(is_polling=True)
        for tx in txs.filtered(lambda t: t.provider_code == 'vipps' and t._vipps_is_open()):
            if tx._vipps_may_ask():
                tx._vipps_try(
                    lambda tx=tx: tx._vipps_sync(min_age=CUSTOMER_READ_INTERVAL, wait=wait)
                )

    def _vipps_do_sync(self):
        """ Read the payment, unless its events tell nothing new, or a customer watches the page
        that reads it anyway. """
        tasks, now = self.env['vipps.task'], fields.Datetime.now()
        events = self.env['vipps.webhook.event']._get_pending(self)
        if events and all(self._vipps_knows(event) for event in events):
            events._settle()
            return LATER if self._vipps_is_read_due() else DONE
        is_watched = self.state in ('draft', 'pending') and (
            self.vipps_last_read and now - WATCHED_PERIOD < self.vipps_last_read <= now
        )
        if is_watched and tasks._get_tries(self, 'sync') > 1:
            tasks._put_off(self, 'sync', self.vipps_last_read + FIRST_READ_DELAY)
            return LATER
        return self._vipps_sync_for_task('sync') or (LATER if self._vipps_is_read_due() else DONE)

    def _vipps_do_verify(self):
        """ Read the payment after an operation whose outcome may be unknown. """
        return self._vipps_sync_for_task('verify') or DONE

    def _vipps_do_capture(self):
        """ Read the payment, and so capture or release the amount that is due. """
        return self._vipps_sync_for_task('capture') or (
            LATER if self._vipps_is_operation_due() else DONE
        )

    def _vipps_sync_for_task(self, kind):
        """ Read the payment for a task. """
        tasks = self.env['vipps.task']
        events = self.env['vipps.webhook.event']._get_pending(self)
        tx = self.with_context(vipps_source=WEBHOOK) if events else self
        error = tx._vipps_try(partial(tx._vipps_sync, events=events))
        if self._vipps_is_operation_due() and tasks._get_tries(self, 'capture') > PATIENT_TRIES:
            self._vipps_tell_safely(lambda tx: tx._vipps_tell_delay(error))
        if not error:
            return None
        events._keep_error(error)
        is_awaited = any(event.state == 'pending' for event in events)
        is_left = is_awaited or self._vipps_is_read_due() or self._vipps_is_operation_due()
        if not is_left and (kind == 'sync' or not error.retryable):
            return DONE
        # When Vipps MobilePay is back, nobody wants to wait for an hour.
        return self._vipps_put_off(kind, error, is_awaited and LAST_NO_ANSWER_DELAY)

    def _vipps_put_off(self, kind, error, last_delay=None):
        """ Put a task off as an error demands it, and return the outcome for the queue.

        :param timedelta last_delay: The longest delay if there was no answer, if any.
        """
        now = fields.Datetime.now()
        self.env['vipps.task']._limit_due(
            self, kind, earliest=now + timedelta(seconds=error.retry_after),
            latest=now + last_delay if last_delay and error.is_no_answer else None,
        )
        return NO_ANSWER if error.is_no_answer else LATER

    def _vipps_try(self, refresh, step='read'):
        """ Refresh the payment where an error would reach nobody who can do something about it.

        :return: The error, if there was one.
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
            # The text of Odoo can name the customer: people read that in the activity.
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
