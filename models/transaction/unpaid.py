# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import _, models


class PaymentTransaction(models.Model):
    """ Goods that left, or are going to, and that neither a payment nor a reservation covers. """
    _inherit = 'payment.transaction'

    #=== BUSINESS METHODS ===#

    def _vipps_follow_up_unpaid(self):
        """ Hook: inform the salesperson about delivered goods of the orders that no payment covers,
        or about an amount that is no longer covered since a reservation was released, and take it
        back when it is settled.

        However many payments an order has, its first one tells it.

        :return: None
        """
        approved_txs = self.sale_order_ids.transaction_ids.filtered(
            lambda tx: tx.vipps_payment_reference and tx.vipps_authorized_amount > 0
        )
        if not approved_txs:
            return
        tx = approved_txs.sorted('id')[0].with_company(self.company_id)._vipps_in_staff_language()
        reason, amount = tx._vipps_find_unpaid()
        told = tx._vipps_get_told('unpaid') or ''
        told_reason, _separator, told_amount = told.partition(' ')
        if not reason:
            if told_reason:
                tx._vipps_keep_told('unpaid', None)
                tx._vipps_end_activity('unpaid', _("What is delivered is paid, or going to be."))
            return
        is_worse = reason != told_reason and told_reason != 'delivered' or (
            tx.currency_id.compare_amounts(amount, float(told_amount or 0)) > 0
        )
        if f'{reason} {amount:.6f}' == told:
            return
        if is_worse or tx._vipps_get_activities('unpaid'):
            tx._vipps_tell_unpaid(reason, amount)
        tx._vipps_keep_told('unpaid', f'{reason} {amount:.6f}')

    def _vipps_find_unpaid(self):
        """ Return the amount of the orders that payments and reservations do not cover.

        :return: The reason: `delivered`, or `released` if nothing of it is delivered yet; and the
                 amount, in major units. None and 0 if everything is covered.
        """
        orders = self.sale_order_ids.filtered(lambda order: order.state == 'sale')
        txs = orders.transaction_ids
        covered_amount = self._vipps_get_paid_amount() + sum(
            tx._vipps_get_reserved_amount() for tx in txs
        )
        asked_amount = self._vipps_get_asked_amount(orders)

        def get_uncovered(amount):
            return self.currency_id.round(min(amount, asked_amount) - covered_amount)

        amount = get_uncovered(self._vipps_get_delivered_amount())
        if amount > 0:
            return 'delivered', amount
        amount = get_uncovered(sum(orders.mapped('amount_total')))
        if amount > 0 and any(tx._vipps_get_releases() for tx in txs) and not all(
            order._vipps_is_closed() for order in orders
        ):
            return 'released', amount
        return None, 0

    def _vipps_get_asked_amount(self, orders):
        """ Return the amount that customers were asked for, plus the amount paid otherwise. If that
        is less than the orders were worth then, the rest is to be paid in another way.

        :return: The amount, in major units; infinite if customers were asked for all of it.
        """
        asked_txs = orders.transaction_ids.filtered(
            lambda tx: tx.state in ('authorized', 'done') or tx.vipps_authorized_amount > 0
        )
        amount = sum(asked_txs.mapped('amount')) + sum(
            order._vipps_get_amount_paid_otherwise() for order in orders
        )
        total_amount = max(asked_txs.mapped('vipps_document_amount'), default=0)
        is_part = self.currency_id.compare_amounts(amount, total_amount) < 0
        return amount if is_part else float('inf')

    def _vipps_tell_unpaid(self, reason, amount):
        """ Create an activity for the salesperson about an uncovered amount.

        :param str reason: See :meth:`_vipps_find_unpaid`.
        :param float amount: The amount, in major units.
        """
        if reason == 'delivered':
            summary = None
            note = _(
                "%s is delivered and not paid, and nothing is reserved for it. Ask the customer for"
                " it, with a payment link or an invoice. This disappears when it is paid. If it is"
                " settled in another way, mark it as done.", self._vipps_format(amount),
            )
        else:
            summary = _("Payment %s no longer covers the order", self.reference)
            note = _(
                "The reservation was released, and %s of the order is not paid. Ask the customer to"
                " pay again, with a payment link, before you deliver. This disappears when it is"
                " paid. If it is settled in another way, mark it as done.",
                self._vipps_format(amount),
            )
        self._vipps_schedule_activity('unpaid', note, summary)
