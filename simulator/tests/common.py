import json
import queue
import threading
import unittest
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import requests

from ..sales_units import DKK_UNIT, NOK_UNIT
from ..server import Simulator

SYSTEM_HEADERS = {
    'Vipps-System-Name': 'test',
    'Vipps-System-Version': '17.0',
    'Vipps-System-Plugin-Name': 'test-plugin',
    'Vipps-System-Plugin-Version': '1.0',
}
PAYMENT_EVENTS = [
    f'epayments.payment.{name}.v1' for name in (
        'created', 'authorized', 'aborted', 'expired', 'terminated', 'captured', 'cancelled',
        'refunded',
    )
]
# What the requests of tills have in common; see `Merchant.payload`.
AT_TILL = {'customerInteraction': 'CUSTOMER_PRESENT', 'returnUrl': None}
QR = {**AT_TILL, 'userFlow': 'QR'}
PUSH = {**AT_TILL, 'userFlow': 'PUSH_MESSAGE'}


def shipping_group(
    option_id='c1', cost=9900, currency='NOK', type='HOME_DELIVERY', brand='POSTEN', **changes
):
    """Return a group with one option of delivery."""
    option = {'id': option_id, 'name': "Home", 'amount': {'currency': currency, 'value': cost}}
    return {'type': type, 'brand': brand, 'options': [option], **changes}


EXPRESS = {
    'profile': {'scope': 'name email phoneNumber address'},
    'shipping': {'fixedOptions': [shipping_group()]},
}
DKK_SHIPPING = {
    'unit': DKK_UNIT, 'shipping': {'fixedOptions': [shipping_group(currency='DKK')]},
}


class Merchant:
    """Somebody who calls the API by hand, right unless told otherwise."""

    def __init__(self, simulator, unit=NOK_UNIT):
        self.simulator = simulator
        self.unit = unit
        self.session = requests.Session()
        self.session.trust_env = False
        self.token = self.fetch_token().json()['access_token']

    def headers(self, **changes):
        """Return the headers of a call; a change to None leaves one out."""
        headers = {
            'Authorization': f'Bearer {self.token}' if hasattr(self, 'token') else None,
            'Ocp-Apim-Subscription-Key': self.unit.subscription_key,
            'Merchant-Serial-Number': self.unit.msn,
            **SYSTEM_HEADERS,
            **{name.replace('_', '-'): value for name, value in changes.items()},
        }
        return {name: value for name, value in headers.items() if value is not None}

    def fetch_token(self, **changes):
        headers = self.headers(Authorization=None)
        keys = {'client_id': self.unit.client_id, 'client_secret': self.unit.client_secret}
        headers.update(keys)
        for name, value in changes.items():
            name = name if name in keys else name.replace('_', '-')
            headers.pop(name, None)
            if value is not None:
                headers[name] = value
        url = f'{self.simulator.url}/accesstoken/get'
        return self.session.post(url, headers=headers, timeout=10)

    def call(self, method, path, body=None, key=None, **changes):
        headers = self.headers(**changes)
        data = None
        if body is not None:
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            if 'Content_Type' not in changes:
                headers['Content-Type'] = 'application/json'
        if key:
            headers['Idempotency-Key'] = key
        return self.session.request(
            method, self.simulator.url + path, data=data, headers=headers, timeout=10
        )

    def payload(self, **changes):
        """Return a request for a payment; a change to None leaves a field out."""
        payload = {
            'amount': {'currency': self.unit.currency, 'value': 24950},
            'paymentMethod': {'type': 'WALLET'},
            'reference': f'test-{uuid.uuid4()}',
            'userFlow': 'WEB_REDIRECT',
            'returnUrl': 'https://shop.example.com/return?a=b%2Bc&d=%20',
            'paymentDescription': "Wool sweater",
            **changes,
        }
        return {name: value for name, value in payload.items() if value is not None}

    def post_payment(self, payload, key=None):
        return self.call('POST', '/epayment/v1/payments', payload, key or str(uuid.uuid4()))

    def create(self, **changes):
        """Create a payment, successfully; returns its reference."""
        payload = self.payload(**changes)
        answer = self.post_payment(payload)
        assert answer.status_code == 201, answer.text
        return payload['reference']

    def authorized(self, **changes):
        """Create a payment that the customer approves; returns its reference."""
        reference = self.create(**changes)
        self.simulator.approve(reference)
        return reference

    def get(self, reference, **changes):
        return self.call('GET', f'/epayment/v1/payments/{reference}', **changes)

    def events(self, reference):
        return self.call('GET', f'/epayment/v1/payments/{reference}/events')

    def modify(self, operation, reference, value, currency=None, key=None):
        amount = {'currency': currency or self.unit.currency, 'value': value}
        return self.call(
            'POST', f'/epayment/v1/payments/{reference}/{operation}',
            {'modificationAmount': amount}, key or str(uuid.uuid4()),
        )

    def cancel(self, reference, **options):
        key = options.pop('key', None)
        return self.call('POST', f'/epayment/v1/payments/{reference}/cancel', options or None, key)

    def register(self, url, events=PAYMENT_EVENTS):
        return self.call('POST', '/webhooks/v1/webhooks', {'url': url, 'events': events})


class Receiver:
    """A merchant's web server that waits for events."""

    def __init__(self):
        self.received = queue.Queue()
        self.statuses = []  # what to answer next; 200 when there is nothing
        self._statuses_lock = threading.Lock()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers['Content-Length']))
                with receiver._statuses_lock:
                    status = receiver.statuses.pop(0) if receiver.statuses else 200
                receiver.received.put((self.path, self.headers, body, status))
                self.send_response(status)
                if 300 <= status < 400:
                    self.send_header('Location', '/elsewhere')
                self.end_headers()

            def log_message(self, *arguments):
                pass

        self._server = ThreadingHTTPServer(('127.0.0.1', 0), Handler)
        self._server.daemon_threads = True
        self.host = f'127.0.0.1:{self._server.server_port}'
        self.url = f'http://{self.host}/hook?provider=1'
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={'poll_interval': 0.02}, daemon=True
        )
        self._thread.start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def next(self):
        """Wait for the next event; returns its body."""
        return json.loads(self.received.get(timeout=10)[2])

    def names(self):
        """Return the names of the events that came and were not asked for yet, in order."""
        names = []
        while not self.received.empty():
            names.append(self.next()['name'])
        return names


class SimulatorCase(unittest.TestCase):
    """A simulator whose time stands still unless a test moves it, and a merchant in NOK."""

    simulator_options = {'allow_loopback_http': True, 'time_factor': 0}

    @classmethod
    def setUpClass(cls):
        cls.simulator = Simulator(**cls.simulator_options)
        cls.simulator.start()
        cls.addClassCleanup(cls.simulator.close)

    def setUp(self):
        self.addCleanup(self.simulator.reset)
        self.merchant = Merchant(self.simulator)
        self.addCleanup(self.merchant.session.close)

    def as_merchant(self, unit):
        merchant = Merchant(self.simulator, unit)
        self.addCleanup(merchant.session.close)
        return merchant

    def start_receiver(self):
        receiver = Receiver()
        self.addCleanup(receiver.close)
        return receiver

    def assertRefused(self, answer, status, code=None, field=None):
        """Check that an answer is a problem with that code, or about that field."""
        self.assertEqual(answer.status_code, status, answer.text)
        self.assertEqual(answer.headers['Content-Type'], 'application/problem+json')
        problem = answer.json()
        self.assertEqual(problem['status'], status)
        self.assertRegex(problem['traceId'], '^00-[0-9a-f]{32}-[0-9a-f]{16}-01$')
        details = {detail['name']: detail['reason'] for detail in problem.get('extraDetails', [])}
        self.assertEqual(details.pop('ErrorCode', None), code, answer.text)
        if field:
            self.assertIn(field, details)

    def assertSums(self, reference, authorized=0, captured=0, refunded=0, cancelled=0):
        """Check the aggregate of a payment, as the API tells it."""
        aggregate = self.merchant.get(reference).json()['aggregate']
        sums = {name: amount['value'] for name, amount in aggregate.items()}
        self.assertEqual(sums, {
            'authorizedAmount': authorized, 'capturedAmount': captured,
            'refundedAmount': refunded, 'cancelledAmount': cancelled,
        })
