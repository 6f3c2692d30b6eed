# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import fields, models


class VippsEnteredKeys(models.AbstractModel):
    """ Keys that a dialog holds, encrypted, until they were tried. """
    _name = 'vipps.entered.keys'
    _description = "Vipps MobilePay Secrets"
    _inherit = ['vipps.secrets']

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

    def _vipps_get_entered_keys(self):
        """ Return the keys that were entered, in clear text.

        :raise UserError: If they cannot be decrypted.
        """
        with self._vipps_explain_encryption_errors():
            return {
                name: self._vipps_decrypt(name) for name in self._vipps_get_secret_names()
                if self[f'{name}_ciphertext']
            }
