import gzip
import json
import time

from .. import errors
from .client_case import REFERENCE, SOON, ClientCase, payment, problem, success


class TestClientAnswers(ClientCase):
    """Answers that are not those of the API."""

    def test_a_redirection_is_not_followed(self):
        client = self.make_client(max_attempts=1)
        for status in (301, 302, 303, 304, 307, 308):
            with self.subTest(status=status):
                self.server.requests.clear()
                self.server.answers = [
                    (status, {'Location': f'{self.server.url}/elsewhere'}, b'')
                ]
                # A server that redirects is not the API: nothing is known of the payment.
                self.assert_fails(errors.NoAnswer, lambda: client.get_payment(REFERENCE))
                self.assertEqual(len(self.server.requests), 1)

    def test_an_endless_or_packed_answer_is_not_read(self):
        client = self.make_client(max_attempts=1)
        body = json.dumps(payment()).encode()
        self.server.answers = [(200, {'Content-Encoding': 'gzip'}, gzip.compress(body))]
        client.get_payment(REFERENCE)
        large = body + b' ' * 5 * 1024 * 1024
        for headers, answer in (
            ({}, large),
            ({'Content-Encoding': 'gzip'}, gzip.compress(large)),
            ({'Content-Encoding': 'gzip, gzip'}, gzip.compress(gzip.compress(body))),
            ({'Content-Encoding': 'gzip'}, body),
            ({'X-A': 'x' * 70000}, body),
            ({f'X-{number}': 'x' for number in range(200)}, body),
            ({'Transfer-Encoding': 'chunked', 'Content-Length': '9'}, b'rubbish\r\n'),
        ):
            with self.subTest(headers=str(headers)[:40]):
                self.server.answers = [(200, {'Connection': 'close', **headers}, answer)]
                self.assert_fails(errors.NoAnswer, lambda: client.get_payment(REFERENCE))

    def test_an_answer_that_is_no_payment_of_ours_is_an_unknown_outcome(self):
        client = self.make_client(max_attempts=1)
        good = payment(captured=40, refunded=10)
        self.server.answers = [success(good)]
        client.get_payment(REFERENCE)
        text = json.dumps(good)
        for body in (
            text[:-20],
            text.replace('"value": 100', '"value": "100"'),
            text.replace('"value": 100', '"value": 100.0'),
            text.replace('"value": 100', '"value": true'),
            text.replace('"value": 100', '"value": null'),
            text.replace('"value": 100', '"value": -100'),
            text.replace('"value": 100', '"value": 1e2'),
            text.replace('"value": 100', '"value": NaN'),
            text.replace('"value": 100', f'"value": {10 ** 15}'),
            text.replace('"value": 100', '"value": ' + '9' * 3_000_000),
            text.replace('"value": 100', '"value": 100, "value": 1'),
            text.replace('"state"', '"state": "CREATED", "state"'),
            text.replace('psp-1', 'a\\u0000b'), text.replace('psp-1', '\\ud800'),
            text.replace('psp-1', 'x' * 300),
            '[' * 100_000 + ']' * 100_000, '{"a":' * 100_000, '<html><h1>Oops</h1>',
        ):
            with self.subTest(body=body[:200]):
                self.server.answers = [(200, {}, body.encode())]
                started = time.monotonic()
                self.assert_fails(errors.NoAnswer, lambda: client.get_payment(REFERENCE))
                self.assertLess(time.monotonic() - started, SOON)

    def test_nobody_is_sent_anywhere_else_than_to_a_page(self):
        for url in (
            'javascript:alert(1)', 'data:text/html,x', '/elsewhere', 'vipps',
            'https://' + 'x' * 3000, 'https://a\nb', 7, ['https://pay.example.com'],
        ):
            with self.subTest(url=str(url)[:40]):
                self.server.answers = [success({'reference': REFERENCE, 'redirectUrl': url}, 201)]
                self.assert_fails(errors.NoAnswer, self.create)
                self.server.answers = [success({**payment('CREATED'), 'redirectUrl': url})]
                self.assertIsNone(self.client.get_payment(REFERENCE).redirect_url)

    def test_a_gateway_that_knows_no_path_says_nothing_of_the_payment(self):
        client = self.make_client(max_attempts=1)
        self.server.answers = [(404, {}, b'<html>Not Found</html>')]
        self.assert_fails(errors.NoAnswer, lambda: client.get_payment(REFERENCE))
        self.server.answers = [problem(404)]
        self.assert_fails(errors.NotFound, lambda: client.get_payment(REFERENCE))

    def test_an_answer_of_another_shape_is_an_unknown_outcome(self):
        for operation in (
            self.create,
            self.push,
            lambda: self.client.get_payment(REFERENCE),
            lambda: self.client.get_events(REFERENCE),
            lambda: self.client.capture(REFERENCE, 1, 'NOK', 'key'),
            lambda: self.client.list_webhooks(),
            lambda: self.client.register_webhook('https://shop/x', ['a']),
        ):
            for body in (
                b'', b'null', b'{}', b'[1]', b'"text"', b'{"webhooks": [{}]}',
                b'{"webhooks": [{"id": "w-1", "url": null}]}',
                b'{"webhooks": [{"id": 1, "url": "https://shop/x"}]}', b'{"webhooks": {"id": 1}}',
                b'{"id": "", "secret": "", "redirectUrl": "", "reference": ""}',
                b'{"id": "a\\u0000", "secret": "\\ud800", "redirectUrl": "a\\nb"}',
            ):
                self.server.answers = [(200, {}, body)]
                with self.subTest(body=body):
                    self.assert_fails(errors.NoAnswer, operation)

    def test_an_answer_about_another_payment_or_customer_is_an_unknown_outcome(self):
        url = 'https://pay.example.com/another'
        for operation, answer in (
            (self.create, {'reference': 'another', 'redirectUrl': url}),
            (self.push, {'reference': 'another'}),
            (lambda: self.client.get_user_info('a-b'), {'sub': 'c-d', 'name': "Ada Lovelace"}),
        ):
            with self.subTest(answer=answer):
                self.server.answers = [success(answer)]
                self.assert_fails(errors.UnreadableAnswer, operation)
