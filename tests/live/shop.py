"""The shared parts of the live tests: a running shop, and the people who use it."""

import atexit
import contextlib
import functools
import json
import os
import re
import shutil
import threading
import time
import unittest
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from pathlib import Path

import requests

from protocol.signature import sign
from simulator.faults import ANSWER_KINDS, OPERATIONS
from simulator.sales_units import NOK_UNIT
from tools.console import Failure
from tools.customer import Customer
from tools.odoo_log import problems
from tools.rpc import Rpc
from tools.stack import Stack
from tools.waiting import PATIENCE, wait_until
from tools.workspace import Workspace

from .stopping_point import stopping_point

PRODUCT = "Wool socks"
HELD_UP_SECONDS = 15  # at least, for everybody behind a job that waits 20 seconds for an answer

# Everything but the SQL, whose parameters hold what is about to be stored.
LOG_LEVELS = ':DEBUG,odoo.sql_db:INFO'

# What Odoo itself writes when two are at the same record and one of them has to start anew.
COLLISIONS = (
    r'odoo\.sql_db: bad query: [\s\S]*could not (serialize access|obtain lock on row)',
    r'odoo\.http: Payment is already being processed',
)


# Who is stopped, or waits for the end of somebody else's transaction.
WAITING = """
    SELECT DISTINCT activity.pid FROM pg_stat_activity activity
      JOIN pg_locks ON pg_locks.pid = activity.pid
     WHERE datname = current_database() AND locktype IN ('advisory', 'transactionid')
       AND NOT granted
"""


@functools.cache
def get_stack():
    """Return the stack of the whole layer, which starts with the first test and ends with us."""
    stack = Stack(Workspace.from_json(os.environ['VIPPS_DEV_WORKSPACE']), 'live')
    with stack.odoo.configuration.open('a') as configuration:
        configuration.write(f'log_handler = {LOG_LEVELS}\n')
    log = stack.logs / 'live-install.log'
    stack.odoo.install("Installing another way to pay", ['payment_custom'], log)
    atexit.register(stack.stop)
    stack.programs = stack.odoo.folder / 'programs'
    stack.programs.mkdir()
    shutil.copy(Path(__file__).with_name('wkhtmltopdf'), stack.programs)
    stack.start()
    # The stand-in prints what a machine without the real program could not.
    template = stack.rpc.reference('sale.mail_template_sale_confirmation')
    report = stack.rpc.reference('sale.action_report_saleorder')
    stack.rpc('mail.template', 'write', [template], {'report_template_ids': [(6, 0, [report])]})
    provider, = stack.rpc('payment.provider', 'search', [('code', '=', 'custom')])
    stack.rpc('payment.provider', 'write', [provider], {'state': 'enabled', 'is_published': True})
    return stack


def at_once(*actions):
    """Do things in threads that start at the same moment; returns the results in order."""
    barrier = threading.Barrier(len(actions))

    def act(action):
        barrier.wait()
        return action()

    with ThreadPoolExecutor(len(actions)) as pool:
        return list(pool.map(act, actions))


def not_held_up(*actions):
    """Do things at once until nothing holds them up; returns the results in order.

    Something that waits for another one does so each time; a busy machine is slow now and then.
    """
    def act():
        started = time.monotonic()
        results = at_once(*actions)
        return time.monotonic() - started < HELD_UP_SECONDS and results

    return wait_until(act)


def result_on(page):
    """Return how the payment went, as our own page of the result tells."""
    return page.find(id='o_vipps_payment_result')['data-result']


class LiveTest(unittest.TestCase):
    """A test of the running shop, which has to leave a clean log."""

    expected_in_log = ()  # patterns of what belongs to the tests of the class

    @classmethod
    def setUpClass(cls):
        """Have the shop started."""
        cls.stack = get_stack()
        cls.rpc = cls.stack.rpc
        cls.control = cls.stack.control
        cls.provider = cls.rpc.reference('mobilepay_vipps.payment_provider_vipps')
        cls.product, = cls.rpc('product.product', 'search', [('name', '=', PRODUCT)])

    def setUp(self):
        """Remember where in the log this test begins, and let nothing go wrong after it."""
        self.overlook_log()
        self.addCleanup(self.check_log)
        self.addCleanup(self.control, 'DELETE', 'faults')
        self.forget_failures()
        # All tests have the same address.
        self.stack.execute("DELETE FROM vipps_request")

    def forget_failures(self):
        """Let nobody remember that Vipps MobilePay did not answer, and leave it out for that."""
        self.stack.execute("DELETE FROM vipps_api_call")

    def overlook_log(self):
        """Expect the log up to here."""
        self.log_start = self.stack.log_path.stat().st_size

    def check_log(self):
        """Check that Odoo has logged no warning that does not belong to the test."""
        expected = re.compile('|'.join((*COLLISIONS, *self.expected_in_log)))
        found = [
            text for text in problems(self.stack.log_path, self.log_start)
            if not expected.search(text)
        ]
        if found:
            self.fail("unexpected in Odoo's log:\n" + '\n'.join(found))

    # The customer

    def new_browser(self):
        """Return a browser that has not been in the shop yet."""
        return Customer(self.stack.url, self.stack.simulator_url)

    def new_customer(self):
        """Return a customer who only has to choose how to pay."""
        customer = self.new_browser()
        customer.call('/shop/cart/update_json', product_id=self.product, add_qty=1)
        customer.enter_address()
        return customer

    def start_payment(self):
        """Return a customer on the landing page, and the reference of the payment."""
        customer = self.new_customer()
        values = customer.press_pay()
        page = customer.follow(values)
        self.assertTrue(page.url.startswith(f'{self.stack.simulator_url}/landing'), page.text)
        return customer, values['reference']

    def start_told_payment(self):
        """Return the reference of a new payment, whose next event is not held up by its first."""
        _customer, reference = self.start_payment()
        wait_until(lambda: [d for d in self.deliveries(reference, 'CREATED') if d['accepted']])
        return reference

    def return_url(self, reference):
        """Return where the customer is sent back to."""
        return self.payment(reference)['request']['returnUrl']

    def read_status(self, customer):
        """Ask how it went as the status page does, as often as it is told to; returns the answer
        when the payment is decided."""
        def ask():
            status = customer.ask_for_status()
            return status['state'] != 'draft' and status

        return wait_until(ask)

    # Vipps MobilePay

    def fault(self, operation, kind, times=None, **more):
        """Let something go wrong at Vipps MobilePay until that is repaired, or `times` times."""
        self.control('POST', 'faults', operation=operation, kind=kind, times=times, **more)

    def repair(self):
        """Let nothing go wrong any more."""
        self.control('DELETE', 'faults')
        self.forget_failures()

    def break_api(self):
        """Let no call of the API arrive until that is repaired; customers and events go on."""
        for operation, kinds in OPERATIONS.items():
            if kinds >= ANSWER_KINDS:
                self.fault(operation, 'lost')

    def decide(self, reference, decision='approve'):
        """Let the customer `approve` or `decline` in the app, or the time run out (`expire`)."""
        self.control('POST', f'payments/{reference}/{decision}')

    def payment(self, reference):
        """Return the payment as Vipps MobilePay has it."""
        return self.control('GET', f'payments/{reference}')

    def payments_of(self, reference):
        """Return all payments that Vipps MobilePay has for the same order, the oldest first."""
        document = self.payment(reference)['request']['metadata']
        payments = self.control('GET', 'payments')['payments']
        return [payment for payment in payments if payment['request']['metadata'] == document]

    def calls(self, operation, reference=None):
        """Return the calls of an operation that Vipps MobilePay has answered, the oldest first."""
        return [
            call for call in self.control('GET', 'exchanges')['exchanges']
            if call['operation'] == operation and reference in (None, call['reference'])
        ]

    def deliveries(self, reference, name='AUTHORIZED'):
        """Return the attempts to deliver an event of a payment, the oldest first."""
        return [
            delivery for delivery in self.control('GET', 'deliveries')['deliveries']
            if (delivery['reference'], delivery['name']) == (reference, name)
        ]

    def event_body(self, reference, name='AUTHORIZED'):
        """Return an event of a payment as it is sent."""
        event = next(e for e in self.payment(reference)['events'] if e['name'] == name)
        return json.dumps({'msn': NOK_UNIT.msn, **event}).encode()

    def webhook_url(self):
        """Return the address that events are sent to."""
        return f'{self.stack.url}/payment/vipps/webhook/{self.provider}'

    def webhook_secret(self, provider=None):
        """Return the secret that the events of a provider are signed with, ours by default."""
        path = f'/payment/vipps/webhook/{provider or self.provider}'
        secrets = self.control('GET', 'secrets')['webhookSecrets']
        return next(secret for url, secret in secrets.items() if url.endswith(path))

    def send_event(self, body, secret=None, url=None, session=requests, date=None, **headers):
        """Send an event signed as Vipps MobilePay does; returns the status.

        :param str date: When it is said to be signed; now by default.
        :param headers: Headers to change, with `_` for `-`; None leaves one out.
        """
        url = url or self.webhook_url()
        signed = sign(secret or self.webhook_secret(), url, body, date)
        headers = {name.replace('_', '-'): value for name, value in headers.items()}
        return session.post(url, data=body, timeout=PATIENCE, headers={
            'Content-Type': 'application/json', **signed, **headers,
        }).status_code

    # The back office

    def transaction(self, reference):
        """Return the transaction as an administrator sees it."""
        found, = self.rpc('payment.transaction', 'search_read', [('reference', '=', reference)], [
            'state', 'amount', 'state_message', 'vipps_payment_state', 'sale_order_ids',
            'is_post_processed', 'create_date', 'vipps_difference',
        ])
        return found

    def last_transaction(self):
        """Return the id of the newest transaction."""
        (last,), = self.stack.execute('SELECT max(id) FROM payment_transaction')
        return last

    def order(self, reference):
        """Return the order of a transaction as an administrator sees it."""
        order_id, = self.transaction(reference)['sale_order_ids']
        order, = self.rpc('sale.order', 'read', [order_id], ['name', 'state', 'amount_total'])
        return order

    def account_payments(self, reference):
        """Return the payments in the books for a transaction."""
        return self.rpc(
            'account.payment', 'search_read',
            [('payment_transaction_id.reference', '=', reference)], ['state', 'amount'],
        )

    def inbox(self, *domain):
        """Return the events in the inbox, the oldest first."""
        return self.rpc(
            'vipps.webhook.event', 'search_read', domain, ['reference', 'name', 'state', 'error'],
            order='id',
        )

    def alerts(self):
        """Return the administrator's activities on the provider, each with `summary`."""
        return self.rpc('mail.activity', 'search_read', [
            ('res_model', '=', 'payment.provider'), ('res_id', '=', self.provider),
        ], ['summary', 'note'])

    def remove(self, *statements):
        """Remove rows, again if that collides with the worker."""
        def is_removed():
            with contextlib.suppress(Failure):
                self.stack.execute(*statements)
                return True

        wait_until(is_removed)

    def schedule(self, kind, reference):
        """Schedule a task of a payment."""
        self.stack.execute((
            "INSERT INTO vipps_task (transaction_id, kind, due, tries)"
            " SELECT id, %s, now(), 0 FROM payment_transaction WHERE reference = %s",
            [kind, reference],
        ))

    def wait_for_workers(self):
        """Wait until Odoo has started a worker for each one that was killed."""
        wait_until(
            lambda: {kind: self.stack.workers(kind) for kind in ('WorkerHTTP', 'WorkerCron')},
            lambda workers: all(len(pids) == 2 for pids in workers.values()),
        )

    def start_job(self, name):
        """Have a job run by the worker, with all tasks due.

        :param str name: Its external id, without the module if it is of the addon.
        :return: Its id.
        """
        job = self.rpc.reference(name if '.' in name else f'mobilepay_vipps.{name}')
        now = "now() AT TIME ZONE 'UTC'"
        tasks = self.stack.execute("SELECT id, transaction_id FROM vipps_task ORDER BY id")
        # One row in each: workers lock several payments, in an order of their own.
        self.stack.execute(
            *((f"UPDATE vipps_task SET due = {now} - interval '1 second' WHERE id = %s", [task])
              for task, _transaction in tasks),
            *(("UPDATE payment_transaction SET vipps_last_read = NULL WHERE id = %s", [transaction])
              for transaction in {transaction for _task, transaction in tasks if transaction}),
            # A run that has already begun removes only older triggers.
            (f"INSERT INTO ir_cron_trigger (cron_id, call_at) VALUES (%s, {now})", [job]),
        )
        self.wake()
        return job

    def wake(self):
        """Let the workers look for jobs, as Odoo does when something triggers one."""
        self.stack.workspace.server.execute(
            ("SELECT pg_notify('cron_trigger', %s)", [self.stack.odoo.database])
        )

    def run_job(self, name):
        """Have a job run by the worker, see `start_job`, and wait for it."""
        job = self.start_job(name)
        waiting = (
            "SELECT id FROM ir_cron_trigger"
            " WHERE cron_id = %s AND call_at <= now() AT TIME ZONE 'UTC'", [job],
        )

        def has_ended():
            is_waiting = self.stack.execute(waiting)
            if is_waiting:  # Behind a run that had begun before.
                self.wake()
            return not is_waiting

        wait_until(has_ended)

    def kill_at(self, table, condition, action, in_commit=False, kind='WorkerHTTP'):
        """Kill the workers of a kind when one is about to write certain rows, or in their COMMIT.

        :param function action: What brings it there; the answer may never come.
        """
        def act():
            with contextlib.suppress(OSError, HTTPException):
                action()

        with (
            stopping_point(self.stack, table, condition, in_commit) as point,
            ThreadPoolExecutor(1) as pool,
        ):
            acting = pool.submit(act)
            point.wait()
            for worker in self.stack.workers(kind):
                self.stack.kill_worker(worker)
            point.release()
        acting.result()

    @classmethod
    def hire(cls, login):
        """Return the calls of an accountant without administrator rights."""
        if not cls.rpc('res.users', 'search', [('login', '=', login)]):
            groups = [
                cls.rpc.reference(xmlid)
                for xmlid in ('base.group_user', 'account.group_account_invoice')
            ]
            cls.rpc('res.users', 'create', {
                'name': login.capitalize(), 'login': login, 'password': login,
                'groups_id': [(6, 0, groups)],
            }, context={'no_reset_password': True})
        return Rpc(cls.stack.url, cls.stack.odoo.database, login, login)

    def overtake(self, table, condition, first, second):
        """Stop somebody who is about to write certain rows until somebody else is stopped, too, or
        has to wait for that; returns the results of both."""
        with (
            ThreadPoolExecutor(2) as pool, stopping_point(self.stack, table, condition) as point,
        ):
            doing = [pool.submit(first)]
            point.wait()
            doing.append(pool.submit(second))
            wait_until(lambda: len(self.stack.execute(WAITING)) > 1)
            point.release()
            return [future.result() for future in doing]

    # What everybody agrees on in the end

    def assert_paid(self, reference):
        """Check that everything follows: captured once, done, order confirmed, in the books."""
        wait_until(lambda: self.transaction(reference)['is_post_processed'])
        transaction, payment = self.transaction(reference), self.payment(reference)
        self.assertEqual(transaction['state'], 'done')
        self.assertEqual(self.order(reference)['state'], 'sale')
        amount = round(transaction['amount'] * 100)
        self.assertEqual(payment['aggregate']['authorizedAmount'], {
            'currency': NOK_UNIT.currency, 'value': amount,
        })
        self.assertEqual(payment['aggregate']['capturedAmount']['value'], amount)
        self.assertEqual(
            [event['name'] for event in payment['events']], ['CREATED', 'AUTHORIZED', 'CAPTURED']
        )
        self.assertEqual(
            [(found['state'], round(found['amount'] * 100))
             for found in self.account_payments(reference)],
            [('posted', amount)],
        )

    def assert_nothing_booked(self, reference):
        """Check that the money stays where it is."""
        self.assertEqual(self.payment(reference)['aggregate']['capturedAmount']['value'], 0)
        self.assertEqual(self.account_payments(reference), [])
