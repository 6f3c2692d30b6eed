import uuid

from ..sales_units import NOK_UNIT
from .common import AT_TILL, PUSH, QR, SimulatorCase

PHONE = '4798765432'


class TestTill(SimulatorCase):

    def push(self, key=None, **customer):
        payload = self.merchant.payload(**PUSH, customer=customer)
        return self.merchant.post_payment(payload, key or str(uuid.uuid4()))

    def refuse(self, code=None, field=None, status=400, **changes):
        answer = self.merchant.post_payment(self.merchant.payload(**changes))
        self.assertRefused(answer, status, code, field)

    def test_the_customer_is_present(self):
        for flow in (QR, {**PUSH, 'customer': {'phoneNumber': PHONE}}):
            for interaction in (None, 'CUSTOMER_NOT_PRESENT'):
                with self.subTest(flow=flow, interaction=interaction):
                    self.refuse(
                        field='customerInteraction', **{**flow, 'customerInteraction': interaction}
                    )
            self.merchant.create(**flow)

    def test_a_push_message_needs_a_customer_and_leads_nowhere(self):
        self.refuse('4140', 'customer', **PUSH)
        answer = self.push(phoneNumber=PHONE)
        self.assertEqual(set(answer.json()), {'reference'})
        reference = answer.json()['reference']
        self.assertNotIn('redirectUrl', self.merchant.get(reference).json())
        self.simulator.approve(reference)
        self.assertSums(reference, authorized=24950)

    def test_a_sales_unit_that_may_not_push_takes_neither_phones_nor_codes(self):
        code = self.simulator.make_code()
        self.simulator.set_unit(NOK_UNIT.msn, may_push=False)
        for customer in ({'phoneNumber': PHONE}, {'personalQr': code}, {'personalQr': 'unknown'}):
            self.assertRefused(self.push(**customer), 403, '5080')
        self.merchant.create(**QR)
        self.simulator.set_unit(NOK_UNIT.msn, may_push=True)
        self.assertEqual(self.push(personalQr=code).status_code, 201)

    def test_a_code_is_good_once(self):
        code = self.simulator.make_code(PHONE)
        self.assertEqual(self.push(key='first', personalQr=code).status_code, 201)
        self.assertRefused(self.push(personalQr=code), 400, '4060', 'customer.personalQr')
        self.simulator.reset()
        self.assertRefused(self.push(personalQr=code), 400, '4060')

    def test_a_repeated_request_has_used_the_code_already(self):
        payload = self.merchant.payload(
            **PUSH, customer={'personalQr': self.simulator.make_code()}
        )
        for _number in range(2):
            self.assertEqual(self.merchant.post_payment(payload, 'key').status_code, 201)
        self.assertRefused(self.merchant.post_payment(payload, 'other'), 409, '4150')
        self.assertEqual(len(self.simulator.payments), 1)

    def test_a_refused_request_has_not_used_the_code(self):
        customer = {'personalQr': self.simulator.make_code()}
        self.refuse('6010', **PUSH, customer=customer, amount={'currency': 'NOK', 'value': 99})
        self.merchant.create(reference='taken-reference')
        self.refuse('4150', status=409, **PUSH, customer=customer, reference='taken-reference')
        self.assertEqual(self.push(**customer).status_code, 201)

    def test_a_static_code_is_good_again_and_again(self):
        for _number in range(2):
            answer = self.push(personalQr=f'https://qr.vipps.no/28/2/01/031/{PHONE}?v=1')
            self.assertEqual(answer.status_code, 201)

    def test_a_wrong_code_of_a_customer(self):
        code = self.simulator.make_code()
        for text in (
            'https://qr.vipps.no/p/unknown', '4006381333931', 'https://example.com/p/1', 'abcd',
            'x' * 256, f'{code} ', code[:-1], code.upper(), 'https://qr.vipps.no/28/2/01/031/?v=1',
            f'https://qr.vipps.no/28/2/01/031/{PHONE}', f'http://qr.vipps.no/28/2/01/031/{PHONE}?v=1',
        ):
            with self.subTest(text=text):
                self.assertRefused(self.push(personalQr=text), 400, '4060', 'customer.personalQr')
        self.assertEqual(self.simulator.payments, [])

    def test_a_code_belongs_to_push_messages(self):
        customer = {'personalQr': self.simulator.make_code()}
        self.refuse(field='customer.personalQr', **QR, customer=customer)
        self.refuse(field='customer.personalQr', customer=customer)

    def test_a_customer_without_the_app(self):
        code = self.simulator.make_code(PHONE)
        self.simulator.set_customer(PHONE, known=False)
        static = f'https://qr.vipps.no/28/2/01/031/{PHONE}?v=1'
        for customer in ({'phoneNumber': PHONE}, {'personalQr': code}, {'personalQr': static}):
            self.assertRefused(self.push(**customer), 400, '7010')
        self.assertEqual(self.push(phoneNumber='4798765433').status_code, 201)
        self.simulator.set_customer(PHONE, known=True)
        self.assertEqual(self.push(personalQr=code).status_code, 201)

    def test_all_flows_expire_after_ten_minutes(self):
        references = [
            self.merchant.create(**QR), self.push(phoneNumber=PHONE).json()['reference'],
        ]
        self.simulator.advance(599)
        for reference in references:
            self.assertEqual(self.simulator.payment(reference)['state'], 'CREATED')
        self.simulator.advance(1)
        for reference in references:
            self.assertEqual(self.simulator.payment(reference)['state'], 'EXPIRED')

    def test_web_pages_may_say_that_the_customer_is_present(self):
        self.merchant.create(**{**AT_TILL, 'returnUrl': 'https://shop.example.com/return'})
