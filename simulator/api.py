"""The HTTP APIs of Vipps MobilePay: tokens, payments, the app, customers, webhooks, reports, codes.
"""

import copy
import json
import re
from dataclasses import dataclass, field

from werkzeug.datastructures import Headers
from werkzeug.wrappers import Response

from . import epayment, order_management, qr, report, userinfo, webhooks
from .access import authorized_unit, check_system_headers, issue_token
from .problems import Problem, Refusal
from .request_bodies import REFERENCE_PATTERN
from .sales_units import SalesUnit
from .validation import parse_json

PAYMENTS = '/epayment/v1/payments'
WEBHOOKS = '/webhooks/v1/webhooks'
ACCOUNT = r'/report/v2/ledgers/(?P<ledger_id>[^/]+)/(?P<topic>[^/]+)'
STICKERS = '/qr/v1/merchant-callback'
REDIRECTS = '/qr/v1/merchant-redirect'
ROUTES = [
    ('POST', r'/accesstoken/get', 'token'),
    ('POST', PAYMENTS, 'create'),
    ('GET', PAYMENTS + r'/(?P<reference>[^/]+)', 'get'),
    ('GET', PAYMENTS + r'/(?P<reference>[^/]+)/events', 'events'),
    ('POST', PAYMENTS + r'/(?P<reference>[^/]+)/capture', 'capture'),
    ('POST', PAYMENTS + r'/(?P<reference>[^/]+)/refund', 'refund'),
    ('POST', PAYMENTS + r'/(?P<reference>[^/]+)/cancel', 'cancel'),
    ('POST', r'/epayment/v1/test/payments/(?P<reference>[^/]+)/approve', 'force_approve'),
    ('PUT', r'/order-management/v2/ecom/categories/(?P<reference>[^/]+)', 'category'),
    ('GET', r'/vipps-userinfo-api/userinfo/(?P<sub>[^/]+)', 'userinfo'),
    ('POST', WEBHOOKS, 'register_webhook'),
    ('GET', WEBHOOKS, 'list_webhooks'),
    ('DELETE', WEBHOOKS + r'/(?P<webhook_id>[^/]+)', 'delete_webhook'),
    ('GET', r'/settlement/v1/ledgers', 'ledgers'),
    ('GET', ACCOUNT + '/feed', 'report_feed'),
    ('GET', ACCOUNT + r'/dates/(?P<ledger_date>[^/]+)', 'report_date'),
    ('GET', STICKERS, 'list_stickers'),
    ('PUT', STICKERS + r'/mobilepay/(?P<qr_id>[^/]+)', 'take_over_sticker'),
    ('GET', STICKERS + r'/(?P<qr_id>[^/]+)', 'get_sticker'),
    ('PUT', STICKERS + r'/(?P<qr_id>[^/]+)', 'put_sticker'),
    ('DELETE', STICKERS + r'/(?P<qr_id>[^/]+)', 'delete_sticker'),
    ('POST', REDIRECTS, 'create_redirect_qr'),
    ('GET', REDIRECTS, 'list_redirect_qrs'),
    ('GET', REDIRECTS + r'/(?P<qr_id>[^/]+)', 'get_redirect_qr'),
    ('PUT', REDIRECTS + r'/(?P<qr_id>[^/]+)', 'update_redirect_qr'),
    ('DELETE', REDIRECTS + r'/(?P<qr_id>[^/]+)', 'delete_redirect_qr'),
]
MODIFYING = {'capture', 'refund', 'cancel'}
# The operations whose stale answers are those of the last call of the same kind.
MAKING = {'token', 'create', 'category', 'register_webhook'}
WEBHOOK_OPERATIONS = {'register_webhook', 'list_webhooks', 'delete_webhook'}
# The modules of the operations that are not payments'.
MODULES = {
    'category': order_management,
    'userinfo': userinfo,
    **dict.fromkeys(WEBHOOK_OPERATIONS, webhooks),
    **dict.fromkeys(report.OPERATIONS, report),
    **dict.fromkeys(qr.OPERATIONS, qr),
}
# The APIs that write problems in a way of their own.
PROBLEM_BODIES = {
    'category': order_management.problem_body,
    'userinfo': userinfo.problem_body,
    **dict.fromkeys(report.OPERATIONS, report.problem_body),
    **dict.fromkeys(qr.OPERATIONS, qr.problem_body),
}
# The answers to these are remembered when the call has a key.
REPEATABLE = {'create', 'capture', 'refund', 'cancel'}
KEY_REQUIRED = {'create', 'capture', 'refund'}
# What is said when the key comes again with another body; 4020 for the others.
CONFLICTS = {'capture': '4010', 'refund': '4150'}


@dataclass
class Incoming:
    """A request as it came, before anybody has checked it."""

    method: str
    path: str
    mimetype: str
    headers: Headers
    raw: bytes
    query: dict = field(default_factory=dict)
    operation: str = None  # what it asks for; None for what does not exist
    arguments: dict = field(default_factory=dict)

    def __post_init__(self):
        for method, pattern, operation in ROUTES:
            match = re.fullmatch(pattern, self.path)
            if match and method == self.method:
                self.operation, self.arguments = operation, match.groupdict()

    @property
    def idempotency_key(self):
        """The key, if the call has one."""
        return self.headers.get('Idempotency-Key')

    @property
    def readable_body(self):
        """The body as it can be noted: JSON when it is, else text; None when there is none."""
        try:
            return json.loads(self.raw)
        except (ValueError, RecursionError):
            return self.raw.decode(errors='replace') or None

    @property
    def reference(self):
        """The reference of the payment it is about, as far as one can tell."""
        if 'reference' in self.arguments:
            return self.arguments['reference']
        body = self.readable_body
        reference = body.get('reference') if isinstance(body, dict) else None
        return reference if isinstance(reference, str) else None

    @property
    def instance(self):
        """The path as problems name it."""
        return re.sub(r'^/(epayment|order-management|vipps-userinfo-api|webhooks)', '', self.path)


@dataclass
class Call:
    """A call whose caller is known."""

    operation: str
    unit: SalesUnit
    body: object
    idempotency_key: str
    reference: str = None
    webhook_id: str = None
    sub: str = None
    ledger_id: str = None
    topic: str = None
    ledger_date: str = None
    qr_id: str = None
    headers: dict = field(default_factory=dict)
    query: dict = field(default_factory=dict)
    is_stale: bool = False


@dataclass
class Answer:
    """An answer, before any fault spoils it."""

    status: int
    body: object = None
    headers: dict = field(default_factory=dict)
    content_type: str = 'application/json'

    @classmethod
    def of_refusal(cls, refusal, incoming):
        """Return the answer that says no."""
        if incoming.operation in PROBLEM_BODIES and isinstance(refusal, Problem):
            body = PROBLEM_BODIES[incoming.operation](refusal, incoming.instance)
        else:
            body = refusal.body(incoming.instance)
        return cls(refusal.status, body, refusal.headers, refusal.content_type)


class Api:
    """Answers the calls of merchants; faults happen here, and the journal is kept."""

    def __init__(self, world, base_url):
        """Prepare to answer.

        :param World world: What the answers are made from.
        :param callable base_url: Returns the address of the simulator, for the URLs in answers.
        """
        self._world = world
        self._base_url = base_url

    def handle(self, request, headers):
        """Answer a request.

        :param werkzeug.Request request: The request.
        :param werkzeug.datastructures.Headers headers: Its headers; WSGI cannot tell `client_id`
            from `client-id`.
        :raise ConnectionAbortedError: When the connection is to be cut.
        """
        incoming = Incoming(
            request.method, request.path, request.mimetype, headers, request.get_data(),
            request.args.to_dict(),
        )
        with self._world.lock:
            fault = self._world.faults.take(incoming.operation, incoming.reference)
            if not fault and incoming.operation in WEBHOOK_OPERATIONS:
                fault = self._world.faults.take('webhooks')
            kind = fault and fault.kind
            answer = None if kind == 'lost' else self._answer(incoming, fault)
            if kind in ('tampered', 'skipped', 'shuffled') and answer.status == 200:
                answer = copy.deepcopy(answer)  # The right one may be remembered.
                spoil = report.spoil if incoming.operation in report.OPERATIONS else _tamper
                spoil(answer.body, fault)
            if kind == 'stale' and answer.status == 200 and incoming.operation in MODIFYING:
                payment = self._world.find_by_reference(incoming.reference)
                body = payment.before_last_event().modification()
                answer = Answer(200, body)  # The right one is remembered.
            if incoming.operation in MAKING and answer and answer.status < 300:
                caller = headers.get('client_id') or headers.get('Merchant-Serial-Number')
                made = incoming.operation, caller
                earlier_answer = self._world.made.get(made, answer)
                self._world.made[made] = answer
                if kind == 'stale':
                    answer = earlier_answer
            if kind == 'edited' and answer.status == 200:
                answer = copy.deepcopy(answer)
                _edit(answer.body, fault.changes)
            if kind == 'late_status':
                refusal = Refusal(fault.status, "This fault was asked for.")
                answer = Answer.of_refusal(refusal, incoming)
            self._note(incoming, answer, kind)
        return self._spoil(answer, fault)

    def _answer(self, incoming, fault):
        try:
            if fault and fault.kind == 'status':
                headers = {}
                if fault.retry_after is not None:
                    headers['Retry-After'] = str(fault.retry_after)
                raise Refusal(fault.status, "This fault was asked for.", headers)
            if not incoming.operation:
                raise Refusal(404, "Resource not found")
            check_system_headers(incoming.headers)
            if incoming.operation == 'token':
                _refuse_as_told(fault)
                return Answer(200, issue_token(self._world, incoming.headers, incoming.raw))
            unit = authorized_unit(
                self._world, incoming.headers, needs_key=incoming.operation != 'userinfo'
            )
            return self._answer_known_caller(incoming, unit, fault)
        except Refusal as refusal:
            return Answer.of_refusal(refusal, incoming)

    def _answer_known_caller(self, incoming, unit, fault):
        operation, key = incoming.operation, incoming.idempotency_key
        if operation in KEY_REQUIRED and not key:
            raise Problem(fields=[('Idempotency-Key', "The header is required.")])
        if key and len(key) > 50:
            raise Problem(fields=[('Idempotency-Key', "Must have at most 50 characters.")])
        # Only the body of a cancellation may be missing.
        if incoming.method in ('POST', 'PUT') and (incoming.raw or operation != 'cancel'):
            if incoming.mimetype != 'application/json':
                raise Problem(fields=[('Content-Type', "Must be application/json.")])
        is_reading = incoming.method == 'GET'
        self._world.rate_limits.count(
            operation, incoming.reference,
            incoming.headers.get('Ocp-Apim-Subscription-Key') if is_reading else unit.msn,
        )

        def execute():
            _refuse_as_told(fault)
            body = parse_json(incoming.raw) if incoming.raw else None
            _refuse_field(fault, body)
            call = Call(
                operation, unit, body, key, query=incoming.query, headers=incoming.headers,
                **incoming.arguments,
            )
            if call.reference and not re.fullmatch(REFERENCE_PATTERN, call.reference):
                raise Problem(fields=[('reference', f"Must match '^{REFERENCE_PATTERN}$'.")])
            if fault and fault.kind == 'failed':
                epayment.fail(self._world, call, fault.code)
            if fault and fault.kind == 'approved':
                epayment.approve_before(self._world, call)
            call.is_stale = bool(fault) and fault.kind == 'stale'
            operate = getattr(MODULES.get(operation, epayment), operation)
            return Answer(*operate(self._world, call, self._base_url()))

        if operation in REPEATABLE and key:
            return self._once(incoming, unit, execute)
        return execute()

    def _once(self, incoming, unit, execute):
        """Do it, or repeat the answer when it was done with this key.

        Definite refusals are remembered like successes: a corrected request needs a new key.
        """
        answers, key = self._world.answers, (unit.msn, incoming.idempotency_key)
        asked = (incoming.path, json.dumps(incoming.readable_body, sort_keys=True))
        if key in answers:
            asked_before, answer = answers[key]
            if asked_before != asked:
                code = CONFLICTS.get(incoming.operation, '4020')
                raise Problem(code, "Another request had this idempotency key.")
            return answer
        try:
            answer = execute()
        except Problem as problem:
            answer = Answer.of_refusal(problem, incoming)
            if not problem.is_remembered:
                return answer
        answers[key] = asked, answer
        return answer

    def _note(self, incoming, answer, kind):
        self._world.journal.add(
            operation=incoming.operation,
            method=incoming.method,
            path=incoming.path,
            query=incoming.query,
            reference=incoming.reference,
            msn=incoming.headers.get('Merchant-Serial-Number'),
            idempotency_key=incoming.idempotency_key,
            headers=dict(incoming.headers.items()),
            body=incoming.readable_body,
            status=answer and answer.status,
            answer=answer and answer.body,
            fault=kind or self._find_deviation(incoming),
        )

    def _find_deviation(self, incoming):
        """Return the kind of the fault that the payment that was read is answered with for ever."""
        msn = incoming.headers.get('Merchant-Serial-Number')
        payment = self._world.payments.get((msn, incoming.reference))
        is_edited = incoming.operation == 'get' and payment and payment.is_edited
        return 'edited' if is_edited else None

    def _spoil(self, answer, fault):
        """Return the answer to send, as far as the fault leaves it whole."""
        kind = fault and fault.kind
        if kind in ('lost', 'lost_answer'):
            raise ConnectionAbortedError
        if kind == 'latency':
            self._world.wait(fault.seconds)
        if kind == 'garbage':
            return Response("<html><h1>Oops</h1>", answer.status, content_type='text/html')
        body = b'' if answer.body is None else json.dumps(answer.body).encode()
        response = Response(body, answer.status, answer.headers, content_type=answer.content_type)
        if kind == 'truncated':
            response.headers['Content-Length'] = str(len(body) + 1)
            response.response = _torn(body)
        return response


def _refuse_as_told(fault):
    if fault and fault.kind == 'refuse':
        raise Problem(fault.code)


def _refuse_field(fault, body):
    if fault and fault.kind == 'invalid' and fault.field.partition('.')[0] in (body or {}):
        raise Problem(fields=[(fault.field, "The value is not allowed.")])


def _tamper(payment, fault):
    """Falsify the amount, the currency of all amounts, or the reference of a payment."""
    sums = payment['aggregate']
    if fault.other_reference:
        payment['reference'] = fault.other_reference
    if fault.currency:
        for amount in (payment['amount'], *sums.values()):
            amount['currency'] = fault.currency
    if fault.value is not None or not (fault.currency or fault.other_reference):
        value = payment['amount']['value'] + 1 if fault.value is None else fault.value
        payment['amount']['value'] = value
        if sums['authorizedAmount']['value']:
            sums['authorizedAmount']['value'] = value


def _edit(body, changes):
    for name, value in changes.items():
        if value is None:
            body.pop(name, None)
        else:
            body[name] = value


def _torn(body):
    yield body[:len(body) // 2]
    raise ConnectionAbortedError
