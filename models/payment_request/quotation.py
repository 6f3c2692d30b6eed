# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import models

from .payable import MODELS_BY_LETTER

MODELS_BY_LETTER['q'] = 'sale.order'


class SaleOrder(models.Model):
    """ Quotations that are accepted by paying on their page, and orders that are not invoiced. """
    _name = 'sale.order'
    _inherit = ['vipps.payable', 'sale.order']

    #=== BUSINESS METHODS - PAYMENT PAGE ===#

    def _vipps_get_closed_state(self):
        """ Override of `vipps.payable`. """
        if self.state == 'cancel':
            return 'cancelled'
        if self.is_expired:
            return 'expired'
        if self._has_to_be_signed():
            return 'unsigned'
        if self.state in ('draft', 'sent') and not self.require_payment:
            return 'draft'
        if self._vipps_get_posted_invoices().filtered(
            lambda move: move.payment_state in ('not_paid', 'partial')
        ):
            return 'invoiced'
        return None

    def _vipps_get_amount_to_pay(self):
        """ Override of `vipps.payable`. """
        return self._vipps_get_left_to_pay()

    def _vipps_get_amount_due_now(self, amount):
        """ Override of `vipps.payable` to ask for the prepayment that confirms a quotation. """
        if self.state not in ('draft', 'sent'):
            return amount
        return amount - self.amount_total + self._get_prepayment_required_amount()

    def _vipps_is_payment_on_its_way(self):
        """ Override of `vipps.payable`. """
        return any(tx.state == 'authorized' for tx in self.transaction_ids)
