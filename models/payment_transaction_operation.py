# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import logging

from odoo import _, models
from odoo.exceptions import ValidationError

from .vipps_api_client import VippsError

_logger = logging.getLogger(__name__)

READ_SOON = """
    UPDATE payment_transaction
       SET vipps_next_read = now() AT TIME ZONE 'UTC', vipps_last_read = NULL
     WHERE id = %s
"""

# Vipps MobilePay repeats its refusal to whoever comes with the same idempotency key.
COUNT_REFUSAL = """
    UPDATE payment_transaction
       SET vipps_refusal_count = COALESCE(vipps_refusal_count, 0) + 1
     WHERE id = %s
"""


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
        # Whatever is rolled back here, Vipps MobilePay remembers.
        self._vipps_after_rollback(READ_SOON)
        try:
            self._vipps_refresh(may_capture=False)
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
                self._vipps_after_rollback(COUNT_REFUSAL)
            raise ValidationError("Vipps MobilePay: " + str(error)) from error

    def _vipps_after_rollback(self, query):
        """ Update the transaction if the request is rolled back.

        :param str query: The update, of the row with the given id.
        :return: None
        """
        registry, tx_id = self.env.registry, self.id

        def update():
            with registry.cursor() as cr:
                cr.execute(query, [tx_id])

        self.env.cr.postrollback.add(update)

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
        # A success is what the sums say, not that there was an answer.
        if payment.captured < payment.amount:
            raise VippsError(
                _("Vipps MobilePay has not captured the payment yet."), is_unknown=True
            )
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
            and self.vipps_capture_mode == 'automatic'
            and self.provider_id.state != 'disabled'
        )

    def _vipps_capture_if_due(self):
        """ Capture an approved payment, if that is how the provider is set up.

        A failure leaves the payment reserved, and the job tries again.
        """
        if not self._vipps_is_capture_due():
            return
        try:
            with self.env.cr.savepoint():
                self._vipps_capture()
        except VippsError as error:
            _logger.info("Automatic capture of %s: %s", self.reference, error.log_text)
            if not error.is_unknown:
                self.vipps_refusal_count += 1
                self.provider_id._vipps_alert_administrator(
                    _("Payment %s is not captured", self.reference), str(error)
                )

    #=== BUSINESS METHODS - UNWANTED PAYMENTS ===#

    def _vipps_is_to_release(self, payment):
        """ Tell whether there is nothing anymore that a payment would pay, which was just approved.

        :param protocol.payment.Payment payment: The payment as read.
        :rtype: bool
        """
        return (
            payment.remaining > 0
            and self.state not in ('authorized', 'done')
            and (self._vipps_is_document_cancelled() or self._vipps_is_paid_otherwise())
        )

    def _vipps_is_document_cancelled(self):
        """ Tell whether all documents were cancelled since the payment was started. """
        documents = self.sale_order_ids or self.invoice_ids
        return bool(documents) and all(document.state == 'cancel' for document in documents)

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
