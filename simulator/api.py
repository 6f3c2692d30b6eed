"""The HTTP APIs of Vipps MobilePay: access token, ePayment, webhooks."""

import json
import re
import threading
from dataclasses import dataclass, field

from werkzeug.wrappers import Response

from . import epayment, webhooks
from .problems import Problem, Refusal
from .request_bodies import REFERENCE_PATTERN
from .sales_units import SalesUnit
from .validation import parse_json

PAYMENTS = '/epayment/v1/payments'
ROUTES = [
    ('POST', r'/accesstoken/get', 'token'),
    ('POST', PAYMENTS, 'create'),
    ('GET', PAYMENTS + r'/(?P<reference>[^/]+)', 'get'),
    ('GET', PAYMENTS + r'/(?P<reference>[^/]+)/events', 'events'),
    ('POST', PAYMENTS + r'/(?P<reference>[^/]+)/(?P<operation>capture|refund|cancel)', None),
    ('POST', r'/epayment/v1/test/payments/(?P<reference>[^/]+)/approve', 'force_approve'),
    ('POST', r'/webhooks/v1/webhooks', 'register_webhook'),
    ('GET', r'/webhooks/v1/webhooks', 'list_webhooks'),
    ('DELETE', r'/webhooks/v1/webhooks/(?P<webhook_id>[^/]+)', 'delete_webhook'),
]
# The answers to these are remembered when the call has a key, and these need one.
REPEATABLE = {'create', 'capture', 'refund', 'cancel'}
KEYED = {'create', 'capture', 'refund'}
WEBHOOK_OPERATIONS = {'register_webhook', 'list_webhooks', 'delete_webhook'}
CONFLICTS = {'capture': '4010', 'refund': '4150'}
SYSTEM_HEADERS = (
    'Vipps-System-Name', 'Vipps-System-Version',
    'Vipps-System-Plugin-Name', 'Vipps-System-Plugin-Version',
)


@dataclass
class Call:
    """A call whose caller is known."""

    operation: str
    unit: SalesUnit
    reference: str = None
    webhook_id: str = None
    body: object = None
    idempotency_key: str = None


@dataclass
class Answer:
    """What is answered, before any fault spoils it."""

    status: int
    body: object = None
    headers: dict = field(default_factory=dict)
    content_type: str = 'application/json'


class Api:
    """Answers the calls of merchants. Faults happen here, and everything is noted in the journal."""

    def __init__(self, world, base_url):
        """Prepare to answer.

        :param World world: What the answers are made from.
        :param callable base_url: Returns the address of the simulator, for the URLs in answers.
        """
        self._world = world
        self._base_url = base_url
        self._closing = threading.Event()

    def close(self):
        """Let answers that are late be late no longer."""
        self._closing.set()

    def handle(self, request, headers):
        """Answer a request.

        :param werkzeug.Request request: The request.
        :param werkzeug.datastructures.Headers headers: Its headers; WSGI cannot tell `client_id`
            from `client-id`.
        :raise ConnectionAbortedError: When the connection is to be cut.
        """
        raw = request.get_data()
        operation, arguments = _match(request.method, request.path)
        with self._world.lock:
            fault = self._world.faults.take(
                'webhooks' if operation in WEBHOOK_OPERATIONS else operation,
                arguments.get('reference') or _guess_reference(raw),
            )
            answer = self._answer(request, headers, raw, operation, arguments, fault)
            if fault and fault.kind == 'tampered':
                _tamper(answer, fault)
            self._note(request, headers, raw, operation, arguments, answer, fault)
        return self._spoil(answer, fault)

    def _answer(self, request, headers, raw, operation, arguments, fault):
        kind = fault and fault.kind
        if kind == 'lost':
            return Answer(0)
        try:
            if kind == 'status':
                retry = {} if fault.retry_after is None else {'Retry-After': str(fault.retry_after)}
                raise Refusal(fault.status, "This fault was asked for.", retry)
            if not operation:
                raise Refusal(404, "Resource not found")
            return self._execute(request, headers, raw, operation, arguments, fault)
        except Refusal as refusal:
            return Answer(
                refusal.status, refusal.body(_instance(request.path)), refusal.headers,
                refusal.content_type,
            )

    def _execute(self, request, headers, raw, operation, arguments, fault):
        """Check who calls, and then do what is asked, or find out that it has been done."""
        _check_system_headers(headers)
        key_unit = self._subscribed_unit(headers)
        if operation == 'token':
            if fault and fault.kind == 'refuse':
                raise Problem(fault.code)
            return self._issue_token(headers, raw, key_unit)
        unit = self._authorized_unit(headers, key_unit)
        key = headers.get('Idempotency-Key')
        if operation in KEYED and not key:
            raise Problem(fields=[('Idempotency-Key', "The header is required.")])
        if operation in REPEATABLE and key and len(key) > 50:
            raise Problem(fields=[('Idempotency-Key', "Must have at most 50 characters.")])
        if request.method == 'POST' and (raw or operation != 'cancel'):
            if request.mimetype != 'application/json':
                raise Problem(fields=[('Content-Type', "Must be application/json.")])
        caller = unit.msn if request.method == 'POST' else headers['Ocp-Apim-Subscription-Key']
        self._world.rate_limits.count(
            operation, arguments.get('reference') or _guess_reference(raw), caller
        )

        def execute():
            if fault and fault.kind == 'refuse':
                raise Problem(fault.code)
            call = Call(
                operation, unit, body=parse_json(raw) if raw else None, idempotency_key=key,
                **arguments,
            )
            if not re.fullmatch(REFERENCE_PATTERN, call.reference or 'no-reference'):
                raise Problem(fields=[('reference', f"Must match '^{REFERENCE_PATTERN}$'.")])
            api = webhooks if operation in WEBHOOK_OPERATIONS else epayment
            return Answer(*getattr(api, operation)(self._world, call, self._base_url()))

        if operation in REPEATABLE and key:
            return self._once((unit.msn, key), (request.path, _canonical(raw)), operation, execute)
        return execute()

    def _once(self, key, fingerprint, operation, execute):
        """Do it, or repeat the answer when it was done with this key.

        Definite refusals are remembered like successes: a corrected request needs a new key.
        """
        answers = self._world.answers
        if key in answers:
            known, answer = answers[key]
            if known != fingerprint:
                raise Problem(
                    CONFLICTS.get(operation, '4020'), "Another request had this idempotency key."
                )
            return answer
        try:
            answer = execute()
        except Problem as problem:
            if problem.is_remembered:
                instance = _instance(fingerprint[0])
                answers[key] = fingerprint, Answer(
                    problem.status, problem.body(instance), {}, problem.content_type
                )
            raise
        answers[key] = fingerprint, answer
        return answer

    def _subscribed_unit(self, headers):
        key = headers.get('Ocp-Apim-Subscription-Key')
        if not key:
            raise Refusal(401, "Access denied due to missing subscription key.")
        for unit in self._world.units.values():
            if key in unit.subscription_keys:
                return unit
        raise Refusal(401, "Access denied due to invalid subscription key.")

    def _issue_token(self, headers, raw, key_unit):
        if raw:
            raise Problem(fields=[('body', "Must be empty.")])
        for name in ('client_id', 'client_secret'):
            if not headers.get(name):
                raise Problem(fields=[(name, "The header is required.")])
        unit = next(
            (u for u in self._world.units.values() if u.client_id == headers['client_id']), None
        )
        if not unit or headers['client_secret'] != unit.client_secret:
            raise Problem(status=401, detail="The client id or the client secret is wrong.")
        if key_unit != unit:
            raise Refusal(401, "Access denied due to invalid subscription key.")
        msn = headers.get('Merchant-Serial-Number')
        if msn is not None and msn != unit.msn:
            raise Problem(status=401, detail="The merchant serial number is another one's.")
        return Answer(200, self._world.tokens.issue(unit))

    def _authorized_unit(self, headers, key_unit):
        scheme, _space, token = headers.get('Authorization', '').partition(' ')
        token_msn = self._world.tokens.msn(token) if scheme == 'Bearer' else None
        if token_msn is None:
            raise Refusal(401, "Unauthorized. Access token is missing or invalid.")
        if token_msn != key_unit.msn:
            raise Refusal(401, "Access denied due to invalid subscription key.")
        msn = headers.get('Merchant-Serial-Number', '')
        if not re.fullmatch(r'[0-9]{4,10}', msn):
            raise Problem(fields=[('Merchant-Serial-Number', "Must match '^[0-9]{4,10}$'.")])
        if msn != key_unit.msn:
            raise Problem(status=401, detail="The keys are not those of the sales unit.")
        if not key_unit.active:
            raise Problem(status=403, detail="The sales unit has not ordered this product.")
        return key_unit

    def _note(self, request, headers, raw, operation, arguments, answer, fault):
        self._world.journal.add(
            operation=operation,
            method=request.method,
            path=request.path,
            reference=arguments.get('reference') or _guess_reference(raw),
            msn=headers.get('Merchant-Serial-Number'),
            idempotency_key=headers.get('Idempotency-Key'),
            headers=dict(headers.items()),
            body=_readable(raw),
            status=answer.status or None,
            answer=answer.body,
            fault=fault and fault.kind,
        )

    def _spoil(self, answer, fault):
        """Return the answer to send, as far as the fault leaves it whole."""
        kind = fault and fault.kind
        if kind in ('lost', 'lost_answer'):
            raise ConnectionAbortedError
        if kind == 'latency':
            self._closing.wait(fault.seconds)
        body = b'' if answer.body is None else json.dumps(answer.body).encode()
        if kind == 'garbage':
            return Response("<html><h1>Oops</h1>", answer.status, content_type='text/html')
        response = Response(body, answer.status, answer.headers, content_type=answer.content_type)
        if kind == 'truncated':
            response.headers['Content-Length'] = str(len(body) or 2)
            response.response = _torn(body)
        return response


def _match(method, path):
    """Return the operation a request asks for and its arguments; None for what does not exist."""
    for route_method, pattern, operation in ROUTES:
        match = re.fullmatch(pattern, path)
        if match and route_method == method:
            arguments = match.groupdict()
            return arguments.pop('operation', operation), arguments
    return None, {}


def _check_system_headers(headers):
    """Refuse what does not say which system and plugin it is; the approval of plugins looks at it.

    https://developer.vippsmobilepay.com/docs/knowledge-base/http-headers/
    """
    for name in SYSTEM_HEADERS:
        if not 1 <= len(headers.get(name, '')) <= 30:
            raise Problem(fields=[(name, "The header must have 1 to 30 characters.")])


def _instance(path):
    return re.sub(r'^/(epayment|webhooks)', '', path)


def _guess_reference(raw):
    """Return the reference in a body that nobody has looked at yet."""
    body = _readable(raw)
    reference = body.get('reference') if isinstance(body, dict) else None
    return reference if isinstance(reference, str) else None


def _readable(raw):
    """Return the body as it can be noted: JSON when it is, else text."""
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        return raw.decode(errors='replace') or None


def _canonical(raw):
    """Return a body such that equal JSON is equal."""
    return json.dumps(_readable(raw), sort_keys=True)


def _tamper(answer, fault):
    if answer.status != 200:
        return
    sums = answer.body['aggregate']
    value = answer.body['amount']['value'] + 1 if fault.value is None else fault.value
    for amount in (answer.body['amount'], *sums.values()):
        amount['currency'] = fault.currency or amount['currency']
    if fault.currency is None or fault.value is not None:
        answer.body['amount']['value'] = value
        if sums['authorizedAmount']['value']:
            sums['authorizedAmount']['value'] = value


def _torn(body):
    yield body[:len(body) // 2]
    raise ConnectionAbortedError
