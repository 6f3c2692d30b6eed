import tempfile
import unittest
from pathlib import Path

from tools.cache import ADDON, addons_path
from tools.odoo_log import problems

STAMP = '2026-01-31 12:00:00,123 4711'


class TestOdooLog(unittest.TestCase):
    def problems(self, text):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / 'odoo.log'
            path.write_text(text)
            return problems(path)

    def test_a_warning_is_found_with_the_lines_that_belong_to_it(self):
        found = self.problems(
            f'{STAMP} INFO db odoo: fine\n'
            f'{STAMP} WARNING ? odoo.fields: not fine\n  because\n'
            f'{STAMP} INFO db odoo: fine again\n'
        )
        self.assertEqual(found, [f'{STAMP} WARNING ? odoo.fields: not fine\n  because'])

    def test_a_failed_test_is_not_reported_twice(self):
        found = self.problems(
            f'{STAMP} ERROR db odoo.addons.{ADDON}.tests.test_x: FAIL: TestX.test_y\nTraceback\n'
            f'{STAMP} ERROR db odoo.tests.result: 1 failed, 0 error(s) of 1 tests\n'
        )
        self.assertEqual(found, [])

    def test_a_connection_that_a_browser_did_not_use_is_no_problem(self):
        start = f'{STAMP} ERROR ? werkzeug: 127.0.0.1 - - [30/Nov/2026 16:15:32]'
        unused = f"{start} Request timed out: TimeoutError('timed out') - - -\n"
        other = f'{start} code 400, message Bad request - - -'
        self.assertEqual(self.problems(unused), [])
        self.assertEqual(self.problems(unused + other), [other])

    def test_an_error_logged_during_a_test_is_found(self):
        line = f'{STAMP} ERROR db odoo.addons.{ADDON}.models.payment: lost the money'
        self.assertEqual(self.problems(line + '\n'), [line])

    def test_a_python_warning_counts_when_our_code_caused_it(self):
        warning = f'{STAMP} WARNING ? py.warnings: DeprecationWarning\n'
        ours = f'  File "{addons_path() / ADDON}/models/x.py", line 1, in f'
        self.assertEqual(self.problems(f'{warning}  File "/odoo/addons/sale/x.py", line 1\n'), [])
        self.assertEqual(self.problems(warning + ours + '\n'), [warning + ours])

    def test_long_tracebacks_are_shortened_but_keep_their_ends(self):
        lines = [f'{STAMP} ERROR db odoo.http: boom', *map(str, range(100)), 'ValueError: boom']
        found, = self.problems('\n'.join(lines))
        self.assertTrue(found.startswith(lines[0]) and found.endswith(lines[-1]))
        self.assertLess(len(found.splitlines()), 20)
