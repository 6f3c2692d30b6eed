"""Measure settlements: how fast entries are booked, in how much memory, and how fast lists are."""

import json
from pathlib import Path

from .figures import Row

SCRIPTS = Path(__file__).with_name('scripts')
MANY, QUICK_MANY = {'payments': 100, 'memory': 20_000}, {'payments': 50, 'memory': 5_000}
ROWS, QUICK_ROWS = 1_000_000, 100_000
LISTS = {
    'Lists': "Lists of entries, payouts and ledgers", 'Filters': "Filters of entries",
    'Search': "Search of entries", 'Groups': "Groups of all entries",
    'Fees': "Fees: pivot and graph of all payments", 'Unsettled': "Captured, not settled",
    'Card': "Card on the dashboard", 'Health': "Settlements on the page Health",
}


def measure(shop):
    """Book payments as entries and as core does."""
    many = QUICK_MANY if shop.is_quick else MANY
    with shop.jobs_paused():
        figures = _run(shop, "Booking settlements", 'settlement', **many)
    count, (first, last) = many['payments'], figures['memory']
    core, entry, day = (count / figures[way] for way in ('core', 'entry', 'day'))
    return [
        Row("Settlement entries stored", f"{count / figures['store']:.0f} /s"),
        Row(
            "Settlement entries booked one by one", f'{entry:.1f} /s', f'by core: {core:.1f} /s',
            entry / core, "at least 0.8", entry >= 0.8 * core,
        ),
        Row(
            "Settlement entries booked by day", f'{day:.0f} /s', target="at least 50 /s",
            met=day >= 50,
        ),
        Row(
            f"Memory after {many['memory']} settlement entries", f'{last:.0f} MiB',
            f'when warm: {first:.0f} MiB', last / first, "at most 1.1", last <= 1.1 * first,
        ),
    ]


def measure_lists(shop):
    """Open the lists of many entries."""
    rows = QUICK_ROWS if shop.is_quick else ROWS
    with shop.jobs_paused():
        figures = _run(shop, "Listing settlements", 'settlement_lists', rows=rows)
    return [
        Row(
            f"{name}, among {rows} settlement entries", _describe(figures[key]),
            target="below 1 s", met=max(figures[key]) < 1,
        ) for key, name in LISTS.items()
    ]


def _describe(seconds):
    """Return one time, or the number of several and the longest of them, in words."""
    longest = f'{max(seconds) * 1000:.0f} ms'
    return longest if len(seconds) == 1 else f'{longest} (the slowest of {len(seconds)})'


def _run(shop, title, name, **parameters):
    """Run a script in Odoo; returns the figures that it stores."""
    stack = shop.stack
    stack.odoo.script(
        title, SCRIPTS / f'{name}.py', stack.logs / f'bench-{name}.log', **parameters,
    )
    return json.loads(shop.value(
        "SELECT value FROM ir_config_parameter WHERE key = %s", f'vipps_bench.{name}',
    ))
