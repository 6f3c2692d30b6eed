# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import json

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from odoo.fields import Command
from odoo.tests import tagged

from ..common import VippsCommon


@tagged('post_install', '-at_install')
class TestPaymentRequest(VippsCommon):
    """ What reaches Vipps MobilePay when a customer starts to pay. """

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.tax_25 = cls._create_tax(25)
        cls.tax_15 = cls._create_tax(15)
        cls.tax_25_included = cls._create_tax(25, price_include=True)
        cls.tax_15_included = cls._create_tax(15, price_include=True)
        cls.taxes = [
            cls.env['account.tax'], cls.tax_25, cls.tax_15, cls.tax_25_included,
            cls.tax_15_included,
        ]

    @classmethod
    def _create_tax(cls, amount, price_include=False):
        return cls.env['account.tax'].create({
            'name': f"{amount} % {'included' if price_include else 'excluded'}",
            'amount': amount,
            'price_include': price_include,
        })

    def _create_order_of(self, *lines):
        return self._create_order(order_line=[Command.create({
            'product_id': self.product.id,
            'tax_id': [Command.set(line.pop('taxes', self.env['account.tax']).ids)],
            **line,
        }) for line in lines])

    def _create_invoice_of(self, *lines):
        invoice = self.env['account.move'].create({
            'move_type': 'out_invoice',
            'partner_id': self.partner.id,
            'currency_id': self.currency_nok.id,
            'invoice_line_ids': [Command.create({
                'product_id': self.product.id,
                'tax_ids': [Command.set(line.pop('taxes', self.env['account.tax']).ids)],
                **line,
            }) for line in lines],
        })
        invoice.action_post()
        return invoice

    def _request(self, order=None, invoice=None, **values):
        """ Start to pay a document and return the request that Vipps MobilePay took. """
        if order:
            values = {
                'amount': order.amount_total, 'sale_order_ids': [Command.set(order.ids)], **values
            }
        if invoice:
            values = {
                'amount': invoice.amount_residual, 'invoice_ids': [Command.set(invoice.ids)],
                **values,
            }
        tx = self._start(**values)
        return self.simulator.payment(tx.vipps_payment_reference)['request']

    def _assert_adds_up(self, request):
        lines = request['receipt']['orderLines']
        self.assertEqual(request['amount']['value'], sum(
            line['totalAmount'] * (-1 if line.get('isReturn') else 1) for line in lines
        ))

    #=== Amount, description, metadata, headers ===#

    def test_amount_is_sent_in_minor_units_of_the_currency(self):
        for amount, expected in ((1, 100), (19.99, 1999), (1111.11, 111111), (650000, 65000000)):
            with self.subTest(amount=amount):
                request = self._request(amount=amount)
                self.assertEqual(request['amount'], {'value': expected, 'currency': 'NOK'})

    def test_description_names_the_document_and_the_company(self):
        order = self._create_order(name='S00042')
        request = self._request(order)
        self.assertIn('S00042', request['paymentDescription'])
        self.assertIn(self.company.name, request['paymentDescription'])

    def test_description_is_in_the_language_of_the_customer(self):
        self.env['res.lang']._activate_lang('nb_NO')
        self.partner.lang = 'nb_NO'
        order = self._create_order(name='S00042')
        request = self._request(order)
        self.assertEqual(request['paymentDescription'], f"S00042 hos {self.company.name}")

    def test_description_has_an_allowed_length_whatever_the_name_of_the_company(self):
        for name in ("A", "Æ" * 99, "Løk & Purre " * 30):
            with self.subTest(name=name):
                self.company.name = name
                self.assertTrue(3 <= len(self._request()['paymentDescription']) <= 100)

    def test_metadata_contains_the_document(self):
        request = self._request(self._create_order(name='S00042'))
        self.assertEqual(request['metadata'], {'document': 'S00042'})

    def test_request_contains_no_personal_data_but_the_phone_number(self):
        self.partner.write({
            'name': "Kari Nordmann", 'email': "kari@example.com", 'street': "Storgata 17",
        })
        request = self._request(self._create_order())
        self.assertEqual(request.pop('customer'), {'phoneNumber': '4798765432'})
        text = json.dumps(request)
        for personal in ("Nordmann", "kari@", "Storgata", '98765432'):
            self.assertNotIn(personal, text)

    def test_every_call_carries_the_system_headers(self):
        self._authorize()
        self.assertGreaterEqual(len(self.simulator.exchanges), 2)
        for exchange in self.simulator.exchanges:
            headers = {name.lower(): value for name, value in exchange['headers'].items()}
            with self.subTest(operation=exchange['operation']):
                self.assertEqual(headers['vipps-system-name'], 'odoo')
                self.assertEqual(headers['vipps-system-version'], '17.0')
                self.assertEqual(headers['vipps-system-plugin-name'], 'odoo-payment-vipps')
                self.assertRegex(headers['vipps-system-plugin-version'], r'\A17\.0\.[\d.]+\Z')
                self.assertEqual(headers['merchant-serial-number'], '123456')

    def test_starting_to_pay_makes_one_call(self):
        self._start()  # Fetches the access token.
        calls_before = len(self.simulator.exchanges)
        order = self._create_order()
        self._request(order)
        self.assertEqual(
            [exchange['operation'] for exchange in self.simulator.exchanges[calls_before:]],
            ['create'],
        )

    #=== Phone number ===#

    def test_phone_number_is_prefilled_when_it_is_valid(self):
        for number, country, expected in (
            ('98 76 54 32', 'NO', '4798765432'),
            ('+47 987 65 432', 'NO', '4798765432'),
            ('20 12 34 56', 'DK', '4520123456'),
            ('+49 171 1234567', 'DE', '491711234567'),
            ('070-123 45 67', 'SE', '46701234567'),
            ('+44 7911 123456', 'NO', '447911123456'),
            ('0046 70 123 45 67', 'DK', '46701234567'),
            ('98 76 54 32', None, '4798765432'),  # Without a country it is the company's.
        ):
            with self.subTest(number=number, country=country):
                self.company.country_id = self.country_norway
                self.partner.write({
                    'phone': number,
                    'country_id': country and self.env.ref(f'base.{country.lower()}').id,
                })
                self.assertEqual(self._request().get('customer'), {'phoneNumber': expected})

    def test_mobile_number_is_prefilled_when_there_is_no_phone_number(self):
        self.partner.write({'phone': False, 'mobile': '98 76 54 32'})
        self.assertEqual(self._request()['customer'], {'phoneNumber': '4798765432'})

    def test_mobile_number_is_prefilled_when_the_phone_number_is_not_valid(self):
        self.partner.write({'phone': "ask at the desk", 'mobile': '98 76 54 32'})
        self.assertEqual(self._request()['customer'], {'phoneNumber': '4798765432'})

    def test_phone_number_is_omitted_when_it_is_not_valid(self):
        for number in (False, '', '123', "call me", '+', '0' * 40, '98765432 / 12345678'):
            with self.subTest(number=number):
                self.partner.phone = number
                self.assertNotIn('customer', self._request())

    def test_a_refused_phone_number_does_not_fail_the_payment(self):
        for code in ('4070', '7010'):
            with self.subTest(code=code):
                calls_before = len(self.simulator.exchanges)
                self.simulator.fault(operation='create', kind='refuse', code=code)
                self.assertNotIn('customer', self._request())
                refused, accepted = (
                    exchange for exchange in self.simulator.exchanges[calls_before:]
                    if exchange['operation'] == 'create'
                )
                self.assertEqual(refused['body']['reference'], accepted['body']['reference'])
                self.assertNotEqual(refused['idempotency_key'], accepted['idempotency_key'])

    #=== Receipt ===#

    def test_receipt_of_taxes_that_are_not_included_in_the_price(self):
        request = self._request(self._create_order_of(
            {'price_unit': 200, 'taxes': self.tax_25}, {'price_unit': 100, 'taxes': self.tax_15},
        ))
        self._assert_adds_up(request)
        self.assertEqual(
            [(line['totalAmount'], line['totalTaxAmount'], line['taxRate'])
             for line in request['receipt']['orderLines']],
            [(25000, 5000, 2500), (11500, 1500, 1500)],
        )

    def test_receipt_of_taxes_that_are_included_in_the_price(self):
        request = self._request(self._create_order_of(
            {'price_unit': 250, 'taxes': self.tax_25_included},
            {'price_unit': 115, 'taxes': self.tax_15_included},
        ))
        self._assert_adds_up(request)
        self.assertEqual(
            [(line['totalAmount'], line['totalTaxAmount'], line['taxRate'])
             for line in request['receipt']['orderLines']],
            [(25000, 5000, 2500), (11500, 1500, 1500)],
        )

    def test_receipt_of_a_line_with_discount_contains_what_is_paid_for_it(self):
        request = self._request(self._create_order_of(
            {'price_unit': 199.9, 'product_uom_qty': 3, 'discount': 12.5, 'taxes': self.tax_25},
        ))
        self._assert_adds_up(request)
        self.assertEqual(request['receipt']['orderLines'][0]['totalAmount'], 65593)

    def test_receipt_of_a_delivery_says_that_it_is_one(self):
        request = self._request(self._create_order_of(
            {'price_unit': 200}, {'price_unit': 79, 'is_delivery': True},
        ))
        self._assert_adds_up(request)
        self.assertEqual(
            [bool(line.get('isShipping')) for line in request['receipt']['orderLines']],
            [False, True],
        )

    def test_receipt_of_a_negative_line_is_a_return(self):
        request = self._request(self._create_order_of(
            {'price_unit': 200, 'taxes': self.tax_25},
            {'price_unit': -50, 'taxes': self.tax_25, 'name': "Gift for you"},
        ))
        self._assert_adds_up(request)
        line = request['receipt']['orderLines'][1]
        self.assertEqual((line['totalAmount'], line.get('isReturn')), (6250, True))

    def test_receipt_leaves_out_sections_and_notes(self):
        request = self._request(self._create_order(order_line=[
            Command.create({'display_type': 'line_section', 'name': "Clothes"}),
            Command.create({
                'product_id': self.product.id, 'price_unit': 200, 'tax_id': [Command.clear()],
            }),
            Command.create({'display_type': 'line_note', 'name': "Thank you"}),
        ]))
        self._assert_adds_up(request)
        self.assertEqual(len(request['receipt']['orderLines']), 1)

    def test_receipt_of_prices_that_are_thirds_adds_up(self):
        request = self._request(self._create_order_of(
            {'price_unit': 1 / 3, 'product_uom_qty': 10, 'taxes': self.tax_25},
            {'price_unit': 2 / 3, 'product_uom_qty': 7, 'taxes': self.tax_15},
            {'price_unit': 100 / 3, 'taxes': self.tax_25_included},
        ))
        self._assert_adds_up(request)

    def test_receipt_adds_up_when_taxes_are_rounded_over_the_whole_order(self):
        self.company.tax_calculation_rounding_method = 'round_globally'
        order = self._create_order_of(*(
            {'price_unit': 10.02, 'taxes': self.tax_25} for _i in range(3)
        ))
        self.assertNotEqual(
            order.amount_total, sum(order.order_line.mapped('price_total')),
            "The rounding of this order must make a difference.",
        )
        self._assert_adds_up(self._request(order))

    def test_receipt_of_an_invoice_adds_up(self):
        invoice = self._create_invoice_of(
            {'price_unit': 199.9, 'quantity': 3, 'discount': 12.5, 'taxes': self.tax_25},
            {'price_unit': 33.33, 'quantity': 1.5, 'taxes': self.tax_15_included},
            {'price_unit': -20, 'quantity': 1, 'taxes': self.tax_25},
        )
        request = self._request(invoice=invoice)
        self._assert_adds_up(request)
        self.assertEqual(len(request['receipt']['orderLines']), 3)

    def test_receipt_is_left_out_when_only_a_part_is_paid(self):
        order = self._create_order(1000)
        invoice = self._create_invoice_of({'price_unit': 1000})
        for document in ({'order': order}, {'invoice': invoice}):
            with self.subTest(**document):
                request = self._request(**document, amount=400)
                self.assertEqual(request['amount']['value'], 40000)
                self.assertNotIn('receipt', request)

    def test_receipt_is_left_out_when_there_is_no_document(self):
        self.assertNotIn('receipt', self._request())

    @settings(deadline=None, database=None, max_examples=30)
    @given(
        round_globally=st.booleans(),
        lines=st.lists(
            st.tuples(
                st.integers(min_value=-20000, max_value=500000),  # price, in minor units
                st.sampled_from([1, 2, 3, 7, 0.5, 1.25, 0.333]),
                st.sampled_from([0, 0, 10, 33.33, 99.99]),
                st.integers(min_value=0, max_value=4),
            ),
            min_size=1, max_size=6,
        ),
    )
    def test_receipt_of_any_order_adds_up(self, round_globally, lines):
        self.company.tax_calculation_rounding_method = (
            'round_globally' if round_globally else 'round_per_line'
        )
        order = self._create_order_of(*({
            'price_unit': price / 100, 'product_uom_qty': quantity, 'discount': discount,
            'taxes': self.taxes[tax],
        } for price, quantity, discount, tax in lines))
        assume(order.amount_total >= 1)
        self._assert_adds_up(self._request(order))
