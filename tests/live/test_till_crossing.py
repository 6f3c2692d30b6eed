"""Crossing actions at a till: nothing is paid twice, or cancelled and paid."""

import contextlib
from urllib.error import HTTPError

from .shop import at_once, wait_until
from .till import CASHIERS, TillTest

ROUNDS = 2


class TestCancelling(TillTest):

    def cancel(self, reference):
        return self.till.attempt('cancel', reference)['state']

    def try_to_approve(self, reference):
        with contextlib.suppress(HTTPError):
            self.decide(reference)

    def test_an_approval_between_the_last_look_and_the_cancellation_is_paid(self):
        order = self.new_order()
        reference = self.ask(order)
        self.fault('cancel', 'approved')
        self.assertEqual(self.cancel(reference), 'paid')
        self.assert_state('paid', reference)
        self.till.finish(order)

    def test_a_cancellation_that_does_not_arrive_leaves_the_customer_the_choice(self):
        order = self.new_order()
        reference = self.ask(order)
        self.fault('cancel', 'lost')
        self.assertIn(self.cancel(reference), ('waiting', 'unknown'))
        self.decide(reference)
        self.repair()
        self.assert_state('paid', reference)
        self.till.finish(order)

    def test_a_cancellation_whose_answer_is_lost_is_known_from_the_next_look(self):
        reference = self.ask()
        self.fault('webhook', 'lost')
        self.fault('cancel', 'lost_answer')
        self.assertIn(self.cancel(reference), ('waiting', 'unknown', 'unpaid'))
        self.repair()
        self.assert_state('unpaid', reference)

    def test_a_cashier_who_cancels_after_the_approval_reads_that_it_is_paid(self):
        self.fault('webhook', 'lost')
        order = self.new_order()
        reference = self.ask(order)
        self.decide(reference)
        self.assertEqual(self.cancel(reference), 'paid')
        self.assert_state('paid', reference)
        self.till.finish(order)

    def test_at_the_same_moment_one_of_both_wins_and_all_say_which(self):
        for number in range(ROUNDS):
            order = self.new_order()
            reference = self.ask(order)
            # The answer comes late to one of them.
            self.fault(('cancel', 'get')[number % 2], 'latency', 1, seconds=0.5)
            at_once(
                lambda reference=reference: self.cancel(reference),
                lambda reference=reference: self.try_to_approve(reference),
                lambda reference=reference: self.till.attempt('get', reference),
            )
            status = self.look(reference)
            self.assert_true(status)
            if status['state'] == 'paid':
                self.till.finish(order)

    def test_a_payment_that_comes_too_late_is_refunded(self):
        reference = self.ask()
        self.decide(reference)
        self.assert_state('paid', reference)
        statuses = at_once(*[
            lambda: self.refusal(lambda: self.till.attempt('undo', reference))
        ] * 2)
        self.assertIn(None, statuses)
        self.assert_state('returned', reference)


class TestTwoTills(TillTest):

    @classmethod
    def setUpClass(cls):
        """Let another cashier look at the same session."""
        super().setUpClass()
        cls.other = cls.open_till(CASHIERS[1])

    def for_both(self, act):
        """Let both do the same at the same moment; returns the results."""
        return at_once(lambda: act(self.till), lambda: act(self.other))

    def test_both_ask_for_the_same_payment_and_it_is_one(self):
        order = self.new_order()
        self.till.save(order)
        uuid = order.payments[0]['vipps_uuid']
        created = self.for_both(lambda till: till.attempt('create', order.server_id, uuid, 'qr'))
        reference, = {status['reference'] for status in created}
        started = self.for_both(lambda till: till.attempt('start', reference))
        self.assertEqual([status['state'] for status in started], ['waiting'] * 2)
        self.assertEqual(len({status['qr'] for status in started}), 1)
        self.assertEqual(len(self.payments_of(reference)), 1)
        self.assertEqual(len({c['idempotency_key'] for c in self.calls('create', reference)}), 1)
        cancelled = self.for_both(lambda till: till.attempt('cancel', reference))
        self.assertEqual([status['state'] for status in cancelled], ['unpaid'] * 2)
        self.assert_state('unpaid', reference)

    def test_one_starts_an_attempt_that_the_other_cancels(self):
        for _round in range(ROUNDS):
            reference = self.till.create(self.new_order())['reference']
            at_once(
                lambda reference=reference: self.till.attempt('start', reference),
                lambda reference=reference: self.other.attempt('cancel', reference),
            )
            self.till.attempt('cancel', reference)  # Who was first may have found nothing yet.
            self.assert_state('unpaid', reference)

    def test_of_two_payments_of_one_order_only_one_is_asked_for(self):
        for _round in range(ROUNDS):
            order = self.till.new_order(200)
            uuids = [self.till.add_payment(order, 100) for _half in range(2)]
            self.till.save(order)
            attempts = iter(zip((self.till, self.other), uuids, strict=True))
            refusals = at_once(*[
                lambda till=till, uuid=uuid, order=order: self.refusal(
                    lambda: till.attempt('create', order.server_id, uuid, 'qr')
                ) for till, uuid in attempts
            ])
            refusal, = filter(None, refusals)
            self.assertIn("already being asked", refusal)
            attempt, = self.other.list_attempts([order.data['name']])
            self.till.attempt('cancel', attempt['reference'])

    def test_another_cashier_goes_on_with_the_attempt_of_the_first(self):
        order = self.new_order()
        reference = self.ask(order)
        self.decide(reference)
        found, = wait_until(lambda: [
            status for status in self.other.list_attempts([order.data['name']])
            if status['state'] == 'paid'
        ])
        self.assertEqual(
            (found['reference'], found['uuid']), (reference, order.payments[0]['vipps_uuid'])
        )
        self.assert_state('paid', reference, self.other)
        exported, = self.other.call('pos.order', 'export_for_ui', [order.server_id])
        self.assertEqual(exported['statement_ids'][0][2]['vipps_uuid'], found['uuid'])
        self.other.finish(order)
        self.till.finish(order)  # The first one comes back and knows nothing of it.

    def test_both_finish_the_order_at_the_same_moment(self):
        order = self.new_order()
        reference = self.ask(order)
        self.decide(reference)
        self.assert_state('paid', reference)
        attached = self.for_both(lambda till: till.attempt('attach', reference))
        self.assertEqual([status['is_attached'] for status in attached], [True, True])


class TestClosing(TillTest):

    def setUp(self):
        """Open a till for each test."""
        super().setUp()
        config, = self.new_configs(1)
        self.till, self.other = (self.open_till(config=config) for _tab in range(2))
        self.addCleanup(self.close, self.till)

    def test_an_order_is_not_deleted_while_an_attempt_to_pay_it_is_stored(self):
        order = self.new_order()
        self.till.save(order)
        uuid = order.payments[0]['vipps_uuid']
        refusals = self.overtake(
            'payment_transaction', f"NEW.vipps_pos_uuid = '{uuid}'",
            lambda: self.till.attempt('create', order.server_id, uuid, 'qr'),
            lambda: self.other.call('pos.order', 'remove_from_ui', [order.server_id]),
        )
        self.assertIsNone(refusals[0])
        self.assertIn("cannot be deleted", refusals[1])
        self.assertFalse(self.other.close()['successful'])
        attempt, = self.till.list_attempts()
        self.till.attempt('cancel', attempt['reference'])

    def test_no_attempt_is_stored_in_a_session_that_is_being_closed(self):
        self.sell()
        order = self.new_order()

        def ask():
            self.till.save(order)  # The closing has looked for such orders already.
            self.till.attempt('create', order.server_id, order.payments[0]['vipps_uuid'], 'qr')

        refusals = self.overtake(
            'pos_session', "NEW.state = 'closed'",
            lambda: self.rpc(
                'pos.session', 'action_pos_session_closing_control', [self.till.session]
            ),
            ask,
        )
        self.assertIsNone(refusals[0])
        self.assertIn("closed or being closed", refusals[1])

    def test_a_payment_that_is_put_into_its_order_is_not_refunded_at_the_same_moment(self):
        order = self.new_order()
        reference = self.ask(order)
        self.decide(reference)
        self.assert_state('paid', reference)
        refusals = self.overtake(
            'pos_order', f"NEW.id = {order.server_id} AND NEW.state = 'paid'",
            lambda: self.till.attempt('attach', reference),
            lambda: self.other.attempt('undo', reference),
        )
        self.assertIsNone(refusals[0])
        self.assertIn("Refund the order instead", refusals[1])
        self.assertEqual(self.payment(reference)['aggregate']['refundedAmount']['value'], 0)

    def test_closing_again_and_again_succeeds_when_all_is_paid_and_finished(self):
        order = self.new_order()
        reference = self.till.create(order)['reference']

        def pay():
            self.assertEqual(self.till.attempt('start', reference)['state'], 'waiting')
            self.decide(reference)
            self.assert_state('paid', reference)
            self.till.finish(order)

        at_once(pay, lambda: wait_until(lambda: self.other.close()['successful']))
        self.assertEqual(self.drafts(self.till), [])
