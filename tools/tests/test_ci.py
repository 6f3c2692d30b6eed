import os
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

from tools.cache import ROOT

DEV = """#!/bin/sh
echo "$* on ${ODOO_SOURCE:-the clone}, CI=$CI" >>calls
[ "$*" != "$FAILING" ]
"""
ALL = ['lint on the clone, CI=true', 'test on the clone, CI=true']


class TestRun(unittest.TestCase):
    def run_ci(self, **variables):
        """Return the exit code of `.ci/run`, and how it called `./dev`."""
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith('ODOO_SOURCE')
        }
        with tempfile.TemporaryDirectory() as folder:
            folder = Path(folder)
            (folder / '.ci').mkdir()
            shutil.copy(ROOT / '.ci' / 'run', folder / '.ci')
            for name, text in (('dev', DEV), ('chromium', '#!/bin/sh')):
                (folder / name).write_text(text)
                (folder / name).chmod(0o755)
            path = f"{folder}{os.pathsep}{os.environ['PATH']}"
            code = subprocess.run(
                [folder / '.ci' / 'run'], capture_output=True,
                env={**environment, 'PATH': path, 'FAILING': '', **variables},
            ).returncode
            return code, (folder / 'calls').read_text().splitlines()

    def test_lint_and_all_tests_are_run_whatever_fails(self):
        self.assertEqual(self.run_ci(), (0, ALL))
        for failing in ('lint', 'test'):
            self.assertEqual(self.run_ci(FAILING=failing), (1, ALL), failing)

    def test_a_second_odoo_runs_the_fast_tests_and_its_failure_counts(self):
        both = [*ALL, 'test --fast on /odoo, CI=true']
        self.assertEqual(self.run_ci(ODOO_SOURCE_2='/odoo'), (0, both))
        for failing in ('lint', 'test', 'test --fast'):
            self.assertEqual(
                self.run_ci(ODOO_SOURCE_2='/odoo', FAILING=failing), (1, both), failing
            )
