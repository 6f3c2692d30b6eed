"""Measure the waits of customers: for the start of a payment, and from its approval to done."""

import statistics
import time

from tools.console import Failure
from tools.customer import Customer

from .figures import Row, in_ms, ratio_of_medians

WARM_UP, CUSTOMERS = 3, 25
PATIENCE = 60


class TimedCustomer(Customer):
    """A customer with a watch."""

    seconds = None  # that the last call took

    def call(self, route, **parameters):
        """Call a route of the shop, as anybody does."""
        started = time.perf_counter()
        result = super().call(route, **parameters)
        self.seconds = time.perf_counter() - started
        return result


def measure_start(shop):
    """Press *Pay now* with us and with the demo provider, in turn."""
    shop.publish_demo()
    ours, theirs, calls = [], [], []
    with shop.jobs_paused():  # The event of the new payment would be dealt with meanwhile.
        for number in range(WARM_UP + CUSTOMERS):
            customer = shop.new_customer(TimedCustomer)
            reference = customer.press_pay()['reference']
            other = shop.new_customer(TimedCustomer)
            other.press_pay('demo')
            if number >= WARM_UP:
                ours.append(customer.seconds)
                theirs.append(other.seconds)
                calls.append(len(shop.calls_about(reference)))
    ratio = ratio_of_medians(ours, theirs)
    return [
        Row("Starting a checkout", in_ms(ours), f"payment_demo: {in_ms(theirs)}", ratio),
        Row(
            "Outbound calls per checkout start, token warm", f'{statistics.mean(calls):g}',
            target="1", met=set(calls) == {1},
        ),
    ]


def measure_done(shop):
    """Approve payments one after the other, and look when each is done, while nobody polls."""
    references = [shop.new_customer().press_pay()['reference'] for _number in range(CUSTOMERS)]
    shop.wait_for_empty_inbox()
    times = [_time_until_done(shop, reference) for reference in references]
    shop.check_done(references)
    return [
        Row(
            "Approval to transaction done, nobody polling", in_ms(times), target="below 1 s",
            met=statistics.median(times) < 1,
        ),
        *_measure_return(shop),
    ]


def _measure_return(shop):
    """Come back from the app, and to the status page of the demo provider, in turn, each until the
    page says that it is paid; nobody else looks at the payments."""
    ours, theirs = [], []
    with shop.webhooks_lost(), shop.jobs_paused():
        for _number in range(WARM_UP + CUSTOMERS):
            customer, other = shop.new_customer(), shop.new_customer()
            reference = customer.press_pay()['reference']
            shop.approve(reference)
            return_url = shop.control('GET', f'payments/{reference}')['request']['returnUrl']
            other.call(
                '/payment/demo/simulate_payment', reference=other.press_pay('demo')['reference'],
                payment_details='4242', simulated_state='done',
            )
            ours.append(_time_page(customer, return_url))
            theirs.append(_time_page(other, '/payment/status'))
    (ours, ours_paid), (theirs, theirs_paid) = (
        zip(*times[WARM_UP:], strict=True) for times in (ours, theirs)
    )
    ratio, ratio_paid = ratio_of_medians(ours, theirs), ratio_of_medians(ours_paid, theirs_paid)
    return [
        Row(
            "Return from the app to the status page, payment read and captured", in_ms(ours),
            f"status page of `payment_demo`: {in_ms(theirs)}", ratio,
        ),
        Row(
            "The same, until the page says that it is paid", in_ms(ours_paid),
            f"`payment_demo`, which confirms the order meanwhile: {in_ms(theirs_paid)}",
            ratio_paid, "at most 1.5", ratio_paid <= 1.5,
        ),
    ]


def _time_page(customer, url):
    """Return the seconds until a page is there, and until it knows how the payment went.

    :raise Failure: When the payment is not done then.
    """
    started = time.perf_counter()
    customer.open(url)
    opened = time.perf_counter() - started
    answer = customer.ask_for_status()
    paid = time.perf_counter() - started
    if answer['state'] != 'done':
        raise Failure(f"{url}: the payment is {answer['state']}.")
    return opened, paid


def _time_until_done(shop, reference):
    """Return the seconds from the approval of a payment until its transaction is done."""
    query = 'SELECT state, is_post_processed FROM payment_transaction WHERE reference = %s'
    started = time.perf_counter()
    shop.approve(reference)
    shop.wait(
        f"{reference} is done", lambda: shop.sql(query, reference)[0][0] == 'done', PATIENCE,
        pause=0.003,
    )
    seconds = time.perf_counter() - started
    # The next one comes to a worker that has nothing else to do.
    shop.wait(f"{reference} is booked", lambda: shop.sql(query, reference)[0][1], PATIENCE)
    return seconds
