"""The running shop that is measured: its database, its webhook, its jobs and its processes."""

import contextlib
import functools
import http.client
import json
import os
import signal
import time
import uuid
from pathlib import Path

import psycopg2

from protocol.signature import sign
from simulator.clock import timestamp
from simulator.sales_units import NOK_UNIT
from tools.console import Failure
from tools.customer import Customer

from .access_log import count_queries
from .payments import Copies

ADDONS = Path(__file__).resolve().parent / 'addons'
PRODUCT = "Wool socks"
MANY, QUICK_MANY = 100_000, 10_000  # payments that a shop has when those of a day are measured
PATIENCE = 600  # seconds until an inbox must be empty


class Shop:
    """A started stack, seen from outside."""

    def __init__(self, stack, is_quick=False):
        """Connect to the database of the stack.

        :param bool is_quick: Whether there are to be fewer payments.
        """
        self.stack = stack
        self.many = QUICK_MANY if is_quick else MANY
        self.is_quick = is_quick
        self.rpc = stack.rpc
        self.control = stack.control
        self.provider = self.rpc.reference('mobilepay_vipps.payment_provider_vipps')
        self.webhook_url = f'{stack.url}/payment/vipps/webhook/{self.provider}'
        self.webhook_secret, = stack.control('GET', 'secrets')['webhookSecrets'].values()
        self.product, = self.rpc('product.product', 'search', [('name', '=', PRODUCT)])
        os.environ.update(stack.workspace.server.variables)  # libpq reads them
        self.connection = psycopg2.connect(dbname=stack.odoo.database)
        self.connection.autocommit = True

    @functools.cached_property
    def copies(self):
        """What makes payments in bulk."""
        return Copies(self)

    def publish_demo(self):
        """Have the demo provider of core take payments in the shop, too."""
        demo, = self.rpc('payment.provider', 'search', [('code', '=', 'demo')])
        self.rpc('payment.provider', 'write', [demo], {'state': 'test', 'is_published': True})

    # The database

    def sql(self, query, *parameters):
        """Execute a statement; returns its rows."""
        with self.connection.cursor() as cursor:
            cursor.execute(query, parameters)
            return cursor.fetchall() if cursor.description else []

    def value(self, query, *parameters):
        """Return the only value that a query finds."""
        (value,), = self.sql(query, *parameters)
        return value

    def wait(self, what, condition, seconds, pause=0.02):
        """Wait until a condition holds.

        :raise Failure: When it does not in time.
        """
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                raise Failure(f"After {seconds} s it is still not so: {what}.")
            time.sleep(pause)

    def wait_for_empty_inbox(self):
        """Wait until the cron worker has dealt with all events."""
        query = "SELECT count(*) FROM vipps_webhook_event WHERE state = 'pending'"
        self.wait("the inbox is empty", lambda: not self.value(query), PATIENCE, pause=0.1)

    def check_done(self, references):
        """Check that payments get done in Odoo, and captured at the simulator.

        :raise Failure: When they do not, for a minute.
        """
        query = "SELECT count(*) FROM payment_transaction WHERE state = 'done'"
        self.wait(
            f"{len(references)} payments are done",
            lambda: self.value(f'{query} AND reference = ANY(%s)', references) == len(references),
            60,
        )
        payment = self.control('GET', f'payments/{references[-1]}')
        if payment['aggregate']['capturedAmount'] != payment['amount']:
            raise Failure(f"Payment {references[-1]} is done, but not captured.")

    # The jobs

    @contextlib.contextmanager
    def jobs_paused(self):
        """Keep the cron workers from running while something else is measured.

        They are stopped between two jobs, so that they hold nothing that others need.
        """
        pids = self.stack.workers('WorkerCron')
        self.sql('BEGIN')
        self.sql('SELECT id FROM ir_cron FOR NO KEY UPDATE')
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        self.sql('ROLLBACK')
        try:
            yield
        finally:
            for pid in pids:
                # Odoo replaces those that were stopped for long.
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

    def run_job(self, name):
        """Run a job of the addon in an HTTP worker; returns the seconds and the SQL queries."""
        job = self.rpc.reference(f'mobilepay_vipps.{name}')
        size = self.log_size()
        started = time.monotonic()
        self.rpc('ir.cron', 'method_direct_trigger', [job])
        seconds = time.monotonic() - started
        return seconds, self.queries('POST /jsonrpc', size)

    # The log

    def log_size(self):
        """Return where in Odoo's log something begins that happens now."""
        return self.stack.log_path.stat().st_size

    def queries(self, line, start):
        """Return the SQL queries of the last request that begins with a line, since a size."""
        return count_queries(self.stack.log_path, line, start)

    # Customers

    def new_customer(self, kind=Customer):
        """Return a customer who only has to choose how to pay."""
        customer = kind(self.stack.url, self.stack.simulator_url)
        customer.call('/shop/cart/update_json', product_id=self.product, add_qty=1)
        customer.enter_address()
        return customer

    # Vipps MobilePay

    def approve(self, reference):
        """Let the customer approve in the app."""
        self.control('POST', f'payments/{reference}/approve')

    @contextlib.contextmanager
    def webhooks_lost(self):
        """Let no event of the simulator arrive."""
        self.control('POST', 'faults', operation='webhook', kind='lost', times=None)
        try:
            yield
        finally:
            self.control('DELETE', 'faults')

    def calls_about(self, *references):
        """Return the operations that the simulator was asked for about payments."""
        return [
            call['operation'] for call in self.control('GET', 'exchanges')['exchanges']
            if call['reference'] in references
        ]

    def event(self, reference):
        """Return the body and the headers of a new event, signed."""
        body = json.dumps({
            'msn': NOK_UNIT.msn, 'reference': reference, 'pspReference': uuid.uuid4().hex,
            'name': 'AUTHORIZED', 'amount': {'currency': NOK_UNIT.currency, 'value': 19900},
            'timestamp': timestamp(time.time()), 'success': True,
        }).encode()
        return body, {
            'Content-Type': 'application/json; charset=utf-8',
            **sign(self.webhook_secret, self.webhook_url, body),
        }

    def post(self, path, body, headers):
        """Send a request straight to the HTTP workers; returns the seconds until the answer.

        They close the connection after each answer.

        :raise Failure: When the answer is not 200.
        """
        connection = http.client.HTTPConnection('127.0.0.1', self.stack.ports['http'], timeout=60)
        started = time.perf_counter()
        try:
            connection.request('POST', path, body, headers)
            answer = connection.getresponse()
            answer.read()
        finally:
            connection.close()
        if answer.status != 200:
            raise Failure(f"POST {path}: {answer.status}")
        return time.perf_counter() - started

    def send_event(self, reference):
        """Send an event to the webhook; returns the seconds until the answer."""
        return self.post(f'/payment/vipps/webhook/{self.provider}', *self.event(reference))
