"""A job is faster than a till that looks at the same payment: then the till leaves it the work, and
does not wait until Odoo repeats its request."""

from concurrent.futures import ThreadPoolExecutor

from .stopping_point import change_meanwhile, stopping_point
from .till import TillTest

# So that no job looks at the payment.
PUT_OFF = """
    UPDATE vipps_task SET due = due + interval '1 hour'
     WHERE transaction_id = (SELECT id FROM payment_transaction WHERE reference = %s)
 RETURNING id
"""
CHANGE = "UPDATE payment_transaction SET vipps_last_read = NULL WHERE reference = %s"


class TestOvertaken(TillTest):

    def setUp(self):
        super().setUp()
        self.fault('webhook', 'lost')
        self.sold = self.new_order()
        self.reference = self.ask(self.sold)
        self.assertTrue(self.stack.execute((PUT_OFF, [self.reference])))
        self.stack.execute((CHANGE, [self.reference]))

    def count_reads(self):
        return len(self.calls('get', self.reference))

    def test_a_task_that_was_claimed_meanwhile_is_left_to_the_job(self):
        self.decide(self.reference)
        condition = f"NEW.reference = '{self.reference}' AND NEW.state != 'draft'"
        with (
            ThreadPoolExecutor(1) as pool,
            stopping_point(self.stack, 'payment_transaction', condition) as point,
        ):
            looking = pool.submit(self.till.attempt, 'get', self.reference)
            point.wait()
            self.stack.execute((PUT_OFF, [self.reference]))
            point.release()
            self.assertEqual(looking.result()['state'], 'paid')
        self.assertEqual(self.count_reads(), 1)
        self.assert_state('paid', self.reference)
        self.till.finish(self.sold)

    def test_a_payment_that_was_changed_meanwhile_is_read_at_the_next_look(self):
        status = change_meanwhile(
            self.stack, 'payment_transaction', (CHANGE, [self.reference]),
            lambda: self.till.attempt('get', self.reference),
        )
        self.assertEqual(status['state'], 'waiting')
        self.assertEqual(self.count_reads(), 0)
        self.decide(self.reference)
        self.assert_state('paid', self.reference)
        self.till.finish(self.sold)
