from .common import SimulatorCase


class TestIdempotency(SimulatorCase):

    def test_same_key_and_body_gives_the_same_answer_and_happens_once(self):
        payload = self.merchant.payload()
        first = self.merchant.post_payment(payload, 'key')
        second = self.merchant.post_payment(payload, 'key')
        self.assertEqual((second.status_code, second.json()), (201, first.json()))
        reference = payload['reference']
        self.simulator.approve(reference)
        answers = [self.merchant.modify('capture', reference, 100, key='two') for _ in range(3)]
        self.assertEqual(len({answer.text for answer in answers}), 1)
        self.assertSums(reference, authorized=24950, captured=100)

    def test_answer_is_repeated_as_it_was(self):
        reference = self.merchant.authorized()
        self.merchant.modify('capture', reference, 100, key='one')
        self.merchant.modify('capture', reference, 200, key='two')
        answer = self.merchant.modify('capture', reference, 100, key='one')
        self.assertEqual(answer.json()['aggregate']['capturedAmount']['value'], 100)

    def test_order_of_the_fields_does_not_matter(self):
        payload = self.merchant.payload()
        self.merchant.post_payment(payload, 'key')
        turned = dict(reversed(payload.items()))
        self.assertEqual(self.merchant.post_payment(turned, 'key').status_code, 201)

    def test_same_key_with_another_body_is_a_conflict(self):
        reference = self.merchant.create()
        payload = self.merchant.payload()
        self.merchant.post_payment(payload, 'key')
        changed = {**payload, 'paymentDescription': "Something else"}
        self.assertRefused(self.merchant.post_payment(changed, 'key'), 409, '4020')
        self.simulator.approve(reference)
        for operation, code in (('capture', '4010'), ('refund', '4150')):
            self.merchant.modify(operation, reference, 100, key=operation)
            answer = self.merchant.modify(operation, reference, 50, key=operation)
            self.assertRefused(answer, 409, code)
        self.assertSums(reference, authorized=24950, captured=100, refunded=100)

    def test_same_key_for_another_payment_or_operation_is_a_conflict(self):
        first, second = self.merchant.authorized(), self.merchant.authorized()
        self.merchant.modify('capture', first, 100, key='key')
        self.assertRefused(self.merchant.modify('capture', second, 100, key='key'), 409, '4010')
        self.assertRefused(self.merchant.modify('refund', first, 100, key='key'), 409, '4150')

    def test_refusal_is_remembered_so_that_a_correction_needs_a_new_key(self):
        reference = self.merchant.create()
        self.assertRefused(self.merchant.modify('capture', reference, 100, key='one'), 400, '6080')
        self.simulator.approve(reference)
        self.assertRefused(self.merchant.modify('capture', reference, 100, key='one'), 400, '6080')
        self.assertEqual(
            self.merchant.modify('capture', reference, 100, key='two').status_code, 200
        )

    def test_passing_refusals_are_not_remembered(self):
        reference = self.merchant.authorized()
        for kind in ({'kind': 'refuse', 'code': '6280'}, {'kind': 'status', 'status': 503},
                     {'kind': 'status', 'status': 429}, {'kind': 'refuse', 'code': '6160'}):
            self.simulator.fault('capture', **kind)
            answer = self.merchant.modify('capture', reference, 100, key='key')
            self.assertGreaterEqual(answer.status_code, 400)
        answer = self.merchant.modify('capture', reference, 100, key='key')
        self.assertEqual(answer.status_code, 200)

    def test_key_is_required_except_for_cancel(self):
        reference = self.merchant.authorized()
        body = {'modificationAmount': {'currency': 'NOK', 'value': 100}}
        base = '/epayment/v1/payments'
        for path, payload in (
            (base, self.merchant.payload()), (f'{base}/{reference}/capture', body),
            (f'{base}/{reference}/refund', body),
        ):
            answer = self.merchant.call('POST', path, payload)
            self.assertRefused(answer, 400, field='Idempotency-Key')
            answer = self.merchant.call('POST', path, payload, 'x' * 51)
            self.assertRefused(answer, 400, field='Idempotency-Key')
        self.assertEqual(self.merchant.cancel(reference).status_code, 200)

    def test_cancel_with_a_key_is_repeated_as_well(self):
        reference = self.merchant.authorized()
        first = self.merchant.cancel(reference, key='key')
        self.assertEqual(first.status_code, 200)
        self.assertEqual(self.merchant.cancel(reference, key='key').json(), first.json())
