# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import api, models


class SaleOrder(models.Model):
    _inherit = 'sale.order'

    @api.depends('transaction_ids.state', 'transaction_ids.child_transaction_ids.state')
    def _compute_amount_paid(self):
        """ Override of `sale` not to count what was released of a payment. """
        super()._compute_amount_paid()
        for order in self:
            order.amount_paid = order.transaction_ids._vipps_correct_amount_paid(order.amount_paid)
