"""Credentials of a sales unit, and the access tokens that they are good for."""

import hashlib
import re
import threading
import time
from dataclasses import dataclass, field

from .errors import NO_ANSWER, NoAnswer, UnreadableAnswer

PATH = '/accesstoken/get'
MARGIN_SECONDS = 60
MARGIN_SHARE = 0.1  # of the life of a token
TOKEN_PATTERN = re.compile(r'[!-~]{1,8000}')  # the tokens that fit behind `Bearer` in a header
MAX_LIFETIME = 7 * 24 * 3600  # of a day, as documented


@dataclass(frozen=True)
class Credentials:
    """The keys of a sales unit in one environment."""

    base_url: str
    client_id: str = field(repr=False)
    client_secret: str = field(repr=False)
    subscription_key: str = field(repr=False)
    merchant_serial_number: str
    # As good as the other one; in use while that is replaced.
    secondary_subscription_key: str = field(repr=False, default='')

    @property
    def fingerprint(self):
        """Return a text that is different for other credentials, and does not give these away."""
        parts = (
            self.base_url, self.client_id, self.client_secret, self.subscription_key,
            self.merchant_serial_number, self.secondary_subscription_key,
        )
        return hashlib.sha256('\0'.join(parts).encode()).hexdigest()

    @property
    def subscription_keys(self):
        """Return the subscription keys that there are, the primary one first."""
        keys = [self.subscription_key, self.secondary_subscription_key]
        return [key for key in keys if key] or keys[:1]

    def headers(self):
        """Return the headers that a new access token is asked for with, but the subscription key;
        the sales unit need not be known for that.

        Access Token OpenAPI 2.0.0, `POST /accesstoken/get`.
        """
        return {
            'client_id': self.client_id,
            'client_secret': self.client_secret,
            **({'Merchant-Serial-Number': self.merchant_serial_number}
               if self.merchant_serial_number else {}),
        }


class TokenCache:
    """The access tokens of this process, in memory only.

    Of many threads that need a token at once, one fetches it and the others take that. Which
    subscription key was good last is remembered, too.
    """

    def __init__(self, clock=time.monotonic):
        self._clock = clock
        self._lock = threading.Lock()
        self._entries = {}

    def get(self, credentials, fetch, refused=None, timeout=-1):
        """Return a token that is still good.

        :param Credentials credentials: The credentials it is for.
        :param function fetch: Asks for a new one; returns the parsed JSON of the answer.
        :param str refused: A token that was refused although it seemed good.
        :param float timeout: How long to wait for threads that fetch one, in seconds; -1: as long
            as that takes.
        :rtype: str
        :raise VippsError: If there is none.
        """
        entry = self._get_entry(credentials.fingerprint)
        if not entry.lock.acquire(timeout=timeout if timeout == -1 else max(timeout, 0)):
            raise NoAnswer('waiting for an access token', NO_ANSWER, True)
        try:
            is_good = entry.token and entry.token != refused and self._clock() < entry.good_until
            if not is_good:
                entry.token = None
                asked = self._clock()
                entry.token, lifetime = parse(fetch())
                entry.good_until = asked + lifetime - max(MARGIN_SECONDS, MARGIN_SHARE * lifetime)
            return entry.token
        finally:
            entry.lock.release()

    def get_subscription_keys(self, credentials):
        """Return the subscription keys in the order in which they are to be tried.

        :param Credentials credentials: The credentials that they are of.
        :rtype: list[str]
        """
        good = self._get_entry(credentials.fingerprint).subscription_key
        return sorted(credentials.subscription_keys, key=lambda key: key != good)

    def prefer_subscription_key(self, credentials, key):
        """Remember that a subscription key is good while the other one is refused.

        :return: None
        """
        self._get_entry(credentials.fingerprint).subscription_key = key

    def _get_entry(self, fingerprint):
        with self._lock:
            return self._entries.setdefault(fingerprint, _Entry())


class _Entry:
    def __init__(self):
        self.lock = threading.Lock()
        self.token = None
        self.good_until = 0
        self.subscription_key = None


def parse(answer):
    """Return the token of an answer and its life in seconds; numbers are texts in it.

    :param answer: The parsed JSON of the answer.
    :rtype: tuple[str, int]
    :raise UnreadableAnswer: If there is no token in it.
    """
    try:
        token, lifetime = answer['access_token'], int(answer['expires_in'])
    except (KeyError, OverflowError, TypeError, ValueError):
        token = None
    # Raised behind the handler: the caught error has parts of the answer in it.
    if not isinstance(token, str) or not TOKEN_PATTERN.fullmatch(token):
        raise UnreadableAnswer('no access token in the answer')
    return token, min(lifetime, MAX_LIFETIME)
