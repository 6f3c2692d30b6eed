# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import os
import tempfile
from pathlib import Path
from unittest.mock import patch

from cryptography.fernet import Fernet, InvalidToken

from odoo.exceptions import UserError
from odoo.tests import BaseCase, Form, tagged
from odoo.tools import config, mute_logger

from ... import encryption
from ...simulator.sales_units import NOK_UNIT
from ..common import VippsCommon

KEY, NEW_KEY = (Fernet.generate_key().decode() for _i in range(2))
PROVIDER_LOGGER = 'odoo.addons.mobilepay_vipps.models.provider.payment_provider'
SECRETS_LOGGER = 'odoo.addons.mobilepay_vipps.models.mixins.secret_fields'
PLACE = ('database', 'model', 1, 'name')


@tagged('post_install', '-at_install')
class TestEncryption(BaseCase):
    """ Where the key comes from, and what happens without a good one. """

    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.key_file = self.folder / 'mobilepay_vipps' / 'encryption.key'
        self.startPatcher(patch.dict(config.options, {'data_dir': folder.name}))
        config.options.pop(encryption.KEY_OPTION, None)
        self.startPatcher(patch.dict(os.environ))
        os.environ.pop(encryption.KEY_VARIABLE, None)

    def _write_key_file(self, content):
        self.key_file.parent.mkdir(exist_ok=True)
        self.key_file.write_bytes(content)

    def _assert_encrypts_with(self, key):
        ciphertext = encryption.encrypt("clear text", PLACE)
        with patch.dict(os.environ, {encryption.KEY_VARIABLE: key}):
            self.assertEqual(encryption.decrypt(ciphertext, PLACE), "clear text")

    #=== Sources ===#

    def test_key_of_the_environment_is_used(self):
        os.environ[encryption.KEY_VARIABLE] = KEY
        self._assert_encrypts_with(KEY)
        self.assertFalse(self.key_file.exists())

    def test_key_of_odoo_conf_is_used(self):
        rcfile = self.folder / 'odoo.conf'
        rcfile.write_text(f'[options]\nvipps_encryption_key = {KEY}\n')
        with patch.object(config, 'rcfile', str(rcfile)):
            config.load()
        self._assert_encrypts_with(KEY)
        self.assertFalse(self.key_file.exists())

    def test_key_of_the_file_is_used(self):
        self._write_key_file(KEY.encode() + b'\n')
        self._assert_encrypts_with(KEY)

    def test_environment_comes_before_odoo_conf_and_that_before_the_file(self):
        self._write_key_file(Fernet.generate_key())
        config.options[encryption.KEY_OPTION] = NEW_KEY
        self._assert_encrypts_with(NEW_KEY)
        os.environ[encryption.KEY_VARIABLE] = KEY
        self._assert_encrypts_with(KEY)

    def test_key_file_is_made_in_the_data_directory_for_its_owner_only(self):
        previous_mask = os.umask(0)
        self.addCleanup(os.umask, previous_mask)
        encryption.encrypt("clear text", PLACE)
        self.assertEqual(self.key_file.stat().st_mode & 0o777, 0o600)
        self.assertEqual(self.key_file.parent.stat().st_mode & 0o777, 0o700)
        self.assertEqual(list(self.key_file.parent.iterdir()), [self.key_file])

    def test_key_file_is_made_only_once(self):
        ciphertext = encryption.encrypt("clear text", PLACE)
        key = self.key_file.read_bytes()
        self.assertEqual(encryption.decrypt(ciphertext, PLACE), "clear text")
        encryption.encrypt("clear text", PLACE)
        self.assertEqual(self.key_file.read_bytes(), key)

    def test_key_file_of_a_faster_worker_is_kept(self):
        self._write_key_file(KEY.encode())
        # The other worker wins after this one has looked.
        with patch.object(Path, 'exists', return_value=False):
            self._assert_encrypts_with(KEY)
        self.assertEqual(self.key_file.read_text(), KEY)

    def test_a_new_key_file_is_on_the_disk_before_anything_is_encrypted_with_it(self):
        synced = set()

        def sync(descriptor):
            synced.add(os.path.realpath(f'/proc/self/fd/{descriptor}'))
            return os_fsync(descriptor)

        os_fsync = os.fsync
        with patch.object(os, 'fsync', sync):
            encryption.encrypt("clear text", PLACE)
        folder = self.key_file.parent.resolve()
        self.assertLessEqual({str(folder), str(folder.parent)}, synced)
        drafts = {Path(path) for path in synced} - {folder, folder.parent}
        self.assertEqual({path.parent for path in drafts}, {folder}, "The key was not synced.")

    def test_a_file_that_others_can_read_is_noticed(self):
        self.assertFalse(encryption.is_key_file_exposed())
        self._write_key_file(KEY.encode())
        for mode in (0o600, 0o400, 0o640, 0o660, 0o604, 0o666, 0o602):
            with self.subTest(mode=oct(mode)):
                self.key_file.chmod(mode)
                self.assertEqual(encryption.is_key_file_exposed(), mode not in (0o600, 0o400))
                self._assert_encrypts_with(KEY)  # Customers go on paying.
        os.environ[encryption.KEY_VARIABLE] = KEY  # Then nobody reads the file.
        self.assertFalse(encryption.is_key_file_exposed())

    #=== Encryption ===#

    def test_a_ciphertext_can_be_decrypted_in_its_place_only(self):
        ciphertext = encryption.encrypt("clear text", PLACE)
        self.assertEqual(encryption.decrypt(ciphertext, PLACE), "clear text")
        for place in (
            ('copy', 'model', 1, 'name'), ('database', 'other', 1, 'name'),
            ('database', 'model', 2, 'name'), ('database', 'model', 1, 'other'),
            ('databasemodel', '', 1, 'name'), ('database', 'model', '1', 'name'),
        ):
            with self.subTest(place=place), self.assertRaises(encryption.EncryptionKeyError):
                encryption.decrypt(ciphertext, place)
        with self.assertRaises(InvalidToken):
            Fernet(self.key_file.read_bytes()).decrypt(ciphertext.encode())

    def test_a_ciphertext_is_renewed_in_its_place_and_from_before_it_was_bound_only(self):
        os.environ[encryption.KEY_VARIABLE] = KEY
        unbound = Fernet(KEY).encrypt(b"clear text").decode()
        ciphertexts = [encryption.encrypt("clear text", PLACE), unbound]
        os.environ[encryption.KEY_VARIABLE] = f'{NEW_KEY},{KEY}'
        for ciphertext in ciphertexts:
            renewed = encryption.renew(ciphertext, PLACE)
            with patch.dict(os.environ, {encryption.KEY_VARIABLE: NEW_KEY}):
                self.assertEqual(encryption.decrypt(renewed, PLACE), "clear text")
            with self.assertRaises(encryption.EncryptionKeyError):
                encryption.renew(renewed, ('copy', 'model', 1, 'name'))
        os.environ[encryption.KEY_VARIABLE] = NEW_KEY
        for ciphertext in ciphertexts:
            with self.assertRaisesRegex(encryption.EncryptionKeyError, "none of the"):
                encryption.renew(ciphertext, PLACE)

    def test_text_of_any_alphabet_comes_back(self):
        for text in ("a", "fake==", "blåbærgrød", "💰" * 100):
            with self.subTest(text=text):
                self.assertEqual(encryption.decrypt(encryption.encrypt(text, PLACE), PLACE), text)

    def test_ciphertext_is_ascii_and_never_the_same(self):
        ciphertexts = {encryption.encrypt("clear text", PLACE) for _i in range(3)}
        self.assertEqual(len(ciphertexts), 3)
        self.assertTrue(all(text.isascii() and "clear" not in text for text in ciphertexts))

    def test_rotated_keys_encrypt_with_the_first_and_decrypt_with_all(self):
        os.environ[encryption.KEY_VARIABLE] = KEY
        ciphertext = encryption.encrypt("clear text", PLACE)
        for separator in (',', ' ', '\n', ', ', ' ,\n'):
            with self.subTest(separator=separator):
                os.environ[encryption.KEY_VARIABLE] = f'{NEW_KEY}{separator}{KEY}'
                self.assertEqual(encryption.decrypt(ciphertext, PLACE), "clear text")
                self._assert_encrypts_with(NEW_KEY)

    def test_several_lines_of_odoo_conf_are_several_keys(self):
        rcfile = self.folder / 'odoo.conf'
        rcfile.write_text(f'[options]\nvipps_encryption_key = {NEW_KEY}\n    {KEY}\n')
        with patch.object(config, 'rcfile', str(rcfile)):
            config.load()
        with patch.dict(os.environ, {encryption.KEY_VARIABLE: KEY}):
            ciphertext = encryption.encrypt("clear text", PLACE)
        self.assertEqual(encryption.decrypt(ciphertext, PLACE), "clear text")
        self._assert_encrypts_with(NEW_KEY)

    #=== Without a good key ===#

    def test_malformed_key_is_refused_and_not_told(self):
        for key in ('s3cr3t', KEY[:-2], KEY[:20], f'{KEY},s3cr3t', 'blåbær', ','):
            with self.subTest(key=key):
                os.environ[encryption.KEY_VARIABLE] = key
                for call in (encryption.encrypt, encryption.decrypt):
                    with self.assertRaisesRegex(
                        encryption.EncryptionKeyError, "malformed"
                    ) as raised:
                        call("text", PLACE)
                    self.assertNotIn(key, str(raised.exception))

    def test_malformed_key_file_is_refused(self):
        for content in (b'', b'\n', b'\xff\xfe\x00', b'not a key'):
            with self.subTest(content=content):
                self._write_key_file(content)
                with self.assertRaises(encryption.EncryptionKeyError):
                    encryption.encrypt("text", PLACE)
                self.assertEqual(self.key_file.read_bytes(), content, "It may be mended by hand.")

    def test_key_file_that_cannot_be_used_is_refused(self):
        self.key_file.mkdir(parents=True)
        with self.assertRaisesRegex(encryption.EncryptionKeyError, "file"):
            encryption.encrypt("text", PLACE)

    def test_data_directory_that_cannot_be_used_is_refused(self):
        self.key_file.parent.write_text("not a folder")
        with self.assertRaisesRegex(encryption.EncryptionKeyError, "file"):
            encryption.encrypt("text", PLACE)

    def test_other_key_does_not_decrypt(self):
        os.environ[encryption.KEY_VARIABLE] = KEY
        ciphertext = encryption.encrypt("clear text", PLACE)
        os.environ[encryption.KEY_VARIABLE] = NEW_KEY
        with self.assertRaisesRegex(encryption.EncryptionKeyError, "none of the"):
            encryption.decrypt(ciphertext, PLACE)

    def test_text_that_was_changed_is_not_decrypted(self):
        ciphertext = encryption.encrypt("clear text", PLACE)
        changed = ciphertext[:-10] + ('A' if ciphertext[-10] != 'A' else 'B') + ciphertext[-9:]
        for text in (changed, ciphertext[:20], '', 'rubbish', 'blåbær'):
            with self.subTest(text=text), self.assertRaises(encryption.EncryptionKeyError):
                encryption.decrypt(text, PLACE)


@tagged('post_install', '-at_install')
class TestLostEncryptionKey(VippsCommon):
    """ What administrators can still do when the key was lost. """

    def setUp(self):
        super().setUp()
        self.startPatcher(patch.dict(os.environ, {encryption.KEY_VARIABLE: NEW_KEY}))

    def test_provider_still_opens_and_saves(self):
        self.env.invalidate_all()
        with Form(self.vipps) as form:
            self.assertTrue(form.vipps_client_secret)
            form.name = "Vipps and MobilePay"
        self.assertEqual(self.vipps.name, "Vipps and MobilePay")
        self.vipps.state = 'disabled'
        self.vipps.state = 'test'

    @mute_logger(PROVIDER_LOGGER)
    def test_calls_fail_with_a_sentence_that_says_what_to_do(self):
        for name in ('action_vipps_test_connection', 'action_vipps_set_up_webhooks'):
            with self.subTest(name=name), self.assertRaisesRegex(
                UserError,
                "encryption key of this server was lost or changed, or this database is a copy.*"
                "enter the keys again",
            ):
                getattr(self.vipps, name)()
        self.assertFalse(self.simulator.exchanges)

    def test_operator_reads_in_the_log_what_is_wrong(self):
        with (
            self.assertLogs(PROVIDER_LOGGER, 'ERROR') as logs,
            self.assertRaises(UserError),
        ):
            self.vipps.action_vipps_test_connection()
        self.assertRegex(logs.output[0], r"Cannot decrypt the keys of payment provider \d+")

    def test_keys_can_be_entered_again(self):
        self.vipps.write({
            'vipps_client_id': NOK_UNIT.client_id,
            'vipps_client_secret': NOK_UNIT.client_secret,
            'vipps_subscription_key': NOK_UNIT.subscription_key,
        })
        self.vipps.action_vipps_test_connection()

    def test_malformed_key_refuses_to_save_keys_with_a_sentence(self):
        os.environ[encryption.KEY_VARIABLE] = 'malformed'
        with (
            self.assertLogs(SECRETS_LOGGER, 'ERROR') as logs,
            self.assertRaisesRegex(UserError, "The keys cannot be saved.*encryption key"),
        ):
            self.vipps.vipps_client_secret = 'fake-new-secret'
        self.assertNotIn('fake-new-secret', ''.join(logs.output))
