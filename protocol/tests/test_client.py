import json

from .. import errors
from .client_case import (
    CODE,
    CREATED,
    PUSH,
    REFERENCE,
    SECRETS,
    SYSTEM,
    ClientCase,
    money,
    payment,
    problem,
    success,
)
from .server import CUT


class TestClient(ClientCase):
    """The operations and their requests."""

    def test_headers(self):
        self.server.answers = [CREATED]
        self.create()
        self.server.answers = [success(payment())]
        self.client.get_payment(REFERENCE)
        create, get = (request['headers'] for request in self.server.requests)
        for headers in (create, get):
            self.assertEqual(headers['authorization'], 'Bearer token-1')
            self.assertEqual(headers['ocp-apim-subscription-key'], 'the-subscription-key')
            self.assertEqual(headers['merchant-serial-number'], '123456')
            for name, value in SYSTEM.items():
                self.assertEqual(headers[name.lower()], value[:30])
        self.assertEqual(create['content-type'], 'application/json')
        self.assertEqual(create['idempotency-key'], 'key-1')
        self.assertNotIn('idempotency-key', get)
        token_request, = self.server.token_requests
        self.assertEqual(token_request['body'], b'')
        self.assertEqual(token_request['headers']['client_id'], 'the-client-id')
        self.assertEqual(token_request['headers']['client_secret'], 'the-client-secret')
        self.assertNotIn('authorization', token_request['headers'])

    def test_each_operation_sends_its_request(self):
        self.server.answers = [success(payment())]
        self.client.capture(REFERENCE, 40, 'NOK', 'key-2')
        self.client.refund(REFERENCE, 10, 'NOK', 'key-3')
        self.client.cancel(REFERENCE)
        self.client.cancel(REFERENCE, only_unapproved=True)
        path = f'/epayment/v1/payments/{REFERENCE}'
        self.assertEqual(
            [(r['path'], json.loads(r['body'])) for r in self.server.requests],
            [
                (f'{path}/capture', {'modificationAmount': money(40)}),
                (f'{path}/refund', {'modificationAmount': money(10)}),
                (f'{path}/cancel', {'cancelTransactionOnly': False}),
                (f'{path}/cancel', {'cancelTransactionOnly': True}),
            ],
        )

    def test_cookies_are_not_kept(self):
        self.server.answers = [(200, {'Set-Cookie': 'a=b'}, json.dumps(payment()).encode())]
        self.client.get_payment(REFERENCE)
        self.client.get_payment(REFERENCE)
        self.assertNotIn('cookie', self.server.requests[1]['headers'])

    def test_nobody_there(self):
        client = self.make_client(base_url='http://127.0.0.1:1')
        error = self.assert_fails(errors.NoAnswer, lambda: client.get_payment(REFERENCE))
        self.assertTrue(error.retryable)

    def test_a_cancelled_payment_is_cancelled_again(self):
        for repeated, code in (
            (payment('TERMINATED', cancelled=100), '6050'),
            (payment(authorized=100, cancelled=100), '6190'),
        ):
            with self.subTest(code=code):
                self.server.answers = [problem(400, code), success(repeated)]
                self.assertEqual(self.client.cancel(REFERENCE).cancelled, 100)
        self.server.answers = [problem(400, '6050'), success(payment('EXPIRED'))]
        self.assert_fails(errors.Refused, lambda: self.client.cancel(REFERENCE))

    def test_a_push_message_leads_nowhere(self):
        self.server.answers = [success({'reference': REFERENCE}, 201)]
        self.assertEqual(self.push(), {'reference': REFERENCE})
        self.assertEqual(json.loads(self.server.requests[0]['body']), PUSH)
        self.assert_fails(errors.NoAnswer, self.create)

    def test_nobody_reads_the_code_of_a_customer(self):
        for kind, answer in (
            (errors.Refused, problem(400, '4060')), (errors.Forbidden, problem(403, '5080')),
            (errors.NoAnswer, problem(500)), (errors.NoAnswer, CUT),
            (errors.NoAnswer, (201, {}, CODE.encode())),
            (errors.NoAnswer, success({'customer': CODE}, 201)),
        ):
            with self.subTest(answer=answer):
                self.server.answers = [answer]
                self.assert_fails(kind, self.push)

    def test_events_are_in_order(self):
        events = [{
            'reference': REFERENCE, 'pspReference': f'psp-{minute}', 'name': 'CAPTURED',
            'amount': money(1), 'timestamp': f'2026-11-01T10:0{minute}:00.000Z', 'success': True,
        } for minute in (2, 1)]
        self.server.answers = [success(events)]
        self.assertEqual(
            [event.psp_reference for event in self.client.get_events(REFERENCE)], ['psp-1', 'psp-2']
        )
        self.server.answers = [success([events[0], {**events[1], 'reference': 'AB2CD-S00043-X'}])]
        self.assert_fails(errors.UnreadableAnswer, lambda: self.client.get_events(REFERENCE))

    def test_the_link_in_the_app(self):
        url = 'https://shop.example.com/my/orders/7?access_token=4798765432'
        self.server.answers = [problem(500), success('16328cb8-d769-4c53-90ad-e19777823f0a')]
        self.assertIsNone(self.client.put_category(REFERENCE, 'ORDER_CONFIRMATION', url))
        for request in self.server.requests:  # Setting it twice sets it once.
            self.assertEqual(request['method'], 'PUT')
            self.assertEqual(
                request['path'], f'/order-management/v2/ecom/categories/{REFERENCE}'
            )
            self.assertEqual(json.loads(request['body']), {
                'category': 'ORDER_CONFIRMATION', 'orderDetailsUrl': url,
            })
        self.assertEqual(len(self.server.requests), 2)
        self.server.answers = [problem(404)]
        self.assert_fails(
            errors.NotFound, lambda: self.client.put_category(REFERENCE, 'DELIVERY', url)
        )

    def test_shared_data_are_read(self):
        sub = 'c06c4afe-d9e1-4c5d-939a-177d752a0944'
        self.server.answers = [success({'sub': sub, 'name': "Ada Lovelace"})]
        self.assertEqual(self.client.get_user_info(sub), {'name': "Ada Lovelace"})
        request, = self.server.requests
        self.assertEqual(request['path'], f'/vipps-userinfo-api/userinfo/{sub}')
        self.assertTrue(request['headers']['ocp-apim-subscription-key'])
        for answer in ([], None, 'x'):
            self.server.answers = [success(answer)]
            self.assert_fails(errors.UnreadableAnswer, lambda: self.client.get_user_info(sub))
        self.server.answers = [problem(404)]
        self.assert_fails(errors.NotFound, lambda: self.client.get_user_info(sub))
        # The customer's identifier belongs in no log; only the HTTP library's debug logs have it.
        shown = [r.getMessage() for r in self.log if not r.name.startswith('urllib3')]
        self.assertIn('/vipps-userinfo-api/userinfo/...', ''.join(shown))
        self.assertNotIn(sub, ''.join(shown))

    def test_shared_data_are_read_without_a_key_if_none_is_taken(self):
        def answer(request):
            if 'ocp-apim-subscription-key' in request['headers']:
                return problem(401)
            return success({'name': "Ada Lovelace"})

        self.server.answers = [answer]
        self.assertEqual(self.client.get_user_info('a-b'), {'name': "Ada Lovelace"})
        self.server.answers = [problem(401)]
        self.assert_fails(errors.Unauthorized, lambda: self.client.get_user_info('a-b'))

    def test_webhooks(self):
        self.server.answers = [
            success({'id': 'w-1', 'secret': 's'}, 201),
            success({'webhooks': [{'id': 'w-1', 'url': 'https://shop/x', 'events': []}]}),
            (204, {}, b''),
        ]
        self.assertEqual(
            self.client.register_webhook('https://shop/x', ('a', 'b')), {'id': 'w-1', 'secret': 's'}
        )
        self.assertEqual(self.client.list_webhooks()[0]['id'], 'w-1')
        self.client.delete_webhook('w/1')
        self.assertEqual(self.server.requests[2]['path'], '/webhooks/v1/webhooks/w%2F1')

    def test_the_events_of_a_webhook_may_be_unknown(self):
        webhook = {'id': 'w-1', 'url': 'https://shop/x'}
        for more, expected in (
            ({}, []), ({'events': None}, []), ({'events': 'a'}, []), ({'events': {'a': 1}}, []),
            ({'events': ['a', None, ['b'], 'c']}, ['a', 'c']), ({'somethingNew': [{}]}, []),
        ):
            with self.subTest(more=more):
                self.server.answers = [success({'webhooks': [{**webhook, **more}]})]
                self.assertEqual(self.client.list_webhooks(), [{**webhook, 'events': expected}])

    def test_nothing_secret_is_logged_when_all_goes_well(self):
        self.server.answers = [CREATED]
        self.create()
        shown = ''.join(record.getMessage() for record in self.log)
        self.assertRegex(shown, r'POST /epayment/v1/payments: 201 in \d+ ms, attempt 1')
        for secret in SECRETS:
            self.assertNotIn(secret, shown)
