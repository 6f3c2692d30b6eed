# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from datetime import timedelta
from unittest.mock import patch

from freezegun import freeze_time

from odoo import fields
from odoo.tests import tagged

from ...models.jobs.task import MAX_SILENCES
from ..common import TransactionCommon

READING_MODULE = 'odoo.addons.mobilepay_vipps.models.transaction.sync'
TASK_MODULE = 'odoo.addons.mobilepay_vipps.models.jobs.task'


@tagged('post_install', '-at_install')
class TestOpenPayments(TransactionCommon):
    """ The job that reads open payments. """

    def test_an_approved_payment_is_found_without_webhook_and_without_customer(self):
        tx = self._start()
        self._approve(tx)
        self._run_job()
        self.assertEqual(tx.state, 'authorized')

    def test_a_payment_is_not_read_before_it_is_due(self):
        self._start()
        self.env.flush_all()
        self.env['vipps.task']._cron_sync_payments()
        self.assertFalse(self._get_calls('get'))

    def test_a_payment_is_read_in_growing_intervals(self):
        tx = self._start()
        delays = []
        for _i in range(9):
            self._run_job()
            delays.append(round(self._get_delay(tx) / timedelta(minutes=1)))
        self.assertEqual(delays, sorted(delays))
        self.assertLess(delays[0], 5)
        self.assertEqual(delays[-1], 60)

    def test_a_payment_that_is_decided_is_not_read_again(self):
        for operation in ('approve', 'decline', 'expire', 'cancel'):
            with self.subTest(operation=operation):
                tx = self._start()
                getattr(self.simulator, operation)(tx.vipps_payment_reference)
                self._run_job()
                self._run_job()
                self.assertEqual(len(self._get_calls('get', tx)), 1)

    def test_a_payment_that_cannot_be_read_does_not_hold_up_the_others(self):
        txs = [self._start() for _i in range(3)]
        for tx in txs:
            self._approve(tx)
        self.simulator.fault(
            'get', 'refuse', code='5090', reference=txs[0].vipps_payment_reference
        )
        self._run_job()
        self.assertEqual([tx.state for tx in txs], ['draft', 'authorized', 'authorized'])
        self._run_job()
        self.assertEqual(txs[0].state, 'authorized')

    def test_an_order_that_cannot_be_confirmed_does_not_hold_up_the_others(self):
        orders = [self._create_order() for _i in range(2)]
        txs = [self._start_order(order) for order in orders]
        for tx in txs:
            self._approve(tx)
        action_confirm = type(orders[0]).action_confirm

        def confirm(records):
            if records == orders[0]:
                raise ValueError("something unforeseen")
            return action_confirm(records)

        with patch.object(type(orders[0]), 'action_confirm', confirm), \
                self.assertLogs(TASK_MODULE, 'ERROR'):
            self._run_job()
        self.assertEqual([tx.state for tx in txs], ['authorized', 'authorized'])
        self.assertEqual([order.state for order in orders], ['draft', 'sale'])
        self._follow_up()
        self.assertEqual(orders[0].state, 'sale')

    #=== Limits ===#

    def _start_due(self, minutes=1):
        """ Return a transaction whose payment the job has had to read for some minutes. """
        tx = self._start()
        self._get_tasks(tx, 'sync').due = fields.Datetime.now() - timedelta(minutes=minutes)
        tx.vipps_last_read = False
        return tx

    def _count_triggers(self):
        cron = self.env.ref('mobilepay_vipps.cron_sync_payments')
        return self.env['ir.cron.trigger'].sudo().search_count([('cron_id', '=', cron.id)])

    def test_a_payment_that_a_customer_watches_is_left_to_the_customer_for_a_minute(self):
        tx = self._start_due()
        tasks = self._get_tasks(tx, 'sync')
        tries = tasks.tries
        with freeze_time(fields.Datetime.now()) as clock:
            tx._vipps_sync_for_customer()
            clock.tick(timedelta(seconds=20))
            self.assertFalse(self._run_due())
            self.env.invalidate_all()
            self.assertEqual(tasks.due - tx.vipps_last_read, timedelta(minutes=1))
            self.assertEqual(tasks.tries, tries, "Its intervals do not grow.")
            clock.tick(timedelta(seconds=39))
            self.assertFalse(self._run_due())
            clock.tick(timedelta(seconds=1))
            self.assertEqual(self._run_due(), [tx.vipps_payment_reference])
            self.env.invalidate_all()
            self.assertEqual(tasks.tries, tries + 1)

    def test_a_payment_that_somebody_else_works_on_is_left_to_the_next_run(self):
        tx = self._start_due()
        tries, triggers = self._get_tasks(tx, 'sync').tries, self._count_triggers()
        with patch.object(type(tx), '_vipps_lock', lambda tx, wait=True: False):
            self.assertFalse(self._run_due())
        self.assertEqual(self._get_tasks(tx, 'sync').tries, tries, "It costs no try.")
        self.assertEqual(self._count_triggers(), triggers + 1)
        self.assertEqual(self._run_due(), [tx.vipps_payment_reference])

    def test_payments_are_read_in_the_order_in_which_they_are_due(self):
        txs = [self._start_due(minutes) for minutes in (2, 3, 1)]
        references = [tx.vipps_payment_reference for tx in txs]
        self.assertEqual(self._run_due(), [references[1], references[0], references[2]])

    def test_open_payments_are_read_before_others_are_compared(self):
        compared_tx = self._authorize()
        self.env['vipps.task']._schedule(compared_tx, 'compare', tries=1)
        open_tx = self._start_due()
        self.assertEqual(
            self._run_due(), [open_tx.vipps_payment_reference, compared_tx.vipps_payment_reference]
        )

    def test_the_time_that_vipps_mobilepay_asks_for_is_waited(self):
        for status in (429, 503):
            with self.subTest(status=status), freeze_time(fields.Datetime.now()):
                tx = self._start_due()
                self.simulator.fault('get', 'status', status=status, retry_after=1800)
                self._run_due()
                self.assertEqual(self._get_delay(tx), timedelta(minutes=30))

    def test_a_run_ends_when_there_is_no_answer_and_the_next_one_reads_what_is_left(self):
        txs = [self._start_due(minutes) for minutes in range(MAX_SILENCES + 2, 0, -1)]
        left = [tx.vipps_payment_reference for tx in txs[MAX_SILENCES:]]
        triggers = self._count_triggers()
        self.simulator.fault('get', 'status', status=503, times=None)
        with self._without_pauses():
            self.assertEqual(len(set(self._run_due())), MAX_SILENCES)
        self.assertEqual(self._count_triggers(), triggers, "The next minute is early enough.")
        self.simulator.clear_faults()
        self.assertEqual(self._run_due(), left)

    def test_an_answer_from_before_the_approval_keeps_no_capture_from_being_made(self):
        self.vipps.vipps_capture_mode = 'automatic'
        tx = self._start()
        self._approve(tx)
        self.simulator.fault('capture', 'status', status=503, times=None)
        with self._without_pauses():
            tx._vipps_sync()
        self.assertEqual((tx.state, tx.vipps_payment_state), ('authorized', 'AUTHORIZED'))
        self.simulator.clear_faults()
        self.simulator.fault('get', 'stale')
        tx._vipps_sync()
        self.assertEqual((tx.state, tx.vipps_payment_state), ('authorized', 'CREATED'))
        self._run_job()
        self.assertEqual(tx.state, 'done')
