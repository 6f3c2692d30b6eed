# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import models

from ..api.client import VippsError


class PaymentTransaction(models.Model):
    """ Amounts to capture, release or refund, by the documents and the capture mode. """
    _inherit = 'payment.transaction'

    #=== BUSINESS METHODS - AUTOMATIC OPERATIONS ===#

    def _vipps_capture_if_due(self):
        """ Capture the amount that is due, and release the amount that is no longer needed.

        A failure leaves the payment reserved, and the job tries again.

        :return: Whether the outcome is known.
        """
        try:
            operation, amount = self._vipps_get_due_operation()
            if operation == 'capture':
                self._vipps_execute(operation, amount)
                operation, amount = self._vipps_get_due_operation()
            if operation == 'release':
                self._vipps_execute(operation, amount)
                if self.vipps_capture_mode == 'manual' and not self._vipps_is_document_cancelled():
                    self._vipps_tell_safely(lambda tx: tx._vipps_tell_paid_otherwise(amount))
        except VippsError as error:
            if error.is_unknown:
                return False
            self._vipps_tell_safely(lambda tx, error=error: tx._vipps_tell_failure(error))
        return True

    def _vipps_get_due_operation(self):
        """ Return the operation that is due without a request by a person.

        :return: `capture` or `release`, and the amount in major units; None and 0 if none is due.
        """
        if not self._vipps_is_reserved():
            return None, 0
        reserved_amount = self._vipps_get_reserved_amount()
        if self._vipps_is_document_cancelled():
            return 'release', reserved_amount
        if self._vipps_is_waiting_for_order():
            return None, 0
        left_amount = self._vipps_get_left_amount()
        is_useless = self.vipps_remaining_amount > 0 and not left_amount
        if self.vipps_capture_mode not in ('automatic', 'on_delivery'):
            # People decide on a needless reservation, but cannot capture an amount already paid.
            amount, is_needless = 0, is_useless and self._vipps_is_paid_otherwise()
        elif self.vipps_capture_mode == 'automatic' or not self.sale_order_ids:
            amount, is_needless = left_amount, is_useless
        else:
            amount = self._vipps_get_delivered_due_amount()
            is_needless = is_useless and any(
                order._vipps_get_amount_paid_otherwise() > 0 for order in self.sale_order_ids
            ) or (
                self.provider_id.vipps_release_when_closed
                and all(order._vipps_is_closed() for order in self.sale_order_ids)
                # After a refund, somebody decides whether something is captured in its place.
                and not self._vipps_get_refunded_amount()
            )
        if amount:
            return 'capture', amount
        return ('release', reserved_amount) if is_needless else (None, 0)

    def _vipps_is_reserved(self):
        """ Return whether something is reserved that automatic operations may use. """
        return (
            self.state == 'authorized'
            and self.vipps_payment_state == 'AUTHORIZED'
            and self.provider_id.state != 'disabled'
        )

    def _vipps_is_waiting_for_order(self):
        """ Hook: return whether the payment does not confirm its orders: they became dearer. """
        orders = self.sale_order_ids.filtered(lambda order: order.state in ('draft', 'sent'))
        now_amount, then_amount = self._vipps_get_total_amount(), self.vipps_document_amount
        if not orders or not then_amount or (
            self.currency_id.compare_amounts(now_amount, then_amount) <= 0
        ):
            return False
        # Prepayments need to reach a part of the total only.
        required_amount = sum(order._get_prepayment_required_amount() for order in orders)
        paid_amount = self.amount + sum(
            tx._vipps_get_used_amount(self) for tx in orders.transaction_ids - self
        ) + sum(order._vipps_get_amount_paid_otherwise() for order in orders)
        then_required_amount = self.currency_id.round(then_amount * max(
            order.prepayment_percent if order.require_payment else 1 for order in orders
        ))
        return (
            self.currency_id.compare_amounts(paid_amount, required_amount) < 0
            and self.currency_id.compare_amounts(paid_amount, then_required_amount) >= 0
        )

    def _vipps_is_to_release(self, payment):
        """ Hook: return whether a payment that was just approved pays for nothing.

        :param protocol.payment.Payment payment: The payment as read.
        :rtype: bool
        """
        return (
            payment.remaining > 0
            and self.state not in ('authorized', 'done')
            and (self._vipps_is_document_cancelled() or self._vipps_is_paid_otherwise())
        )

    #=== BUSINESS METHODS - DELIVERED AMOUNTS ===#

    def _vipps_get_delivered_due_amount(self):
        """ Return the delivered and unpaid amount of the orders, at most the reserved amount.

        A refunded amount is not captured again: it was given back on purpose.

        :return: The amount, in major units.
        """
        older_txs = self.sale_order_ids.transaction_ids.filtered(
            lambda t: t.id < self.id and t._vipps_is_reserved()
            and t.vipps_capture_mode == 'on_delivery'
        )
        amount = (
            self._vipps_get_delivered_amount()
            - self._vipps_get_paid_amount()
            - sum(older_txs.mapped('vipps_remaining_amount'))  # They are captured first.
        )
        # The last shipment takes the amounts that were rounded off before.
        amount = self.env['vipps.api.client']._round_down(amount, self.currency_id)
        return max(min(amount, self.vipps_remaining_amount), 0)

    def _vipps_get_delivered_amount(self):
        """ Hook: return the value of the delivered part of the orders, in major units. """
        return sum(order._vipps_get_delivered_amount() for order in self.sale_order_ids)

    def _vipps_get_paid_amount(self):
        """ Hook: return the amount that was paid for the orders in any way, before refunds of
        transactions, in major units. """
        orders = self.sale_order_ids
        return sum(
            tx._vipps_get_captured_amount() for tx in orders.transaction_ids
        ) + sum(order._vipps_get_amount_paid_otherwise() for order in orders)

    #=== BUSINESS METHODS - REFUND ===#

    def _vipps_get_excess_amount(self):
        """ Return the amount that was captured and not refunded, although it is neither delivered
        nor going to be, exceeds the total of the documents, or is for returned goods. """
        orders = self.sale_order_ids
        if not orders:
            return self._vipps_get_unused_amount() if self._vipps_is_document_cancelled() else 0
        if self._vipps_is_document_cancelled() or self.vipps_capture_mode == 'on_delivery' and all(
            order._vipps_is_returned() or order._vipps_is_closed() for order in orders
        ):
            worth = sum(order._vipps_get_delivered_amount() for order in orders)
        elif self.vipps_capture_mode != 'on_delivery' and self.vipps_document_amount:
            worth = self._vipps_get_total_amount()
        else:
            return 0
        txs = orders.transaction_ids.sorted(lambda t: t._origin.id, reverse=True)
        excess_amount = (
            self._vipps_get_paid_amount()
            - sum(tx._vipps_get_refunded_amount() for tx in txs)
            - worth
        )
        for tx in txs:  # The last payment is given back first.
            own_amount = min(tx._vipps_get_refundable_amount(), excess_amount)
            if tx == self:
                return max(self.currency_id.round(own_amount), 0)
            excess_amount -= own_amount
        return 0
