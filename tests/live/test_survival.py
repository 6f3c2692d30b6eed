"""The record of a request and its outcome is kept when request or worker ends early."""

from .shop import LiveTest, wait_until
from .stopping_point import collision_point
from .test_operations import PART, REPEATED, OperationsTest

# As an update of Odoo does.
CHANGE = """
    DO $$ BEGIN
        SET LOCAL lock_timeout = '120s';
        LOCK TABLE payment_transaction IN ACCESS EXCLUSIVE MODE;
    END $$
"""


class TestRecording(OperationsTest):

    def events(self, reference, *actions):
        """Return the records of a payment: action, outcome and author, oldest first."""
        return [
            (event['action'], event['outcome'], event['user_name']) for event in self.rpc(
                'vipps.audit.event', 'search_read',
                [('reference', '=', reference), ('action', 'in', actions)],
                ['action', 'outcome', 'user_name'], order='id',
            )
        ]

    def sources(self, reference):
        """Return the causes of the changes of the states of a payment and its parts."""
        return [event['source'] for event in self.rpc(
            'vipps.audit.event', 'search_read',
            [('reference', 'like', reference), ('action', '=', 'state_changed')],
            ['source'], order='id',
        )]

    def test_a_killed_worker_leaves_the_author_and_the_outcome(self):
        reference, press = self.open('capture')
        self.kill_at('payment_transaction', self.written('capture', reference), press)
        self.wait_for_workers()
        self.control('POST', 'clock', advance=180)  # What was sent in vain is sent again by then.
        self.assert_done_once('capture', reference)
        self.assertEqual(
            self.events(reference, 'capture'),
            [('capture', 'asked', 'Kari'), ('capture', 'done', 'Kari')],
        )
        # The request of the accountant changed nothing in Odoo: what came after it did.
        self.assertNotIn('user', self.sources(reference))

    def test_a_request_that_starts_anew_is_recorded_once(self):
        for operation, action in (('capture', 'capture'), ('refund', 'refund')):
            with self.subTest(operation):
                reference, press = self.open(operation)
                before = len(self.events(reference, action))
                self.fault('webhook', 'lost')
                condition = self.written(operation, reference)
                with collision_point(self.stack, 'payment_transaction', condition):
                    self.attempt(press)
                self.repair()
                self.assert_done_once(operation, reference)
                self.assertEqual(
                    self.events(reference, action)[before:],
                    [(action, 'asked', 'Kari'), (action, 'done', 'Kari')],
                )

    def test_an_operation_that_is_rolled_back_after_a_lost_answer_or_a_refusal_is_recorded(self):
        reference, press = self.open('capture')
        self.fault('webhook', 'lost')
        self.fault('capture', 'failed', 1, code='5100')
        refusal = self.attempt(press)
        self.fault('capture', 'lost_answer')
        self.assertIn(REPEATED, self.attempt(press))
        self.repair()
        self.run_job('cron_sync_payments')
        self.assert_agreed(reference, captured=PART)
        self.assertEqual(self.events(reference, 'capture'), [
            ('capture', 'asked', 'Kari'), ('capture', 'refused', 'Kari'),
            ('capture', 'asked', 'Kari'), ('capture', 'unknown', 'Kari'),
        ])
        details = self.rpc('vipps.audit.event', 'search_read', [
            ('reference', '=', reference), ('outcome', '=', 'refused'),
        ], ['details', 'trace_id'])
        self.assertIn(details[0]['details'], refusal)
        self.assertTrue(details[0]['trace_id'])
        self.assertEqual(self.sources(reference)[1:], ['job'])


class TestChangedTable(LiveTest):
    expected_in_log = (r'lock timeout',)

    def test_a_table_that_is_changed_during_a_capture_stops_neither(self):
        reference = self.start_told_payment()
        self.fault('get', 'latency', seconds=5, reference=reference)
        self.decide(reference)
        wait_until(lambda: self.calls('get', reference))
        self.stack.execute(CHANGE)  # Waits for the job, which waits for the answer.
        self.assert_paid(reference)
        self.assertEqual(len(self.calls('capture', reference)), 1)
