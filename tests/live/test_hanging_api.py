"""Vipps MobilePay takes every request and answers none: everybody else goes on."""

import contextlib
import threading
import time
from collections import Counter

from tools.customer import ShopError

from .shop import at_once, not_held_up, result_on, wait_until
from .till import TillTest

POLLING_INTERVAL = 2  # seconds from one answer to the next question of a till
ROUNDS = 8


class TestHanging(TillTest):

    def setUp(self):
        """Let another till take cash."""
        super().setUp()
        self.cash = f"Cash {time.time_ns() % 10 ** 4:04}"
        journal = self.rpc('account.journal', 'create', {
            'name': self.cash, 'type': 'cash', 'code': self.cash[-4:],
        })
        method = self.rpc('pos.payment.method', 'create', {
            'name': self.cash, 'journal_id': journal,
        })
        config = self.rpc('pos.config', 'create', {
            'name': "Cash Till", 'payment_method_ids': [(6, 0, [method])],
        })
        self.cash_till = self.open_till(config=config)

    @contextlib.contextmanager
    def followed(self, *references):
        """Let browsers follow attempts, as tills do with each line that is open."""
        is_over = threading.Event()

        def follow(reference):
            while not is_over.is_set():
                self.statuses[reference] = self.till.attempt('get', reference)['state']
                self.looks[reference] += 1
                is_over.wait(POLLING_INTERVAL)

        self.statuses, self.looks = {}, Counter()
        threads = [threading.Thread(target=follow, args=[reference]) for reference in references]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            is_over.set()
            for thread in threads:
                thread.join()

    def sell_for_cash(self):
        """Sell something for cash at the other till."""
        order = self.cash_till.new_order(50)
        self.cash_till.add_payment(order, method=self.cash)
        self.cash_till.finish(order)
        self.assertTrue(order.server_id)

    def look_around(self):
        """Open a page of the back office."""
        self.rpc('sale.order', 'web_search_read', [], {'name': {}, 'state': {}}, limit=10)

    def assert_free(self, *references):
        """Check again and again that neither the other till, nor a page, nor a till that follows
        payments is held up."""
        for _round in range(ROUNDS):
            not_held_up(
                self.sell_for_cash, self.look_around,
                *[lambda one=one: self.till.attempt('get', one) for one in references],
            )

    def count_reads(self, references):
        return sum(len(self.calls('get', reference)) for reference in references)

    def test_two_lines_that_hang_hold_up_no_other_till_and_no_page(self):
        references = [self.ask(), self.ask()]
        # The job has read what it was told of: it waits for neither of them.
        wait_until(lambda: len(self.inbox(
            ['reference', 'in', references], ['state', '=', 'processed'],
        )) == 2)
        self.addCleanup(lambda: [wait_until(
            lambda one=one: self.till.attempt('cancel', one)['state'] == 'unpaid'
        ) for one in references])
        self.addCleanup(self.repair)
        self.fault('get', 'latency', seconds=60)
        self.fault('cancel', 'latency', seconds=60)
        self.fault('webhook', 'lost')
        reads = self.count_reads(references)
        with self.followed(*references):
            wait_until(lambda: len(self.calls('get')) >= 2)
            self.assert_free()
            wait_until(lambda: all(self.looks[one] >= 2 * ROUNDS for one in references))
            # One asks for all, less and less often: few looks are a read.
            reads = self.count_reads(references) - reads
            self.assertLessEqual(reads, sum(self.looks.values()) / 2)
            self.assert_free(*references)
            not_held_up(lambda: self.till.attempt('cancel', references[0]))
            not_held_up(lambda: self.refusal(self.till.close))

            # As soon as it answers, one finds out, and all know.
            self.control('DELETE', 'faults')
            self.decide(references[1], 'decline')
            # The other one was cancelled, unheard; unless a worker still had an old access token.
            wait_until(lambda: self.till.attempt('cancel', references[0])['state'] == 'unpaid')
            wait_until(lambda: set(self.statuses.values()) == {'unpaid'})

    def test_lines_that_are_started_while_it_hangs_hold_up_nobody_either(self):
        orders = [self.new_order(), self.new_order()]
        for operation in ('token', 'create', 'get', 'cancel'):
            self.fault(operation, 'latency', seconds=60)
        self.control('POST', 'tokens/revoke')
        created = [self.till.create(order)['reference'] for order in orders]
        not_held_up(
            self.forget_failures,
            *[lambda one=one: self.till.attempt('start', one) for one in created],
        )
        with self.followed(*created):
            self.assert_free(*created)
            self.control('DELETE', 'faults')
            for reference in created:
                wait_until(
                    lambda reference=reference: self.till.attempt('start', reference)['state']
                    == 'waiting'
                )
        for reference in created:
            wait_until(lambda reference=reference: self.till.attempt('cancel', reference)['state']
                       == 'unpaid')

    def test_captures_that_hang_hold_up_nobody_and_are_made_by_the_job(self):
        orders = [self.new_order() for _number in range(3)]
        references = [self.ask(order) for order in orders]
        self.addCleanup(self.repair)
        self.fault('capture', 'latency', seconds=60)
        self.fault('webhook', 'lost')
        at_once(*[lambda one=one: self.decide(one) for one in references])
        unfinished = [*orders]
        with self.followed(*references):
            self.assert_free(*references)
            wait_until(lambda: set(self.statuses.values()) == {'paid'})
            # While the job waits for a capture, the cashier is asked to try again, or not at all.
            not_held_up(lambda: self.refusal(lambda: self.till.finish(unfinished.pop())))
        self.repair()
        self.start_job('cron_sync_payments')
        for reference in references:
            wait_until(lambda one=reference: self.kept(one) == 19900)
        for order in orders:
            self.till.finish(order)

    def is_read(self, reference):
        """Return whether a job has locked a payment, for which it waits."""
        return not self.stack.execute((
            "SELECT id FROM payment_transaction WHERE reference = %s"
            " FOR NO KEY UPDATE SKIP LOCKED", [reference],
        ))

    def test_a_job_that_waits_holds_up_no_customer_who_changes_the_cart_or_pays_again(self):
        customer, reference = self.start_payment()
        self.addCleanup(self.repair)
        for operation in ('get', 'cancel'):
            self.fault(operation, 'latency', seconds=60, reference=reference)

        def is_not_held_up(action):
            self.start_job('cron_sync_payments')
            wait_until(lambda: self.is_read(reference))
            return action() and self.is_read(reference)

        wait_until(lambda: is_not_held_up(lambda: customer.call(
            '/shop/cart/update_json', product_id=self.product, add_qty=1
        )))
        wait_until(lambda: is_not_held_up(lambda: self.refusal(customer.start_payment)))

    def test_customers_who_wait_or_come_back_hold_up_nobody(self):
        started = [self.start_payment() for _number in range(3)]
        self.fault('get', 'latency', seconds=60)
        self.fault('webhook', 'lost')
        for _customer, reference in started:
            self.decide(reference)

        def come_back(customer, reference):
            self.assertEqual(customer.open(self.return_url(reference)).status, 200)

        def ask_for_status(customer, _reference):
            with contextlib.suppress(ShopError):
                customer.ask_for_status()

        for act in (come_back, *[ask_for_status] * ROUNDS):
            not_held_up(
                self.sell_for_cash, *[lambda one=one, act=act: act(*one) for one in started],
            )
        self.control('DELETE', 'faults')
        _customer, reference = started[0]

        def read_result():
            page = self.new_browser().open(self.return_url(reference))
            return result_on(page) in ('paid', 'authorized')

        wait_until(read_result)
