import base64
import hashlib
import hmac
import json
import unittest
from datetime import datetime
from urllib.parse import urlsplit

from ..deliveries import retry_delay
from ..sales_units import DAY, DKK_UNIT
from ..signature import signed_headers
from .common import PAYMENT_EVENTS, SimulatorCase


class TestSignature(unittest.TestCase):
    """The official example, and the same with the secret that the documentation shows now."""

    url = 'https://webhook.site/e2cee29b-012e-4f1d-8ef4-e95fd74a7a63'
    date = 1680165512  # Thu, 30 Mar 2023 08:38:32 GMT
    body = b'{"some-unique-content":"ee6e441b-cc4a-46f8-895d-a5af79bcc233/hello-world"}'

    def sign(self, secret):
        return signed_headers(secret, self.url, self.body, self.date)

    def test_official_example(self):
        headers = self.sign(
            'A0+AeKBRG2KRGvnNwJpQlb6IJFk48CKXCIcrLoHncVJKDILsQSxS6NWCccwWm6r6FhGKhiHTBsG2wo/xU6FY/A=='
        )
        self.assertEqual(headers['X-Ms-Date'], 'Thu, 30 Mar 2023 08:38:32 GMT')
        self.assertEqual(
            headers['X-Ms-Content-Sha256'], 'lNlsp1XA03N34HrQsVzPgJKtC+r7l/RBF4V3JQUWMj4='
        )
        self.assertEqual(
            headers['Authorization'],
            'HMAC-SHA256 SignedHeaders=x-ms-date;host;x-ms-content-sha256'
            '&Signature=agAiSyogQbDHpeucoNwYz+yAr5nJ+v+zasdkSbqzv+U=',
        )
        self.assertEqual(headers['X-Vipps-Authorization'], headers['Authorization'])

    def test_masked_secret(self):
        self.assertTrue(self.sign('A' * 86 + '==')['Authorization'].endswith(
            '&Signature=u4zz3dyO3c3xJwl36rPpn1n7WF75u6r2epjH70MZTGM='
        ))


class TestRegistration(SimulatorCase):

    url = 'https://shop.example.com/hook?provider=1'

    def list(self, merchant=None):
        return (merchant or self.merchant).call('GET', '/webhooks/v1/webhooks').json()['webhooks']

    def test_register_list_and_delete(self):
        answer = self.merchant.register(self.url)
        self.assertEqual(answer.status_code, 201)
        self.assertEqual(set(answer.json()), {'id', 'secret'})
        self.assertEqual(len(base64.b64decode(answer.json()['secret'])), 64)
        self.assertEqual(len(answer.json()['secret']), 88)
        webhook_id = answer.json()['id']
        self.assertEqual(
            self.list(), [{'id': webhook_id, 'url': self.url, 'events': PAYMENT_EVENTS}]
        )
        path = f'/webhooks/v1/webhooks/{webhook_id}'
        self.assertEqual(self.merchant.call('DELETE', path).status_code, 204)
        self.assertEqual(self.list(), [])
        self.assertRefused(self.merchant.call('DELETE', path), 404)

    def test_sales_units_do_not_see_each_other(self):
        webhook_id = self.merchant.register(self.url).json()['id']
        danish = self.as_merchant(DKK_UNIT)
        self.assertEqual(self.list(danish), [])
        answer = danish.call('DELETE', f'/webhooks/v1/webhooks/{webhook_id}')
        self.assertRefused(answer, 404)
        self.assertEqual(len(self.list()), 1)

    def test_url_must_be_reachable_for_the_whole_world(self):
        for url in (
            'http://shop.example.com/hook', 'shop.example.com', 'https://localhost/hook',
            'https://10.0.0.1/hook', 'https://192.168.1.1/', 'https://shop/hook', 'ftp://example.com',
            'https://127.0.0.1/', 'https://shop.local/', 'https://a@example.com/',
            'https://shop.example.com/#top', 'myshop://hook',
        ):
            with self.subTest(url=url):
                self.assertRefused(self.merchant.register(url), 400, field='url')

    def test_events_must_exist(self):
        for events, field in (
            ([], 'events'), (['epayment.payment.captured.v1'], 'events'), (['CAPTURED'], 'events'),
            ([1], 'events[0]'), ('epayments.payment.captured.v1', 'events'),
        ):
            self.assertRefused(self.merchant.register(self.url, events), 400, field=field)

    def test_body_has_exactly_url_and_events(self):
        for body, field in (
            ({'url': self.url}, 'events'), ({'events': PAYMENT_EVENTS}, 'url'),
            ({'url': self.url, 'events': PAYMENT_EVENTS, 'secret': 'x'}, 'secret'),
        ):
            answer = self.merchant.call('POST', '/webhooks/v1/webhooks', body)
            self.assertRefused(answer, 400, field=field)

    def test_at_most_25_registrations_of_an_event(self):
        for number in range(25):
            answer = self.merchant.register(f'{self.url}&n={number}', PAYMENT_EVENTS[:1])
            self.assertEqual(answer.status_code, 201)
        answer = self.merchant.register(self.url, PAYMENT_EVENTS[:1])
        self.assertRefused(answer, 400, field='events')
        self.assertEqual(
            self.merchant.register(self.url, PAYMENT_EVENTS[1:]).status_code, 201
        )

    def test_one_registration_for_check_ins(self):
        self.assertEqual(self.merchant.register(self.url, ['user.checked-in.v1']).status_code, 201)
        answer = self.merchant.register(self.url, ['user.checked-in.v1'])
        self.assertRefused(answer, 400, field='events')


class TestDelivery(SimulatorCase):

    def setUp(self):
        super().setUp()
        self.receiver = self.start_receiver()
        self.registration = self.merchant.register(self.receiver.url).json()

    def wait(self):
        self.assertTrue(self.simulator.wait_for_deliveries(10))

    def wait_for_attempts(self, number):
        """Wait until so many attempts have been made and noted."""
        with self.simulator._world.lock:
            changed = self.simulator._world.deliveries._changed
            self.assertTrue(changed.wait_for(lambda: len(self.simulator.deliveries) >= number, 10))
            self.assertEqual(len(self.simulator.deliveries), number)

    def test_every_event_is_sent(self):
        reference = self.merchant.authorized()
        self.merchant.modify('capture', reference, 20000, key='capture-key')
        self.merchant.modify('refund', reference, 5000)
        self.merchant.cancel(reference)
        self.simulator.decline(self.merchant.create())
        self.merchant.cancel(self.merchant.create())
        self.merchant.create()
        self.simulator.advance(600)
        self.wait()
        self.assertEqual(sorted(self.receiver.names()), sorted([
            'CREATED', 'AUTHORIZED', 'CAPTURED', 'REFUNDED', 'CANCELLED', 'CREATED', 'ABORTED',
            'CREATED', 'TERMINATED', 'CREATED', 'EXPIRED',
        ]))

    def test_expiry_is_sent_without_anybody_asking(self):
        self.merchant.create()
        self.simulator.advance(600)
        self.assertEqual([self.receiver.next()['name'] for _number in range(2)],
                         ['CREATED', 'EXPIRED'])

    def test_body_of_an_event(self):
        reference = self.merchant.authorized()
        self.merchant.modify('capture', reference, 20000, key='capture-key')
        bodies = [self.receiver.next() for _number in range(3)]
        logged = self.merchant.events(reference).json()[2]
        self.assertEqual(bodies[2], {'msn': '123456', **logged})
        self.assertEqual(bodies[2]['amount'], {'currency': 'NOK', 'value': 20000})
        self.assertEqual(bodies[2]['idempotencyKey'], 'capture-key')
        self.assertIn('captureGuaranteedUntil', bodies[1])
        self.assertNotIn('sub', bodies[1])

    def test_approval_with_profile(self):
        self.merchant.authorized(profile={'scope': 'name email'})
        self.receiver.next()
        approved = self.receiver.next()
        self.assertEqual(approved['userDetails']['firstName'], "Kari")
        self.assertEqual(len(approved['sub']), 36)

    def test_headers_and_signature(self):
        self.merchant.create()
        path, headers, body, _status = self.receiver.received.get(timeout=10)
        self.assertEqual(path, '/hook?provider=1')
        self.assertEqual(headers['User-Agent'], 'Vipps MobilePay/1.0 Webhooks/1.0')
        self.assertEqual(headers['Content-Type'], 'application/json; charset=utf-8')
        self.assertNotEqual(headers['Webhook-Id'], self.registration['id'])
        # Written out by hand, so that it does not depend on our own signing.
        content = base64.b64encode(hashlib.sha256(body).digest()).decode()
        self.assertEqual(headers['X-Ms-Content-Sha256'], content)
        signed = f"POST\n{path}\n{headers['X-Ms-Date']};{self.receiver.host};{content}"
        signature = base64.b64encode(hmac.new(
            self.registration['secret'].encode(), signed.encode(), hashlib.sha256
        ).digest()).decode()
        self.assertTrue(headers['Authorization'].endswith(f'&Signature={signature}'))
        self.assertEqual(headers['X-Vipps-Authorization'], headers['Authorization'])
        self.assertEqual(headers['Host'], urlsplit(self.receiver.url).netloc)

    def test_only_registered_events_of_the_own_sales_unit(self):
        other = self.start_receiver()
        self.as_merchant(DKK_UNIT).register(other.url)
        only_captured = self.start_receiver()
        self.merchant.register(only_captured.url, ['epayments.payment.captured.v1'])
        reference = self.merchant.authorized()
        self.merchant.modify('capture', reference, 100)
        self.wait()
        self.assertEqual(other.names(), [])
        self.assertEqual(only_captured.names(), ['CAPTURED'])

    def test_unaccepted_event_blocks_later_ones_of_its_payment_only(self):
        self.receiver.statuses = [500]
        blocked = self.merchant.authorized()
        self.wait_for_attempts(1)
        self.merchant.authorized(reference='another-payment')
        self.wait_for_attempts(3)
        deliveries = self.simulator.deliveries
        self.assertEqual(
            [(d['reference'] == blocked, d['name'], d['accepted']) for d in deliveries],
            [(True, 'CREATED', False), (False, 'CREATED', True), (False, 'AUTHORIZED', True)],
        )
        self.simulator.advance(2)
        self.wait()
        deliveries = self.simulator.deliveries
        self.assertEqual(
            [(d['name'], d['attempt']) for d in deliveries if d['reference'] == blocked],
            [('CREATED', 1), ('CREATED', 2), ('AUTHORIZED', 1)],
        )

    def test_retry_schedule(self):
        self.receiver.statuses = [500] * 8
        self.merchant.authorized()  # an open payment would expire in the meantime
        self.wait_for_attempts(1)
        pauses = [2, 2, 2, 60, 120, 3600, 3600]
        for attempts, pause in enumerate(pauses, 2):
            self.simulator.advance(pause - 0.5)
            self.assertFalse(self.simulator.wait_for_deliveries(0))
            self.simulator.advance(0.5)
            self.wait_for_attempts(attempts)
        deliveries = self.simulator.deliveries
        self.assertEqual({delivery['name'] for delivery in deliveries}, {'CREATED'})
        self.assertEqual(len({delivery['webhookId'] for delivery in deliveries}), 1)
        moments = [
            datetime.strptime(delivery['time'], '%Y-%m-%dT%H:%M:%S.%fZ') for delivery in deliveries
        ]
        for earlier, later, pause in zip(moments[:-1], moments[1:], pauses, strict=True):
            self.assertAlmostEqual((later - earlier).total_seconds(), pause, delta=0.01)

    def test_delays_by_number_of_attempts(self):
        self.assertEqual(
            [retry_delay(attempts) for attempts in (1, 3, 4, 5, 6, 28, 29, 30)],
            [2, 2, 60, 120, 3600, 3600, DAY, DAY],
        )

    def test_given_up_after_seven_days_so_that_later_events_come(self):
        self.receiver.statuses = [500] * 40
        self.merchant.authorized(reference='blocked-payment')
        attempts = 1
        self.wait_for_attempts(attempts)
        while self.simulator.deliveries[-1]['name'] == 'CREATED':
            self.assertLess(attempts, 40)
            self.receiver.statuses = [500] * 2
            self.simulator.advance(retry_delay(attempts))
            attempts += 1
            with self.simulator._world.lock:
                changed = self.simulator._world.deliveries._changed
                changed.wait_for(lambda: len(self.simulator.deliveries) >= attempts, 10)  # noqa: B023
        # Six days of daily attempts after one of hourly ones.
        names = [delivery['name'] for delivery in self.simulator.deliveries]
        self.assertEqual(names.count('CREATED'), 29 + 6)

    def test_redirects_are_not_followed(self):
        self.receiver.statuses = [302]
        self.merchant.create()
        self.wait_for_attempts(1)
        self.assertEqual(self.simulator.deliveries[0]['result'], 302)
        self.assertFalse(self.simulator.deliveries[0]['accepted'])
        self.assertEqual(self.receiver.received.get(timeout=10)[0], '/hook?provider=1')
        self.assertTrue(self.receiver.received.empty())

    def test_any_success_is_accepted(self):
        self.receiver.statuses = [204]
        self.merchant.create()
        self.wait()

    def test_nobody_there(self):
        self.receiver.close()
        self.merchant.create()
        self.wait_for_attempts(1)
        self.assertIn('no answer', self.simulator.deliveries[0]['result'])
        self.assertFalse(self.simulator.wait_for_deliveries(0))

    def test_nothing_leaves_this_machine(self):
        self.merchant.call('DELETE', f"/webhooks/v1/webhooks/{self.registration['id']}")
        self.merchant.register('https://shop.example.com/hook')
        self.merchant.create()
        self.wait_for_attempts(1)
        self.assertIn('this machine only', self.simulator.deliveries[0]['result'])

    def test_deleted_registration_gets_nothing_more(self):
        self.receiver.statuses = [500]
        self.merchant.create()
        self.wait_for_attempts(1)
        self.merchant.call('DELETE', f"/webhooks/v1/webhooks/{self.registration['id']}")
        self.wait()
        self.simulator.advance(2)
        self.merchant.create()
        self.wait()
        self.assertEqual(len(self.simulator.deliveries), 1)

    def test_portal_operations_are_sent_too(self):
        reference = self.merchant.authorized()
        self.simulator.capture(reference, 20000)
        self.simulator.refund(reference)
        self.simulator.cancel(reference)
        self.wait()
        self.assertEqual(
            self.receiver.names(), ['CREATED', 'AUTHORIZED', 'CAPTURED', 'REFUNDED', 'CANCELLED']
        )

    def test_lost(self):
        self.simulator.fault('webhook', 'lost')
        self.merchant.authorized()
        self.wait()
        self.assertEqual(self.receiver.names(), ['AUTHORIZED'])

    def test_late(self):
        self.simulator.fault('webhook', 'late', seconds=90)
        self.merchant.create()
        self.simulator.advance(89)
        self.assertFalse(self.simulator.wait_for_deliveries(0))
        self.assertEqual(self.simulator.deliveries, [])
        self.simulator.advance(1)
        self.wait()
        self.assertEqual(self.receiver.names(), ['CREATED'])

    def test_duplicate(self):
        self.simulator.fault('webhook', 'duplicate')
        self.merchant.create()
        self.wait()
        bodies = [self.receiver.next() for _number in range(2)]
        self.assertEqual(bodies[0], bodies[1])

    def test_reorder(self):
        self.simulator.fault('webhook', 'reorder')
        reference = self.merchant.authorized()
        self.wait()
        self.assertEqual(self.receiver.names(), ['AUTHORIZED', 'CREATED'])
        self.simulator.fault('webhook', 'reorder', reference=reference)
        self.merchant.modify('capture', reference, 100)
        self.assertFalse(self.simulator.wait_for_deliveries(0))
        self.simulator.advance(5)
        self.wait()
        self.assertEqual(self.receiver.names(), ['CAPTURED'])

    def test_bodies_are_compact_utf8(self):
        self.merchant.create()
        body = self.receiver.received.get(timeout=10)[2]
        self.assertEqual(body, json.dumps(json.loads(body), separators=(',', ':')).encode())
