"""`./dev demo`: a shop to try, kept from one start to the next, or purchases unattended."""

import signal
import socket
import subprocess
import time

from .console import Failure, say
from .express_purchase import ExpressPurchase
from .invoice_purchase import PAPER, InvoicePurchase, find_printed_page, post_invoice
from .odoo import free_port
from .partial_purchase import PartialPurchase
from .payout import TITLE, Payout
from .purchase import RETURN, WEBHOOKS, Purchase, as_json, summary
from .stack import Stack
from .steps import heading, row, show_entries
from .sticker_purchase import StickerPurchase, make_sticker
from .week import Week
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
            Week(stack).prepare()
            print(addresses(stack), flush=True)
            while stack.alive():
                time.sleep(1)
            say(f"A process ended by itself; the logs are in {workspace.run.logs}")
    return 1


def run_once(for_programs):
    """Buy in a shop of its own, unattended: without the return, without webhooks, with Express, by
    an invoice, by a sticker at the till, and with a part captured, a part of that refunded, and the
    rest released. Then have all of it paid out.

    :param bool for_programs: Whether to print JSON at the end, instead of lines as it goes.
    :return: The exit code.
    """
    show = (lambda line: None) if for_programs else (lambda line: print(line, flush=True))
    purchases, payout, failure = [], None, None
    with open_workspace(SHOP) as workspace, Stack(workspace, 'once') as stack:
        # In a new database all jobs are due at once, which is no measure of a shop that runs, and
        # the one that reads payments would find them without being told.
        stack.execute("UPDATE ir_cron SET nextcall = nextcall + interval '1 day'")
        try:
            for purchase in (
                Purchase(stack, RETURN), Purchase(stack, WEBHOOKS), ExpressPurchase(stack),
                InvoicePurchase(stack), StickerPurchase(stack, CASHIER), PartialPurchase(stack),
            ):
                show(f'\n{purchase.title}\n{heading()}')
                purchases.append(purchase)
                for entry in purchase.run():
                    show(row(entry))
            show(f'\nIn the books\n{show_entries(purchases[-1].entries)}')
            show(f'\n{TITLE}\n{heading()}')
            payout = Payout(stack)
            for entry in payout.run():
                show(row(entry))
            show(f'\nIn the books\n{show_entries(payout.entries)}')
        except Failure as error:
            failure = error
        if for_programs:
            print(as_json(purchases, payout, failure))
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
    """Return the addresses and logins that a person needs to try the demo; opens the till, which
    has a sticker, and posts an invoice if none is left to pay."""
    till = make_sticker(stack)  # The simulator forgets it with each start.
    stack.rpc('pos.config', 'open_ui', [till])
    invoice, = stack.rpc('account.move', 'search', [
        ('move_type', '=', 'out_invoice'), ('state', '=', 'posted'),
        ('payment_state', '=', 'not_paid'),
    ], limit=1, order='id') or [post_invoice(stack)]
    return f"""
  Shop          {stack.url}/shop
  Back office   {stack.url}/web    (user {stack.rpc.login}, password {stack.rpc.password})
  Till          {stack.url}/pos/ui?config_id={till}    (user {CASHIER}, password {CASHIER})
  Phone         {stack.simulator_url}/phone    (here the customer approves)

Invoicing, Vipps MobilePay, Payouts has the payouts of a week; one of them is to be matched with its
bank line.

Express: press Buy now with Vipps, on a product in the shop or in the cart. It asks for no address:
choose it on the phone, and the delivery. To Oslo there is a courier, too.

An invoice: its code leads to
  {find_printed_page(stack, invoice)}
which takes what is left to pay. The paper with the code, for the user of the back office:
  {stack.url}{PAPER}/{invoice}

A sticker: press Sticker on the phone, as if you had scanned it at the till. The till says that a
customer waits: press Payment, Vipps, Sticker there, and approve on the phone.

The back office and the till are two users: open one of them in a private window. At the till you
can also show the QR code, enter the phone number +47 900 00 001, or choose Customer's code and
paste the text that the phone shows under "My code", as if it had been scanned.

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
