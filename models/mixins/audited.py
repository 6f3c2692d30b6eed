# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import _, api, models

# Fields of these types are recorded with their values, for people that may not read the settings,
# too; of all others, above all of keys, only the change is recorded.
PLAIN_TYPES = ('boolean', 'date', 'float', 'integer', 'many2one', 'monetary', 'selection')
SILENT_PREFIXES = ('activity_', 'message_', '__')


class VippsAudited(models.AbstractModel):
    """ Records that steer money or keys: the audit trail has the user that made, changed or
    removed one of ours, in any way that Odoo has for it.

    Odoo's own tracking shows some of it to people, but any context can switch that off.
    """
    _name = 'vipps.audited'
    _description = "Vipps MobilePay Audited Settings"

    _vipps_plain_fields = ('name',)
    _vipps_silent_fields = ()

    #=== CRUD METHODS ===#

    @api.model_create_multi
    def create(self, values_list):
        """ Override to record the user that made a record, and its settings. """
        records = super().create(values_list)
        for record, values in zip(records, values_list, strict=True):
            if record._vipps_filter_audited(values):
                changes = record._vipps_describe_changes(values, {})
                record._vipps_record_settings([_("Created"), *changes])
        return records

    def write(self, values):
        """ Override to record the user that changed settings, and the changes. """
        audited = [
            (record, record._vipps_get_settings(values), record._vipps_get_audited_provider())
            for record in self._vipps_filter_audited(values)
        ]
        res = super().write(values)
        for record, old_settings, old_provider in audited:
            changes = record._vipps_describe_changes(values, old_settings)
            if changes:
                record._vipps_record_settings(changes, old_provider)
        return res

    def unlink(self):
        """ Override to record the user that removed a record. """
        for record in self._vipps_filter_audited({}):
            record._vipps_record_settings([_("Removed")])
        return super().unlink()

    #=== BUSINESS METHODS ===#

    def _vipps_filter_audited(self, values):
        """ Hook to return the records that are ours, or become ours by values to be written. """
        return self.browse()

    def _vipps_get_audited_provider(self):
        """ Hook to return the provider that the record belongs to. """
        return self.env['payment.provider']

    @api.model
    def _vipps_is_plain(self, name):
        return name in self._vipps_plain_fields or self._fields[name].type in PLAIN_TYPES

    def _vipps_get_settings(self, values):
        """ Return the settings that values are for: a plain one as a text, any other as a value
        that only shows a change. For a secret, that is its ciphertext. """
        record = self.sudo()
        settings = {}
        for name in dict.fromkeys(name.removesuffix('_ciphertext') for name in values):
            field = self._fields.get(name)
            if (
                field is None or name in self._vipps_silent_fields
                or name.startswith(SILENT_PREFIXES)
            ):
                continue
            if self._vipps_is_plain(name):
                settings[name] = str(field.convert_to_export(record[name], record) or '')
            else:
                settings[name] = record[self._fields.get(f'{name}_ciphertext', field).name]
        return settings

    def _vipps_describe_changes(self, values, old_settings):
        """ Return the changes, as texts without anything secret. A new record has no old settings.
        """
        changes = []
        for name, new in self._vipps_get_settings(values).items():
            if new == old_settings[name] if old_settings else not new:
                continue
            label = self._fields[name]._description_string(self.env)
            if not self._vipps_is_plain(name):
                changes.append(_("%s: changed", label))
            elif old_settings:
                changes.append(f"{label}: {old_settings[name] or '-'} → {new or '-'}")
            else:
                changes.append(f"{label}: {new}")
        return changes

    def _vipps_record_settings(self, changes, old_provider=None):
        """ Record changes of a record, with the provider that it belongs or belonged to. """
        provider = self._vipps_get_audited_provider() or old_provider
        details = "; ".join(changes)
        if self._name != 'payment.provider':
            details = f"{self._description} {self.sudo().display_name}: {details}"
        self.env['vipps.audit.event']._record('configured', provider, details=details)
