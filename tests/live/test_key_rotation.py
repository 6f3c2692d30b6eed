"""Keys are replaced with the command while the shop sells: nothing stops, and nothing is lost."""

import os
import subprocess

from simulator.sales_units import NOK_UNIT

from .shop import LiveTest


class TestKeyRotation(LiveTest):

    def run_command(self, *arguments, **variables):
        """Run the command as an operator does, while Odoo's workers run; returns how it ended."""
        odoo = self.stack.odoo
        command = odoo.command()
        return subprocess.run(
            [*command[:3], 'vipps_keys', '-c', odoo.configuration, '-d', odoo.database, *arguments],
            env={
                **os.environ,
                **odoo.variables(ODOO_RC=str(odoo.configuration), **variables),
            },
            capture_output=True, text=True, check=False, timeout=120,
        )

    def read_ciphertext(self):
        (ciphertext,), = self.stack.execute((
            "SELECT vipps_client_secret_ciphertext FROM payment_provider WHERE id = %s",
            [self.provider],
        ))
        return ciphertext

    def assert_shop_sells(self):
        _customer, reference = self.start_payment()
        self.decide(reference)
        self.assert_paid(reference)

    def test_the_encryption_key_is_replaced_while_a_customer_pays(self):
        _customer, reference = self.start_payment()
        key_file = self.stack.odoo.data_dir / 'mobilepay_vipps' / 'encryption.key'
        old_keys, old_ciphertext = key_file.read_text().split(), self.read_ciphertext()
        result = self.run_command('rotate-encryption-key')
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("encrypted with a new key", result.stdout)
        keys = key_file.read_text().split()
        self.assertEqual(keys[1:], old_keys)
        self.assertEqual(key_file.stat().st_mode & 0o777, 0o600)
        self.assertNotEqual(self.read_ciphertext(), old_ciphertext)
        self.decide(reference)
        self.assert_paid(reference, 10)  # by its webhook, whose secret was encrypted anew
        self.assert_shop_sells()

    def test_a_client_secret_is_stored_if_it_works_and_never_shown(self):
        ciphertext = self.read_ciphertext()
        options = ('set', '--provider', str(self.provider), '--client-secret-from-env', 'NEW')
        result = self.run_command(*options, NEW='fake-wrong')
        self.assertEqual(result.returncode, 1)
        self.assertIn("The client ID or the client secret is wrong", result.stderr)
        self.assertEqual(self.read_ciphertext(), ciphertext)
        self.assert_shop_sells()

        self.control('POST', 'units', msn=NOK_UNIT.msn, client_secret='fake-new-secret')
        self.addCleanup(self.restore_secret, options)
        result = self.run_command(*options, NEW='fake-new-secret')
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("takes the new keys", result.stdout)
        self.assertNotIn('fake-new-secret', result.stdout + result.stderr)
        self.control('POST', 'tokens/revoke')
        self.assert_shop_sells()

    def restore_secret(self, options):
        self.control('POST', 'units', msn=NOK_UNIT.msn, client_secret=NOK_UNIT.client_secret)
        result = self.run_command(*options, NEW=NOK_UNIT.client_secret)
        self.assertEqual(result.returncode, 0, result.stderr)

    def test_what_is_missing_is_said(self):
        for arguments, sentence in (
            (['set', '--provider', '0', '--client-id-from-env', 'NEW'], "no Vipps MobilePay"),
            (['set', '--provider', str(self.provider), '--client-id-from-env', 'NO'], "not set"),
            (['set', '--provider', str(self.provider)], "at least one new key"),
        ):
            with self.subTest(arguments=arguments):
                result = self.run_command(*arguments, NEW='x')
                self.assertEqual(result.returncode, 1)
                self.assertIn(sentence, result.stderr)
