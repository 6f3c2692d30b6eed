import unittest

from protocol import apis, payloads, qr
from protocol.access_token import Credentials, TokenCache
from protocol.errors import Forbidden, NoAnswer, Refused
from simulator.sales_units import DKK_UNIT, NOK_UNIT
from simulator.server import Simulator

SYSTEM = {
    'Vipps-System-Name': 'test', 'Vipps-System-Version': '17.0',
    'Vipps-System-Plugin-Name': 'test-plugin', 'Vipps-System-Plugin-Version': '1.0',
}
PAGE = 'https://shop.example.com/vipps/pay?invoice=7&token=0b0f1a52-5a5b-4a0b-9c5c-1f4f7a4d7b6e'


class TestQr(unittest.TestCase):
    """The client of the protocol makes and reads the codes of the simulator."""

    @classmethod
    def setUpClass(cls):
        cls.simulator = Simulator(time_factor=0).start()
        cls.addClassCleanup(cls.simulator.close)

    def setUp(self):
        self.addCleanup(self.simulator.reset)
        self.client = self.connect(NOK_UNIT)

    def connect(self, unit):
        return apis.VippsClient(Credentials(
            self.simulator.url, unit.client_id, unit.client_secret, unit.subscription_key,
            unit.msn,
        ), SYSTEM, tokens=TokenCache(), sleep=lambda seconds: None)

    def test_a_sticker(self):
        self.client.put_callback_qr('till-1', "  Till\n1 with a name that is too long for it")
        sticker = self.client.get_callback_qr('till-1')
        self.assertEqual(sticker.location, "Till 1 with a name that is too long")
        picture = self.client.fetch_qr_picture(sticker.picture_url)
        self.assertTrue(picture.startswith(qr.PNG_START))
        self.client.take_over_callback_qr('beacon', "Till 2")
        self.assertEqual(
            [sticker.qr_id for sticker in self.client.list_callback_qrs()], ['till-1', 'beacon']
        )
        self.client.delete_callback_qr('till-1')
        for call in (self.client.get_callback_qr, self.client.delete_callback_qr):
            with self.assertRaises(qr.UnknownCode) as caught:
                call('till-1')
            self.assertEqual(caught.exception.sentence, qr.UNKNOWN_CODE)

    def test_a_sticker_that_is_not_to_be_had(self):
        self.connect(DKK_UNIT).put_callback_qr('taken', "Till")
        with self.assertRaises(qr.CodeExists) as caught:
            self.client.take_over_callback_qr('taken', "Till")
        self.assertEqual(caught.exception.sentence, qr.NOT_TO_TAKE_OVER)
        with self.assertRaises(Forbidden):
            self.client.put_callback_qr('taken', "Till")

    def test_the_fields_at_fault_are_named(self):
        with self.assertRaises(Refused) as caught:
            self.client._request('PUT', f'{qr.CALLBACKS}/x', {'locationDescription': 'x' * 37})
        self.assertEqual(caught.exception.fields, ('locationDescription',))
        self.assertRegex(caught.exception.trace_id, '^00-[0-9a-f]{32}')

    def test_a_redirect_code(self):
        code = self.client.create_redirect_qr('invoice 7', PAGE, ttl=600)
        self.assertEqual((code.redirect_url, code.expires_in), (PAGE, 600))
        self.assertTrue(self.client.fetch_qr_picture(code.url).startswith(qr.PNG_START))
        with self.assertRaises(qr.CodeExists):
            self.client.create_redirect_qr('invoice 7', PAGE)
        code = self.client.update_redirect_qr('invoice 7', f'{PAGE}8')
        self.assertEqual(self.client.get_redirect_qr('invoice 7'), code)
        content = self.client.get_redirect_qr('invoice 7', 'TEXT').url
        self.assertTrue(content.startswith('https://qr.vipps.no/'))
        self.assertEqual(self.client.list_redirect_qrs(), [code])
        self.client.delete_redirect_qr('invoice 7')
        for call in (
            lambda: self.client.get_redirect_qr('invoice 7'),
            lambda: self.client.update_redirect_qr('invoice 7', PAGE),
            lambda: self.client.delete_redirect_qr('invoice 7'),
        ):
            self.assertRaises(qr.UnknownCode, call)
        self.assertIsNone(self.client.create_redirect_qr('for ever', PAGE).expires_in)

    def test_a_code_whose_making_was_not_answered_is_changed_instead(self):
        self.simulator.fault('create_redirect_qr', 'lost_answer')
        with self.assertRaises(NoAnswer):
            self.client.create_redirect_qr('invoice', PAGE)
        with self.assertRaises(qr.CodeExists):
            self.client.create_redirect_qr('invoice', PAGE)
        self.assertEqual(self.client.update_redirect_qr('invoice', PAGE).qr_id, 'invoice')

    def test_what_the_api_would_refuse_is_not_sent(self):
        for qr_id, url, ttl in (
            ('', PAGE, None), ('a/b', PAGE, None), ('x' * 129, PAGE, None),
            ('a', 'http://example.com', None), ('a', 'https://example.com/~me', None),
            ('a', 'https://example.com:8069;x', None), ('a', f'{PAGE}\n', None),
            ('a', PAGE, 299), ('a', PAGE, 0), ('a', PAGE, 2**31),
        ):
            with self.subTest(qr_id=qr_id, url=url, ttl=ttl), self.assertRaises(ValueError):
                self.client.create_redirect_qr(qr_id, url, ttl)
        for qr_id in ('', 'a/b', '../x', 'æ', 'x' * 129, 'a b'):
            with self.subTest(qr_id=qr_id), self.assertRaises(ValueError):
                self.client.put_callback_qr(qr_id, "Till")

    def test_pictures_are_only_fetched_where_they_are(self):
        for url in (
            'https://example.com/x.png', 'http://qr.vipps.no/x.png', 'https://evilvipps.no/x',
            'https://vipps.no.example.com/x', 'https://qr.vipps.no@example.com/x', 'file:///x',
            'http://127.0.0.1:1/x', 'https://vipps.no:8080/x',
        ):
            with self.subTest(url=url), self.assertRaises(NoAnswer) as caught:
                self.client.fetch_qr_picture(url)
            self.assertIn('not at Vipps', str(caught.exception))
        self.client.put_callback_qr('till-1', "Till")
        svg = self.client.get_callback_qr('till-1', 'SVG').picture_url
        for url in (svg, f'{self.simulator.url}/generate/qr?content=gone&size=100'):
            with self.subTest(url=url), self.assertRaises(NoAnswer):
                self.client.fetch_qr_picture(url)

    def test_a_payment_of_a_customer_who_has_checked_in(self):
        for flow, url in (('PUSH_MESSAGE', None), ('WEB_REDIRECT', 'https://shop.example.com')):
            payload = payloads.create_payment(
                reference=f'sticker-{flow.replace("_", "-")}', amount=100, currency='NOK',
                description="Coffee", user_flow=flow, return_url=url,
                customer_token=self.simulator.check_in('till-1'),
            )
            self.client.create_payment(payload, flow)
            with self.assertRaises(Refused) as caught:
                self.client.create_payment({**payload, 'reference': 'another-one'}, f'{flow}-2')
            self.assertEqual(caught.exception.code, '4050')
