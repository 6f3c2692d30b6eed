"""A week of payments and payouts before the demo starts."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta

from simulator.sales_units import NOK_UNIT

from .cache import ADDON
from .console import say
from .customer import Customer
from .payout import import_bank_lines, set_up_ledger
from .waiting import wait_until

# The products that are bought on each day, by a customer each; and the day on which the first of
# these gets a part of the money back.
DAYS = (
    ("Wool socks", "Rain jacket"),
    ("Thermos, 0.75 l", "Camping mug", "Brown cheese, 500 g"),
    ("Rain jacket", "Wool socks"),
    ("Camping mug", "Thermos, 0.75 l"),
    ("Brown cheese, 500 g", "Rain jacket", "Wool socks"),
    ("Thermos, 0.75 l",),
    ("Rain jacket", "Camping mug"),
)
REFUND_DAY, REFUNDED = 2, 0.25
# The payout that a person has to find on the bank statement.
UNCLEAR_PAYOUT = 3

# Records that were made today are of a day before.
BACKDATE = (
    "UPDATE payment_transaction SET create_date = create_date + %(days)s * interval '1 day'"
    " WHERE id > %(tx)s",
    "UPDATE sale_order SET date_order = date_order + %(days)s * interval '1 day'"
    " WHERE id > %(order)s",
    "UPDATE account_move SET date = date + %(days)s WHERE id > %(move)s",
    "UPDATE account_move_line SET date = date + %(days)s WHERE move_id > %(move)s",
)
LAST = (
    'SELECT (SELECT COALESCE(MAX(id), 0) FROM payment_transaction),'
    ' (SELECT COALESCE(MAX(id), 0) FROM sale_order),'
    ' (SELECT COALESCE(MAX(id), 0) FROM account_move)'
)


class Week:
    """The settlements of the shop of the demo."""

    def __init__(self, stack):
        """Describe the week of a running stack; nothing is done."""
        self.stack = stack
        self._path = f'settlements/{NOK_UNIT.msn}'

    def prepare(self):
        """Have a week of payouts in the shop and in the simulator, which forgets with each start.
        """
        entries = self.stack.rpc(
            'vipps.settlement.entry', 'search_read', [('source', '=', 'api')], ['topic', 'raw'],
            order='id',
        )
        if entries:
            self._restore(entries)
        else:
            self._make()

    def _make(self):
        """Buy and pay out day by day, and import what the bank says."""
        say("Making a week of payments and payouts ...")
        first = date.today() - timedelta(days=len(DAYS))
        self.stack.control('POST', self._path, open_date=first.isoformat(), automatic=False)
        payouts = []
        for number, names in enumerate(DAYS):
            last = self.stack.execute(LAST)[0]
            payments = self._buy(names)
            if number == REFUND_DAY:
                self._refund(payments[0])
            self._backdate(number - len(DAYS), last)
            payouts += self.stack.control('POST', f'{self._path}/close')['payouts']
        self.stack.control('POST', self._path, automatic=True)
        set_up_ledger(self.stack)
        self._fetch()
        self._import_statement(payouts)

    def _buy(self, names):
        """Let customers buy products; returns their payments in the books."""
        with ThreadPoolExecutor() as customers:
            references = list(customers.map(self._pay_order, names))
        for reference in references:
            self.stack.control('POST', f'payments/{reference}/approve')
        return wait_until(
            lambda: self._get_payments(references), lambda found: len(found) == len(references),
        )

    def _pay_order(self, name):
        """Start to pay an order by the link that the customer got; returns the reference."""
        rpc = self.stack.rpc
        product, = rpc('product.product', 'search', [('name', '=', name)], limit=1)
        customer, = rpc('res.partner', 'search', [('name', '=', "Ingrid Berg")])
        order = rpc('sale.order', 'create', {
            'partner_id': customer, 'order_line': [(0, 0, {'product_id': product})],
        })
        read, = rpc('sale.order', 'read', [order], ['amount_total'])
        link = rpc('sale.order', 'action_preview_sale_order', [order])['url']
        values = Customer(self.stack.url, self.stack.simulator_url).call(
            f'/my/orders/{order}/transaction',
            access_token=link.partition('access_token=')[2].partition('&')[0],
            provider_id=rpc.reference(f'{ADDON}.payment_provider_vipps'),
            payment_method_id=rpc.reference('payment.payment_method_vipps'),
            token_id=None, amount=read['amount_total'], flow='redirect',
            tokenization_requested=False, landing_route=link,
        )
        found, = rpc(
            'payment.transaction', 'search_read', [('reference', '=', values['reference'])],
            ['vipps_payment_reference'],
        )
        return found['vipps_payment_reference']

    def _get_payments(self, references):
        return self.stack.rpc(
            'account.payment', 'search_read',
            [('state', '=', 'posted'), ('vipps_payment_reference', 'in', references)],
            ['amount', 'vipps_payment_reference'], order='id',
        )

    def _refund(self, payment):
        """Refund a part of a payment, in the window that its button opens."""
        rpc, model = self.stack.rpc, 'account.payment'
        action = rpc(model, 'action_refund_wizard', [payment['id']])
        context = {'active_model': model, 'active_id': payment['id']}
        amount = round(payment['amount'] * REFUNDED, 2)
        wizard = rpc(
            action['res_model'], 'create', {'amount_to_refund': amount}, context=context
        )
        rpc(action['res_model'], 'action_refund', [wizard], context=context)
        wait_until(
            lambda: self._get_payments([payment['vipps_payment_reference']]),
            lambda found: len(found) == 2,
        )

    def _backdate(self, days, last):
        """Move what was added after the last records by a number of days."""
        values = {'days': days, **dict(zip(('tx', 'order', 'move'), last, strict=True))}
        self.stack.execute(*((statement, values) for statement in BACKDATE))

    def _fetch(self):
        """Fetch, book and match all entries."""
        ledgers = self.stack.rpc('vipps.settlement.ledger', 'search', [])
        self.stack.rpc('vipps.settlement.ledger', 'action_fetch', ledgers)
        wait_until(lambda: not self.stack.rpc('vipps.settlement.entry', 'search_count', [
            ('topic', '=', 'funds'), ('state', '!=', 'matched'),
        ]))

    def _import_statement(self, payouts):
        """Import the bank lines of all payouts but the last one. Of one of them, the text does not
        say its number, and another customer has paid the same amount."""
        today = date.today().isoformat()
        for number, payout in enumerate(payouts[:-1]):
            texts = [payout['reference']]
            if number == UNCLEAR_PAYOUT:
                texts = ["Vipps MobilePay AS", "Innbetaling"]
            import_bank_lines(
                self.stack, payout['amount'] / 100, texts, min(payout['bankDate'], today),
            )
        arrived = len(payouts) - 2
        wait_until(lambda: self.stack.rpc('vipps.settlement.payout', 'search_count', [
            ('state', '=', 'arrived'),
        ]) == arrived)

    def _restore(self, entries):
        """Give the simulator the entries that Odoo has fetched, so that it goes on from there.

        :param list entries: The `topic` and the `raw` entry of each.
        """
        raws = [entry['raw'] for entry in entries]
        payouts = [raw for raw in raws if raw['entryType'] == 'payout-scheduled']
        day = max(raw['ledgerDate'] for raw in raws)
        is_over = day in {payout['ledgerDate'] for payout in payouts}
        numbers = [int(payout['pspReference'].partition('-')[2]) for payout in payouts]
        self.stack.control(
            'POST', self._path, automatic=False, next_payout=max(numbers) + 1,
            open_date=(date.fromisoformat(day) + timedelta(days=is_over)).isoformat(),
        )
        self.stack.control('POST', f'{self._path}/entries', entries=[{
            'topic': entry['topic'], 'entryType': raw['entryType'], 'amount': raw['amount'],
            'changes': raw,
        } for entry, raw in zip(entries, raws, strict=True)])
        self.stack.control('POST', self._path, automatic=True)
