"""Write and filter the events of test processes for `./dev`: one JSON line for each change of a
test."""

import fnmatch
import json
import os
import time

STARTED, PASSED, FAILED, SKIPPED = 'started', 'passed', 'failed', 'skipped'


def write_event(outcome, test, detail=''):
    """Append an event to the file named by `VIPPS_TEST_EVENTS`; survives a crash right after it."""
    line = json.dumps({'outcome': outcome, 'test': test, 'detail': detail, 'time': time.time()})
    with open(os.environ['VIPPS_TEST_EVENTS'], 'a') as file:
        file.write(line + '\n')


def is_wanted(test):
    """Return whether the test's id fits `VIPPS_TEST_PATTERN`."""
    return fits(os.environ.get('VIPPS_TEST_PATTERN', ''), test)


def fits(pattern, test):
    """Return whether a test's id contains one of the patterns, or matches it when it has a `*`.

    :param str pattern: The patterns, with spaces between them; empty for all tests.
    """
    return not pattern or any(
        fnmatch.fnmatchcase(test, part) if '*' in part else part in test
        for part in pattern.split()
    )
