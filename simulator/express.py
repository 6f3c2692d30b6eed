"""The app of a customer of Express: asks the merchant how it delivers, and lets choose."""

import json
import time
from urllib.parse import urlsplit

import requests

from .customers import ADDRESSES
from .express_rules import allowed_countries, check_answer
from .problems import Problem
from .urls import is_loopback
from .validation import parse_json

PATIENCE = 10  # real seconds; how long the app waits is not documented
NO_DELIVERY = "The shop cannot deliver to this address."
NO_ANSWER = "The shop does not answer. Try again."
WRONG_TOKEN = '00000000000000000000000000000000'


class Express:
    """Asks merchants and keeps what they offer. Do not hold the lock of the world: the merchant may
    call the API before it answers."""

    def __init__(self, world):
        self._world = world

    def choose_address(self, payment, address):
        """Let the customer choose an address; a question goes to the merchant if it wants one.

        :param Payment payment: The payment.
        :param dict address: The address, as the API writes it, or one of :data:`ADDRESSES`.
        :raise Problem: When the payment is decided, or has no delivery to choose.
        """
        with self._world.lock:
            self._world.settle()
            payment.demand_delivery()
            if address['country'] not in allowed_countries(payment.request):
                raise Problem(detail=f"The shop does not deliver to {address['country']}.")
            dynamic = payment.request['shipping'].get('dynamicOptions')
            payment.offer(address, payment.request['shipping'].get('fixedOptions'), '')
            fault = self._world.faults.take('shipping', payment.reference) if dynamic else None
        if not dynamic:
            return
        if fault and fault.kind == 'duplicate':
            self._ask(payment, address, fault)
        groups, refusal = self._ask(payment, address, fault)
        with self._world.lock:
            payment.offer(address, groups, refusal)

    def approve(self, payment, option_id=None):
        """Let the customer approve, with the default address and option unless told otherwise.

        :param Payment payment: The payment.
        :param str option_id: The option, if not the default.
        :raise Problem: When there is no such option, or when the payment is decided already.
        """
        if payment.wants_delivery and payment.state == 'CREATED' and not payment.address:
            countries = allowed_countries(payment.request)
            address = next((a for a in ADDRESSES.values() if a['country'] in countries), None)
            if not address:
                raise Problem(detail="No customer of ours lives where the shop delivers to.")
            self.choose_address(payment, address)
        with self._world.lock:
            if option_id is not None:
                payment.choose(option_id)
            fault = self._world.faults.take('approval', payment.reference)
            self._world.approve(payment, fault)
        if fault and fault.kind == 'late_question':
            self._ask(payment, payment.address, fault)

    def _ask(self, payment, address, fault):
        """Ask the merchant once.

        :return: The groups, or None and what the customer reads instead.
        :rtype: tuple
        """
        options = payment.request['shipping']['dynamicOptions']
        url, kind = options['callbackUrl'], fault and fault.kind
        body, headers = build_question(payment, address, fault)
        status = content = groups = None
        reason = ''
        if kind == 'latency':
            self._world.wait(fault.seconds)
        started = time.monotonic()
        patience = fault.seconds if kind == 'impatient' else PATIENCE
        if kind == 'lost':
            reason = "lost on the way, as told"
        elif not is_loopback(url):
            reason = "not sent: the simulator speaks to this machine only"
        else:
            try:
                status, content = _post(url, body, headers, patience)
            except requests.RequestException as error:
                reason = f"no answer: {type(error).__name__}"
        answer = None
        if content is not None:
            try:
                answer = parse_json(content)
                if status == 200:
                    groups = check_answer(answer, payment.currency)
            except Problem as problem:
                reason = f'{problem.message} {problem.fields}'
        self._world.journal.write({
            'type': 'question', 'path': urlsplit(url).path, 'headers': headers, 'body': body,
            'status': status, 'answer': answer, 'fault': kind,
        })
        refusal = NO_DELIVERY if status == 400 or groups == [] else '' if groups else NO_ANSWER
        with self._world.lock:
            payment.questions.append({
                'body': body, 'status': status, 'reason': reason, 'answer': answer,
                'milliseconds': round((time.monotonic() - started) * 1000), 'fault': kind,
            })
        return groups or None, refusal


def build_question(payment, address, fault=None):
    """Return the body and the headers of a question for options.

    ePayment OpenAPI 1.8.1, schema `DynamicShippingGroupsRequest`.
    """
    kind = fault and fault.kind
    body = {
        'reference': payment.reference,
        'AddressLine1': address['addressLine1'],
        'AddressLine2': address.get('addressLine2'),
        'City': address['city'],
        'PostCode': address['postCode'],
        'Country': address['country'],
    }
    if kind == 'camel':
        body = {name[0].lower() + name[1:]: value for name, value in body.items()}
    if kind == 'edited':
        body.update(fault.changes)
        body = {name: value for name, value in body.items() if value is not None}
    headers = {'Content-Type': 'application/json;charset=UTF-8'}
    token = payment.callback_token
    if kind == 'token':
        token = {'bearer': f'Bearer {token}', 'wrong': WRONG_TOKEN, 'missing': None}[fault.token]
    if token:
        headers['Authorization'] = token
    return body, headers


def _post(url, body, headers, patience):
    with requests.Session() as session:
        session.trust_env = False  # no proxy
        with session.post(
            url, data=json.dumps(body, ensure_ascii=False).encode(), headers=headers,
            timeout=patience, allow_redirects=False,
        ) as answer:
            return answer.status_code, answer.content
