# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import models


class AccountPaymentMethodLine(models.Model):
    """ The journal and the account that payments are booked with. """
    _name = 'account.payment.method.line'
    _inherit = ['account.payment.method.line', 'vipps.audited']

    def _vipps_filter_audited(self, values):
        """ Override of `vipps.audited` to leave lines of others alone. """
        new_provider_sudo = self.env['payment.provider'].sudo().browse(
            values.get('payment_provider_id')
        )
        return self.filtered(lambda line: 'vipps' in (
            line.sudo().payment_provider_id.code, new_provider_sudo.code,
        ))

    def _vipps_get_audited_provider(self):
        """ Override of `vipps.audited`. """
        return self.sudo().payment_provider_id
