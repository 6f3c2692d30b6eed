"""Measure the webhook against a route that only stores a row, and against that of `payment_stripe`.
"""

import hashlib
import hmac
import json
import time
import uuid

from tools.console import Failure

from .figures import Row, in_ms, ratio_of_medians

WARM_UP, ROUNDS = 40, 400
PAUSE = 0.02  # seconds, for what workers do after their answer
STRIPE_SECRET = 'whsec_bench'


def measure(shop):
    """Send events to all three, in turn."""
    ours, bare, theirs = [], [], []
    stripe = _prepare_stripe(shop)
    reference = shop.new_customer().press_pay()['reference']
    with shop.jobs_paused():
        for number in range(WARM_UP + ROUNDS):
            body, headers = shop.event(reference)
            for times, path, event in (
                (bare, '/vipps_bench/row', (body, headers)),
                (ours, f'/payment/vipps/webhook/{shop.provider}', (body, headers)),
                (theirs, '/payment/stripe/webhook', _prepare_stripe_event(stripe[number])),
            ):
                times.append(shop.post(path, *event))
                time.sleep(PAUSE)
        stored = shop.value(
            'SELECT count(*) FROM vipps_webhook_event WHERE reference = %s', reference
        )
        shop.sql('DELETE FROM vipps_webhook_event WHERE reference = %s', reference)
        shop.sql("DELETE FROM vipps_task WHERE kind = 'sync'")
    done = shop.value(
        "SELECT count(*) FROM payment_transaction WHERE reference = ANY(%s) AND state = 'pending'",
        stripe,
    )
    if stored < WARM_UP + ROUNDS or done < WARM_UP + ROUNDS:
        raise Failure(f"Of {WARM_UP + ROUNDS} events, {stored} were stored, and {done} of Stripe's"
                      " took effect.")
    bare, ours, theirs = (times[WARM_UP:] for times in (bare, ours, theirs))
    ratio, ratio_to_theirs = ratio_of_medians(ours, bare), ratio_of_medians(ours, theirs)
    return [
        Row(
            "Webhook intake: signed event to 200", in_ms(ours), f"bare route: {in_ms(bare)}",
            ratio, "at most 1.3", ratio <= 1.3,
        ),
        Row(
            "The same", in_ms(ours), f"`payment_stripe`: {in_ms(theirs)}", ratio_to_theirs,
            "below 1", ratio_to_theirs < 1,
        ),
    ]


def _prepare_stripe(shop):
    """Return the references of payments without documents, as many as events are sent."""
    provider, = shop.rpc('payment.provider', 'search', [('code', '=', 'stripe')])
    shop.rpc('payment.provider', 'write', [provider], {
        'state': 'test', 'stripe_publishable_key': 'pk_bench', 'stripe_secret_key': 'sk_bench',
        'stripe_webhook_secret': STRIPE_SECRET,
    })
    card, = shop.rpc('payment.method', 'search', [('code', '=', 'card')])
    currency, = shop.rpc('res.currency', 'search', [('name', '=', 'NOK')])
    partner = shop.rpc.reference('base.main_partner')
    references = [f'stripe-{uuid.uuid4().hex}' for _event in range(WARM_UP + ROUNDS)]
    shop.rpc('payment.transaction', 'create', [{
        'provider_id': provider, 'payment_method_id': card, 'reference': reference, 'amount': 199,
        'currency_id': currency, 'partner_id': partner, 'operation': 'online_direct',
    } for reference in references])
    return references


def _prepare_stripe_event(reference):
    """Return the body and the headers of an event about a payment, signed."""
    body = json.dumps({'type': 'payment_intent.processing', 'data': {'object': {
        'id': f'pi_{reference}', 'description': reference, 'status': 'processing',
        'payment_method': None,
    }}}).encode()
    moment = int(time.time())
    signature = hmac.new(
        STRIPE_SECRET.encode(), f'{moment}.'.encode() + body, hashlib.sha256
    ).hexdigest()
    return body, {
        'Content-Type': 'application/json', 'Stripe-Signature': f't={moment},v1={signature}',
    }
