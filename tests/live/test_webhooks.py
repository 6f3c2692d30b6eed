"""Requests to the webhook's address that are no events of Vipps MobilePay leave no trace."""

import json
import uuid

import requests

from protocol.signature import sign
from simulator.sales_units import NOK_UNIT

from .shop import PATIENCE, LiveTest, wait_until


class TestBadWebhooks(LiveTest):

    def setUp(self):
        super().setUp()
        self.url = self.webhook_url()
        self.secret = self.webhook_secret()
        self.body = json.dumps({
            'msn': NOK_UNIT.msn, 'reference': 'nobody-knows-1', 'pspReference': str(uuid.uuid4()),
            'name': 'AUTHORIZED', 'amount': {'currency': 'NOK', 'value': 100},
            'timestamp': '2026-01-01T12:00:00.000Z', 'success': True,
        }).encode()

    def count_events(self):
        return len(self.inbox())

    def send(self, body=None, url=None, **headers):
        """Send a signed event, with some headers changed; returns the status."""
        headers = {
            'Content-Type': 'application/json', **sign(self.secret, self.url, self.body),
            **{name.replace('_', '-'): value for name, value in headers.items()},
        }
        return requests.post(
            url or self.url, data=self.body if body is None else body, headers=headers,
            timeout=PATIENCE,
        ).status_code

    def test_an_event_that_is_signed_is_stored(self):
        before = self.count_events()
        self.assertEqual(self.send(), 200)
        self.assertEqual(self.count_events(), before + 1)
        self.assertEqual(self.send(), 200)
        self.assertEqual(self.count_events(), before + 1)

    def test_nothing_else_is_stored(self):
        before = self.count_events()
        other_secret = sign(self.secret[::-1], self.url, self.body)
        other_url = sign(self.secret, f'{self.url}/1', self.body)
        changed = self.body.replace(b'100', b'999')
        for name, status, arguments in [
            ('unsigned', 401, {'Authorization': None}),
            ('signed with another secret', 401, {'Authorization': other_secret['Authorization']}),
            ('signed for another address', 401, {'Authorization': other_url['Authorization']}),
            ('another body', 401, {'body': changed}),
            ('another body with its hash', 401, {
                'body': changed,
                'X_Ms_Content_Sha256': sign('', self.url, changed)['X-Ms-Content-Sha256'],
            }),
            ('no body', 401, {'body': b''}),
            ('another date', 401, {'X_Ms_Date': 'Thu, 01 Jan 2026 12:00:00 GMT'}),
            ('unknown provider', 401, {'url': f'{self.stack.url}/payment/vipps/webhook/999999'}),
            ('too large', 413, {'body': b'x' * (64 * 1024 + 1)}),
        ]:
            with self.subTest(name):
                self.assertEqual(self.send(**arguments), status)
                self.assertEqual(self.count_events(), before)

    def test_a_secret_is_good_until_it_is_revoked_in_all_workers(self):
        self.rpc('payment.provider', 'action_vipps_set_up_webhooks', [self.provider])
        self.assertEqual({self.send() for _request in range(8)}, {200}, "It was replaced.")
        self.rpc('payment.provider', 'action_vipps_revoke_replaced_secrets', [self.provider])
        self.assertEqual({self.send() for _request in range(8)}, {401})
        self.secret = self.webhook_secret()
        self.assertEqual({self.send() for _request in range(8)}, {200})

    def test_a_forged_event_for_a_real_payment_changes_nothing(self):
        _customer, reference = self.start_payment()
        forged = json.loads(self.body)
        self.body = json.dumps({**forged, 'reference': reference}).encode()
        self.assertEqual(self.send(Authorization='HMAC-SHA256 Signature=AAAA'), 401)
        self.assertEqual(self.transaction(reference)['state'], 'draft')

    def test_a_signed_event_for_a_payment_that_is_not_approved_does_not_pay_it(self):
        """An event only says that there is something to read."""
        _customer, reference = self.start_payment()
        event = json.loads(self.body)
        self.body = json.dumps({**event, 'reference': reference}).encode()
        self.assertEqual(self.send(), 200)
        wait_until(lambda: self.rpc('vipps.webhook.event', 'search_count', [
            ('psp_reference', '=', event['pspReference']), ('state', '=', 'processed'),
        ]))
        self.assertEqual(self.transaction(reference)['state'], 'draft')
        self.assert_nothing_booked(reference)
