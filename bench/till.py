"""Measure the waits of cashiers and customers at the till, and the cost of a payment there."""

import random
import statistics
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from simulator.sales_units import NOK_UNIT
from tools.till import Cashier, Till, create_configs

from .figures import Row, in_ms, p95

TILLS = 20
WARM_UP, PAYMENTS = 3, 30
POLLING_TILLS = 4  # at the same time
CADENCE = 2  # seconds between two looks of a till that is told nothing
SCAN_CADENCE = 5  # seconds between two looks at who has scanned the sticker
LONGEST = 3  # seconds that a customer takes, so that approvals come at any moment between two looks


def measure(shop):
    """Take payments with one till, without the bus, and with many tills at once."""
    cashier = Cashier(shop.stack, 'nora')
    configs = create_configs(shop.rpc, TILLS)
    for config in configs[:POLLING_TILLS]:
        shop.rpc('pos.config', 'action_vipps_make_sticker', [config])
    tills = [Till(cashier, config) for config in configs]
    return [
        *_measure_told(shop, tills[0]),
        *_measure_polling(shop, tills[:POLLING_TILLS]),
        *_measure_scans(shop, tills[:POLLING_TILLS]),
        _measure_many(shop, tills),
    ]


def _measure_told(shop, till):
    """Take payments one after the other, looking only when the till is told to."""
    seconds, references, calls = [], [], []
    for number in range(WARM_UP + PAYMENTS):
        till.calls.clear()
        taken = _sell(shop, till, shop.wait_for_empty_inbox)
        if number >= WARM_UP:
            seconds.append(taken[0])
            references.append(taken[1])
            calls.append(len(till.calls))
    shop.check_done(references)
    requests = len(shop.calls_about(*references)) / PAYMENTS
    return [
        Row(
            "Approval to paid at the till, told by the bus", in_ms(seconds), target="below 1 s",
            met=statistics.median(seconds) < 1,
        ),
        Row("Requests to Vipps MobilePay per payment at the till", f'{requests:.1f}'),
        Row("Calls of the till per payment, from the draft to the finished order",
            f'{statistics.mean(calls):.1f}'),
    ]


def _sell(shop, till, pause=lambda: None):
    """Take a payment, looking only when the till is told to.

    :param function pause: What the customer waits for before the approval.
    :return: The seconds from the approval until the till knew, and the reference.
    """
    order = till.new_order()
    till.add_payment(order)
    with till.listen() as bus:
        reference = till.ask(order)['reference']
        pause()
        started = time.perf_counter()
        shop.approve(reference)
        while bus.wait_for(reference) and till.attempt('get', reference)['state'] != 'paid':
            pass
        seconds = time.perf_counter() - started
    till.finish(order)
    return seconds, reference


def _measure_polling(shop, tills):
    """Take payments with some tills that nobody tells anything."""
    choose = random.Random(1)
    delays = [choose.uniform(0, LONGEST) for _payment in range(PAYMENTS)]
    with shop.webhooks_lost(), ThreadPoolExecutor(len(tills)) as pool:
        found = pool.map(
            lambda till, own: [_sell_polling(shop, till, delay) for delay in own],
            tills, [delays[number::len(tills)] for number in range(len(tills))],
        )
        seconds = [one for own in found for one in own]
    median, last = statistics.median(seconds), p95(seconds)
    return [Row(
        "Approval to paid at the till, polling alone", in_ms(seconds),
        target="median below 3 s, p95 below 5 s", met=median < 3 and last < 5,
    )]


def _sell_polling(shop, till, delay):
    """Take a payment that is approved after some seconds; returns those until the till knew."""
    order = till.new_order()
    till.add_payment(order)
    reference = till.ask(order)['reference']
    approved = []

    def approve():
        approved.append(time.perf_counter())
        shop.approve(reference)

    threading.Timer(delay, approve).start()
    while till.attempt('get', reference)['state'] != 'paid':
        time.sleep(CADENCE)
    seconds = time.perf_counter() - approved[0]
    till.finish(order)
    return seconds


def _measure_scans(shop, tills):
    """Let customers scan stickers, at a till that is told to look, and at some that look by
    themselves; each has left before the next one comes."""
    with tills[0].listen() as bus:
        told = [
            _scan_told(shop, tills[0], bus) for _customer in range(WARM_UP + PAYMENTS)
        ][WARM_UP:]
    choose = random.Random(1)
    delays = [choose.uniform(0, SCAN_CADENCE) for _customer in range(PAYMENTS)]
    with ThreadPoolExecutor(len(tills)) as pool:
        found = pool.map(
            lambda till, own: [_scan_polling(shop, till, delay) for delay in own],
            tills, [delays[number::len(tills)] for number in range(len(tills))],
        )
        polling = [one for own in found for one in own]
    return [
        Row(
            "Scan of the sticker to customer waiting, told by the bus", in_ms(told),
            target="below 1 s", met=statistics.median(told) < 1,
        ),
        Row(
            "Scan of the sticker to customer waiting, polling alone", in_ms(polling),
            target="p95 below 6 s", met=p95(polling) < 6,
        ),
    ]


def _scan_told(shop, till, bus):
    """Let a customer scan the sticker; returns the seconds until the till, told, knew."""
    started = _scan(shop, till)
    # What the bus says may be of the customer before.
    while bus.wait_for_check_in() and not (waiting := till.list_check_ins()):
        pass
    seconds = time.perf_counter() - started
    _dismiss(till, waiting)
    return seconds


def _scan_polling(shop, till, delay):
    """Let a customer scan the sticker after some seconds; returns those until the till knew."""
    scanned = []
    threading.Timer(delay, lambda: scanned.append(_scan(shop, till))).start()
    while not (waiting := till.list_check_ins()):
        time.sleep(SCAN_CADENCE)
    seconds = time.perf_counter() - scanned[0]
    _dismiss(till, waiting)
    return seconds


def _scan(shop, till):
    """Let a customer scan the sticker of a till; returns when that was."""
    started = time.perf_counter()
    number = till.data['pos.config']['vipps_sticker_number']
    shop.control('POST', 'check-ins', msn=NOK_UNIT.msn, qr_id=number)
    return started


def _dismiss(till, waiting):
    for check_in in waiting:
        till.call('pos.session', 'vipps_dismiss_check_in', [till.session], check_in['id'])


def _measure_many(shop, tills):
    """Take a payment with each of many tills at the same moment."""
    started = time.perf_counter()
    with ThreadPoolExecutor(len(tills)) as pool:
        found = list(pool.map(lambda till: _sell(shop, till), tills))
    seconds = time.perf_counter() - started
    shop.check_done([reference for _seconds, reference in found])
    return Row(
        f"{len(tills)} tills take a payment each at the same moment", f'{seconds:.1f} s in all',
        f"approval to paid: {in_ms([one for one, _reference in found])}",
    )
