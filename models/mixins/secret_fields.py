# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import contextlib
import logging
import re
import unicodedata

from odoo import _, api, models
from odoo.exceptions import AccessError, UserError

from ... import encryption
from ...source import Fact

_logger = logging.getLogger(__name__)

# People read this in place of a secret that is set. Writing it back changes nothing.
SECRET_MASK = '•' * 12


class VippsSecrets(models.AbstractModel):
    """ Secrets that are entered in clear text, stored encrypted for their record, and read back as
    a mask. Each is a field with `_compute_vipps_secrets`, and a stored field of the same name with
    `_ciphertext` behind it, which only this model writes.
    """
    _name = 'vipps.secrets'
    _description = "Vipps MobilePay Secrets"

    # Fields that people can read and only Odoo itself writes, beside ciphertexts.
    _vipps_protected_fields = ()

    #=== COMPUTE METHODS ===#

    @api.depends(lambda self: [f'{name}_ciphertext' for name in self._vipps_get_secret_names()])
    def _compute_vipps_secrets(self):
        for record in self:
            for name in record._vipps_get_secret_names():
                record[name] = record._vipps_has_key(name) and SECRET_MASK

    #=== CRUD METHODS ===#

    @api.model
    def default_get(self, fields_list):
        """ Override to take nothing secret from the context or from the defaults of users. """
        hidden = {*self._vipps_get_secret_names(), *self._vipps_get_protected_names()}
        return super().default_get([name for name in fields_list if name not in hidden])

    @api.model_create_multi
    def create(self, values_list):
        """ Override to encrypt the secrets. They are bound to the record, so it is made first.

        :raise AccessError: If somebody writes fields that only Odoo itself may write.
        :raise UserError: If there are secrets and they cannot be encrypted.
        """
        taken = [self.browse()._vipps_take_secrets(values) for values in values_list]
        records = super().create([values for values, _secrets in taken])
        for record, (_values, secrets) in zip(records, taken, strict=True):
            if secrets:
                record._vipps_store(secrets)
        return records

    def write(self, values):
        """ Override to encrypt the secrets.

        :raise AccessError: If somebody writes fields that only Odoo itself may write.
        :raise UserError: If there are secrets and they cannot be encrypted or replaced here.
        """
        values, secrets = self._vipps_take_secrets(values)
        if not secrets:
            return super().write(values)
        for record in self:
            record._vipps_store(secrets, values)
        return True

    def _vipps_store(self, secrets, values=None):
        """ Store secrets encrypted, beside other values, without the checks of :meth:`write`. """
        if any(secrets.values()):
            self.env['payment.provider']._vipps_report_lost_key()
        with self._vipps_explain_encryption_errors():
            ciphertexts = {
                f'{name}_ciphertext':
                    secret and encryption.encrypt(secret, self._vipps_get_place(name))
                for name, secret in secrets.items()
            }
        super().write({**(values or {}), **ciphertexts})

    def _vipps_write_protected(self, values):
        """ Write fields that are protected from people, and replace secrets that are set. """
        self.with_context(vipps_permit=Fact(True)).write(values)

    def _vipps_is_permitted(self):
        # No context that comes from a browser, an import or a default value can have it.
        return isinstance(self.env.context.get('vipps_permit'), Fact)

    def _vipps_check_replacement(self, secrets):
        """ Hook to ensure that secrets may be entered here, else to raise a UserError. """

    #=== BUSINESS METHODS ===#

    @api.model
    def _vipps_get_secret_names(self):
        return [
            name.removesuffix('_ciphertext') for name in self._fields
            if name.endswith('_ciphertext')
        ]

    @api.model
    def _vipps_get_protected_names(self):
        return {
            *self._vipps_protected_fields,
            *(f'{name}_ciphertext' for name in self._vipps_get_secret_names()),
        }

    def _vipps_has_key(self, name):
        """ Hook to return whether a secret is set, readable or not. """
        # Not in sudo mode: exports of computed fields are stopped by the fields behind them.
        return bool(self[f'{name}_ciphertext'])

    def _vipps_take_secrets(self, values):
        """ Return values without the secrets, and the secrets in clear text, False to clear. No
        clear text may be left in values that the ORM writes: it would stay readable in the cache
        until the end of the request.

        :raise AccessError: If somebody writes fields that only Odoo itself may write,
                            administrators and their automations included.
        """
        names = self._vipps_get_protected_names() & values.keys()
        if names and not self._vipps_is_permitted():
            raise AccessError(_(
                "Only Odoo itself writes these fields: %s. Enter keys in their own fields, and"
                " replace them with Replace Keys on the payment provider.",
                ", ".join(sorted(names)),
            ))
        values, secrets = dict(values), {}
        for name in self._vipps_get_secret_names():
            if name in values:
                entered = values.pop(name) or ''
                secret = self._vipps_clean_key(entered)
                if secret or SECRET_MASK[0] not in entered:  # Nothing but the mask changes nothing.
                    secrets[name] = secret
        self._vipps_check_replacement(secrets)
        return values, secrets

    @api.model
    def _vipps_clean_key(self, key):
        """ Return a key without the white space and the invisible characters that one copies along
        from a page, and without the mask, if one pasted behind it. """
        return key and re.sub(rf'[\s{SECRET_MASK}]', '', ''.join(
            char for char in key if unicodedata.category(char)[0] != 'C' or char.isspace()
        ))

    def _vipps_get_place(self, name):
        """ Return the place that a ciphertext is bound to, see :mod:`encryption`. """
        uuid = self.env['ir.config_parameter'].sudo().get_param('database.uuid')
        return (uuid, self._name, self._origin.id, name)

    def _vipps_decrypt(self, name):
        """ Return a secret in clear text, or False if there is none.

        :raise EncryptionKeyError: If it cannot be decrypted here.
        """
        ciphertext = self.sudo()[f'{name}_ciphertext']
        return ciphertext and encryption.decrypt(ciphertext, self._vipps_get_place(name))

    def _vipps_is_unreadable(self, name):
        """ Return whether a secret is set that cannot be decrypted. """
        try:
            self._vipps_decrypt(name)
        except encryption.EncryptionKeyError:
            return True
        return False

    @contextlib.contextmanager
    def _vipps_explain_encryption_errors(self):
        try:
            yield
        except encryption.EncryptionKeyError as error:
            _logger.error("Cannot encrypt the keys of a payment provider: %s", error)
            raise UserError(_(
                "The keys cannot be saved, because the encryption key of this server cannot be"
                " used. Ask the person who runs the server to check it."
            )) from error
