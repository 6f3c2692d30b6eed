"""Profile what a shop does: the SQL queries with their places in our code, and the slow functions.

A request is profiled in the worker that answers it, by the addon `vipps_bench`.
"""

import contextlib
import json
import os
import pstats
import re

from tools.cache import ADDON, addons_path
from tools.customer import Customer

WARM_UP = 4  # in two workers
SLOWEST = 15  # functions in the table
# What any query comes through says nothing about it.
FRAMEWORK = re.compile(r'/odoo/(api|fields|models|sql_db|http|service/.*|tools/.*)\.py$')


class Profiler:
    """Profiles the requests of a shop into a folder."""

    def __init__(self, folder):
        """Have the workers that are started from now on write there."""
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        os.environ['VIPPS_BENCH_PROFILE'] = str(folder)

    @contextlib.contextmanager
    def on(self, line):
        """Profile meanwhile, and print what requests that begin with a line cost."""
        for path in self.folder.iterdir():
            path.unlink()
        switch = self.folder / 'on'
        switch.touch()
        try:
            yield
        finally:
            switch.unlink()
        for path in sorted(self.folder.glob('*.json')):
            found = json.loads(path.read_text())
            if found['line'].startswith(line):
                print(f"\n{found['line']}: {len(found['queries'])} SQL queries\n")
                _print_queries(found['queries'])
                _print_functions(path.with_suffix('.prof'))


def _print_queries(queries):
    """Print the queries in their order, each with the place in our code and that in Odoo's."""
    own = f'{addons_path()}/{ADDON}/'
    print("| No. | ms | In our code | In Odoo | Statement |\n|---|---|---|---|---|")
    for number, query in enumerate(queries, 1):
        ours = next((
            f'{file.removeprefix(own)}:{line} {name}' for file, line, name in query['places']
            if file.startswith(own)
        ), '')
        core = next((
            f'{"/".join(file.split("/")[-3:])}:{line} {name}'
            for file, line, name in query['places']
            if not file.startswith(own) and not FRAMEWORK.search(file)
        ), '')
        text = ' '.join(query['query'].split())
        text = text if len(text) < 110 else f'{text[:60]} … {text[-48:]}'
        print(f"| {number} | {query['seconds'] * 1000:.1f} | {ours} | {core} | `{text}` |")


def _print_functions(path):
    """Print the functions of our code that take the longest, and those of all that do alone."""
    own = f'{addons_path()}/{ADDON}/'
    stats = pstats.Stats(str(path)).stats
    print("\n| Function | Calls | ms | ms alone |\n|---|---|---|---|")
    ours = sorted(
        (key for key in stats if key[0].startswith(own)), key=lambda key: -stats[key][3]
    )[:SLOWEST]
    alone = sorted(stats, key=lambda key: -stats[key][2])[:SLOWEST]
    for (file, line, name) in dict.fromkeys([*ours, *alone]):
        _primitive, calls, seconds_alone, seconds, _callers = stats[file, line, name]
        place = '/'.join(file.removeprefix(own).split('/')[-3:])
        print(
            f"| {place}:{line} {name} | {calls} | {seconds * 1000:.1f}"
            f" | {seconds_alone * 1000:.1f} |"
        )


def profile_webhook(shop, profiler):
    """Send an event of a payment that its customer has approved."""
    references = [shop.new_customer().press_pay()['reference'] for _time in range(WARM_UP + 1)]
    for reference in references:
        with profiler.on('POST /payment/vipps') if reference == references[-1] else _nothing():
            shop.send_event(reference)


def profile_checkout(shop, profiler):
    """Press *Pay now* with us, and with the demo provider."""
    shop.publish_demo()
    for code in ('vipps', 'demo'):
        for number in range(WARM_UP + 1):
            customer = shop.new_customer()
            with profiler.on('POST /shop/payment') if number == WARM_UP else _nothing():
                customer.press_pay(code)


def profile_return(shop, profiler):
    """Come back from the app before anybody else looks."""
    for number in range(WARM_UP + 1):
        customer = shop.new_customer()
        reference = customer.press_pay()['reference']
        shop.approve(reference)
        shop.send_event(reference)
        return_url = shop.control('GET', f'payments/{reference}')['request']['returnUrl']
        with profiler.on('GET /payment') if number == WARM_UP else _nothing():
            Customer(shop.stack.url, shop.stack.simulator_url).open(return_url)
            if number == WARM_UP:
                print(', '.join(shop.calls_about(reference)))


def profile_drain(shop, profiler):
    """Drain the event of a payment without an order."""
    shop.run_job('cron_sync_payments')
    for number in range(WARM_UP + 1):
        reference, = shop.copies.add(1, with_orders=False, approved=True)
        shop.send_event(reference)
        with profiler.on('POST /jsonrpc') if number == WARM_UP else _nothing():
            shop.run_job('cron_sync_payments')


_nothing = contextlib.nullcontext
WAYS = {
    'webhook': profile_webhook, 'checkout': profile_checkout, 'return': profile_return,
    'drain': profile_drain,
}


def measure(shop, profiler, what):
    """Profile one of `WAYS` when everything is warm."""
    with shop.webhooks_lost(), shop.jobs_paused():
        WAYS[what](shop, profiler)
