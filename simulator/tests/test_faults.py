import time

import requests

from ..problems import Problem
from ..sales_units import DKK_UNIT
from .common import SimulatorCase


class TestFaults(SimulatorCase):

    def setUp(self):
        super().setUp()
        self.reference = self.merchant.authorized()

    def capture(self, key='key'):
        return self.merchant.modify('capture', self.reference, 100, key=key)

    def test_status_does_not_do_it(self):
        for status in (401, 423, 429, 500, 503):
            self.simulator.fault('capture', 'status', status=status)
            self.assertEqual(self.capture().status_code, status)
        self.assertSums(self.reference, authorized=24950)
        self.assertEqual(self.capture().status_code, 200)

    def test_status_with_retry_after(self):
        self.simulator.fault('get', 'status', status=429, retry_after=7)
        self.assertEqual(self.merchant.get(self.reference).headers['Retry-After'], '7')
        self.assertNotIn('Retry-After', self.merchant.get(self.reference).headers)

    def test_lost_answer_does_it(self):
        self.simulator.fault('capture', 'lost_answer')
        with self.assertRaises(requests.ConnectionError):
            self.capture()
        self.assertSums(self.reference, authorized=24950, captured=100)
        self.assertEqual(self.capture().status_code, 200)
        self.assertSums(self.reference, authorized=24950, captured=100)

    def test_lost_does_not_do_it(self):
        self.simulator.fault('capture', 'lost')
        with self.assertRaises(requests.ConnectionError):
            self.capture()
        self.assertSums(self.reference, authorized=24950)

    def test_latency_does_it_before_it_answers(self):
        self.simulator.fault('capture', 'latency', seconds=0.3)
        started = time.monotonic()
        self.assertEqual(self.capture().status_code, 200)
        self.assertGreaterEqual(time.monotonic() - started, 0.3)
        self.simulator.fault('capture', 'latency', seconds=60)
        with self.assertRaises(requests.ReadTimeout):
            requests.post(
                f'{self.simulator.url}/epayment/v1/payments/{self.reference}/capture', timeout=0.2,
                headers=self.merchant.headers(Idempotency_Key='two'),
                json={'modificationAmount': {'currency': 'NOK', 'value': 50}},
            )
        self.assertSums(self.reference, authorized=24950, captured=150)

    def test_refuse_gives_the_documented_problem_and_does_not_do_it(self):
        self.simulator.fault('capture', 'refuse', code='6260')
        self.assertRefused(self.capture(), 400, '6260')
        self.simulator.fault('create', 'refuse', code='7010')
        answer = self.merchant.post_payment(self.merchant.payload())
        self.assertRefused(answer, 400, '7010')
        self.simulator.fault('token', 'refuse', code='3010')
        self.assertRefused(self.merchant.fetch_token(), 500, '3010')
        self.assertSums(self.reference, authorized=24950)

    def test_garbage_and_truncated_answers(self):
        self.simulator.fault('get', 'garbage')
        answer = self.merchant.get(self.reference)
        self.assertEqual(answer.status_code, 200)
        with self.assertRaises(ValueError):
            answer.json()
        self.simulator.fault('get', 'truncated')
        # Older versions of requests do not notice that there should be more.
        with self.assertRaises((requests.RequestException, ValueError)):
            self.merchant.get(self.reference).json()

    def test_tampered_amount_and_currency(self):
        self.simulator.fault('get', 'tampered')
        payment = self.merchant.get(self.reference).json()
        self.assertEqual(payment['amount']['value'], 24951)
        self.assertEqual(payment['aggregate']['authorizedAmount']['value'], 24951)
        self.simulator.fault('get', 'tampered', value=1)
        self.assertEqual(self.merchant.get(self.reference).json()['amount']['value'], 1)
        self.simulator.fault('get', 'tampered', currency='DKK')
        payment = self.merchant.get(self.reference).json()
        self.assertEqual(payment['amount'], {'currency': 'DKK', 'value': 24950})
        self.assertEqual(payment['aggregate']['capturedAmount']['currency'], 'DKK')
        self.assertSums(self.reference, authorized=24950)
        self.simulator.fault('get', 'tampered')
        self.assertRefused(self.merchant.get('unknown-1'), 404, '5090')

    def test_tampered_answer_to_an_operation(self):
        self.simulator.fault('capture', 'tampered', other_reference='other-payment')
        answer = self.capture().json()
        self.assertEqual(answer['reference'], 'other-payment')
        self.assertEqual(answer['amount']['value'], 24950)
        self.assertSums(self.reference, authorized=24950, captured=100)
        self.assertEqual(self.capture().json()['reference'], self.reference)

    def test_late_status_does_it_before_it_fails(self):
        self.simulator.fault('capture', 'late_status', status=503)
        self.assertEqual(self.capture().status_code, 503)
        self.assertSums(self.reference, authorized=24950, captured=100)
        self.assertEqual(self.capture().status_code, 200)
        self.assertSums(self.reference, authorized=24950, captured=100)

    def test_failed_operations_are_in_the_log_and_nowhere_else(self):
        refund = self.merchant.modify
        for operation, name, call in (
            ('capture', 'CAPTURED', self.capture),
            ('refund', 'REFUNDED', lambda: refund('refund', self.reference, 100)),
            ('cancel', 'CANCELLED', lambda: self.merchant.cancel(self.reference)),
        ):
            with self.subTest(operation):
                self.simulator.fault(operation, 'failed', code='6260')
                self.assertRefused(call(), 400, '6260')
                event = self.merchant.events(self.reference).json()[-1]
                self.assertEqual((event['name'], event['success']), (name, False))
        self.assertSums(self.reference, authorized=24950)

    def test_stale_is_the_state_before_the_last_event(self):
        def read(operation):
            self.simulator.fault(operation, 'stale')
            return getattr(self.merchant, operation)(self.reference).json()

        def states():
            sums = read('get')['aggregate']
            return [sums[f'{name}Amount']['value'] for name in (
                'authorized', 'captured', 'refunded', 'cancelled',
            )], [event['name'] for event in read('events')]

        self.assertEqual(read('get')['state'], 'CREATED')
        self.assertEqual(states(), ([0, 0, 0, 0], ['CREATED']))
        self.capture()
        self.assertEqual(states(), ([24950, 0, 0, 0], ['CREATED', 'AUTHORIZED']))
        self.simulator.refund(self.reference)
        self.assertEqual(states()[0], [24950, 100, 0, 0])
        self.simulator.cancel(self.reference)
        self.assertEqual(states()[0], [24950, 100, 100, 0])
        self.assertSums(
            self.reference, authorized=24950, captured=100, refunded=100, cancelled=24850
        )

    def test_stale_operations_take_effect_and_say_that_they_did_not(self):
        for operation, call, sums in (
            ('capture', self.capture, {'captured': 100}),
            ('refund', lambda: self.merchant.modify('refund', self.reference, 30, key='back'),
             {'captured': 100, 'refunded': 30}),
            ('cancel', lambda: self.merchant.cancel(self.reference),
             {'captured': 100, 'refunded': 30, 'cancelled': 24850}),
        ):
            with self.subTest(operation):
                before = self.merchant.get(self.reference).json()['aggregate']
                self.simulator.fault(operation, 'stale')
                answer = call()
                self.assertEqual(answer.status_code, 200)
                self.assertEqual(answer.json()['aggregate'], before)
                self.assertSums(self.reference, authorized=24950, **sums)
        # Whoever repeats it reads how it is.
        self.assertEqual(self.capture().json()['aggregate']['capturedAmount']['value'], 100)

    def test_stale_of_a_new_payment_is_its_state(self):
        self.reference = self.merchant.create()
        for operation in ('get', 'events'):
            self.simulator.fault(operation, 'stale')
            fresh = getattr(self.merchant, operation)
            self.assertEqual(fresh(self.reference).json(), fresh(self.reference).json())

    def test_stale_of_a_creation_is_the_answer_to_the_last_one_before(self):
        receiver = self.start_receiver()
        link = {'category': 'ORDER_CONFIRMATION', 'orderDetailsUrl': 'https://shop.example.com/my'}
        path = f'/order-management/v2/ecom/categories/{self.reference}'
        for operation, call in (
            ('token', self.merchant.fetch_token),
            ('create', lambda: self.merchant.post_payment(self.merchant.payload())),
            ('category', lambda: self.merchant.call('PUT', path, link)),
            ('register_webhook', lambda: self.merchant.register(receiver.url)),
        ):
            with self.subTest(operation):
                first = call().json()
                self.simulator.fault(operation, 'stale')
                self.assertEqual(call().json(), first)
                self.assertNotEqual(call().json(), first)
        self.assertEqual(len(self.simulator.payments), 4)
        # Others are answered as ever.
        self.simulator.fault('create', 'stale')
        other = self.as_merchant(DKK_UNIT)
        payload = other.payload()
        self.assertEqual(other.post_payment(payload).json()['reference'], payload['reference'])

    def test_a_stale_creation_is_answered_rightly_when_it_is_repeated(self):
        payload = self.merchant.payload()
        self.simulator.fault('create', 'stale')
        answer = self.merchant.post_payment(payload, 'key')
        self.assertEqual((answer.status_code, answer.json()['reference']), (201, self.reference))
        answer = self.merchant.post_payment(payload, 'key')
        self.assertEqual(answer.json()['reference'], payload['reference'])

    def test_stale_token_has_expired_with_the_first_one(self):
        self.merchant.token = self.merchant.fetch_token().json()['access_token']
        self.simulator.advance(3600)
        self.simulator.fault('token', 'stale')
        for status in (401, 200):
            self.merchant.token = self.merchant.fetch_token().json()['access_token']
            self.assertEqual(self.merchant.get(self.reference).status_code, status)

    def test_stale_webhooks_are_those_of_before_the_last_change(self):
        def listed():
            webhooks = self.merchant.call('GET', '/webhooks/v1/webhooks').json()['webhooks']
            return [webhook['id'] for webhook in webhooks]

        def delete(webhook_id):
            return self.merchant.call('DELETE', f'/webhooks/v1/webhooks/{webhook_id}').status_code

        receiver = self.start_receiver()
        first, second = (
            self.merchant.register(receiver.url).json()['id'] for _number in range(2)
        )
        self.simulator.fault('list_webhooks', 'stale')
        self.assertEqual(listed(), [first])
        self.assertEqual(listed(), [first, second])
        self.simulator.fault('delete_webhook', 'stale')
        self.assertEqual(delete(first), 404)
        self.assertEqual(listed(), [first, second])
        self.assertEqual(delete(first), 204)
        self.simulator.fault('list_webhooks', 'stale')
        self.assertEqual(listed(), [first, second])
        self.assertEqual(listed(), [second])

    def test_stale_customers_are_those_of_before_the_last_payment(self):
        def share(scope):
            reference = self.merchant.authorized(profile={'scope': scope})
            sub = self.merchant.get(reference).json()['profile']['sub']
            return self.merchant.call('GET', f'/vipps-userinfo-api/userinfo/{sub}')

        self.simulator.fault('userinfo', 'stale')
        self.assertEqual(share('name').status_code, 404)
        self.simulator.fault('userinfo', 'stale')
        answer = share('phoneNumber').json()
        self.assertIn('name', answer)
        self.assertNotIn('phone_number', answer)

    def test_approved_is_just_before_the_cancellation(self):
        for only_unapproved, sums in (
            (True, {'authorized': 24950}), (False, {'authorized': 24950, 'cancelled': 24950}),
        ):
            self.simulator.fault('cancel', 'approved')
            reference = self.merchant.create()
            answer = self.merchant.cancel(reference, cancelTransactionOnly=only_unapproved)
            self.assertEqual(answer.status_code, 400 if only_unapproved else 200)
            if only_unapproved:
                self.assertRefused(answer, 400, '6060')
            self.assertEqual(self.merchant.get(reference).json()['state'], 'AUTHORIZED')
            self.assertSums(reference, **sums)
        self.simulator.fault('cancel', 'approved')
        reference = self.merchant.create()
        self.simulator.decline(reference)
        self.assertRefused(self.merchant.cancel(reference), 400, '6050')

    def test_a_late_or_lost_answer_to_a_cancellation_comes_after_it_happened(self):
        reference = self.merchant.create()
        self.simulator.fault('cancel', 'latency', seconds=0.3)
        started = time.monotonic()
        answer = self.merchant.cancel(reference, cancelTransactionOnly=True)
        self.assertGreaterEqual(time.monotonic() - started, 0.3)
        self.assertEqual(answer.json()['state'], 'TERMINATED')
        reference = self.merchant.create()
        self.simulator.fault('cancel', 'lost_answer')
        with self.assertRaises(requests.ConnectionError):
            self.merchant.cancel(reference, cancelTransactionOnly=True)
        self.assertEqual(self.merchant.get(reference).json()['state'], 'TERMINATED')

    def test_happens_so_often(self):
        self.simulator.fault('get', 'status', status=503, times=2)
        statuses = [self.merchant.get(self.reference).status_code for _number in range(3)]
        self.assertEqual(statuses, [503, 503, 200])

    def test_happens_until_cleared(self):
        self.simulator.fault('get', 'status', status=503, times=None)
        for _number in range(5):
            self.assertEqual(self.merchant.get(self.reference).status_code, 503)
        self.simulator.clear_faults()
        self.assertEqual(self.merchant.get(self.reference).status_code, 200)

    def test_happens_to_one_payment(self):
        self.simulator.fault('get', 'status', status=503, reference='other-payment')
        self.assertEqual(self.merchant.get(self.reference).status_code, 200)
        self.simulator.fault('create', 'status', status=500, reference='other-payment')
        self.merchant.create()
        payload = self.merchant.payload(reference='other-payment')
        self.assertEqual(self.merchant.post_payment(payload).status_code, 500)

    def test_every_call_can_fail(self):
        calls = {
            'create': lambda: self.merchant.post_payment(self.merchant.payload()),
            'get': lambda: self.merchant.get(self.reference),
            'events': lambda: self.merchant.events(self.reference),
            'capture': self.capture,
            'refund': lambda: self.merchant.modify('refund', self.reference, 1),
            'cancel': lambda: self.merchant.cancel(self.reference),
            'category': lambda: self.merchant.call(
                'PUT', f'/order-management/v2/ecom/categories/{self.reference}', {}
            ),
            'token': self.merchant.fetch_token,
            'webhooks': lambda: self.merchant.call('GET', '/webhooks/v1/webhooks'),
        }
        for operation, call in calls.items():
            with self.subTest(operation=operation):
                self.simulator.fault(operation, 'status', status=502)
                self.assertEqual(call().status_code, 502)
        self.simulator.fault('webhooks', 'status', status=502, times=2)
        self.assertEqual(self.merchant.register('https://example.com/').status_code, 502)
        self.assertEqual(self.merchant.call('DELETE', '/webhooks/v1/webhooks/x').status_code, 502)

    def test_shape_is_checked(self):
        for name, fields in (
            ('operation', {'operation': 'pay', 'kind': 'status', 'status': 500}),
            ('kind', {'operation': 'get', 'kind': 'late', 'seconds': 1}),
            ('kind', {'operation': 'webhook', 'kind': 'status', 'status': 500}),
            ('kind', {'operation': 'create', 'kind': 'tampered'}),
            ('kind', {'operation': 'capture', 'kind': 'approved'}),
            ('status', {'operation': 'get', 'kind': 'status'}),
            ('status', {'operation': 'get', 'kind': 'refuse', 'code': '3010', 'status': 1}),
            ('code', {'operation': 'get', 'kind': 'refuse', 'code': '9999'}),
            ('code', {'operation': 'get', 'kind': 'refuse', 'code': 3010}),
            ('status', {'operation': 'get', 'kind': 'status', 'status': 200}),
            ('times', {'operation': 'get', 'kind': 'lost', 'times': 0}),
            ('times', {'operation': 'get', 'kind': 'lost', 'times': True}),
            ('seconds', {'operation': 'get', 'kind': 'latency', 'seconds': -1}),
            ('seconds', {'operation': 'get', 'kind': 'latency', 'seconds': '1'}),
            ('second', {'operation': 'get', 'kind': 'latency', 'seconds': 1, 'second': 1}),
        ):
            with self.subTest(**fields):
                with self.assertRaises(Problem) as caught:
                    self.simulator.fault(**fields)
                self.assertEqual([field for field, _reason in caught.exception.fields], [name])
        self.assertEqual(self.merchant.get(self.reference).status_code, 200)
