"""Captures, refunds and releases take effect exactly once, with any trouble on the way."""

from .back_office import BackOfficeTest
from .shop import at_once, wait_until
from .stopping_point import collision_point, stopping_point

PART = 4000
REPEATED = "does not answer"
OVERTAKEN = "since you opened this dialog"
DONE = "is done already"

# Whether the books of a payment are free.
BOOK = """
    SELECT pg_try_advisory_xact_lock(hashtext('vipps_follow_up:' || id))
      FROM payment_transaction WHERE reference = %s
"""
TAKE = """
    SELECT reference FROM payment_transaction WHERE reference = %s FOR NO KEY UPDATE SKIP LOCKED
"""


class OperationsTest(BackOfficeTest):
    """The operations on one part of a payment, each ready to be asked for."""

    def open(self, operation, who=None):
        """Return the reference of a payment, and the button that captures, refunds or releases."""
        if operation == 'capture':
            reference = self.reserve()
            return reference, self.open_capture(reference, PART, who)
        reference = self.reserve_and_capture(2 * PART)
        if operation == 'refund':
            return reference, self.open_refund(reference, PART, who)
        return reference, lambda: self.void(reference, who)

    def assert_done_once(self, operation, reference):
        """Check that the operation of the button was done, and only once."""
        self.assert_agreed(reference, **{
            'capture': {'captured': PART},
            'refund': {'captured': 2 * PART, 'refunded': PART},
            'cancel': {'captured': 2 * PART, 'cancelled': self.total(reference) - 2 * PART},
        }[operation])

    def for_each_operation(self, *operations):
        """Yield each operation with a payment to do it on, and then check that it was done once."""
        for operation in operations or ('capture', 'refund', 'cancel'):
            with self.subTest(operation):
                self.repair()
                reference, press = self.open(operation)
                yield operation, reference, press
                self.assert_done_once(operation, reference)

    def written(self, operation, reference):
        """Return in SQL the rows that are written when the operation has taken effect."""
        state = 'cancel' if operation == 'cancel' else 'done'
        return (
            f"NEW.source_transaction_id IS NOT NULL AND NEW.reference LIKE '%{reference}%'"
            f" AND NEW.state = '{state}'"
        )


class TestKilledWorkers(OperationsTest):

    def kill(self, operation, reference, press, in_commit=False):
        """Kill who does an operation after Vipps MobilePay did it, before or in the commit."""
        condition = self.written(operation, reference)
        self.kill_at('payment_transaction', condition, press, in_commit)
        self.wait_for_workers()
        self.control('POST', 'clock', advance=180)  # What was sent in vain is sent again by then.

    def test_it_is_known_from_the_event(self):
        for operation, reference, press in self.for_each_operation():
            self.kill(operation, reference, press)

    def test_it_is_known_when_only_the_answer_to_the_person_was_lost(self):
        for operation, reference, press in self.for_each_operation('refund'):
            self.fault('webhook', 'lost')
            self.kill(operation, reference, press, in_commit=True)
            calls = len(self.calls(operation, reference))
            self.assertIn(DONE, self.attempt(press))
            self.assertEqual(len(self.calls(operation, reference)), calls)

    def test_it_is_found_by_trying_again(self):
        for operation, reference, press in self.for_each_operation():
            self.fault('webhook', 'lost')
            self.kill(operation, reference, press)
            refusal = self.attempt(press)
            if refusal:  # The job that looks at such payments was there first.
                self.assertIn(DONE, refusal)

    def test_it_is_found_by_the_nightly_comparison(self):
        for operation, reference, press in self.for_each_operation('capture', 'refund'):
            self.fault('webhook', 'lost')
            self.kill(operation, reference, press)
            self.compare()


class TestLostAnswers(OperationsTest):

    def lose(self, operation, press, **fault):
        """Let no answer and no event of Vipps MobilePay arrive."""
        self.fault('webhook', 'lost')
        self.fault(operation, **(fault or {'kind': 'lost_answer'}))
        self.assertIn(REPEATED, self.attempt(press))
        self.control('DELETE', 'faults')
        self.fault('webhook', 'lost')

    def test_the_job_finds_the_operation(self):
        for operation, reference, press in self.for_each_operation():
            self.lose(operation, press)
            self.run_job('cron_sync_payments')
            wait_until(lambda: not self.disagreements(reference))  # noqa: B023
            if operation != 'cancel':
                self.assertIn(DONE, self.attempt(press))

    def test_trying_again_at_once_does_it_once(self):
        for operation, reference, press in self.for_each_operation('capture', 'refund'):
            self.lose(operation, press, kind='late_status', status=503)
            self.attempt(press)
            keys = {call['idempotency_key'] for call in self.calls(operation, reference)}
            self.assertEqual(len(keys), 1)

    def test_trying_again_while_reads_lag_behind_does_it_once(self):
        for operation, reference, press in self.for_each_operation('capture', 'refund'):
            self.lose(operation, press)
            self.fault('get', 'stale', 1, reference=reference)
            self.fault('events', 'stale', 1, reference=reference)
            self.attempt(press)
            self.repair()
            self.compare()

    def test_answers_that_are_nonsense_are_lost_answers(self):
        for kind, operation in (('garbage', 'capture'), ('truncated', 'refund')):
            for _operation, _reference, press in self.for_each_operation(operation):
                self.lose(operation, press, kind=kind)
                self.run_job('cron_sync_payments')

    def test_an_operation_that_never_arrived_is_done_when_tried_again(self):
        for operation, reference, press in self.for_each_operation('capture', 'refund'):
            before = self.sums(reference)
            self.lose(operation, press, kind='lost')
            self.run_job('cron_sync_payments')
            self.assertEqual(self.sums(reference), before)
            self.assertIsNone(self.attempt(press))

    def test_a_refused_operation_is_a_new_request_when_tried_again(self):
        for operation, reference, press in self.for_each_operation('capture', 'refund'):
            self.fault(operation, 'failed', 1, code='5100')
            self.assertIsNotNone(self.attempt(press))
            self.assertIsNone(self.attempt(press))
            keys = {call['idempotency_key'] for call in self.calls(operation, reference)}
            self.assertEqual(len(keys), 2)


class TestAtOnce(OperationsTest):

    def test_a_request_that_starts_anew_after_a_collision_does_it_once(self):
        for operation, reference, press in self.for_each_operation():
            condition = self.written(operation, reference)
            self.fault('webhook', 'lost')
            with collision_point(self.stack, 'payment_transaction', condition):
                # The job can be faster to see what was done.
                self.assertIn(DONE, self.attempt(press) or DONE)
            keys = {call['idempotency_key'] for call in self.calls(operation, reference)}
            self.assertEqual(len(keys), 1)

    def test_a_double_click_does_it_once(self):
        for operation, _reference, press in self.for_each_operation('capture', 'refund'):
            self.fault(operation, 'latency', 1, seconds=0.5)
            answers = at_once(*[lambda: self.attempt(press)] * 2)  # noqa: B023
            self.assertEqual(answers.count(None), 1, answers)

    def test_of_two_users_who_decide_at_once_only_one_decides(self):
        for operation in ('capture', 'refund'):
            with self.subTest(operation):
                reference, press = self.open(operation, self.kari)
                other_part = PART // 2
                opener = self.open_capture if operation == 'capture' else self.open_refund
                other_press = opener(reference, other_part, self.ola)
                answers = at_once(
                    lambda: self.attempt(press), lambda: self.attempt(other_press)  # noqa: B023
                )
                self.assertEqual(answers.count(None), 1, answers)
                refused, = filter(None, answers)
                self.assertIn(OVERTAKEN, refused)
                done = PART if answers[0] is None else other_part
                if operation == 'capture':
                    self.assert_agreed(reference, captured=done)
                else:
                    self.assert_agreed(reference, captured=2 * PART, refunded=done)

    def test_operations_in_the_portal_at_the_same_time_are_kept_apart(self):
        reference, press = self.open('capture')
        self.fault('capture', 'latency', 1, seconds=2)
        at_once(
            lambda: self.assertIsNone(self.attempt(press)),
            lambda: (
                wait_until(lambda: self.calls('capture', reference)),
                self.in_portal('capture', reference, PART),
                self.in_portal('refund', reference, PART // 2),
            ),
        )
        self.assert_agreed(reference, captured=2 * PART, refunded=PART // 2)

    def test_a_payment_is_booked_by_one_and_its_money_is_left_to_others(self):
        """Two who book the same payment would wait for each other's entries."""
        reference = self.reserve()
        with stopping_point(self.stack, 'account_move', "NEW.state = 'posted'") as job:
            self.in_portal('capture', reference, PART)
            job.wait()
            self.assertEqual(self.stack.execute((BOOK, [reference])), [[False]])
            # For a moment, somebody may read the payment.
            wait_until(lambda: self.stack.execute((TAKE, [reference])) == [[reference]])
        self.assert_agreed(reference, captured=PART)

    def test_all_of_it_is_captured_in_parts_and_the_payment_is_done(self):
        reference = self.reserve()
        total = self.total(reference)
        self.capture(reference, PART)
        self.in_portal('capture', reference, PART)
        wait_until(lambda: not self.disagreements(reference))
        self.capture(reference, total - 2 * PART, self.ola)
        self.assert_agreed(reference, captured=total)
        self.assertEqual(self.transaction(reference)['state'], 'done')


class TestPortal(BackOfficeTest):

    def operate(self):
        """Capture in parts, refund and release in the portal; returns the payment and its sums."""
        reference = self.reserve()
        for operation, amount in (
            ('capture', PART), ('refund', PART // 2), ('capture', PART), ('refund', PART),
            ('cancel', None),
        ):
            self.in_portal(operation, reference, amount)
        return reference, {
            'captured': 2 * PART, 'refunded': PART + PART // 2,
            'cancelled': self.total(reference) - 2 * PART,
        }

    def test_doubled_late_and_reordered_events_are_booked_once(self):
        self.fault('webhook', 'duplicate', 3)
        self.fault('webhook', 'reorder', 3, seconds=1)
        self.fault('webhook', 'late', 2, seconds=2)
        reference, sums = self.operate()
        self.assert_agreed(reference, **sums)

    def test_lost_events_are_found_by_the_nightly_comparison(self):
        other = self.reserve()
        reference = self.reserve()
        self.fault('webhook', 'lost')
        self.in_portal('capture', reference, PART)
        self.in_portal('refund', reference, PART)
        self.run_job('cron_compare_payments')
        self.run_job('cron_sync_payments')
        self.assert_agreed(reference, captured=PART, refunded=PART)
        self.assert_agreed(other)
