# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from unittest.mock import patch

from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import new_test_user, tagged

from ... import const
from ...simulator.sales_units import DKK_UNIT, NOK_UNIT
from ...simulator.server import Simulator
from .test_payment_provider import ProviderCommon

# Nobody listens there.
CLOSED_URL = 'http://127.0.0.1:9'


class RedirectingSite:
    """ A website of this machine that redirects, as one does that has another main address. """

    def __init__(self, status, target):
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                self.send_response(status)
                if target:
                    self.send_header('Location', target)
                self.end_headers()

            def log_message(self, *args):
                pass

        self._server = HTTPServer(('127.0.0.1', 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.url = f'http://127.0.0.1:{self._server.server_port}'

    def close(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class ConnectionCommon(ProviderCommon):

    def _set_parameter(self, name, value):
        self.env['ir.config_parameter'].sudo().set_param(name, value)

    def _assert_refused(self, sentence, action):
        with self.assertRaisesRegex(UserError, sentence) as refusal:
            action()
        self.assertNotIn('fake-', str(refusal.exception))
        self.assertNotIn(NOK_UNIT.client_secret, str(refusal.exception))


@tagged('post_install', '-at_install')
class TestConnection(ConnectionCommon):
    """ The button says which key is wrong. """

    has_second_company = True

    def _assert_explained(self, sentence):
        self._assert_refused(sentence, self.vipps.action_vipps_test_connection)

    def test_right_keys(self):
        notification = self.vipps.action_vipps_test_connection()
        self.assertEqual(notification['tag'], 'display_notification')
        self.assertEqual(notification['params']['type'], 'success')
        self.assertRegex(notification['params']['message'], r"sales unit 123456 \(Test\)")

    def test_secondary_subscription_key_is_right_too(self):
        self.vipps.sudo().vipps_subscription_key = NOK_UNIT.secondary_subscription_key
        self.vipps.action_vipps_test_connection()

    def test_stages_are_token_and_list_of_webhooks(self):
        self.vipps.action_vipps_test_connection()
        operations = {exchange['operation'] for exchange in self.simulator.exchanges}
        self.assertEqual(operations, {'token', 'list_webhooks'})

    def test_keys_are_tried_anew_although_there_is_a_good_token(self):
        self.vipps.action_vipps_test_connection()
        calls = len(self.simulator.exchanges)
        self.vipps.action_vipps_test_connection()
        self.assertEqual(self.simulator.exchanges[calls]['operation'], 'token')

    def test_wrong_client_id(self):
        self.vipps.sudo().vipps_client_id = DKK_UNIT.client_id
        self._assert_explained("The client ID or the client secret is wrong")

    def test_wrong_client_secret(self):
        self.vipps.sudo().vipps_client_secret = 'fake-wrong'
        self._assert_explained("The client ID or the client secret is wrong")

    def test_wrong_subscription_key(self):
        self.vipps.sudo().vipps_subscription_key = 'fake-wrong'
        self._assert_explained("The subscription key is wrong")

    def test_subscription_key_of_another_sales_unit(self):
        self.vipps.sudo().vipps_subscription_key = DKK_UNIT.subscription_key
        self._assert_explained("subscription key is")

    def test_wrong_merchant_serial_number(self):
        for msn in ('999999', DKK_UNIT.msn):
            with self.subTest(msn=msn):
                self.vipps.vipps_merchant_serial_number = msn
                self._assert_explained(f"the merchant serial number {msn} is not")

    def test_what_cannot_be_a_merchant_serial_number_is_not_saved(self):
        for msn in ('12', 'MSN123456', '12345678901', '１２３４５６'):
            with self.subTest(msn=msn), self.assertRaisesRegex(ValidationError, "4 to 10 digits"):
                self.vipps.vipps_merchant_serial_number = msn

    def test_keys_with_characters_that_no_key_has(self):
        for name in ('vipps_client_id', 'vipps_client_secret', 'vipps_subscription_key'):
            with self.subTest(name=name), self.env.cr.savepoint():
                self.vipps.sudo()[name] = 'fåke–key'
                self._assert_explained("is wrong")

    def test_product_that_is_not_active(self):
        self.simulator.set_unit(NOK_UNIT.msn, active=False)
        self._assert_explained("123456 may not use the payment API. Order Payment")

    def test_no_network(self):
        self._set_parameter(const.TEST_API_URL_PARAMETER, CLOSED_URL)
        self._assert_explained("does not answer")

    def test_api_that_fails_or_answers_nonsense(self):
        for operation in ('token', 'webhooks'):
            for fault in ({'kind': 'status', 'status': 503}, {'kind': 'garbage'}):
                with self.subTest(operation=operation, **fault):
                    self.simulator.fault(operation=operation, times=None, **fault)
                    self._assert_explained("does not answer")
                    self.simulator.clear_faults()

    def test_addresses_that_are_not_of_this_machine_are_neither_stored_nor_used(self):
        url = self.simulator.url
        port = url.rpartition(':')[2]
        for bad_url in (
            'https://evil.example', 'http://evil.example', 'https://127.0.0.1.evil.example',
            'https://127.0.0.1@evil.example', 'https://localhost:80@evil.example/',
            f'http://user@127.0.0.1:{port}', f'http://user:x@localhost:{port}',
            'https://evil.example#@127.0.0.1', 'https://evil.example\\@127.0.0.1',
            'https://127.0.0.1\n.evil.example', f'{url}\n', f' {url}', f'{url}/../x', f'{url}?x',
            'http://127.999.0.1', 'http://0.0.0.0', 'http://[::]', 'http://10.0.0.1',
            'http://169.254.169.254', 'http://2130706433', 'http://127.1', 'http://localhost.evil.no',
            'http://[::ffff:10.0.0.1]', 'ftp://127.0.0.1', '//127.0.0.1', '127.0.0.1', 'localhost',
            'http://١٢٧.0.0.1', f'http://127.0.0.1:{port}:80', 'http://127.0.0.1:',
        ):
            with self.subTest(url=bad_url):
                for user in (self.system_user, self.env.ref('base.user_root')):
                    with (
                        self.assertRaisesRegex(ValidationError, "simulator on this machine"),
                        self.env.cr.savepoint(),
                    ):
                        self.env['ir.config_parameter'].with_user(user).sudo().set_param(
                            const.TEST_API_URL_PARAMETER, bad_url
                        )
                self._store_address(bad_url)
                self._assert_explained("leads somewhere else. No keys are sent there")
        self.assertFalse(self.simulator.exchanges)

    def _store_address(self, url):
        """ Store an address as a script does that knows of no rules. """
        self.env.flush_all()
        self.env.cr.execute(
            "UPDATE ir_config_parameter SET value = %s WHERE key = %s",
            [url, const.TEST_API_URL_PARAMETER],
        )
        self.env.invalidate_all()
        self.env.registry.clear_cache()

    def test_addresses_of_this_machine_are_taken(self):
        for url in (
            'http://127.0.0.1:8080', 'https://127.0.0.1', 'http://127.255.0.254:1/',
            'http://localhost:65535', 'http://[::1]:8080',
        ):
            with self.subTest(url=url):
                self._set_parameter(const.TEST_API_URL_PARAMETER, url)

    def test_a_simulator_that_redirects_gets_the_keys_and_nobody_else(self):
        other = Simulator(allow_loopback_http=True).start()
        self.addCleanup(other.close)
        site = RedirectingSite(307, other.url)
        self.addCleanup(site.close)
        self._set_parameter(const.TEST_API_URL_PARAMETER, site.url)
        with self.assertRaises(UserError):
            self.vipps.action_vipps_test_connection()
        self.assertFalse(other.exchanges)

    def test_only_administrators_may_test_and_set_up(self):
        for groups in (
            'base.group_portal', 'base.group_user', 'account.group_account_invoice',
            'sales_team.group_sale_manager', 'point_of_sale.group_pos_manager',
        ):
            user = new_test_user(self.env, groups, groups=groups)
            for provider in (self.vipps, self.vipps.browse()):
                for name in ('action_vipps_test_connection', 'action_vipps_set_up_webhooks'):
                    with self.subTest(groups=groups, name=name), self.assertRaises(AccessError):
                        getattr(provider.with_user(user), name)()
        self.assertFalse(self.simulator.exchanges)

    def test_administrator_of_another_company_may_not_test_and_set_up(self):
        company = self.company_data_2['company']
        user = self._new_user('elsewhere', 'base.group_user,base.group_system', company)
        for name in ('action_vipps_test_connection', 'action_vipps_set_up_webhooks'):
            with self.subTest(name=name), self.assertRaises(AccessError):
                getattr(self.vipps.with_user(user).with_company(company), name)()
        self.assertFalse(self.simulator.exchanges)


@tagged('post_install', '-at_install')
class TestConnectionOfEnvironments(ConnectionCommon):
    """ Both APIs are there, without the system parameter. """

    PRODUCTION_KEYS = {
        'client_id': '00000000-fa4e-4000-8000-000000999999',
        'client_secret': 'fake-client-secret-of-999999==',
        'subscription_key': 'fake0subscription0key0999999001',
    }

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.production = Simulator(allow_loopback_http=True).start()
        cls.addClassCleanup(cls.production.close)

    def setUp(self):
        super().setUp()
        self._set_parameter(const.TEST_API_URL_PARAMETER, False)
        self.startPatcher(patch.dict(const.API_URLS, {
            'production': self.production.url, 'test': self.simulator.url,
        }))
        self.production.reset()
        self.production.set_unit(
            '999999', name="Shop", currency='NOK',
            secondary_subscription_key='fake0subscription0key0999999002', **self.PRODUCTION_KEYS,
        )
        # The predefined units are those of the test environment.
        for unit in (NOK_UNIT, DKK_UNIT):
            self.production.set_unit(unit.msn, **dict.fromkeys(
                ('client_id', 'client_secret', 'subscription_key', 'secondary_subscription_key'),
                'fake-other',
            ))

    def _enter_production_keys(self):
        self.vipps.sudo().write({
            'vipps_merchant_serial_number': '999999',
            **{f'vipps_{name}': key for name, key in self.PRODUCTION_KEYS.items()},
        })

    def test_enabled_provider_uses_production(self):
        self._enter_production_keys()
        self.vipps.state = 'enabled'
        notification = self.vipps.action_vipps_test_connection()
        self.assertIn("sales unit 999999 (Production)", notification['params']['message'])
        self.assertFalse(self.simulator.exchanges)

    def test_test_keys_of_an_enabled_provider(self):
        self.vipps.state = 'enabled'
        self._assert_refused(
            "keys of the Test environment, but the provider is set to Production",
            self.vipps.action_vipps_test_connection,
        )

    def test_production_keys_of_a_provider_in_test_mode(self):
        self._enter_production_keys()
        self._assert_refused(
            "keys of the Production environment, but the provider is set to Test",
            self.vipps.action_vipps_test_connection,
        )

    def test_disabled_provider_is_tested_in_its_last_environment(self):
        self._enter_production_keys()
        self.vipps.state = 'enabled'
        self.vipps.state = 'disabled'
        self.vipps.action_vipps_test_connection()

    def test_keys_of_no_environment(self):
        self.vipps.sudo().vipps_client_secret = 'fake-wrong'
        self._assert_refused(
            "The client ID or the client secret is wrong", self.vipps.action_vipps_test_connection
        )

    def test_keys_are_not_sent_to_production_while_a_simulator_stands_in_for_the_test_api(self):
        self._set_parameter(const.TEST_API_URL_PARAMETER, self.simulator.url)
        self._enter_production_keys()
        self._assert_refused("is wrong", self.vipps.action_vipps_test_connection)
        self.assertFalse(self.production.exchanges)

    def test_refused_keys_of_production_are_not_tried_at_the_simulator(self):
        self._set_parameter(const.TEST_API_URL_PARAMETER, self.simulator.url)
        self._enter_production_keys()
        self.vipps.sudo().vipps_client_secret = 'fake-old'
        self.vipps.state = 'enabled'
        self._assert_refused(
            "The client ID or the client secret is wrong", self.vipps.action_vipps_test_connection
        )
        self.assertTrue(self.production.exchanges)
        self.assertFalse(self.simulator.exchanges)

    def test_the_guide_does_not_try_keys_of_production_at_the_simulator(self):
        self._enter_production_keys()
        self.vipps.state = 'enabled'
        self.vipps.state = 'disabled'
        self._set_parameter(const.TEST_API_URL_PARAMETER, self.simulator.url)
        guide = self.env['vipps.setup.guide'].with_user(self.system_user).browse(
            self.vipps.action_vipps_open_guide()['res_id']
        )
        guide.action_next()
        self.assertEqual(self.vipps.state, 'enabled')
        self.assertFalse(self.simulator.exchanges)

    def test_system_parameter_does_not_redirect_production(self):
        self._set_parameter(const.TEST_API_URL_PARAMETER, self.simulator.url)
        self._enter_production_keys()
        self.vipps.state = 'enabled'
        self.vipps.action_vipps_test_connection()
        self.assertTrue(self.production.exchanges)
        self.assertFalse(self.simulator.exchanges)
