# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import logging

from odoo import _, models
from odoo.exceptions import ValidationError

from .vipps_api_client import VippsError

_logger = logging.getLogger(__name__)


class PaymentTransaction(models.Model):
    _inherit = 'payment.transaction'

    #=== BUSINESS METHODS - CAPTURE AND VOID ===#

    def _send_capture_request(self, amount_to_capture=None):
        """ Override of `payment` to capture the payment.

        :raise ValidationError: If it was not captured, or if that is unknown.
        """
        child_txs = super()._send_capture_request(amount_to_capture=amount_to_capture)
        if self.provider_code != 'vipps':
            return child_txs

        tx_sudo = self.sudo()  # The user may operate, but only the system writes.
        tx_sudo._vipps_operate(tx_sudo._vipps_capture)
        return child_txs

    def _send_void_request(self, amount_to_void=None):
        """ Override of `payment` to release the payment.

        :raise ValidationError: If it was not released, or if that is unknown.
        """
        child_txs = super()._send_void_request(amount_to_void=amount_to_void)
        if self.provider_code != 'vipps':
            return child_txs

        tx_sudo = self.sudo()  # The user may operate, but only the system writes.
        tx_sudo._vipps_operate(tx_sudo._vipps_cancel)
        return child_txs

    def _vipps_operate(self, operation):
        """ Do an operation that a person asked for: read the payment first, and then decide.

        :param function operation: The operation.
        :return: None
        :raise ValidationError: If it did not take effect, or if that is unknown.
        """
        self.ensure_one()
        try:
            self._vipps_refresh()
            # What was read may have made the operation unnecessary.
            if self.state == 'authorized':
                operation()
        except VippsError as error:
            _logger.info("Operation on payment %s: %s", self.reference, error.log_text)
            if error.is_unknown and not error.is_not_now:
                raise ValidationError(_(
                    "Vipps MobilePay does not answer, so it is not known whether this took effect."
                    " Try again in a moment: it will not be done twice."
                )) from error
            if not error.is_unknown:
                self.env.cr.postrollback.add(self._vipps_prepare_refusal_count())
            raise ValidationError("Vipps MobilePay: " + str(error)) from error

    def _vipps_prepare_refusal_count(self):
        """ Return a function that counts a definite refusal although the request is rolled back.

        Vipps MobilePay repeats its refusal to whoever comes with the same idempotency key.
        """
        registry, tx_id = self.env.registry, self.id

        def count_refusal():
            with registry.cursor() as cr:
                cr.execute("""
                    UPDATE payment_transaction
                       SET vipps_refusal_count = COALESCE(vipps_refusal_count, 0) + 1
                     WHERE id = %s
                """, [tx_id])

        return count_refusal

    def _vipps_capture(self):
        """ Capture the payment in full and converge to the answer.

        :return: None
        :raise VippsError: If it was refused, or if it is unknown whether it took effect.
        """
        api_client = self.env['vipps.api.client']
        self.vipps_idempotency_key = api_client._get_idempotency_key(
            self, 'capture', self.amount, self.vipps_refusal_count
        )
        payment = api_client._capture_payment(self, self.amount, self.vipps_idempotency_key)
        self._handle_notification_data('vipps', {'payment': payment})

    def _vipps_cancel(self, only_unapproved=False):
        """ Cancel the payment, whether it is approved or not, and converge to the answer.

        :param bool only_unapproved: Whether a payment that the customer approved is left alone.
        :return: None
        :raise VippsError: If it was refused, or if it is unknown whether it took effect.
        """
        payment = self.env['vipps.api.client']._cancel_payment(
            self, only_unapproved=only_unapproved
        )
        self._handle_notification_data('vipps', {'payment': payment})

    #=== BUSINESS METHODS - AUTOMATIC CAPTURE ===#

    def _vipps_is_capture_due(self):
        """ Tell whether the payment is to be captured without anybody asking for it. """
        return (
            self.state == 'authorized'
            and self.vipps_payment_state == 'AUTHORIZED'
            and self.provider_id.vipps_capture_mode == 'automatic'
            and self.provider_id.state != 'disabled'
        )

    def _vipps_capture_if_due(self):
        """ Capture an approved payment, if that is how the provider is set up.

        A failure leaves the payment reserved, and the job tries again.
        """
        if not self._vipps_is_capture_due():
            return
        try:
            self._vipps_capture()
        except VippsError as error:
            _logger.info("Automatic capture of %s: %s", self.reference, error.log_text)
            if not error.is_unknown:
                self.vipps_refusal_count += 1
                self.provider_id._vipps_alert_administrator(
                    _("Payment %s is not captured", self.reference), str(error)
                )

    #=== BUSINESS METHODS - SECOND PAYMENTS ===#

    def _vipps_is_paid_otherwise(self):
        """ Tell whether other payments leave too little to pay of the documents for this one. """
        total_amount = sum((self.sale_order_ids or self.invoice_ids).mapped('amount_total'))
        left_amount = self._vipps_get_due_amount() - self._vipps_get_held_amount()
        return (
            self.currency_id.compare_amounts(left_amount, total_amount) < 0
            and self.currency_id.compare_amounts(self.amount, left_amount) > 0
        )

    def _vipps_get_due_amount(self):
        """ Return the amount to pay of the documents, in major units.

        It contains what :meth:`_vipps_get_held_amount` counts.
        """
        if self.sale_order_ids:
            return sum(self.sale_order_ids.mapped('amount_total'))
        return sum(self.invoice_ids.mapped('amount_residual'))

    def _vipps_get_held_amount(self):
        """ Return what other transactions have reserved or paid of the documents, in major units.

        What is paid of an invoice is only counted until its payment is posted: then the invoice
        shows it itself.
        """
        orders, invoices = self.sale_order_ids, self.invoice_ids
        txs = (orders or invoices).transaction_ids
        txs |= txs.child_transaction_ids.filtered(lambda t: t.operation == 'refund')
        return sum(
            tx.amount for tx in txs - self
            if tx.state == 'authorized'
            or tx.state == 'done' and (orders or not tx.is_post_processed)
        )

    def _vipps_release_second_payment(self):
        """ Release an approved payment of documents that were paid otherwise in the meantime. """
        _logger.info("Payment %s is the second one: it is released.", self.reference)
        self._vipps_cancel()
