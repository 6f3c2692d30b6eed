import contextlib
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
    def start(self, pattern, fast):
        """Return the tests that are chosen for each process, by its title."""
        started = {}

        def start_odoo(stack, workspace, title, template, tags):
            started[title] = tags

        run = suite.Suite(pattern, fast)
        with (
            contextlib.ExitStack() as stack,
            patch.object(run, '_start_odoo', start_odoo),
            patch.object(run, '_addon_has_wanted_tests', lambda: True),
            patch.object(suite, 'open_workspace', contextlib.nullcontext),
        ):
            run.start_odoo(stack, None)
        return started

    def test_tours_have_a_process_of_their_own_when_everything_is_run(self):
        no_tours = '/mobilepay_vipps,-vipps_tour'
        alone = {'alone': 'vipps_alone/mobilepay_vipps'}
        tours = {'tours': 'vipps_tour/mobilepay_vipps'}
        self.assertEqual(self.start('', False), {'odoo': no_tours, **tours, **alone})
        self.assertEqual(self.start('', True), {'odoo': no_tours, **alone})
        self.assertEqual(self.start('test_tours', False), {'odoo': '/mobilepay_vipps'})
        self.assertEqual(self.start('test_tours', True), {'odoo': no_tours})
