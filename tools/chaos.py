"""Let things go wrong while people trade, and check that both sides agree afterwards.

Shared by the test of chaos and by `./dev bench soak`, whose people act in their own ways.
"""

from http.client import HTTPException

from .customer import ShopError
from .waiting import wait_until

FAULTS = [
    {'operation': 'webhook', 'kind': 'lost', 'times': 3},
    {'operation': 'webhook', 'kind': 'late', 'seconds': 3, 'times': 2},
    {'operation': 'webhook', 'kind': 'duplicate', 'times': 3},
    {'operation': 'webhook', 'kind': 'reorder', 'seconds': 2, 'times': 2},
    {'operation': 'create', 'kind': 'lost_answer', 'times': 2},
    {'operation': 'create', 'kind': 'status', 'status': 503, 'times': 4},
    {'operation': 'get', 'kind': 'status', 'status': 500, 'times': 4},
    {'operation': 'get', 'kind': 'status', 'status': 429, 'retry_after': 1, 'times': 2},
    {'operation': 'get', 'kind': 'garbage', 'times': 1},
    {'operation': 'get', 'kind': 'stale', 'times': 2},
    {'operation': 'get', 'kind': 'lost', 'times': 2},
    {'operation': 'get', 'kind': 'latency', 'seconds': 2, 'times': 2},
    {'operation': 'capture', 'kind': 'lost_answer', 'times': 4},
    {'operation': 'capture', 'kind': 'status', 'status': 503, 'times': 4},
    {'operation': 'capture', 'kind': 'truncated', 'times': 1},
    {'operation': 'events', 'kind': 'status', 'status': 500, 'times': 3},
    {'operation': 'cancel', 'kind': 'lost_answer', 'times': 3},
    {'operation': 'refund', 'kind': 'lost_answer', 'times': 2},
    {'operation': 'token', 'kind': 'status', 'status': 500, 'times': 1},
]

# What people meet when workers are killed and Vipps MobilePay does not answer; what `requests`
# raises is an OSError, too.
BAD_LUCK = (OSError, HTTPException, ShopError, LookupError)

MAKE_OLDER = "UPDATE {table} SET {column} = {column} - interval '2 hours' WHERE id > %s"

# The payments with what Odoo has captured and refunded of them, in minor units, and what is in the
# books for them; those of tills are booked when their sessions are closed.
PAYMENTS = """
    WITH RECURSIVE part AS (
        SELECT id, id AS root_id, operation, state, amount, NULL::varchar AS root_operation
          FROM payment_transaction
         WHERE vipps_payment_reference IS NOT NULL AND source_transaction_id IS NULL AND id > %s
         UNION ALL
        SELECT tx.id, part.root_id, tx.operation, tx.state, tx.amount,
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
                   FILTER (WHERE move.state = 'posted') AS booked,
               count(*) FILTER (WHERE move.state = 'draft') AS unposted
          FROM part
          LEFT JOIN account_payment payment ON payment.payment_transaction_id = part.id
          LEFT JOIN account_move move ON move.id = payment.move_id
         GROUP BY root_id
    )
    SELECT tx.vipps_payment_reference, tx.state,
           round(COALESCE(
               CASE WHEN has_captures THEN captured WHEN tx.state = 'done' THEN tx.amount END, 0
           ) * 100)::int,
           round(COALESCE(refunded, 0) * 100)::int,
           round(COALESCE(booked, 0) * 100)::int,
           unposted,
           (SELECT count(*) FROM sale_order_transaction_rel rel
              JOIN sale_order ON sale_order.id = rel.sale_order_id
             WHERE rel.transaction_id = tx.id AND sale_order.state NOT IN ('sale', 'done')),
           tx.vipps_pos_config_id IS NOT NULL
      FROM sums JOIN payment_transaction tx ON tx.id = root_id
"""
UNFINISHED = """
    SELECT count(*) FROM payment_transaction
     WHERE provider_id IN (SELECT id FROM payment_provider WHERE code = 'vipps') AND id > %s AND (
         state NOT IN ('done', 'cancel')
         OR id IN (SELECT transaction_id FROM vipps_task WHERE kind IN ('confirm', 'book'))
         OR (state = 'done' AND NOT COALESCE(is_post_processed, false)
             AND vipps_pos_config_id IS NULL)
     )
"""
# Events of payments that are in Odoo are processed; others do not wait.
WAITING_EVENTS = """
    SELECT count(*) FROM vipps_webhook_event
     WHERE id > %s AND (
         state IN ('pending', 'failed') OR state = 'unmatched' AND error IS NULL
         OR (state != 'processed' AND reference IN (
             SELECT vipps_payment_reference FROM payment_transaction
         ))
     )
"""
# What the closing of sessions has booked of the payments that they took with Vipps MobilePay.
BOOKED_BY_TILLS = """
    SELECT payment.pos_session_id, round(sum(line.balance) * 100)::int
      FROM account_payment payment
      JOIN account_move move ON move.id = payment.move_id
      JOIN account_move_line line ON line.move_id = move.id
      JOIN pos_payment_method method ON method.id = payment.pos_payment_method_id
     WHERE payment.pos_session_id = ANY(%s) AND method.use_payment_terminal = 'vipps'
       AND line.account_id = payment.outstanding_account_id AND move.state = 'posted'
     GROUP BY payment.id
"""
UNBALANCED = """
    SELECT count(*) FROM (
        SELECT move_id FROM account_move_line GROUP BY move_id HAVING abs(sum(balance)) > 0.001
    ) moves
"""


def make_trouble(stack, choose, spared=()):
    """Let one thing go wrong; returns its kind.

    :param tools.stack.Stack stack: The shop.
    :param random.Random choose: Who chooses.
    :param spared: The process ids of the workers that are not killed.
    """
    kind = choose.choices(('fault', 'WorkerHTTP', 'WorkerCron', 'token'), (12, 2, 2, 1))[0]
    if kind == 'fault':
        stack.control('POST', 'faults', **choose.choice(FAULTS))
    elif kind == 'token':
        stack.control('POST', 'tokens/revoke')
    else:
        others = [pid for pid in stack.workers(kind) if pid not in spared]
        if others:
            stack.kill_worker(choose.choice(others))
    return kind


class Verdict:
    """Compares Odoo with the simulator, for all payments since a moment."""

    def __init__(self, stack):
        """Remember the payments and events that exist already.

        :param tools.stack.Stack stack: The shop.
        """
        self._stack = stack
        self._earlier = set()
        self._earlier = self.get_payments().keys()
        (self._last_tx, self._last_event), = stack.execute(
            "SELECT (SELECT COALESCE(max(id), 0) FROM payment_transaction),"
            " (SELECT COALESCE(max(id), 0) FROM vipps_webhook_event)"
        )

    def get_payments(self):
        """Return the payments at the simulator, by their references."""
        return {
            payment['reference']: payment
            for payment in self._stack.control('GET', 'payments')['payments']
            if payment['reference'] not in self._earlier
        }

    def let_time_pass(self):
        """Let open payments run out of time and all events arrive, and make it certain that a
        payment was never created, or that an event has no payment."""
        for reference, payment in self.get_payments().items():
            if payment['state'] == 'CREATED':
                self._stack.control('POST', f'payments/{reference}/expire')
        self._stack.control('POST', 'clock', advance=4000)  # All events are sent again by then.
        wait_until(lambda: not self._stack.control('GET', 'deliveries')['pending'])
        self._stack.execute(
            (MAKE_OLDER.format(table='payment_transaction', column='create_date'),
             [self._last_tx]),
            (MAKE_OLDER.format(table='vipps_webhook_event', column='pending_since'),
             [self._last_event]),
        )

    def count_unfinished(self):
        """Return how many transactions are not final, not confirmed or not booked."""
        return self._count(UNFINISHED, self._last_tx)

    def count_waiting_events(self):
        """Return how many events wait or have failed."""
        return self._count(WAITING_EVENTS, self._last_event)

    def count_unbalanced(self):
        """Return how many journal entries do not balance."""
        return self._count(UNBALANCED)

    def compare(self):
        """Return the payments in Odoo, and their differences from the simulator's in words.

        :return: The rows of the query of payments, and the differences.
        :rtype: tuple[list, list[str]]
        """
        ours, theirs = self._stack.execute((PAYMENTS, [self._last_tx])), self.get_payments()
        found = [text for row in ours for text in differences(*row, theirs.pop(row[0], None))]
        # A killed worker has made them, and no customer has ever seen them.
        found += [
            f"{reference} is not in Odoo, but {payment['state']}"
            for reference, payment in theirs.items()
            if payment['state'] not in ('EXPIRED', 'TERMINATED')
        ]
        return ours, found

    def _count(self, query, *parameters):
        (count,), = self._stack.execute((query, parameters))
        return count


def differences(
    reference, state, captured, refunded, booked, unposted, unconfirmed, is_till, payment
):
    """Yield the differences of a payment, in words; all sums are in minor units.

    :param int unposted: The number of payments in the books that are drafts.
    :param int unconfirmed: The number of its sales orders that are not confirmed.
    :param bool is_till: Whether the closing of a session books it.
    :param dict payment: The payment at the simulator; None if it was never created.
    """
    sums = payment['aggregate'] if payment else None
    expected = (0, 0) if not sums else (
        sums['capturedAmount']['value'], sums['refundedAmount']['value'],
    )
    if (captured, refunded) != expected:
        yield f"{reference}: {state}, captured and refunded {captured, refunded}, not {expected}"
    if state != ('done' if expected[0] else 'cancel'):
        yield f"{reference}: {state}, but {expected[0]} is captured"
    if sums and payment['state'] == 'AUTHORIZED':
        reserved = sums['authorizedAmount']['value'] - sums['cancelledAmount']['value']
        if reserved != expected[0]:
            yield f"{reference}: {state}, {reserved - expected[0]} is still reserved"
    captures = sum(event['name'] == 'CAPTURED' for event in payment['events']) if payment else 0
    if captures > 1:
        yield f"{reference}: captured {captures} times"
    if booked != (0 if is_till else captured - refunded) or unposted:
        yield f"{reference}: {state}, {booked} is booked, {unposted} payments are drafts"
    if captured and unconfirmed:
        yield f"{reference}: {state}, {unconfirmed} orders are not confirmed"
