"""A sale at the till to a customer who scans the sticker there."""

from simulator.sales_units import NOK_UNIT

from .purchase import STICKER, Purchase, major
from .steps import expect
from .till import Cashier, Till
from .waiting import wait_until


class StickerPurchase(Purchase):
    """One sale, from the scan to the closed session."""

    def __init__(self, stack, cashier):
        """Prepare to sell at the till of a running stack.

        :param str cashier: The login of the cashier.
        """
        super().__init__(stack, STICKER)
        self._login = cashier
        self._till = None
        self._sale = None

    def _steps(self):
        """Return the steps as pairs of name and method."""
        return [
            ("till opened", self._open),
            ("sticker scanned", self._scan),
            ("customer waiting", self._wait_for_customer),
            ("amount sent to the app", self._ask),
            ("approved on the phone", self._approve),
            ("till says paid", self._wait_for_payment),
            ("order paid", self._finish),
            ("captured", self._check_aggregate),
            ("session closed", self._close),
            ("in the books", self._check_books),
        ]

    def _open(self):
        """Open the till that has a sticker."""
        config = make_sticker(self.stack)
        self._till = Till(Cashier(self.stack, self._login), config)
        return "Odoo: pos.session", None

    def _scan(self):
        """Scan the sticker with the phone."""
        number = self._till.data['pos.config']['vipps_sticker_number']
        self.customer.open(f'{self.stack.simulator_url}/phone').form('/phone/scan', qr_id=number)
        self.customer.open(
            f'{self.stack.simulator_url}/phone/scan', {'msn': NOK_UNIT.msn, 'qr_id': number},
        )
        return "Simulator: phone", None

    def _wait_for_customer(self):
        """Have the till know of the customer."""
        waiting = wait_until(self._till.list_check_ins)
        expect(len(waiting) == 1, waiting)
        return "Till: customers waiting", None

    def _ask(self):
        """Press *Sticker* for an order; the first call binds the customer, the second one asks."""
        self._sale = self._till.new_order()
        self._till.add_payment(self._sale)
        self.reference = self._till.create(self._sale, flow='sticker')['reference']
        self._till.attempt('start', self.reference)
        status = self._till.attempt('start', self.reference)
        expect(status['state'] == 'waiting', status)
        return "Simulator: state", major(self._payment()['amount'])

    def _wait_for_payment(self):
        """Have the till know that the customer has approved."""
        status = wait_until(
            lambda: self._till.attempt('get', self.reference),
            lambda found: found['state'] == 'paid',
        )
        return "Till: payment line", self._same(status['amount'])

    def _finish(self):
        """Validate the order."""
        self._till.finish(self._sale)
        order, = self.stack.rpc(
            'pos.order', 'read', [self._sale.server_id], ['name', 'state', 'amount_paid'],
        )
        expect(order['state'] == 'paid', order)
        return f"Odoo: pos.order {order['name']}", self._same(order['amount_paid'])

    def _close(self):
        """Close the session, which books what was sold."""
        answer = self._till.close()
        expect(answer['successful'], answer)
        return "Odoo: pos.session", None

    def _check_books(self):
        """Have the books say that the money is there."""
        payment, = self.stack.rpc(
            'account.payment', 'search_read', [('pos_session_id', '=', self._till.session)],
            ['name', 'state', 'amount', 'payment_type'],
        )
        expect(payment['state'] == 'posted' and payment['payment_type'] == 'inbound', payment)
        return f"Odoo: account.payment {payment['name']}", self._same(payment['amount'])


def make_sticker(stack):
    """Make the sticker of the shop in town, so that the phone can scan it; returns the till."""
    config, = stack.rpc('pos.config', 'search', [], limit=1, order='id')
    stack.rpc('pos.config', 'action_vipps_make_sticker', [config])
    return config
