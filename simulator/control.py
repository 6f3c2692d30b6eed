"""Serve the control endpoints, with which tests and demos do more than a merchant may."""

import json
import re
from contextlib import nullcontext

from werkzeug.wrappers import Response

from . import epayment
from .api import Call
from .customers import ADDRESSES
from .problems import Refusal
from .request_bodies import PHONE
from .settlement_control import SettlementControl
from .validation import (
    ANYTHING,
    BOOLEAN,
    array,
    integer,
    nullable,
    one_of,
    parse_json,
    record,
    text,
    validate,
)

_AMOUNT = record(optional={'amount': integer(1)})
_CHECK_IN = record({'msn': text(), 'qr_id': text(1)}, {
    'phone': PHONE, 'age': {'type': 'number'}, 'old_name': BOOLEAN, 'forged': BOOLEAN,
})
_KNOWN_ADDRESS = record({'name': one_of(*ADDRESSES)})
_ADDRESS = record(
    dict.fromkeys(('addressLine1', 'city', 'country', 'postCode'), text()),
    {'addressLine2': nullable(text())},
)
_CLOCK = record({'advance': {'type': 'number', 'minimum': 0}})
_LIMITS = record({'enabled': BOOLEAN})
_PAYMENTS = record({
    'msn': text(),
    'references': array(text()),
    'request': ANYTHING,  # It is checked as the merchant's own.
    'approved': BOOLEAN,
})


class Control:
    """Answers below `/control/`, in JSON:

    - `GET payments`, `GET payments/REFERENCE`: what the simulator knows about payments
    - `POST payments`: make a payment for each of the `references`, as the merchant with that `msn`
      does with the `request`, and `approved` by the customer if that is true
    - `POST payments/REFERENCE/approve`, `decline`, `expire`: as the customer in the app; to
      approve Express, `{"option": "the id of the delivery"}` or nothing for the default
    - `POST payments/REFERENCE/address`: choose where to deliver, `{"name": "work"}` (one of
      :data:`customers.ADDRESSES`) or an address as the API writes it; the merchant is asked for the
      options. The payment in the answer has the `questions` with their answers
    - `POST payments/REFERENCE/capture`, `refund`: as the merchant in the portal, `{"amount": 100}`
      or all; `cancel`: all that is not captured
    - `POST codes`: make a one-time personal code, of the customer with that `phone`
    - `POST customers`: `{"phone": "4798765432", "known": false}`: nobody has this number
    - `GET stickers`, `GET redirects`: the stickers, and the codes that open pages
    - `POST check-ins`: let a customer scan the sticker `qr_id` of the sales unit `msn`, whether
      there is one or not; with `phone`, `age` (so many seconds ago), `old_name` (with the field
      names of before) and `forged` (signed with another secret)
    - `POST faults`: let something go wrong, see :class:`faults.Fault`; `GET` tells what is still to
      go wrong, `DELETE` clears it
    - `POST clock`: `{"advance": SECONDS}`; `GET` tells the time
    - `GET units`: the sales units; `POST` changes or adds one
    - `POST rate-limits`: `{"enabled": true}`
    - `POST tokens/revoke`: let no access token be good that was issued so far
    - `GET exchanges`, `GET deliveries`: what was called and what was sent
    - `GET secrets`: what was given out and must be found nowhere
    - `POST reset`: forget everything
    - `settlements`: see :class:`settlement_control.SettlementControl`

    `?msn=` tells payments of several sales units apart that have the same reference.
    """

    def __init__(self, world):
        self._world = world
        self._routes = [
            ('GET', 'payments', self._list_payments),
            ('POST', 'payments', self._add_payments),
            ('GET', r'payments/([^/]+)', self._show_payment),
            ('POST', r'payments/([^/]+)/approve', self._approve),
            ('POST', r'payments/([^/]+)/address', self._choose_address),
            ('POST', r'payments/([^/]+)/(decline|expire)', self._decide),
            ('POST', r'payments/([^/]+)/(capture|refund|cancel)', self._modify),
            ('POST', 'codes', self._make_code),
            ('POST', 'customers', self._set_customer),
            ('GET', 'stickers', self._list_stickers),
            ('GET', 'redirects', self._list_redirects),
            ('POST', 'check-ins', self._check_in),
            ('GET', 'faults', self._list_faults),
            ('POST', 'faults', self._add_fault),
            ('DELETE', 'faults', self._clear_faults),
            ('GET', 'clock', self._show_clock),
            ('POST', 'clock', self._advance),
            ('GET', 'units', self._list_units),
            ('POST', 'units', self._set_unit),
            ('POST', 'rate-limits', self._set_rate_limits),
            ('POST', 'tokens/revoke', self._revoke_tokens),
            ('GET', 'exchanges', self._list_exchanges),
            ('GET', 'deliveries', self._list_deliveries),
            ('GET', 'secrets', self._list_secrets),
            ('POST', 'reset', self._reset),
            *SettlementControl(world).routes,
        ]

    def handle(self, request):
        """Answer a request; a wrong one with `{"error": "the reason"}`."""
        path = request.path.removeprefix('/control/').rstrip('/')
        raw = request.get_data()
        try:
            body = parse_json(raw) if raw else {}
            validate({'type': 'object'}, body)
            for method, pattern, view in self._routes:
                match = re.fullmatch(pattern, path)
                if match and method == request.method:
                    # A merchant that is asked may call the API before it answers.
                    is_asking = view in (self._approve, self._choose_address)
                    with nullcontext() if is_asking else self._world.lock:
                        return _json(view(request, body, *match.groups()))
            return _json({'error': f"there is no {request.method} {request.path}"}, 404)
        except Refusal as refusal:
            problem = refusal.body(request.path)
            return _json({'error': str(refusal), 'problem': problem}, refusal.status)
        except (TypeError, ValueError) as error:
            return _json({'error': str(error)}, 400)

    def _find(self, request, reference):
        msn = request.args.get('msn')
        with self._world.lock:
            if msn:
                return self._world.find_payment(msn, reference)
            return self._world.find_by_reference(reference)

    def _list_payments(self, request, body):
        self._world.settle()
        return {'payments': [payment.summary() for payment in self._world.payments.values()]}

    def _add_payments(self, request, body):
        validate(_PAYMENTS, body)
        if body['msn'] not in self._world.units:
            raise ValueError("there is no such sales unit")
        unit = self._world.units[body['msn']]
        for reference in body['references']:
            asked = {**body['request'], 'reference': reference}
            epayment.create(self._world, Call('create', unit, asked, None), '')
            if body['approved']:
                self._world.approve(self._world.find_payment(unit.msn, reference))
        return {'count': len(body['references'])}

    def _show_payment(self, request, body, reference):
        return self._find(request, reference).summary()

    def _approve(self, request, body, reference):
        validate(record(optional={'option': text(1)}), body)
        payment = self._find(request, reference)
        self._world.express.approve(payment, body.get('option'))
        return self._show_payment(request, {}, reference)

    def _choose_address(self, request, body, reference):
        validate(_KNOWN_ADDRESS if 'name' in body else _ADDRESS, body)
        payment = self._find(request, reference)
        self._world.express.choose_address(payment, ADDRESSES.get(body.get('name'), body))
        return self._show_payment(request, {}, reference)

    def _decide(self, request, body, reference, decision):
        payment = self._find(request, reference)
        self._world.decide(payment, decision)
        return payment.summary()

    def _modify(self, request, body, reference, operation):
        validate(record() if operation == 'cancel' else _AMOUNT, body)
        payment = self._find(request, reference)
        self._world.modify(payment, operation, body.get('amount'))
        return payment.summary()

    def _make_code(self, request, body):
        validate(record(optional={'phone': PHONE}), body)
        return {'code': self._world.customers.make_code(body.get('phone'))}

    def _set_customer(self, request, body):
        validate(record({'phone': PHONE, 'known': BOOLEAN}), body)
        self._world.customers.set_known(body['phone'], body['known'])
        return body

    def _list_stickers(self, request, body):
        return {'stickers': [vars(sticker) for sticker in self._world.codes.stickers.values()]}

    def _list_redirects(self, request, body):
        return {'redirects': [vars(code) for code in self._world.codes.redirects()]}

    def _check_in(self, request, body):
        validate(_CHECK_IN, body)
        if body['msn'] not in self._world.units:
            raise ValueError("there is no such sales unit")
        return {'customerToken': self._world.check_in(**body)}

    def _list_faults(self, request, body):
        return {'faults': self._world.faults.as_list()}

    def _add_fault(self, request, body):
        self._world.faults.add(**body)
        return self._list_faults(request, {})

    def _clear_faults(self, request, body):
        self._world.faults.clear()
        return self._list_faults(request, {})

    def _show_clock(self, request, body):
        return {'now': self._world.clock.now(), 'factor': self._world.clock.factor}

    def _advance(self, request, body):
        validate(_CLOCK, body)
        self._world.advance(body['advance'])
        return self._show_clock(request, {})

    def _list_units(self, request, body):
        return {'units': [_describe(unit) for unit in self._world.units.values()]}

    def _set_unit(self, request, body):
        return _describe(self._world.set_unit(**{'msn': None, **body}))

    def _set_rate_limits(self, request, body):
        validate(_LIMITS, body)
        self._world.rate_limits.enabled = body['enabled']
        return {'enabled': self._world.rate_limits.enabled}

    def _revoke_tokens(self, request, body):
        self._world.tokens.revoke()
        return {}

    def _list_exchanges(self, request, body):
        exchanges = list(self._world.journal.exchanges)
        return {'count': len(exchanges), 'exchanges': exchanges}

    def _list_deliveries(self, request, body):
        return {
            'pending': self._world.deliveries.count_pending(),
            'deliveries': self._world.deliveries.log,
        }

    def _list_secrets(self, request, body):
        return {
            'accessTokens': list(self._world.tokens.issued),
            'webhookSecrets': {
                known.url: known.secret for known in self._world.registrations.values()
            },
            'landingTokens': [payment.token for payment in self._world.payments.values()],
            'callbackTokens': [
                payment.callback_token for payment in self._world.payments.values()
                if payment.callback_token
            ],
            'personalCodes': list(self._world.customers.codes),
            'customerTokens': list(self._world.codes.tokens),
        }

    def _reset(self, request, body):
        self._world.reset()
        return {}


def _describe(unit):
    """Return a sales unit without its keys."""
    return {
        'msn': unit.msn,
        'name': unit.name,
        'currency': unit.currency,
        'active': unit.active,
        'may_push': unit.may_push,
        'may_express': unit.may_express,
        'may_capture_partially': unit.may_capture_partially,
        'may_live_long': unit.may_live_long,
        'may_have_stickers': unit.may_have_stickers,
    }


def _json(value, status=200):
    return Response(json.dumps(value), status, content_type='application/json')
