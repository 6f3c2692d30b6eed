import threading
import unittest

from ..access_token import Credentials, TokenCache
from ..errors import NoAnswer

KEYS = {
    'base_url': 'https://apitest.vipps.no', 'client_id': 'the-client-id',
    'client_secret': 'the-client-secret', 'subscription_key': 'the-subscription-key',
    'merchant_serial_number': '123456',
}


class TestAccessToken(unittest.TestCase):

    def setUp(self):
        self.now = 0
        self.fetched = []
        self.cache = TokenCache(clock=lambda: self.now)

    def fetch(self, lifetime='3600'):
        self.fetched.append(f'token-{len(self.fetched) + 1}')
        return {'access_token': self.fetched[-1], 'expires_in': lifetime}

    def get(self, refused=None, lifetime='3600', **keys):
        return self.cache.get(
            Credentials(**{**KEYS, **keys}), lambda: self.fetch(lifetime), refused
        )

    def test_a_token_is_kept_until_ten_percent_of_its_life_are_left(self):
        self.assertEqual(self.get(), 'token-1')
        self.now = 3239
        self.assertEqual(self.get(), 'token-1')
        self.now = 3240
        self.assertEqual(self.get(), 'token-2')

    def test_a_short_token_is_kept_until_a_minute_is_left(self):
        self.get(lifetime='300')
        self.now = 239
        self.assertEqual(self.get(), 'token-1')
        self.now = 240
        self.assertEqual(self.get(), 'token-2')

    def test_each_environment_and_each_key_has_tokens_of_its_own(self):
        tokens = {self.get()}
        for name in KEYS:
            tokens.add(self.get(**{name: 'https://other.example.com'}))
        self.assertEqual(len(tokens), 1 + len(KEYS))
        self.assertEqual(self.get(), 'token-1')

    def test_many_threads_with_a_refused_token_fetch_one_new_token(self):
        self.get()
        barrier = threading.Barrier(20)
        tokens = []

        def use_refused_token():
            barrier.wait()
            tokens.append(self.get(refused='token-1'))

        threads = [threading.Thread(target=use_refused_token) for _i in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(tokens, ['token-2'] * 20)
        self.assertEqual(self.fetched, ['token-1', 'token-2'])

    def test_an_answer_without_a_token_is_not_kept(self):
        for answer in (
            {}, None, [], {'access_token': 'x'}, {'access_token': 1, 'expires_in': '1'},
            {'access_token': 'x', 'expires_in': 'long'},
            {'access_token': 'x\r\ny', 'expires_in': '3600'},
            {'access_token': 'x' * 9000, 'expires_in': '3600'},
            {'access_token': 'x', 'expires_in': float('inf')},
            {'access_token': 'x', 'expires_in': float('nan')},
        ):
            with self.subTest(answer=answer), self.assertRaises(NoAnswer):
                self.cache.get(Credentials(**KEYS), lambda answer=answer: answer)
        self.assertEqual(self.get(), 'token-1')

    def test_no_token_is_kept_for_ever(self):
        self.get(lifetime='9' * 400)
        self.now = 365 * 24 * 3600
        self.assertEqual(self.get(), 'token-2')

    def test_credentials_do_not_show_themselves(self):
        credentials = Credentials(**KEYS)
        for shown in (repr(credentials), str(credentials), credentials.fingerprint):
            for name in ('client_id', 'client_secret', 'subscription_key'):
                self.assertNotIn(KEYS[name], shown)
