import contextlib
import io
import tempfile
import types
import unittest
from pathlib import Path
from unittest.mock import patch

from tools import cli, suite


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
    def start(self, *args):
        """Return the tests that are chosen for each process, by its title.

        :param args: See `Suite`.
        """
        started = {}

        def start_odoo(stack, workspace, title, template, tags):
            started[title] = tags

        run = suite.Suite(*args)
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
        both = {'odoo': no_tours, 'second': no_tours}
        self.assertEqual(self.start('', False), {**both, **tours, **alone})
        self.assertEqual(self.start('', True), {**both, **alone})
        self.assertEqual(self.start('test_tours', False), {'odoo': '/mobilepay_vipps'})
        self.assertEqual(self.start('test_tours', True), {'odoo': no_tours})

    def test_a_theme_is_tested_without_tours_unless_they_are_wanted(self):
        no_tours = '/mobilepay_vipps,-vipps_tour'
        both = {'odoo': no_tours, 'second': no_tours}
        self.assertEqual(self.start('', False, ['till']), both)
        self.assertEqual(self.start('', False, ['simulator', 'till']), both)
        self.assertEqual(self.start('test_x', False, ['till']), {'odoo': no_tours})
        self.assertEqual(self.start('', False, ['till'], True), dict.fromkeys(
            both, '/mobilepay_vipps',
        ))
        self.assertEqual(self.start('', False, ['simulator', 'live']), {})

    def test_two_processes_of_one_layer_share_its_classes_and_nobody_else_does(self):
        run = suite.Suite('', False, ['till', 'tools'])
        with tempfile.TemporaryDirectory() as folder:
            folder = Path(folder)
            first, second, tours = (
                run._variables(title, types.SimpleNamespace(folder=folder))
                for title in (suite.ODOO, suite.SECOND, suite.TOURS)
            )
        self.assertEqual(first['VIPPS_TEST_CLAIMS'], second['VIPPS_TEST_CLAIMS'])
        self.assertNotEqual(first['VIPPS_TEST_CLAIMS'], tours['VIPPS_TEST_CLAIMS'])
        self.assertNotEqual(first['VIPPS_TEST_EVENTS'], second['VIPPS_TEST_EVENTS'])
        self.assertEqual(
            first['VIPPS_TEST_PREFIX'], 'odoo.addons.mobilepay_vipps.tests.till. tools.'
        )


class TestThemes(unittest.TestCase):
    def run_command(self, *arguments):
        options = cli._parser().parse_args(arguments)
        return options.run(options)

    def test_themes_are_the_packages_of_tests(self):
        self.assertIn('till', suite.THEMES)
        self.assertNotIn('live', suite.THEMES)
        self.assertNotIn('__pycache__', suite.THEMES)

    def test_a_theme_that_does_not_exist_is_refused(self):
        with contextlib.redirect_stderr(io.StringIO()) as said, self.assertRaises(SystemExit):
            self.run_command('test', 'till', 'shop')
        self.assertIn("no such theme: shop; there are api", said.getvalue())

    def test_themes_and_patterns_are_given_on(self):
        with patch.object(cli, 'run_tests', lambda *args: args):
            self.assertEqual(
                self.run_command('test', 'till', 'live', '-k', 'one', '-k', 'two', '--tours'),
                ('one two', False, ['till', 'live'], True),
            )
