"""Where and with what figures were measured."""

import ast
import os
import platform
from datetime import date

from tools.cache import ROOT
from tools.customer import Customer


def facts(shop):
    """Return the day, the machine and the versions behind the figures, as a sentence."""
    customer = Customer(shop.stack.url, shop.stack.simulator_url)
    release = customer.call('/web/webclient/version_info')['server_version']
    version = ast.literal_eval((ROOT / '__manifest__.py').read_text())['version']
    database = shop.value('SHOW server_version')
    load = ', '.join(f'{load:.1f}' for load in os.getloadavg())
    return (
        f"Measured on {date.today().isoformat()} with version {version} on {os.cpu_count()} cores,"
        f" {platform.machine()}, Python {platform.python_version()}, PostgreSQL {database},"
        f" Odoo {release}; load at the end: {load}."
    )
