"""Payments and their events, as read."""

import re
from dataclasses import dataclass, field
from datetime import datetime, timezone

from .errors import UnreadableAnswer
from .express import Shipping
from .user_info import parse_user_details

# ePayment OpenAPI 1.8.1, schema `State`. Capture, refund and cancellation after the approval do not
# change the state: they show in the aggregate only.
FINAL_STATES = ('AUTHORIZED', 'ABORTED', 'EXPIRED', 'TERMINATED')

# An event that cannot be stored cannot be accepted: it would be sent for days, and hold up others.
MAX_TEXT_LENGTH = 255
MAX_AMOUNT = 2**31 - 1  # of PostgreSQL's `integer`; a payment is at most 65 000 000

MAX_ADDRESS_LENGTH = 2000  # in a QR code

# RFC 3339, section 5.6.
TIMESTAMP_PATTERN = re.compile(
    r'(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)'
)


@dataclass(frozen=True)
class Payment:
    """A payment as answered by the API; amounts in minor units.

    https://developer.vippsmobilepay.com/api/epayment/#operation/getPayment
    """

    reference: str
    psp_reference: str
    state: str
    currency: str
    amount: int
    authorized: int
    captured: int
    refunded: int
    cancelled: int
    redirect_url: str | None = field(default=None, repr=False)
    capture_guaranteed_until: datetime | None = None  # in UTC, without a time zone
    # The customer's identifier at this sales unit, and the shared data, if that was asked for.
    user_sub: str | None = field(default=None, repr=False)
    user_details: dict = field(default_factory=dict, repr=False)
    # What the customer chose in Express. It can be missing here, and be in the event only.
    shipping: Shipping | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, data):
        """Return the payment of an answer.

        :param data: The parsed JSON of an answer to a read, a capture, a refund or a cancellation.
        :rtype: Payment
        :raise UnreadableAnswer: If it is not a payment. Its meaning is unknown then.
        """
        aggregate = _get(data, 'aggregate', dict)
        currency, amount = _get_amount(data, 'amount')
        payment = cls(
            reference=_get_text(data, 'reference'),
            psp_reference=_get_text(data, 'pspReference'),
            state=_get_text(data, 'state'),
            currency=currency,
            amount=amount,
            **{
                name: _get_aggregate(aggregate, f'{name}Amount', currency)
                for name in ('authorized', 'captured', 'refunded', 'cancelled')
            },
            redirect_url=data.get('redirectUrl') if is_address(data.get('redirectUrl')) else None,
            capture_guaranteed_until=parse_timestamp(
                _get_if_text(data, 'captureGuaranteedUntil') or ''
            ),
            user_sub=_get_sub(data.get('profile')),
            user_details=parse_user_details(data.get('userDetails')),
            shipping=Shipping.parse(data.get('shippingDetails')),
        )
        # It would look as if all of it had been released.
        if payment.state == 'AUTHORIZED' and not payment.authorized:
            raise UnreadableAnswer('nothing is authorized of an authorized payment')
        return payment

    @property
    def remaining(self):
        """Return the amount that can still be captured or cancelled, in minor units."""
        # A payment that is cancelled before its approval was never authorized.
        return max(self.authorized - self.captured - self.cancelled, 0)

    @property
    def refundable(self):
        """Return the amount that can still be refunded, in minor units."""
        return self.captured - self.refunded

    @property
    def is_final(self):
        """Return whether the customer has decided, or can no longer decide."""
        return self.state in FINAL_STATES

    @property
    def derived_state(self):
        """Return the state in one word, for people: for an approved payment it shows where the
        money is. One that is partly captured is CAPTURED as soon as nothing remains, one that is
        partly refunded stays CAPTURED.
        """
        if self.state != 'AUTHORIZED' or self.remaining > 0:
            return self.state
        if not self.captured:
            return 'CANCELLED'
        return 'CAPTURED' if self.refundable else 'REFUNDED'


@dataclass(frozen=True)
class Event:
    """An event of a payment, as read or as told by a webhook; the amount is in minor units, the
    timestamp in UTC without a time zone.

    https://developer.vippsmobilepay.com/api/epayment/#operation/getPaymentEventLog
    """

    reference: str
    psp_reference: str
    name: str
    currency: str
    amount: int
    timestamp: datetime
    success: bool
    idempotency_key: str | None = None
    msn: str | None = None
    # Of the approval, in webhooks only: the same as in the payment, which can lack them.
    user_sub: str | None = field(default=None, repr=False)
    user_details: dict = field(default_factory=dict, repr=False)
    shipping: Shipping | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, data):
        """Return the event of an answer, or of the body of a webhook.

        :param data: The parsed JSON.
        :rtype: Event
        :raise UnreadableAnswer: If it is not an event, or one that cannot be stored.
        """
        currency, amount = _get_amount(data, 'amount')
        return cls(
            reference=_get_text(data, 'reference'),
            psp_reference=_get_text(data, 'pspReference'),
            name=_get_text(data, 'name'),
            currency=currency,
            amount=amount,
            timestamp=_get_timestamp(data),
            success=_get(data, 'success', bool),
            idempotency_key=_get_if_text(data, 'idempotencyKey'),
            # Only webhooks have it. A wrong one must not look like none, which fits every payment.
            msn=None if data.get('msn') is None else _get_text(data, 'msn'),
            user_sub=_get_sub(data),
            user_details=parse_user_details(data.get('userDetails')),
            shipping=Shipping.parse(data.get('shippingDetails')),
        )


def is_address(value):
    """Return whether a value is an address that a customer can be sent to.

    :rtype: bool
    """
    return (
        isinstance(value, str) and len(value) <= MAX_ADDRESS_LENGTH and value.isprintable()
        and value.startswith(('https://', 'http://'))
    )


def parse_timestamp(text):
    """Return the moment of a timestamp in UTC without a time zone, or None if it is none.

    :rtype: datetime.datetime | None
    """
    match = TIMESTAMP_PATTERN.fullmatch(text)
    return match and _parse_moment(*match.groups())


def _get(data, name, kind):
    value = data.get(name) if isinstance(data, dict) else None
    # A bool is an int to Python, but not an amount.
    if type(value) is not kind:
        raise UnreadableAnswer(f'no {name} in the answer')
    return value


def _get_text(data, name):
    text = _get(data, name, str)
    # Neither NUL nor half a surrogate pair is printable, and PostgreSQL takes neither.
    if not 0 < len(text) <= MAX_TEXT_LENGTH or not text.isprintable():
        raise UnreadableAnswer(f'a strange {name} in the answer')
    return text


def _get_if_text(data, name):
    value = data.get(name)
    return value if isinstance(value, str) and value.isprintable() else None


def _get_sub(profile):
    sub = _get_if_text(profile, 'sub') if isinstance(profile, dict) else None
    return sub if sub and len(sub) <= MAX_TEXT_LENGTH else None


def _get_timestamp(data):
    moment = parse_timestamp(_get(data, 'timestamp', str))
    if not moment:
        raise UnreadableAnswer('no timestamp in the answer')
    return moment


def _parse_moment(moment, fraction, zone):
    """Return a naive moment in UTC, or None if there is no such moment."""
    # More than microseconds were seen, and `Z`: neither is for Python 3.10.
    text = f'{moment}.{(fraction or "")[:6]:0<6}{zone if zone != "Z" else "+00:00"}'
    try:
        return datetime.fromisoformat(text).astimezone(timezone.utc).replace(tzinfo=None)
    except (OverflowError, ValueError):
        return None


def _get_amount(data, name):
    amount = _get(data, name, dict)
    value = _get(amount, 'value', int)
    if not 0 <= value <= MAX_AMOUNT:
        raise UnreadableAnswer(f'a strange {name} in the answer')
    return _get_text(amount, 'currency'), value


def _get_aggregate(aggregate, name, expected_currency):
    currency, amount = _get_amount(aggregate, name)
    if currency != expected_currency:
        raise UnreadableAnswer(f'{name} in another currency than the payment')
    return amount
