"""The queue of tasks: a failure costs a task one try, and nothing waits for ever."""

import contextlib
import os
import signal

from tools.waiting import PATIENCE

from .shop import LiveTest, at_once, wait_until

MANY = 10_000

# Payments of which Vipps MobilePay knows nothing, and what is to be done with each of them.
OLD_TRANSACTIONS = """
    INSERT INTO payment_transaction
    SELECT (jsonb_populate_record(tx, jsonb_build_object(
               'id', nextval('payment_transaction_id_seq'),
               'reference', 'old-queue-' || number,
               'vipps_payment_reference', 'old-queue-' || number,
               'state', 'done', 'is_post_processed', true
           ))).*
      FROM payment_transaction tx, generate_series(1, %s) number
     WHERE tx.reference = %s
"""
OLD_TASKS = """
    INSERT INTO vipps_task (transaction_id, kind, due, tries)
    SELECT id, 'compare', now() AT TIME ZONE 'UTC' - interval '3 hours', 0
      FROM payment_transaction
     WHERE reference LIKE 'old-queue-%'
"""
FAILURE = """
    CREATE FUNCTION vipps_test_fail() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'never';
    END $$;
    CREATE TRIGGER vipps_test_fail BEFORE UPDATE ON payment_transaction
    FOR EACH ROW WHEN (NEW.reference = '{reference}') EXECUTE FUNCTION vipps_test_fail()
"""
# The cart of one payment changes, again and again, until another payment is done or we give up.
CHANGES = """
    DO $$ DECLARE started timestamptz := now(); BEGIN
        WHILE (SELECT state != 'done' FROM payment_transaction WHERE reference = '{other}')
          AND clock_timestamp() < started + interval '{patience} seconds'
        LOOP
            UPDATE sale_order SET id = id WHERE id = {order};
            COMMIT;
        END LOOP;
    END $$
"""
NO_FAILURE = 'DROP FUNCTION IF EXISTS vipps_test_fail CASCADE'


class TestKilled(LiveTest):

    def tries(self, reference):
        """Return how often each task that reads a payment was tried."""
        tasks = self.rpc('vipps.task', 'search_read', [
            ('transaction_id.reference', '=', reference), ('kind', '=', 'sync'),
        ], ['tries'])
        return [task['tries'] for task in tasks]

    def test_a_worker_that_is_killed_while_it_claims_costs_at_most_one_try(self):
        for in_commit in (False, True):
            with self.subTest(in_commit=in_commit):
                reference = self.start_told_payment()
                wait_until(lambda: self.tries(reference) == [1])  # noqa: B023
                self.kill_at(
                    'vipps_task',
                    f"NEW.kind = 'sync' AND NEW.tries = 1 AND NEW.transaction_id ="
                    f" {self.transaction(reference)['id']} AND NEW.due > now() AT TIME ZONE 'UTC'",
                    lambda: self.decide(reference),  # noqa: B023
                    in_commit, 'WorkerCron',
                )
                # A worker that takes the place of the killed one can be done already.
                self.assertLessEqual(max(self.tries(reference), default=0), 1)
                self.run_job('cron_sync_payments')
                self.assert_paid(reference)
                self.assertEqual(len(self.calls('capture', reference)), 1)
                self.assertEqual(self.tries(reference), [])


class TestFailing(LiveTest):
    expected_in_log = (
        r'cannot be processed', r'never', r'Task \d+ failed', r'nobody is told',
        r'current transaction is aborted',
    )

    def test_a_task_that_always_fails_holds_up_only_itself(self):
        failing, *others = (self.start_told_payment() for _payment in range(3))
        self.addCleanup(self.stack.execute, NO_FAILURE)
        self.stack.execute(FAILURE.format(reference=failing))
        for reference in (failing, *others):
            self.decide(reference)
        for reference in others:
            self.assert_paid(reference)
        self.assertEqual(self.transaction(failing)['state'], 'draft')
        wait_until(lambda: self.inbox(
            ['reference', '=', failing], ['error', '!=', False], ['state', '=', 'pending'],
        ))
        self.stack.execute(NO_FAILURE)
        self.run_job('cron_sync_payments')
        self.assert_paid(failing)
        self.assertEqual(len(self.calls('capture', failing)), 1)


class TestBusy(LiveTest):

    def test_a_cart_that_changes_all_the_time_holds_up_only_its_own_payment(self):
        busy, other = (self.start_told_payment() for _payment in range(2))
        order, = self.transaction(busy)['sale_order_ids']
        changes = CHANGES.format(order=order, other=other, patience=PATIENCE)

        def pay():
            self.decide(busy)
            wait_until(lambda: [d for d in self.deliveries(busy) if d['accepted']])
            self.decide(other)
            self.assert_paid(other)

        at_once(lambda: self.stack.execute(changes), pay)
        self.assert_paid(busy)


class TestMany(LiveTest):
    expected_in_log = (r'outcome=different',)

    def setUp(self):
        super().setUp()
        self.references = [self.start_told_payment() for _customer in range(3)]
        self.addCleanup(self.forget)
        self.stack.execute((OLD_TRANSACTIONS, [MANY, self.references[0]]), OLD_TASKS)

    def forget(self):
        """Remove the old payments with their tasks; nothing else refers to them."""
        self.remove(
            "DELETE FROM vipps_task WHERE transaction_id IN"
            " (SELECT id FROM payment_transaction WHERE reference LIKE 'old-queue-%')",
            # For each row, all tables that could refer to it would be searched.
            "SET LOCAL session_replication_role = replica;"
            " DELETE FROM payment_transaction WHERE reference LIKE 'old-queue-%'",
        )

    def count_old(self):
        """Return how many old tasks were not tried."""
        (count,), = self.stack.execute("SELECT count(*) FROM vipps_task WHERE kind = 'compare'")
        return count

    def wait_for_old(self):
        """Wait until two old tasks are done: after the first one, a job calls others to help, and
        a worker that stands still can have finished one just before."""
        before = self.count_old()
        wait_until(lambda: self.count_old() < before - 1)

    def test_thousands_of_old_tasks_and_new_payments_do_not_starve_each_other(self):
        self.start_job('cron_sync_payments')
        wait_until(lambda: self.count_old() < MANY)
        for reference in self.references:
            before = self.count_old()
            self.decide(reference)
            wait_until(lambda: self.transaction(reference)['state'] == 'done')  # noqa: B023
            wait_until(lambda: self.count_old() < before)  # noqa: B023
        self.assertGreater(self.count_old(), 0)
        self.forget()
        self.assert_paid(reference)

    def test_the_other_worker_goes_on_whichever_one_stands_still(self):
        self.start_job('cron_sync_payments')
        for pid in self.stack.workers('WorkerCron'):
            self.wait_for_old()
            os.kill(pid, signal.SIGSTOP)
            try:
                self.wait_for_old()
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)
