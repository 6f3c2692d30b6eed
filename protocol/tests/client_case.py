import json
import logging
import threading
import unittest

from ..access_token import Credentials, TokenCache
from ..client import Client
from .server import CUT, Server

CODE = 'https://qr.vipps.no/p/x1Y2'
SECRETS = (
    'the-client-id', 'the-client-secret', 'the-subscription-key', 'token-', '4798765432', CODE,
)
SYSTEM = {
    'Vipps-System-Name': 'odoo', 'Vipps-System-Version': '17.0',
    'Vipps-System-Plugin-Name': 'odoo-payment-vipps',
    'Vipps-System-Plugin-Version': '17.0.1.0.0 with a very long suffix',
}
PAYLOAD = {
    'reference': 'AB2CD-S00042-XYZ234', 'customer': {'phoneNumber': '4798765432'},
    'userFlow': 'WEB_REDIRECT',
}
PUSH = {**PAYLOAD, 'customer': {'personalQr': CODE}, 'userFlow': 'PUSH_MESSAGE'}
REFERENCE = 'AB2CD-S00042-XYZ234'
SOON = 10  # seconds, on a busy machine; half of what a call may take that nobody waits for


def money(value):
    return {'currency': 'NOK', 'value': value}


def payment(state='AUTHORIZED', **amounts):
    if state == 'AUTHORIZED':
        amounts.setdefault('authorized', 100)
    return {
        'reference': REFERENCE, 'pspReference': 'psp-1', 'state': state, 'amount': money(100),
        'aggregate': {
            f'{name}Amount': money(amounts.get(name, 0))
            for name in ('authorized', 'captured', 'refunded', 'cancelled')
        },
    }


def success(data, status=200):
    return status, {'Content-Type': 'application/problem+json'}, json.dumps(data).encode()


def problem(status, code=None, headers=None):
    details = [{'name': 'ErrorCode', 'reason': code}] if code else []
    return status, headers or {}, json.dumps({
        'title': "No", 'detail': f"about 4798765432 and {CODE}", 'extraDetails': details,
        'traceId': 'abc123',
    }).encode()


CREATED = success({'reference': REFERENCE, 'redirectUrl': 'https://pay.example.com/?token=x'}, 201)


class ClientCase(unittest.TestCase):
    """A client of a server that answers what a test says."""

    def setUp(self):
        self.server = Server()
        self.addCleanup(self.server.close)
        self.released = threading.Event()
        self.addCleanup(self.released.set)
        self.pauses = []
        self.client = self.make_client()
        self.log = self.start_log()

    def make_client(self, **options):
        options = {'tokens': TokenCache(), 'sleep': self.pauses.append, **options}
        return Client(Credentials(
            base_url=options.pop('base_url', self.server.url),
            client_id='the-client-id',
            client_secret=options.pop('client_secret', 'the-client-secret'),
            subscription_key='the-subscription-key', merchant_serial_number='123456',
            secondary_subscription_key=options.pop('secondary_key', ''),
        ), SYSTEM, **options)

    def start_log(self):
        records = []
        handler = logging.Handler()
        handler.emit = records.append
        logger = logging.getLogger()
        level = logger.level
        logger.addHandler(handler)
        logger.setLevel(logging.DEBUG)
        self.addCleanup(logger.setLevel, level)
        self.addCleanup(logger.removeHandler, handler)
        return records

    def hold(self, request):
        """Answer a request when the test has ended."""
        self.released.wait()
        return CUT

    def create(self):
        return self.client.create_payment(PAYLOAD, 'key-1')

    def push(self):
        return self.client.create_payment(PUSH, 'key-1')

    def assert_fails(self, kind, operation):
        """Assert that an operation fails, and that no log or error shows a secret."""
        with self.assertRaises(kind) as caught:
            operation()
        shown = ''.join(record.getMessage() for record in self.log)
        error = caught.exception
        while error:
            shown += str(error) + repr(error)
            # Also the context that `from None` hides: tools that collect exceptions show that, too.
            error = error.__cause__ or error.__context__
        for secret in SECRETS:
            self.assertNotIn(secret, shown)
        return caught.exception
