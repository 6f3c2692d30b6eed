# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import _, fields, models
from odoo.exceptions import UserError

from ...models.api.client import SUBSCRIPTION_KEYS
from ...models.provider.credentials import KEY_VARIABLES
from ...trust import clean


class VippsKeyRotation(models.TransientModel):
    """ Replaces keys without a moment in which none is good. """
    _name = 'vipps.key.rotation'
    _description = "Vipps MobilePay Key Rotation"
    _inherit = ['vipps.secrets']

    provider_id = fields.Many2one(
        string="Provider", comodel_name='payment.provider', required=True, ondelete='cascade',
        domain=[('code', '=', 'vipps')],
    )
    vipps_client_id = fields.Char(
        string="Client ID", compute='_compute_vipps_secrets', readonly=False
    )
    vipps_client_id_ciphertext = fields.Char(groups='base.group_system')
    vipps_client_secret = fields.Char(
        string="Client Secret", compute='_compute_vipps_secrets', readonly=False
    )
    vipps_client_secret_ciphertext = fields.Char(groups='base.group_system')
    vipps_subscription_key = fields.Char(
        string="Subscription Key", compute='_compute_vipps_secrets', readonly=False
    )
    vipps_subscription_key_ciphertext = fields.Char(groups='base.group_system')
    vipps_secondary_subscription_key = fields.Char(
        string="Secondary Subscription Key", compute='_compute_vipps_secrets', readonly=False
    )
    vipps_secondary_subscription_key_ciphertext = fields.Char(groups='base.group_system')

    #=== ACTION METHODS ===#

    def action_rotate(self):
        """ Try the new keys at Vipps MobilePay, together with those that stay, and store them if
        they work. Nobody else sees them before.

        :return: The notification.
        :rtype: dict
        :raise UserError: If a key does not work, or cannot be replaced here. Nothing is changed.
        """
        self = clean(self)
        self.ensure_one()
        provider = self.provider_id
        provider._vipps_check_administrator()
        names = [name for name in KEY_VARIABLES if self[f'{name}_ciphertext']]
        if not names:
            raise UserError(_("Enter at least one new key."))
        labels = [self._fields[name]._description_string(self.env) for name in names]
        for name, label in zip(names, labels, strict=True):
            if provider._vipps_get_environment_key(name):
                raise UserError(_(
                    "The key %s comes from the environment of the server. Whoever runs the server"
                    " replaces it there.", label,
                ))
        with self._vipps_explain_encryption_errors():
            keys = {name: self._vipps_decrypt(name) for name in names}
        with self.env.cr.savepoint():
            provider._vipps_write_protected(keys)
            provider._vipps_try_keys(names)
        for name in names:
            if name in SUBSCRIPTION_KEYS:
                provider._vipps_end_alert(f'subscription_key:{name}')
        self.env['vipps.audit.event'].sudo()._record(
            'keys_rotated', provider=provider, outcome='done',
            details=", ".join(name.removeprefix('vipps_') for name in names),
        )
        self.sudo().unlink()  # Nobody may, and nobody needs what is left.
        return provider._vipps_notify(_(
            "The new keys work and are now in use: %s.",
            ", ".join(labels),
        ))
