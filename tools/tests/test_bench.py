import contextlib
import importlib
import io
import sys
import tempfile
import unittest
from pathlib import Path
from unittest.mock import MagicMock, patch

from bench.access_log import count_queries
from bench.figures import HEAD, Row, in_ms, p95, ratio_of_medians, table
from tools.console import Failure


class TestFigures(unittest.TestCase):
    def test_p95_is_one_of_the_values(self):
        self.assertEqual(p95([7]), 7)
        self.assertEqual(p95(range(1, 101)), 95)
        self.assertEqual(p95([3, 1, 2]), 3)

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
        with patch.dict(sys.modules, {'psycopg2': MagicMock()}):
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
