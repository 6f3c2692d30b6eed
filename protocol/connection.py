"""The connections to the APIs, on which nobody waits past an end."""

import http.client
import http.cookiejar
import io
import threading
import time
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

import requests
from requests.packages.urllib3 import connectionpool

CONNECT_SECONDS = 5
# A connection that was not used for longer may be gone without a word.
IDLE_SECONDS = 30
MAX_ANSWER_SIZE = 4 * 1024 * 1024
CHUNK_SIZE = 1024  # so small that an answer that drips is noticed

_idle_sessions = []  # each with when it was used last
_thread = threading.local()


def exchange(method, url, body, headers, end, proxies=None):
    """Send a request once, and return the answer.

    Looking up the address, several addresses, and a proxy have time limits of their own, or none:
    so this is done in another thread, which is left alone at the end.

    :param bytes body: The body, or None.
    :param float end: When it has to end, on the clock of `time.monotonic()`.
    :param dict proxies: The proxies, if not those of the environment.
    :return: The status, the body and the headers.
    :rtype: tuple[int, bytes, Mapping]
    :raise requests.RequestException: If there is no answer in time, or one that is too large.
    """
    outcome = {}

    def run():
        try:
            outcome['answer'] = _exchange(method, url, body, headers, end, proxies)
        except Exception as error:
            outcome['error'] = error

    seconds = end - time.monotonic()
    if seconds <= 0:  # All the time went into waiting for an access token.
        raise requests.Timeout
    thread = threading.Thread(target=run, name='vipps.call', daemon=True)
    thread.start()
    thread.join(seconds)
    if 'error' in outcome:
        raise outcome['error']
    if 'answer' not in outcome:
        raise requests.Timeout
    _thread.clock_offset = _get_clock_offset(outcome['answer'][2])
    return outcome['answer']


def take_clock_offset():
    """Return by how many seconds the clock of this machine was ahead when this thread last got an
    answer; None if that is not known, or was returned before.

    :rtype: float | None
    """
    offset, _thread.clock_offset = getattr(_thread, 'clock_offset', None), None
    return offset


def _get_clock_offset(headers):
    try:
        date = parsedate_to_datetime(headers.get('Date') or '')
        return (datetime.now(timezone.utc) - date).total_seconds()
    except (OverflowError, TypeError, ValueError):  # No date, or one without a time zone.
        return None


def _exchange(method, url, body, headers, end, proxies):
    _thread.end = end
    seconds = max(end - time.monotonic(), 0.001)
    session = _take_session()
    with session.request(
        method, url, data=body, headers=headers, timeout=(min(CONNECT_SECONDS, seconds), seconds),
        allow_redirects=False, stream=True, proxies=proxies,
    ) as response:
        answer = response.status_code, _read(response, end), response.headers
    _idle_sessions.append((session, time.monotonic()))
    return answer


def _read(response, end):
    """Return the body of an answer, unless it is too large or comes too slowly."""
    if ',' in response.headers.get('Content-Encoding', ''):
        raise requests.RequestException  # A kilobyte that was packed twice can be a gigabyte.
    content = bytearray()
    for chunk in response.iter_content(CHUNK_SIZE):
        content += chunk
        if len(content) > MAX_ANSWER_SIZE or time.monotonic() > end:
            raise requests.RequestException
    return content


def _take_session():
    """Return connections that nobody uses, which are kept open between requests."""
    while _idle_sessions:
        try:
            session, since = _idle_sessions.pop()
        except IndexError:  # Another thread was faster.
            break
        if time.monotonic() - since <= IDLE_SECONDS:
            return session
        session.close()
    session = requests.Session()
    session.auth = lambda request: request  # or a ~/.netrc would replace the token
    session.cookies.set_policy(http.cookiejar.DefaultCookiePolicy(allowed_domains=[]))
    for adapter in session.adapters.values():
        adapter.poolmanager.pool_classes_by_scheme = {'http': _HttpPool, 'https': _HttpsPool}
    return session


class _Stream(io.RawIOBase):
    """The data that come in a connection, before the end of the request of this thread.

    The time limits of sockets are for each piece, however small it is, also of the headers.
    """

    def __init__(self, stream, sock):
        self._stream = stream
        self._sock = sock

    def readable(self):
        return True

    def readinto(self, buffer):
        self._sock.settimeout(max(_thread.end - time.monotonic(), 0.001))
        return self._stream.readinto(buffer)

    def close(self):
        self._stream.close()
        super().close()


class _Response(http.client.HTTPResponse):
    def __init__(self, sock, *args, **kwargs):
        super().__init__(sock, *args, **kwargs)
        self.fp = io.BufferedReader(_Stream(self.fp.detach(), sock))


class _HttpConnection(connectionpool.HTTPConnectionPool.ConnectionCls):
    response_class = _Response


class _HttpsConnection(connectionpool.HTTPSConnectionPool.ConnectionCls):
    response_class = _Response


class _HttpPool(connectionpool.HTTPConnectionPool):
    ConnectionCls = _HttpConnection


class _HttpsPool(connectionpool.HTTPSConnectionPool):
    ConnectionCls = _HttpsConnection
