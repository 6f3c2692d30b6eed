# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo.exceptions import UserError
from odoo.tests import tagged

from ... import const
from ...protocol.payloads import PAYMENT_EVENTS
from ...simulator.sales_units import NOK_UNIT
from .test_payment_provider_connection import CLOSED_URL, ConnectionCommon, RedirectingSite


@tagged('post_install', '-at_install')
class TestWebhookSetUp(ConnectionCommon):
    """ One registration, which is ours and works. """

    def setUp(self):
        super().setUp()
        self.client = self.env['vipps.api.client']._connect(self.vipps)

    def _set_up(self):
        """ Set the webhooks up; what is stale is deleted when that is committed. """
        self.env.cr.postcommit.clear()
        notification = self.vipps.action_vipps_set_up_webhooks()
        self.env.cr.postcommit.run()
        return notification

    def _assert_explained(self, sentence):
        self._assert_refused(sentence, self.vipps.action_vipps_set_up_webhooks)
        self.assertFalse(self.client.list_webhooks())
        self.assertFalse(self.vipps.vipps_webhook_secret)

    def _serve(self, status, target=None):
        site = RedirectingSite(status, target)
        self.addCleanup(site.close)
        self._set_parameter('web.base.url', site.url)

    #=== Registration ===#

    def test_one_registration_for_all_events(self):
        self._set_up()
        webhook, = self.client.list_webhooks()
        self.assertEqual(len(PAYMENT_EVENTS), 8)
        self.assertEqual(set(webhook['events']), set(PAYMENT_EVENTS))
        self.assertEqual(
            webhook['url'], f'http://127.0.0.1/payment/vipps/webhook/{self.vipps.id}'
        )

    def test_id_url_and_secret_are_stored(self):
        self._set_up()
        webhook, = self.client.list_webhooks()
        self.assertEqual(self.vipps.vipps_webhook_id, webhook['id'])
        self.assertEqual(self.vipps.vipps_webhook_url, webhook['url'])
        self.assertEqual(len(self.vipps._vipps_get_secret('vipps_webhook_secret')), 88)
        self.assertEqual(
            self.vipps._vipps_get_secret('vipps_client_secret'), NOK_UNIT.client_secret
        )

    def test_administrator_is_told(self):
        notification = self._set_up()
        self.assertIn(self.vipps.vipps_webhook_url, notification['params']['message'])

    def test_setting_up_again_replaces_the_registration(self):
        self._set_up()
        first_id = self.vipps.vipps_webhook_id
        first_secret = self.vipps._vipps_get_secret('vipps_webhook_secret')
        self._set_up()
        webhook, = self.client.list_webhooks()
        self.assertEqual(self.vipps.vipps_webhook_id, webhook['id'])
        self.assertNotEqual(webhook['id'], first_id)
        self.assertNotEqual(self.vipps._vipps_get_secret('vipps_webhook_secret'), first_secret)

    def test_registration_of_a_former_address_is_deleted(self):
        self._set_parameter('web.base.url', 'http://localhost')
        self._set_up()
        self._set_parameter('web.base.url', 'http://127.0.0.1/')
        self._set_up()
        webhook, = self.client.list_webhooks()
        self.assertEqual(
            webhook['url'], f'http://127.0.0.1/payment/vipps/webhook/{self.vipps.id}'
        )

    def test_registration_of_our_address_that_was_forgotten_is_deleted(self):
        self._set_up()
        self.vipps.sudo().vipps_webhook_id = False
        self._set_up()
        self.assertEqual(len(self.client.list_webhooks()), 1)

    def test_registrations_of_others_are_left_alone(self):
        other_ids = [
            self.client.register_webhook(url, PAYMENT_EVENTS)['id'] for url in (
                'http://127.0.0.1/payment/other',
                f'http://localhost/payment/vipps/webhook/{self.vipps.id}',
                f'http://127.0.0.1/payment/vipps/webhook/{self.vipps.id}0',
            )
        ]
        self._set_up()
        self._set_up()
        self.assertEqual(
            {webhook['id'] for webhook in self.client.list_webhooks()},
            {*other_ids, self.vipps.vipps_webhook_id},
        )

    def test_stale_registration_that_cannot_be_deleted_does_not_lose_the_new_one(self):
        self._set_up()
        # The list and the registration are answered, the deletion is not.
        self.simulator.fault(operation='webhooks', kind='latency', seconds=0, times=2)
        self.simulator.fault(operation='webhooks', kind='status', status=503, times=None)
        self._set_up()
        self.simulator.clear_faults()
        self.assertIn(
            self.vipps.vipps_webhook_id,
            [webhook['id'] for webhook in self.client.list_webhooks()],
        )
        self._set_up()
        self.assertEqual(len(self.client.list_webhooks()), 1)

    def test_registration_that_is_refused_leaves_the_old_one(self):
        self._set_up()
        row = self._read_row(self.vipps)
        self.simulator.fault(operation='webhooks', kind='latency', seconds=0)
        self.simulator.fault(operation='webhooks', kind='status', status=400)
        with self.assertRaises(UserError):
            self._set_up()
        self.assertEqual(self._read_row(self.vipps), row)
        self.assertEqual(len(self.client.list_webhooks()), 1)

    #=== Addresses that Vipps MobilePay cannot reach ===#

    def test_address_that_is_not_public_is_explained(self):
        for url in (
            'http://shop.example.com', 'https://shop', 'https://10.0.0.7', 'https://192.168.1.2:8443',
            'https://odoo.local', 'https://[fe80::1]', 'ftp://shop.example.com', '',
        ):
            with self.subTest(url=url):
                self._set_parameter('web.base.url', url)
                self._assert_explained("cannot reach.*https://.*web.base.url")

    def test_address_of_this_machine_is_explained_unless_a_simulator_stands_in(self):
        self._set_up()
        self.client.delete_webhook(self.vipps.vipps_webhook_id)
        self.vipps.vipps_webhook_secret = False
        self._set_parameter(const.TEST_API_URL_PARAMETER, False)
        for url in ('http://127.0.0.1', 'http://localhost:8069', 'https://localhost', 'http://[::1]'):
            with self.subTest(url=url):
                self._set_parameter('web.base.url', url)
                self._assert_explained("cannot reach.*https://.*web.base.url")

    def test_enabled_provider_needs_a_public_address_although_there_is_a_simulator(self):
        self.vipps.state = 'enabled'
        self._assert_explained("cannot reach.*https://.*web.base.url")

    def test_address_that_redirects_is_explained_with_its_target(self):
        for status in (301, 302, 307, 308):
            with self.subTest(status=status):
                self._serve(status, 'https://www.shop.example.com/')
                self._assert_explained(
                    "redirects to https://www.shop.example.com/.*does not follow"
                )

    def test_address_that_refuses_an_unsigned_call_is_good(self):
        self._serve(401)
        self._set_up()
        self.assertEqual(len(self.client.list_webhooks()), 1)

    def test_address_that_this_server_cannot_reach_is_taken(self):
        self._set_parameter('web.base.url', CLOSED_URL)
        self._set_up()
        self.assertEqual(len(self.client.list_webhooks()), 1)
