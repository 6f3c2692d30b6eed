"""A purchase from the shop's page to the posted payment, over HTTP as a customer's browser does."""

import json
import urllib.parse

from .customer import Customer, ShopError
from .steps import Steps, expect
from .waiting import wait_until

PRODUCT = "Thermos, 0.75 l"

# What a purchase does without, and so who else tells Odoo that the payment was approved; or how it
# is made.
RETURN, WEBHOOKS, FULL_CAPTURE = 'without_return', 'without_webhooks', 'without_full_capture'
EXPRESS, INVOICE, STICKER = 'express', 'invoice', 'sticker'
TITLES = {
    RETURN: "Without the return: nobody comes back, so that only webhooks say how it went",
    WEBHOOKS: "Without webhooks: none arrives, so that the shop's pages have to ask how it went",
    FULL_CAPTURE: "Without a full capture: the staff capture a part, refund a part of that, and"
                  " release the rest",
    EXPRESS: "Express: one press in the cart; address and delivery are chosen in the app",
    INVOICE: "An invoice: the code on the paper leads to the page that takes the payment",
    STICKER: "A sticker: the customer scans it at the till, and the app shows what to pay",
}


class Purchase(Steps):
    """One purchase."""

    def __init__(self, stack, case):
        """Prepare to buy from a running stack.

        :param str case: One of :data:`TITLES`; without a class of its own, `RETURN` or `WEBHOOKS`.
        """
        super().__init__(stack, TITLES[case])
        self.case = case
        self.customer = Customer(stack.url, stack.simulator_url)
        self.reference = None
        self.values = None
        self.landing = None

    def _steps(self):
        """Return the steps as pairs of name and method."""
        if self.case == RETURN:
            return [
                *self._approving(),
                ("webhook accepted", self._check_accepted),
                ("event processed", self._check_processed),
                *self._booking(),
            ]
        return [
            ("webhooks cut off", self._lose_webhooks),
            *self._approving(),
            ("back in the shop", self._return),
            ("status page says paid", self._wait_for_status),
            *self._booking(),
            ("all webhooks lost", self._check_lost),
            ("inbox empty", self._check_inbox),
        ]

    def _approving(self):
        """Return the steps up to an approved payment as pairs of name and method."""
        return [
            ("put into the cart", self._fill_cart),
            ("address given", self._give_address),
            ("payment started", self._start_payment),
            ("sent to Vipps MobilePay", self._follow_redirect),
            ("approved on the phone", self._approve),
        ]

    def _booking(self):
        """Return the steps from an approved payment to the books as pairs of name and method."""
        return [
            ("captured", self._check_aggregate),
            ("transaction done", self._check_transaction),
            ("order confirmed", self._check_order),
            ("payment posted", self._check_payment),
        ]

    def _lose_webhooks(self):
        """Let no webhook arrive from now on."""
        self.stack.control('POST', 'faults', operation='webhook', kind='lost', times=None)
        return "Simulator: faults", None

    def _fill_cart(self):
        """Find a product in the shop and put it into the cart."""
        self.customer.add_to_cart(PRODUCT)
        order = self._order()
        expect(order['state'] == 'draft' and order['cart_quantity'] == 1, order)
        return "Odoo: sale.order", order['amount_total']

    def _give_address(self):
        """Say where to send it; the shop offers the only delivery there is."""
        self.customer.enter_address()
        self.customer.open('/shop/payment')
        order = self._order()
        expect(order['carrier_id'], order)
        return "Odoo: sale.order", order['amount_total']

    def _start_payment(self):
        """Choose Vipps and press *Pay now*."""
        self.values = self.customer.start_payment()
        self.reference = self._transaction()['vipps_payment_reference']
        payment = self._payment()
        expect(payment['state'] == 'CREATED', payment)
        return "Simulator: state", major(payment['amount'])

    def _follow_redirect(self):
        """Send the redirect form, as the shop's script does, and arrive at the landing page."""
        return self._expect_landing(self.customer.follow(self.values))

    def _arrive(self, url, fields):
        """Send a form that starts a payment, and arrive at the landing page."""
        seen = self._expect_landing(self.customer.open(url, fields))
        self.reference = self._transaction()['vipps_payment_reference']
        return seen

    def _expect_landing(self, page):
        self.landing = page
        expect(page.url.startswith(f'{self.stack.simulator_url}/landing'), page.url)
        return "Simulator: landing page", None

    def _approve(self, **choices):
        """Take the phone and approve."""
        self.customer.decide(self.reference, 'approve', **choices)
        payment = self._payment()
        expect(payment['state'] == 'AUTHORIZED', payment)
        return "Simulator: aggregate", major(payment['aggregate']['authorizedAmount'])

    def _return(self):
        """Let the landing page send the customer back."""
        page = self.customer.open(self.landing.url)
        expect(urllib.parse.urlsplit(page.url).path == '/payment/status', page.url)
        return "Shop: status page", None

    def _wait_for_status(self):
        """Poll as the status page does until the payment is final, and go where it leads."""
        def ask():
            try:
                return self.customer.ask_for_status()
            except ShopError as error:
                if str(error) != 'retry':  # Odoo still works on the payment.
                    raise
                return None

        status = wait_until(ask, lambda status: status and status['state'] == 'done')
        page = self.customer.open(status['landing_route'])
        expect(urllib.parse.urlsplit(page.url).path == '/shop/confirmation', page.url)
        return "Shop: confirmation page", None

    def _check_accepted(self):
        """Have Vipps MobilePay's side say that the shop took the news of the approval."""
        wait_until(self._deliveries, lambda found: any(
            delivery['name'] == 'AUTHORIZED' and delivery['accepted'] for delivery in found
        ))
        return "Simulator: deliveries", None

    def _check_processed(self):
        """Have the inbox say that the payment was read because of them."""
        wait_until(self._events, lambda found: any(
            event['name'] == 'AUTHORIZED' and event['state'] == 'processed' for event in found
        ))
        return "Odoo: vipps.webhook.event", None

    def _check_aggregate(self):
        """Have Vipps MobilePay's side say that all was captured, and nothing else was done."""
        payment = wait_until(
            self._payment, lambda found: found['aggregate']['capturedAmount']['value'],
        )
        aggregate = payment['aggregate']
        expect(aggregate['capturedAmount'] == aggregate['authorizedAmount'], aggregate)
        expect(aggregate['refundedAmount']['value'] == 0, aggregate)
        expect(aggregate['cancelledAmount']['value'] == 0, aggregate)
        return "Simulator: aggregate", self._same(major(aggregate['capturedAmount']))

    def _check_transaction(self):
        """Have Odoo's transaction say the same."""
        transaction = wait_until(self._transaction, lambda found: found['state'] == 'done')
        return "Odoo: payment.transaction", self._same(transaction['amount'])

    def _check_order(self):
        """Have the order say that it is confirmed."""
        order = wait_until(self._order, lambda found: found['state'] == 'sale')
        return f"Odoo: sale.order {order['name']}", self._same(order['amount_total'])

    def _check_payment(self):
        """Have the books say that the money is there."""
        transaction = wait_until(self._transaction, lambda found: found['payment_id'])
        payment, = self.stack.rpc(
            'account.payment', 'read', [transaction['payment_id'][0]],
            ['name', 'state', 'amount', 'payment_type'],
        )
        expect(payment['state'] == 'posted' and payment['payment_type'] == 'inbound', payment)
        return f"Odoo: account.payment {payment['name']}", self._same(payment['amount'])

    def _check_lost(self):
        """Have Vipps MobilePay's side say that it told of everything, and to nobody."""
        deliveries = self._deliveries()
        expect({found['name'] for found in deliveries} == {'CREATED', 'AUTHORIZED', 'CAPTURED'}
                and not any(found['accepted'] for found in deliveries), deliveries)
        return "Simulator: deliveries", None

    def _check_inbox(self):
        """Have the inbox say that nothing came."""
        events = self._events()
        expect(not events, events)
        return "Odoo: vipps.webhook.event", None

    def _order(self):
        """Return the newest order, as the back office sees it."""
        fields = ['name', 'state', 'amount_total', 'cart_quantity', 'carrier_id']
        order, = self.stack.rpc('sale.order', 'search_read', [], fields, limit=1, order='id desc')
        return order

    def _transaction(self):
        """Return the newest transaction, as the back office sees it."""
        fields = ['state', 'amount', 'payment_id', 'vipps_payment_reference']
        transaction, = self.stack.rpc(
            'payment.transaction', 'search_read', [('provider_code', '=', 'vipps')], fields,
            limit=1, order='id desc',
        )
        return transaction

    def _payment(self):
        """Return the payment as Vipps MobilePay's side has it."""
        return self.stack.control('GET', f'payments/{self.reference}')

    def _deliveries(self):
        """Return the deliveries of the webhooks about the payment."""
        found = self.stack.control('GET', 'deliveries')['deliveries']
        return [
            {name: delivery[name] for name in ('name', 'result', 'accepted')}
            for delivery in found if delivery['reference'] == self.reference
        ]

    def _events(self):
        """Return the events of the payment in the inbox."""
        domain = [('reference', '=', self.reference)]
        return self.stack.rpc('vipps.webhook.event', 'search_read', domain, ['name', 'state'])

    def _same(self, amount):
        """Return the amount when it is the one the customer approved."""
        approved = next(
            entry['amount'] for entry in self.timeline if entry['step'] == "approved on the phone"
        )
        expect(round(amount * 100) == round(approved * 100), f"{amount} is not {approved}")
        return amount


def major(amount):
    """Return an amount of the API in kroner."""
    return amount['value'] / 100


def summary(purchases):
    """Return the line for people that says that all went well."""
    return f"All as expected, booked and paid out: {', '.join(p.reference for p in purchases)}"


def as_json(purchases, payout, failure):
    """Return the timelines for programs; `payout` is None when it was not reached, and `failure`
    after a success."""
    return json.dumps({
        'ok': not failure, 'error': failure and str(failure), 'currency': 'NOK',
        'purchases': [
            {
                'case': bought.case, 'reference': bought.reference,
                'timeline': bought.timeline, 'journal_items': bought.entries,
            }
            for bought in purchases
        ],
        'payout': payout and {
            'number': payout.number, 'timeline': payout.timeline, 'journal_items': payout.entries,
        },
    }, indent=2)
