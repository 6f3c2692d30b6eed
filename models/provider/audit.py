# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import models


class PaymentProvider(models.Model):
    """ Changes of settings, for the audit trail. """
    _name = 'payment.provider'
    _inherit = ['payment.provider', 'vipps.audited']
    _vipps_plain_fields = (
        'name', 'vipps_merchant_serial_number', 'vipps_webhook_id', 'vipps_webhook_url',
    )
    # Fields that are no settings.
    _vipps_silent_fields = (
        'vipps_foreign_webhooks', 'vipps_guide_step', 'vipps_guide_transaction_id',
        'vipps_last_removed_event',
    )

    #=== BUSINESS METHODS ===#

    def _vipps_filter_audited(self, values):
        """ Override of `vipps.audited` to leave other providers alone. """
        return self.filtered(lambda provider: 'vipps' in (provider.code, values.get('code')))

    def _vipps_get_audited_provider(self):
        """ Override of `vipps.audited`. """
        return self
