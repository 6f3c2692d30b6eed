"""`./dev smoke`: compare the answers of the test environment with those of the simulator.

For people who have keys of the test environment; the environment variables of :data:`VARIABLES`
hold them. `VIPPS_CURRENCY` is that of the sales unit, NOK by default; `VIPPS_API_URL` may be the
address of a simulator on this machine. The keys are neither stored nor printed, and nothing else is
printed of an answer than its status, the names and types of its fields, states and sums.
"""

import contextlib
import json
import os
import sys
import time
import uuid
from unittest.mock import patch

from protocol import connection, payloads
from protocol.access_token import Credentials, TokenCache
from protocol.client import PAYMENTS, Client
from protocol.errors import VippsError
from simulator.sales_units import UNITS
from simulator.server import Simulator
from simulator.urls import is_loopback

TEST_URL = 'https://apitest.vipps.no'
VARIABLES = {
    'VIPPS_CLIENT_ID': "the client ID",
    'VIPPS_CLIENT_SECRET': "the client secret",
    'VIPPS_SUBSCRIPTION_KEY': "a subscription key",
    'VIPPS_MERCHANT_SERIAL_NUMBER': "the merchant serial number",
    'VIPPS_PHONE': "the phone number of a test user with country code, digits only",
}
SYSTEM = {
    'Vipps-System-Name': 'odoo', 'Vipps-System-Version': '17.0',
    'Vipps-System-Plugin-Name': 'mobilepay-vipps-smoke', 'Vipps-System-Plugin-Version': '1.0',
}
# Minor units.
AMOUNT, CAPTURED, REFUNDED = 1000, 600, 200
NOBODY = 'http://127.0.0.1:9/'  # where the simulator sends its events in vain
APPROVAL_SECONDS = 20  # until an approval must be seen
# Of these fields the values are compared, of all others only the types.
COMPARED_VALUES = {'state', 'name', 'success', 'currency', 'value', 'token_type'}


class Side(Client):
    """The test environment or the simulator, where one payment is taken step by step."""

    def __init__(self, credentials, phone, currency):
        """Prepare the steps; nothing is sent.

        :param protocol.access_token.Credentials credentials: The keys.
        :param str phone: The number of the customer.
        :param str currency: The currency of the payment.
        """
        super().__init__(credentials, SYSTEM, tokens=TokenCache())
        self._phone = phone
        self._currency = currency
        self._reference = f'smoke-{uuid.uuid4()}'
        self.steps = {
            'token': self.fetch_token,
            'webhooks': self.list_webhooks,
            'create': self._create,
            'approve': self._force_approve,
            'read': self._read_approved,
            'capture': lambda: self.capture(
                self._reference, CAPTURED, currency, str(uuid.uuid4()),
            ),
            'refund': lambda: self.refund(
                self._reference, REFUNDED, currency, str(uuid.uuid4()),
            ),
            'cancel': lambda: self.cancel(self._reference),
            'events': lambda: self.get_events(self._reference),
        }

    def take(self, name):
        """Take a step; returns the status and the shape of its last answer, without any secret."""
        answers = []
        exchange = connection.exchange

        def note(*arguments, **options):
            status, body, headers = exchange(*arguments, **options)
            answers.append((status, get_shape(body)))
            return status, body, headers

        with patch.object(connection, 'exchange', note), contextlib.suppress(VippsError):
            self.steps[name]()
        return answers[-1] if answers else ('no answer', None)

    def clean_up(self):
        """Release everything that is still reserved."""
        with contextlib.suppress(VippsError):
            self.cancel(self._reference)

    def _create(self):
        self.create_payment(payloads.create_payment(
            reference=self._reference, amount=AMOUNT, currency=self._currency,
            description="Smoke test", return_url='https://example.com/return',
        ), str(uuid.uuid4()))

    def _force_approve(self):
        path = f"{PAYMENTS.replace('/payments', '/test/payments')}/{self._reference}/approve"
        self._request(
            'POST', path, {'customer': {'phoneNumber': self._phone}}, str(uuid.uuid4()),
        )

    def _read_approved(self):
        deadline = time.monotonic() + APPROVAL_SECONDS
        while self.get_payment(self._reference).state == 'CREATED' and time.monotonic() < deadline:
            time.sleep(1)


def get_shape(body):
    """Return the comparable part of an answer: the names and types of its fields, and some values.

    :param bytes body: The answer.
    """
    try:
        return _get_shape(json.loads(body)) if body.strip() else None
    except ValueError:
        return "not JSON"


def _get_shape(value, name=None):
    if isinstance(value, dict):
        return {key: _get_shape(item, key) for key, item in value.items()}
    if isinstance(value, list):
        return [_get_shape(item) for item in value]
    return value if name in COMPARED_VALUES else type(value).__name__


def compare(found, expected, path='answer'):
    """Yield the differences between two shapes, in words.

    :param found: The shape in the test environment.
    :param expected: The shape at the simulator.
    """
    if isinstance(found, dict) and isinstance(expected, dict):
        for name in [*expected, *(name for name in found if name not in expected)]:
            if name not in found:
                yield f'{path}.{name} is missing'
            elif name not in expected:
                yield f'{path}.{name} is not known to the simulator'
            else:
                yield from compare(found[name], expected[name], f'{path}.{name}')
    elif isinstance(found, list) and isinstance(expected, list):
        if path == 'answer.webhooks':  # How many there are is nobody's business.
            found, expected = found[:1], expected[:len(found)]
        if len(found) != len(expected):
            yield f'{path} has {len(found)} items, at the simulator {len(expected)}'
        for number, items in enumerate(zip(found, expected, strict=False)):
            yield from compare(*items, f'{path}[{number}]')
    elif found != expected:
        yield f'{path} is {_describe(found)}, at the simulator {_describe(expected)}'


def _describe(shape):
    return {dict: "an object", list: "an array"}.get(type(shape), repr(shape))


def run(variables):
    """Take all steps on both sides; prints a line for each and returns the exit code.

    :param dict variables: The environment variables.
    """
    missing = [f'{name}: {VARIABLES[name]}' for name in VARIABLES if not variables.get(name)]
    url = variables.get('VIPPS_API_URL') or TEST_URL
    if url.rstrip('/') != TEST_URL and not is_loopback(url):
        missing.append("VIPPS_API_URL must be of the test environment or of this machine")
    currency = variables.get('VIPPS_CURRENCY') or 'NOK'
    unit = next((unit for unit in UNITS if unit.currency == currency), None)
    if not unit:
        missing.append(f"VIPPS_CURRENCY must be one of {', '.join(u.currency for u in UNITS)}")
    if missing:
        print("These environment variables are needed:", *missing, sep='\n  ')
        return 2
    theirs = Side(Credentials(
        url, *(variables[name] for name in VARIABLES if name != 'VIPPS_PHONE'),
    ), variables['VIPPS_PHONE'], currency)
    with Simulator(allow_loopback_http=True) as simulator:
        ours = Side(Credentials(
            simulator.url, unit.client_id, unit.client_secret, unit.subscription_key, unit.msn,
        ), variables['VIPPS_PHONE'], currency)
        ours.register_webhook(NOBODY)
        try:
            return _compare_steps(theirs, ours)
        finally:
            theirs.clean_up()


def _compare_steps(theirs, ours):
    for name in theirs.steps:
        (status, found), (expected_status, expected) = theirs.take(name), ours.take(name)
        differences = list(compare(found, expected))
        if status != expected_status:
            differences.insert(0, f'the status is {status}, at the simulator {expected_status}')
        print(f'{name:<10}{status}  {"DIFFERS" if differences else "as the simulator"}', flush=True)
        if differences:
            print(*differences, sep='\n')
            return 1
    return 0


if __name__ == '__main__':
    sys.exit(run(os.environ))
