"""A purchase with one press in the cart: the rest is chosen in the app."""

from .purchase import EXPRESS, Purchase
from .steps import expect

START = '/payment/vipps/express/start'
COURIER = "Courier today"  # To Oslo, and nowhere else.
ADDRESS, CITY = 'home', "Oslo"


class ExpressPurchase(Purchase):
    """One purchase of somebody who gives no address in the shop."""

    def __init__(self, stack):
        """Prepare to buy from a running stack."""
        super().__init__(stack, EXPRESS)
        self._options = None

    def _steps(self):
        """Return the steps as pairs of name and method."""
        return [
            ("put into the cart", self._fill_cart),
            ("bought with one press", self._press),
            ("address chosen", self._choose_address),
            ("approved on the phone", self._approve),
            ("back in the shop", self._return),
            ("status page says paid", self._wait_for_status),
            *self._booking(),
            ("sent by the courier", self._check_delivery),
        ]

    def _press(self):
        """Press *Buy now with Vipps* in the cart, and arrive at the landing page."""
        form = self.customer.open('/shop/cart').form(START)
        return self._arrive(form['action'], form['fields'])

    def _choose_address(self):
        """Choose an address in the app, which asks the shop for the deliveries there."""
        self.customer.decide(self.reference, 'choose', address=ADDRESS)
        answer = self._payment()['questions'][-1]['answer']
        self._options = {
            option['name']: option for group in answer['groups'] for option in group['options']
        }
        expect(COURIER in self._options, answer)
        return "Simulator: deliveries offered", self._options[COURIER]['amount']['value'] / 100

    def _approve(self):
        """Choose the courier, and approve."""
        return super()._approve(option=self._options[COURIER]['id'])

    def _check_delivery(self):
        """Have the order say that it goes to the chosen address in the chosen way."""
        order, = self.stack.rpc(
            'sale.order', 'search_read', [], ['carrier_id', 'partner_shipping_id'], limit=1,
            order='id desc',
        )
        address, = self.stack.rpc(
            'res.partner', 'read', [order['partner_shipping_id'][0]], ['city']
        )
        expect((order['carrier_id'][1], address['city']) == (COURIER, CITY), (order, address))
        line, = self.stack.rpc('sale.order.line', 'search_read', [
            ('order_id', '=', order['id']), ('is_delivery', '=', True),
        ], ['price_total'])
        expect(
            round(line['price_total'] * 100) == self._options[COURIER]['amount']['value'], line,
        )
        return "Odoo: sale.order.line", line['price_total']
