"""Count and print the results of tests, the same for every layer."""

import json
import os
import time
from dataclasses import dataclass

from . import events

SLOWEST = 20
UNFINISHED = "The test started and never ended: its process died."


@dataclass
class Layer:
    """Where the time of a test process went; moments as `time.time`, durations in seconds."""

    title: str
    number: int  # of its tests
    started: float
    first: float  # when its first test began, after the class of that was set up
    ended: float
    inside: float  # in tests, and not between them, where classes are set up
    processor: float  # that it and its children took; 0 if it did not say so

    def row(self, origin):
        """Return it as a line of a table.

        :param float origin: The moment that times are counted from.
        """
        between = self.ended - self.first - self.inside
        times = [
            self.started - origin, self.ended - origin, self.first - self.started, between,
            self.inside, self.processor,
        ]
        return f'{self.title:<12}{self.number:>6}' + ''.join(f'{value:>10.0f}' for value in times)


HEADING = f"{'Seconds':<12}{'tests':>6}" + ''.join(
    f'{name:>10}' for name in ('from', 'to', 'to first', 'between', 'in tests', 'processor')
)


class Results:
    """The outcome of every test of a run, by its id."""

    def __init__(self):
        """Start with nothing."""
        self.started = time.time()
        self.layers = []
        self.outcomes = {}
        self.seconds = {}
        self.notes = []

    def record(self, outcome, test, detail=''):
        """Note the outcome of a test; of several outcomes, the worst counts."""
        rank = [events.STARTED, events.PASSED, events.SKIPPED, events.FAILED]
        known, known_detail = self.outcomes.get(test, (events.STARTED, ''))
        if known == outcome == events.FAILED:
            detail = f'{known_detail}\n{detail}'
        if rank.index(outcome) >= rank.index(known):
            self.outcomes[test] = (outcome, detail)

    def read(self, path, label='', title='', started=None):
        """Take over the events a test process wrote.

        :param str label: What tells its tests from the same ones in another process.
        :param str title: The name of its layer.
        :param float started: When it was started; by default when this run was.
        :return: The ids of the tests they are about.
        """
        mine = {}
        lines = path.read_text().splitlines() if path.exists() else []
        written = [json.loads(line) for line in lines]
        of_tests = [event for event in written if event['outcome'] != events.ENDED]
        for event in of_tests:
            test = label + _without_subtest(event['test'])
            mine.setdefault(test, []).append(event)
        for test, happened in mine.items():
            for event in happened:
                self.record(event['outcome'], test, event['detail'])
            self.seconds[test] = happened[-1]['time'] - happened[0]['time']
            if self.outcomes[test][0] == events.STARTED:
                self.record(events.FAILED, test, UNFINISHED)
        if mine:
            self.layers.append(Layer(
                title, len(mine), started or self.started, of_tests[0]['time'],
                written[-1]['time'], sum(self.seconds[test] for test in mine),
                sum(float(event['detail']) for event in written
                    if event['outcome'] == events.ENDED),
            ))
        return set(mine)

    def count(self, outcome):
        """Return how many tests ended that way."""
        return sum(1 for found, _detail in self.outcomes.values() if found == outcome)

    def any_failed(self, tests):
        """Return whether one of the tests failed."""
        return any(self.outcomes[test][0] == events.FAILED for test in tests)

    def closing_line(self):
        """Return the last line of a test run."""
        return (
            f'{self.count(events.PASSED)} passed, {self.count(events.FAILED)} failed, '
            f'{self.count(events.SKIPPED)} skipped'
        )

    def print(self):
        """Print where the time went, the slowest tests of many, failures with their tracebacks,
        skips with their reasons, and the closing line."""
        if self.layers:
            print(f'\n{HEADING}')
            for layer in self.layers:
                print(layer.row(self.started))
            print(
                f"All took {time.time() - self.started:.0f} s; with PostgreSQL "
                f"{sum(os.times()[2:4]):.0f} s of a processor."
            )
        if len(self.seconds) > SLOWEST:
            print(f"\nThe slowest {SLOWEST} of {len(self.seconds)} tests:")
            for test in sorted(self.seconds, key=self.seconds.get, reverse=True)[:SLOWEST]:
                print(f'{self.seconds[test]:7.1f} s  {test}')
        for test, (outcome, detail) in self.outcomes.items():
            if outcome == events.FAILED:
                print(f'\nFAILED {test}\n{detail.rstrip()}')
        print()
        for test, (outcome, detail) in self.outcomes.items():
            if outcome == events.SKIPPED:
                print(f'SKIPPED {test}: {detail}')
        for note in self.notes:
            print(note)
        print(self.closing_line(), flush=True)

    def exit_code(self, skips_fail):
        """Return 0 when all is well; tests must have run, and in CI none may be skipped."""
        if self.count(events.FAILED) or not self.count(events.PASSED):
            return 1
        return 1 if skips_fail and self.count(events.SKIPPED) else 0


def _without_subtest(test):
    """Return the id of the test a subtest belongs to; class fixtures keep their own name."""
    fixture = test.startswith(('setUp', 'tearDown'))
    return test if fixture else test.split(' ', 1)[0]
