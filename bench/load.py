"""A virtual day of a chain: more and more customers pay, until the shop breaks.

Started by `./dev bench load`. Customers come as often as they come to the chain, only for minutes
instead of hours; see `bench.phases`. The people are those of `bench.locustfile`, which locust runs
in an environment of its own. The exit code tells whether the peak hour was held.
"""

import contextlib
import json
import signal
import sys
import time
from collections import Counter

import psutil

from tools.cache import ROOT
from tools.console import Failure, say
from tools.environment import load_environment
from tools.processes import Child
from tools.till import create_configs

from .access_log import read_jobs, read_requests
from .capacity import larger
from .figures import grid
from .machine import facts
from .phases import AVERAGE, PEAK, TILL_SHARE, plan
from .shop import Shop
from .soak import prepare
from .usage import cpu_seconds, difference

SHOPS = 5
BROWSERS = 100  # customers in the web shop at the same time, at most
API_SECONDS = 0.1  # until Vipps MobilePay answers
CALLS = ('create', 'get', 'capture', 'events')
WARM_UP = 4  # purchases, in two workers
OPEN_RATE = 3  # tills that are opened in a second
OPENING = 6  # seconds for each till, at most
WEBHOOK = 'POST /payment/vipps/webhook'
OLDEST = """
    SELECT COALESCE(max(extract(epoch FROM now() AT TIME ZONE 'UTC' - pending_since)), 0)::float
      FROM vipps_webhook_event WHERE state = 'pending'
"""
CONNECTIONS = "SELECT count(*) - 1 FROM pg_stat_activity WHERE datname = current_database()"
WORKERS = "time of HTTP workers"
WAITS = ("Phase", "x average", "Wait", "Number", "p50", "p95", "p99", "Errors")


class Day:
    """The chain on its day."""

    def __init__(self, shop, tills, phases):
        """Set up the tills; none is open.

        :param int tills: How many.
        :param list[bench.phases.Phase] phases: What the day is made of.
        """
        self._shop = shop
        self._phases = phases
        self._records = shop.stack.logs / 'load-records.jsonl'
        self._position = 0  # in the records
        logins = self._create_cashiers()
        self._plan = {
            'url': shop.stack.url,
            'simulator_url': shop.stack.simulator_url,
            'database': shop.stack.odoo.database,
            'product': shop.product,
            'tills': [
                (config, logins[number % SHOPS])
                for number, config in enumerate(create_configs(shop.rpc, tills))
            ],
            'till_share': TILL_SHARE,
            'browsers': BROWSERS,
            'phases': [(phase.rate, phase.seconds) for phase in phases],
            'records': str(self._records),
        }

    def _create_cashiers(self):
        """Create the cashiers, one for each shop of the chain; returns their names."""
        nora, = self._shop.rpc('res.users', 'search_read', [('login', '=', 'nora')], ['groups_id'])
        logins = [f'shop-{number + 1}' for number in range(SHOPS)]
        self._shop.rpc('res.users', 'create', [
            {'name': login, 'login': login, 'password': login,
             'groups_id': [(6, 0, nora['groups_id'])]} for login in logins
        ])
        return logins

    def live(self, environment):
        """Live through the phases; yields each, except the first one, until one is not held.

        :param tools.environment.Environment environment: That of locust.
        """
        for call in CALLS:
            self._shop.control(
                'POST', 'faults', operation=call, kind='latency', seconds=API_SECONDS, times=None,
            )
        for _customer in range(WARM_UP):
            self._shop.new_customer().press_pay()
        say(f"Opening {len(self._plan['tills'])} tills ...")
        with self._generator(environment) as generator:
            end = self._wait_for_tills(generator)
            for number, phase in enumerate(self._phases):
                say(f"{phase.name}, {phase.factor:g} times the average: {phase.rate:.2f} payments/s"
                    f" for {phase.seconds:.0f} s ...")
                end += phase.seconds
                self._measure(phase, end, generator)
                if number:
                    yield phase
                    if phase.shortcomings():
                        return

    @contextlib.contextmanager
    def _generator(self, environment):
        """Run locust; yields its process."""
        child = Child(
            [environment.python, '-m', 'locust', '-f', ROOT / 'bench' / 'locustfile.py',
             '--headless', '--only-summary',
             '--users', str(len(self._plan['tills']) + BROWSERS),
             '--spawn-rate', str(OPEN_RATE)],
            self._shop.stack.logs / 'load-locust.log', cwd=ROOT,
            env={**environment.variables(), 'VIPPS_BENCH_LOAD': json.dumps(self._plan)},
        )
        try:
            yield child
        finally:
            child.stop()

    def _wait_for_tills(self, generator):
        """Wait until all tills are open and customers come; returns since when."""
        patience = 60 + OPENING * len(self._plan['tills'])
        self._shop.wait("all tills are open", lambda: (
            self._check(generator) or self._records.exists() and self._records.stat().st_size
        ), patience, pause=0.2)
        return self._read()[0]['at']

    def _check(self, generator):
        """Check that locust runs.

        :raise Failure: When it does not.
        """
        if not generator.alive():
            raise Failure(f"Locust has ended; its log is {self._shop.stack.logs}/load-locust.log.")

    def _read(self):
        """Return what was written down since it was read last."""
        with self._records.open() as file:
            file.seek(self._position)
            lines = file.readlines()
            if lines and not lines[-1].endswith('\n'):
                lines.pop()
            self._position += sum(map(len, lines))
        return list(map(json.loads, lines))

    def _measure(self, phase, end, generator):
        """Measure a phase until its end."""
        shop, stack = self._shop, self._shop.stack
        size, started = shop.log_size(), time.time()
        before = cpu_seconds(shop, generator.pid)
        psutil.cpu_percent()
        while time.time() < end:
            time.sleep(min(1, max(0, end - time.time())))
            self._check(generator)
            phase.connections = max(phase.connections, shop.value(CONNECTIONS))
        seconds = time.time() - started
        machine = psutil.cpu_percent() / 100
        phase.cpu, busiest = difference(before, cpu_seconds(shop, generator.pid))
        phase.delay = shop.value(OLDEST)
        for record in self._read():
            phase.add(record)
        requests = read_requests(stack.log_path, size)
        phase.webhooks = [taken for line, taken in requests if line.startswith(WEBHOOK)]
        phase.occupied = sum(taken for _line, taken in requests)
        jobs = read_jobs(stack.log_path, started, started + seconds)
        phase.jobs = jobs.total()
        phase.busy = {
            "all cores": machine,
            WORKERS: phase.occupied / seconds / len(stack.workers('WorkerHTTP')),
            **{f"a core for {kind}": taken / seconds for kind, taken in busiest.items()},
            **{f"job {name}": taken / seconds for name, taken in jobs.items()},
        }


def main(tills, minutes):
    """Live through a day and print what it was like; returns the exit code.

    :param int tills: How many take payments.
    :param float minutes: How long the day is.
    """
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    say(f"This takes about {minutes + 2 + tills / OPEN_RATE / 60:.0f} minutes, if it does not break"
        f" before, and {tills / OPEN_RATE / 60:.0f} more on a slow machine.")
    environment = load_environment()
    measured, machine, is_over = [], '', False
    try:
        with prepare('load') as stack:
            shop = Shop(stack)
            try:
                for phase in Day(shop, tills, plan(minutes)).live(environment):
                    measured.append(phase)
                is_over = True
            finally:
                machine = facts(shop)
    except Failure as failure:
        say(str(failure))
    except KeyboardInterrupt:
        return 130
    finally:
        if measured:
            print_report(measured)
        print("" if is_over else "\n**It ended early, so that not all was measured.**\n")
        print(f"{machine} {tills} tills, {minutes:g} minutes.")
    is_held = any(phase.factor == PEAK and not phase.shortcomings() for phase in measured)
    return 0 if is_held and is_over else 1


def print_report(measured):
    """Print the waits, the use of the machine, where it broke, and what larger chains need."""
    print(grid(WAITS, [cells for phase in measured for cells in phase.wait_cells()]))
    kinds = list(measured[-1].cpu)
    print('\n' + grid(
        ("Phase", "x average", "Came, /s", "Paid, /s", *kinds, "HTTP workers at work",
         "Oldest event", "Held"),
        [(
            phase.name, f'{phase.factor:g}', f'{phase.came / phase.seconds:.2f}',
            f'{phase.paid / phase.seconds:.2f}',
            *(f'{phase.cpu[kind] / phase.seconds:.2f}' for kind in kinds),
            f"{phase.busy[WORKERS]:.0%}", f'{phase.delay:.0f} s',
            "**no**" if phase.shortcomings() else "yes",
        ) for phase in measured],
    ))
    last = measured[-1]
    held = [phase for phase in measured if not phase.shortcomings()]
    reasons = "; ".join(last.shortcomings())
    print(f"\nThe processes are in cores. At {last.factor:g} times the average, {last.rate:.1f}"
          f" payments/s (the peak hour has {AVERAGE * PEAK:.1f}), the shop"
          f" {f'breaks: {reasons}' if reasons else 'does not break'}. At its limit, or the busiest:"
          f" {last.limits()}.")
    if held:
        print(f"\n{larger(held)}")
    errors = Counter(
        f"{name}: {text}" for phase in measured for name, texts in phase.errors.items()
        for text in texts
    )
    for text, count in errors.most_common(8):
        print(f"\n{count} x {text}")
