"""A till opens orders of the shop: in every order of payments, nothing is paid twice."""

from .back_office import BackOfficeTest
from .shop import wait_until
from .till import TillTest

CASH = "Cash of shop orders"
CASHIER = 'sara'  # may open orders of the shop, too
QUANTITY = 5
PRICE = 249
SOLD = 2  # pieces that the till settles
DOWN_PAYMENT = 300


class TestShopOrders(TillTest, BackOfficeTest):

    expected_in_log = (*TillTest.expected_in_log, *BackOfficeTest.expected_in_log)

    @classmethod
    def setUpClass(cls):
        """Sell something that is paid when it is shipped, and let a till take cash for it."""
        super().setUpClass()
        cls.capture_by('on_delivery')
        cls.product = cls.new_product("Wool scarf", detailed_type='consu', list_price=PRICE)
        cls.rpc('res.users', 'create', {
            'name': "Sara", 'login': CASHIER, 'password': CASHIER,
            'email': 'sara@example.com',
            'groups_id': [(6, 0, [cls.rpc.reference(xmlid) for xmlid in (
                'base.group_user', 'point_of_sale.group_pos_user',
                'sales_team.group_sale_salesman_all_leads',
            )])],
        }, context={'no_reset_password': True})

    @classmethod
    def new_product(cls, name, **values):
        """Return a product with the tax of the others, which is in the price."""
        taxes = cls.rpc('product.product', 'read', [cls.product], ['taxes_id'])[0]['taxes_id']
        return cls.rpc('product.product', 'create', {
            'name': name, 'taxes_id': [(6, 0, taxes)], 'invoice_policy': 'delivery',
            'is_published': True, 'available_in_pos': True, **values,
        })

    @classmethod
    def new_configs(cls, count):
        """Return new tills that take cash, too, and down payments."""
        configs = super().new_configs(count)
        journal = cls.rpc('account.journal', 'create', {
            'name': "Till of shop orders", 'type': 'cash', 'code': 'TSHOP',
        })
        cash = cls.rpc('pos.payment.method', 'create', {'name': CASH, 'journal_id': journal})
        cls.down_payment = cls.new_product("Down Payment", detailed_type='service')
        cls.rpc('pos.config', 'write', configs, {
            'payment_method_ids': [(4, cash)], 'down_payment_product_id': cls.down_payment,
        })
        return configs

    def setUp(self):
        """Open the till, whose session each test closes."""
        super().setUp()
        self.till = self.open_till(CASHIER)

    # The shop

    def new_customer(self):
        """Return a customer who buys several pieces."""
        customer = super().new_customer()
        customer.call(
            '/shop/cart/update_json', product_id=self.product, add_qty=QUANTITY - 1
        )
        return customer

    def reserve(self):
        """Return the reference of a payment of a confirmed order, and the line of its goods."""
        reference = super().reserve()
        wait_until(lambda: self.order(reference)['state'] == 'sale')
        line, = self.rpc('sale.order.line', 'search', [
            ('order_id', '=', self.order(reference)['id']), ('product_id', '=', self.product),
        ])
        self.assertEqual(self.sums(reference)['captured'], 0)
        return reference, line

    def ship(self, line, quantity):
        """Ship some pieces of the rest of an order; the others are shipped later."""
        move, = self.rpc('stock.move', 'search_read', [
            ('sale_line_id', '=', line), ('state', 'not in', ('done', 'cancel')),
        ], ['picking_id'])
        self.rpc('stock.move', 'write', [move['id']], {'quantity': quantity, 'picked': True})
        self.rpc('stock.picking', 'button_validate', [move['picking_id'][0]], context={
            'skip_sms': True, 'skip_backorder': True,
        })

    # The till

    def open_order(self, reference, quantity, method=CASH):
        """Return an order of the till that settles some pieces of an order of the shop, and its
        delivery."""
        order = self.order(reference)
        lines = self.rpc('sale.order.line', 'search_read', [('order_id', '=', order['id'])], [
            'product_id', 'price_unit', 'product_uom_qty',
        ], order='id')
        return self.new_till_order(order, method, [(
            line['price_unit'] * (quantity if is_goods else 1), {
                'product_id': line['product_id'][0], 'full_product_name': line['product_id'][1],
                'qty': quantity if is_goods else 1, 'price_unit': line['price_unit'],
                'sale_order_line_id': {'id': line['id']},
            },
        ) for line in lines for is_goods in [line['product_id'][0] == self.product]])

    def new_till_order(self, order, method, lines):
        """Return an order of the till with lines for an order of the shop, and its payment."""
        origin = {'id': order['id'], 'name': order['name']}
        parts = [
            self.till.new_order(amount, sale_order_origin_id=origin, **values)
            for amount, values in lines
        ]
        till_order = parts[0]
        for part in parts[1:]:
            till_order.data['lines'] += part.data['lines']
            for name in ('amount_total', 'amount_tax'):
                till_order.data[name] += part.data[name]
        self.till.add_payment(till_order, method=method)
        return till_order

    # What everybody agrees on

    def read_again(self, reference):
        """Have the payment read, and its due operations done."""
        count = len(self.calls('get', reference))
        self.schedule('sync', reference)
        self.run_job('cron_sync_payments')
        wait_until(lambda: len(self.calls('get', reference)) > count)

    def assert_paid_once(self, reference, at_till):
        """Check that till and app took the total of the order, and that both are in the books."""
        total = self.total(reference)
        self.assertEqual(total, round(self.order(reference)['amount_total'] * 100))
        captured = total - at_till
        self.run_job('cron_sync_payments')  # Who ships and who reads can collide.
        wait_until(lambda: self.sums(reference)['captured'] >= captured)
        wait_until(lambda: self.transaction(reference)['state'] == 'done')
        self.compare()
        self.assert_agreed(reference, captured=captured, cancelled=at_till)
        self.close(self.till)
        lines = self.rpc('account.bank.statement.line', 'search_read', [
            ('pos_session_id', '=', self.till.session),
            ('amount', '>', 0),  # The drawer is emptied between two sessions.
        ], ['amount', 'state'])
        self.assertEqual(
            [(line['state'], round(line['amount'] * 100)) for line in lines],
            [('posted', at_till)] if at_till else [],
        )

    def test_a_draft_of_a_till_is_neither_delivered_nor_paid(self):
        reference, line = self.reserve()
        draft = self.open_order(reference, QUANTITY, "Vipps")
        question = self.ask(draft)
        self.read_again(reference)
        self.assertEqual(self.sums(reference), {'captured': 0, 'refunded': 0, 'cancelled': 0})
        self.decide(question, 'decline')
        self.assert_state('unpaid', question)

        total, rest = self.total(reference), (QUANTITY - SOLD) * PRICE * 100
        self.ship(line, SOLD)
        wait_until(lambda: self.sums(reference)['captured'])
        self.read_again(reference)
        self.assertEqual(
            self.sums(reference), {'captured': total - rest, 'refunded': 0, 'cancelled': 0}
        )
        self.ship(line, QUANTITY - SOLD)
        self.assert_paid_once(reference, 0)
        self.assertEqual(len(self.calls('capture', reference)), 2)

    def test_an_order_that_a_till_settled_in_cash_is_released(self):
        reference, line = self.reserve()
        till_order = self.open_order(reference, SOLD)
        self.till.finish(till_order)
        self.read_again(reference)
        self.assertEqual(self.sums(reference), {'captured': 0, 'refunded': 0, 'cancelled': 0})
        self.ship(line, QUANTITY - SOLD)
        self.assert_paid_once(reference, round(till_order.amount * 100))
        self.assertEqual(self.sums(reference)['captured'], (QUANTITY - SOLD) * PRICE * 100)

    def test_a_down_payment_at_a_till_is_released(self):
        reference, line = self.reserve()
        self.till.finish(self.new_till_order(self.order(reference), CASH, [(DOWN_PAYMENT, {
            'product_id': self.down_payment, 'full_product_name': "Down Payment",
        })]))
        self.read_again(reference)
        self.assertEqual(self.sums(reference), {'captured': 0, 'refunded': 0, 'cancelled': 0})
        self.ship(line, QUANTITY)
        self.assert_paid_once(reference, DOWN_PAYMENT * 100)
