import contextlib
import itertools
import json
import socket
import threading
import time
from unittest import mock

from .. import connection, errors
from ..access_token import TokenCache
from .client_case import CREATED, PAYLOAD, REFERENCE, SOON, ClientCase, payment, problem, success
from .server import CUT


class TestClientWaiting(ClientCase):
    """Repetitions and deadlines."""

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
                    self.assertLess(time.monotonic() - started, SOON)

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
                self.assertLess(time.monotonic() - started, SOON)
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
            self.assertLess(time.monotonic() - started, SOON)

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
            self.assertLess(time.monotonic() - started, SOON)
        self.server.answers = [slow(problem(400, '6050')), self.hold]
        started = time.monotonic()
        client = self.make_client(deadline=0.9)
        self.assert_fails(errors.NoAnswer, lambda: client.cancel(REFERENCE))
        self.assertLess(time.monotonic() - started, SOON)

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
        patient = self.make_client(deadline=2, tokens=tokens)
        hurried = self.make_client(deadline=0.1, tokens=tokens)
        thread = threading.Thread(target=lambda: self.assert_fails(
            errors.NoAnswer, lambda: patient.get_payment(REFERENCE)
        ))
        thread.start()
        arrived.wait()
        self.assert_fails(errors.NoAnswer, lambda: hurried.get_payment(REFERENCE))
        self.assertTrue(thread.is_alive())
        thread.join()
        self.assertEqual(len(self.server.token_requests), 1)

    def test_a_registration_is_not_repeated(self):
        self.server.answers = [problem(500)]
        self.assert_fails(
            errors.NoAnswer, lambda: self.client.register_webhook('https://shop/x', ['a'])
        )
        self.assertEqual(len(self.server.requests), 1)
