"""What must be true after the trading of `bench.soak`, when everything is repaired."""

import time

from tools.console import Failure, say
from tools.customer import ShopError
from tools.odoo_log import problems
from tools.rpc import RpcError

from .figures import Row

PATIENCE = 240  # seconds until everything must be settled
WARM = 0.4  # of the time, after which everything is loaded that is loaded once
GROWTH, SLACK = 1.10, 8  # how often its size and how many MiB more a worker may have in the end

DUE = "now() AT TIME ZONE 'UTC' - interval '1 second'"
MAKE_DUE = [
    f"UPDATE payment_transaction SET vipps_next_read = {DUE}, vipps_last_read = NULL"
    " WHERE vipps_next_read IS NOT NULL",
    # What a worker is claiming has its turn.
    f"UPDATE vipps_task SET due = {DUE}"
    " WHERE id IN (SELECT id FROM vipps_task ORDER BY id FOR UPDATE SKIP LOCKED)",
    f"UPDATE vipps_webhook_event SET next_try = {DUE} WHERE next_try IS NOT NULL",
]
# It is certain by then that a payment was never created, and that an event has no payment.
MAKE_OLDER = [
    "UPDATE payment_transaction SET create_date = create_date - interval '2 hours'",
    "UPDATE vipps_webhook_event SET pending_since = pending_since - interval '2 hours'",
]
JOBS = [
    'mobilepay_vipps.cron_process_webhook_events', 'mobilepay_vipps.cron_read_open_payments',
    'mobilepay_vipps.cron_follow_up',
]

# The payments with what Odoo has captured and refunded of them, in minor units, and what is in the
# books for them; those of tills are booked when their sessions are closed.
PAYMENTS = """
    WITH RECURSIVE part AS (
        SELECT id, id AS root_id, operation, state, amount, payment_id,
               NULL::varchar AS root_operation
          FROM payment_transaction
         WHERE vipps_payment_reference IS NOT NULL AND source_transaction_id IS NULL
         UNION ALL
        SELECT tx.id, part.root_id, tx.operation, tx.state, tx.amount, tx.payment_id,
               COALESCE(part.root_operation, part.operation)
          FROM payment_transaction tx JOIN part ON tx.source_transaction_id = part.id
    ), sums AS (
        SELECT root_id,
               bool_or(operation = root_operation) AS has_captures,
               sum(part.amount) FILTER (WHERE operation = root_operation AND part.state = 'done')
                   AS captured,
               -sum(part.amount) FILTER (WHERE operation = 'refund' AND part.state = 'done')
                   AS refunded,
               sum((CASE payment_type WHEN 'inbound' THEN 1 ELSE -1 END) * payment.amount)
                   FILTER (WHERE move.state = 'posted') AS booked
          FROM part
          LEFT JOIN account_payment payment ON payment.id = part.payment_id
          LEFT JOIN account_move move ON move.id = payment.move_id
         GROUP BY root_id
    )
    SELECT tx.vipps_payment_reference, tx.state,
           round(COALESCE(
               CASE WHEN has_captures THEN captured WHEN tx.state = 'done' THEN tx.amount END, 0
           ) * 100)::int,
           round(COALESCE(refunded, 0) * 100)::int,
           round(COALESCE(booked, 0) * 100)::int,
           tx.vipps_pos_config_id IS NOT NULL
      FROM sums JOIN payment_transaction tx ON tx.id = root_id
"""
UNFINISHED = """
    SELECT count(*) FROM payment_transaction
     WHERE provider_id IN (SELECT id FROM payment_provider WHERE code = 'vipps') AND (
         state NOT IN ('done', 'cancel')
         OR id IN (SELECT transaction_id FROM vipps_task WHERE kind IN ('confirm', 'book'))
         OR (state = 'done' AND NOT COALESCE(is_post_processed, false)
             AND vipps_pos_config_id IS NULL)
     )
"""
# What the closing of sessions has booked of what was taken with Vipps MobilePay.
BOOKED_BY_TILLS = """
    SELECT COALESCE(round(sum(line.balance) * 100), 0)::int
      FROM account_payment payment
      JOIN account_move move ON move.id = payment.move_id
      JOIN account_move_line line ON line.move_id = move.id
      JOIN pos_payment_method method ON method.id = payment.pos_payment_method_id
     WHERE payment.pos_session_id = ANY(%s) AND method.use_payment_terminal = 'vipps'
       AND line.account_id = payment.outstanding_account_id AND move.state = 'posted'
"""
UNBALANCED = """
    SELECT count(*) FROM (
        SELECT move_id FROM account_move_line GROUP BY move_id HAVING abs(sum(balance)) > 0.001
    ) moves
"""


def settle(soak):
    """Repair everything, let time pass, and have people and jobs do what there is to do.

    :param bench.soak.Soak soak: The trading, which is over.
    :raise Failure: When it is not settled in time.
    """
    shop = soak.shop
    shop.control('DELETE', 'faults')
    shop.wait("all workers live", lambda: len(shop.stack.workers()) == 2, PATIENCE)
    for payment in shop.control('GET', 'payments')['payments']:
        if payment['state'] == 'CREATED':
            shop.control('POST', f"payments/{payment['reference']}/expire")
    shop.control('POST', 'clock', advance=4000)  # All events are sent again by then.
    shop.wait(
        "all events are delivered", lambda: not shop.control('GET', 'deliveries')['pending'],
        PATIENCE, pause=0.5,
    )
    for statement in MAKE_OLDER:
        shop.sql(statement)
    deadline = time.monotonic() + PATIENCE
    while True:
        open_attempts = sum(_settle_till(soak, till) for till in soak.tills)
        _run_jobs(shop)
        if not open_attempts and not shop.value(UNFINISHED):
            break
        if time.monotonic() > deadline:
            say(f"  {open_attempts} payments of tills and {shop.value(UNFINISHED)} transactions"
                " are not settled.")
            break  # What is wrong is in the table.
        time.sleep(1)
    for till in soak.tills:
        _close(shop, till)


def _run_jobs(shop):
    for statement in MAKE_DUE:
        shop.sql(statement)
    for job in JOBS:
        try:
            shop.rpc('ir.cron', 'method_direct_trigger', [shop.rpc.reference(job)])
        except RpcError as error:
            if "currently being executed" not in str(error):  # By the cron worker.
                raise


def _settle_till(soak, till):
    """Finish what is paid, as cashiers do, or give it back; returns how much was open."""
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
    theirs = {
        payment['reference']: payment for payment in shop.control('GET', 'payments')['payments']
    }
    ours = shop.sql(PAYMENTS)
    wrong = [
        text for row in ours for text in _differences(*row, theirs.pop(row[0], None))
    ]
    # A killed worker has made them, and no customer has ever seen them.
    wrong += [
        f"{reference} is not in Odoo, but {payment['state']}"
        for reference, payment in theirs.items()
        if payment['state'] not in ('EXPIRED', 'TERMINATED')
    ]
    for text in wrong[:20]:
        say(f"  {text}")
    sold = sum(captured - refunded for _r, _s, captured, refunded, _b, is_till in ours if is_till)
    booked = shop.value(BOOKED_BY_TILLS, [till.session for till in soak.tills])
    waiting = shop.value(
        "SELECT count(*) FROM vipps_webhook_event"
        " WHERE state IN ('pending', 'failed') OR next_try IS NOT NULL"
    )
    events = shop.value("SELECT count(*) FROM vipps_webhook_event")
    unbalanced, unfinished = shop.value(UNBALANCED), shop.value(UNFINISHED)
    return [
        _zero("Payments that differ from the simulator's", len(wrong), f"of {len(ours)}"),
        _zero("Payments that are not final or not booked", unfinished),
        _zero("Events that wait or have failed", waiting, f"of {events}"),
        _zero("Entries that do not balance", unbalanced),
        Row(
            "Taken at the tills, minor units", str(sold), f"booked by them: {booked}",
            target="the same", met=sold == booked,
        ),
        Row("Warnings and errors in Odoo's log", str(len(problems(shop.stack.log_path)))),
        *_memory(soak),
    ]


def _zero(what, count, compared=''):
    return Row(what, str(count), compared, target="0", met=not count)


def _differences(reference, state, captured, refunded, booked, is_till, payment):
    """Yield in words what differs for a payment, which was maybe never created."""
    sums = payment['aggregate'] if payment else None
    expected = (0, 0) if not sums else (
        sums['capturedAmount']['value'], sums['refundedAmount']['value'],
    )
    if (captured, refunded) != expected:
        yield f"{reference}: {state}, captured and refunded {captured, refunded}, not {expected}"
    if sums and payment['state'] == 'AUTHORIZED':
        reserved = sums['authorizedAmount']['value'] - sums['cancelledAmount']['value']
        if reserved != expected[0]:
            yield f"{reference}: {state}, {reserved - expected[0]} is still reserved"
    if booked != (0 if is_till else captured - refunded):
        yield f"{reference}: {state}, {booked} is booked"


def _memory(soak):
    """Return how the workers that were not killed have grown since they were warm."""
    warm = next(
        sizes for seconds, sizes in soak.memory if seconds >= WARM * (soak.end - soak.start)
    )
    last = soak.memory[-1][1]
    return [
        Row(
            f"{kind}: private memory", f"{last[kind]:.0f} MiB", f"when warm: {size:.0f} MiB",
            last[kind] / size, f"at most {GROWTH:g} times and {SLACK} MiB more",
            last[kind] <= GROWTH * size + SLACK,
        ) for kind, size in warm.items()
    ]
