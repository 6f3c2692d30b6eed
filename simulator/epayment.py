"""The operations of the ePayment API; each returns the HTTP status and the body of the answer."""

from .create_rules import check_create
from .problems import Problem
from .request_bodies import APPROVE, CANCEL, CREATE, MODIFY
from .validation import validate


def create(world, call, base_url):
    """Create a payment; https://developer.vippsmobilepay.com/api/epayment/#operation/createPayment"""
    validate(CREATE, call.body)
    check_create(call.body, call.unit, world.allow_loopback_http, world.clock.now())
    payment = world.create_payment(call.unit, call.body, call.idempotency_key)
    url = redirect_url(payment, base_url)
    return 201, {'reference': payment.reference, **({'redirectUrl': url} if url else {})}


def get(world, call, base_url):
    """Read a payment."""
    payment = _read(world, call)
    return 200, payment.details(redirect_url(payment, base_url))


def events(world, call, base_url):
    """Read the event log of a payment, oldest first."""
    return 200, list(_read(world, call).events)


def capture(world, call, base_url):
    """Capture a part of a payment or all of it."""
    return _modify(world, call)


def refund(world, call, base_url):
    """Refund all or a part of the captured amount."""
    return _modify(world, call)


def cancel(world, call, base_url):
    """Cancel a payment, or the part of it that is not captured."""
    body = {} if call.body is None else call.body
    validate(CANCEL, body)
    payment = world.find_payment(call.unit.msn, call.reference)
    world.modify(
        payment, 'cancel', only_unapproved=body.get('cancelTransactionOnly', False),
        idempotency_key=call.idempotency_key,
    )
    return 200, payment.modification()


def fail(world, call, code):
    """Note that a capture, a refund or a cancellation has failed.

    :raise Problem: With the code, always.
    """
    payment = world.find_payment(call.unit.msn, call.reference)
    if call.operation == 'cancel':
        payment.fail('CANCELLED', payment.remaining, world.clock.now(), call.idempotency_key)
    else:
        validate(MODIFY, call.body)
        name = {'capture': 'CAPTURED', 'refund': 'REFUNDED'}[call.operation]
        amount = call.body['modificationAmount']['value']
        payment.fail(name, amount, world.clock.now(), call.idempotency_key)
    raise Problem(code)


def approve_before(world, call):
    """Let the customer approve just before a call, unless the payment is decided."""
    payment = world.find_payment(call.unit.msn, call.reference)
    if payment.state == 'CREATED':
        world.approve(payment)


def force_approve(world, call, base_url):
    """Approve without the app, as the test environment can."""
    validate(APPROVE, call.body)
    payment = world.find_payment(call.unit.msn, call.reference)
    token = call.body.get('token')
    if payment.wants_delivery:
        raise Problem('10060', "Express cannot be approved without the app.")
    if token is None and 'customer' not in call.body:
        raise Problem('10030', fields=[('customer', "Either this or token is needed.")])
    if token is not None and token != payment.token:
        raise Problem('10030', fields=[('token', "It is not of this payment.")])
    world.approve(payment)
    return 200, None


def redirect_url(payment, base_url):
    """Return where the customer is to be sent, or None when nowhere."""
    if payment.user_flow == 'PUSH_MESSAGE':
        return None
    if payment.user_flow == 'QR':
        qr_format = (payment.request.get('qrFormat') or {}).get('format')
        if qr_format != 'TEXT/TARGETURL':
            return f'{base_url}/qr?token={payment.token}'
    return f'{base_url}/landing?token={payment.token}'


def _read(world, call):
    payment = world.find_payment(call.unit.msn, call.reference)
    return payment.before_last_event() if call.is_stale else payment


def _modify(world, call):
    validate(MODIFY, call.body)
    payment = world.find_payment(call.unit.msn, call.reference)
    amount = call.body['modificationAmount']
    if amount['currency'] != payment.currency:
        raise Problem('4040', fields=[
            ('modificationAmount.currency', f"The payment is in {payment.currency}."),
        ])
    world.modify(payment, call.operation, amount['value'], idempotency_key=call.idempotency_key)
    return 200, payment.modification()
