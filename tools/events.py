"""Write and filter the events of test processes for `./dev`: one JSON line for each change of a
test."""

import atexit
import fnmatch
import json
import os
import time

STARTED, PASSED, FAILED, SKIPPED = 'started', 'passed', 'failed', 'skipped'
ENDED = 'ended'  # the test process itself; the detail is its processor time


def write_event(outcome, test, detail=''):
    """Append an event to the file named by `VIPPS_TEST_EVENTS`; survives a crash right after it."""
    line = json.dumps({'outcome': outcome, 'test': test, 'detail': detail, 'time': time.time()})
    with open(os.environ['VIPPS_TEST_EVENTS'], 'a') as file:
        file.write(line + '\n')


def write_end():
    """Write at the end of this process how many seconds of a processor it took, with those that it
    started and waited for."""
    atexit.register(lambda: write_event(ENDED, '', str(sum(os.times()[:4]))))


def is_wanted(test):
    """Return whether the test's id fits `VIPPS_TEST_PATTERN`, and is below `VIPPS_TEST_PREFIX`."""
    prefix = os.environ.get('VIPPS_TEST_PREFIX', '')
    return fits(os.environ.get('VIPPS_TEST_PATTERN', ''), test) and is_below(prefix, test)


def is_below(prefix, test):
    """Return whether a test's id begins with one of the prefixes.

    :param str prefix: The prefixes, with spaces between them; empty for all tests.
    """
    return not prefix or test.startswith(tuple(prefix.split()))


def claim(test_class):
    """Return whether this process is to run the tests of a class, which processes share by asking.

    The first to ask gets it; `VIPPS_TEST_CLAIMS` names the folder that they have in common.
    """
    folder = os.environ.get('VIPPS_TEST_CLAIMS')
    if not folder:
        return True
    try:
        path = os.path.join(folder, f'{test_class.__module__}.{test_class.__qualname__}')
        os.close(os.open(path, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True


def claimed(tests):
    """Yield the tests, in their order, whose class this process may run."""
    mine = {}
    for test in tests:
        if type(test) not in mine:
            mine[type(test)] = claim(type(test))
        if mine[type(test)]:
            yield test


def fits(pattern, test):
    """Return whether a test's id contains one of the patterns, or matches it when it has a `*`.

    :param str pattern: The patterns, with spaces between them; empty for all tests.
    """
    return not pattern or any(
        fnmatch.fnmatchcase(test, part) if '*' in part else part in test
        for part in pattern.split()
    )
