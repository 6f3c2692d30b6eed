"""Simulated trading in shop and till for some minutes, while anything goes wrong.

Started by `./dev bench soak --minutes N`. In the end everything is repaired, and both sides, the
inbox, the books and the memory are looked at, see `bench.verdict`. The exit code is the verdict.
"""

import contextlib
import functools
import os
import random
import signal
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from tools.chaos import BAD_LUCK, Verdict, make_trouble
from tools.console import Failure, say
from tools.customer import ShopError
from tools.stack import Stack
from tools.till import Cashier, Till, create_configs
from tools.workspace import Workspace

from .figures import Row, table
from .memory import private_memory
from .shop import Shop
from .shopper import Shopper
from .verdict import check, settle

SHOPPERS = 3  # at the same time
CASHIERS = ('nora', 'emil')  # each with a till
TROUBLE = (1, 5)  # seconds between two things that go wrong
PATIENCE = 40  # seconds that a cashier waits for a customer
LOOK = 0.5  # seconds between two looks of a till


class Soak:
    """The traders and their bad luck, all chosen by a seed."""

    def __init__(self, shop, seconds, seed):
        """Open the tills.

        :param bench.shop.Shop shop: The shop.
        :param float seconds: How long to trade.
        :param int seed: What repeats the choices.
        """
        self.shop = shop
        self.seed = seed
        self.verdict = Verdict(shop.stack)
        self.counts = Counter()
        self.met = Counter()  # what people read when something went wrong
        self.kept = {kind: shop.stack.workers(kind)[0] for kind in ('WorkerHTTP', 'WorkerCron')}
        self.tills = [
            Till(Cashier(shop.stack, login), config) for login, config in zip(
                CASHIERS, create_configs(shop.rpc, len(CASHIERS)), strict=True,
            )
        ]
        self.orders = {}  # those that cashiers have asked a payment for, by its reference
        self.over = threading.Event()
        self.start = time.monotonic()
        self.end = self.start + seconds
        self.memory = []

    def trade(self):
        """Trade until the time is over."""
        people = [
            *(lambda number=number: self._repeat(f'shopper {number}', self._shop)
              for number in range(SHOPPERS)),
            *(lambda till=till, login=login: self._repeat(
                login, lambda choose: self._sell(till, choose)
            ) for till, login in zip(self.tills, CASHIERS, strict=True)),
        ]
        with ThreadPoolExecutor(len(people) + 1) as pool:
            try:
                acting = [pool.submit(act) for act in (*people, self._make_trouble)]
                self._watch()
            finally:
                self.over.set()
            for done in acting:
                done.result()

    def _watch(self):
        """Say how it goes, and note the memory of the workers that are not killed."""
        while time.monotonic() < self.end:
            time.sleep(min(15, max(0.1, self.end - time.monotonic())))
            sizes = {kind: private_memory(pid) for kind, pid in self.kept.items()}
            seconds = time.monotonic() - self.start
            self.memory.append((seconds, sizes))
            say(f"  {seconds:.0f} s: " + ", ".join(
                [f"{count} {what}" for what, count in sorted(self.counts.items())]
                + [f"{kind} {size:.0f} MiB" for kind, size in sizes.items()]
            ))

    def _repeat(self, who, act):
        """Act again and again, and go on after bad luck."""
        number = 0
        while not self.over.is_set():
            number += 1
            with self._unlucky():
                act(random.Random(f'{self.seed} {who} {number}'))

    @contextlib.contextmanager
    def _unlucky(self):
        """Count the errors that people meet."""
        try:
            yield
        except BAD_LUCK as error:
            text = str(error) if isinstance(error, ShopError) else type(error).__name__
            self.met[text.splitlines()[0][:90] if text else type(error).__name__] += 1

    # The shop

    def _shop(self, choose):
        """Buy as a customer, and perhaps leave at any time."""
        customer = self.shop.new_customer(functools.partial(Shopper, choose=choose))
        values = customer.press_pay()
        reference = values['reference']
        self.counts["checkouts"] += 1
        customer.follow(values)
        decision = choose.choices(('approve', 'decline', 'expire', None), (8, 1, 1, 1))[0]
        if decision:
            self.shop.control('POST', f'payments/{reference}/{decision}')
        url = self.shop.control('GET', f'payments/{reference}')['request']['returnUrl']
        for _look in range(choose.randrange(3)):
            with self._unlucky():
                choose.choice((customer.ask_for_status, lambda: customer.open(url)))()
        if decision == 'approve' and choose.random() < 0.2:
            self._give_back(reference, choose)

    def _give_back(self, reference, choose):
        """Refund a part in the portal of Vipps MobilePay, if it is captured already."""
        captured = self.shop.control('GET', f'payments/{reference}')['aggregate'][
            'capturedAmount']['value']
        if captured:
            self.shop.control(
                'POST', f'payments/{reference}/refund', amount=choose.randint(1, captured)
            )
            self.counts["refunds"] += 1

    # The till

    def _sell(self, till, choose):
        """Take a payment at a till; payments that stay open are settled at the end of the day."""
        order = till.new_order(choose.choice((49, 199, 250.5)))
        till.add_payment(order)
        reference = till.create(order)['reference']
        self.orders[reference] = order
        if till.attempt('start', reference)['state'] != 'waiting':
            return
        self.counts["till payments"] += 1
        decision = choose.choices(('approve', 'decline', 'cancel'), (8, 1, 1))[0]
        if decision == 'cancel':
            till.attempt('cancel', reference)
        else:
            self.shop.control('POST', f'payments/{reference}/{decision}')
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            state = till.attempt('get', reference)['state']
            if state == 'paid':
                till.finish(order)
                return
            if state not in ('unknown', 'waiting'):
                return
            time.sleep(LOOK)

    # The trouble

    def _make_trouble(self):
        """Let one thing after the other go wrong."""
        choose = random.Random(f'{self.seed} trouble')
        while not self.over.wait(choose.uniform(*TROUBLE)):
            with self._unlucky():
                kind = make_trouble(self.shop.stack, choose, self.kept.values())
                self.counts["kills" if kind.startswith('Worker') else "faults"] += 1


def prepare(name):
    """Return a stack of that name whose customers come over a proxy."""
    stack = Stack(Workspace.from_json(os.environ['VIPPS_DEV_WORKSPACE']), name)
    configuration = stack.odoo.configuration
    with configuration.open('a') as file:
        file.write('proxy_mode = True\n')
    return stack


def report(soak, minutes):
    """Yield the rows about trades, faults and errors, apart from the verdict."""
    trades = soak.counts["checkouts"] + soak.counts["till payments"]
    yield Row("Payments that were started", str(trades), f"{trades / minutes:.1f} per minute")
    yield Row(
        "Things that went wrong", f"{soak.counts['faults']} faults",
        f"{soak.counts['kills']} workers killed",
    )
    yield Row("Times that people met it", str(sum(soak.met.values())))
    for text, count in soak.met.most_common(8):
        yield Row(f"  {text}", str(count))


def main(minutes, seed):
    """Trade, settle and check; returns the exit code: 0 if everything is as it should be.

    :param float minutes: How long to trade.
    :param int|None seed: What repeats the choices of an earlier run.
    """
    seed = random.randrange(10 ** 6) if seed is None else seed
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    rows = []
    try:
        with prepare('soak') as stack:
            soak = Soak(Shop(stack), minutes * 60, seed)
            say(f"Trading for {minutes:g} minutes, seed {seed} ...")
            started = time.monotonic()
            soak.trade()
            rows.extend(report(soak, (time.monotonic() - started) / 60))
            say("Repairing and settling ...")
            started = time.monotonic()
            settle(soak)
            rows.append(Row("Settled after", f"{time.monotonic() - started:.0f} s"))
            rows.extend(check(soak))
    except Failure as failure:
        rows.append(Row("Ended early", str(failure), met=False))
    except KeyboardInterrupt:
        return 130
    print(table(rows))
    return 0 if all(row.met is not False for row in rows) else 1
