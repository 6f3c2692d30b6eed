import base64
import hashlib
import hmac
import json
import secrets
from collections import deque

LIFETIME = 3600  # as in the test environment
MOST_ISSUED = 10_000  # a demo may run for days


class Tokens:
    """Access tokens that carry their claims; they are kept only to revoke them."""

    def __init__(self, clock):
        self._clock = clock
        self.issued = deque(maxlen=MOST_ISSUED)
        self.revoke()

    def revoke(self):
        """Let no token be good that was issued so far."""
        self._key = secrets.token_bytes(32)

    def issue(self, unit):
        """Return the answer to the request for an access token; every value is a string."""
        now = int(self._clock.now())
        claims = {
            'msn': unit.msn, 'exp': now + LIFETIME,
            'nonce': secrets.token_urlsafe(750),  # real ones have more than 1000 characters
        }
        head = _encode(json.dumps({'typ': 'JWT', 'alg': 'HS256'}).encode())
        content = f'{head}.{_encode(json.dumps(claims).encode())}'
        token = f'{content}.{self._sign(content)}'
        self.issued.append(token)
        return {
            'token_type': 'Bearer',
            'expires_in': str(LIFETIME),
            'ext_expires_in': str(LIFETIME),
            'expires_on': str(now + LIFETIME),
            'not_before': str(now),
            'resource': '00000002-0000-0000-c000-000000000000',
            'access_token': token,
        }

    def msn(self, token):
        """Return the MSN a token was issued for; None when it is none of ours or has expired."""
        content, _dot, signature = token.rpartition('.')
        if not hmac.compare_digest(signature.encode(), self._sign(content).encode()):
            return None
        payload = content.partition('.')[2]
        claims = json.loads(base64.urlsafe_b64decode(payload + '=' * (-len(payload) % 4)))
        return claims['msn'] if self._clock.now() < claims['exp'] else None

    def _sign(self, content):
        return _encode(hmac.new(self._key, content.encode(), hashlib.sha256).digest())


def _encode(value):
    return base64.urlsafe_b64encode(value).rstrip(b'=').decode()
