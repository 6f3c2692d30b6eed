# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import logging

from odoo import _, api, fields, models
from odoo.osv import expression

from ... import encryption

_logger = logging.getLogger(__name__)


class PaymentProvider(models.Model):
    """ How secrets are encrypted anew, and what is said when they cannot be read. """
    _inherit = 'payment.provider'

    vipps_unreadable_keys = fields.Char(
        string="Keys That Cannot Be Read",
        compute='_compute_vipps_unreadable_keys',
        groups='base.group_system',
    )

    #=== COMPUTE METHODS ===#

    @api.depends(lambda self: [f'{name}_ciphertext' for name in self._vipps_get_secret_names()])
    @api.depends_context('lang')
    def _compute_vipps_unreadable_keys(self):
        for provider in self:
            provider.vipps_unreadable_keys = ", ".join(
                provider._fields[name]._description_string(provider.env)
                for name in provider._vipps_get_secret_names()
                if provider._vipps_is_unreadable(name)
            )

    #=== ACTION METHODS ===#

    def action_vipps_rotate_encryption_key(self):
        """ Encrypt the secrets of all providers anew with the first encryption key, as far as they
        can be read.

        :return: The notification, which says what to do about older keys.
        :rtype: dict
        :raise UserError: If the encryption key cannot be used.
        """
        self._vipps_check_administrator()
        if encryption.is_key_missing():
            self._vipps_report_lost_key()
        with self._vipps_explain_encryption_errors():
            # What is malformed must not seem to be of another key.
            encryption.encrypt('', self.browse()._vipps_get_place(''))
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
        """ Encrypt everything that is encrypted with the first key, what earlier versions encrypted
        included. What cannot be read is left alone.

        :return: The providers with something that cannot be read.
        :rtype: payment.provider
        """
        unread = self.browse()
        providers = self.sudo().with_context(active_test=False).search([('code', '=', 'vipps')])
        for provider in providers:
            secrets = {}
            for name in provider._vipps_get_secret_names():
                ciphertext = provider[f'{name}_ciphertext']
                if ciphertext:
                    try:
                        secrets[name] = provider._vipps_read_any(ciphertext, name)
                    except encryption.EncryptionKeyError:
                        unread |= provider
            previous_secrets = []
            for previous in provider._vipps_get_previous_secrets():
                try:
                    secret = provider._vipps_read_any(
                        previous['ciphertext'], 'vipps_webhook_secret'
                    )
                except encryption.EncryptionKeyError:
                    previous_secrets.append(previous)
                else:
                    ciphertext = encryption.encrypt(
                        secret, provider._vipps_get_place('vipps_webhook_secret')
                    )
                    previous_secrets.append({**previous, 'ciphertext': ciphertext})
            # Keys that are missing are no reason to leave the others as they are.
            provider._vipps_store(
                secrets,
                {'vipps_webhook_previous_secrets': previous_secrets} if previous_secrets else None,
            )
        return unread

    def _vipps_read_any(self, ciphertext, name):
        """ Return the clear text of a ciphertext of this version or of an earlier one.

        :param str ciphertext: The ciphertext.
        :param str name: The field that it is of.
        :rtype: str
        :raise EncryptionKeyError: If none of the keys fits.
        """
        try:
            return encryption.decrypt(ciphertext, self._vipps_get_place(name))
        except encryption.EncryptionKeyError:
            return encryption.decrypt_unbound(ciphertext)

    @api.model
    def _vipps_report_lost_key(self):
        """ Say loudly, once, that a new key file is made although there are secrets that only the
        lost one can read. Health tells the administrators.

        :return: None
        """
        domain = [[(f'{name}_ciphertext', '!=', False)] for name in self._vipps_get_secret_names()]
        if self.sudo().with_context(active_test=False).search_count(expression.OR(domain)):
            _logger.error(
                "The encryption key file is missing, although keys of payment providers are"
                " encrypted with it. A new file is made now. Restore the old one from a backup and"
                " put the new key in front of it, or enter the keys of all providers again."
            )
