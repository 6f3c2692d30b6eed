"""Settle the trading of `bench.soak` after all repairs, and check the result."""

import time

from tools.chaos import BOOKED_BY_TILLS
from tools.console import Failure, say
from tools.customer import ShopError
from tools.odoo_log import problems

from .figures import Row

PATIENCE = 240  # seconds until everything must be settled
WARM = 0.4  # of the time, after which everything is loaded that is loaded once
GROWTH, SLACK = 1.10, 8  # how often its size and how many MiB more a worker may have in the end
MIN_SECONDS = 600  # of trade, for workers to be warm at all

DUE = "now() AT TIME ZONE 'UTC' - interval '1 second'"
MAKE_DUE = [
    "UPDATE payment_transaction SET vipps_last_read = NULL"
    " WHERE id IN (SELECT transaction_id FROM vipps_task)",
    f"UPDATE vipps_task SET due = {DUE}",
]
JOBS = ['cron_sync_payments', 'cron_follow_up']


def settle(soak):
    """Repair everything, advance the clock, and let people and jobs finish all open work.

    :param bench.soak.Soak soak: The trading, which is over.
    :raise Failure: When it is not settled in time.
    """
    shop = soak.shop
    shop.control('DELETE', 'faults')
    shop.wait("all workers live", lambda: len(shop.stack.workers()) == 2, PATIENCE)
    soak.verdict.let_time_pass()
    deadline = time.monotonic() + PATIENCE
    while True:
        open_attempts = sum(_settle_till(soak, till) for till in soak.tills)
        _run_jobs(shop)
        unfinished = soak.verdict.count_unfinished()
        if not open_attempts and not unfinished:
            break
        if time.monotonic() > deadline:
            say(f"  {open_attempts} payments of tills and {unfinished} transactions are not"
                " settled.")
            break  # What is wrong is in the table.
        time.sleep(1)
    for till in soak.tills:
        _close(shop, till)


def _run_jobs(shop):
    """Do all tasks, while no worker is at work that collides with it."""
    with shop.jobs_paused():
        for statement in MAKE_DUE:
            shop.sql(statement)
        for job in JOBS:
            shop.run_job(job)


def _settle_till(soak, till):
    """Finish paid orders as cashiers do, or refund them; returns how many attempts were open."""
    attempts = till.list_attempts()
    for attempt in attempts:
        reference = attempt['reference']
        try:
            state = till.attempt('get', reference)['state']
            if state == 'paid' and reference in soak.orders:
                till.finish(soak.orders[reference])
            elif state == 'paid':
                till.attempt('undo', reference)
            elif state in ('unknown', 'waiting'):
                till.attempt('cancel', reference)
        except ShopError as error:
            say(f"  {reference}: {error}")
    return len(attempts)


def _close(shop, till):
    drafts = shop.rpc('pos.order', 'search', [
        ('session_id', '=', till.session), ('state', '=', 'draft'),
    ])
    till.call('pos.order', 'remove_from_ui', drafts)
    answer = till.close()
    if not answer['successful']:
        raise Failure(f"A session cannot be closed: {answer}")


def check(soak):
    """Compare both sides, and look at the inbox, the books, the log and the memory.

    :param bench.soak.Soak soak: The trading, settled.
    :rtype: list[bench.figures.Row]
    """
    shop = soak.shop
    ours, wrong = soak.verdict.compare()
    for text in wrong[:20]:
        say(f"  {text}")
    sold = sum(captured - refunded for _r, _s, captured, refunded, *_b, is_till in ours if is_till)
    booked = sum(amount for _session, amount in shop.sql(
        BOOKED_BY_TILLS, [till.session for till in soak.tills],
    ))
    events = shop.value("SELECT count(*) FROM vipps_webhook_event")
    return [
        _zero("Payments that differ from the simulator's", len(wrong), f"of {len(ours)}"),
        _zero("Payments that are not final or not booked", soak.verdict.count_unfinished()),
        _zero(
            "Events that wait or have failed", soak.verdict.count_waiting_events(), f"of {events}",
        ),
        _zero("Entries that do not balance", soak.verdict.count_unbalanced()),
        Row(
            "Taken at the tills, minor units", str(sold), f"booked by them: {booked}",
            target="the same", met=sold == booked,
        ),
        Row("Warnings and errors in Odoo's log", str(len(problems(shop.stack.log_path)))),
        *_memory(soak),
    ]


def _zero(what, count, compared=''):
    return Row(what, str(count), compared, target="0", met=not count)


def _memory(soak):
    """Return how the workers that were not killed have grown since they were warm."""
    warm = next(
        sizes for seconds, sizes in soak.memory if seconds >= WARM * (soak.end - soak.start)
    )
    last = soak.memory[-1][1]
    is_long = soak.end - soak.start >= MIN_SECONDS
    return [
        Row(
            f"{kind}: private memory", f"{last[kind]:.0f} MiB", f"when warm: {size:.0f} MiB",
            last[kind] / size, f"at most {GROWTH:g} times and {SLACK} MiB more, after 10 minutes",
            last[kind] <= GROWTH * size + SLACK if is_long else None,
        ) for kind, size in warm.items()
    ]
