"""A worker is killed while a till asks for something: the till finds the outcome."""

from .shop import wait_until
from .till import TillTest


class TestKilledWorkers(TillTest):

    def kill(self, condition, action):
        """Kill who is about to write a transaction, after Vipps MobilePay was asked."""
        self.kill_at('payment_transaction', condition, action)
        self.wait_for_workers()

    def kill_start(self, order, code=False, **how):
        """Kill who creates the payment of an order; returns its reference."""
        reference = self.till.create(order, **how)['reference']
        self.kill(
            f"NEW.reference = '{reference}' AND NEW.vipps_payment_state = 'CREATED'",
            lambda: self.till.attempt('start', reference, code),
        )
        self.assertEqual(self.payment(reference)['state'], 'CREATED')
        return reference

    def pay(self, order, reference):
        """Let the customer approve the payment that is found again, once."""
        self.assertEqual(len(self.payments_of(reference)), 1)
        self.decide(reference)
        self.assert_state('paid', reference)
        self.till.finish(order)

    def test_a_qr_code_is_found_again_by_looking_and_by_starting_again(self):
        self.fault('webhook', 'lost')
        for again in ('start', 'get'):
            with self.subTest(again):
                order = self.new_order()
                reference = self.kill_start(order)
                status = wait_until(lambda: self.waiting(again, reference))  # noqa: B023
                self.assertTrue(status['qr'])
                self.pay(order, reference)

    def waiting(self, action, reference):
        status = self.till.attempt(action, reference, **(
            {'with_qr': True} if action == 'get' else {}
        ))
        return status['state'] == 'waiting' and status

    def test_a_scanned_code_that_is_used_up_is_sent_again(self):
        code = self.control('POST', 'codes')['code']
        order = self.new_order()
        reference = self.kill_start(order, code=code, flow='code')
        self.assertEqual(self.till.attempt('start', reference, code)['state'], 'waiting')
        self.pay(order, reference)

    def test_an_approval_before_the_next_look_is_paid(self):
        order = self.new_order()
        reference = self.kill_start(order)
        self.pay(order, reference)

    def test_a_cancellation_is_found_by_looking(self):
        self.fault('webhook', 'lost')
        reference = self.ask()
        self.kill(
            f"NEW.reference = '{reference}' AND NEW.state = 'cancel'",
            lambda: self.till.attempt('cancel', reference),
        )
        self.assertEqual(self.payment(reference)['state'], 'TERMINATED')
        self.assert_state('unpaid', reference)

    def test_a_refund_is_done_once(self):
        self.fault('webhook', 'lost')
        order, reference = self.sell()
        for number, again in enumerate(('start', 'get')):
            with self.subTest(again):
                refund = self.till.new_refund(order, 50)
                refund_reference = self.till.create(refund, flow=False)['reference']
                self.kill(
                    f"NEW.reference = '{refund_reference}' AND NEW.state = 'done'",
                    lambda: self.till.attempt('start', refund_reference),  # noqa: B023
                )
                status = wait_until(
                    lambda: self.refunded(again, refund_reference)  # noqa: B023
                )
                self.assertEqual(status['amount'], -50)
                self.till.finish(refund)
                aggregate = self.payment(reference)['aggregate']
                self.assertEqual(aggregate['refundedAmount']['value'], 5000 * (number + 1))

    def refunded(self, action, reference):
        status = self.till.attempt(action, reference)
        return status['state'] == 'refunded' and status

    def test_an_undone_payment_is_refunded_once(self):
        self.fault('webhook', 'lost')
        order = self.new_order()
        reference = self.ask(order)
        self.decide(reference)
        self.assert_state('paid', reference)
        self.kill(
            f"NEW.reference LIKE '%{reference}%' AND NEW.operation = 'refund'"
            " AND NEW.state = 'done'",
            lambda: self.till.attempt('undo', reference),
        )
        self.till.attempt('undo', reference)
        self.assert_state('returned', reference)
        payment = self.payment(reference)
        self.assertEqual(payment['aggregate']['refundedAmount'], payment['amount'])

    def test_a_payment_while_nobody_is_there_is_found_by_the_till(self):
        order = self.new_order()
        reference = self.ask(order)
        for worker in self.stack.workers() + self.stack.workers('WorkerCron'):
            self.stack.kill_worker(worker)
        self.decide(reference)
        self.assert_state('paid', reference)
        self.till.finish(order)
