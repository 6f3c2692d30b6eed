# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import _, fields, models
from odoo.exceptions import UserError

from ...models.api.client import SUBSCRIPTION_KEYS
from ...trust import clean


class VippsKeyRotation(models.TransientModel):
    """ Replacement of keys without a moment in which none works. """
    _name = 'vipps.key.rotation'
    _description = "Vipps MobilePay Key Rotation"
    _inherit = ['vipps.entered.keys']

    provider_id = fields.Many2one(
        string="Provider", comodel_name='payment.provider', required=True, ondelete='cascade',
        domain=[('code', '=', 'vipps')],
    )

    #=== ACTION METHODS ===#

    def action_rotate(self):
        """ Try the new keys at Vipps MobilePay, together with those that stay, and store them if
        they work. Nobody else sees them before.

        :raise UserError: If a key does not work, or cannot be replaced here. Nothing is changed.
        """
        self = clean(self)
        self.ensure_one()
        provider = self.provider_id
        provider._vipps_check_administrator()
        keys = self._vipps_get_entered_keys()
        if not keys:
            raise UserError(_("Enter at least one new key."))
        labels = {name: self._fields[name]._description_string(self.env) for name in keys}
        for name, label in labels.items():
            if provider._vipps_get_environment_key(name):
                raise UserError(_(
                    "The key %s comes from the environment of the server. Replace it on the"
                    " server.", label,
                ))
        with self.env.cr.savepoint():
            provider._vipps_write_protected(keys)
            provider._vipps_try_keys(keys)
        for name in keys:
            if name in SUBSCRIPTION_KEYS:
                provider._vipps_end_alert(name.removeprefix('vipps_'))
        self.env['vipps.audit.event'].sudo()._record(
            'keys_rotated', provider=provider, outcome='done',
            details=", ".join(name.removeprefix('vipps_') for name in keys),
        )
        self.sudo().unlink()  # Users may not, and nobody needs the record any longer.
        return provider._vipps_notify(_(
            "The new keys work and are now in use: %s.", ", ".join(labels.values()),
        ))
