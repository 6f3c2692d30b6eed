# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import logging

from odoo.exceptions import UserError
from odoo.modules import neutralize
from odoo.tests import tagged

from ...hooks import uninstall_hook
from ...models.provider.payment_provider import SECRET_FIELDS
from ..common import KEYS
from .test_payment_provider import ProviderCommon


@tagged('post_install', '-at_install')
class TestProviderRemoval(ProviderCommon):
    """ Copies of a database, and the end. """

    def setUp(self):
        super().setUp()
        self.vipps.action_vipps_set_up_webhooks()

    def _list_webhooks(self):
        return self.env['vipps.api.client']._call(self.vipps, 'list_webhooks')

    def _neutralize(self):
        self.env.flush_all()
        for query in neutralize.get_neutralization_queries(['mobilepay_vipps']):
            self.env.cr.execute(query)
        self.env.invalidate_all()
        self.env.registry.clear_cache()

    def test_neutralized_copy_is_disabled_and_has_no_secrets(self):
        self.vipps.action_vipps_set_up_webhooks()  # The previous secret is kept.
        self.vipps.action_vipps_create_monitoring_token()
        self.vipps.sudo().write({
            'vipps_secondary_subscription_key': 'another-key',
            'vipps_check_in_secret': 'another-secret',
            'vipps_check_in_webhook_id': 'another-id',
            'vipps_check_in_webhook_url': 'https://check-ins.example.com',
        })
        texts = [self.vipps[name] for name in (
            *(f'{name}_ciphertext' for name in SECRET_FIELDS),
            'vipps_monitoring_token_hash', 'vipps_webhook_id', 'vipps_webhook_url',
            'vipps_check_in_webhook_id', 'vipps_check_in_webhook_url',
        )]
        texts.append(self.vipps.vipps_webhook_previous_secrets[0]['ciphertext'])
        self.assertTrue(all(texts))
        self._neutralize()
        self.assertEqual(self.vipps.state, 'disabled')
        row = self._read_row(self.vipps)
        for text in texts:
            self.assertNotIn(text, row)

    def test_neutralized_copy_has_no_way_into_open_payments(self):
        tx = self._start()
        self.assertTrue(tx.vipps_redirect_url)
        self._neutralize()
        self.assertFalse(tx.vipps_redirect_url)

    def test_neutralized_copy_knows_nothing_of_customers_and_of_keys_that_were_being_entered(self):
        tx = self._start()
        tx.sudo().write({
            'vipps_user_sub': 'fake-sub', 'vipps_user_details': {'name': "Kari"},
            'vipps_customer_phone': '47******32', 'vipps_user_info_state': 'received',
        })
        for model, values in (
            ('vipps.key.rotation', {}),
            ('vipps.setup.guide', {'step': 'keys', 'market': 'NO', 'capture_mode': 'manual'}),
        ):
            self.env[model].create({
                **values, 'provider_id': self.vipps.id, 'vipps_client_secret': 'fake',
            })
        self._neutralize()
        for name in ('vipps_user_sub', 'vipps_user_details', 'vipps_customer_phone'):
            self.assertFalse(tx.sudo()[name])
        self.assertEqual(tx.vipps_user_info_state, 'erased')
        self.assertFalse(self.env['vipps.key.rotation'].search([]))
        self.assertFalse(self.env['vipps.setup.guide'].search([]))
        self.assertFalse(self.env['ir.config_parameter'].sudo().get_param(
            'mobilepay_vipps.test_api_url'
        ))

    def test_neutralized_copy_of_production_can_be_used_with_test_keys_and_back(self):
        self.vipps.state = 'enabled'
        tx = self._create_transaction('redirect')
        tx.vipps_payment_state = 'AUTHORIZED'
        self.vipps.state = 'disabled'
        with self.assertRaisesRegex(UserError, "open or reserved"):
            self.vipps.state = 'test'
        self._neutralize()
        self.assertEqual(self.vipps.vipps_environment, 'test')
        self.env['ir.config_parameter'].set_param(
            'mobilepay_vipps.test_api_url', self.simulator.url
        )
        self.vipps.write({**KEYS, 'state': 'test'})
        self.vipps.action_vipps_test_connection()
        with self.assertRaisesRegex(UserError, "no longer has keys"):
            self.env['vipps.api.client']._call_for(tx, 'get')
        self.vipps.state = 'enabled'
        self.vipps.state = 'disabled'
        with self.assertRaisesRegex(UserError, "open or reserved"):
            self.vipps.state = 'test'

    def test_neutralized_copy_leaves_other_providers_alone(self):
        row = self._read_row(self.dummy_provider)
        self._neutralize()
        self.assertEqual(self._read_row(self.dummy_provider), row)

    def test_neutralized_copy_calls_nothing_and_deletes_nothing(self):
        tx = self._start()
        self._get_tasks(tx, 'sync').due = '2020-01-01'
        calls = len(self.simulator.exchanges)
        self._neutralize()
        for name, error in (
            ('action_vipps_test_connection', "keys.*are missing"),
            ('action_vipps_set_up_webhooks', "cannot reach"),  # It is no simulator's any longer.
        ):
            with self.assertRaisesRegex(UserError, error):
                getattr(self.vipps, name)()
        self.env['vipps.task']._cron_sync_payments()
        uninstall_hook(self.env(su=True))
        self.env.cr.postcommit.run()
        self.assertEqual(len(self.simulator.exchanges), calls)

    def test_uninstallation_deletes_the_webhook_after_the_commit(self):
        webhooks = self._list_webhooks()
        client = self.env['vipps.api.client']._connect(self.vipps)
        self.env.cr.postcommit.clear()
        uninstall_hook(self.env(su=True))
        self.assertEqual(client.list_webhooks(), webhooks, "Not committed yet.")
        self.assertEqual((self.vipps.code, self.vipps.state), ('none', 'disabled'))
        self.env.cr.postcommit.run()
        self.assertFalse(client.list_webhooks())

    def test_uninstallation_leaves_the_webhooks_of_others(self):
        client = self.env['vipps.api.client']._connect(self.vipps)
        other_id = client.register_webhook(
            'http://127.0.0.1/other', ['epayments.payment.created.v1']
        )['id']
        self.env.cr.postcommit.clear()
        uninstall_hook(self.env(su=True))
        self.env.cr.postcommit.run()
        self.assertEqual([webhook['id'] for webhook in client.list_webhooks()], [other_id])

    def test_uninstallation_does_not_depend_on_vipps_mobilepay(self):
        self.env['ir.config_parameter'].set_param(
            'mobilepay_vipps.test_api_url', 'http://127.0.0.1:9'  # Nobody listens there.
        )
        self.env.cr.postcommit.clear()
        uninstall_hook(self.env(su=True))
        # By number: Odoo gives the name INFO to another level.
        with self.assertLogs('odoo.addons.mobilepay_vipps', logging.INFO) as logs:
            self.env.cr.postcommit.run()
        self.assertIn("is left at Vipps MobilePay", ''.join(logs.output))

    def test_uninstallation_that_core_refuses_changes_nothing(self):
        self._post_payment()
        row = self._read_row(self.vipps)
        self.env.cr.postcommit.clear()
        with self.assertRaisesRegex(UserError, "cannot uninstall"), self.env.cr.savepoint():
            uninstall_hook(self.env(su=True))
        self.env.cr.postcommit.run()
        self.assertEqual(self._read_row(self.vipps), row)
        self.assertEqual(len(self._list_webhooks()), 1)
        self.vipps.action_vipps_test_connection()

    def _post_payment(self):
        tx = self._authorize()
        tx._send_capture_request()
        tx._finalize_post_processing()
        self.assertEqual(tx.payment_id.state, 'posted')
