# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import contextlib

from odoo import _, api, fields, models
from odoo.exceptions import AccessError

from ... import encryption
from ...trust import clean, get_readable

# Groups whose members may revoke replaced secrets.
REVOKING_GROUPS = ('base.group_system', 'mobilepay_vipps.group_payment_manager')


class PaymentProvider(models.Model):
    """ The webhook secrets that were replaced. """
    _inherit = 'payment.provider'

    vipps_has_replaced_secrets = fields.Boolean(
        compute='_compute_vipps_has_replaced_secrets', compute_sudo=True,
        groups=','.join(REVOKING_GROUPS),
    )

    #=== COMPUTE METHODS ===#

    @api.depends('vipps_webhook_previous_secrets')
    def _compute_vipps_has_replaced_secrets(self):
        for provider in self:
            provider.vipps_has_replaced_secrets = bool(
                get_readable(provider)._vipps_get_previous_secrets()
            )

    #=== ACTION METHODS ===#

    def action_vipps_revoke_replaced_secrets(self):
        """ Refuse events that are signed with a replaced secret from now on, as after it leaked.

        :raise AccessError: If the user is neither a payment manager nor an administrator.
        """
        self = clean(self)
        self.ensure_one()
        self.check_access_rights('read')
        self.check_access_rule('read')
        if not self.env.su and not any(map(self.env.user.has_group, REVOKING_GROUPS)):
            raise AccessError(_("Only payment managers and administrators can do this."))
        provider_sudo = self.sudo()
        provider_sudo._vipps_write_protected({'vipps_webhook_previous_secrets': False})
        self.env['vipps.audit.event']._record(
            'configured', self, details=_("Replaced webhook secrets revoked")
        )
        return self._vipps_notify(_(
            "Events that are signed with a secret that was replaced are refused from now on. Their"
            " payments are read by the jobs."
        ))

    #=== BUSINESS METHODS ===#

    def _vipps_get_webhook_secrets(self):
        """ Hook to return the secrets that events may be signed with, each with the registered URL.

        A secret that cannot be decrypted is left out and not logged: anybody can call the webhook
        as often as they like, and the daily check reports it.
        """
        ciphertexts = [(self.vipps_webhook_secret_ciphertext, self.vipps_webhook_url)] + [
            (previous['ciphertext'], previous['url'])
            for previous in self._vipps_get_previous_secrets()
        ]
        place = self._vipps_get_place('vipps_webhook_secret')
        secrets = []
        for ciphertext, url in ciphertexts:
            if ciphertext and url:
                with contextlib.suppress(encryption.EncryptionKeyError):
                    secrets.append((encryption.decrypt(ciphertext, place), url))
        return secrets

    def _vipps_get_previous_secrets(self):
        """ Return the secrets that were replaced and are still good. """
        now = fields.Datetime.to_string(fields.Datetime.now())
        return [
            previous for previous in self.vipps_webhook_previous_secrets or []
            if previous['until'] >= now
        ]
