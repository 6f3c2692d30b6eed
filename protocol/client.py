"""The HTTP client: headers, retries, and the values that are taken from an answer."""

import json
import logging
import random
import time
from urllib.parse import quote, urlsplit

import requests
from requests.packages.urllib3.exceptions import HTTPError

from . import access_token, connection, payloads, user_info
from .errors import (
    NO_ANSWER,
    WRONG_KEYS,
    NoAnswer,
    NotNow,
    Refused,
    SubscriptionKeyRefused,
    Unauthorized,
    UnreadableAnswer,
    from_response,
)
from .payment import Event, Payment, is_address
from .strict_json import parse_json

_logger = logging.getLogger(__name__)

# A person or a worker waits: a call ends within this time, with all its requests.
DEADLINE_SECONDS = 20
MAX_ATTEMPTS = 3
FIRST_PAUSE_SECONDS = 0.5

PAYMENTS = '/epayment/v1/payments'
WEBHOOKS = '/webhooks/v1/webhooks'
# `ecom` is for ePayment, too.
# https://developer.vippsmobilepay.com/docs/APIs/order-management-api/order-management-api-guide/
CATEGORIES = '/order-management/v2/ecom/categories'
USERINFO = '/vipps-userinfo-api/userinfo'

# Repeating a cancellation gives one of these.
NOTHING_TO_CANCEL_CODES = ('6050', '6190')

_tokens = access_token.TokenCache()


class Client:
    """Payments, webhooks and tokens of one sales unit. Amounts are in minor units.

    :class:`apis.VippsClient` adds the other APIs.

    Every method raises an `errors.VippsError`: `NoAnswer` when it is unknown whether the request
    took effect, `Refused` when it certainly did not.
    """

    def __init__(
        self, credentials, system, *, deadline=DEADLINE_SECONDS, max_attempts=MAX_ATTEMPTS,
        tokens=_tokens, sleep=time.sleep, on_refused_key=None,
    ):
        """Prepare a client; nothing is sent.

        :param access_token.Credentials credentials: The keys of the sales unit.
        :param dict system: The four `Vipps-System-*` headers.
        :param float deadline: The seconds that a call may take, with all its requests.
        :param int max_attempts: How often a request is sent at most until there is an answer.
        :param access_token.TokenCache tokens: Where access tokens are kept.
        :param function sleep: Waits for some seconds.
        :param function on_refused_key: Called when a subscription key is refused and the other one
            is not; with whether the secondary one is refused.
        :raise ValueError: If the credentials could be read on their way.
        """
        parts = urlsplit(credentials.base_url)
        host = parts.hostname or ''
        self._is_local = host in ('localhost', '::1') or host.startswith('127.')
        if parts.scheme != 'https' and not (parts.scheme == 'http' and self._is_local):
            raise ValueError("the API must be called by https")
        self._credentials = credentials
        self._system = {name: value[:30] for name, value in system.items()}
        self._deadline = deadline
        self._max_attempts = max_attempts
        self._tokens = tokens
        self._sleep = sleep
        self._on_refused_key = on_refused_key

    # Payments: ePayment OpenAPI 1.8.1

    def create_payment(self, payload, idempotency_key):
        """Create a payment.

        :param dict payload: The body of :func:`payloads.create_payment`.
        :param str idempotency_key: The key of this operation.
        :return: The `reference`, and the `redirectUrl` unless the customer gets a push message.
        :rtype: dict
        """
        answer = self._request('POST', PAYMENTS, payload, idempotency_key)
        # The app of a customer who has checked in needs no URL.
        is_known = 'customerToken' in payload.get('customer', {})
        has_url = payload['userFlow'] != 'PUSH_MESSAGE' and not is_known
        name = 'redirectUrl' if has_url else 'reference'
        if not _has_texts(answer, name) or (
            name == 'redirectUrl' and not is_address(answer[name])
        ):
            raise UnreadableAnswer(f'no {name} in the answer')
        if answer.get('reference', payload['reference']) != payload['reference']:
            raise UnreadableAnswer('another payment in the answer')
        return answer

    def get_payment(self, reference):
        """Read a payment.

        :rtype: Payment
        """
        return Payment.parse(self._request('GET', _path(reference)))

    def get_events(self, reference):
        """Read the event log of a payment, oldest event first.

        :rtype: list[Event]
        """
        answer = self._request('GET', _path(reference, 'events'))
        if not isinstance(answer, list):
            raise UnreadableAnswer('no events in the answer')
        events = sorted(map(Event.parse, answer), key=lambda event: event.timestamp)
        if any(event.reference != reference for event in events):
            raise UnreadableAnswer('an event of another payment in the answer')
        return events

    def capture(self, reference, amount, currency, idempotency_key):
        """Capture a part of the reserved amount, or all of it.

        :param int amount: The amount, in minor units.
        :rtype: Payment
        """
        return self._modify('capture', reference, amount, currency, idempotency_key)

    def refund(self, reference, amount, currency, idempotency_key):
        """Refund a part of the captured amount, or all of it.

        :param int amount: The amount, in minor units.
        :rtype: Payment
        """
        return self._modify('refund', reference, amount, currency, idempotency_key)

    def cancel(self, reference, only_unapproved=False):
        """Cancel a payment before its approval, or release the rest of the reservation after it.

        Cancelling a cancelled payment is a success.

        :param bool only_unapproved: Whether an approved payment is refused.
        :rtype: Payment
        """
        end = self._get_end()
        try:
            return Payment.parse(self._request(
                'POST', _path(reference, 'cancel'), {'cancelTransactionOnly': only_unapproved},
                end=end,
            ))
        except Refused as error:
            if error.code not in NOTHING_TO_CANCEL_CODES:
                raise
            payment = Payment.parse(self._request('GET', _path(reference), end=end))
            if not payment.cancelled or payment.remaining:
                raise
            return payment

    def _modify(self, operation, reference, amount, currency, idempotency_key):
        return Payment.parse(self._request(
            'POST', _path(reference, operation), payloads.modification(amount, currency),
            idempotency_key,
        ))

    # The app: Order Management OpenAPI 2.1

    def put_category(self, reference, name, url):
        """Set the link that the app shows with a payment; it replaces an earlier one.

        :param str name: The kind of page behind the link, one of `payloads.CATEGORIES`.
        :param str url: Where the link leads.
        :return: None
        """
        path = f'{CATEGORIES}/{quote(reference, safe="")}'
        self._request('PUT', path, payloads.category(name, url))

    # The customer: Userinfo OpenAPI 2.0.3

    def get_user_info(self, sub):
        """Read the data that a customer shared with a payment.

        The documents differ on whether this API takes a subscription key, so it is tried without
        it, too.

        :param str sub: The identifier of the customer at the sales unit.
        :return: See :func:`user_info.parse_userinfo`.
        :rtype: dict
        """
        path = f'{USERINFO}/{quote(sub, safe="")}'
        end = self._get_end()
        try:
            answer = self._request('GET', path, end=end)
        except Unauthorized:
            answer = self._request('GET', path, with_key=False, end=end)
        if not isinstance(answer, dict):
            raise UnreadableAnswer('no customer in the answer')
        if answer.get('sub', sub) != sub:
            raise UnreadableAnswer('another customer in the answer')
        return user_info.parse_userinfo(answer)

    # Webhooks: Webhooks API v1

    def list_webhooks(self):
        """Return the registrations of the sales unit, each with `id`, `url` and `events`: the names
        of the events it is for, none if the answer does not say.

        :rtype: list[dict]
        """
        answer = self._request('GET', WEBHOOKS)
        webhooks = answer.get('webhooks') if isinstance(answer, dict) else None
        # One that was left out would seem to be deleted.
        if not isinstance(webhooks, list) or not all(
            _has_texts(webhook, 'id', 'url') for webhook in webhooks
        ):
            raise UnreadableAnswer('no webhooks in the answer')
        return [
            {'id': webhook['id'], 'url': webhook['url'], 'events': _get_event_names(webhook)}
            for webhook in webhooks
        ]

    def register_webhook(self, url, events=payloads.PAYMENT_EVENTS):
        """Register a URL for events, all of payments if not said otherwise.

        :return: The `id` and the `secret`, which cannot be read again.
        :rtype: dict
        """
        answer = self._request('POST', WEBHOOKS, {'url': url, 'events': list(events)})
        if not _has_texts(answer, 'id', 'secret'):
            raise UnreadableAnswer('no webhook in the answer')
        return answer

    def delete_webhook(self, webhook_id):
        """Delete a registration.

        :return: None
        """
        self._request('DELETE', f'{WEBHOOKS}/{quote(webhook_id, safe="")}')

    # Access token: Access Token OpenAPI 2.0.0

    def fetch_token(self):
        """Ask for an access token, whether there is a good one or not.

        :return: None
        """
        access_token.parse(self._fetch_token(self._get_end()))

    def _fetch_token(self, end):
        headers = {**self._system, **self._credentials.headers()}
        return self._try_keys('POST', access_token.PATH, b'', headers, end)

    # Requests

    def _get_end(self):
        return time.monotonic() + self._deadline

    def _request(
        self, method, path, payload=None, idempotency_key=None, with_key=True, end=None,
        more_headers=None,
    ):
        """Send a request with an access token; one that is refused is replaced once.

        :param float end: When it has to end, if it is one of several requests of a call.
        :param dict more_headers: Those that only this API takes.
        :return: The parsed JSON of the answer, or None if it is empty.
        """
        body = None if payload is None else json.dumps(payload).encode()
        headers = {
            **self._system,
            'Merchant-Serial-Number': self._credentials.merchant_serial_number,
            **(more_headers or {}),
        }
        if body is not None:
            headers['Content-Type'] = 'application/json'
        if idempotency_key:
            headers['Idempotency-Key'] = idempotency_key
        # A second cancellation changes nothing; a second registration would be a second webhook.
        may_repeat = method != 'POST' or idempotency_key or path.endswith('/cancel')
        end = end or self._get_end()
        send = self._try_keys if with_key else self._repeat
        refused_token = None
        while True:
            token = self._tokens.get(
                self._credentials, lambda: self._fetch_token(end), refused=refused_token,
                timeout=end - time.monotonic(),
            )
            headers['Authorization'] = f'Bearer {token}'
            try:
                return send(method, path, body, headers, end, may_repeat)
            except Unauthorized:
                if refused_token:
                    raise
                refused_token = token

    def _try_keys(self, method, path, body, headers, end, may_repeat=True):
        """Send a request with the subscription key that was good last, and with the other one if
        that is refused: then it certainly did not take effect."""
        keys = self._tokens.get_subscription_keys(self._credentials)
        for key in keys:
            headers['Ocp-Apim-Subscription-Key'] = key
            try:
                answer = self._repeat(method, path, body, headers, end, may_repeat)
            except SubscriptionKeyRefused:
                if key == keys[-1]:
                    raise
                continue
            if key != keys[0]:
                self._tokens.prefer_subscription_key(self._credentials, key)
                if self._on_refused_key:
                    self._on_refused_key(keys[0] != self._credentials.subscription_key)
            return answer

    def _repeat(self, method, path, body, headers, end, may_repeat=True):
        """Send a request, again if that can help, until the end."""
        for attempt in range(1, self._max_attempts + 1):
            try:
                return self._send(method, path, body, headers, end, attempt)
            except NoAnswer as error:
                # Jittered, so that clients that were refused together do not come back together.
                pause = error.retry_after or (
                    FIRST_PAUSE_SECONDS * 2 ** (attempt - 1) * random.uniform(0.5, 1.5)
                )
                # A payment that is not ready for this will not be in a second.
                is_too_early = isinstance(error, NotNow) and error.status not in (423, 429)
                if (
                    is_too_early or not may_repeat or attempt == self._max_attempts
                    or time.monotonic() + pause >= end
                ):
                    raise
            self._sleep(pause)

    def _send(self, method, path, body, headers, end, attempt):
        """Send a request once; the only place where one leaves."""
        operation = f'{method} {_without_customer(path)}'
        started = time.monotonic()
        answer = error = status = None
        try:
            status, content, answer_headers = connection.exchange(
                method, self._credentials.base_url.rstrip('/') + path, body, headers, end,
                # Keys for a simulator on this machine must not go by a proxy of the network.
                proxies={'no_proxy': '*'} if self._is_local else None,
            )
        except (requests.exceptions.InvalidHeader, UnicodeError):
            error = Unauthorized(operation, WRONG_KEYS, False)  # No header can have such a key.
        except (requests.RequestException, HTTPError):
            error = NoAnswer(operation, NO_ANSWER, True)
        else:
            if 200 <= status < 300:
                try:
                    answer = parse_json(content) if content.strip() else None
                except ValueError:
                    error = UnreadableAnswer(f'{operation}: the answer is not JSON')
            else:
                error = from_response(status, answer_headers, content, operation)
        _logger.info(
            "%s: %s in %d ms, attempt %d, trace id %s", operation, status or 'no answer',
            (time.monotonic() - started) * 1000, attempt, error and error.trace_id or '-',
        )
        # Raised behind the handlers: the caught error has headers and bodies in it.
        if error:
            raise error
        return answer


def _path(reference, operation=None):
    path = f'{PAYMENTS}/{quote(reference, safe="")}'
    return f'{path}/{operation}' if operation else path


def _without_customer(path):
    """Return a path as it may be logged."""
    return f'{USERINFO}/...' if path.startswith(USERINFO) else path


def _has_texts(data, *names):
    """Return whether all of these are there, and can be stored."""
    texts = [data.get(name) for name in names] if isinstance(data, dict) else [None]
    return all(isinstance(text, str) and text and text.isprintable() for text in texts)


def _get_event_names(webhook):
    names = webhook.get('events')
    return [name for name in names if isinstance(name, str)] if isinstance(names, list) else []
