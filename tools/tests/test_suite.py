import unittest
from unittest.mock import patch

from tools import suite


class TestContract(unittest.TestCase):
    @patch.object(suite, 'find_specs', lambda: None)
    def test_a_run_without_the_openapi_files_says_so_and_passes(self):
        run = suite.Suite('', fast=False)
        run.check_contract(environment=None, run=None)
        self.assertEqual(run.results.notes, [suite.NOT_COMPARED])
        self.assertNotIn('\n', suite.NOT_COMPARED)
        run.results.record(suite.events.PASSED, 'another test')
        self.assertEqual(run.results.exit_code(skips_fail=True), 0)


class TestOdoo(unittest.TestCase):
    def run_odoo(self, *arguments):
        """Return the titles and tags of the processes, and how often the rest is done."""
        started, done = [], []

        def run_odoo(title, template, tags, do_meanwhile):
            started.append((title, tags))
            do_meanwhile()

        run = suite.Suite(*arguments)
        with (
            patch.object(run, '_run_odoo', lambda workspace, *others: run_odoo(*others)),
            patch.object(run, '_addon_has_wanted_tests', lambda: True),
        ):
            run.run_odoo(None, lambda: done.append(True))
        return started, len(done)

    def test_tours_have_a_process_of_their_own_when_everything_is_run(self):
        addon, no_tours = '/mobilepay_vipps', '/mobilepay_vipps,-vipps_tour'
        tours = 'vipps_tour/mobilepay_vipps'
        for arguments, started in (
            (('', False), [('odoo', no_tours), ('tours', tours)]),
            (('', True), [('odoo', no_tours)]),
            (('test_tours', False), [('odoo', addon)]),
            (('test_tours', True), [('odoo', no_tours)]),
        ):
            with self.subTest(arguments):
                self.assertEqual(self.run_odoo(*arguments), (started, 1))
