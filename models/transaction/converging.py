# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import logging
from datetime import timedelta

from odoo import _, fields, models
from odoo.exceptions import ValidationError
from odoo.tools import format_amount

from ...step_log import log_step

_logger = logging.getLogger(__name__)


class PaymentTransaction(models.Model):
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
        help="What is reserved, and neither captured nor released.",
        copy=False,
        readonly=True,
    )
    vipps_guaranteed_until = fields.Datetime(
        string="Guaranteed Until",
        help="Until when Vipps MobilePay guarantees that what is reserved can be captured. After"
             " that, a capture can fail, because the bank may have released the money.",
        copy=False,
        readonly=True,
    )
    vipps_capture_deadline = fields.Datetime(
        string="Last Day of Capture",
        help="After that, what is reserved can no longer be captured.",
        copy=False,
        readonly=True,
    )
    # What happened to the payment, oldest first, as last read; amounts in minor units.
    vipps_event_log = fields.Json(copy=False, readonly=True)

    #=== BUSINESS METHODS - CONVERGING ===#

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

        Every way to learn of a payment ends here. It does not matter what was learned before, nor
        how often. The transaction is locked by the caller.

        Note: `self.ensure_one()`

        :param dict notification_data: The `payment`, as a `protocol.payment.Payment`, and `own_tx`,
                                       the transaction of the operation that it is the answer to.
        :return: None
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
        staff_tx = self._vipps_in_staff_language()
        staff_tx._vipps_flag_difference(staff_tx._vipps_describe_difference(payment))

    def _vipps_keep_state(self, payment):
        """ Keep what people want to know of a payment, whatever it means.

        :param protocol.payment.Payment payment: The payment as read.
        :return: None
        """
        api_client = self.env['vipps.api.client']
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
            # It was approved a few minutes later, at most.
            days = self.provider_id._vipps_get_reservation_days(self.currency_id)
            self.vipps_capture_deadline = max(filter(None, (
                self.create_date + timedelta(days=days), self.vipps_guaranteed_until,
            )))
        # A state that is not known yet says nothing about the money, but is no reason to fail.
        if payment.derived_state in self._fields['vipps_payment_state'].get_values(self.env):
            self.vipps_payment_state = payment.derived_state
        if payment.is_final:
            self.vipps_redirect_url = False  # Nobody needs it anymore.
        self._vipps_keep_user_info(payment)

    def _vipps_check_payment(self, payment):
        """ Ensure that a payment is the one of this transaction, over the same amount.

        If it is not, somebody has to look at it: it is flagged, and never paid.

        :param protocol.payment.Payment payment: The payment as read.
        :return: Whether it is.
        :rtype: bool
        """
        api_client = self.env['vipps.api.client']
        amount = api_client._to_minor(self.amount, self.currency_id)
        amounts = {payment.amount}
        if payment.state == 'AUTHORIZED':
            amounts.add(payment.authorized)
        if (payment.reference, payment.currency, amounts) == (
            self.vipps_payment_reference, self.currency_id.name, {amount}
        ):
            return True
        self._vipps_refuse_payment(payment, min(amounts - {amount}, default=amount))
        return False

    def _vipps_refuse_payment(self, payment, read_amount):
        """ Tell the staff that a payment is not the one that was asked for, and the customer not to
        pay again.

        :param protocol.payment.Payment payment: The payment as read.
        :param int read_amount: Its amount, in minor units.
        :return: None
        """
        staff_tx = self._vipps_in_staff_language()
        message = staff_tx._vipps_describe_refusal(payment, read_amount)
        if self.state in ('draft', 'pending', 'authorized'):
            self._set_error(_(
                "Something is not right with this payment. We are looking into it: please do not"
                " pay again, and contact us."
            ))
            staff_tx._vipps_tell_safely(lambda tx: tx._log_message_on_linked_documents(message))
        if self.vipps_difference != message:
            log_step(
                _logger, 'compared', self, outcome='different', level=logging.WARNING,
                read_reference=payment.reference, read_amount=read_amount,
                read_currency=payment.currency,
            )
            staff_tx._vipps_alert_refusal(message)

    def _vipps_alert_refusal(self, message):
        self.vipps_difference = message
        self.provider_id._vipps_alert_administrator('difference', message, self)

    def _vipps_describe_refusal(self, payment, read_amount):
        return _(
            "Vipps MobilePay says that payment %(reference)s is for %(read)s %(read_currency)s,"
            " but %(expected)s was asked for. Nothing was booked, but the customer may be charged."
            " Compare both before you deliver.",
            reference=payment.reference,
            read=self.env['vipps.api.client']._to_major(read_amount, self.currency_id),
            read_currency=payment.currency,
            expected=format_amount(self.env, self.amount, self.currency_id),
        )

    def _vipps_process_authorized(self, payment, own_tx=None):
        """ Converge to a payment that the customer approved.

        :param protocol.payment.Payment payment: The payment as read.
        :param payment.transaction own_tx: The transaction of an operation that was just answered.
        :return: None
        :raise VippsError: If it cannot be read how the money was moved.
        """
        if self.state not in ('authorized', 'done'):
            if not payment.captured and not payment.remaining:  # It never was a reservation here.
                self._vipps_set_canceled('CANCELLED')
                if self.state != 'cancel':
                    return
            else:
                self._vipps_touch_documents()
                if payment.captured < payment.amount:
                    self._vipps_set_state('authorized')
        self._vipps_converge_operations(payment, own_tx)

    def _vipps_set_canceled(self, payment_state):
        if self.state in ('draft', 'pending', 'authorized'):
            self._set_canceled(self._vipps_explain_end(payment_state))

    def _vipps_explain_end(self, payment_state):
        """ Return what happened to a payment that was not paid, for the customer and the staff. """
        # What never became a reservation in Odoo was released because nobody needed it.
        if payment_state == 'CANCELLED' and self.state != 'authorized':
            if self._vipps_is_document_cancelled():
                return _(
                    "The order was cancelled before you approved the payment. It was released"
                    " immediately: nothing has been charged."
                )
            if self._vipps_is_paid_otherwise():
                return _(
                    "This is the second payment for the same order. It was released immediately:"
                    " you are charged only for the first one."
                )
        aborted_text = _("The payment was cancelled in the app. Nothing has been charged.")
        if self.vipps_scopes:
            aborted_text += " " + _(
                "If you do not want to share data, choose another payment method."
            )
        return {
            'ABORTED': aborted_text,
            'EXPIRED': _("The payment was not approved in time. Nothing has been charged."),
            'TERMINATED': _("The payment was cancelled. Nothing has been charged."),
            'CANCELLED': _("The reserved amount was released. Nothing has been charged."),
        }[payment_state]
