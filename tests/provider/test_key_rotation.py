# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import os
import tempfile
from pathlib import Path
from unittest.mock import patch

from cryptography.fernet import Fernet

from odoo.exceptions import AccessError, UserError
from odoo.tests import Form, tagged
from odoo.tools import config, mute_logger

from ... import encryption
from ...models.provider.payment_provider import SECRET_FIELDS, SECRET_MASK
from ...simulator.sales_units import DKK_UNIT, NOK_UNIT
from ..common import TransactionCommon

MODELS_LOGGER = 'odoo.addons.mobilepay_vipps.models'


@tagged('post_install', '-at_install')
class TestKeyRotation(TransactionCommon):
    """ Keys are replaced while customers pay. """

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.administrator = cls._new_user(
            'vipps_administrator',
            'base.group_user,base.group_system,account.group_account_invoice',
        )
        cls.vipps = cls.vipps.with_user(cls.administrator).with_company(cls.company)

    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        for patcher in (
            patch.dict(config.options, {'data_dir': folder.name}),
            patch.dict(os.environ),
        ):
            patcher.start()
            self.addCleanup(patcher.stop)
        config.options.pop(encryption.KEY_OPTION, None)
        os.environ.pop(encryption.KEY_VARIABLE, None)
        self.key_file = Path(folder.name) / 'mobilepay_vipps' / 'encryption.key'
        self.old_key = Fernet.generate_key().decode()
        self.key_file.parent.mkdir()
        self.key_file.write_text(self.old_key)
        self.key_file.chmod(0o600)
        self._enter(
            client_id=NOK_UNIT.client_id, client_secret=NOK_UNIT.client_secret,
            subscription_key=NOK_UNIT.subscription_key,
        )
        # They cannot be read anymore, and nobody does.
        self.env['payment.provider'].search([
            ('code', '=', 'vipps'), ('id', '!=', self.vipps.id),
        ])._vipps_write_protected(
            dict.fromkeys([f'{name}_ciphertext' for name in SECRET_FIELDS], False)
        )

    def _enter(self, **keys):
        self.vipps.sudo().write({f'vipps_{name}': key for name, key in keys.items()})

    def _get_ciphertexts(self):
        """ Return all ciphertexts of the provider, by where they are. """
        self.env.flush_all()
        self.env.invalidate_all()
        provider = self.vipps.sudo()
        ciphertexts = {name: provider[f'{name}_ciphertext'] for name in SECRET_FIELDS}
        for number, previous in enumerate(provider.vipps_webhook_previous_secrets or []):
            ciphertexts[number] = previous['ciphertext']
        return {name: ciphertext for name, ciphertext in ciphertexts.items() if ciphertext}

    def _replace(self, **keys):
        """ Do what the window does: it is opened, filled in, and its button is pressed. """
        form = Form(self.env['vipps.key.rotation'].with_user(self.administrator).with_context(
            default_provider_id=self.vipps.id
        ))
        for name, key in keys.items():
            form[f'vipps_{name}'] = key
        return form.save().action_rotate()

    def _assert_payments_go_on(self):
        tx = self._authorize()
        self.assertEqual(tx.state, 'authorized')
        self.vipps.action_vipps_test_connection()

    def _get_alerts(self):
        self.env.invalidate_all()
        return self.vipps.sudo().activity_ids.mapped('summary')

    #=== Our encryption key ===#

    def test_all_secrets_are_encrypted_with_the_newest_key_wherever_that_comes_from(self):
        self.vipps.action_vipps_set_up_webhooks()
        first_secret = self.vipps._vipps_get_secret('vipps_webhook_secret')
        self.vipps.action_vipps_set_up_webhooks()  # The previous secret is kept.
        secrets = {name: self.vipps._vipps_get_secret(name) for name in (
            'vipps_client_secret', 'vipps_webhook_secret',
        )}
        keys = [self.old_key]

        def use_file():
            self.key_file.write_text('\n'.join(keys))

        def use_environment():
            os.environ[encryption.KEY_VARIABLE] = ','.join(keys)

        def use_configuration():
            os.environ.pop(encryption.KEY_VARIABLE, None)
            config.options[encryption.KEY_OPTION] = ' '.join(keys)

        for use in (use_file, use_environment, use_configuration):
            with self.subTest(use.__name__):
                ciphertexts = self._get_ciphertexts()
                self.assertEqual(len(ciphertexts), 5)
                keys.insert(0, Fernet.generate_key().decode())
                use()
                message = self.vipps.action_vipps_rotate_encryption_key()['params']['message']
                self.assertIn("Older keys behind it may be removed", message)
                new_ciphertexts = self._get_ciphertexts()
                self.assertEqual(new_ciphertexts.keys(), ciphertexts.keys())
                self.assertFalse(set(new_ciphertexts.values()) & set(ciphertexts.values()))
                del keys[1]
                use()
                for name, secret in secrets.items():
                    self.assertEqual(self.vipps._vipps_get_secret(name), secret)
                self.assertIn(first_secret, dict(self.vipps._vipps_get_webhook_secrets()))
                self._assert_payments_go_on()

    def test_the_file_is_never_changed(self):
        self.vipps.action_vipps_rotate_encryption_key()
        self.assertEqual(self.key_file.read_text(), self.old_key)

    @mute_logger(f'{MODELS_LOGGER}.mixins.secret_fields')
    def test_a_malformed_key_refuses_and_changes_nothing(self):
        ciphertexts = self._get_ciphertexts()
        self.key_file.write_text('malformed')
        with self.assertRaisesRegex(UserError, "encryption key of this server"):
            self.vipps.action_vipps_rotate_encryption_key()
        self.assertEqual(self._get_ciphertexts(), ciphertexts)
        self.assertEqual(self.key_file.read_text(), 'malformed')

    def test_what_no_key_can_read_is_named_and_left_alone(self):
        ciphertext = Fernet(Fernet.generate_key()).encrypt(b"x").decode()
        self.vipps._vipps_write_protected({'vipps_client_id_ciphertext': ciphertext})
        message = self.vipps.action_vipps_rotate_encryption_key()['params']['message']
        self.assertIn(f"{self.vipps.name} cannot be read", message)
        self.assertEqual(self.vipps.vipps_client_id_ciphertext, ciphertext)

    def test_a_lost_key_file_is_not_made_anew_by_reading(self):
        self.key_file.unlink()
        with (
            mute_logger(f'{MODELS_LOGGER}.provider.payment_provider'),
            self.assertRaisesRegex(UserError, "lost or changed"),
        ):
            self.vipps.action_vipps_test_connection()
        self.assertFalse(self.vipps._vipps_get_webhook_secrets())
        self.assertFalse(self.key_file.exists())
        self.key_file.write_text(self.old_key)  # as it comes from the backup
        self._assert_payments_go_on()

    def test_a_new_key_file_in_place_of_a_lost_one_is_said_once(self):
        self.key_file.unlink()
        logger = f'{MODELS_LOGGER}.provider.credentials'
        with self.assertLogs(logger, 'ERROR') as logs:
            self._enter(
                client_id=NOK_UNIT.client_id, client_secret=NOK_UNIT.client_secret,
                subscription_key=NOK_UNIT.subscription_key,
            )
        self.assertEqual(len(logs.output), 1)
        self.assertIn("The encryption key file is missing", logs.output[0])
        with self.assertNoLogs(logger, 'ERROR'):
            self._enter(client_id=NOK_UNIT.client_id)
        self._assert_payments_go_on()

    #=== The subscription key ===#

    def test_payments_go_on_while_either_subscription_key_is_replaced(self):
        self._enter(secondary_subscription_key=NOK_UNIT.secondary_subscription_key)
        self.simulator.set_unit(NOK_UNIT.msn, subscription_key='fake-new-primary')
        self.assertEqual(self._authorize().state, 'authorized')
        self.assertEqual(self._get_alerts(), ["The primary subscription key is refused"])
        with self.assertRaisesRegex(UserError, "^The subscription key is wrong"):
            self.vipps.action_vipps_test_connection()
        self._replace(subscription_key=' fake-new-primary\n')
        self.assertEqual(self._get_alerts(), [])
        self._assert_payments_go_on()

        self.simulator.set_unit(NOK_UNIT.msn, secondary_subscription_key='fake-new-secondary')
        self.assertEqual(self._authorize().state, 'authorized')
        self.vipps.sudo()._vipps_watch_webhook()
        self.assertIn("The secondary subscription key is refused", self._get_alerts())
        with self.assertRaisesRegex(UserError, "The secondary subscription key is wrong"):
            self.vipps.action_vipps_test_connection()
        self.simulator.set_unit(
            NOK_UNIT.msn, secondary_subscription_key=NOK_UNIT.secondary_subscription_key
        )
        self.vipps.sudo()._vipps_watch_webhook()
        self.assertNotIn("The secondary subscription key is refused", self._get_alerts())

    def test_a_capture_under_way_is_made_once_with_the_other_key(self):
        self.simulator.set_unit(NOK_UNIT.msn, secondary_subscription_key='fake-secondary')
        self._enter(secondary_subscription_key='fake-secondary')
        tx = self._authorize()
        self.simulator.set_unit(NOK_UNIT.msn, subscription_key='fake-new-primary')
        tx._send_capture_request()
        self.assertEqual(self._get_aggregate(tx)['captured'], 24950)
        self.assertEqual(tx.state, 'done')

    #=== Client ID and client secret ===#

    def test_new_keys_are_stored_only_if_they_work(self):
        ciphertexts = self._get_ciphertexts()
        for keys, sentence in (
            ({'client_secret': 'fake-wrong'}, "The client ID or the client secret is wrong"),
            ({'client_id': DKK_UNIT.client_id}, "The client ID or the client secret is wrong"),
            ({'subscription_key': 'fake-wrong'}, "The subscription key is wrong"),
            ({'secondary_subscription_key': 'fake'}, "The secondary subscription key is wrong"),
            ({
                'client_id': DKK_UNIT.client_id, 'client_secret': DKK_UNIT.client_secret,
                'subscription_key': DKK_UNIT.subscription_key,
            }, "the merchant serial number 123456 is not"),
            ({}, "at least one new key"),
            ({'client_secret': SECRET_MASK}, "at least one new key"),
        ):
            with self.subTest(**keys):
                with self.assertRaisesRegex(UserError, sentence) as refusal:
                    self._replace(**keys)
                self.assertNotIn('fake-wrong', str(refusal.exception))
                self.env.invalidate_all()
                self.assertEqual(self._get_ciphertexts(), ciphertexts)
        self._assert_payments_go_on()

    def test_a_new_client_secret_is_used_and_recorded_and_shown_nowhere(self):
        tx = self._start()
        self.simulator.set_unit(NOK_UNIT.msn, client_secret='fake-new-secret')
        notification = self._replace(client_secret='\u00a0fake-new-secret ')
        self.assertIn("Client Secret", notification['params']['message'])
        self.assertEqual(self.vipps._vipps_get_secret('vipps_client_secret'), 'fake-new-secret')
        self._approve(tx)
        self._refresh(tx)
        self.assertEqual(tx.state, 'authorized')
        events = self.env['vipps.audit.event'].sudo().search([('action', '=', 'keys_rotated')])
        self.assertEqual(events[0].details, 'client_secret')
        self.assertEqual(events[0].user_id, self.administrator)
        self.assertFalse(self.env['vipps.key.rotation'].sudo().search([]))

    def test_the_window_never_holds_clear_text(self):
        wizard = self.env['vipps.key.rotation'].create({
            'provider_id': self.vipps.id, 'vipps_client_secret': 'fake-new-secret',
        })
        self.assertEqual(wizard.vipps_client_secret, SECRET_MASK)
        self.env.cr.execute("SELECT w::text FROM vipps_key_rotation w")
        self.assertNotIn('fake-new-secret', str(self.env.cr.fetchall()))

    def test_only_administrators_replace_keys(self):
        manager = self._new_user(
            'vipps_manager', 'base.group_user,mobilepay_vipps.group_payment_manager',
        )
        with self.assertRaises(AccessError):
            self.env['vipps.key.rotation'].with_user(manager).create(
                {'provider_id': self.vipps.id, 'vipps_client_id': 'x'}
            )
        with self.assertRaises(AccessError):
            self.vipps.with_user(manager).action_vipps_rotate_encryption_key()

    #=== Keys from the environment ===#

    def _set_variables(self, msn=NOK_UNIT.msn, **keys):
        os.environ[f'VIPPS_DATABASE_{msn}'] = self.env.cr.dbname
        os.environ.update({f'VIPPS_{name.upper()}_{msn}': key for name, key in keys.items()})
        self.env.invalidate_all()

    def test_keys_of_the_environment_win_and_are_never_stored(self):
        self._enter(client_secret='fake-old', client_id='fake-old')
        ciphertexts = self._get_ciphertexts()
        self._set_variables(
            client_id=f' {NOK_UNIT.client_id}\n', client_secret=NOK_UNIT.client_secret
        )
        self._assert_payments_go_on()
        self.assertEqual(self.vipps.vipps_environment_keys, "Client ID, Client Secret")
        with Form(self.vipps) as form:
            self.assertEqual(form.vipps_client_secret, SECRET_MASK)
            form.name = "Renamed"
        self.assertEqual(self._get_ciphertexts(), ciphertexts)
        with self.assertRaisesRegex(UserError, "comes from the environment"):
            self._replace(client_secret=NOK_UNIT.client_secret)

    def test_keys_of_the_environment_are_enough(self):
        self.vipps.state = 'disabled'
        self._enter(client_id=False, client_secret=False, subscription_key=False)
        self._set_variables(
            client_id=NOK_UNIT.client_id, client_secret=NOK_UNIT.client_secret,
            subscription_key='fake-replaced',
            secondary_subscription_key=NOK_UNIT.secondary_subscription_key,
        )
        with Form(self.vipps) as form:
            form.state = 'test'
        self.assertEqual(self._authorize().state, 'authorized')
        self.env['payment.provider']._cron_vipps_watch_webhooks()
        self.assertIn("The primary subscription key is refused", self._get_alerts())
        self.assertFalse(self.vipps.vipps_client_secret_ciphertext)

    def test_keys_of_the_environment_are_for_their_sales_unit_only(self):
        self._set_variables(msn=DKK_UNIT.msn, client_secret='fake-other')
        self.assertFalse(self.vipps.vipps_environment_keys)
        self.vipps.action_vipps_test_connection()

    def test_keys_of_the_environment_are_for_their_database_only(self):
        self._enter(client_secret='fake-own')
        for database in (
            f'{self.env.cr.dbname}_copy', self.env.cr.dbname.upper(), f' {self.env.cr.dbname}', '',
        ):
            with self.subTest(database=database):
                self._set_variables(client_secret=NOK_UNIT.client_secret)
                os.environ[f'VIPPS_DATABASE_{NOK_UNIT.msn}'] = database
                self.assertFalse(self.vipps.vipps_environment_keys)
                self.assertEqual(self.vipps._vipps_get_secret('vipps_client_secret'), 'fake-own')

    def test_keys_of_the_environment_that_name_no_database_are_told_of(self):
        def get_problems():
            return {p['key']: p['note'] for p in self.vipps.sudo()._vipps_get_problems()}

        self._set_variables(client_secret=NOK_UNIT.client_secret)
        self.assertNotIn('environment_keys', get_problems())
        del os.environ[f'VIPPS_DATABASE_{NOK_UNIT.msn}']
        self.assertIn(
            f"VIPPS_DATABASE_{NOK_UNIT.msn} to {self.env.cr.dbname}",
            get_problems()['environment_keys'],
        )
        os.environ[f'VIPPS_DATABASE_{NOK_UNIT.msn}'] = 'another'  # And that is nobody's business.
        self.assertNotIn('environment_keys', get_problems())

    def test_a_key_file_that_others_can_read_is_told_of(self):
        def get_problem():
            problems = self.vipps.sudo()._vipps_get_problems()
            return next((p for p in problems if p['key'] == 'key_file'), None)

        self.assertIsNone(get_problem())
        self.key_file.chmod(0o644)
        self.assertEqual(get_problem()['level'], 'warning')
        self.assertIn("chmod 600", get_problem()['note'])
        self._assert_payments_go_on()

    def test_a_neutralized_copy_gets_no_keys_of_the_environment(self):
        self._set_variables(client_id=NOK_UNIT.client_id, client_secret=NOK_UNIT.client_secret)
        self.env['ir.config_parameter'].set_param('database.is_neutralized', 'true')
        self.vipps.state = 'disabled'
        self._enter(client_id=False, client_secret=False)
        with self.assertRaisesRegex(UserError, "keys of .* are missing"):
            self.vipps.action_vipps_test_connection()
