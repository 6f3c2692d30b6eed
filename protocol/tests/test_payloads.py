import unittest
from datetime import datetime

from .. import payloads

REQUIRED = {
    'reference': 'AB2CD-S00042-XYZ234', 'amount': 24_950, 'currency': 'NOK',
    'description': "S00042 at Fjordbutikken", 'return_url': 'https://shop.example.com/return',
}
AT_TILL = {**REQUIRED, 'return_url': None}
PUSH = {**AT_TILL, 'user_flow': 'PUSH_MESSAGE'}
CODE = 'https://qr.vipps.no/p/x1Y2'


class TestPayloads(unittest.TestCase):

    def test_the_least_that_is_sent(self):
        self.assertEqual(payloads.create_payment(**REQUIRED), {
            'amount': {'currency': 'NOK', 'value': 24_950},
            'paymentDescription': "S00042 at Fjordbutikken",
            'paymentMethod': {'type': 'WALLET'},
            'reference': 'AB2CD-S00042-XYZ234',
            'returnUrl': 'https://shop.example.com/return',
            'userFlow': 'WEB_REDIRECT',
        })

    def test_optional_values_are_sent(self):
        body = payloads.create_payment(
            **REQUIRED, phone='4798765432', receipt={'orderLines': []}, metadata={'document': 'S1'}
        )
        self.assertEqual(body['customer'], {'phoneNumber': '4798765432'})
        self.assertEqual(body['receipt'], {'orderLines': []})
        self.assertEqual(body['metadata'], {'document': 'S1'})

    def test_customers_of_web_pages_are_asked_to_share_data(self):
        body = payloads.create_payment(**REQUIRED, scopes=('name', 'phoneNumber'))
        self.assertEqual(body['profile'], {'scope': 'name phoneNumber'})
        for changes in (
            {**REQUIRED, 'scopes': ('nin',)}, {**PUSH, 'phone': '4798765432', 'scopes': ('name',)},
        ):
            with self.subTest(**changes), self.assertRaises(ValueError):
                payloads.create_payment(**changes)

    def test_a_payment_of_express(self):
        links = ('https://shop.example.com/terms', 'https://shop.example.com/privacy')
        shipping = {'fixedOptions': []}
        body = payloads.create_payment(
            **REQUIRED, scopes=('name', 'address'), shipping=shipping, legal_links=links
        )
        self.assertEqual(body['shipping'], shipping)
        self.assertEqual(body['amount'], {'currency': 'NOK', 'value': 24_950})
        self.assertEqual(body['merchantLegalLinks'], {
            'termsOfSaleUrl': links[0], 'privacyPolicyUrl': links[1],
        })
        for changes in (
            {'shipping': shipping, 'scopes': ('name',)}, {'legal_links': ('/terms', links[1])},
            {'legal_links': (links[0], None)},
        ):
            with self.subTest(**changes), self.assertRaises(ValueError):
                payloads.create_payment(**REQUIRED, **changes)

    def test_a_qr_code_at_the_till(self):
        self.assertEqual(payloads.create_payment(**AT_TILL, user_flow='QR'), {
            'amount': {'currency': 'NOK', 'value': 24_950},
            'customerInteraction': 'CUSTOMER_PRESENT',
            'paymentDescription': "S00042 at Fjordbutikken",
            'paymentMethod': {'type': 'WALLET'},
            'qrFormat': {'format': 'TEXT/TARGETURL'},
            'reference': 'AB2CD-S00042-XYZ234',
            'userFlow': 'QR',
        })

    def test_a_push_message_at_the_till(self):
        for given, customer in (
            ({'phone': '4798765432'}, {'phoneNumber': '4798765432'}),
            ({'personal_qr': f' {CODE}?v=1'}, {'personalQr': f' {CODE}?v=1'}),
        ):
            with self.subTest(**given):
                self.assertEqual(payloads.create_payment(**PUSH, **given), {
                    'amount': {'currency': 'NOK', 'value': 24_950},
                    'customer': customer,
                    'customerInteraction': 'CUSTOMER_PRESENT',
                    'paymentDescription': "S00042 at Fjordbutikken",
                    'paymentMethod': {'type': 'WALLET'},
                    'reference': 'AB2CD-S00042-XYZ234',
                    'userFlow': 'PUSH_MESSAGE',
                })

    def test_a_push_message_that_stays_open(self):
        body = payloads.create_payment(
            **PUSH, phone='4798765432', expires_at=datetime(2026, 11, 30, 12, 5, 59),
        )
        self.assertEqual(body['expiresAt'], '2026-11-30T12:05:59Z')
        self.assertEqual(body['customerInteraction'], 'CUSTOMER_NOT_PRESENT')
        with self.assertRaises(ValueError):
            payloads.create_payment(
                **{**AT_TILL, 'user_flow': 'QR'}, expires_at=datetime(2026, 11, 30),
            )

    def test_values_of_other_user_flows_are_refused(self):
        url = REQUIRED['return_url']
        for values in (
            {'user_flow': 'NATIVE_REDIRECT'}, {'user_flow': None}, {'user_flow': 'WEB_REDIRECT'},
            {'user_flow': 'QR', 'return_url': url}, {'user_flow': 'QR', 'phone': '4798765432'},
            {'user_flow': 'QR', 'personal_qr': CODE},
            {'user_flow': 'QR', 'customer_token': 'x'},
            {**PUSH, 'customer_token': 'x', 'personal_qr': CODE},
            {**PUSH, 'customer_token': 'x', 'phone': '4798765432'},
            {'user_flow': 'WEB_REDIRECT', 'return_url': url, 'personal_qr': CODE},
            PUSH, {**PUSH, 'phone': '4798765432', 'personal_qr': CODE},
            {**PUSH, 'phone': '4798765432', 'return_url': url}, {**PUSH, 'phone': '98765432'},
            {**PUSH, 'personal_qr': 'abcd'}, {**PUSH, 'personal_qr': 'x' * 256},
            {**PUSH, 'personal_qr': '7038010009857'},
        ):
            with self.subTest(**values), self.assertRaises(ValueError) as caught:
                payloads.create_payment(**{**AT_TILL, **values})
            self.assertNotIn(values.get('personal_qr') or CODE, str(caught.exception))

    def test_descriptions_have_3_to_100_characters(self):
        for description, expected in (
            ("x" * 200, "x" * 100), ("A", "A.."), ("", "..."), (" Two\nlines ", "Two lines"),
        ):
            with self.subTest(description=description):
                body = payloads.create_payment(**{**REQUIRED, 'description': description})
                self.assertEqual(body['paymentDescription'], expected)

    def test_long_metadata_is_cut(self):
        body = payloads.create_payment(**REQUIRED, metadata={'document': 'S00042, ' * 100})
        self.assertEqual(len(body['metadata']['document']), 500)

    def test_values_that_the_api_would_refuse_are_refused(self):
        for values in (
            {'reference': 'S00042'}, {'reference': 'INV/2024/0007'}, {'amount': 0},
            {'amount': -1}, {'amount': 1.5}, {'amount': True}, {'phone': '+4798765432'},
            {'return_url': 'https://shop.example.com/' + 'x' * 2500},
            {'metadata': dict.fromkeys('abcdef', 'x')}, {'metadata': {'a' * 101: 'x'}},
        ):
            with self.subTest(**values), self.assertRaises(ValueError):
                payloads.create_payment(**{**REQUIRED, **values})

    def test_zero_is_never_captured_or_refunded(self):
        for amount in (0, -1, 0.5, None, True):
            with self.subTest(amount=amount), self.assertRaises(ValueError):
                payloads.modification(amount, 'NOK')

    def test_the_link_in_the_app(self):
        self.assertEqual(
            payloads.category('DELIVERY', 'https://track.example.com/?id=1'),
            {'category': 'DELIVERY', 'orderDetailsUrl': 'https://track.example.com/?id=1'},
        )
        body = payloads.category('DELIVERY', 'https://a.example.com/?a=%20&b=1,2 3#Å')
        self.assertEqual(
            body['orderDetailsUrl'], 'https://a.example.com/?a=%20&b=1%2C2%203#%C3%85'
        )
        for name, url in (
            ('delivery', 'https://track.example.com/'), ('DELIVERY', 'ftp://track.example.com/'),
            ('DELIVERY', ''), ('DELIVERY', 'https://'), ('DELIVERY', '[["A", "https://a.no"]]'),
        ):
            with self.subTest(name=name, url=url), self.assertRaises(ValueError):
                payloads.category(name, url)
