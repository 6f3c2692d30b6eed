import unittest

from hypothesis import given
from hypothesis import strategies as st

from .. import express
from ..express import Address, AddressRequest, Option, Shipping
from .test_payment import JSON

HOME = Option('c1', "Home", 9900, 'HOME_DELIVERY', 'POSTEN')
SHELF = Option(
    'c2', "Shelf", 0, 'PICKUP_POINT', 'POSTEN', priority=3, meta="Storgata 1", delivery="1-2 days"
)
NEXT_DAY = Option('c3', "Next day", 19_900, 'HOME_DELIVERY', 'POSTEN', is_default=True, priority=1)
TOKEN = 'ae0cb90d91b4a84a'
QUESTION = {
    'reference': 'AB2CD-S00042-XYZ234', 'AddressLine1': "Robert Levins gate 5",
    'AddressLine2': "Att: Rune", 'City': "Oslo", 'PostCode': '0154', 'Country': 'NO',
}
CHOICE = {
    'address': {
        'addressLine1': "Robert Levins gate 5", 'addressLine2': "Att: Rune", 'city': "Oslo",
        'country': 'NO', 'postCode': '0154',
    },
    'shippingCost': 9900, 'shippingOptionId': 'c1', 'shippingOptionName': "Home",
}
OSLO = {
    'line1': "Robert Levins gate 5", 'line2': "Att: Rune", 'city': "Oslo", 'country': 'NO',
    'postal_code': '0154',
}


class TestOptions(unittest.TestCase):

    def test_options_of_a_type_and_brand_are_one_group(self):
        self.assertEqual(express.shipping_groups([HOME, SHELF, NEXT_DAY], 'NOK'), [
            {
                'type': 'HOME_DELIVERY', 'brand': 'POSTEN', 'isDefault': True, 'priority': 1,
                'options': [
                    {'id': 'c1', 'name': "Home", 'amount': {'currency': 'NOK', 'value': 9900}},
                    {
                        'id': 'c3', 'name': "Next day", 'isDefault': True, 'priority': 1,
                        'amount': {'currency': 'NOK', 'value': 19_900},
                    },
                ],
            },
            {
                'type': 'PICKUP_POINT', 'brand': 'POSTEN', 'priority': 3, 'options': [{
                    'id': 'c2', 'name': "Shelf", 'amount': {'currency': 'NOK', 'value': 0},
                    'meta': "Storgata 1", 'estimatedDelivery': "1-2 days", 'priority': 3,
                }],
            },
        ])

    def test_there_is_one_default_at_most(self):
        groups = express.shipping_groups([
            NEXT_DAY, Option('c4', "Shop", 0, 'IN_STORE', 'OTHER', is_default=True),
        ], 'NOK')
        self.assertEqual([group.get('isDefault') for group in groups], [True, None])
        self.assertNotIn('isDefault', groups[1]['options'][0])

    def test_names_can_always_be_shown(self):
        for name, expected in (("x" * 300, "x" * 255), ("A\nB\0", "AB"), ("", "-"), (" ", "-")):
            with self.subTest(name=name):
                [group] = express.shipping_groups([Option('c1', name, 0, 'OTHER', 'OTHER')], 'NOK')
                self.assertEqual(group['options'][0]['name'], expected)

    def test_options_that_the_api_would_refuse_are_refused(self):
        for options in (
            [HOME, HOME], [Option('', "A", 0, 'OTHER', 'OTHER')],
            [Option('c1', "A", -1, 'OTHER', 'OTHER')], [Option('c1', "A", 9.5, 'OTHER', 'OTHER')],
            [Option('c1', "A", True, 'OTHER', 'OTHER')], [Option('c1', "A", 0, 'BIKE', 'OTHER')],
            [Option('c1', "A", 0, 'OTHER', 'ACME')], [Option('c\n', "A", 0, 'OTHER', 'OTHER')],
        ):
            with self.subTest(options=options), self.assertRaises(ValueError):
                express.shipping_groups(options, 'NOK')

    def test_the_shipping_of_a_payment(self):
        url = 'https://shop.example.com/express/1'
        self.assertEqual(express.dynamic_shipping(url, TOKEN), {
            'dynamicOptions': {'callbackUrl': url, 'callbackAuthorizationToken': TOKEN},
        })
        self.assertEqual(
            express.dynamic_shipping(url, TOKEN, ['NO', 'SE', 'NO'])['allowedCountries'],
            ['NO', 'SE'],
        )
        self.assertEqual(express.fixed_shipping([HOME], 'NOK', ('NO',)), {
            'fixedOptions': express.shipping_groups([HOME], 'NOK'), 'allowedCountries': ['NO'],
        })
        self.assertEqual(
            express.answer([HOME], 'NOK'), {'groups': express.shipping_groups([HOME], 'NOK')}
        )

    def test_a_shipping_that_the_api_would_refuse_is_refused(self):
        for arguments in (
            ('https://a.no/', 'a' * 51), ('https://a.no/', ''), ('https://a.no/', 'a.b'),
            ('ftp://a.no/', TOKEN), ('https://a.no/', TOKEN, ['Norway']),
            ('https://a.no/', TOKEN, ['no']),
        ):
            with self.subTest(arguments=arguments), self.assertRaises(ValueError):
                express.dynamic_shipping(*arguments)
        with self.assertRaises(ValueError):
            express.fixed_shipping([], 'NOK')


class TestQuestion(unittest.TestCase):

    def test_names_in_both_spellings(self):
        expected = AddressRequest(reference='AB2CD-S00042-XYZ234', **OSLO)
        camel = {name[0].lower() + name[1:]: value for name, value in QUESTION.items()}
        for data in (QUESTION, camel, {name.upper(): value for name, value in QUESTION.items()}):
            with self.subTest(data=data):
                self.assertEqual(AddressRequest.parse(data), expected)
        self.assertNotIn("Levins", repr(expected))

    def test_most_of_an_address_can_be_missing(self):
        for line2 in (None, "", "Robert Levins gate 5", 7):
            with self.subTest(line2=line2):
                request = AddressRequest.parse({**QUESTION, 'AddressLine2': line2})
                self.assertEqual((request.line1, request.line2), ("Robert Levins gate 5", ''))
        request = AddressRequest.parse({
            'reference': QUESTION['reference'], 'Country': 'no', 'something': {},
        })
        self.assertEqual((request.country, request.postal_code, request.city), ('NO', '', ''))

    def test_a_question_without_payment_or_country_is_refused(self):
        for changes in (
            {'reference': None}, {'reference': 7}, {'reference': ''}, {'reference': 'a/b' * 5},
            {'Country': None}, {'Country': 47}, {'Country': ''}, {'Country': 'Norway'},
            {'country': 'SE'},
        ):
            with self.subTest(**changes), self.assertRaises(ValueError):
                AddressRequest.parse({**QUESTION, **changes})

    @given(JSON)
    def test_anything_else_is_refused(self, data):
        with self.assertRaises(ValueError):
            AddressRequest.parse(data)

    def test_the_token_comes_with_or_without_its_scheme(self):
        for header in (TOKEN, f'Bearer {TOKEN}'):
            self.assertTrue(express.is_token(header, TOKEN))
        for header in (None, '', 'Bearer ', f'{TOKEN}x', f'Basic {TOKEN}', TOKEN.upper(), '\ud800'):
            with self.subTest(header=header):
                self.assertFalse(express.is_token(header, TOKEN))
        for token in ('', None):
            self.assertFalse(express.is_token('', token))


class TestChoice(unittest.TestCase):

    def test_what_the_customer_chose(self):
        shipping = Shipping.parse(CHOICE)
        self.assertEqual(shipping, Shipping('c1', "Home", 9900, Address(**OSLO)))
        self.assertNotIn("Levins", repr(shipping))

    def test_what_is_missing_or_strange_is_left_out(self):
        for changes, expected in (
            ({'address': None}, {'address': None}),
            ({'address': {'country': 7}}, {'address': None}),
            ({'address': {'city': "Oslo"}}, {'address': Address(city="Oslo")}),
            ({'shippingCost': None}, {'cost': None}), ({'shippingCost': '99'}, {'cost': None}),
            ({'shippingCost': -1}, {'cost': None}), ({'shippingCost': True}, {'cost': None}),
            ({'shippingCost': 10**30}, {'cost': None}), ({'shippingCost': 0}, {'cost': 0}),
            ({'shippingOptionId': ['c1']}, {'option_id': ''}),
            ({'shippingOptionId': 'c\0'}, {'option_id': ''}),
            ({'shippingOptionName': 'x' * 256}, {'option_name': ''}),
            ({'address': {**CHOICE['address'], 'addressLine2': "Robert Levins gate 5"}},
             {'address': Address(**{**OSLO, 'line2': ''})}),
            ({'address': {**CHOICE['address'], 'country': None}},
             {'address': Address(**{**OSLO, 'country': ''})}),
        ):
            with self.subTest(**changes):
                whole = {
                    'option_id': 'c1', 'option_name': "Home", 'cost': 9900,
                    'address': Address(**OSLO),
                }
                self.assertEqual(
                    Shipping.parse({**CHOICE, **changes}), Shipping(**{**whole, **expected})
                )

    @given(JSON | st.fixed_dictionaries({name: JSON for name in CHOICE}))
    def test_nothing_makes_a_payment_unreadable(self, data):
        shipping = Shipping.parse(data)
        self.assertTrue(shipping is None or shipping.cost is None or shipping.cost >= 0)

    def test_no_choice(self):
        for data in (None, {}, [], 'c1', {'address': {}}):
            with self.subTest(data=data):
                self.assertIsNone(Shipping.parse(data))
