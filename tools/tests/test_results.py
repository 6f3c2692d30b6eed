import json
import os
import tempfile
import unittest
from pathlib import Path
from unittest.mock import patch

from tools import events
from tools.results import HEADING, Layer, Results


class TestResults(unittest.TestCase):
    def read(self, *lines):
        results = Results()
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / 'events'
            path.write_text(''.join(
                json.dumps({
                    'outcome': outcome, 'test': test, 'detail': detail, 'time': number,
                }) + '\n'
                for number, (outcome, test, detail) in enumerate(lines)
            ))
            results.read(path, title='odoo', started=-5)
        return results

    def test_each_test_counts_once(self):
        results = self.read(
            (events.STARTED, 'a.T.one', ''), (events.PASSED, 'a.T.one', ''),
            (events.STARTED, 'a.T.two', ''), (events.FAILED, 'a.T.two', 'boom'),
            (events.STARTED, 'a.T.three', ''), (events.SKIPPED, 'a.T.three', 'no browser'),
        )
        self.assertEqual(results.closing_line(), '1 passed, 1 failed, 1 skipped')

    def test_the_time_of_a_test_is_that_from_its_start_to_its_end(self):
        results = self.read(
            (events.STARTED, 'a.T.one', ''), (events.FAILED, 'a.T.one (i=1)', 'first'),
            (events.PASSED, 'a.T.one', ''), (events.STARTED, 'a.T.two', ''),
            (events.PASSED, 'a.T.two', ''),
        )
        self.assertEqual(results.seconds, {'a.T.one': 2, 'a.T.two': 1})

    def test_a_layer_shows_where_its_time_went(self):
        layer, = self.read(
            (events.STARTED, 'a.T.one', ''), (events.PASSED, 'a.T.one', ''),
            (events.FAILED, 'setUpClass (a.U)', 'boom'),
            (events.STARTED, 'b.T.two', ''), (events.PASSED, 'b.T.two', ''),
            (events.ENDED, '', '4.5'),
        ).layers
        self.assertEqual(layer, Layer(
            title='odoo', number=3, started=-5, first=0, ended=5, inside=2, processor=4.5,
        ))
        self.assertEqual(
            [name.split() for name in (HEADING, layer.row(origin=-6))],
            [['Seconds', 'tests', 'from', 'to', 'to', 'first', 'between', 'in', 'tests',
              'processor'], ['odoo', '3', '1', '11', '5', '3', '2', '4']],
        )

    def test_a_process_without_tests_is_no_layer(self):
        self.assertEqual(self.read((events.ENDED, '', '4.5')).layers, [])

    def test_a_test_with_failed_subtests_fails_once(self):
        results = self.read(
            (events.STARTED, 'a.T.one', ''),
            (events.FAILED, 'a.T.one (i=1)', 'first'), (events.FAILED, 'a.T.one (i=2)', 'second'),
        )
        self.assertEqual(results.closing_line(), '0 passed, 1 failed, 0 skipped')
        self.assertIn('second', results.outcomes['a.T.one'][1])

    def test_a_failure_is_not_forgotten_when_the_cleanup_passes(self):
        results = self.read((events.FAILED, 'a.T.one', 'boom'), (events.PASSED, 'a.T.one', ''))
        self.assertEqual(results.closing_line(), '0 passed, 1 failed, 0 skipped')

    def test_a_test_whose_process_died_failed(self):
        results = self.read((events.STARTED, 'a.T.one', ''))
        self.assertEqual(results.closing_line(), '0 passed, 1 failed, 0 skipped')

    def test_a_failed_class_fixture_counts(self):
        results = self.read((events.FAILED, 'setUpClass (a.T)', 'boom'))
        self.assertEqual(results.closing_line(), '0 passed, 1 failed, 0 skipped')

    def test_only_a_run_with_tests_succeeds(self):
        self.assertEqual(Results().exit_code(skips_fail=False), 1)
        self.assertEqual(self.read((events.PASSED, 'a', '')).exit_code(skips_fail=True), 0)

    def test_skips_fail_in_ci_only(self):
        results = self.read((events.PASSED, 'a', ''), (events.SKIPPED, 'b', 'no browser'))
        self.assertEqual(results.exit_code(skips_fail=False), 0)
        self.assertEqual(results.exit_code(skips_fail=True), 1)


class TestPattern(unittest.TestCase):
    def test_a_pattern_is_a_part_of_the_id_or_a_glob(self):
        self.assertTrue(events.fits('', 'a.T.test_one'))
        self.assertTrue(events.fits('test_one', 'a.T.test_one'))
        self.assertTrue(events.fits('a.*_one', 'a.T.test_one'))
        self.assertFalse(events.fits('T.*two', 'a.T.test_one'))
        self.assertFalse(events.fits('two', 'a.T.test_one'))

    def test_several_patterns_add_up(self):
        self.assertTrue(events.fits('two test_one', 'a.T.test_one'))
        self.assertTrue(events.fits('T.*two a.*', 'a.T.test_one'))
        self.assertFalse(events.fits('two three', 'a.T.test_one'))


class TestPrefix(unittest.TestCase):
    def test_a_test_of_one_of_several_themes_is_wanted(self):
        for prefix, is_below in (('', True), ('a.T.', True), ('b. a.', True), ('T.', False)):
            self.assertEqual(events.is_below(prefix, 'a.T.test_one'), is_below, prefix)

    def test_theme_and_pattern_go_together(self):
        variables = {'VIPPS_TEST_PREFIX': 'a.', 'VIPPS_TEST_PATTERN': 'test_one'}
        with patch.dict(os.environ, variables):
            self.assertTrue(events.is_wanted('a.T.test_one'))
            self.assertFalse(events.is_wanted('a.T.test_two'))
            self.assertFalse(events.is_wanted('b.T.test_one'))


class TestClaims(unittest.TestCase):
    def test_each_class_is_run_by_the_process_that_comes_first(self):
        class First(unittest.TestCase):
            def test_one(self):
                """Stand for a test."""

            test_two = test_one

        class Second(First):
            """Other tests of the same names."""

        first = [First('test_one'), First('test_two')]
        second = [Second('test_one'), Second('test_two')]
        with tempfile.TemporaryDirectory() as folder:
            with patch.dict(os.environ, {'VIPPS_TEST_CLAIMS': folder}):
                mine, others = events.claimed(first + second), events.claimed(first + second)
                self.assertEqual(next(mine), first[0])
                self.assertEqual(next(others), second[0])
                self.assertEqual(list(mine), first[1:])
                self.assertEqual(list(others), second[1:])
                self.assertEqual(list(events.claimed(first)), [])

    def test_a_process_that_shares_with_nobody_runs_all(self):
        with patch.dict(os.environ):
            os.environ.pop('VIPPS_TEST_CLAIMS', None)
            self.assertEqual(list(events.claimed([self, self])), [self, self])
