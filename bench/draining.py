"""Measure how fast the cron workers drain the inbox, also when Vipps MobilePay has a bad day."""

import contextlib
import time

from .figures import Row, in_ms, p95

PAYMENTS, ORDERS, BAD_DAY, SLOW = 1000, 200, 200, 30
NEW_EVENTS = 20  # while the inbox is drained
CALLS = ('get', 'capture', 'events')


def measure(shop):
    """Let the events of approved payments wait, and then be dealt with.

    Core confirms the order of a payment as soon as that is approved, which takes far longer than
    everything else: what takes us how long is seen without orders.
    """
    rate, how = _drain(shop, PAYMENTS)
    rate_with_orders, how_with_orders = _drain(shop, ORDERS, with_orders=True)
    rows = [
        Row(
            "Draining with automatic capture", f'{rate:.1f} events/s', how,
            target="at least 20 events/s", met=rate >= 20,
        ),
        Row(
            "The same, with an order that core confirms", f'{rate_with_orders:.1f} events/s',
            how_with_orders,
        ),
    ]
    for what, count, faults in (
        ("each call answered after 50 ms", BAD_DAY, _latency(0.05)),
        ("each call answered after 2 s", SLOW, _latency(2)),
        ("about every tenth call fails", BAD_DAY, [
            {'operation': call, 'kind': 'status', 'status': 503, 'times': 1, 'after': 10 * number}
            for call in CALLS for number in range(BAD_DAY // 10)
        ]),
    ):
        with _faults(shop, faults):
            rate, how = _drain(shop, count)
        rows.append(Row(f"The same, {what}", f'{rate:.1f} events/s', how))
    return [*rows, _measure_new(shop), *_measure_more_workers(shop)]


def _measure_more_workers(shop):
    """Drain with four cron workers, also when each call takes longer."""
    with _four_cron_workers(shop):
        rate, how = _drain(shop, PAYMENTS)
        with _faults(shop, _latency(0.05)):
            slow_rate, slow_how = _drain(shop, BAD_DAY)
        count = len(shop.stack.workers('WorkerCron'))
    return [
        Row(
            f"Draining with {count} cron workers", f'{rate:.1f} events/s', how,
            target="at least 60 events/s", met=rate >= 60,
        ),
        Row("The same, each call answered after 50 ms", f'{slow_rate:.1f} events/s', slow_how),
    ]


@contextlib.contextmanager
def _four_cron_workers(shop):
    """Let Odoo start anew with two cron workers more, and with two again in the end."""
    configuration = shop.stack.odoo.configuration
    settings = configuration.read_text()

    def restart(text):
        shop.stack.stop_odoo()
        configuration.write_text(text)
        shop.stack.start_odoo()

    restart(settings.replace('max_cron_threads = 2', 'max_cron_threads = 4'))
    try:
        yield
    finally:
        restart(settings)


def _latency(seconds):
    return [
        {'operation': call, 'kind': 'latency', 'seconds': seconds, 'times': None} for call in CALLS
    ]


@contextlib.contextmanager
def _faults(shop, faults):
    """Let the simulator have faults; all of them are forgotten in the end."""
    for fault in faults:
        shop.control('POST', 'faults', **fault)
    try:
        yield
    finally:
        shop.control('DELETE', 'faults')


@contextlib.contextmanager
def _backlog(shop, count, with_orders=False):
    """Let the events of as many payments wait, until the workers begin; yields the references."""
    with shop.webhooks_lost():
        references = shop.copies.add(count, with_orders=with_orders, approved=True)
        with shop.jobs_paused():
            for reference in references:
                shop.send_event(reference)
        yield references


def _drain(shop, count, with_orders=False):
    """Return how many events are drained in a second, and how that was found."""
    with _backlog(shop, count, with_orders) as references:
        started = time.monotonic()
        shop.wait_for_empty_inbox()
        seconds = time.monotonic() - started
    shop.check_done(references)
    return count / seconds, f'{count} events, each of another payment, in {seconds:.1f} s'


def _measure_new(shop):
    """Let new payments be approved while the inbox is drained."""
    seconds = []
    query = "SELECT state FROM payment_transaction WHERE reference = %s"
    with _backlog(shop, PAYMENTS) as references:
        for _customer in range(NEW_EVENTS):
            reference, = shop.copies.add(1, with_orders=False, approved=True)
            started = time.perf_counter()
            shop.send_event(reference)
            shop.wait(
                f"payment {reference} is done",
                lambda new=reference: shop.value(query, new) == 'done', seconds=60,
            )
            seconds.append(time.perf_counter() - started)
        left = shop.value("SELECT count(*) FROM vipps_webhook_event WHERE state = 'pending'")
        shop.wait_for_empty_inbox()
    shop.check_done(references)
    return Row(
        "A new event to done, while the inbox is drained", in_ms(seconds),
        f'{left} of {PAYMENTS} events left in the end', target="p95 below 1 s",
        met=p95(seconds) < 1,
    )
