"""Measure how fast a cron worker drains the inbox."""

import time

from .figures import Row

PAYMENTS, ORDERS = 1000, 200


def measure(shop):
    """Let the events of approved payments wait, and then be dealt with.

    Core confirms the order of a payment as soon as that is approved, which takes far longer than
    everything else: what takes us how long is seen without orders.
    """
    rate, how = _drain(shop, PAYMENTS, with_orders=False)
    rate_with_orders, how_with_orders = _drain(shop, ORDERS, with_orders=True)
    return [
        Row(
            "Draining with automatic capture", f'{rate:.1f} events/s', how,
            target="at least 20 events/s", met=rate >= 20,
        ),
        Row(
            "The same, with an order that core confirms", f'{rate_with_orders:.1f} events/s',
            how_with_orders,
        ),
    ]


def _drain(shop, count, with_orders):
    """Return how many events are drained in a second, and how that was found."""
    with shop.webhooks_lost():
        references = shop.copies.add(count, with_orders=with_orders, approved=True)
        with shop.jobs_paused():
            for reference in references:
                shop.send_event(reference)
        started = time.monotonic()
        shop.wait_for_empty_inbox()
        seconds = time.monotonic() - started
    shop.check_done(references)
    return count / seconds, f'{count} events, each of another payment, in {seconds:.1f} s'
