# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo.fields import Command
from odoo.tests import tagged

from ..delivery_common import DeliveryCommon


@tagged('post_install', '-at_install')
class TestDeliveryLines(DeliveryCommon):
    """ Lines that are delivered in ways of their own, with the modules that shops have. """

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.wrapping = cls.env['product.product'].create({
            'name': "Gift Wrapping", 'type': 'service', 'invoice_policy': 'order',
            'taxes_id': [Command.clear()],
        })

    #=== Services ===#

    def test_a_service_is_captured_with_the_first_shipment(self):
        tx = self._buy(self._line(self.sweater, 2), self._line(self.wrapping, price=30))
        order = tx.sale_order_ids
        self.assertSums(tx, 0, 23000)
        self._deliver(order, sweater=1)
        self.assertSums(tx, 13000, 10000)
        self._deliver(order)
        self.assertSums(tx, 23000, 0)

    def test_a_service_is_captured_at_confirmation_when_there_is_nothing_to_ship(self):
        tx = self._buy(self._line(self.wrapping, 2, 30))
        self.assertSums(tx, 6000, 0)

    def test_a_service_that_somebody_delivers_first_is_captured_then(self):
        tx = self._buy(self._line(self.sweater), self._line(self.wrapping, 2, 30))
        tx.sale_order_ids.order_line[1].qty_delivered = 1
        self._settle()
        self.assertSums(tx, 3000, 13000)
        self._deliver(tx.sale_order_ids)
        self.assertSums(tx, 16000, 0)

    def test_a_service_stays_reserved_while_all_deliveries_are_cancelled(self):
        tx = self._buy(self._line(self.sweater), self._line(self.wrapping, price=30))
        order = tx.sale_order_ids
        order.picking_ids.action_cancel()
        self._settle()
        self.assertSums(tx, 0, 13000)
        order.order_line[0].product_uom_qty = 0
        self._settle()
        self.assertSums(tx, 3000, 0)

    def test_a_service_is_captured_when_the_goods_came_back(self):
        tx = self._buy(self._line(self.sweater), self._line(self.wrapping, price=30))
        order = tx.sale_order_ids
        self._return(order, self._deliver(order))
        self.assertSums(tx, 13000, 0)
        self.assertIn("100.00", self._get_order_activities(order).note)

    def test_a_service_whose_delivery_is_recorded_is_captured_as_recorded(self):
        # As time sheets and milestones do.
        tx = self._buy(self._line(self.wrapping, 4, 30))
        order = self._create_order(order_line=[self._line(self.wrapping, 4, 30)])
        self.env.flush_all()
        self.env.cr.execute(
            "UPDATE sale_order_line SET qty_delivered_method = 'analytic' WHERE order_id = %s",
            [order.id],
        )
        self.env.invalidate_all()
        tx = self._pay(order)
        self.assertSums(tx, 0, 12000)
        order.order_line.qty_delivered = 1.5
        self._settle()
        self.assertSums(tx, 4500, 7500)
        order.order_line.qty_delivered = 4
        self._settle()
        self.assertSums(tx, 12000, 0)

    def test_sections_notes_and_free_lines_change_nothing(self):
        tx = self._buy(
            Command.create({'display_type': 'line_section', 'name': "Clothes"}),
            self._line(self.sweater, 2),
            Command.create({'display_type': 'line_note', 'name': "Wrap it well."}),
            self._line(self.mittens, 1, 0),
            self._line(self.mittens, 1, 80, discount=100),
        )
        order = tx.sale_order_ids
        self._deliver(order, sweater=1)
        self.assertSums(tx, 10000, 10000)
        self._deliver(order)
        self.assertSums(tx, 20000, 0)

    def test_dozens_are_captured_as_shares_of_a_dozen(self):
        tx = self._buy(self._line(
            self.sweater, 1, 1000, product_uom=self.env.ref('uom.product_uom_dozen').id,
        ))
        order = tx.sale_order_ids
        for captured in (33333, 66667):
            self._deliver(order, sweater=4)
            self.assertSums(tx, captured, 100000 - captured)
        self._deliver(order)
        self.assertSums(tx, 100000, 0)

    def test_the_real_cost_of_a_delivery_that_is_added_when_it_is_shipped_is_captured(self):
        carrier = self.env['delivery.carrier'].create({
            'name': "Post", 'product_id': self.fee.id, 'delivery_type': 'fixed',
            'invoice_policy': 'real', 'fixed_price': 99,
        })
        order = self._create_order(order_line=[self._line(self.sweater, 5)])
        order.set_delivery_line(carrier, 99)
        self.assertEqual(order.amount_total, 500)
        tx = self._pay(order, amount=500)
        self._deliver(order, sweater=2)
        self.assertEqual(order.amount_total, 599)
        self.assertSums(tx, 29900, 20100)
        self._deliver(order, backorder=False, sweater=1)
        self.assertSums(tx, 49800, 0)

    #=== Drop shipments ===#

    def test_a_drop_shipment_is_captured_when_the_supplier_has_sent_it(self):
        self.sweater.write({
            'invoice_policy': 'order',
            'route_ids': [Command.link(self.env.ref('stock_dropshipping.route_drop_shipping').id)],
            'seller_ids': [Command.create({
                'partner_id': self.env['res.partner'].create({'name': "Knitter"}).id,
            })],
        })
        tx = self._buy(self._line(self.sweater, 2), self._line(self.mittens))
        order = tx.sale_order_ids
        self._deliver(order)
        self.assertSums(tx, 10000, 20000)
        purchase = self.env['purchase.order'].search([('origin', '=', order.name)])
        purchase.sudo().button_confirm()
        self._deliver(order, sweater=1)
        self.assertSums(tx, 20000, 10000)
        self._deliver(order)
        self.assertSums(tx, 30000, 0)
        self._return(order, order.picking_ids.filtered('is_dropship')[:1], sweater=1)
        self.assertIn("100.00", self._get_order_activities(order).note)

    #=== Tills ===#

    def _sell_at_till(self, order, quantity, price=100):
        """ Return a draft of a till with goods of an order, as `pos_sale` makes it. """
        line = order.order_line[0]
        config = self.env['pos.config'].search([('company_id', '=', self.company.id)], limit=1)
        config = config or self.env['pos.config'].create({'name': "Shop"})
        config.open_ui()
        session = config.current_session_id
        pos_order = self.env['pos.order'].create({
            'session_id': session.id, 'partner_id': order.partner_id.id,
            'amount_total': quantity * price, 'amount_tax': 0, 'amount_paid': 0,
            'amount_return': 0,
            'lines': [Command.create({
                'product_id': line.product_id.id, 'qty': quantity, 'price_unit': price,
                'price_subtotal': quantity * price, 'price_subtotal_incl': quantity * price,
                'sale_order_line_id': line.id, 'sale_order_origin_id': order.id,
            })],
        })
        self._settle()
        return pos_order

    def test_a_draft_of_a_till_delivers_nothing(self):
        for kit in (False, True):
            with self.subTest(kit=kit):
                if kit:
                    self._make_kit()
                tx = self._buy(self._line(self.sweater, 3))
                order = tx.sale_order_ids
                pos_order = self._sell_at_till(order, 3)
                self.assertEqual(order.order_line.qty_delivered, 3, "As pos_sale has it.")
                self._refresh(tx)
                self.assertSums(tx, 0, 30000)
                self._deliver(order, **({'needles': 1, 'wool': 3} if kit else {'sweater': 1}))
                self.assertSums(tx, 10000, 20000)
                pos_order.unlink()
                self._settle()
                self.assertSums(tx, 10000, 20000)

    def test_what_a_till_sold_is_no_reason_to_capture_more(self):
        tx = self._buy(self._line(self.sweater, 3))
        order = tx.sale_order_ids
        pos_order = self._sell_at_till(order, 2, price=90)
        pos_order.state = 'paid'
        self.assertEqual(order._vipps_get_delivered_amount(), 180)
        self.assertFalse(order._vipps_is_closed())
        # What is left is shipped.
        picking = order.picking_ids
        picking.move_ids.product_uom_qty = 1
        self._ship(order)
        self.assertEqual(order._vipps_get_delivered_amount(), 280)
        self.assertTrue(order._vipps_is_closed())
