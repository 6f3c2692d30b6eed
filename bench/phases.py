"""The phases of the virtual day of `bench.load`, and what is measured in each."""

from collections import defaultdict
from dataclasses import dataclass, field

from .figures import p95, percentile

HTTP, CRON, BUS, DATABASE = "HTTP workers", "Cron workers", "Bus", "PostgreSQL"  # processes
AVERAGE = 50_000 / 24 / 3600  # payments a second
PEAK = 10  # times the average
TILL_SHARE = 0.8  # of the payments; the others are in the web shop
RISING, BEYOND = (2.5, 5, 7.5), (12.5, 15, 20, 25)  # times the average
WARM_UP, QUIET, PEAK_HOUR, STEP = 0.05, 0.2, 0.225, 0.075  # of the time

MAX_WAIT = 5  # seconds of the 95th percentile of each wait, if more than one is that long
MAX_ERRORS = 0.01  # of the customers
MAX_DELAY = 10  # seconds that an event waits
FULL = 0.85  # of its time that something is at work which is at its limit


@dataclass
class Phase:
    """Some time with one rate of customers."""

    name: str
    factor: float  # times the average
    seconds: float
    waits: dict = field(default_factory=lambda: defaultdict(list))  # seconds by name
    errors: dict = field(default_factory=lambda: defaultdict(list))  # texts by the name of a wait
    came: int = 0  # customers
    webhooks: list = field(default_factory=list)  # seconds until they were answered
    cpu: dict = field(default_factory=dict)  # seconds by kind of process
    busy: dict = field(default_factory=dict)  # share of the time, by part of the shop
    occupied: float = 0  # seconds that HTTP workers were at work
    jobs: float = 0  # seconds that jobs took
    connections: int = 0  # to the database, at most
    delay: float = 0  # seconds that the oldest event waits at the end

    @property
    def rate(self):
        """The customers a second that are to come."""
        return self.factor * AVERAGE

    @property
    def paid(self):
        """How many payments were known to be paid, at the tills and in the shop."""
        return sum(len(self.waits.get(name, ())) for name in ('till: paid', 'shop: paid'))

    def add(self, record):
        """Add what `bench.locustfile` has written down."""
        if 'seconds' not in record:
            self.came += 1
        elif record['error']:
            self.errors[record['name']].append(record['error'])
        else:
            self.waits[record['name']].append(record['seconds'])

    def shortcomings(self):
        """Return why the phase was not held; nothing if it was."""
        errors = sum(map(len, self.errors.values()))
        found = [
            f"{name}: p95 {p95(seconds):.1f} s" for name, seconds in sorted(self.waits.items())
            if sum(wait > MAX_WAIT for wait in seconds) > 1 and p95(seconds) > MAX_WAIT
        ]
        if errors > MAX_ERRORS * self.came:
            found.append(f"{errors} errors")
        if not self.paid:
            found.append("nobody has paid")
        if self.delay > MAX_DELAY:
            found.append(f"an event waits for {self.delay:.0f} s")
        return found

    def limits(self):
        """Return what was at its limit, or else was the busiest."""
        most = sorted(self.busy, key=self.busy.get, reverse=True)
        full = [part for part in most if self.busy[part] >= FULL] or most[:1]
        return ", ".join(f"{part} {self.busy[part]:.0%}" for part in full)

    def wait_cells(self):
        """Yield the lines of the table of waits."""
        for name in sorted({*self.waits, *self.errors}):
            yield self._cells(name, self.waits[name], len(self.errors[name]))
        yield self._cells("webhook: answered", self.webhooks)

    def _cells(self, name, seconds, errors=0):
        figures = [
            f'{percentile(seconds, percent):.2f} s' if seconds else '' for percent in (50, 95, 99)
        ]
        return (self.name, f'{self.factor:g}', name, str(len(seconds)), *figures, str(errors))


def plan(minutes):
    """Return the phases of a day of so many minutes; the first one is not measured."""
    seconds = minutes * 60
    return [
        Phase("Warming up", 1, WARM_UP * seconds),
        Phase("Quiet", 1, QUIET * seconds),
        *(Phase("Rising", factor, STEP * seconds) for factor in RISING),
        Phase("Peak hour", PEAK, PEAK_HOUR * seconds),
        *(Phase("Beyond", factor, STEP * seconds) for factor in BEYOND),
    ]
