# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import api, models


class AccountMove(models.Model):
    """ The amounts that are left to pay of invoices whose payments are reserved. """
    _inherit = 'account.move'

    #=== COMPUTE METHODS ===#

    def _compute_amount(self):
        """ Override of `account` to have reserved payments read whose invoices are changed or paid
        otherwise. """
        super()._compute_amount()
        self._vipps_look_at_payments()

    #=== CRUD METHODS ===#

    def write(self, values):
        """ Override of `account` to have reserved payments read whose invoices are posted,
        cancelled or reset to draft. """
        res = super().write(values)
        if 'state' in values:
            self._vipps_look_at_payments()
        return res

    @api.ondelete(at_uninstall=False)
    def _unlink_release_payments(self):
        """ Have the payments of the invoices read: a reservation without a document is released.
        """
        self._vipps_filter_paid().sudo().transaction_ids._vipps_look_soon()

    #=== BUSINESS METHODS ===#

    def _vipps_look_at_payments(self):
        """ Have the reserved payments of the invoices read after this database transaction. """
        self.filtered('id')._vipps_filter_paid().sudo().filtered(
            lambda move: move.move_type == 'out_invoice'
        ).transaction_ids.filtered(lambda tx: tx.state == 'authorized')._vipps_look_soon()

    def _get_default_payment_link_values(self):
        """ Override of `account_payment` to propose at most the amount that is neither paid nor
        reserved, if customers can pay the link with Vipps MobilePay. """
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
