"""Measure a shop: started by `./dev bench` in the environment of Odoo."""

import json
import os
import signal
import sys

from tools.console import Failure, say
from tools.stack import Stack
from tools.workspace import Workspace

from . import (
    checkout,
    confirmation,
    draining,
    installation,
    intake,
    journeys,
    load,
    memory,
    profiling,
    settlement,
    size,
    soak,
)
from . import till as tills
from .figures import Row, table
from .machine import facts
from .shop import ADDONS, Shop

PARTS = {
    "Webhook intake": intake.measure,
    "Checkouts": checkout.measure_start,
    "Approval to done": checkout.measure_done,
    "The till": tills.measure,
    "Journeys": journeys.measure,
    "Many payments": size.measure,
    "Draining": draining.measure,
    "Confirmations": confirmation.measure,
    "Settlements": settlement.measure,
    "Memory": memory.measure,
    "Lists": settlement.measure_lists,
    "Others": installation.measure_others,
    "Update": installation.measure_update,
}


def prepare():
    """Return a stack with the provider that ours is compared with."""
    stack = Stack(Workspace.from_json(os.environ['VIPPS_DEV_WORKSPACE']), 'bench')
    configuration = stack.odoo.configuration
    configuration.write_text(
        configuration.read_text().replace('addons_path = ', f'addons_path = {ADDONS},')
    )
    stack.odoo.install(
        "Installing what is compared with", ['payment_demo', 'payment_stripe', 'vipps_bench'],
        stack.logs / 'bench-install.log',
    )
    return stack


def measure(shop, rows, left):
    """Measure the parts that are left, adding to the rows.

    :param list left: The names of the parts; each is removed when it is measured.
    """
    while left:
        say(f"{left[0]} ...")
        found = PARTS[left[0]](shop)
        rows.extend(found)
        for row in found:
            say(f"  {row.what}: {row.measured}")
        left.pop(0)


def main(is_quick, parts):
    """Measure, and print the table, with what is missing in it; returns the exit code.

    :param bool is_quick: Whether to leave out the memory, and to have fewer payments.
    :param list parts: What the names of the wanted parts begin with; empty for all.
    """
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    rows, machine, code = [], '', 1
    left = [part for part in PARTS if (
        any(part.lower().startswith(wanted.lower()) for wanted in parts) if parts
        else not (is_quick and part == "Memory")
    )]
    try:
        with prepare() as stack:
            shop = Shop(stack, is_quick)
            try:
                measure(shop, rows, left)
                code = 0
            finally:
                machine = facts(shop)
    except Failure as failure:
        say(str(failure))
    except KeyboardInterrupt:
        code = 130
    finally:
        if left:
            rows.append(Row(", ".join(left), "**not measured: it ended early**"))
        print(f'{table(rows)}\n\n{machine}')
    return code


def profile(what):
    """Profile one of `profiling.WAYS`; returns the exit code."""
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    stack = prepare()
    profiler = profiling.Profiler(stack.logs / 'profiles')
    try:
        with stack:
            profiling.measure(Shop(stack), profiler, what)
    except Failure as failure:
        say(str(failure))
        return 1
    return 0


if __name__ == '__main__':
    options = json.loads(sys.argv[1])
    runs = {'minutes': soak.main, 'tills': load.main, 'what': profile, 'is_quick': main}
    run = runs[next(iter(options))]
    sys.exit(run(**options))
