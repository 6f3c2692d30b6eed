from datetime import datetime, timedelta

from ..sales_units import DAY, DKK_UNIT, NOK_UNIT
from .common import SimulatorCase

AMOUNT = 24950


class TestDecision(SimulatorCase):

    def state(self, reference):
        return self.merchant.get(reference).json()['state']

    def names(self, reference):
        return [event['name'] for event in self.merchant.events(reference).json()]

    def test_approved(self):
        reference = self.merchant.authorized()
        payment = self.merchant.get(reference).json()
        self.assertEqual(payment['state'], 'AUTHORIZED')
        self.assertIn('captureGuaranteedUntil', payment)
        self.assertNotIn('redirectUrl', payment)
        self.assertNotIn('userDetails', payment)
        self.assertEqual(payment['profile'], {})
        self.assertSums(reference, authorized=AMOUNT)
        self.assertEqual(self.names(reference), ['CREATED', 'AUTHORIZED'])

    def test_profile_is_shared_with_the_sales_unit_that_asked_for_it(self):
        reference = self.merchant.authorized(
            profile={'scope': 'name address'}, customer={'phoneNumber': '4798765432'}
        )
        payment = self.merchant.get(reference).json()
        self.assertEqual(len(payment['profile']['sub']), 36)
        self.assertEqual(payment['userDetails']['mobileNumber'], '4798765432')
        self.assertEqual(payment['userDetails']['addresses'][0]['country'], 'NO')

    def test_declined_and_expired(self):
        for decide, state in (
            (self.simulator.decline, 'ABORTED'), (self.simulator.expire, 'EXPIRED'),
        ):
            reference = self.merchant.create()
            decide(reference)
            self.assertEqual(self.state(reference), state)
            self.assertEqual(self.names(reference), ['CREATED', state])
            self.assertSums(reference)
            self.assertRefused(self.merchant.cancel(reference), 400, '6050')
            self.assertRefused(self.merchant.modify('capture', reference, 1), 400, '6200')
            self.assertRefused(self.merchant.modify('refund', reference, 1), 400, '6210')

    def test_expires_ten_minutes_after_creation(self):
        reference = self.merchant.create()
        self.simulator.advance(599)
        self.assertEqual(self.state(reference), 'CREATED')
        self.simulator.advance(100)
        self.assertEqual(self.state(reference), 'EXPIRED')
        created, expired = (
            datetime.strptime(event['timestamp'], '%Y-%m-%dT%H:%M:%S.%fZ')
            for event in self.merchant.events(reference).json()
        )
        self.assertEqual(expired - created, timedelta(minutes=10))

    def test_decided_payments_stay_decided(self):
        reference = self.merchant.authorized()
        for decide in (self.simulator.approve, self.simulator.decline, self.simulator.expire):
            with self.assertRaisesRegex(Exception, '6230|6190'):
                decide(reference)
        self.simulator.advance(700)
        self.assertEqual(self.state(reference), 'AUTHORIZED')

    def test_terminated_by_the_merchant_before_the_decision(self):
        for options in ({}, {'cancelTransactionOnly': True}, {'cancelTransactionOnly': False}):
            reference = self.merchant.create()
            answer = self.merchant.cancel(reference, **options)
            self.assertEqual(answer.json()['state'], 'TERMINATED')
            self.assertEqual(self.names(reference), ['CREATED', 'TERMINATED'])
            self.assertSums(reference, cancelled=AMOUNT)
            self.assertRefused(self.merchant.cancel(reference), 400, '6190')

    def test_force_approve_with_phone_number_or_token(self):
        for make_body in (
            lambda token: {'customer': {'phoneNumber': '4798765432'}},
            lambda token: {'token': token},
        ):
            payload = self.merchant.payload()
            url = self.merchant.post_payment(payload).json()['redirectUrl']
            body = make_body(url.partition('token=')[2])
            path = f"/epayment/v1/test/payments/{payload['reference']}/approve"
            self.assertRefused(self.merchant.call('POST', path, {}), 400, '10030')
            self.assertRefused(self.merchant.call('POST', path, {'token': 'x'}), 400, '10030')
            answer = self.merchant.call('POST', path, body)
            self.assertEqual((answer.status_code, answer.content), (200, b''))
            self.assertEqual(self.state(payload['reference']), 'AUTHORIZED')
            self.assertRefused(self.merchant.call('POST', path, body), 400, '6230')

    def test_unknown_reference(self):
        for answer in (
            self.merchant.get('unknown-1'), self.merchant.events('unknown-1'),
            self.merchant.modify('capture', 'unknown-1', 1),
            self.merchant.modify('refund', 'unknown-1', 1), self.merchant.cancel('unknown-1'),
        ):
            self.assertRefused(answer, 404, '5090')
        self.assertRefused(self.merchant.get('short'), 400, field='reference')


class TestModifications(SimulatorCase):

    def setUp(self):
        super().setUp()
        self.reference = self.merchant.authorized()

    def capture(self, value):
        return self.merchant.modify('capture', self.reference, value)

    def refund(self, value):
        return self.merchant.modify('refund', self.reference, value)

    def test_capture_in_parts_until_all_is_captured(self):
        self.assertEqual(self.capture(20000).json()['aggregate']['capturedAmount']['value'], 20000)
        self.assertRefused(self.capture(4951), 400, '6090')
        self.assertEqual(self.capture(4950).status_code, 200)
        self.assertRefused(self.capture(1), 400, '6170')
        self.assertSums(self.reference, authorized=AMOUNT, captured=AMOUNT)
        self.assertEqual(self.merchant.get(self.reference).json()['state'], 'AUTHORIZED')

    def test_nothing_before_the_approval(self):
        reference = self.merchant.create()
        self.assertRefused(self.merchant.modify('capture', reference, 100), 400, '6080')
        self.assertRefused(self.merchant.modify('refund', reference, 100), 400, '6020')

    def test_amounts_of_modifications(self):
        self.assertRefused(self.capture(0), 400, '4040', 'modificationAmount.value')
        for value in (-1, 1.0, True, '1'):
            self.assertRefused(self.capture(value), 400, '4040', 'modificationAmount.value')
        answer = self.merchant.modify('capture', self.reference, 1, currency='DKK')
        self.assertRefused(answer, 400, '4040', 'modificationAmount.currency')
        path = f'/epayment/v1/payments/{self.reference}/capture'
        answer = self.merchant.call('POST', path, {'amount': {}}, 'key')
        self.assertRefused(answer, 400, field='modificationAmount')
        self.assertSums(self.reference, authorized=AMOUNT)

    def test_sales_unit_that_must_capture_all(self):
        self.simulator.set_unit(NOK_UNIT.msn, may_capture_partially=False)
        self.assertRefused(self.capture(20000), 400, '6140')
        self.assertEqual(self.capture(AMOUNT).status_code, 200)

    def test_refund_in_parts_until_all_is_refunded(self):
        self.assertRefused(self.refund(1), 400, '6150')
        self.capture(20000)
        self.assertEqual(self.refund(5000).status_code, 200)
        self.assertRefused(self.refund(15001), 400, '6150')
        self.assertEqual(self.refund(15000).status_code, 200)
        self.assertRefused(self.refund(1), 400, '6180')
        self.assertSums(self.reference, authorized=AMOUNT, captured=20000, refunded=20000)

    def test_cancel_releases_the_uncaptured_rest(self):
        self.capture(20000)
        self.assertEqual(self.merchant.cancel(self.reference).status_code, 200)
        self.assertSums(self.reference, authorized=AMOUNT, captured=20000, cancelled=4950)
        self.assertRefused(self.merchant.cancel(self.reference), 400, '6190')
        self.assertRefused(self.capture(1), 400, '6070')

    def test_cancel_only_unapproved_payments(self):
        answer = self.merchant.cancel(self.reference, cancelTransactionOnly=True)
        self.assertRefused(answer, 400, '6060')
        self.assertSums(self.reference, authorized=AMOUNT)

    def test_captured_payments_cannot_be_cancelled(self):
        self.capture(AMOUNT)
        self.assertRefused(self.merchant.cancel(self.reference), 400, '6040')

    def test_cancelled_payments_can_neither_be_captured_nor_refunded(self):
        self.merchant.cancel(self.reference, cancelTransactionOnly=False)
        self.assertRefused(self.capture(1), 400, '6070')
        self.assertRefused(self.refund(1), 400, '6150')

    def test_cancel_takes_a_body_of_its_own_or_none(self):
        for body in ({'amount': 1}, {'cancelTransactionOnly': 'no'}, []):
            answer = self.merchant.call(
                'POST', f'/epayment/v1/payments/{self.reference}/cancel', body
            )
            self.assertRefused(answer, 400)

    def test_events_tell_operation_amount_and_key(self):
        self.merchant.modify('capture', self.reference, 20000, key='capture-key')
        self.merchant.modify('refund', self.reference, 5000, key='refund-key')
        self.merchant.cancel(self.reference)
        events = self.merchant.events(self.reference).json()
        self.assertEqual(
            [(e['name'], e['amount']['value'], e.get('idempotencyKey')) for e in events[2:]],
            [('CAPTURED', 20000, 'capture-key'), ('REFUNDED', 5000, 'refund-key'),
             ('CANCELLED', 4950, None)],
        )
        self.assertEqual(len({event['pspReference'] for event in events}), 5)

    def test_answers_carry_the_psp_reference_of_the_creation(self):
        created = self.merchant.events(self.reference).json()[0]['pspReference']
        self.assertEqual(self.capture(1).json()['pspReference'], created)
        self.assertEqual(self.merchant.get(self.reference).json()['pspReference'], created)

    def test_reservation_ends_after_180_days(self):
        self.capture(20000)
        self.simulator.advance(180 * DAY)
        self.merchant.token = self.merchant.fetch_token().json()['access_token']
        self.assertSums(self.reference, authorized=AMOUNT, captured=20000, cancelled=4950)
        self.assertRefused(self.capture(1), 400, '6100')
        self.assertRefused(self.merchant.cancel(self.reference), 400, '6030')
        self.assertEqual(self.refund(1).status_code, 200)
        self.simulator.advance(185 * DAY)
        self.merchant.token = self.merchant.fetch_token().json()['access_token']
        self.assertRefused(self.refund(1), 400, '6220')

    def test_reservation_ends_after_14_days_outside_norway(self):
        danish = self.as_merchant(DKK_UNIT)
        reference = danish.authorized()
        self.simulator.advance(14 * DAY)
        danish.token = danish.fetch_token().json()['access_token']
        self.assertRefused(danish.modify('capture', reference, 1), 400, '6100')
