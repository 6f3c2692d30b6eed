"""The webhook's registration: behind a proxy, of several providers, replaced, lost and repaired."""

from protocol.access_token import Credentials
from protocol.client import Client
from protocol.payloads import PAYMENT_EVENTS
from simulator.sales_units import DKK_UNIT, NOK_UNIT

from .proxy import running_proxy
from .shop import LiveTest, wait_until


class RegistrationTest(LiveTest):

    def setUp(self):
        """Be the merchant, with keys of their own, and leave one registration of the shop."""
        super().setUp()
        self.merchant = self.api_of(NOK_UNIT)
        self.dismiss_alerts()
        self.addCleanup(self.start_over)

    def api_of(self, unit):
        return Client(
            Credentials(
                base_url=self.stack.simulator_url, client_id=unit.client_id,
                client_secret=unit.client_secret, subscription_key=unit.subscription_key,
                merchant_serial_number=unit.msn,
            ),
            {f'Vipps-System-{name}': 'test' for name in (
                'Name', 'Version', 'Plugin-Name', 'Plugin-Version',
            )},
        )

    def start_over(self):
        self.repair()
        for webhook in self.merchant.list_webhooks():
            self.merchant.delete_webhook(webhook['id'])
        self.set_up()
        self.dismiss_alerts()

    def set_up(self, provider=None):
        self.rpc('payment.provider', 'action_vipps_set_up_webhooks', [provider or self.provider])

    def dismiss_alerts(self):
        self.rpc('mail.activity', 'unlink', [alert['id'] for alert in self.alerts()])

    def urls(self):
        return sorted(webhook['url'] for webhook in self.merchant.list_webhooks())

    def assert_events_arrive(self):
        _customer, reference = self.start_payment()
        self.decide(reference)
        self.assert_paid(reference)


class TestProxy(RegistrationTest):

    def test_events_and_customers_come_through_a_proxy_that_changes_host_and_path(self):
        with running_proxy(self.stack.ports['http']) as url:
            self.rpc('ir.config_parameter', 'set_param', 'web.base.url', url)
            self.addCleanup(
                self.rpc, 'ir.config_parameter', 'set_param', 'web.base.url', self.stack.url
            )
            self.set_up()
            self.assertEqual(self.urls(), [f'{url}/payment/vipps/webhook/{self.provider}'])
            _customer, reference = self.start_payment()
            self.decide(reference)
            self.assert_paid(reference)
            self.assertEqual([
                (delivery['url'], delivery['accepted']) for delivery in self.deliveries(reference)
            ], [(self.urls()[0], True)])
            # Signed for the address that the shop has by itself.
            body = self.event_body(reference)
            self.assertEqual(self.send_event(body, X_Vipps_Authorization='x'), 401)


class TestOtherProvider(RegistrationTest):

    def setUp(self):
        super().setUp()
        self.other = self.rpc('payment.provider', 'copy', self.provider)
        self.rpc('payment.provider', 'write', [self.other], {
            'vipps_merchant_serial_number': DKK_UNIT.msn,
            'vipps_client_id': DKK_UNIT.client_id,
            'vipps_client_secret': DKK_UNIT.client_secret,
            'vipps_subscription_key': DKK_UNIT.subscription_key,
            'state': 'test',
            'is_published': False,
        })
        self.addCleanup(self.remove_other)
        self.set_up(self.other)
        self.other_url = f'{self.stack.url}/payment/vipps/webhook/{self.other}'
        self.secret = self.webhook_secret()
        self.other_secret = self.webhook_secret(self.other)
        _customer, self.reference = self.start_payment()
        self.body = self.event_body(self.reference, 'CREATED')

    def remove_other(self):
        merchant = self.api_of(DKK_UNIT)
        for webhook in merchant.list_webhooks():
            merchant.delete_webhook(webhook['id'])
        self.rpc('payment.provider', 'unlink', [self.other])

    def test_a_right_signature_of_another_provider_is_refused(self):
        before = wait_until(lambda: not self.inbox(['state', '=', 'pending']) and self.inbox())
        for secret, url in (
            (self.secret, self.other_url), (self.other_secret, self.webhook_url()),
        ):
            self.assertEqual(self.send_event(self.body, secret, url), 401)
        self.assertEqual(self.inbox(), before)

    def test_an_event_of_a_sales_unit_that_is_not_the_providers_own_is_ignored(self):
        self.assertEqual(self.send_event(self.body, self.other_secret, self.other_url), 200)
        event, = self.inbox(['provider_id', '=', self.other])
        self.assertEqual(event['state'], 'ignored')

    def test_without_a_secret_that_can_be_read_everything_is_refused(self):
        column = 'vipps_webhook_secret_ciphertext'
        for secret in (None, 'not encrypted'):
            with self.subTest(secret):
                self.stack.execute(
                    (f"UPDATE payment_provider SET {column} = %s WHERE id = %s",
                     [secret, self.other]),
                    "SELECT nextval('base_cache_signaling_default')",  # As the ORM tells workers.
                )
                for signing in (self.other_secret, self.secret, ''.join(['x'] * 88)):
                    self.assertEqual(self.send_event(self.body, signing, self.other_url), 401)
        self.assertEqual(self.inbox(['provider_id', '=', self.other]), [])


class TestReplacement(RegistrationTest):

    def test_an_event_signed_with_the_replaced_secret_is_still_taken(self):
        old_secret = self.webhook_secret()
        _customer, reference = self.start_payment()
        self.fault('webhook', 'lost', reference=reference)
        self.decide(reference)
        self.set_up()
        wait_until(lambda: len(self.urls()) == 1)
        self.assertNotEqual(self.webhook_secret(), old_secret)
        self.assertEqual(self.send_event(self.event_body(reference), old_secret), 200)
        self.assert_paid(reference)
        self.repair()
        self.assert_events_arrive()

    def test_the_old_registration_is_deleted_after_there_is_a_new_one(self):
        changes = ('register_webhook', 'delete_webhook')
        before = len([c for name in changes for c in self.calls(name)])
        self.set_up()
        wait_until(lambda: len(self.urls()) == 1)
        calls = [
            call['operation'] for call in self.control('GET', 'exchanges')['exchanges']
            if call['operation'] in changes
        ]
        self.assertEqual(calls[before:], list(changes))

    def test_a_worker_that_is_killed_meanwhile_leaves_a_registration_that_is_good(self):
        for in_commit in (False, True):
            with self.subTest(in_commit=in_commit):
                known, = self.merchant.list_webhooks()
                self.kill_at(
                    'payment_provider', f"NEW.vipps_webhook_id <> '{known['id']}'",
                    self.set_up, in_commit,
                )
                self.assertEqual(self.urls(), [self.webhook_url()] * 2)
                self.assert_events_arrive()
                self.run_job('cron_watch_webhooks')
                wait_until(lambda: len(self.urls()) == 1)


class TestWatch(RegistrationTest):

    def assert_repaired(self):
        """Check that the daily job leaves one registration that works, and tells once."""
        for _day in range(2):
            self.run_job('cron_watch_webhooks')
            wait_until(lambda: self.urls() == [self.webhook_url()])
            self.assertEqual(
                [alert['summary'] for alert in self.alerts()], ["The webhook was repaired"]
            )
        self.assert_events_arrive()

    def test_a_registration_that_is_right_is_left_alone(self):
        before = self.merchant.list_webhooks()
        self.run_job('cron_watch_webhooks')
        self.assertEqual(self.merchant.list_webhooks(), before)
        self.assertEqual(self.alerts(), [])

    def test_a_deleted_registration_is_made_again(self):
        webhook, = self.merchant.list_webhooks()
        self.merchant.delete_webhook(webhook['id'])
        self.assert_repaired()

    def test_a_doubled_registration_is_deleted(self):
        known, = self.merchant.list_webhooks()
        self.merchant.register_webhook(self.webhook_url(), PAYMENT_EVENTS)
        self.assert_repaired()
        self.assertEqual([w['id'] for w in self.merchant.list_webhooks()], [known['id']])

    def test_a_registration_at_which_events_arrive_is_moved_by_a_person_only(self):
        self.assert_events_arrive()
        old = 'http://127.0.0.1:9/payment/vipps/webhook/1'
        self.rpc('ir.config_parameter', 'set_param', 'web.base.url', 'http://127.0.0.1:9')
        try:
            self.set_up()
        finally:
            self.rpc('ir.config_parameter', 'set_param', 'web.base.url', self.stack.url)
        wait_until(lambda: [url.rpartition('/')[0] for url in self.urls()] == [
            old.rpartition('/')[0]
        ])
        self.run_job('cron_watch_webhooks')
        wait_until(lambda: [alert['summary'] for alert in self.alerts()] == [
            "The address of the website has changed"
        ])
        self.assertNotEqual(self.urls(), [self.webhook_url()])
        self.set_up()
        wait_until(lambda: self.urls() == [self.webhook_url()] and not self.alerts())
        self.assert_events_arrive()

    def test_the_registration_of_somebody_else_is_left_and_shown(self):
        foreign = 'http://127.0.0.1:9/somebody/else'
        self.merchant.register_webhook(foreign, PAYMENT_EVENTS)
        self.run_job('cron_watch_webhooks')
        self.assertEqual(self.urls(), sorted([foreign, self.webhook_url()]))
        provider, = self.rpc(
            'payment.provider', 'read', [self.provider], ['vipps_foreign_webhooks']
        )
        self.assertEqual(provider['vipps_foreign_webhooks'], foreign)
