"""The errors of a call, as exceptions with sentences for people.

https://developer.vippsmobilepay.com/docs/APIs/epayment-api/api-guide/errors/
"""

import re

from .strict_json import parse_json


def _(text):
    """Mark a sentence for translation; it is translated where it is shown."""
    return text


NO_ANSWER = _("Vipps MobilePay does not answer. Try again in a moment.")
BUSY = _("Vipps MobilePay is busy. Try again in a moment.")
PROCESSING = _("Vipps MobilePay is still working on this payment. Try again in a moment.")
ALREADY_SENT = _("This was already sent to Vipps MobilePay. Read the payment to see how it went.")
WRONG_REQUEST = _(
    "Vipps MobilePay refused the request. Report this with the time and the reference."
)
NOT_ALLOWED = _("The sales unit may not do this. Ask Vipps MobilePay to activate it.")
WRONG_KEYS = _("Vipps MobilePay refused the keys. Test the connection on the payment provider.")
FORCE_APPROVE = _("The payment cannot be approved in the test environment. Use another test user.")

# Sentences by domain code, and whether the same request can succeed later.
CODES = {
    '3010': (_("Something went wrong at Vipps MobilePay. Try again in a moment."), True),
    '4010': (ALREADY_SENT, False),
    '4020': (ALREADY_SENT, False),
    '4040': (_("The amount is not valid."), False),
    '4050': (_("The customer must check in again: the code is no longer valid."), False),
    '4060': (_("This is not a customer's code, or it was used before. Ask the customer to open the"
               " code in the app again, and scan that one."), False),
    '4070': (_("The phone number is not valid. Enter it with its country code."), False),
    '4080': (WRONG_REQUEST, False),
    '4090': (_("Vipps MobilePay cannot use the address of this website. It must be reachable from"
               " the internet by https."), False),
    '4100': (WRONG_REQUEST, False),
    '4110': (WRONG_REQUEST, False),
    '4120': (WRONG_REQUEST, False),
    '4130': (WRONG_REQUEST, False),
    '4140': (WRONG_REQUEST, False),
    '4150': (ALREADY_SENT, False),
    '4160': (WRONG_REQUEST, False),
    '5010': (_("The sales unit cannot refuse company cards."), False),
    '5020': (_("The sales unit is not approved for Express. Ask Vipps MobilePay to approve it."
               " Until then, customers pay at the checkout."), False),
    '5030': (_("The sales unit may not ask for this personal data. Ask for less, or ask Vipps"
               " MobilePay to allow it."), False),
    '5040': (_("The currency is not the one of the sales unit. Remove it from the currencies of the"
               " payment provider, or use the keys of a sales unit of that market."), False),
    '5050': (_("The sales unit may not make payments that are open for long."), False),
    '5060': (_("The bank account of the sales unit is not verified. Verify it in the Vipps"
               " MobilePay portal."), False),
    '5070': (_("The sales unit cannot take payments right now. Look in the Vipps MobilePay"
               " portal."), False),
    '5080': (_("Vipps MobilePay has not approved push messages for this shop. Show a QR code"
               " instead. An administrator can ask for the approval."), False),
    '5090': (_("Vipps MobilePay does not know this payment."), False),
    '5100': (_("The sales unit may not refund. Look in the Vipps MobilePay portal."), False),
    '6010': (_("The amount is below the smallest one that Vipps MobilePay takes. Offer another"
               " payment method."), False),
    '6020': (_("Nothing is captured yet, so nothing can be refunded. Release the payment instead."),
             False),
    '6030': (_("The payment is too old to be released."), False),
    '6040': (_("The payment is captured already. Refund it instead."), False),
    '6050': (_("The payment is not reserved, so there is nothing to release."), False),
    '6060': (_("The customer approved the payment in the meantime."), False),
    '6070': (_("The payment was released, so it cannot be captured. Ask the customer to pay"
               " again."), False),
    '6080': (_("The customer has not approved the payment yet, so it cannot be captured."), False),
    '6090': (_("More than the reserved amount cannot be captured."), False),
    '6100': (_("The reservation has expired, so it cannot be captured. Ask the customer to pay"
               " again."), False),
    '6110': (_("The payment would stay open for too long."), False),
    '6120': (_("The payment would not stay open for long enough."), False),
    '6130': (_("A payment that stays open for long needs order lines."), False),
    '6140': (_("The sales unit can only capture the full amount. Ask Vipps MobilePay to allow"
               " partial captures."), False),
    '6150': (_("More than what is captured and not yet refunded cannot be refunded."), False),
    '6160': (PROCESSING, True),
    '6170': (_("The payment is captured already."), False),
    '6180': (_("The payment is refunded already."), False),
    '6190': (_("The payment can no longer be released."), False),
    '6200': (_("The payment cannot be captured."), False),
    '6210': (_("The payment cannot be refunded."), False),
    '6220': (_("The payment is more than a year old, so it cannot be refunded. Pay the customer in"
               " another way."), False),
    '6230': (_("The customer has approved the payment already."), False),
    '6250': (_("The customer is approving the payment right now. Try again in a moment."), True),
    '6260': (_("The bank has released the reserved money. Do not deliver before it is captured: try"
               " again later, or ask the customer to pay again."), False),
    '6280': (_("The capture did not succeed. Try again in a moment."), True),
    '7010': (_("The payment cannot be sent to this customer. Check the phone number, show a QR code"
               " instead, or offer another payment method."), False),
    **{str(code): (FORCE_APPROVE, False) for code in range(10010, 10080, 10)},
}
STATUSES = {
    401: (WRONG_KEYS, False),
    403: (NOT_ALLOWED, False),
    404: (CODES['5090'][0], False),
    409: (ALREADY_SENT, False),
    423: (PROCESSING, True),
    429: (BUSY, True),
}
CONFLICT_CODES = ('4010', '4020', '4150')
NOT_NOW_CODES = ('6160', '6250', '6280')

# The path of a field that a request was refused for, and how many are kept: nothing that a person
# typed.
FIELD_PATTERN = re.compile(r'[A-Za-z][\w.\[\]-]{0,79}', re.ASCII)
MAX_FIELDS = 5

# Limits are per minute: nobody is kept from reading a payment for longer than this.
MAX_RETRY_AFTER = 3600  # seconds


class VippsError(Exception):
    """Something went wrong. The text is for logs: it has nothing that is secret or personal.

    `sentence` is for people, in English; `retryable` says whether the same request can succeed
    later, and `retry_after` after how many seconds, if the API said so. `fields` are the paths of
    the fields that the request was refused for, if the API named them.
    """

    def __init__(
        self, operation, sentence, retryable, status=None, code=None, trace_id=None,
        retry_after=None, fields=()
    ):
        details = ', '.join(
            f'{name} {value}' for name, value in (
                ('status', status), ('code', code), ('fields', ' '.join(fields)),
                ('trace id', trace_id),
            ) if value
        )
        super().__init__(f'{operation} failed' + (f' ({details})' if details else ''))
        self.operation = operation
        self.sentence = sentence
        self.retryable = retryable
        self.status = status
        self.code = code
        self.trace_id = trace_id
        self.retry_after = retry_after
        self.fields = fields


class NoAnswer(VippsError):
    """There was no usable answer: it is unknown whether the request took effect."""


class NotNow(NoAnswer):
    """The same request, with the same idempotency key, is welcome later.

    An attempt before it, whose answer was lost, may still be at work. So this is no refusal
    after which a new key would be safe.
    """


class UnreadableAnswer(NoAnswer):
    """The request succeeded, but its answer says nothing that we understand."""

    def __init__(self, problem):
        super().__init__(problem, NO_ANSWER, True)


class Refused(VippsError):
    """The request was refused: it certainly did not take effect."""


class Unauthorized(Refused):
    """The keys or the access token were refused."""


class SubscriptionKeyRefused(Unauthorized):
    """It was the subscription key that was refused, by the gateway in front of the API."""


class Forbidden(Refused):
    """The sales unit lacks the product or the permission."""


class NotFound(Refused):
    """There is no such thing, at least not for this sales unit."""


class Conflict(Refused):
    """The reference or the idempotency key was used before: an earlier request was received."""


def from_response(status, headers, body, operation):
    """Return the error of an answer that is not a success.

    :param int status: The HTTP status.
    :param Mapping headers: The headers of the answer.
    :param bytes body: The body, of any shape.
    :param str operation: The operation that was asked for, for logs.
    :rtype: VippsError
    """
    problem = _parse(body)
    code = _get_code(problem)
    kind = _get_class(status, code, problem)
    is_unknown = issubclass(kind, NoAnswer)
    sentence, retryable = CODES.get(code) or STATUSES.get(status) or (
        (NO_ANSWER, True) if is_unknown else (WRONG_REQUEST, False)
    )
    return kind(
        operation, sentence, retryable or is_unknown, status, code, _get_trace_id(problem),
        _get_retry_after(headers), _get_fields(problem),
    )


def _get_class(status, code, problem):
    if status in (423, 429) or code in NOT_NOW_CODES:
        return NotNow
    # A gateway, a proxy or a login page of a network answers for an API that was not reached.
    if status >= 500 or status == 408 or status < 400 or (status == 404 and not problem):
        return NoAnswer
    if status == 401:
        is_key = 'subscription key' in str(problem.get('message') or problem.get('detail')).lower()
        return SubscriptionKeyRefused if is_key else Unauthorized
    if status == 409 or code in CONFLICT_CODES:
        return Conflict
    return {403: Forbidden, 404: NotFound}.get(status, Refused)


def _parse(body):
    try:
        problem = parse_json(body)
    except ValueError:
        return {}
    return problem if isinstance(problem, dict) else {}


def _get_code(problem):
    details = problem.get('extraDetails')
    for detail in details if isinstance(details, list) else ():
        if isinstance(detail, dict) and detail.get('name') == 'ErrorCode':
            code = str(detail.get('reason'))
            return code if code.isascii() and code.isdigit() and len(code) <= 5 else None
    return None


def _get_fields(problem):
    """Return the paths of the fields at fault: by `extraDetails`, by the `invalidParams` of the QR
    API, or by the `errors` of the framework behind the API, which checks a body before the API
    does."""
    by_field = problem.get('errors')
    lists = problem.get('extraDetails'), problem.get('invalidParams')
    names = [
        detail.get('name') for details in lists if isinstance(details, list) for detail in details
        if isinstance(detail, dict) and detail.get('name') != 'ErrorCode'
    ]
    names += by_field if isinstance(by_field, dict) else ()
    return tuple(
        name for name in names if isinstance(name, str) and FIELD_PATTERN.fullmatch(name)
    )[:MAX_FIELDS]


def _get_trace_id(problem):
    trace_id = problem.get('traceId') or problem.get('instance')  # of the QR API; else a path
    is_plain = isinstance(trace_id, str) and trace_id.replace('-', '').isalnum()
    return trace_id[:64] if is_plain else None


def _get_retry_after(headers):
    """Return the seconds of `Retry-After`; a date, which nobody was seen to send, is ignored."""
    value = headers.get('Retry-After') or ''
    is_number = value.isascii() and value.isdigit() and len(value) < 10
    return min(int(value), MAX_RETRY_AFTER) if is_number else None
