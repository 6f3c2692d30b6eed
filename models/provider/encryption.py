# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import contextlib
import logging

from odoo import _, api, models
from odoo.osv import expression

from ... import encryption

_logger = logging.getLogger(__name__)


class PaymentProvider(models.Model):
    """ The button that encrypts secrets anew, and the log of a lost key. """
    _inherit = 'payment.provider'

    #=== ACTION METHODS ===#

    def action_vipps_rotate_encryption_key(self):
        """ Encrypt the secrets of all providers anew with the first encryption key, as far as they
        can be read.

        :return: The notification, which says what to do about older keys.
        :rtype: dict
        :raise UserError: If the encryption key cannot be used.
        """
        self._vipps_check_administrator()
        self._vipps_report_lost_key()
        with self._vipps_explain_encryption_errors():
            encryption.encrypt('', ())  # A malformed key must not seem to be another one.
        unread = self._vipps_encrypt_anew()
        for provider in self.sudo().search([('code', '=', 'vipps')]):
            self.env['vipps.audit.event'].sudo()._record(
                'keys_rotated', provider=provider, outcome='done', details="encryption key",
            )
        if unread:
            message = _(
                "The secrets were encrypted anew, but those of %s cannot be read with any key:"
                " enter them again.", ", ".join(unread.mapped('name')),
            )
        else:
            message = _(
                "The secrets are encrypted with the first encryption key that this server has."
                " Older keys behind it may be removed when this was done in all databases. If there"
                " is only one key, put a new one in front of it, and do this again."
            )
        return self._vipps_notify(message)

    #=== BUSINESS METHODS ===#

    @api.model
    def _vipps_encrypt_anew(self):
        """ Encrypt all secrets anew with the newest key, those of earlier versions, too. A secret
        that cannot be read is left alone.

        :return: The providers with something that cannot be read.
        :rtype: payment.provider
        """
        providers = self.sudo().with_context(active_test=False).search([('code', '=', 'vipps')])
        for provider in providers:
            values = {
                column: provider._vipps_renew(name, provider[column])
                for name in provider._vipps_get_secret_names()
                for column in [f'{name}_ciphertext']
            }
            values['vipps_webhook_previous_secrets'] = [
                {**secret, 'ciphertext': provider._vipps_renew(
                    'vipps_webhook_secret', secret['ciphertext']
                )} for secret in provider._vipps_get_previous_secrets()
            ] or False
            provider._vipps_store({}, values)  # A missing key keeps no other one from it.
        return providers.filtered('vipps_unreadable_keys')

    def _vipps_renew(self, name, ciphertext):
        """ Return a ciphertext encrypted anew, or as it is if it cannot be read. """
        with contextlib.suppress(encryption.EncryptionKeyError):
            return ciphertext and encryption.renew(ciphertext, self._vipps_get_place(name))
        return ciphertext

    @api.model
    def _vipps_report_lost_key(self):
        """ Log, once, that a new key file is about to be made although there are secrets that only
        the lost one can read. Health tells the administrators. """
        domain = [[(f'{name}_ciphertext', '!=', False)] for name in self._vipps_get_secret_names()]
        if encryption.is_key_missing() and self.sudo().with_context(
            active_test=False
        ).search_count(expression.OR(domain)):
            _logger.error(
                "The encryption key file is missing, although keys of payment providers are"
                " encrypted with it. A new file is made now. Restore the old one from a backup and"
                " put the new key in front of it, or enter the keys of all providers again."
            )
