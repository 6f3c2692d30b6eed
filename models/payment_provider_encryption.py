# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import contextlib
import logging

from psycopg2 import Error as PostgresError

from odoo import _, api, models
from odoo.exceptions import UserError
from odoo.sql_db import db_connect

from .. import encryption

_logger = logging.getLogger(__name__)


class PaymentProvider(models.Model):
    """ How the key is replaced that all secrets are encrypted with. """
    _inherit = 'payment.provider'

    #=== ACTION METHODS ===#

    def action_vipps_rotate_encryption_key(self):
        """ Encrypt the secrets of all providers with a new key, as far as they can be read.

        :return: The notification, which says what to do about the old key.
        :rtype: dict
        :raise UserError: If the encryption key cannot be used.
        """
        self._vipps_check_administrator()
        return self._vipps_notify(self._vipps_rotate_encryption_key())

    #=== BUSINESS METHODS ===#

    @api.model
    def _vipps_encrypt(self, secret):
        """ Return a secret as it is stored.

        :param str|bool secret: The secret, if there is one.
        :rtype: str|bool
        :raise UserError: If it cannot be encrypted.
        """
        if not secret:
            return False
        if encryption.is_key_missing():
            self._vipps_report_lost_key()
        with self._vipps_explain_encryption_errors():
            return encryption.encrypt(secret)

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

    @api.model
    def _vipps_rotate_encryption_key(self):
        """ Encrypt the secrets of all providers with the first key, before which a new one is put
        if the keys are in our own file.

        Nothing has to stop for it: all keys decrypt, and the old ones leave the file later.

        :return: What was done, and what is left to do.
        :rtype: str
        :raise UserError: If the encryption key cannot be used.
        """
        is_in_file = encryption.is_key_in_file()
        if encryption.is_key_missing():
            self._vipps_report_lost_key()
        with self._vipps_explain_encryption_errors():
            if is_in_file:
                encryption.add_key()
            encryption.encrypt('')  # What is malformed must not seem to be of another key.
        unread = self._vipps_reencrypt()
        for provider in self.sudo().search([('code', '=', 'vipps')]):
            self.env['vipps.audit.event'].sudo()._record(
                'keys_rotated', provider=provider, outcome='done', details="encryption key",
            )
        if unread:
            return _(
                "The secrets were encrypted with the new key, but those of %s cannot be read with"
                " any key: enter them again.", ", ".join(unread.mapped('name')),
            )
        if is_in_file:
            return _(
                "The secrets are encrypted with a new key. Running payments are not affected. The"
                " old key stays in the file until nothing needs it, and is then removed by itself."
                " Keep a copy of it together with the backups of before."
            )
        return _(
            "The secrets are encrypted with the first key that this server has. The other keys in"
            " %(variable)s, or in %(option)s of odoo.conf, may be removed when this was done in all"
            " databases. If there is only one key, put a new one in front of it, restart Odoo, and"
            " do this again.",
            variable=encryption.KEY_VARIABLE, option=encryption.KEY_OPTION,
        )

    @api.model
    def _vipps_reencrypt(self):
        """ Encrypt everything that is encrypted with the first key.

        :return: The providers with something that cannot be read.
        :rtype: payment.provider
        """
        unread = self.browse()
        names = [name for name in self._fields if name.endswith('_ciphertext')]
        for provider in self.sudo().with_context(active_test=False).search([]):
            values = {}
            for name in filter(lambda name: provider[name], names):
                try:
                    values[name] = encryption.reencrypt(provider[name])
                except encryption.EncryptionKeyError:
                    unread |= provider
            previous_secrets = []
            for previous in provider._vipps_get_previous_secrets():
                try:
                    ciphertext = encryption.reencrypt(previous['ciphertext'])
                except encryption.EncryptionKeyError:
                    continue  # Nobody can verify anything with it anymore.
                previous_secrets.append({**previous, 'ciphertext': ciphertext})
            if provider.vipps_webhook_previous_secrets:
                values['vipps_webhook_previous_secrets'] = previous_secrets
            if values:
                provider.write(values)
        return unread

    @api.model
    def _vipps_drop_encryption_keys(self):
        """ Remove old keys from the file when no database needs them anymore.

        :return: None
        """
        try:
            if not encryption.has_settled_old_keys():
                return
            count = encryption.drop_keys(self._vipps_get_all_ciphertexts())
        except (encryption.EncryptionKeyError, PostgresError) as error:
            _logger.info("Old encryption keys are kept: %s", type(error).__name__)
            return
        if count:
            _logger.info("%s old encryption keys were removed: nothing needs them.", count)

    @api.model
    def _vipps_get_all_ciphertexts(self):
        """ Return the ciphertexts of all databases that may use the same file.

        :rtype: set[str]
        """
        ciphertexts = set()
        for name in self._vipps_list_databases():
            if name == self.env.cr.dbname:
                self.env.flush_all()
                ciphertexts |= self._vipps_find_ciphertexts(self.env.cr)
            else:
                with db_connect(name).cursor() as cr:
                    ciphertexts |= self._vipps_find_ciphertexts(cr)
        return ciphertexts

    @api.model
    def _vipps_list_databases(self):
        """ Return the names of the databases of the same owner: also of those that other Odoo
        services with the same data directory serve. """
        self.env.cr.execute("""
            SELECT datname
              FROM pg_database
             WHERE datallowconn AND NOT datistemplate AND datname != 'postgres'
               AND pg_get_userbyid(datdba) = current_user OR datname = current_database()
        """)
        return [name for name, in self.env.cr.fetchall()]

    @api.model
    def _vipps_find_ciphertexts(self, cr):
        cr.execute("SELECT to_regclass('payment_provider') IS NOT NULL")
        if not cr.fetchone()[0]:
            return set()
        cr.execute("SELECT p::text FROM payment_provider p")
        return {
            ciphertext for row, in cr.fetchall()
            for ciphertext in encryption.CIPHERTEXT_PATTERN.findall(row)
        }

    @api.model
    def _vipps_report_lost_key(self):
        """ Say loudly, once, that a new key file is made although there are secrets that only the
        lost one can read. Health tells the administrators.

        :return: None
        """
        if self._vipps_find_ciphertexts(self.env.cr):
            _logger.error(
                "The encryption key file is missing, although keys of payment providers are"
                " encrypted with it. A new file is made now. Restore the old one from a backup and"
                " put the new key in front of it, or enter the keys of all providers again."
            )
