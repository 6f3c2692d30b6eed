"""`./dev demo`: a shop to try, kept from one start to the next, or purchases unattended."""

import signal
import socket
import subprocess
import time

from .console import Failure, say
from .odoo import free_port
from .partial_purchase import PartialPurchase, show_entries
from .purchase import RETURN, TITLES, WEBHOOKS, Purchase, as_json, heading, row, summary
from .stack import Stack
from .workspace import SHOP, open_workspace

ODOO_PORT = 8069
SIMULATOR_PORT = 8330
CASHIER = 'nora'


def run_demo():
    """Run the demo until it is asked to stop."""
    with open_workspace(SHOP, kept='demo') as workspace:
        ports = {'odoo': port_near(ODOO_PORT), 'simulator': port_near(SIMULATOR_PORT)}
        stack = Stack(workspace, 'demo', ports)
        with stack:
            print(addresses(stack), flush=True)
            while stack.alive():
                time.sleep(1)
            say(f"A process ended by itself; the logs are in {workspace.run.logs}")
    return 1


def run_once(for_programs):
    """Buy in a shop of its own, unattended: without the return, without webhooks, and with a part
    captured, a part of that refunded, and the rest released.

    :param bool for_programs: Whether to print JSON at the end, instead of lines as it goes.
    :return: The exit code.
    """
    show = (lambda line: None) if for_programs else (lambda line: print(line, flush=True))
    purchases, failure = [], None
    with open_workspace(SHOP) as workspace, Stack(workspace, 'once') as stack:
        # In a new database all jobs are due at once, which is no measure of a shop that runs, and
        # the one that reads payments would find them without being told.
        stack.execute("UPDATE ir_cron SET nextcall = nextcall + interval '1 day'")
        try:
            for purchase in (
                Purchase(stack, RETURN), Purchase(stack, WEBHOOKS), PartialPurchase(stack)
            ):
                show(f'\n{TITLES[purchase.without]}\n{heading()}')
                purchases.append(purchase)
                for entry in purchase.run():
                    show(row(entry))
            show(f'\nIn the books\n{show_entries(purchases[-1].entries)}')
        except Failure as error:
            failure = error
        if for_programs:
            print(as_json(purchases, failure))
        show(f"\n{failure or summary(purchases)}")
    return 1 if failure else 0


def run_shell():
    """Open Odoo's shell on the database of the demo, made when there is none."""
    with open_workspace(SHOP, kept='demo') as workspace:
        odoo = Stack(workspace, 'demo').install()
        # Ctrl-C is for the shell.
        previous = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            command = odoo.command('--no-http', subcommand=['shell'])
            return subprocess.run(command, env=odoo.variables()).returncode
        finally:
            signal.signal(signal.SIGINT, previous)


def addresses(stack):
    """Return the addresses and logins that a person needs to try the demo; opens the till."""
    till, = stack.rpc('pos.config', 'search', [], limit=1)
    stack.rpc('pos.config', 'open_ui', [till])
    return f"""
  Shop          {stack.url}/shop
  Back office   {stack.url}/web    (user {stack.rpc.login}, password {stack.rpc.password})
  Till          {stack.url}/pos/ui?config_id={till}    (user {CASHIER}, password {CASHIER})
  Phone         {stack.simulator_url}/phone    (here the customer approves)

The back office and the till are two users: open one of them in a private window. At the till, pay
something with Vipps: show the QR code, enter the phone number +47 900 00 001, or choose Customer's
code and paste the text that the phone shows under "My code", as if it had been scanned.

Ctrl-C stops all of it."""


def port_near(port):
    """Return the port when it is free, else another one."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(('127.0.0.1', port))
        except OSError:
            return free_port()
    return port
