"""Measure a shop: started by `./dev bench` in the environment of Odoo."""

import json
import os
import platform
import signal
import sys

from tools.console import Failure, say
from tools.customer import Customer
from tools.stack import Stack
from tools.workspace import Workspace

from . import checkout, draining, intake, journeys, memory, settlement, size, soak, till
from .figures import Row, table
from .payments import Copies
from .shop import ADDONS, Shop

PARTS = (
    "Webhook intake", "Checkouts", "Approval to done", "The till", "Journeys", "Many payments",
    "Draining", "Settlements", "Memory", "Lists",
)
MANY, QUICK_MANY = 100_000, 10_000  # payments that a shop has when those of a day are measured


def prepare():
    """Return a stack with the provider that ours is compared with."""
    stack = Stack(Workspace.from_json(os.environ['VIPPS_DEV_WORKSPACE']), 'bench')
    configuration = stack.odoo.configuration
    configuration.write_text(
        configuration.read_text().replace('addons_path = ', f'addons_path = {ADDONS},')
    )
    stack.odoo.install(
        "Installing what is compared with", ['payment_demo', 'vipps_bench'],
        stack.logs / 'bench-install.log',
    )
    return stack


def measure(shop, rows, left, is_quick):
    """Measure everything, adding to the rows.

    :param list left: The names of the parts; each is removed when it is measured.
    :param bool is_quick: Whether to leave out the memory, and to have fewer payments.
    """
    def note(found):
        rows.extend(found)
        for row in found:
            say(f"  {row.what}: {row.measured}")
        left.pop(0)
        if left:
            say(f"{left[0]} ...")

    say(f"{left[0]} ...")
    note(intake.measure(shop))
    started, references = checkout.measure_start(shop)
    note(started)
    note(checkout.measure_done(shop, references))
    note(till.measure(shop))
    copies = Copies(shop)
    note(journeys.measure(shop, copies))
    note(size.measure(shop, copies, QUICK_MANY if is_quick else MANY))
    note(draining.measure(shop, copies))
    note(settlement.measure(shop, is_quick))
    if not is_quick:
        note(memory.measure(shop, copies, references))
    note(settlement.measure_lists(shop, is_quick))


def facts(shop):
    """Return the machine and the versions behind the figures."""
    customer = Customer(shop.stack.url, shop.stack.simulator_url)
    release = customer.call('/web/webclient/version_info')['server_version']
    database = shop.value('SHOW server_version')
    load = ', '.join(f'{load:.1f}' for load in os.getloadavg())
    return (
        f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()},"
        f" PostgreSQL {database}, Odoo {release}; load at the end: {load}"
    )


def main(is_quick):
    """Measure, and print the table, with what is missing in it; returns the exit code."""
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    rows, machine, code = [], '', 1
    left = [part for part in PARTS if not (is_quick and part == "Memory")]
    try:
        with prepare() as stack:
            shop = Shop(stack)
            try:
                measure(shop, rows, left, is_quick)
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


if __name__ == '__main__':
    options = json.loads(sys.argv[1])
    sys.exit(soak.main(**options) if 'minutes' in options else main(**options))
