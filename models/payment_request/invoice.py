# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import fields, models

from .payable import MODELS_BY_LETTER

MODELS_BY_LETTER['i'] = 'account.move'


class AccountMove(models.Model):
    """ Invoices that are paid on their page. """
    _name = 'account.move'
    _inherit = ['vipps.payable', 'account.move']

    #=== BUSINESS METHODS - PAYMENT PAGE ===#

    def _vipps_get_closed_state(self):
        """ Override of `vipps.payable`. """
        if self.state != 'posted':
            return 'cancelled' if self.state == 'cancel' else 'draft'
        if self.move_type != 'out_invoice':
            return 'paid'
        return 'credited' if self.payment_state == 'reversed' else None

    def _vipps_get_amount_to_pay(self):
        """ Override of `vipps.payable`. """
        return self._vipps_get_left_to_pay()

    def _vipps_get_amount_due_now(self, amount):
        """ Override of `vipps.payable` to ask for the installments that are due, or else for the
        next one. Payments that are not booked yet pay the first ones. """
        today = fields.Date.context_today(self)
        due_amount = amount - self.amount_residual
        for line in self._vipps_get_open_installments().sorted(
            lambda line: (line.date_maturity or today, line.id)
        ):
            if line.date_maturity and line.date_maturity > today and (
                self.currency_id.compare_amounts(due_amount, 0) > 0
            ):
                break
            due_amount += line.amount_residual_currency
        return due_amount

    def _vipps_get_open_installments(self):
        """ Return the journal items of invoices on which something is left to pay, with their due
        dates: one for each installment. """
        return self.line_ids.filtered(
            lambda line: line.account_type == 'asset_receivable'
            and line.amount_residual_currency > 0
        )

    def _vipps_is_payment_on_its_way(self):
        """ Override of `vipps.payable`. """
        return not self.currency_id.is_zero(self.amount_residual)
