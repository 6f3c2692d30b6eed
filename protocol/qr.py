"""The QR API: codes that are printed once and used again and again.

A *redirect* code opens a web page. A *callback* code is the sticker of a till: the customer who
scans it checks in, and the event `user.checked-in.v1` has a token to make the payment with.

https://developer.vippsmobilepay.com/docs/APIs/qr-api/
"""

import re
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import quote, urlencode, urlsplit

import requests
from requests.packages.urllib3.exceptions import HTTPError

from . import connection
from .errors import NO_ANSWER, Conflict, NoAnswer, NotFound, UnreadableAnswer, _
from .fields import Fields
from .payment import is_address
from .text import cut

CALLBACKS = '/qr/v1/merchant-callback'
REDIRECTS = '/qr/v1/merchant-redirect'

CHECKED_IN = 'user.checked-in.v1'
TOKEN_SECONDS = 15 * 60  # How long a payment can be made with the token of a check-in.
MAX_TOKEN = 4096

MAX_LOCATION = 36
MIN_TTL, MAX_TTL = 300, 2**31 - 1
# As the API writes them; `\w` has letters of all languages.
ID_PATTERN = re.compile(r'[-+%\w\s]{1,128}')
REDIRECT_PATTERN = re.compile(r'https://[\w.]+([\w#!:.?+=&%@\-/]+)?')
# What a path may have: the ids of our own stickers, and those of MobilePay.
STICKER_ID_PATTERN = re.compile(r'[-\w]{1,128}', re.ASCII)

# The last is for redirect codes: not a picture, but what is in the code.
IMAGE_FORMATS = {'PNG': 'image/png', 'SVG': 'image/svg+xml', 'TEXT': 'text/targetUrl'}
PNG_START = b'\x89PNG\r\n\x1a\n'
# The hosts of pictures of codes.
PICTURE_HOST = re.compile(r'(\w[\w-]*\.)*vipps\.no', re.ASCII)

UNKNOWN_CODE = _(
    "Vipps MobilePay does not know this code: it was removed, or it is one of another sales unit."
)
CODE_EXISTS = _("There is a code with this name already at Vipps MobilePay.")
NOT_TO_TAKE_OVER = _(
    "Vipps MobilePay does not hand over this sticker: another sales unit uses it. Check its number."
)


class UnknownCode(NotFound):
    """There is no such code, at least not for this sales unit."""


class CodeExists(Conflict):
    """A code has this id already: maybe an earlier request made it."""


@dataclass(frozen=True)
class CallbackQr:
    """The sticker of a till."""

    qr_id: str
    location: str  # shown to the customer
    picture_url: str  # may change: to be read again each time
    content: str  # what is in the code

    @classmethod
    def parse(cls, data):
        """Return the sticker of an answer.

        :param data: The parsed JSON.
        :rtype: CallbackQr
        :raise UnreadableAnswer: If it is none.
        """
        fields = Fields(data, 'a callback QR')
        return cls(
            qr_id=fields.get_text('merchantQrId'),
            location=fields.get_free_text('locationDescription'),
            picture_url=_get_address(fields, 'qrImageUrl'),
            content=fields.get_text('qrContent', max_length=MAX_TOKEN),
        )


@dataclass(frozen=True)
class RedirectQr:
    """A code that opens a web page."""

    qr_id: str
    url: str  # of the picture, or what is in the code: as was asked for
    redirect_url: str  # the page
    expires_in: int | None  # in seconds; None for one that does not expire

    @classmethod
    def parse(cls, data):
        """Return the code of an answer.

        :param data: The parsed JSON.
        :rtype: RedirectQr
        :raise UnreadableAnswer: If it is none.
        """
        fields = Fields(data, 'a redirect QR')
        expires_in = data.get('expiresIn')
        is_time = type(expires_in) is int and expires_in >= 0
        return cls(
            qr_id=fields.get_text('id'),
            url=_get_address(fields, 'url'),
            redirect_url=_get_address(fields, 'redirectUrl'),
            expires_in=expires_in if is_time else None,
        )


@dataclass(frozen=True)
class CheckIn:
    """A customer who has scanned a sticker.

    The token is a secret: whoever has it can ask the customer for money.
    """

    qr_id: str
    token: str = field(repr=False)
    msn: str | None
    time: datetime  # in UTC without a time zone

    @classmethod
    def parse(cls, data):
        """Return the check-in of an event.

        :param data: The parsed JSON.
        :rtype: CheckIn
        :raise UnreadableAnswer: If it is none.
        """
        fields = Fields(data, 'a check-in')
        return cls(
            qr_id=fields.get_text('merchantQrId'),
            token=fields.get_text('customerToken', max_length=MAX_TOKEN),
            # It was called otherwise before.
            msn=fields.get_text_or_none('msn') or fields.get_text_or_none('merchantSerialNumber'),
            time=fields.get_moment('initiatedAt'),
        )


def is_check_in(data):
    """Return whether the body of an event is that of a check-in: it has no name."""
    return isinstance(data, dict) and 'customerToken' in data and 'merchantQrId' in data


class QrApi:
    """The calls of the QR API, a part of :class:`apis.VippsClient`.

    There are no idempotency keys. Putting, reading and deleting may be repeated; creating a
    redirect again is refused as a conflict.
    """

    # Callback: QR OpenAPI 1.0

    def put_callback_qr(self, qr_id, location):
        """Make a sticker, or change its place; the picture stays the same.

        :param str qr_id: The id, which is part of each check-in.
        :param str location: The place, as the customer reads it; cut to 36 characters.
        :return: None
        """
        with _about_codes():
            self._put_sticker(_sticker_path(qr_id), location)

    def take_over_callback_qr(self, qr_id, location):
        """Use an old sticker of MobilePay, or change its place.

        :param str qr_id: The id of the sticker, which was called beacon.
        :param str location: The place, as the customer reads it; cut to 36 characters.
        :return: None
        :raise CodeExists: If it is not to be had.
        """
        with _about_codes(NOT_TO_TAKE_OVER):
            self._put_sticker(_sticker_path(qr_id, '/mobilepay'), location)

    def _put_sticker(self, path, location):
        self._request('PUT', path, {'locationDescription': cut_location(location)})

    def get_callback_qr(self, qr_id, image_format='PNG', size=1000):
        """Read a sticker.

        :param str qr_id: The id.
        :param str image_format: One of :data:`IMAGE_FORMATS`.
        :param int size: The width of the picture in pixels, for PNG.
        :rtype: CallbackQr
        :raise UnknownCode: If there is none.
        """
        query = urlencode({'QrImageFormat': image_format, 'QrImageSize': size})
        with _about_codes():
            sticker = CallbackQr.parse(self._request('GET', f'{_sticker_path(qr_id)}?{query}'))
        if sticker.qr_id != qr_id:
            raise UnreadableAnswer('another callback QR in the answer')
        return sticker

    def list_callback_qrs(self):
        """Read all stickers of the sales unit.

        :rtype: list[CallbackQr]
        """
        with _about_codes():
            return _parse_list(CallbackQr, self._request('GET', CALLBACKS))

    def delete_callback_qr(self, qr_id):
        """Delete a sticker: whoever scans it can no longer check in.

        :return: None
        :raise UnknownCode: If there is none.
        """
        with _about_codes():
            self._request('DELETE', _sticker_path(qr_id))

    # Redirect: QR OpenAPI 1.0

    def create_redirect_qr(self, qr_id, redirect_url, ttl=None, image_format='PNG', size=1000):
        """Make a code that opens a web page.

        :param str qr_id: The id, of letters, digits, spaces, `-`, `_`, `+` and `%`.
        :param str redirect_url: The page, by https; see :func:`is_redirect_url`.
        :param int ttl: The seconds until the code expires; None for one that does not.
        :param str image_format: One of :data:`IMAGE_FORMATS`.
        :param int size: The width of the picture in pixels.
        :rtype: RedirectQr
        :raise CodeExists: If a code has this id: then :meth:`update_redirect_qr`.
        :raise ValueError: If the API would refuse it.
        """
        if not ID_PATTERN.fullmatch(qr_id):
            raise ValueError("not a valid id of a code")
        if not is_redirect_url(redirect_url):
            raise ValueError("not an address for a code")
        if ttl is not None and not MIN_TTL <= ttl <= MAX_TTL:
            raise ValueError("a code is good for 5 minutes at least")
        body = {'id': qr_id, 'redirectUrl': redirect_url, **({'ttl': ttl} if ttl else {})}
        with _about_codes():
            return self._parse_redirect(qr_id, self._request(
                'POST', REDIRECTS, body, more_headers=_picture_headers(image_format, size),
            ))

    def get_redirect_qr(self, qr_id, image_format='PNG', size=1000):
        """Read a code; see :meth:`create_redirect_qr`.

        :rtype: RedirectQr
        :raise UnknownCode: If there is none.
        """
        with _about_codes():
            return self._parse_redirect(qr_id, self._request(
                'GET', _redirect_path(qr_id), more_headers=_picture_headers(image_format, size),
            ))

    def list_redirect_qrs(self):
        """Read all codes of the sales unit that open web pages.

        :rtype: list[RedirectQr]
        """
        with _about_codes():
            return _parse_list(RedirectQr, self._request(
                'GET', REDIRECTS, more_headers=_picture_headers('PNG', 1000),
            ))

    def update_redirect_qr(self, qr_id, redirect_url, image_format='PNG', size=1000):
        """Let a code open another page; it applies to printed ones at once.

        :rtype: RedirectQr
        :raise UnknownCode: If there is none.
        :raise ValueError: If the API would refuse it.
        """
        if not is_redirect_url(redirect_url):
            raise ValueError("not an address for a code")
        with _about_codes():
            return self._parse_redirect(qr_id, self._request(
                'PUT', _redirect_path(qr_id), {'redirectUrl': redirect_url},
                more_headers=_picture_headers(image_format, size),
            ))

    def delete_redirect_qr(self, qr_id):
        """Delete a code, for ever: one that is made anew with this id looks otherwise.

        :return: None
        :raise UnknownCode: If there is none.
        """
        with _about_codes():
            self._request('DELETE', _redirect_path(qr_id))

    @staticmethod
    def _parse_redirect(qr_id, data):
        code = RedirectQr.parse(data)
        if code.qr_id != qr_id:
            raise UnreadableAnswer('another redirect QR in the answer')
        return code

    # Pictures

    def fetch_qr_picture(self, url):
        """Fetch the picture of a code. It has a public address, and is to be fetched each time.

        :param str url: The address, as the API said it.
        :return: The picture, as PNG.
        :rtype: bytes
        """
        operation = 'GET the picture of a code'
        base, parts = urlsplit(self._credentials.base_url), urlsplit(url)
        is_known = parts.scheme == 'https' and bool(
            PICTURE_HOST.fullmatch(parts.netloc)
        ) or self._is_local and (parts.scheme, parts.netloc) == (base.scheme, base.netloc)
        if not is_known:
            raise UnreadableAnswer('the picture of a code is not at Vipps MobilePay')
        end = time.monotonic() + self._deadline
        try:
            status, content, _headers = connection.exchange(
                'GET', url, None, {}, end, proxies={'no_proxy': '*'} if self._is_local else None,
            )
        except (requests.RequestException, HTTPError):
            status = content = None
        if status != 200:
            raise NoAnswer(operation, NO_ANSWER, True, status)
        if not content.startswith(PNG_START):
            raise UnreadableAnswer('the picture of a code is no PNG')
        return bytes(content)


def is_redirect_url(url):
    """Return whether a code can open a page: the API takes fewer characters than the web."""
    return bool(REDIRECT_PATTERN.fullmatch(url)) and is_address(url)


def is_sticker_id(text):
    """Return whether a text can be the id of a sticker."""
    return bool(STICKER_ID_PATTERN.fullmatch(text or ''))


def cut_location(text):
    """Return the place of a sticker as the API takes it."""
    return cut(' '.join(text.split()), MAX_LOCATION).strip()


@contextmanager
def _about_codes(conflict_sentence=CODE_EXISTS):
    """Let errors say that they are about codes and not about payments."""
    kind = sentence = None
    try:
        yield
    except NotFound as error:
        kind, sentence, cause = UnknownCode, UNKNOWN_CODE, error
    except Conflict as error:
        kind, sentence, cause = CodeExists, conflict_sentence, error
    if kind:
        raise kind(
            cause.operation, sentence, False, cause.status, cause.code, cause.trace_id,
            fields=cause.fields,
        )


def _sticker_path(qr_id, folder=''):
    if not is_sticker_id(qr_id):
        raise ValueError("not a valid id of a sticker")
    return f'{CALLBACKS}{folder}/{qr_id}'


def _redirect_path(qr_id):
    return f'{REDIRECTS}/{quote(qr_id, safe="")}'


def _picture_headers(image_format, size):
    return {'Accept': IMAGE_FORMATS[image_format], 'Size': str(size)}


def _parse_list(kind, answer):
    if not isinstance(answer, list):
        raise UnreadableAnswer('no list of codes in the answer')
    return [kind.parse(item) for item in answer]


def _get_address(fields, name):
    address = fields.get_text(name, max_length=MAX_TOKEN)
    if not is_address(address):
        raise UnreadableAnswer(f'a strange {name} of a code')
    return address
