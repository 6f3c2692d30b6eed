import unittest
from datetime import datetime

from hypothesis import given
from hypothesis import strategies as st

from .. import qr
from ..errors import UnreadableAnswer

EVENT = {
    'customerToken': 'c2VjcmV0', 'merchantQrId': 'till-1', 'msn': '123456',
    'initiatedAt': '2026-11-30T10:15:30.1234567Z',
}
STICKER = {
    'merchantSerialNumber': '123456', 'merchantQrId': 'till-1', 'locationDescription': "Till",
    'qrImageUrl': 'https://qr.vipps.no/generate/qr.png?x', 'qrContent': 'https://qr.vipps.no/box/x',
}
REDIRECT = {
    'id': 'x', 'url': 'https://qr.vipps.no/generate/qr.png?x', 'redirectUrl': 'https://example.com',
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children), max_leaves=5,
)


class TestCheckIn(unittest.TestCase):

    def test_both_names_of_the_sales_unit(self):
        old = {**EVENT, 'merchantSerialNumber': '123456'}
        del old['msn']
        for data in (EVENT, old):
            self.assertTrue(qr.is_check_in(data))
            check_in = qr.CheckIn.parse(data)
            self.assertEqual(check_in.msn, '123456')
            self.assertEqual(check_in.token, 'c2VjcmV0')
            self.assertEqual(check_in.time, datetime(2026, 11, 30, 10, 15, 30, 123456))
        self.assertIsNone(qr.CheckIn.parse({**EVENT, 'msn': None}).msn)

    def test_the_token_is_not_shown(self):
        self.assertNotIn('c2VjcmV0', repr(qr.CheckIn.parse(EVENT)))

    def test_strange_check_ins(self):
        for name, values in {
            'customerToken': (None, '', 1, 'x' * 4097, 'a\nb', ['x']),
            'merchantQrId': (None, '', 1, 'x' * 256, 'a\0'),
            'msn': (1, '', ['123456']),
            'initiatedAt': (None, '', 'today', 1764497730, '2026-13-01T00:00:00Z'),
        }.items():
            for value in values:
                with self.subTest(name=name, value=value), self.assertRaises(UnreadableAnswer):
                    qr.CheckIn.parse({**EVENT, name: value})

    def test_other_events_are_no_check_ins(self):
        for data in (None, [], 'x', {}, {'name': 'CAPTURED'}, {'merchantQrId': 'x'}):
            self.assertFalse(qr.is_check_in(data))


class TestAnswers(unittest.TestCase):

    def test_codes(self):
        sticker = qr.CallbackQr.parse({**STICKER, 'locationDescription': None, 'new': 1})
        self.assertEqual((sticker.qr_id, sticker.location), ('till-1', ''))
        self.assertEqual(qr.RedirectQr.parse({**REDIRECT, 'expiresIn': 598}).expires_in, 598)
        for value in (-1, None, True, '5'):
            self.assertIsNone(qr.RedirectQr.parse({**REDIRECT, 'expiresIn': value}).expires_in)

    def test_addresses_of_pages_only(self):
        for kind, data, name in (
            (qr.CallbackQr, STICKER, 'qrImageUrl'), (qr.RedirectQr, REDIRECT, 'url'),
            (qr.RedirectQr, REDIRECT, 'redirectUrl'),
        ):
            for value in (None, 1, '', 'javascript:alert(1)', 'data:image/png;base64,x'):
                with self.subTest(name=name, value=value), self.assertRaises(UnreadableAnswer):
                    kind.parse({**data, name: value})

    @given(JSON)
    def test_any_answer(self, data):
        for kind in (qr.CallbackQr, qr.RedirectQr, qr.CheckIn):
            try:
                kind.parse(data)
            except UnreadableAnswer:
                continue
