"""Run the unittest tests below a folder and write their outcomes as events.

Started as `python -m tools.runner_unittest START_FOLDER TOP_FOLDER` from the root of the tree.
"""

import signal
import sys
import unittest

from . import events


class Reporting(unittest.TestResult):
    """A result that writes the outcome of each test at once."""

    def startTest(self, test):
        super().startTest(test)
        events.write_event(events.STARTED, test.id())

    def addSuccess(self, test):
        super().addSuccess(test)
        events.write_event(events.PASSED, test.id())

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        events.write_event(events.SKIPPED, test.id(), reason)

    def addFailure(self, test, error):
        super().addFailure(test, error)
        events.write_event(events.FAILED, test.id(), self.failures[-1][1])

    def addError(self, test, error):
        super().addError(test, error)
        events.write_event(events.FAILED, test.id(), self.errors[-1][1])

    def addSubTest(self, test, subtest, error):
        super().addSubTest(test, subtest, error)
        if error:
            broken = self.failures if issubclass(error[0], test.failureException) else self.errors
            events.write_event(events.FAILED, subtest.id(), broken[-1][1])

    def addExpectedFailure(self, test, error):
        super().addExpectedFailure(test, error)
        events.write_event(events.PASSED, test.id())

    def addUnexpectedSuccess(self, test):
        super().addUnexpectedSuccess(test)
        events.write_event(events.FAILED, test.id(), "It passed, and was expected not to.")


def wanted(suite):
    """Yield the tests of a suite that fit the pattern; a module that cannot be imported always."""
    for item in suite:
        if isinstance(item, unittest.TestSuite):
            yield from wanted(item)
        elif type(item).__name__ == '_FailedTest' or events.is_wanted(item.id()):
            yield item


def main(start, top):
    """Run the tests; the exit code says whether the run as such worked."""
    # Not as an exit, which unittest takes for the error of one test.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    events.write_end()
    suite = unittest.TestLoader().discover(start, top_level_dir=top)
    unittest.TestSuite(wanted(suite)).run(Reporting())


if __name__ == '__main__':
    main(*sys.argv[1:])
