"""Many customers while anything may go wrong: in the end, Odoo says what Vipps MobilePay says."""

import contextlib
import os
import random
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException

from tools.customer import ShopError

from .shop import LiveTest, wait_until

PAYMENTS = 30
CUSTOMERS = 4  # at the same time

FAULTS = [
    {'operation': 'webhook', 'kind': 'lost', 'times': 3},
    {'operation': 'webhook', 'kind': 'late', 'seconds': 3, 'times': 2},
    {'operation': 'webhook', 'kind': 'duplicate', 'times': 3},
    {'operation': 'webhook', 'kind': 'reorder', 'seconds': 2, 'times': 2},
    {'operation': 'create', 'kind': 'lost_answer', 'times': 2},
    {'operation': 'create', 'kind': 'status', 'status': 503, 'times': 4},
    {'operation': 'get', 'kind': 'status', 'status': 500, 'times': 4},
    {'operation': 'get', 'kind': 'status', 'status': 429, 'retry_after': 1, 'times': 2},
    {'operation': 'get', 'kind': 'garbage', 'times': 1},
    {'operation': 'get', 'kind': 'lost', 'times': 2},
    {'operation': 'get', 'kind': 'latency', 'seconds': 2, 'times': 2},
    {'operation': 'capture', 'kind': 'lost_answer', 'times': 4},
    {'operation': 'capture', 'kind': 'status', 'status': 503, 'times': 4},
    {'operation': 'capture', 'kind': 'truncated', 'times': 1},
    {'operation': 'events', 'kind': 'status', 'status': 500, 'times': 3},
    {'operation': 'cancel', 'kind': 'lost_answer', 'times': 3},
    {'operation': 'token', 'kind': 'status', 'status': 500, 'times': 1},
]

# What customers meet when workers are killed and payments are not created.
BAD_LUCK = (OSError, HTTPException, ShopError, LookupError)

MAKE_OLDER = "UPDATE {table} SET {column} = {column} - interval '1 hour' WHERE id > %s"


class TestChaos(LiveTest):
    expected_in_log = (r'account_move_unique_name',)  # Two are booked at once: one of them later.

    def setUp(self):
        """Remember what was before, and choose what happens; a seed repeats the choice."""
        super().setUp()
        self.seed = int(os.environ.get('VIPPS_TEST_SEED') or random.randrange(10 ** 6))
        self.earlier = {payment['reference'] for payment in self.all_payments()}
        (self.last_tx, self.last_event), = self.stack.execute(
            "SELECT (SELECT COALESCE(max(id), 0) FROM payment_transaction),"
            " (SELECT COALESCE(max(id), 0) FROM vipps_webhook_event)"
        )

    def test_in_the_end_odoo_says_what_vipps_mobilepay_says(self):
        with self.subTest(VIPPS_TEST_SEED=self.seed):
            with ThreadPoolExecutor(CUSTOMERS) as pool:
                list(pool.map(self.live, range(PAYMENTS)))
            self.calm_down()
            self.check_everything()

    def all_payments(self):
        return self.control('GET', 'payments')['payments']

    # What happens

    def live(self, number):
        """Be a customer, who may leave at any time, and let things go wrong on the way."""
        choose = random.Random(f'{self.seed} {number}')
        with contextlib.suppress(*BAD_LUCK):
            customer = self.new_customer()
            self.make_trouble(choose)
            values = self.press_pay(customer)
            customer.follow(values)
            self.make_trouble(choose)
            decision = choose.choices(('approve', 'decline', 'expire', None), (7, 1, 1, 1))[0]
            if decision:
                self.decide(values['reference'], decision)
            for _look in range(choose.randrange(4)):
                with contextlib.suppress(*BAD_LUCK):
                    choose.choice((
                        customer.ask_for_status,
                        lambda: customer.open(self.return_url(values['reference'])),
                        lambda: self.new_browser().open(self.return_url(values['reference'])),
                    ))()

    def make_trouble(self, choose):
        """Let one thing go wrong."""
        kind = choose.choices(('fault', 'WorkerHTTP', 'WorkerCron', 'token'), (12, 1, 2, 1))[0]
        if kind == 'fault':
            self.fault(**choose.choice(FAULTS))
        elif kind == 'token':
            self.control('POST', 'tokens/revoke')
        else:
            for worker in self.stack.workers(kind)[:1]:
                self.stack.kill_worker(worker)

    def calm_down(self):
        """Repair everything, let time pass, and have the jobs do what there is to do."""
        self.repair()
        wait_until(lambda: len(self.stack.workers()) == 2 and self.stack.workers('WorkerCron'))
        for payment in self.all_payments():
            if payment['state'] == 'CREATED' and payment['reference'] not in self.earlier:
                self.decide(payment['reference'], 'expire')
        self.control('POST', 'clock', advance=4000)  # All events are sent again by then.
        wait_until(lambda: not self.control('GET', 'deliveries')['pending'], 60)
        # It is certain by then that a payment was never created, and that an event has no payment.
        self.stack.execute(
            (MAKE_OLDER.format(table='payment_transaction', column='create_date'), [self.last_tx]),
            (MAKE_OLDER.format(table='vipps_webhook_event', column='pending_since'),
             [self.last_event]),
        )

        def settle():
            self.run_job('cron_process_webhook_events')
            self.run_job('cron_read_open_payments')
            self.run_job('cron_follow_up')
            return not self.unfinished()

        wait_until(settle, 60)

    def unfinished(self):
        """Return what is not final yet, or not booked."""
        return self.rpc('payment.transaction', 'search_read', [
            ('id', '>', self.last_tx),
            '|', ('state', 'not in', ('done', 'cancel')),
            '&', ('state', '=', 'done'), ('is_post_processed', '=', False),
        ], ['reference', 'state'])

    # What must be true then

    def check_everything(self):
        """Compare both sides."""
        payments = {
            payment['reference']: payment for payment in self.all_payments()
            if payment['reference'] not in self.earlier
        }
        transactions = self.rpc('payment.transaction', 'search_read', [
            ('id', '>', self.last_tx), ('provider_code', '=', 'vipps'),
        ], ['reference', 'state', 'amount'])
        self.assertGreater(len(transactions), PAYMENTS * 0.6)
        for transaction in transactions:
            with self.subTest(transaction['reference']):
                self.check_payment(transaction, payments.pop(transaction['reference'], None))
        # Those that a killed worker has made, and that no customer has ever seen.
        for reference, payment in payments.items():
            with self.subTest(reference):
                self.assertEqual(payment['state'], 'EXPIRED')
        left = self.inbox(['next_try', '!=', False], ['id', '>', self.last_event])
        self.assertEqual(left, [])
        wrong = self.inbox(['state', '!=', 'processed'], ['id', '>', self.last_event])
        self.assertLessEqual({event['reference'] for event in wrong}, payments.keys())

    def check_payment(self, transaction, payment):
        """Compare a transaction with its payment, which was maybe never created."""
        names = [event['name'] for event in payment['events']] if payment else []
        if 'CAPTURED' in names:
            self.assertEqual(names, ['CREATED', 'AUTHORIZED', 'CAPTURED'])
            self.assert_paid(transaction['reference'])
            return
        self.assertEqual(transaction['state'], 'cancel', names)
        self.assertEqual(self.account_payments(transaction['reference']), [])
        if 'AUTHORIZED' in names:
            self.assertEqual(names[-1], 'CANCELLED')
