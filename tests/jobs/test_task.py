# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import threading
from unittest.mock import patch

from odoo.tests import tagged

from ...models.jobs.task import HELPERS, MAX_SILENCES
from .test_webhook_event import EventCommon


@tagged('post_install', '-at_install')
class TestTask(EventCommon):
    """ Runs of the job: when they end, and whom they have help. """

    def test_run_that_takes_too_long_ends_and_continues_later(self):
        for _i in range(2):
            self._store(self._start_approved())
        triggers = self._count_triggers()
        with patch('odoo.addons.mobilepay_vipps.models.jobs.task.RUN_SECONDS', 0):
            self.assertEqual(self._drain(), 0)
        self.assertEqual(self._count_triggers(), triggers + 1)
        self.assertEqual(self._drain(), 2)

    def test_helpers_are_called_while_many_payments_wait_that_can_be_read(self):
        helpers = self.env['ir.cron'].browse(self.env.ref(name).id for name in HELPERS)
        triggers = [('cron_id', 'in', helpers.ids)]
        for waiting, is_down, called in (
            (2, False, helpers.browse()), (3, False, helpers), (3, True, helpers.browse()),
        ):
            with self.subTest(waiting=waiting, is_down=is_down), self._without_pauses():
                for _i in range(waiting):
                    self._store(self._start_approved())
                if is_down:
                    self.simulator.fault('get', 'status', status=503, times=None)
                self.env['ir.cron.trigger'].search(triggers).unlink()
                with patch('odoo.addons.mobilepay_vipps.models.jobs.task.MAX_UNSHARED', 2):
                    self._drain()
                self.assertEqual(self.env['ir.cron.trigger'].search(triggers).cron_id, called)

    def test_other_workers_are_told_of_a_task_although_the_next_one_hangs(self):
        for _i in range(2):
            self._store(self._start_approved())
        told, tasks = threading.Event(), []
        work = type(self.env['vipps.task'])._work

        def hang(task):
            tasks.append(task)
            if len(tasks) == 2:
                self.assertTrue(told.wait(60))
            return work(task)

        with (
            patch.object(type(self.env['vipps.task']), '_work', hang),
            patch.object(type(self.env['ir.cron']), '_notifydb', lambda _cron: told.set()),
        ):
            self._drain()
        self.assertEqual(len(tasks), 2)

    def test_helpers_do_the_same_for_a_shorter_time(self):
        for _i in range(2):
            self._store(self._start_approved())
        calls = len(self.simulator.exchanges)
        with patch('odoo.addons.mobilepay_vipps.models.jobs.task.HELP_SECONDS', 0):
            self.env['vipps.task']._cron_help_sync_payments()
        self.assertEqual(len(self.simulator.exchanges), calls)
        self.env['vipps.task']._cron_help_sync_payments()
        self.env.invalidate_all()
        self.assertEqual(set(self._get_inbox().mapped('state')), {'processed'})

    def test_run_ends_when_there_is_no_answer_and_the_next_one_tries_what_is_left(self):
        for hour in range(MAX_SILENCES + 2):
            tx = self._start_approved()
            self._tell(tx.vipps_payment_reference, timestamp=f'2026-01-02T0{hour}:00:00Z')
        triggers = self._count_triggers()
        self.simulator.fault('get', 'status', status=503, times=None)
        with self._without_pauses():
            self._drain()
        tasks = self.env['vipps.task'].search([('kind', '=', 'sync'), ('tries', '=', 0)])
        self.assertEqual(len(tasks), 2)
        self.assertEqual(len(set(self._get_read_references())), MAX_SILENCES)
        self.assertEqual(self._count_triggers(), triggers, "The next minute is early enough.")
        self.simulator.clear_faults()
        self.assertEqual(self._drain(), 2)
        self.assertEqual(
            self._get_inbox().mapped('state'), ['processed'] * 2 + ['pending'] * MAX_SILENCES
        )

    def test_run_does_not_end_when_only_some_payments_get_no_answer(self):
        for hour in range(2 * MAX_SILENCES - 1):
            reference = self._start_approved().vipps_payment_reference
            self._tell(reference, timestamp=f'2026-01-02T0{hour}:00:00Z')
            if hour != MAX_SILENCES - 1:
                self.simulator.fault('get', 'status', status=503, times=None, reference=reference)
        with self._without_pauses():
            self._drain()
        pending = ['pending'] * (MAX_SILENCES - 1)
        self.assertEqual(self._get_inbox().mapped('state'), [*pending, 'processed', *pending])
        self.assertEqual(len(set(self._get_read_references())), 2 * MAX_SILENCES - 1)

    def test_payment_that_vipps_mobilepay_is_busy_with_is_no_silence(self):
        for _i in range(MAX_SILENCES + 1):
            self._tell(self._start_approved().vipps_payment_reference)
        self.simulator.fault('get', 'refuse', code='6250', times=None)
        with self._without_pauses():
            self._drain()
        self.assertFalse(self.env['vipps.task'].search([('tries', '=', 0)]))
