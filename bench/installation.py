"""Measure what the addon costs before it takes a payment: installing, updating, and others."""

import json
import statistics
import time
from pathlib import Path

from tools.cache import ADDON
from tools.workspace import SHOP

from .figures import Row, in_ms, ratio_of_medians
from .payments import SETTLED

SCRIPT = Path(__file__).with_name('scripts') / 'others.py'
ROUNDS = 40
WAYS = {'sell_by_order': "Order, invoice and payment of others", 'sell_at_the_till': "Cash sale"}


def measure_others(shop):
    """Install the addon beside the apps, and compare sales that are not paid with it with those
    of a shop that does not have it."""
    workspace = shop.stack.workspace
    without, with_addon = (workspace.odoo(f'others-{name}', SHOP) for name in ('without', 'with'))
    log = shop.stack.logs / 'bench-others.log'
    with shop.jobs_paused():
        seconds = _time(with_addon.install, "Installing the addon", [ADDON], log)
        without.script(
            "Selling with and without the addon", SCRIPT, log, other=with_addon.database,
            rounds=ROUNDS,
        )
    (value,), = workspace.server.execute(
        "SELECT value FROM ir_config_parameter WHERE key = 'vipps_bench.others'",
        database=without.database,
    )
    return [
        Row("Installing the addon", f'{seconds:.1f} s', target="at most 10 s", met=seconds <= 10),
        *(_compare(WAYS[way], **found) for way, found in json.loads(value).items()),
    ]


def measure_update(shop):
    """Update the addon as an administrator does, with many payments and nobody else in the shop."""
    count = shop.value('SELECT count(*) FROM payment_transaction')
    shop.copies.add(shop.many - count, SETTLED)
    stack = shop.stack
    stack.stop_odoo()
    seconds = _time(
        stack.odoo.install, "Updating the addon", [ADDON], stack.logs / 'bench-update.log', '-u'
    )
    stack.start_odoo()
    return [Row(
        f"Updating the addon, with {shop.many} payments", f'{seconds:.1f} s', target="at most 30 s",
        met=seconds <= 30,
    )]


def _time(do, *arguments):
    started = time.monotonic()
    do(*arguments)
    return time.monotonic() - started


def _compare(name, **found):
    """Return the row that compares pairs of processor time and queries."""
    (ours, own_queries), (theirs, queries) = (
        zip(*found[key], strict=True) for key in ('with', 'without')
    )
    ratio = ratio_of_medians(ours, theirs)
    own_count, count = statistics.median(own_queries), statistics.median(queries)
    return Row(
        f"{name}, with the addon", f'{in_ms(ours)}, {own_count:g} SQL queries',
        f'without: {in_ms(theirs)}, {count:g} SQL queries', ratio, "at most 1.01 and as many",
        ratio <= 1.01 and own_count <= count,
    )
