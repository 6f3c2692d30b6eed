# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import api, models

# What the amount to capture, and whether the rest is released, depend on.
MOVE_FIELDS = {'state', 'amount_total', 'amount_residual'}


class AccountMove(models.Model):
    """ What is left to pay of invoices whose payments are reserved. """
    _inherit = 'account.move'

    #=== CRUD METHODS ===#

    def _write(self, values):
        """ Override of `orm` to have reserved payments looked at when their invoices are changed or
        paid otherwise, whoever did it. """
        res = super()._write(values)
        if MOVE_FIELDS & values.keys():
            self.sudo().filtered(
                lambda move: move.move_type == 'out_invoice'
            ).transaction_ids.filtered(lambda tx: tx.state == 'authorized')._vipps_look_soon()
        return res

    @api.ondelete(at_uninstall=False)
    def _unlink_release_payments(self):
        """ Have payments of the invoices looked at: what nothing is left for is released. """
        self.sudo().transaction_ids._vipps_look_soon()

    #=== BUSINESS METHODS ===#

    def _get_default_payment_link_values(self):
        """ Override of `account_payment` to propose no more than what is neither paid nor reserved,
        if customers can pay the link with Vipps MobilePay. """
        values = super()._get_default_payment_link_values()
        if (
            self.move_type != 'out_invoice'
            or not self.env['payment.provider']._vipps_is_enabled_for(self.company_id)
        ):
            return values
        left_amount = self.amount_residual - (
            self.env['payment.transaction'].sudo()._vipps_get_held_invoice_amount(self.sudo())
        )
        for name in ('amount', 'amount_max'):
            values[name] = max(self.currency_id.round(min(values[name], left_amount)), 0)
        return values
