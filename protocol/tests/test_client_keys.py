import os
import tempfile
import threading
from unittest import mock

from .. import errors
from ..access_token import Credentials, TokenCache
from ..client import Client
from .client_case import CREATED, PAYLOAD, REFERENCE, SYSTEM, ClientCase, payment, problem, success
from .server import Server


class TestClientKeys(ClientCase):
    """Credentials, subscription keys and access tokens."""

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

    def test_keys_are_only_sent_by_https_or_to_this_machine(self):
        for url in ('http://api.vipps.no', 'ftp://127.0.0.1', 'api.vipps.no', ''):
            with self.subTest(url=url), self.assertRaises(ValueError):
                self.make_client(base_url=url)
