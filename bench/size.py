"""Measure whether work for one payment takes longer among many others."""

from tools.console import Failure, say

from .figures import Row
from .payments import MAKE_DUE, SETTLED

SMALL = 1_000
PAYMENTS, ROUNDS = 50, 5


def measure(shop):
    """Have open payments read by the job, and approved ones by their events, among few payments
    and among many."""
    with shop.webhooks_lost():
        shop.sql('DELETE FROM vipps_task')  # Nobody else's turn.
        shop.wait_for_empty_inbox()
        references = shop.copies.add(PAYMENTS, approved=False)
        small = _measure_among(shop, references, SMALL)
        large = _measure_among(shop, references, shop.many)
    names = ("Job of the safety net, per payment read", "Event, from the inbox to done")
    rows = []
    for name, before, after in zip(names, small, large, strict=True):
        ratio = after / before
        rows.append(Row(
            f'{name}, among {shop.many} payments', f'{after * 1000:.1f} ms',
            f'among {SMALL}: {before * 1000:.1f} ms', ratio, "at most 1.2", ratio <= 1.2,
        ))
    return rows


def _measure_among(shop, references, count):
    """Have so many payments, and return the seconds that job and event take for one.

    They are those of the fastest round: whatever else the machine does only makes it slower.
    """
    present = shop.value('SELECT count(*) FROM payment_transaction')
    say(f"  {count} payments ...")
    shop.copies.add(count - present, SETTLED)
    shop.copies.add_processed_events()
    shop.copies.settle_database()
    with shop.jobs_paused():
        rounds = [
            (_read_by_job(shop, references), _finish_by_events(shop))
            for _round in range(ROUNDS)
        ]
        idle, _queries = min(shop.run_job('cron_sync_payments') for _round in range(ROUNDS))
    return [(min(seconds) - idle) / PAYMENTS for seconds in zip(*rounds, strict=True)]


def _read_by_job(shop, references):
    """Return the seconds of a run that reads payments about which nothing is decided."""
    shop.sql(
        "UPDATE payment_transaction SET vipps_last_read = NULL WHERE reference = ANY(%s)",
        references,
    )
    shop.sql(MAKE_DUE, references)
    seconds, _queries = shop.run_job('cron_sync_payments')
    read = shop.value(
        'SELECT count(vipps_last_read) FROM payment_transaction WHERE reference = ANY(%s)',
        references,
    )
    if read != len(references):
        raise Failure(f"Only {read} of {len(references)} payments were read.")
    return seconds


def _finish_by_events(shop):
    """Return the seconds of a run that captures new payments that were approved."""
    references = shop.copies.add(PAYMENTS, with_orders=False, approved=True)
    for reference in references:
        shop.send_event(reference)
    seconds, _queries = shop.run_job('cron_sync_payments')
    shop.check_done(references)
    return seconds
