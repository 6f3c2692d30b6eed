import json
import unittest

from hypothesis import given
from hypothesis import strategies as st

from .. import errors

DOCUMENTED_CODES = [
    3010, 4010, 4020, 4040, 4050, 4060, 4070, 4080, 4090, 4100, 4110, 4120, 4130, 4140, 4150, 4160,
    5010, 5020, 5030, 5040, 5050, 5060, 5070, 5080, 5090, 5100, 6010, 6020, 6030, 6040, 6050, 6060,
    6070, 6080, 6090, 6100, 6110, 6120, 6130, 6140, 6150, 6160, 6170, 6180, 6190, 6200, 6210, 6220,
    6230, 6250, 6260, 6280, 7010, 10010, 10020, 10030, 10040, 10050, 10060, 10070,
]


def problem(code, **values):
    return json.dumps({
        'type': 'https://developer.example.com/problem', 'title': "Bad Request",
        'detail': "secret detail", 'traceId': '0af7651916cd43dd8448eb211c80319c',
        'extraDetails': [{'name': 'ErrorCode', 'reason': str(code)}], **values,
    }).encode()


class TestErrors(unittest.TestCase):

    def test_every_documented_code_has_a_sentence_without_codes(self):
        for code in DOCUMENTED_CODES:
            with self.subTest(code=code):
                error = errors.from_response(400, {}, problem(code), 'POST /x')
                self.assertEqual(error.code, str(code))
                self.assertEqual(error.status, 400)
                self.assertEqual(error.trace_id, '0af7651916cd43dd8448eb211c80319c')
                self.assertNotIn(str(code), error.sentence)
                self.assertTrue(error.sentence.endswith('.'))

    def test_a_request_that_can_succeed_later_is_retryable(self):
        retryable = {
            code for code in DOCUMENTED_CODES
            if errors.from_response(400, {}, problem(code), 'x').retryable
        }
        self.assertEqual(retryable, {3010, 6160, 6250, 6280})

    def test_kinds(self):
        gateway = b'{"statusCode": 401, "message": "Access denied due to invalid subscription key"}'
        for status, body, kind, retryable in (
            (400, problem(6090), errors.Refused, False),
            (400, problem(4010), errors.Conflict, False),
            (409, b'', errors.Conflict, False),
            (401, b'{"statusCode": 401, "message": "Unauthorized"}', errors.Unauthorized, False),
            (401, gateway, errors.SubscriptionKeyRefused, False),
            (403, b'<html>Forbidden</html>', errors.Forbidden, False),
            (404, problem(5090), errors.NotFound, False),
            (423, b'', errors.NotNow, True),
            (429, b'', errors.NotNow, True),
            (408, b'', errors.NoAnswer, True),
            (302, b'', errors.NoAnswer, True),
            (404, b'<html>Not Found</html>', errors.NoAnswer, True),
            (500, problem(3010), errors.NoAnswer, True),
            (502, b'<html>Bad Gateway</html>', errors.NoAnswer, True),
            (400, problem(6280), errors.NotNow, True),
            (500, problem(6280), errors.NotNow, True),
            (409, problem(6160), errors.NotNow, True),
        ):
            with self.subTest(status=status, body=body):
                error = errors.from_response(status, {}, body, 'x')
                self.assertIs(type(error), kind)
                self.assertIs(error.retryable, retryable)

    def test_the_text_for_logs_has_nothing_of_the_body(self):
        error = errors.from_response(400, {}, problem(6090), 'POST /x')
        self.assertEqual(
            str(error),
            'POST /x failed (status 400, code 6090, trace id 0af7651916cd43dd8448eb211c80319c)',
        )
        hostile = problem('47 98765432', traceId='4798765432\nsecret')
        self.assertEqual(
            str(errors.from_response(400, {}, hostile, 'x')), 'x failed (status 400)'
        )

    def test_retry_after(self):
        for value, expected in (
            ('7', 7), ('0', 0), ('3600', 3600), ('3601', 3600), ('31536000', 3600), (None, None),
            ('', None), ('soon', None), ('-1', None), ('1.5', None), ('²', None),
            ('9' * 5000, None), ('Sat, 21 Nov 2026 12:00:00 GMT', None),
        ):
            for status in (423, 429, 503):
                with self.subTest(value=value, status=status):
                    headers = {} if value is None else {'Retry-After': value}
                    error = errors.from_response(status, headers, b'', 'x')
                    self.assertEqual(error.retry_after, expected)

    @given(st.integers(300, 599), st.one_of(st.binary(), st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda children: st.lists(children) | st.dictionaries(
            st.sampled_from(['extraDetails', 'name', 'reason', 'traceId', 'message']), children
        ),
    ).map(lambda data: json.dumps(data).encode())))
    def test_any_body_makes_an_error(self, status, body):
        error = errors.from_response(status, {}, body, 'x')
        self.assertTrue(error.sentence)

    def test_the_fields_at_fault_are_named_and_nothing_that_a_person_typed(self):
        for body, expected in (
            ({'extraDetails': [
                {'name': 'receipt.orderLines[0].name', 'reason': "Kari Nordmann is too long"},
                {'name': 'ErrorCode', 'reason': '4080'},
            ]}, ('receipt.orderLines[0].name',)),
            ({'errors': {'Receipt.BottomLine': ["No"], 'Not a path!': ["No"]}},
             ('Receipt.BottomLine',)),
            ({'extraDetails': [{'name': 'a' * 200}, {'name': 7}, 'x', {'name': "Kari <b>"}]}, ()),
            ({'extraDetails': {'name': 'amount'}, 'errors': ['amount']}, ()),
        ):
            with self.subTest(body=body):
                error = errors.from_response(400, {}, json.dumps(body).encode(), 'create')
                self.assertEqual(error.fields, expected)
                self.assertNotIn("Kari", str(error))
