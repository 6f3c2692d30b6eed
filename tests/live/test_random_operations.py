"""Anybody does anything to payments while anything goes wrong: both sides agree in the end."""

import contextlib
import os
import random
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException

import requests

from tools.rpc import RpcError

from .back_office import BackOfficeTest
from .shop import wait_until

PAYMENTS = 6
OPERATIONS = 7  # of each payment
PEOPLE = 3  # at the same time

FAULTS = [
    {'operation': 'webhook', 'kind': 'lost', 'times': 3},
    {'operation': 'webhook', 'kind': 'late', 'seconds': 2, 'times': 2},
    {'operation': 'webhook', 'kind': 'duplicate', 'times': 2},
    {'operation': 'webhook', 'kind': 'reorder', 'seconds': 1, 'times': 2},
    *(
        fault for operation in ('capture', 'refund', 'cancel') for fault in (
            {'operation': operation, 'kind': 'lost_answer', 'times': 3},
            {'operation': operation, 'kind': 'late_status', 'status': 502, 'times': 1},
            {'operation': operation, 'kind': 'status', 'status': 503, 'times': 3},
            {'operation': operation, 'kind': 'garbage', 'times': 3},
            {'operation': operation, 'kind': 'latency', 'seconds': 1},
            {'operation': operation, 'kind': 'failed', 'code': '5100'},
            {'operation': operation, 'kind': 'refuse', 'code': '6160'},
        )
    ),
    {'operation': 'get', 'kind': 'stale', 'times': 2},
    {'operation': 'get', 'kind': 'status', 'status': 500, 'times': 3},
    {'operation': 'get', 'kind': 'lost', 'times': 1},
    {'operation': 'events', 'kind': 'stale', 'times': 2},
    {'operation': 'events', 'kind': 'status', 'status': 500, 'times': 3},
    {'operation': 'events', 'kind': 'lost', 'times': 3},
]

# What people meet when workers are killed, and when there is nothing left to operate on.
BAD_LUCK = (OSError, HTTPException, RpcError, LookupError, requests.RequestException)

UNBALANCED = """
    SELECT move_id FROM account_move_line GROUP BY move_id HAVING abs(sum(balance)) > 0.001
"""


class TestRandomOperations(BackOfficeTest):
    def test_in_the_end_both_sides_and_the_books_agree(self):
        """Choose the operations by a seed, which repeats the choice."""
        seed = int(os.environ.get('VIPPS_TEST_SEED') or random.randrange(10 ** 6))
        with self.subTest(VIPPS_TEST_SEED=seed), ThreadPoolExecutor(PEOPLE) as pool:
            references = [self.reserve() for _payment in range(PAYMENTS)]
            list(pool.map(
                lambda number: self.work(references[number], random.Random(f'{seed} {number}')),
                range(PAYMENTS),
            ))
            self.calm_down(references)
            moved = sum(len(self.payment(reference)['events']) - 2 for reference in references)
            self.assertGreater(moved, 0)
            for reference in references:
                with self.subTest(reference):
                    self.assertEqual(self.disagreements(reference), [])
                    self.assertFalse(self.transaction(reference)['vipps_difference'])
            self.assertEqual(self.stack.execute(UNBALANCED), [])

    def work(self, reference, choose):
        """Do this and that to a payment."""
        for _operation in range(OPERATIONS):
            if choose.random() < 0.6:
                self.make_trouble(choose)
            with contextlib.suppress(*BAD_LUCK):
                self.operate(reference, choose)

    def operate(self, reference, choose):
        """Do something, in Odoo or in the portal, with an amount that may be too large."""
        total = self.total(reference)
        amount = choose.choice((
            choose.randint(1, total), choose.randint(1, total // 4), total // 5, total,
        ))
        who = choose.choice((self.kari, self.ola))
        choose.choices((
            lambda: self.capture(reference, amount, who),
            lambda: self.refund(reference, amount, who),
            lambda: self.void(reference, who),
            lambda: self.press_again(choose, self.open_capture(reference, amount, who)),
            lambda: self.press_again(choose, self.open_refund(reference, amount, who)),
            lambda: self.in_portal('capture', reference, amount),
            lambda: self.in_portal('refund', reference, amount),
            lambda: self.in_portal('cancel', reference),
        ), (6, 6, 1, 3, 3, 4, 4, 0.5))[0]()

    def press_again(self, choose, press):
        """Press a button until it seems to have worked, or patience ends."""
        for _time in range(choose.randint(2, 3)):
            if not self.attempt(press):
                break

    def make_trouble(self, choose):
        """Let one thing go wrong."""
        if choose.random() < 0.9:
            self.fault(**choose.choice(FAULTS))
        else:
            for worker in self.stack.workers(choose.choice(('WorkerHTTP', 'WorkerCron')))[:1]:
                self.stack.kill_worker(worker)

    def calm_down(self, references):
        """Repair everything, let time pass, and let the jobs finish."""
        self.repair()
        self.wait_for_workers()
        self.control('POST', 'clock', advance=4000)  # All events are sent again by then.
        wait_until(lambda: not self.control('GET', 'deliveries')['pending'])
        self.run_job('cron_sync_payments')
        self.compare()
        # What the event log did not tell at once would be read in a minute.
        self.run_job('cron_sync_payments')
        with contextlib.suppress(AssertionError):  # What is left is told of by the test.
            wait_until(lambda: not any(map(self.disagreements, references)))
