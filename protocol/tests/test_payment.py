import unittest
from datetime import datetime

from hypothesis import given
from hypothesis import strategies as st

from ..errors import NoAnswer, UnreadableAnswer
from ..payment import Event, Payment


def money(value, currency='NOK'):
    return {'currency': currency, 'value': value}


def answer(state='AUTHORIZED', authorized=100, captured=0, refunded=0, cancelled=0, **values):
    return {
        'aggregate': {
            'authorizedAmount': money(authorized), 'capturedAmount': money(captured),
            'refundedAmount': money(refunded), 'cancelledAmount': money(cancelled),
        },
        'amount': money(100),
        'state': state,
        'paymentMethod': {'type': 'WALLET'},
        'profile': {},
        'pspReference': 'psp-1',
        'reference': 'AB2CD-S00042-XYZ234',
        **values,
    }


EVENT = {
    'reference': 'AB2CD-S00042-XYZ234', 'pspReference': 'psp-2', 'name': 'CAPTURED',
    'amount': money(100), 'timestamp': '2026-11-01T10:00:00.000Z', 'success': True,
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
)
# The texts of an event that are stored; only webhooks have the last one.
TEXT_NAMES = ('reference', 'pspReference', 'name', 'currency', 'msn')
LETTERS = st.characters(categories=('L', 'M', 'N', 'P', 'S'), include_characters=' ')


def event_with(name, value):
    if name == 'currency':
        return {**EVENT, 'amount': money(100, value)}
    return {**EVENT, name: value}


class TestPayment(unittest.TestCase):

    def test_states_in_one_word(self):
        for values, expected, remaining, is_final in (
            ({'state': 'CREATED', 'authorized': 0}, 'CREATED', 0, False),
            ({'state': 'ABORTED', 'authorized': 0}, 'ABORTED', 0, True),
            ({'state': 'EXPIRED', 'authorized': 0}, 'EXPIRED', 0, True),
            (
                {'state': 'TERMINATED', 'authorized': 0, 'cancelled': 100},
                'TERMINATED', 0, True,
            ),
            ({'authorized': 100}, 'AUTHORIZED', 100, True),
            ({'authorized': 100, 'captured': 40}, 'AUTHORIZED', 60, True),
            ({'authorized': 100, 'captured': 100}, 'CAPTURED', 0, True),
            ({'authorized': 100, 'captured': 40, 'cancelled': 60}, 'CAPTURED', 0, True),
            ({'authorized': 100, 'cancelled': 100}, 'CANCELLED', 0, True),
            ({'authorized': 100, 'captured': 100, 'refunded': 30}, 'CAPTURED', 0, True),
            ({'authorized': 100, 'captured': 100, 'refunded': 100}, 'REFUNDED', 0, True),
            ({'state': 'NEW_STATE', 'authorized': 0}, 'NEW_STATE', 0, False),
        ):
            with self.subTest(**values):
                payment = Payment.parse(answer(**values))
                self.assertEqual(payment.derived_state, expected)
                self.assertEqual(payment.remaining, remaining)
                self.assertIs(payment.is_final, is_final)

    def test_fields_that_are_not_known_do_not_matter(self):
        payment = Payment.parse(answer(somethingNew={'a': 1}, redirectUrl='https://pay/?token=x'))
        self.assertEqual(payment.redirect_url, 'https://pay/?token=x')
        self.assertNotIn('token', repr(payment))
        self.assertIsNone(Payment.parse(answer(redirectUrl='https://pay/\0')).redirect_url)

    def test_an_unreadable_payment_is_an_unknown_outcome(self):
        for name, value in (
            ('state', None), ('state', 1), ('reference', None), ('pspReference', 7),
            ('amount', None), ('amount', 100), ('amount', money('100')), ('amount', money(1.0)),
            ('amount', money(True)), ('amount', money(-1)), ('amount', {'value': 1}),
            ('aggregate', None), ('aggregate', {}),
            ('aggregate', {**answer()['aggregate'], 'capturedAmount': money(0, 'EUR')}),
        ):
            with self.subTest(name=name, value=value), self.assertRaises(NoAnswer):
                Payment.parse({**answer(), name: value})

    def test_an_approval_of_nothing_is_an_unknown_outcome(self):
        with self.assertRaises(NoAnswer):
            Payment.parse(answer(authorized=0))

    def test_amounts_that_contradict_each_other_are_shown_as_they_are(self):
        payment = Payment.parse(answer(captured=140))
        self.assertEqual((payment.captured, payment.remaining), (140, 0))

    @given(JSON)
    def test_any_other_answer_is_an_unknown_outcome(self, data):
        for kind in (Payment, Event):
            with self.assertRaises(NoAnswer):
                kind.parse(data)

    def test_the_choice_of_express_can_be_in_the_event_only(self):
        details = {
            'shippingDetails': {'shippingOptionId': 'c1', 'shippingCost': 9900},
            'userDetails': {'firstName': "Ada", 'lastName': "Lovelace"},
        }
        payment = Payment.parse(answer(authorized=10_000, profile={'sub': 's-1'}, **details))
        event = Event.parse({**EVENT, **details, 'sub': 's-1'})
        for read in (payment, event):
            self.assertEqual((read.shipping.option_id, read.shipping.cost), ('c1', 9900))
            self.assertEqual(read.user_details, {'name': "Ada Lovelace"})
            self.assertEqual(read.user_sub, 's-1')
            self.assertNotIn("Ada", repr(read))
        for data in (None, 7, {}, {'shippingCost': '99'}):
            self.assertIsNone(Payment.parse(answer(shippingDetails=data)).shipping)
            self.assertIsNone(Event.parse({**EVENT, 'shippingDetails': data}).shipping)

    def test_events_of_the_log_and_of_webhooks(self):
        event = Event.parse(EVENT)
        self.assertEqual(
            (event.name, event.amount, event.success, event.msn), ('CAPTURED', 100, True, None)
        )
        self.assertEqual(Event.parse({**EVENT, 'msn': '123456'}).msn, '123456')
        for name in EVENT:
            with self.subTest(name=name), self.assertRaises(NoAnswer):
                Event.parse({**EVENT, name: None})

    # Half a surrogate pair, which JSON can carry, is among these characters.
    @given(st.sampled_from(TEXT_NAMES), st.text(st.characters()))
    def test_accepted_texts_can_be_stored(self, name, text):
        try:
            event = Event.parse(event_with(name, text))
        except UnreadableAnswer:
            return
        for stored in (
            event.reference, event.psp_reference, event.name, event.msn or '-', event.currency
        ):
            self.assertTrue(stored)
            self.assertNotRegex(stored, r'[\x00-\x1f\x7f]')
            stored.encode()

    @given(st.sampled_from(TEXT_NAMES), st.text(LETTERS, min_size=1, max_size=255))
    def test_words_of_any_language_can_be_stored(self, name, text):
        Event.parse(event_with(name, text))

    def test_texts_that_cannot_be_stored_are_refused(self):
        for name in TEXT_NAMES:
            for value in ('', 'x' * 256, 'a\0b', 'a\nb', '\ud800', '\u202e', 7, False, [], {}):
                with self.subTest(name=name, value=value), self.assertRaises(UnreadableAnswer):
                    Event.parse(event_with(name, value))

    @given(st.integers() | st.integers(2**31 - 2, 2**31 + 1))
    def test_amounts_can_be_stored(self, value):
        event = {**EVENT, 'amount': money(value)}
        if 0 <= value < 2**31:
            self.assertEqual(Event.parse(event).amount, value)
        else:
            with self.assertRaises(UnreadableAnswer):
                Event.parse(event)

    def test_details_that_only_inform_do_not_matter(self):
        event = Event.parse({
            **EVENT, 'name': 'SOMETHING_NEW', 'msn': None, 'idempotencyKey': 7, 'sub': '\ud800',
            'userDetails': [{'a': 10**300}],
        })
        self.assertEqual((event.name, event.msn, event.idempotency_key), (
            'SOMETHING_NEW', None, None
        ))

    def test_timestamps_are_in_utc(self):
        for text, expected in (
            ('2026-11-01T10:00:00Z', datetime(2026, 11, 1, 10)),
            ('2026-11-01T10:00:00.5Z', datetime(2026, 11, 1, 10, 0, 0, 500000)),
            ('2026-11-01T10:00:00.1234567Z', datetime(2026, 11, 1, 10, 0, 0, 123456)),
            ('2026-11-01T10:00:00+02:00', datetime(2026, 11, 1, 8)),
        ):
            with self.subTest(text=text):
                self.assertEqual(Event.parse({**EVENT, 'timestamp': text}).timestamp, expected)

    def test_an_unreadable_timestamp_is_an_unknown_outcome(self):
        for text in (
            '', 'now', '2026-11-01', '2026-11-01T10:00:00', '2026-13-01T10:00:00Z',
            '0001-01-01T00:00:00+14:00', '2026-11-01T10:00:00+99:00', '２０２６-11-01T10:00:00Z',
        ):
            with self.subTest(text=text), self.assertRaises(NoAnswer):
                Event.parse({**EVENT, 'timestamp': text})
