"""`./dev test`: run the layers and count."""

import ast
import contextlib
import os
import subprocess

from simulator.specs import find_specs

from . import events
from .cache import ADDON, ROOT
from .console import Failure, say, tail
from .environment import protocol_environment
from .odoo import free_port
from .odoo_log import problems
from .processes import Step
from .results import Results
from .run import new_run
from .runner_odoo import TOUR_TAG
from .workspace import ALONE, BASE, SHOP, open_workspace

PURE_LAYERS = ['protocol', 'simulator', 'tools']
LIVE = 'live'
# The packages of tests of the addon, each about the package of that name in `models/`.
THEMES = sorted(
    path.name for path in (ROOT / 'tests').iterdir()
    if path.name != LIVE and (path / '__init__.py').is_file()
)
ODOO = 'odoo'
SECOND = 'second'  # the process that shares the tests of the other one
TOURS = 'tours'
ALONE_TAG = 'vipps_alone'
CONTRACT = "contract: recorded traffic"
NOT_COMPARED = (
    "The contract was not compared with Vipps MobilePay's OpenAPI files: VIPPS_SPECS names their"
    " folder, simulator/specs.py says where they come from."
)


class Suite:
    """One `./dev test`: the wanted tests, and their results."""

    def __init__(self, pattern, fast, themes=(), with_tours=False):
        """Start with no results.

        :param str pattern: What the ids of wanted tests fit, see `events.fits`; empty for all.
        :param bool fast: Leave out tours and the live layer.
        :param list themes: Only the tests of these, of `THEMES`, `PURE_LAYERS` or `LIVE`; none for
            all.
        :param bool with_tours: Whether tours belong to a theme.
        """
        self.pattern = pattern
        self.fast = fast
        self.themes = themes
        self.with_tours = with_tours
        self.results = Results()
        self._started = []

    def wants(self, *layers):
        """Return whether one of these themes or layers is to be run."""
        return not self.themes or not {*self.themes}.isdisjoint(layers)

    def run_unittest(self, title, start, top, environment, run):
        """Run the unittest tests below a folder in a process of their own."""
        with contextlib.ExitStack() as stack:
            self._start_unittest(stack, title, start, top, environment, run)
            self._finish(*self._started.pop())

    def start_live(self, stack, run):
        """Start the tests that drive a shop, on a server of their own, which some of them crash."""
        workspace = stack.enter_context(open_workspace(SHOP))
        self._start_unittest(
            stack, LIVE, 'tests/live', 'tests', workspace.environment, run,
            VIPPS_DEV_WORKSPACE=workspace.to_json(),
        )

    def _start_unittest(self, stack, title, start, top, environment, run, **variables):
        log = run.logs / f'{title}.log'
        step = stack.enter_context(Step(
            f"Testing: {title}",
            [environment.python, '-m', 'tools.runner_unittest', start, top], log, cwd=ROOT,
            env={
                **environment.variables(), **self._variables(title, run),
                'PYTHONPATH': str(ROOT), **variables,
            },
        ))
        self._started.append((title, step, log, run))

    def start_odoo(self, stack, workspace):
        """Start to install the addon and to run its tests, tours included unless told otherwise.

        When all are run, tours have a database of their own, as they wait for their browser most of
        the time, and some tests are run without the neighbours that all others are run with. Of
        all, or all of a theme, each of two processes runs the classes that the other one has not
        begun with.

        :param contextlib.ExitStack stack: Stops the processes, if nobody has waited for them.
        """
        if not self.wants(*THEMES) or not self._addon_has_wanted_tests():
            return
        is_whole = not self.pattern and not self.themes
        with_tours = self.with_tours if self.themes else self.pattern and not self.fast
        tags = f'/{ADDON}' if with_tours else f'/{ADDON},-{TOUR_TAG}'
        self._start_odoo(stack, workspace, ODOO, BASE, tags)
        if not self.pattern:
            self._start_odoo(stack, workspace, SECOND, BASE, tags)
        if is_whole and not self.fast:
            self._start_odoo(stack, workspace, TOURS, BASE, f'{TOUR_TAG}/{ADDON}')
        if is_whole:
            alone = stack.enter_context(open_workspace(ALONE))
            self._start_odoo(stack, alone, ALONE, ALONE, f'{ALONE_TAG}/{ADDON}')

    def _start_odoo(self, stack, workspace, title, template, tags):
        odoo = workspace.odoo(title, template, http_port=free_port())
        log = workspace.run.logs / f'{title}.log'
        step = stack.enter_context(Step(
            "Testing: Odoo" if title == ODOO else f"Testing: Odoo ({title})",
            odoo.command('-i', ADDON, '--test-tags', tags, '--stop-after-init'), log,
            env=odoo.variables(**self._variables(title, workspace.run)),
        ))
        self._started.append((title, step, log, workspace.run))

    def finish(self):
        """Wait for the started processes, and take over their results."""
        for started in self._started:
            self._finish(*started)

    def _finish(self, title, step, log, run):
        label = f'{ALONE}: ' if title == ALONE else ''
        self._take(title, step.wait(), log, run, step.started, label)
        found = [] if title in (*PURE_LAYERS, LIVE) else problems(log)
        if found:
            self.results.record(events.FAILED, f'{title}: clean log', '\n\n'.join(found))

    def check_contract(self, environment, run):
        """Compare the recorded traffic of the simulator with the official specifications."""
        if not find_specs():
            self.results.notes.append(NOT_COMPARED)
            return
        if self.themes or not events.fits(self.pattern, CONTRACT):
            return
        result = subprocess.run(
            [environment.python, '-m', 'simulator.contract', run.folder / 'record'],
            cwd=ROOT, env=environment.variables(), capture_output=True, text=True,
        )
        outcome = events.FAILED if result.returncode else events.PASSED
        self.results.record(outcome, CONTRACT, result.stdout + result.stderr)

    def _variables(self, title, run):
        """Return the environment variables for a test process."""
        record = run.folder / 'record'
        record.mkdir(exist_ok=True)
        # What a process and its second one have in common; nobody else asks.
        claims = run.folder / f'{ODOO if title == SECOND else title}-claims'
        claims.mkdir(exist_ok=True)
        return {
            'VIPPS_TEST_EVENTS': str(run.folder / f'{title}.events'),
            'VIPPS_TEST_PATTERN': self.pattern,
            'VIPPS_TEST_PREFIX': ' '.join(_prefix(theme) for theme in self.themes),
            'VIPPS_TEST_CLAIMS': str(claims),
            'VIPPS_SIMULATOR_RECORD': str(record),
        }

    def _take(self, title, code, log, run, started, label=''):
        """Take over the events of a layer, and see that it ended as it should."""
        ran = self.results.read(run.folder / f'{title}.events', label, title, started)
        if code and not self.results.any_failed(ran):
            self.results.record(
                events.FAILED, f'{title}: end of the test process',
                f'Exit code {code}; the whole log is in {log}.\n{tail(log, 30)}',
            )
        if not ran and not self.pattern and title != SECOND:
            self.results.record(events.FAILED, f'{title}: tests', "No test ran.")

    def _addon_has_wanted_tests(self):
        """Return whether installing the addon for its tests is worth it.

        Inherited tests are not seen: they are chosen by their class.
        """
        tests = ROOT / 'tests'
        files = sorted({*tests.rglob('test_*.py')} - {*(tests / 'live').iterdir()})
        if not self.pattern:
            return bool(files)
        for path in files:
            for node in ast.walk(ast.parse(path.read_text())):
                if not isinstance(node, ast.ClassDef):
                    continue
                module = '.'.join(path.relative_to(tests).with_suffix('').parts)
                prefix = f'odoo.addons.{ADDON}.tests.{module}.{node.name}'
                names = [item.name for item in node.body if isinstance(item, ast.FunctionDef)]
                ids = [prefix, *(f'{prefix}.{name}' for name in names)]
                if any(events.fits(self.pattern, test) for test in ids):
                    return True
        return False


def _prefix(theme):
    """Return what the ids of the tests of a theme begin with."""
    if theme in THEMES:
        return f'odoo.addons.{ADDON}.tests.{theme}.'
    return f'{theme}.'


def run_tests(pattern, fast, themes=(), with_tours=False):
    """Run the layers, or the tests of themes; returns the exit code.

    Without Odoo, protocol, simulator and tools are tested all the same, and the run fails.
    """
    suite = Suite(pattern, fast, themes, with_tours)
    with contextlib.ExitStack() as stack:
        try:
            workspace = stack.enter_context(open_workspace(BASE))
            environment, run = workspace.environment, workspace.run
        except Failure as failure:
            suite.results.record(events.FAILED, 'odoo: available', str(failure))
            workspace, environment = None, protocol_environment()
            run = stack.enter_context(new_run())

        if workspace:
            suite.start_odoo(stack, workspace)
        if workspace and not fast and suite.wants(LIVE):
            suite.start_live(stack, run)
        for layer in PURE_LAYERS:
            if suite.wants(layer):
                suite.run_unittest(layer, f'{layer}/tests', '.', environment, run)
        suite.finish()
        suite.check_contract(environment, run)
        say(f"The logs are in {run.logs}")
    if pattern and not suite.results.outcomes:
        suite.results.notes.append(f"No test fits {pattern!r}.")
    if fast:
        suite.results.notes.append("--fast: browser tours and the live layer were left out.")
    suite.results.print()
    return suite.results.exit_code(skips_fail=os.environ.get('CI') == 'true')
