"""Measure the webhook against a route that only stores a row."""

import time

from tools.console import Failure

from .figures import Row, in_ms, ratio_of_medians

WARM_UP, PAIRS = 40, 400


def measure(shop):
    """Send events and the same requests to the bare route, in turn."""
    ours, bare = [], []
    with shop.jobs_paused():
        for number in range(WARM_UP + PAIRS):
            body, headers = shop.event(f'unknown-{time.time_ns()}')
            shop_seconds = shop.post(
                f'/payment/vipps/webhook/{shop.provider}', body, headers
            )
            bare_seconds = shop.post('/vipps_bench/row', body, headers)
            if number >= WARM_UP:
                ours.append(shop_seconds)
                bare.append(bare_seconds)
        stored = shop.value(
            'SELECT count(*) FROM vipps_webhook_event WHERE starts_with(reference, %s)', 'unknown-'
        )
    if stored < WARM_UP + PAIRS:
        raise Failure(f"Only {stored} of {WARM_UP + PAIRS} events were stored.")
    shop.sql('DELETE FROM vipps_webhook_event WHERE starts_with(reference, %s)', 'unknown-')
    ratio = ratio_of_medians(ours, bare)
    return [Row(
        "Webhook intake: signed event to 200", in_ms(ours), f"bare route: {in_ms(bare)}", ratio,
        "at most 2", ratio <= 2,
    )]
