import copy
import uuid

from hypothesis import given, settings
from hypothesis import strategies as st

from ..clock import timestamp
from ..sales_units import DKK_UNIT, EUR_UNIT, NOK_UNIT
from .common import QR, SimulatorCase

LINE = {
    'name': "Sweater", 'id': 'S1', 'totalAmount': 20000, 'totalAmountExcludingTax': 16000,
    'totalTaxAmount': 4000, 'taxRate': 2500,
    'unitInfo': {'unitPrice': 10000, 'quantity': '2', 'quantityUnit': 'PCS'},
}
SHIPPING = {
    'name': "Delivery", 'id': 'D', 'totalAmount': 4950, 'totalAmountExcludingTax': 3960,
    'totalTaxAmount': 990, 'taxRate': 2500, 'isShipping': True,
}
RECEIPT = {
    'orderLines': [LINE, SHIPPING],
    'bottomLine': {'currency': 'NOK', 'receiptNumber': 'S00042'},
}


class TestCreate(SimulatorCase):

    def refuse(self, code=None, field=None, status=400, **changes):
        answer = self.merchant.post_payment(self.merchant.payload(**changes))
        self.assertRefused(answer, status, code, field)

    def test_created_payment_can_be_read(self):
        payload = self.merchant.payload(
            metadata={'order': '42'}, receipt=RECEIPT, customer={'phoneNumber': '4798765432'},
        )
        answer = self.merchant.post_payment(payload)
        self.assertEqual(answer.status_code, 201)
        self.assertEqual(set(answer.json()), {'reference', 'redirectUrl'})
        payment = self.merchant.get(payload['reference']).json()
        self.assertEqual(payment['state'], 'CREATED')
        self.assertEqual(payment['amount'], payload['amount'])
        self.assertEqual(payment['metadata'], {'order': '42'})
        self.assertEqual(payment['redirectUrl'], answer.json()['redirectUrl'])
        self.assertSums(payload['reference'])

    def test_required_fields(self):
        for name in ('amount', 'paymentMethod', 'reference', 'userFlow'):
            self.refuse(field=name, **{name: None})
        self.refuse(field='amount.value', amount={'currency': 'NOK'})
        self.refuse(field='paymentMethod.type', paymentMethod={})

    def test_unknown_fields_are_refused_at_every_level(self):
        self.refuse(field='orderId', orderId='1')
        self.refuse(field='amount.text', amount={'currency': 'NOK', 'value': 1, 'text': ''})
        self.refuse(field='customer.name', customer={'phoneNumber': '4798765432', 'name': 'K'})
        self.refuse(field='receipt.orderLines[0].price', receipt={
            **RECEIPT, 'orderLines': [{**LINE, 'price': 1}],
        })
        self.refuse(field='receipt.orderLines[0].unitInfo.x', receipt={
            **RECEIPT, 'orderLines': [{**LINE, 'unitInfo': {**LINE['unitInfo'], 'x': 1}}],
        })
        self.refuse(field='receipt.bottomLine.total', receipt={
            **RECEIPT, 'bottomLine': {'currency': 'NOK', 'total': 1},
        })

    def test_fields_of_the_wrong_type_are_refused(self):
        for name in (
            'amount', 'paymentMethod', 'reference', 'userFlow', 'customer', 'profile', 'receipt',
            'returnUrl', 'paymentDescription', 'metadata', 'qrFormat', 'minimumUserAge',
        ):
            for value in ([], 1.5, True):
                with self.subTest(name=name, value=value):
                    answer = self.merchant.post_payment(self.merchant.payload(**{name: value}))
                    self.assertEqual(answer.status_code, 400)
                    self.assertIn(name, [d['name'] for d in answer.json()['extraDetails']])

    def test_amounts_are_whole_numbers_within_the_limits(self):
        for value in (249.5, 24950.0, True, '24950', None, -1, 65000001):
            with self.subTest(value=value):
                self.refuse('4040', 'amount.value', amount={'currency': 'NOK', 'value': value})
        self.refuse('6010', amount={'currency': 'NOK', 'value': 99})
        self.merchant.create(amount={'currency': 'NOK', 'value': 100})
        self.merchant.create(amount={'currency': 'NOK', 'value': 65000000})

    def test_smallest_amounts_of_the_other_markets(self):
        for unit in (DKK_UNIT, EUR_UNIT):
            merchant = self.as_merchant(unit)
            amount = {'currency': unit.currency, 'value': 1}
            merchant.create(amount=amount)
            answer = merchant.post_payment(merchant.payload(amount={**amount, 'value': 0}))
            self.assertRefused(answer, 400, '6010')

    def test_currency_is_that_of_the_sales_unit(self):
        for currency in ('DKK', 'EUR', 'SEK'):
            self.refuse('5040', amount={'currency': currency, 'value': 1000})
        self.refuse(field='amount.currency', amount={'currency': 'nok', 'value': 1000})
        self.simulator.set_unit(NOK_UNIT.msn, currency='DKK')
        self.merchant.create(amount={'currency': 'DKK', 'value': 1000})

    def test_reference_pattern(self):
        for reference in ('short', 'x' * 65, 'with_underscore', 'INV/2024/0007', 'blåbærsyltetøy',
                          'order-0001\n', 'order 0001'):
            with self.subTest(reference=reference):
                self.refuse(field='reference', reference=reference)
        self.merchant.create(reference='x' * 64)

    def test_reference_is_unique_for_each_sales_unit_for_ever(self):
        reference = self.merchant.create()
        self.simulator.decline(reference)
        self.refuse('4150', status=409, reference=reference)
        self.as_merchant(DKK_UNIT).create(reference=reference)

    def test_description_has_3_to_100_characters(self):
        for text in ('ab', 'x' * 101):
            self.refuse(field='paymentDescription', paymentDescription=text)
        self.merchant.create(paymentDescription='æøå' + '€' * 97)

    def test_phone_number_is_digits_with_country_code(self):
        for number in ('+4798765432', '98765432', '47 98765432', '4' * 16, '٤٧٩٨٧٦٥٤٣٢'):
            with self.subTest(number=number):
                self.refuse('4070', 'customer.phoneNumber', customer={'phoneNumber': number})

    def test_customer_is_named_in_exactly_one_way(self):
        self.refuse(field='customer', customer={})
        self.refuse(field='customer', customer={'phoneNumber': '4798765432', 'customerToken': 'x'})
        self.refuse('4060', 'customer.personalQr', customer={'personalQr': 'abcd'})

    def test_return_url_is_https_or_of_an_app(self):
        for url in (
            'http://shop.example.com/', 'shop.example.com', 'javascript://x/%0aalert(1)',
            'https://', 'https://user@shop.example.com/', 'https://shop.example.com/a b',
            'http://127.0.0.1.example.com/', 'https://shop.example.com:x/',
        ):
            with self.subTest(url=url):
                self.refuse('4090', 'returnUrl', returnUrl=url)
        self.refuse('4090', 'returnUrl', returnUrl='https://example.com/' + 'x' * 2500)
        self.refuse('4140', 'returnUrl', returnUrl=None)
        self.merchant.create(returnUrl='myshop://return')

    def test_return_url_to_this_machine_may_be_http(self):
        for host in ('127.0.0.1:8069', 'localhost', '[::1]:80'):
            self.merchant.create(returnUrl=f'http://{host}/return')

    def test_metadata_limits(self):
        self.refuse('4100', 'metadata', metadata={str(number): '' for number in range(6)})
        self.refuse('4120', 'metadata', metadata={'x' * 101: ''})
        for value in ('x' * 501, 42, None):
            self.refuse('4130', 'metadata.a', metadata={'a': value})
        self.merchant.create(metadata={f'{n}' + 'x' * 99: 'y' * 500 for n in range(5)})

    def test_scope(self):
        self.merchant.create(profile={'scope': 'name address email phoneNumber birthDate'})
        self.refuse('4080', 'profile.scope', profile={'scope': 'name shoeSize'})
        self.refuse('5030', status=403, profile={'scope': 'name nin'})

    def test_payment_methods(self):
        self.refuse(field='paymentMethod.type', paymentMethod={'type': 'CARD'})
        blocked = {'type': 'WALLET', 'blockedSources': ['COMMERCIAL_CARDS']}
        self.refuse('5010', paymentMethod=blocked)
        self.as_merchant(DKK_UNIT).create(paymentMethod=blocked)

    def test_operations_that_no_simulated_sales_unit_may_do(self):
        self.refuse('5050', status=403, expiresAt='2030-01-01T00:00:00Z')
        self.refuse(field='expiresAt', expiresAt='tomorrow')

    def test_long_living_payments(self):
        self.simulator.set_unit(NOK_UNIT.msn, may_live_long=True)
        self.addCleanup(self.simulator.set_unit, NOK_UNIT.msn, may_live_long=False)
        receipt = copy.deepcopy(RECEIPT)
        for line in receipt['orderLines']:
            line['productUrl'] = 'https://example.com/invoice'

        def request(hours, **changes):
            values = {
                'userFlow': 'PUSH_MESSAGE', 'customer': {'phoneNumber': '4798765432'},
                'customerInteraction': 'CUSTOMER_NOT_PRESENT', 'receipt': receipt,
                'expiresAt': timestamp(self.simulator.now() + hours * 3600), **changes,
            }
            return {name: value for name, value in values.items() if value}

        self.refuse('6130', **request(23, receipt=None))
        self.refuse('6120', **request(0.1))
        self.refuse('6110', **request(25))
        self.refuse(field='receipt.orderLines[0].productUrl', **request(23, receipt=RECEIPT))
        reference = self.merchant.create(**request(23))
        self.simulator.advance(22.9 * 3600)
        self.assertEqual(self.simulator.payment(reference)['state'], 'CREATED')
        self.simulator.advance(0.2 * 3600)
        self.assertEqual(self.simulator.payment(reference)['state'], 'EXPIRED')

    def test_qr_format_belongs_to_the_flow_qr_and_size_to_png(self):
        self.refuse(field='qrFormat', qrFormat={'format': 'IMAGE/PNG'})
        self.refuse(field='qrFormat.size', **QR, qrFormat={'format': 'TEXT/TARGETURL', 'size': 300})
        for size in (99, 2001, 300.5):
            self.refuse(
                field='qrFormat.size', **QR, qrFormat={'format': 'IMAGE/PNG', 'size': size},
            )


class TestReceipt(SimulatorCase):

    def create(self, change):
        receipt = copy.deepcopy(RECEIPT)
        change(receipt['orderLines'], receipt['bottomLine'])
        return self.merchant.post_payment(self.merchant.payload(receipt=receipt))

    def test_receipt_that_adds_up(self):
        self.assertEqual(self.create(lambda lines, bottom: None).status_code, 201)

    def test_returned_lines_count_negative_and_tips_and_other_sources_count(self):
        def change(lines, bottom):
            lines.append({
                **LINE, 'isReturn': True, 'totalAmount': 5000, 'totalAmountExcludingTax': 4000,
                'totalTaxAmount': 1000,
            })
            bottom.update(
                posId="Shop 1", tipAmount=9000, paymentSources={'cash': 2500, 'card': 1500},
            )

        self.assertEqual(self.create(change).status_code, 201)

    def test_tips_and_other_sources_that_do_not_add_up_are_refused(self):
        for change in (
            {'tipAmount': 1}, {'paymentSources': {'cash': 1}},
            {'tipAmount': 100, 'paymentSources': {'cash': 60, 'card': 41}},
        ):
            with self.subTest(change=change):
                answer = self.create(lambda lines, bottom, c=change: bottom.update(c))
                self.assertRefused(answer, 400, field='receipt.orderLines')
        for change in (
            {'tipAmount': -1}, {'tipAmount': 1.0}, {'posId': 7}, {'receiptNumber': 7},
            {'terminalId': '7'}, {'paymentSources': {'bank': 0}}, {'paymentSources': {'cash': -1}},
        ):
            with self.subTest(change=change):
                answer = self.create(lambda lines, bottom, c=change: bottom.update(c))
                self.assertEqual(answer.status_code, 400)
                self.assertIn('receipt.bottomLine', answer.text)

    def test_lines_that_do_not_add_up_to_the_amount_are_refused(self):
        answer = self.create(lambda lines, bottom: lines.pop())
        self.assertRefused(answer, 400, field='receipt.orderLines')

    def test_wrong_order_lines(self):
        for field, change in (
            ('totalAmount', {'totalTaxAmount': 4001}),
            ('totalAmount', {'totalAmount': -20000}),
            ('totalAmount', {'totalAmount': 20000.0}),
            ('totalTaxAmount', {'totalTaxAmount': -4000}),
            ('taxRate', {'taxRate': 10001}),
            ('taxRate', {'taxRate': None}),
            ('taxRate', {'taxPercentage': 25}),
            ('discount', {'discount': -1}),
            ('isReturn', {'isReturn': 1}),
            ('unitInfo.quantity', {'unitInfo': {'unitPrice': 1, 'quantity': 2}}),
            ('unitInfo.quantity', {'unitInfo': {'unitPrice': 1, 'quantity': '-2'}}),
            ('unitInfo.quantity', {'unitInfo': {'unitPrice': 1, 'quantity': '12345678901'}}),
            ('unitInfo.quantityUnit', {
                'unitInfo': {'unitPrice': 1, 'quantity': '1', 'quantityUnit': 'HOURS'},
            }),
            ('unitInfo.unitPrice', {'unitInfo': {'unitPrice': -1, 'quantity': '1'}}),
        ):
            with self.subTest(change=change):
                answer = self.create(lambda lines, bottom, c=change: lines[0].update(c))
                self.assertRefused(answer, 400, field=f'receipt.orderLines[0].{field}')

    def test_receipt_needs_lines_and_the_currency_of_the_payment(self):
        answer = self.create(lambda lines, bottom: lines.clear())
        self.assertRefused(answer, 400, field='receipt.orderLines')
        answer = self.create(lambda lines, bottom: bottom.update(currency='EUR'))
        self.assertRefused(answer, 400, field='receipt.bottomLine.currency')

    @settings(max_examples=60, deadline=None)
    @given(st.lists(st.tuples(st.integers(0, 10 ** 7), st.integers(0, 10 ** 6), st.booleans()),
                    min_size=1, max_size=6), st.integers(-1, 1))
    def test_lines_pass_exactly_when_they_add_up(self, drawn, drift):
        lines = [
            {
                'name': "Line", 'id': '1', 'totalAmount': net + tax, 'totalAmountExcludingTax': net,
                'totalTaxAmount': tax, 'taxRate': 0, 'isReturn': is_return,
            }
            for net, tax, is_return in drawn
        ]
        total = sum(-net - tax if back else net + tax for net, tax, back in drawn) + drift
        answer = self.merchant.post_payment(self.merchant.payload(
            amount={'currency': 'NOK', 'value': min(max(total, 100), 65000000)},
            receipt={'orderLines': lines, 'bottomLine': {'currency': 'NOK'}},
            reference=str(uuid.uuid4()),
        ))
        fits = not drift and 100 <= total <= 65000000
        self.assertEqual(answer.status_code, 201 if fits else 400)


class TestWithoutTheException(SimulatorCase):

    simulator_options = {}

    def test_http_to_this_machine_is_refused_by_default(self):
        payload = self.merchant.payload(returnUrl='http://127.0.0.1:8069/return')
        self.assertRefused(self.merchant.post_payment(payload), 400, '4090', 'returnUrl')
        answer = self.merchant.register('http://127.0.0.1:8069/hook')
        self.assertRefused(answer, 400, field='url')
