"""Whether what is done for one payment takes longer when there are many others."""

from tools.console import Failure, say

from .figures import Row
from .payments import OPEN, PAST, SETTLED

SMALL, LARGE = 1_000, 100_000
PAYMENTS = 100  # as many as a run of the job reads
ROUNDS = 7


def measure(shop, copies):
    """Read open payments by the job and by their events, among few payments and among many.

    The customers have decided nothing, so that reading is all there is to do.
    """
    with shop.webhooks_lost():
        shop.sql('UPDATE payment_transaction SET vipps_next_read = NULL')  # Nobody else's turn.
        references = copies.add(PAYMENTS, approved=False)
        shop.wait_for_empty_inbox()
        small = _measure_among(shop, copies, references, SMALL)
        large = _measure_among(shop, copies, references, LARGE)
    names = ("Job of the safety net, per payment read", "Event, from the inbox to its payment read")
    rows = []
    for name, few, many in zip(names, small, large, strict=True):
        ratio = many / few
        rows.append(Row(
            f'{name}, among {LARGE} payments', f'{many * 1000:.1f} ms',
            f'among {SMALL}: {few * 1000:.1f} ms', ratio, "at most 1.2", ratio <= 1.2,
        ))
    return rows


def _measure_among(shop, copies, references, count):
    """Have so many payments, and return the seconds that job and event take for one of ours.

    They are those of the fastest round: whatever else the machine does only makes it slower.
    """
    present = shop.value('SELECT count(*) FROM payment_transaction')
    if present < count:
        say(f"  {count} payments ...")
        copies.add(count - present, SETTLED)
    copies.add_processed_events()
    copies.settle_database()
    with shop.jobs_paused():
        rounds = [
            (_read_by_job(shop, references), _read_by_events(shop, references))
            for _round in range(ROUNDS)
        ]
        idle, _queries = min(shop.run_job('cron_read_open_payments') for _round in range(ROUNDS))
    return [(min(seconds) - idle) / PAYMENTS for seconds in zip(*rounds, strict=True)]


def _read_by_job(shop, references):
    shop.sql(
        f"UPDATE payment_transaction SET vipps_last_read = NULL, vipps_next_read = {PAST}"
        " WHERE reference = ANY(%s)", references,
    )
    seconds, _queries = shop.run_job('cron_read_open_payments')
    _check_read(shop, references)
    return seconds


def _read_by_events(shop, references):
    shop.sql(
        f"UPDATE payment_transaction SET vipps_last_read = NULL,"
        f" vipps_next_read = {OPEN['vipps_next_read']} WHERE reference = ANY(%s)", references,
    )
    for reference in references:
        shop.send_event(reference)
    seconds, _queries = shop.run_job('cron_process_webhook_events')
    _check_read(shop, references)
    return seconds


def _check_read(shop, references):
    read = shop.value(
        'SELECT count(vipps_last_read) FROM payment_transaction WHERE reference = ANY(%s)',
        references,
    )
    if read != len(references):
        raise Failure(f"Only {read} of {len(references)} payments were read.")
