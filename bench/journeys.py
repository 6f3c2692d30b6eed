"""Count the SQL queries and the calls to Vipps MobilePay of one payment."""

from tools.customer import Customer

from .figures import Row
from .payments import MAKE_DUE

WARM_UP, PAYMENTS = 3, 20


def measure(shop):
    """Count on each way when everything is warm."""
    with shop.webhooks_lost(), shop.jobs_paused():
        shop.run_job('cron_sync_payments')  # what was waiting
        for _customer in range(WARM_UP):
            _walk(shop)
        counts = [
            *_walk(shop),
            _count_job(shop, "an event drained: read, captured, done",
                       'cron_sync_payments', approved=True),
            _count_job(shop, "an open payment read by the job",
                       'cron_sync_payments', approved=False),
        ]
    return [
        Row(f"Cost of {what}", f'{queries} SQL queries, {calls} outbound calls')
        for what, queries, calls in counts
    ]


def _walk(shop):
    """Be a customer who pays and comes back before anybody else looks; returns the counts."""
    customer = shop.new_customer()
    size = shop.log_size()
    reference = customer.press_pay()['reference']
    started = (
        "a checkout start", shop.queries('POST /shop/payment/transaction', size),
        len(shop.calls_about(reference)),
    )
    shop.approve(reference)
    size = shop.log_size()
    shop.send_event(reference)
    received = (
        "a webhook", shop.queries('POST /payment/vipps/webhook', size),
        len(shop.calls_about(reference)) - started[-1],
    )
    return_url = shop.control('GET', f'payments/{reference}')['request']['returnUrl']
    Customer(shop.stack.url, shop.stack.simulator_url).open(return_url)
    returned = (
        "a return page: read, captured, order confirmed",
        shop.queries('GET /payment/vipps/return', size),
        len(shop.calls_about(reference)) - started[-1] - received[-1],
    )
    shop.check_done([reference])
    return [started, received, returned]


def _count_job(shop, what, job, approved):
    """Return the cost of a job for one payment, without the cost of an idle run."""
    shop.run_job(job)
    _seconds, idle = shop.run_job(job)
    references = shop.copies.add(PAYMENTS, with_orders=False, approved=approved)
    if approved:
        for reference in references:
            shop.send_event(reference)
    else:
        shop.sql(MAKE_DUE, references)
    _seconds, busy = shop.run_job(job)
    if approved:
        shop.check_done(references)
    calls = len(shop.calls_about(*references))
    return what, round((busy - idle) / PAYMENTS), round(calls / PAYMENTS)
