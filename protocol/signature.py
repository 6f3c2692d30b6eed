"""The signatures of webhooks.

https://developer.vippsmobilepay.com/docs/APIs/webhooks-api/request-authentication/
"""

import base64
import hashlib
import hmac
from email.utils import formatdate
from urllib.parse import urlsplit

SCHEME = 'HMAC-SHA256 SignedHeaders=x-ms-date;host;x-ms-content-sha256&Signature='


def sign(secret, url, body, date=None):
    """Return the headers that sign a webhook.

    :param str secret: The secret of the registration; it is a text, not base64 to be decoded.
    :param str url: The registered URL.
    :param bytes body: The raw body.
    :param str date: The date as in RFC 1123; now if not given.
    :rtype: dict
    """
    parts = urlsplit(url)
    host = _get_host(parts)
    date = date or formatdate(usegmt=True)
    content = _base64(hashlib.sha256(body).digest())
    target = (parts.path or '/') + (f'?{parts.query}' if parts.query else '')
    text = f'POST\n{target}\n{date};{host};{content}'
    signature = hmac.new(
        secret.encode(), text.encode('utf-8', 'surrogatepass'), hashlib.sha256
    ).digest()
    return {
        'X-Ms-Date': date,
        'X-Ms-Content-Sha256': content,
        'Host': host,
        'Authorization': SCHEME + _base64(signature),
    }


def verify(secret, url, body, headers):
    """Return whether the signature of a webhook is right.

    Its age does not matter: a delivery may be repeated for days, and replaying one is harmless.

    :param str secret: The secret of the registration.
    :param str url: The registered URL; a proxy may have changed the one of the request.
    :param bytes body: The raw body.
    :param Mapping headers: The headers of the request. Some proxies drop `Authorization`, so that
                            `X-Vipps-Authorization` says the same.
    :rtype: bool
    """
    if not secret:
        return False
    received = {name.lower(): value for name, value in headers.items()}
    date = received.get('x-ms-date', '')
    expected = sign(secret, url, body, date)
    return bool(date) and _same(
        received.get('x-ms-content-sha256', ''), expected['X-Ms-Content-Sha256']
    ) and any(
        _same(received.get(name, ''), expected['Authorization'])
        for name in ('authorization', 'x-vipps-authorization')
    )


def _get_host(parts):
    """Return the host as HTTP clients send it: with its port only if that is not the usual one."""
    host = parts.netloc.rpartition('@')[2].lower()
    return host.removesuffix({'https': ':443', 'http': ':80'}.get(parts.scheme, ''))


def _same(received, expected):
    return hmac.compare_digest(
        received.encode('utf-8', 'surrogatepass'), expected.encode('ascii')
    )


def _base64(data):
    return base64.b64encode(data).decode()
