"""Measure how fast orders are confirmed and booked after an outage, with us and by core alone."""

import time

from .figures import Row
from .payments import Copies

ORDERS = 40
PATIENCE = 600  # seconds until all orders must be confirmed
CORE_JOB = 'payment.cron_post_process_payment_tx'
PAID = {'state': "'done'", 'is_post_processed': 'false', 'vipps_payment_reference': 'NULL'}
CONFIRMED = """
    SELECT count(*)
      FROM payment_transaction t
      JOIN sale_order_transaction_rel r ON r.transaction_id = t.id
      JOIN sale_order o ON o.id = r.sale_order_id
     WHERE t.reference = ANY(%s) AND t.is_post_processed AND o.state = 'sale'
"""


def measure(shop):
    """Let core's job finish payments of the demo provider, and ours read, capture and finish as
    many of the same orders. Our mails are left to a job of their own, which nobody waits for."""
    shop.publish_demo()
    with shop.jobs_paused():
        references = Copies(shop, 'demo').add(ORDERS, PAID)
        theirs = _confirm(shop, references, lambda: shop.rpc(
            'ir.cron', 'method_direct_trigger', [shop.rpc.reference(CORE_JOB)],
        ))
    with shop.webhooks_lost():
        references = shop.copies.add(ORDERS, {'is_post_processed': 'false'}, approved=True)
        with shop.jobs_paused():
            for reference in references:
                shop.send_event(reference)
        ours = _confirm(shop, references)
    return [Row(
        "Orders read, captured, confirmed and booked after an outage", f'{ours:.1f} orders/s',
        f"`payment_demo`, by core's job, with its mails: {theirs:.1f} orders/s",
        ours / theirs, "at least 0.9", ours >= 0.9 * theirs,
    )]


def _confirm(shop, references, act=lambda: None):
    """Return how many orders are confirmed and booked in a second."""
    started = time.monotonic()
    act()
    shop.wait(
        f"{len(references)} orders are confirmed",
        lambda: shop.value(CONFIRMED, references) == len(references), PATIENCE,
    )
    return len(references) / (time.monotonic() - started)
