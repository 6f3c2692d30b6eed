import contextlib
import importlib
import io
import sys
import tempfile
import unittest
from datetime import datetime, timezone
from pathlib import Path
from unittest.mock import MagicMock, patch

from bench.access_log import count_queries, read_jobs, read_requests
from bench.capacity import larger
from bench.figures import HEAD, Row, in_ms, p95, percentile, ratio_of_medians, table
from bench.phases import AVERAGE, PEAK, Phase, plan
from tools.console import Failure

KINDS = ("HTTP workers", "Cron workers", "Bus", "PostgreSQL")


class TestFigures(unittest.TestCase):
    def test_p95_is_one_of_the_values(self):
        self.assertEqual(p95([7]), 7)
        self.assertEqual(p95(range(1, 101)), 95)
        self.assertEqual(p95([3, 1, 2]), 3)

    def test_percentile_is_one_of_the_values(self):
        self.assertEqual([percentile(range(1, 101), percent) for percent in (50, 99)], [50, 99])
        self.assertEqual(percentile([4], 50), 4)

    def test_times_are_told_in_milliseconds(self):
        self.assertEqual(in_ms([0.3, 0.001, 0.0022]), '2.2 ms (p95 300.0)')

    def test_one_slow_answer_does_not_change_a_ratio(self):
        self.assertEqual(ratio_of_medians([2, 4, 1000], [2, 1, 2]), 2)

    def test_table_can_be_pasted_and_names_missed_targets(self):
        lines = table([
            Row("Intake", '3 ms', 'bare: 1 ms', 3, 'at most 2', False),
            Row("Memory", '9 MiB'),
            Row("Calls", '1', target='1', met=True),
        ]).splitlines()
        cells = [[cell.strip() for cell in line.strip('|').split('|')] for line in lines]
        self.assertEqual(cells[0], list(HEAD))
        self.assertTrue(all(set(cell) == {'-'} for cell in cells[1]))
        self.assertEqual(cells[2], ['Intake', '3 ms', 'bare: 1 ms', '3.00', 'at most 2', '**no**'])
        self.assertEqual(cells[3], ['Memory', '9 MiB', '', '', '', ''])
        self.assertEqual(cells[4], ['Calls', '1', '', '', '1', 'yes'])
        self.assertEqual(len({len(line) for line in lines}), 1)


class TestEarlyEnd(unittest.TestCase):
    def test_a_bench_that_ends_early_names_what_is_missing(self):
        with patch.dict(sys.modules, {'psycopg2': MagicMock(), 'psutil': MagicMock()}):
            bench = importlib.import_module('bench.__main__')
        for error, is_raised in ((Failure("Not paid."), False), (KeyError("paid"), True)):
            printed = io.StringIO()
            with (
                self.subTest(error=error),
                patch.multiple(
                    bench, prepare=MagicMock(), Shop=MagicMock(), facts=lambda _shop: "2 cores",
                    PARTS={
                        "Webhook intake": lambda _shop: [Row("Intake", '3 ms')],
                        "Checkouts": lambda _shop: [Row("Start", '4 ms')],
                        "Approval to done": MagicMock(side_effect=error),
                        "Memory": MagicMock(), "Lists": MagicMock(),
                    },
                ),
                patch('signal.signal'), contextlib.redirect_stdout(printed),
                contextlib.redirect_stderr(io.StringIO()),
            ):
                bench.prepare.return_value.__exit__.return_value = False
                with self.assertRaises(KeyError) if is_raised else contextlib.nullcontext():
                    self.assertEqual(bench.main(is_quick=True, parts=[]), 1)
                lines = printed.getvalue().splitlines()
                self.assertIn("Intake", lines[2])
                self.assertIn("Start", lines[3])
                self.assertRegex(lines[4], "Approval to done, Lists .*not measured")
                self.assertNotIn("Memory", lines[4])

    def test_load_that_does_not_hold_the_peak_hour_or_ends_early_is_a_failure(self):
        with patch.dict(sys.modules, {'psycopg2': MagicMock(), 'psutil': MagicMock()}):
            load = importlib.import_module('bench.load')
        quiet, peak, slow, beyond = phases = [
            Phase("Quiet", 1, 1), Phase("Peak hour", PEAK, 1),
            Phase("Peak hour", PEAK, 1, delay=99), Phase("Beyond", 12.5, 1, delay=99),
        ]
        for phase in phases:
            phase.busy = {load.WORKERS: 0.5}
            phase.cpu = dict.fromkeys(KINDS, 1)
            phase.waits['till: paid'] = [1]

        def live(phases, error=None):
            yield from phases
            if error:
                raise error

        for phases, error, code, text in (
            ([quiet, peak], None, 0, "does not break"),
            ([quiet, peak, beyond], None, 0, "breaks: an event waits"),
            ([quiet, slow], None, 1, "breaks: an event waits"),
            ([quiet], None, 1, "does not break"),
            ([quiet, peak], Failure("Locust has ended."), 1, "It ended early"),
            ([], Failure("Not all tills are open."), 1, "It ended early"),
        ):
            printed = io.StringIO()
            with (
                self.subTest(phases=phases, error=error),
                patch.multiple(
                    load, prepare=MagicMock(), Shop=MagicMock(), facts=lambda _shop: "2 cores",
                    load_environment=MagicMock(), Day=MagicMock(),
                ),
                patch('signal.signal'), contextlib.redirect_stdout(printed),
                contextlib.redirect_stderr(io.StringIO()),
            ):
                load.prepare.return_value.__exit__.return_value = False
                load.Day.return_value.live.return_value = live(phases, error)
                self.assertEqual(load.main(tills=10, minutes=1), code)
            self.assertIn(text, printed.getvalue())


class TestAccessLog(unittest.TestCase):
    def test_queries_of_the_last_such_request_are_read(self):
        stamp = '2026-01-31 12:00:00,123 47 INFO db'
        record = f'{stamp} werkzeug: 127.0.0.1 - - [31/Jan/2026 12:00:00]'
        earlier = f'{record} "GET /payment/vipps/return?reference=A HTTP/1.1" 200 - 7 0.1 0.2\n'
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / 'odoo.log'
            path.write_text(
                earlier
                + f'{record} "GET /payment/vipps/return?reference=B HTTP/1.1" 303 - 209 0.1 0.2\n'
                f'{stamp} odoo.addons.x: GET /payment/vipps/return 200 - 8 0.1 0.2\n'
                f'{record} "POST /payment/vipps/webhook/17 HTTP/1.1" 200 - 10 0.1 0.2\n'
            )
            start = len(earlier)
            self.assertEqual(count_queries(path, 'GET /payment/vipps/return', 0), 209)
            self.assertEqual(count_queries(path, 'POST /payment/vipps/webhook', 0), 10)
            with self.assertRaises(Failure):
                count_queries(path, 'GET /payment/vipps/return?reference=A', start)

    def test_time_of_http_workers_is_read(self):
        record = 'x werkzeug: ::1 - - [31/Jan/2026 12:00:00] "{} HTTP/1.1" 200 - 7 0.100 0.2\n'
        earlier = record.format('GET /shop')
        with self._log(
            earlier + record.format('POST /payment/vipps/webhook/17')
            + record.format('GET /websocket')
        ) as path:
            (line, seconds), = read_requests(path, len(earlier))
        self.assertEqual(line, 'POST /payment/vipps/webhook/17')
        self.assertAlmostEqual(seconds, 0.3)

    def test_time_of_jobs_is_that_between_two_moments(self):
        record = '2026-01-31 12:00:{:02},500 {} INFO db odoo.addons.base.models.ir_cron: {}\n'
        with self._log(
            record.format(0, 5, 'Starting job `Read: all`.')
            + record.format(2, 6, 'Starting job `Book`.')
            + record.format(4, 6, 'Job done: `Book` (1.992s).')
            + record.format(5, 5, 'Job done: `Read: all` (4.993s).')
            + record.format(7, 5, 'Starting job `Read: all`.')
        ) as path:
            start = datetime(2026, 1, 31, 12, tzinfo=timezone.utc).timestamp()
            self.assertEqual(read_jobs(path, start, start + 9), {'Read: all': 6.5, 'Book': 2})
            self.assertEqual(read_jobs(path, start + 4, start + 9), {'Read: all': 3, 'Book': 0.5})

    @contextlib.contextmanager
    def _log(self, text):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / 'odoo.log'
            path.write_text(text)
            yield path


class TestPhase(unittest.TestCase):
    def setUp(self):
        self.phase = Phase("Peak hour", PEAK, 100)
        for _number in range(100):
            self.phase.add({'at': 1, 'name': 'till'})
            self.phase.add({'at': 2, 'name': 'till: paid', 'seconds': 0.5, 'error': None})

    def test_day_has_the_length_that_was_asked_for(self):
        self.assertAlmostEqual(sum(phase.seconds for phase in plan(10)), 600)

    def test_slow_phase_is_not_held(self):
        self.assertEqual((self.phase.came, self.phase.paid), (100, 100))
        self.assertEqual(self.phase.shortcomings(), [])
        self.phase.waits['till: paid'][:6] = [7] * 6
        self.assertEqual(self.phase.shortcomings(), ["till: paid: p95 7.0 s"])

    def test_phase_with_a_single_long_wait_is_held(self):
        self.phase.waits['shop: cart'] = [7, *[1] * 9]
        self.assertEqual(self.phase.shortcomings(), [])
        self.phase.waits['shop: cart'][1] = 6
        self.assertEqual(self.phase.shortcomings(), ["shop: cart: p95 7.0 s"])

    def test_phase_with_errors_is_not_held(self):
        self.phase.add({'at': 3, 'name': 'till: asked', 'seconds': 9, 'error': "Gone"})
        self.assertEqual(self.phase.shortcomings(), [])
        self.phase.add({'at': 3, 'name': 'till: asked', 'seconds': 9, 'error': "Gone"})
        self.assertEqual(self.phase.shortcomings(), ["2 errors"])

    def test_phase_whose_events_wait_is_not_held(self):
        self.phase.delay = 11
        self.assertEqual(self.phase.shortcomings(), ["an event waits for 11 s"])

    def test_phase_in_which_nobody_has_paid_is_not_held(self):
        self.phase.waits.clear()
        self.assertEqual(self.phase.shortcomings(), ["nobody has paid"])

    def test_what_is_full_is_the_limit_and_else_the_busiest(self):
        self.phase.busy = {"cores": 0.7, "workers": 0.6}
        self.assertEqual(self.phase.limits(), "cores 70%")
        self.phase.busy = {"cores": 0.9, "workers": 0.97, "bus": 0.1}
        self.assertEqual(self.phase.limits(), "workers 97%, cores 90%")

    def test_larger_chains_need_more(self):
        self.phase.cpu = dict.fromkeys(KINDS, 7)
        self.phase.occupied, self.phase.jobs, self.phase.connections = 16, 7, 10
        quiet = Phase("Quiet", 1, 10, cpu=self.phase.cpu, occupied=1.4, jobs=0.8)
        quiet.waits['shop: paid'] = [1] * 10
        lines = [
            [cell.strip() for cell in line.strip('|').split('|')]
            for line in larger([quiet, self.phase]).splitlines()
        ]
        needs = {line[0]: line[1:] for line in lines}
        peak = AVERAGE * PEAK
        self.assertEqual(needs["Payments a second in the peak hour"][1], f'{peak:.1f}')
        self.assertEqual(needs["HTTP workers (time at work)"], ['0.140 s', '2', '12', '116'])
        self.assertEqual(needs["Cores for PostgreSQL (CPU)"], ['0.070 s', '0.6', '5.8', '57.9'])
        self.assertEqual(needs["Connections to PostgreSQL"], ['2.0 a process', '8', '48', '464'])
