# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import api, models


class SaleOrder(models.Model):
    _inherit = 'sale.order'

    @api.depends('transaction_ids.state', 'transaction_ids.child_transaction_ids.state')
    def _compute_amount_paid(self):
        """ Override of `sale` not to count the released part of a payment. """
        super()._compute_amount_paid()
        for order in self._vipps_filter_paid():
            order.amount_paid = order.transaction_ids._vipps_correct_amount_paid(order.amount_paid)

    def _generate_downpayment_invoices(self):
        """ Override of `sale` to invoice the delivered goods, and no down payment, if nothing more
        is going to be delivered, and exactly those goods were paid. """
        closed_orders = self.filtered(lambda order: (
            order._vipps_filter_paid()
            and order._vipps_is_closed()
            and not order.currency_id.compare_amounts(
                order.amount_paid, order._vipps_get_delivered_amount()
            )
        ))
        invoices = super(SaleOrder, self - closed_orders)._generate_downpayment_invoices()
        return invoices | closed_orders.with_context(
            raise_if_nothing_to_invoice=False
        )._create_invoices(final=True)
