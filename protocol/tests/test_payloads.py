import unittest

from .. import payloads

REQUIRED = {
    'reference': 'AB2CD-S00042-XYZ234', 'amount': 24_950, 'currency': 'NOK',
    'description': "S00042 at Fjordbutikken", 'return_url': 'https://shop.example.com/return',
}


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

    def test_what_is_sent_if_it_is_there(self):
        body = payloads.create_payment(
            **REQUIRED, phone='4798765432', receipt={'orderLines': []}, metadata={'document': 'S1'}
        )
        self.assertEqual(body['customer'], {'phoneNumber': '4798765432'})
        self.assertEqual(body['receipt'], {'orderLines': []})
        self.assertEqual(body['metadata'], {'document': 'S1'})

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

    def test_what_the_api_would_refuse_is_refused(self):
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
