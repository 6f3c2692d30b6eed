import contextlib
import gzip
import itertools
import json
import logging
import os
import socket
import tempfile
import threading
import time
import unittest
from unittest import mock

from .. import connection, errors
from ..access_token import Credentials, TokenCache
from ..client import Client
from .server import CUT, Server

CODE = 'https://qr.vipps.no/p/x1Y2'
SECRETS = (
    'the-client-id', 'the-client-secret', 'the-subscription-key', 'token-', '4798765432', CODE,
)
SYSTEM = {
    'Vipps-System-Name': 'odoo', 'Vipps-System-Version': '17.0',
    'Vipps-System-Plugin-Name': 'odoo-payment-vipps',
    'Vipps-System-Plugin-Version': '17.0.1.0.0 with a very long suffix',
}
PAYLOAD = {
    'reference': 'AB2CD-S00042-XYZ234', 'customer': {'phoneNumber': '4798765432'},
    'userFlow': 'WEB_REDIRECT',
}
PUSH = {**PAYLOAD, 'customer': {'personalQr': CODE}, 'userFlow': 'PUSH_MESSAGE'}
REFERENCE = 'AB2CD-S00042-XYZ234'


def money(value):
    return {'currency': 'NOK', 'value': value}


def payment(state='AUTHORIZED', **amounts):
    if state == 'AUTHORIZED':
        amounts.setdefault('authorized', 100)
    return {
        'reference': REFERENCE, 'pspReference': 'psp-1', 'state': state, 'amount': money(100),
        'aggregate': {
            f'{name}Amount': money(amounts.get(name, 0))
            for name in ('authorized', 'captured', 'refunded', 'cancelled')
        },
    }


def success(data, status=200):
    return status, {'Content-Type': 'application/problem+json'}, json.dumps(data).encode()


def problem(status, code=None, headers=None):
    details = [{'name': 'ErrorCode', 'reason': code}] if code else []
    return status, headers or {}, json.dumps({
        'title': "No", 'detail': f"about 4798765432 and {CODE}", 'extraDetails': details,
        'traceId': 'abc123',
    }).encode()


CREATED = success({'reference': REFERENCE, 'redirectUrl': 'https://pay.example.com/?token=x'}, 201)


class TestClient(unittest.TestCase):

    def setUp(self):
        self.server = Server()
        self.addCleanup(self.server.close)
        self.released = threading.Event()
        self.addCleanup(self.released.set)
        self.pauses = []
        self.client = self.make_client()
        self.log = self.start_log()

    def make_client(self, **options):
        options = {'tokens': TokenCache(), 'sleep': self.pauses.append, **options}
        return Client(Credentials(
            base_url=options.pop('base_url', self.server.url),
            client_id='the-client-id',
            client_secret=options.pop('client_secret', 'the-client-secret'),
            subscription_key='the-subscription-key', merchant_serial_number='123456',
            secondary_subscription_key=options.pop('secondary_key', ''),
        ), SYSTEM, **options)

    def start_log(self):
        records = []
        handler = logging.Handler()
        handler.emit = records.append
        logger = logging.getLogger()
        level = logger.level
        logger.addHandler(handler)
        logger.setLevel(logging.DEBUG)
        self.addCleanup(logger.setLevel, level)
        self.addCleanup(logger.removeHandler, handler)
        return records

    def hold(self, request):
        """Answer a request when the test has ended."""
        self.released.wait()
        return CUT

    def create(self):
        return self.client.create_payment(PAYLOAD, 'key-1')

    def push(self):
        return self.client.create_payment(PUSH, 'key-1')

    def assert_fails(self, kind, operation):
        """Assert that an operation fails, and that no log or error shows a secret."""
        with self.assertRaises(kind) as caught:
            operation()
        shown = ''.join(record.getMessage() for record in self.log)
        error = caught.exception
        while error:
            shown += str(error) + repr(error)
            # Also the context that `from None` hides: tools that collect exceptions show that, too.
            error = error.__cause__ or error.__context__
        for secret in SECRETS:
            self.assertNotIn(secret, shown)
        return caught.exception

    def test_headers(self):
        self.server.answers = [CREATED]
        self.create()
        self.server.answers = [success(payment())]
        self.client.get_payment(REFERENCE)
        create, get = (request['headers'] for request in self.server.requests)
        for headers in (create, get):
            self.assertEqual(headers['authorization'], 'Bearer token-1')
            self.assertEqual(headers['ocp-apim-subscription-key'], 'the-subscription-key')
            self.assertEqual(headers['merchant-serial-number'], '123456')
            for name, value in SYSTEM.items():
                self.assertEqual(headers[name.lower()], value[:30])
        self.assertEqual(create['content-type'], 'application/json')
        self.assertEqual(create['idempotency-key'], 'key-1')
        self.assertNotIn('idempotency-key', get)
        token_request, = self.server.token_requests
        self.assertEqual(token_request['body'], b'')
        self.assertEqual(token_request['headers']['client_id'], 'the-client-id')
        self.assertEqual(token_request['headers']['client_secret'], 'the-client-secret')
        self.assertNotIn('authorization', token_request['headers'])

    def test_keys_for_this_machine_do_not_go_by_a_proxy(self):
        proxy = Server()
        self.addCleanup(proxy.close)
        proxy.answers = [success(payment())]
        self.server.answers = [success(payment())]
        with mock.patch.dict(os.environ, {
            **dict.fromkeys(('http_proxy', 'HTTP_PROXY', 'all_proxy'), proxy.url),
            **dict.fromkeys(('no_proxy', 'NO_PROXY'), ''),
        }):
            self.client.get_payment(REFERENCE)
        self.assertTrue(self.server.requests)
        self.assertFalse(proxy.requests)

    def test_each_operation_sends_its_request(self):
        self.server.answers = [success(payment())]
        self.client.capture(REFERENCE, 40, 'NOK', 'key-2')
        self.client.refund(REFERENCE, 10, 'NOK', 'key-3')
        self.client.cancel(REFERENCE)
        self.client.cancel(REFERENCE, only_unapproved=True)
        path = f'/epayment/v1/payments/{REFERENCE}'
        self.assertEqual(
            [(r['path'], json.loads(r['body'])) for r in self.server.requests],
            [
                (f'{path}/capture', {'modificationAmount': money(40)}),
                (f'{path}/refund', {'modificationAmount': money(10)}),
                (f'{path}/cancel', {'cancelTransactionOnly': False}),
                (f'{path}/cancel', {'cancelTransactionOnly': True}),
            ],
        )

    def test_the_same_request_is_repeated_until_it_succeeds(self):
        for failure in (
            CUT, problem(500), problem(503), problem(423), problem(429), (200, {}, b'{"refer'),
            (200, {'Content-Length': '999', 'Connection': 'close'}, CREATED[2][:20]),
            (200, {}, b'<html>'), (201, {}, b'\xff\xfe'), (502, {}, b''),
        ):
            with self.subTest(failure=failure):
                self.server.requests.clear()
                self.server.answers = [failure, failure, CREATED]
                self.assertEqual(self.create()['reference'], REFERENCE)
                self.assertEqual(
                    {(r['headers']['idempotency-key'], r['body']) for r in self.server.requests},
                    {('key-1', json.dumps(PAYLOAD).encode())},
                )
                self.assertEqual(len(self.server.requests), 3)

    def test_repetition_ends(self):
        for failure, kind in (
            (CUT, errors.NoAnswer), (problem(500), errors.NoAnswer), (problem(429), errors.NotNow),
        ):
            with self.subTest(failure=failure):
                self.server.requests.clear()
                self.server.answers = [failure]
                self.assertTrue(self.assert_fails(kind, self.create).retryable)
                self.assertEqual(len(self.server.requests), 3)

    def test_pauses_grow_and_differ(self):
        self.server.answers = [problem(503)]
        for _i in range(5):
            self.assert_fails(errors.NoAnswer, self.create)
        first, second = self.pauses[::2], self.pauses[1::2]
        self.assertTrue(all(0.25 <= pause <= 0.75 for pause in first))
        self.assertTrue(all(0.5 <= pause <= 1.5 for pause in second))
        self.assertGreater(len(set(first)), 1)

    def test_retry_after_is_honoured(self):
        self.server.answers = [problem(429, headers={'Retry-After': '3'}), CREATED]
        self.create()
        self.assertEqual(self.pauses, [3])

    def test_nobody_waits_past_the_deadline(self):
        self.server.answers = [problem(429, headers={'Retry-After': '60'})]
        error = self.assert_fails(errors.NotNow, self.create)
        self.assertEqual(error.retry_after, 60)
        self.assertEqual((len(self.server.requests), self.pauses), (1, []))

    def test_a_definite_refusal_is_not_repeated(self):
        for status, code in ((400, '6090'), (403, None), (404, '5090'), (409, '4150'), (422, None)):
            with self.subTest(status=status):
                self.server.requests.clear()
                self.server.answers = [problem(status, code)]
                error = self.assert_fails(errors.Refused, self.create)
                self.assertEqual((error.code, error.trace_id), (code, 'abc123'))
                self.assertEqual(len(self.server.requests), 1)

    def test_a_request_that_is_too_early_is_not_repeated_at_once(self):
        for code in ('6160', '6250', '6280'):
            with self.subTest(code=code):
                self.server.requests.clear()
                self.server.answers = [problem(400, code)]
                self.assert_fails(errors.NotNow, self.create)
                self.assertEqual(len(self.server.requests), 1)

    def test_nobody_waits_past_the_deadline_for_an_answer(self):
        def drip(request):
            # 2 KiB in 20 ms: much before the end of the answer there would be no end of waiting.
            pieces = (b' ' * 100 for _i in iter(lambda: self.released.wait(0.001), True))
            return 200, {'Connection': 'close'}, pieces

        for answer in (self.hold, drip):
            for max_attempts in (1, 3):
                with self.subTest(answer=answer.__name__, max_attempts=max_attempts):
                    self.server.answers = [answer]
                    self.client = self.make_client(deadline=0.4, max_attempts=max_attempts)
                    started = time.monotonic()
                    self.assert_fails(errors.NoAnswer, self.create)
                    self.assertLess(time.monotonic() - started, 1)

    def talk(self, *pieces):
        """Return the address of a server that answers with pieces, the last one for ever."""
        server = socket.create_server(('127.0.0.1', 0))
        self.addCleanup(server.close)
        closed = threading.Event()

        def serve():
            with contextlib.suppress(OSError):
                connection, _address = server.accept()
                with connection:
                    connection.recv(65536)
                    for piece in itertools.chain(pieces, itertools.repeat(pieces[-1])):
                        connection.sendall(piece)
                        self.released.wait(0.01)
            closed.set()

        threading.Thread(target=serve, daemon=True).start()
        return f'http://127.0.0.1:{server.getsockname()[1]}', closed

    def test_nobody_waits_past_the_deadline_for_headers_that_drip(self):
        for pieces in (
            (b'H', b'TTP/1.1 200 OK\r\n', b'X-A: b\r\n'), (b'HTTP/1.1 200 OK\r\nX: ', b'x'),
        ):
            with self.subTest(pieces=pieces):
                url, closed = self.talk(*pieces)
                client = self.make_client(base_url=url, deadline=0.4, max_attempts=1)
                started = time.monotonic()
                self.assert_fails(errors.NoAnswer, client.fetch_token)
                self.assertLess(time.monotonic() - started, 1)
                # The connection is given up, too, and not read by a thread for ever.
                self.assertTrue(closed.wait(5))

    def test_nobody_waits_past_the_deadline_for_an_address_or_a_connection(self):
        def look_up(*_args, **_options):
            self.released.wait()
            raise OSError

        with mock.patch.object(socket, 'getaddrinfo', look_up):
            client = self.make_client(deadline=0.4, max_attempts=1)
            started = time.monotonic()
            self.assert_fails(errors.NoAnswer, client.fetch_token)
            self.assertLess(time.monotonic() - started, 1)

    def test_the_deadline_is_one_for_all_that_a_call_needs(self):
        def slow(answer):
            return lambda request: self.released.wait(0.3) or answer

        self.server.token_answer = lambda request: (
            self.released.wait(0.3) or self.server._make_token(request)
        )
        self.server.answers = [slow(problem(401))]
        for operation in (
            lambda client: client.get_payment(REFERENCE),
            lambda client: client.cancel(REFERENCE),
            lambda client: client.get_user_info('a-b'),
        ):
            started = time.monotonic()
            client = self.make_client(deadline=0.7)
            self.assert_fails(
                errors.NoAnswer, lambda client=client, operation=operation: operation(client)
            )
            self.assertLess(time.monotonic() - started, 1.2)
        self.server.answers = [slow(problem(400, '6050')), self.hold]
        started = time.monotonic()
        client = self.make_client(deadline=0.9)
        self.assert_fails(errors.NoAnswer, lambda: client.cancel(REFERENCE))
        self.assertLess(time.monotonic() - started, 1.4)

    def test_one_attempt_is_one_request(self):
        for failure in (CUT, problem(503), problem(429), (200, {}, b'<html>')):
            with self.subTest(failure=failure):
                self.server.requests.clear()
                self.server.answers = [failure]
                self.client = self.make_client(max_attempts=1)
                self.assert_fails(errors.NoAnswer, lambda: self.client.get_payment(REFERENCE))
                self.assertEqual((len(self.server.requests), self.pauses), (1, []))

    def test_connections_are_kept_until_they_may_be_gone(self):
        connections = set()
        self.server.answers = [
            lambda request: connections.add(request['port']) or success(payment())
        ]
        for idle, expected in ((30, 1), (-1, 3)):
            with mock.patch.object(connection, 'IDLE_SECONDS', idle):
                connections.clear()
                for _i in range(3):
                    self.client.get_payment(REFERENCE)
            with self.subTest(idle=idle):
                self.assertEqual(len(connections), expected)

    def test_nobody_waits_past_the_deadline_for_the_token_of_another(self):
        tokens = TokenCache()
        arrived = threading.Event()
        self.server.token_answer = lambda request: arrived.set() or self.hold(request)
        patient = self.make_client(deadline=0.6, tokens=tokens)
        hurried = self.make_client(deadline=0.1, tokens=tokens)
        thread = threading.Thread(target=lambda: self.assert_fails(
            errors.NoAnswer, lambda: patient.get_payment(REFERENCE)
        ))
        thread.start()
        arrived.wait()
        started = time.monotonic()
        self.assert_fails(errors.NoAnswer, lambda: hurried.get_payment(REFERENCE))
        self.assertLess(time.monotonic() - started, 0.4)
        thread.join()
        self.assertEqual(len(self.server.token_requests), 1)

    def test_refused_credentials_are_named(self):
        gateway = b'{"statusCode": 401, "message": "invalid subscription key"}'
        for answer, kind in (
            (problem(401), errors.Unauthorized),
            ((401, {}, gateway), errors.SubscriptionKeyRefused),
        ):
            with self.subTest(kind=kind):
                self.server.token_answer = answer
                self.assert_fails(kind, self.client.fetch_token)
                self.assert_fails(kind, self.create)
        self.assertEqual(self.server.requests, [])
        self.assertEqual(len(self.server.token_requests), 4)

    def refuse_keys(self, *keys):
        """Let the gateway refuse subscription keys for every request."""
        def answer(otherwise):
            return lambda request: (
                (401, {}, b'{"message": "invalid subscription key"}')
                if request['headers']['ocp-apim-subscription-key'] in keys else otherwise(request)
            )

        self.server.token_answer = answer(self.server._make_token)
        self.server.answers = [answer(lambda _request: CREATED)]

    def test_the_other_subscription_key_is_tried_at_once(self):
        for refused, is_secondary in (
            ('the-subscription-key', False), ('the-subscription-key-2', True),
        ):
            with self.subTest(refused=refused):
                refusals = []
                client = self.make_client(
                    secondary_key='the-subscription-key-2', on_refused_key=refusals.append
                )
                if is_secondary:
                    self.refuse_keys('the-subscription-key')
                    client.create_payment(PAYLOAD, 'key-1')
                    refusals.clear()
                self.refuse_keys(refused)
                self.server.requests.clear()
                client.create_payment(PAYLOAD, 'key-2')
                client.create_payment(PAYLOAD, 'key-3')
                self.assertEqual(refusals, [is_secondary])
                self.assertEqual(self.pauses, [])
                self.assertEqual(len(self.server.requests), 3 if is_secondary else 2)

    def test_two_refused_subscription_keys_are_tried_once_each(self):
        refusals = []
        client = self.make_client(
            secondary_key='the-subscription-key-2', on_refused_key=refusals.append
        )
        self.refuse_keys('the-subscription-key', 'the-subscription-key-2')
        self.assert_fails(errors.SubscriptionKeyRefused, client.fetch_token)
        self.assertEqual(len(self.server.token_requests), 2)
        self.assertEqual(refusals, [])

    def test_a_secondary_subscription_key_is_enough(self):
        client = Client(Credentials(
            base_url=self.server.url, client_id='i', client_secret='s', subscription_key='',
            merchant_serial_number='123456', secondary_subscription_key='the-subscription-key-2',
        ), SYSTEM, tokens=TokenCache())
        self.refuse_keys('')
        client.create_payment(PAYLOAD, 'key-1')
        self.assertEqual(len(self.server.requests), 1)

    def test_a_key_that_fits_in_no_header_is_refused_and_not_shown(self):
        for end in ('\u2028', '\r\nx: y', 'Ж'):
            with self.subTest(end=end):
                client = self.make_client(client_secret=f'the-client-secret{end}')
                self.assert_fails(errors.Unauthorized, client.fetch_token)
        self.assertEqual(self.server.token_requests, [])

    def test_a_connection_test_asks_for_a_new_token(self):
        self.client.fetch_token()
        self.client.fetch_token()
        self.assertEqual(len(self.server.token_requests), 2)
        for body in (b'', b'{}', b'<html>', b'{"access_token": "x y", "expires_in": "3600"}'):
            with self.subTest(body=body):
                self.server.token_answer = (200, {}, body)
                self.assert_fails(errors.NoAnswer, self.client.fetch_token)

    def test_the_token_is_not_replaced_by_a_password_of_the_system_user(self):
        with tempfile.NamedTemporaryFile('w') as netrc:
            netrc.write('default login somebody password something')
            netrc.flush()
            with mock.patch.dict(os.environ, {'NETRC': netrc.name}):
                self.server.answers = [CREATED]
                self.create()
        self.assertEqual(self.server.requests[0]['headers']['authorization'], 'Bearer token-1')

    def test_a_registration_is_not_repeated(self):
        self.server.answers = [problem(500)]
        self.assert_fails(
            errors.NoAnswer, lambda: self.client.register_webhook('https://shop/x', ['a'])
        )
        self.assertEqual(len(self.server.requests), 1)

    def test_a_refused_token_is_replaced_once(self):
        self.server.answers = [problem(401), CREATED]
        self.create()
        self.assertEqual(
            [r['headers']['authorization'] for r in self.server.requests],
            ['Bearer token-1', 'Bearer token-2'],
        )
        self.server.answers = [problem(401)]
        self.server.requests.clear()
        self.assert_fails(errors.Unauthorized, self.create)
        self.assertEqual(len(self.server.requests), 2)

    def test_a_token_that_is_refused_to_many_threads_is_replaced_once(self):
        self.server.answers = [success(payment())]
        self.client.get_payment(REFERENCE)
        barrier = threading.Barrier(20)

        def answer(request):
            if request['headers']['authorization'] == 'Bearer token-1':
                barrier.wait()  # All of them are under way with the old token.
                return problem(401)
            return success(payment())

        self.server.answers = [answer]
        threads = [
            threading.Thread(target=self.client.get_payment, args=[REFERENCE]) for _i in range(20)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(len(self.server.token_requests), 2)
        self.assertEqual(len(self.server.requests), 41)

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
                self.assertLess(time.monotonic() - started, 2)

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

    def test_cookies_are_not_kept(self):
        self.server.answers = [(200, {'Set-Cookie': 'a=b'}, json.dumps(payment()).encode())]
        self.client.get_payment(REFERENCE)
        self.client.get_payment(REFERENCE)
        self.assertNotIn('cookie', self.server.requests[1]['headers'])

    def test_nobody_there(self):
        client = self.make_client(base_url='http://127.0.0.1:1')
        error = self.assert_fails(errors.NoAnswer, lambda: client.get_payment(REFERENCE))
        self.assertTrue(error.retryable)

    def test_keys_are_only_sent_by_https_or_to_this_machine(self):
        for url in ('http://api.vipps.no', 'ftp://127.0.0.1', 'api.vipps.no', ''):
            with self.subTest(url=url), self.assertRaises(ValueError):
                self.make_client(base_url=url)

    def test_a_cancelled_payment_is_cancelled_again(self):
        for repeated, code in (
            (payment('TERMINATED', cancelled=100), '6050'),
            (payment(authorized=100, cancelled=100), '6190'),
        ):
            with self.subTest(code=code):
                self.server.answers = [problem(400, code), success(repeated)]
                self.assertEqual(self.client.cancel(REFERENCE).cancelled, 100)
        self.server.answers = [problem(400, '6050'), success(payment('EXPIRED'))]
        self.assert_fails(errors.Refused, lambda: self.client.cancel(REFERENCE))

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

    def test_a_push_message_leads_nowhere(self):
        self.server.answers = [success({'reference': REFERENCE}, 201)]
        self.assertEqual(self.push(), {'reference': REFERENCE})
        self.assertEqual(json.loads(self.server.requests[0]['body']), PUSH)
        self.assert_fails(errors.NoAnswer, self.create)

    def test_nobody_reads_the_code_of_a_customer(self):
        for kind, answer in (
            (errors.Refused, problem(400, '4060')), (errors.Forbidden, problem(403, '5080')),
            (errors.NoAnswer, problem(500)), (errors.NoAnswer, CUT),
            (errors.NoAnswer, (201, {}, CODE.encode())),
            (errors.NoAnswer, success({'customer': CODE}, 201)),
        ):
            with self.subTest(answer=answer):
                self.server.answers = [answer]
                self.assert_fails(kind, self.push)

    def test_events_are_in_order(self):
        events = [{
            'reference': REFERENCE, 'pspReference': f'psp-{minute}', 'name': 'CAPTURED',
            'amount': money(1), 'timestamp': f'2026-11-01T10:0{minute}:00.000Z', 'success': True,
        } for minute in (2, 1)]
        self.server.answers = [success(events)]
        self.assertEqual(
            [event.psp_reference for event in self.client.get_events(REFERENCE)], ['psp-1', 'psp-2']
        )
        self.server.answers = [success([events[0], {**events[1], 'reference': 'AB2CD-S00043-X'}])]
        self.assert_fails(errors.UnreadableAnswer, lambda: self.client.get_events(REFERENCE))

    def test_the_link_in_the_app(self):
        url = 'https://shop.example.com/my/orders/7?access_token=4798765432'
        self.server.answers = [problem(500), success('16328cb8-d769-4c53-90ad-e19777823f0a')]
        self.assertIsNone(self.client.put_category(REFERENCE, 'ORDER_CONFIRMATION', url))
        for request in self.server.requests:  # Setting it twice sets it once.
            self.assertEqual(request['method'], 'PUT')
            self.assertEqual(
                request['path'], f'/order-management/v2/ecom/categories/{REFERENCE}'
            )
            self.assertEqual(json.loads(request['body']), {
                'category': 'ORDER_CONFIRMATION', 'orderDetailsUrl': url,
            })
        self.assertEqual(len(self.server.requests), 2)
        self.server.answers = [problem(404)]
        self.assert_fails(
            errors.NotFound, lambda: self.client.put_category(REFERENCE, 'DELIVERY', url)
        )

    def test_shared_data_are_read(self):
        sub = 'c06c4afe-d9e1-4c5d-939a-177d752a0944'
        self.server.answers = [success({'sub': sub, 'name': "Ada Lovelace"})]
        self.assertEqual(self.client.get_user_info(sub), {'name': "Ada Lovelace"})
        request, = self.server.requests
        self.assertEqual(request['path'], f'/vipps-userinfo-api/userinfo/{sub}')
        self.assertTrue(request['headers']['ocp-apim-subscription-key'])
        for answer in ([], None, 'x'):
            self.server.answers = [success(answer)]
            self.assert_fails(errors.UnreadableAnswer, lambda: self.client.get_user_info(sub))
        self.server.answers = [problem(404)]
        self.assert_fails(errors.NotFound, lambda: self.client.get_user_info(sub))
        # The customer's identifier belongs in no log; only the HTTP library's debug logs have it.
        shown = [r.getMessage() for r in self.log if not r.name.startswith('urllib3')]
        self.assertIn('/vipps-userinfo-api/userinfo/...', ''.join(shown))
        self.assertNotIn(sub, ''.join(shown))

    def test_shared_data_are_read_without_a_key_if_none_is_taken(self):
        def answer(request):
            if 'ocp-apim-subscription-key' in request['headers']:
                return problem(401)
            return success({'name': "Ada Lovelace"})

        self.server.answers = [answer]
        self.assertEqual(self.client.get_user_info('a-b'), {'name': "Ada Lovelace"})
        self.server.answers = [problem(401)]
        self.assert_fails(errors.Unauthorized, lambda: self.client.get_user_info('a-b'))

    def test_webhooks(self):
        self.server.answers = [
            success({'id': 'w-1', 'secret': 's'}, 201),
            success({'webhooks': [{'id': 'w-1', 'url': 'https://shop/x', 'events': []}]}),
            (204, {}, b''),
        ]
        self.assertEqual(
            self.client.register_webhook('https://shop/x', ('a', 'b')), {'id': 'w-1', 'secret': 's'}
        )
        self.assertEqual(self.client.list_webhooks()[0]['id'], 'w-1')
        self.client.delete_webhook('w/1')
        self.assertEqual(self.server.requests[2]['path'], '/webhooks/v1/webhooks/w%2F1')

    def test_the_events_of_a_webhook_may_be_unknown(self):
        webhook = {'id': 'w-1', 'url': 'https://shop/x'}
        for more, expected in (
            ({}, []), ({'events': None}, []), ({'events': 'a'}, []), ({'events': {'a': 1}}, []),
            ({'events': ['a', None, ['b'], 'c']}, ['a', 'c']), ({'somethingNew': [{}]}, []),
        ):
            with self.subTest(more=more):
                self.server.answers = [success({'webhooks': [{**webhook, **more}]})]
                self.assertEqual(self.client.list_webhooks(), [{**webhook, 'events': expected}])

    def test_nothing_secret_is_logged_when_all_goes_well(self):
        self.server.answers = [CREATED]
        self.create()
        shown = ''.join(record.getMessage() for record in self.log)
        self.assertRegex(shown, r'POST /epayment/v1/payments: 201 in \d+ ms, attempt 1')
        for secret in SECRETS:
            self.assertNotIn(secret, shown)
