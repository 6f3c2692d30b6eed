# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import logging

from odoo import models

from ...step_log import log_step

_logger = logging.getLogger(__name__)


class PaymentProvider(models.Model):
    """ Who configured what, for the audit trail. """
    _name = 'payment.provider'
    _inherit = ['payment.provider', 'vipps.audited']
    _vipps_plain_fields = (
        'name', 'vipps_merchant_serial_number', 'vipps_webhook_id', 'vipps_webhook_url',
    )
    # What is no setting.
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

    def _vipps_record(self, action, **values):
        """ Record what was done with the provider, see `vipps.audit.event._record`. """
        self.env['vipps.audit.event']._record(action, self, **values)

    def _vipps_replace_webhook(self, own_webhooks, url):
        """ Override to record who registered the webhook: it stays registered at Vipps MobilePay
        when Odoo rolls back. """
        super()._vipps_replace_webhook(own_webhooks, url)
        log_step(_logger, 'webhook_registered', provider=self)
        self.env['vipps.audit.event']._record_apart(
            'webhook_registered', self, details=self.vipps_webhook_url
        )
