"""What larger chains need, computed from what the payments of one have cost."""

import math

import const

from .figures import grid
from .phases import AVERAGE, BUS, CRON, DATABASE, HTTP, PEAK, TILL_SHARE

SIZES = (1, 10, 100)  # times the payments of the chain
USE = 0.7  # of its time that a process is at work, so that nobody waits for long
PROCESSES = 5  # two HTTP workers, two cron workers and the bus
EVENTS = 3  # of a payment
HOUR = 3600


def larger(held):
    """Return the needs of larger chains in their peak hours, as a table.

    :param list[bench.phases.Phase] held: Those that were held, the busiest one last.
    """
    cpu = {kind: seconds / held[-1].paid for kind, seconds in held[-1].cpu.items()}
    # Waiting for a core, as in a busy phase, is no part of the work.
    occupied = min(phase.occupied / phase.paid for phase in held)
    jobs = min(phase.jobs / phase.paid for phase in held)
    lines = [("Payments a second in the peak hour", '', *(f'{rate:.1f}' for rate in _rates()))]

    def add(what, cost, count=math.ceil):
        needs = (count(rate * cost / USE) for rate in _rates())
        lines.append((what, f'{cost:.3f} s', *map(str, needs)))

    def add_cores(what, kind):
        add(what, cpu[kind], lambda cores: f'{cores:.1f}')

    add("HTTP workers (time at work)", occupied)
    add_cores("Cores for them (CPU)", HTTP)
    add("Cron workers (time of jobs)", jobs)
    add_cores("Cores for them (CPU)", CRON)
    add("Processes of the bus (CPU)", cpu[BUS])
    add_cores("Cores for PostgreSQL (CPU)", DATABASE)
    each = held[-1].connections / PROCESSES
    lines.append((
        "Connections to PostgreSQL", f'{each:.1f} a process',
        *(str(math.ceil(each * sum(
            math.ceil(rate * cost / USE) for cost in (occupied, jobs, cpu[BUS])
        ))) for rate in _rates()),
    ))
    starts = const.MAX_STARTS_PER_PROVIDER / const.REQUEST_PERIOD.total_seconds()
    lines.append((
        "Sales units, as each takes so many events and checkouts",
        f'{const.MAX_EVENTS_PER_HOUR} an hour, {starts:g} /s',
        *(str(math.ceil(max(
            rate * EVENTS * HOUR / const.MAX_EVENTS_PER_HOUR, rate * (1 - TILL_SHARE) / starts,
        ))) for rate in _rates()),
    ))
    head = ("In the peak hour", "A payment", *(f"{size} x" for size in SIZES))
    return grid(head, lines)


def _rates():
    return [AVERAGE * PEAK * size for size in SIZES]
