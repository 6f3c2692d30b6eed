# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import logging

from odoo import _, api, models

from ..step_log import log_step

_logger = logging.getLogger(__name__)

# Whose values may be read by who may not read the settings; of all others, above all of keys, only
# that they changed is told.
PLAIN_TYPES = ('boolean', 'date', 'float', 'integer', 'many2one', 'monetary', 'selection')
PLAIN_FIELDS = ('name', 'vipps_merchant_serial_number')

# What is told by other events, or is no setting.
SILENT_FIELDS = (
    'vipps_foreign_webhooks', 'vipps_guide_step', 'vipps_guide_transaction_id',
    'vipps_monitoring_token_hash', 'vipps_webhook_id', 'vipps_webhook_previous_secrets',
    'vipps_webhook_secret', 'vipps_webhook_url',
)
SILENT_PREFIXES = ('activity_', 'message_', '__')


class PaymentProvider(models.Model):
    """ Who configured what, for the audit trail. """
    _inherit = 'payment.provider'

    #=== CRUD METHODS ===#

    @api.model_create_multi
    def create(self, values_list):
        """ Override of `payment` to record who made a provider. """
        providers = super().create(values_list)
        for provider in providers.filtered(lambda p: p.code == 'vipps'):
            provider._vipps_record('configured', details=_("Created"))
        return providers

    def write(self, values):
        """ Override of `payment` to record who changed which settings. """
        providers = self.filtered(lambda p: p.code == 'vipps')
        names = [name for name in values if self._vipps_is_setting(name)]
        old_values = {provider: provider._vipps_describe_settings(names) for provider in providers}
        res = super().write(values)
        for provider, old in old_values.items():
            changes = provider._vipps_describe_changes(
                names, old, provider._vipps_describe_settings(names)
            )
            if changes:
                provider._vipps_record('configured', details="; ".join(changes))
        return res

    def unlink(self):
        """ Override of `payment` to record who removed a provider. """
        for provider in self.filtered(lambda p: p.code == 'vipps'):
            provider._vipps_record('configured', details=_("Removed"))
        return super().unlink()

    #=== BUSINESS METHODS ===#

    def _vipps_record(self, action, **values):
        """ Record what was done with the provider, see `vipps.audit.event._record`. """
        self.env['vipps.audit.event']._record(action, self, **values)

    @api.model
    def _vipps_is_setting(self, name):
        return (
            name in self._fields
            and name not in SILENT_FIELDS
            and not name.endswith('_ciphertext')
            and not name.startswith(SILENT_PREFIXES)
        )

    def _vipps_describe_settings(self, names):
        """ Return what settings are: a text where it may be told, and else what only shows whether
        it has changed.

        :param list[str] names: The names of the fields.
        :rtype: dict
        """
        provider = self.sudo()
        described = {}
        for name in names:
            field = self._fields[name]
            if name in PLAIN_FIELDS or field.type in PLAIN_TYPES:
                value = provider[name]
                if field.type == 'many2one':
                    value = value.display_name
                elif field.type == 'selection':
                    value = dict(field._description_selection(self.env)).get(value)
                described[name] = str(value or '-')
            else:
                stored_name = f'{name}_ciphertext' if f'{name}_ciphertext' in self._fields else name
                described[name] = provider[stored_name]
        return described

    def _vipps_describe_changes(self, names, old, new):
        """ Return what has changed, as texts without anything secret.

        :param list[str] names: The names of the fields.
        :param dict old: The settings before, see :meth:`_vipps_describe_settings`.
        :param dict new: The settings now.
        :rtype: list[str]
        """
        changes = []
        for name in names:
            if old[name] == new[name]:
                continue
            label = self._fields[name]._description_string(self.env)
            if name in PLAIN_FIELDS or self._fields[name].type in PLAIN_TYPES:
                changes.append(f"{label}: {old[name]} → {new[name]}")
            else:
                changes.append(_("%s: changed", label))
        return changes

    def _vipps_replace_webhook(self, own_webhooks, url):
        """ Override to record who registered the webhook: it stays registered at Vipps MobilePay
        when Odoo rolls back. """
        super()._vipps_replace_webhook(own_webhooks, url)
        log_step(_logger, 'webhook_registered', provider=self)
        self.env['vipps.audit.event']._record_apart(
            'webhook_registered', self, details=self.vipps_webhook_url
        )
