"""Customers who try to pay again and again, with all workers and all outcomes of a try."""

from tools.customer import ShopError

from .shop import LiveTest, at_once
from .stopping_point import collision_point

MOST = 10  # starts of the payment of one order
HURRIED = 16  # customers with the same order, each in a browser of their own

SENTENCE = "tried too often"


class TestRateLimit(LiveTest):
    expected_in_log = (r'odoo\.http: ', r'are limited for some minutes')

    def setUp(self):
        super().setUp()
        self.stack.execute("DELETE FROM vipps_request")
        self.addCleanup(self.stack.execute, "DELETE FROM vipps_request")

    def count_rows(self):
        (count,), = self.stack.execute("SELECT count(*) FROM vipps_request")
        return count

    def try_to_pay(self, customer):
        """Press *Pay now*; returns the sentence that says why not, or None."""
        try:
            customer.press_pay()
        except ShopError as error:
            return str(error)
        return None

    def new_customers_of_one_order(self, count):
        """Return browsers that share a cart."""
        customer = self.new_customer()
        customers = [self.new_browser() for _number in range(count - 1)]
        for other in customers:
            for cookie in customer.cookies:
                other.cookies.set_cookie(cookie)
        return [customer, *customers]

    def test_all_workers_together_start_no_more_than_ten_payments_of_an_order(self):
        customers = self.new_customers_of_one_order(HURRIED)
        found = at_once(*[lambda one=one: self.try_to_pay(one) for one in customers])
        started = found.count(None)
        self.assertLessEqual(started, MOST)
        self.assertGreater(started, MOST // 2)
        # Of those that came at the very same moment, each may have made room for the others.
        for _time in range(MOST - started):
            self.assertIsNone(self.try_to_pay(customers[0]))
        self.assertIn(SENTENCE, self.try_to_pay(customers[0]))

    def test_a_try_that_fails_is_counted(self):
        customer = self.new_customer()
        self.fault('create', 'refuse', code='5070')
        for _time in range(MOST):
            self.assertNotIn(SENTENCE, self.try_to_pay(customer))
        calls = len(self.calls('create'))
        self.assertIn(SENTENCE, self.try_to_pay(customer))
        self.assertEqual(len(self.calls('create')), calls)

    def test_it_is_reported_once_though_each_refusal_is_rolled_back(self):
        customer = self.new_customer()
        for _time in range(MOST):
            customer.press_pay()
        rows = self.count_rows()
        before = self.rpc('vipps.audit.event', 'search_count', [('action', '=', 'limited')])
        for _time in range(3):
            self.assertIn(SENTENCE, self.try_to_pay(customer))
        self.assertEqual(self.count_rows(), rows + 1)
        after = self.rpc('vipps.audit.event', 'search_count', [('action', '=', 'limited')])
        self.assertEqual(after - before, 1)

    def test_a_request_that_collides_is_counted_once(self):
        """Odoo repeats a request that collided: the customer has pressed the button once."""
        customer = self.new_customer()
        stored = 'NEW.vipps_payment_reference IS NOT NULL AND NEW.vipps_payment_state IS NULL'
        with collision_point(self.stack, 'payment_transaction', stored):
            customer.press_pay()
        # The address, the customer, the order, the provider.
        self.assertEqual(self.count_rows(), 4)
