# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import _, api, models

# Whose values may be read by people that may not read the settings; of all others, above all of
# keys, only that they changed is recorded.
PLAIN_TYPES = ('boolean', 'date', 'float', 'integer', 'many2one', 'monetary', 'selection')
SILENT_PREFIXES = ('activity_', 'message_', '__')


class VippsAudited(models.AbstractModel):
    """ Records that steer money or keys: whoever makes, changes or removes one of ours is
    recorded in the audit trail, in whatever way that is done in Odoo. """
    _name = 'vipps.audited'
    _description = "Vipps MobilePay Audited Settings"

    _vipps_plain_fields = ('name',)
    _vipps_silent_fields = ()

    #=== CRUD METHODS ===#

    @api.model_create_multi
    def create(self, values_list):
        """ Override to record who made a record, and how it is set. """
        records = super().create(values_list)
        for record, values in zip(records, values_list, strict=True):
            if record._vipps_filter_audited(values):
                names = record._vipps_get_setting_names(values)
                changes = record._vipps_describe_changes(
                    names, dict.fromkeys(names), record._vipps_describe_settings(names)
                )
                record._vipps_record_settings([_("Created"), *changes])
        return records

    def write(self, values):
        """ Override to record who changed which settings. """
        audited = self._vipps_filter_audited(values)
        if not audited:
            return super().write(values)
        names = self._vipps_get_setting_names(values)
        old_settings = [record._vipps_describe_settings(names) for record in audited]
        old_providers = [record._vipps_get_audited_provider() for record in audited]
        res = super().write(values)
        for record, old, provider in zip(audited, old_settings, old_providers, strict=True):
            changes = record._vipps_describe_changes(
                names, old, record._vipps_describe_settings(names)
            )
            if changes:
                record._vipps_record_settings(changes, provider)
        return res

    def unlink(self):
        """ Override to record who removed a record. """
        for record in self._vipps_filter_audited({}):
            record._vipps_record_settings([_("Removed")])
        return super().unlink()

    #=== BUSINESS METHODS ===#

    def _vipps_filter_audited(self, values):
        """ Hook to return the records that are ours, or become ours.

        :param dict values: The values about to be written.
        """
        return self.browse()

    def _vipps_get_audited_provider(self):
        """ Hook to return the provider that the record belongs to. """
        return self.env['payment.provider']

    @api.model
    def _vipps_get_setting_names(self, values):
        """ Return the names of the settings among values, those of ciphertexts as their secrets.

        :rtype: list[str]
        """
        names = dict.fromkeys(name.removesuffix('_ciphertext') for name in values)
        return [
            name for name in names
            if name in self._fields
            and name not in self._vipps_silent_fields
            and not name.startswith(SILENT_PREFIXES)
        ]

    @api.model
    def _vipps_is_plain(self, name):
        return name in self._vipps_plain_fields or self._fields[name].type in PLAIN_TYPES

    def _vipps_describe_settings(self, names):
        """ Return what settings are: a text where it may be read, and else what only shows whether
        it has changed.

        :param list[str] names: The names of the fields.
        :rtype: dict
        """
        record = self.sudo()
        described = {}
        for name in names:
            field = self._fields[name]
            if self._vipps_is_plain(name):
                value = record[name]
                if field.type == 'many2one':
                    value = value.display_name
                elif field.type == 'selection':
                    value = dict(field._description_selection(self.env)).get(value)
                described[name] = str(value or '-')
            else:
                stored_name = f'{name}_ciphertext' if f'{name}_ciphertext' in self._fields else name
                value = record[stored_name]
                described[name] = value.ids if isinstance(value, models.BaseModel) else value
        return described

    def _vipps_describe_changes(self, names, old, new):
        """ Return what has changed, as texts without anything secret.

        :param list[str] names: The names of the fields.
        :param dict old: The settings before, see :meth:`_vipps_describe_settings`; None for each
                         of a new record.
        :param dict new: The settings now.
        :rtype: list[str]
        """
        changes = []
        for name in names:
            if old[name] == new[name] or old[name] is None and new[name] in (False, None, '-', []):
                continue
            label = self._fields[name]._description_string(self.env)
            if not self._vipps_is_plain(name):
                changes.append(_("%s: changed", label))
            elif old[name] is None:
                changes.append(f"{label}: {new[name]}")
            else:
                changes.append(f"{label}: {old[name]} → {new[name]}")
        return changes

    def _vipps_record_settings(self, changes, old_provider=None):
        """ Record changes of a record.

        :param list[str] changes: What has changed, for people.
        :param payment.provider old_provider: The provider that it belonged to before.
        :return: None
        """
        provider = self._vipps_get_audited_provider() or old_provider
        details = "; ".join(changes)
        if self._name != 'payment.provider':
            details = f"{self._description} {self.sudo().display_name}: {details}"
        self.env['vipps.audit.event']._record('configured', provider, details=details)
