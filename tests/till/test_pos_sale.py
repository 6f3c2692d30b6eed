# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo.exceptions import ValidationError
from odoo.tests import Form, tagged

from ..pos_sale_common import PosSaleCommon


@tagged('post_install', '-at_install')
class TestPosSale(PosSaleCommon):
    """ Orders of the shop that are settled at a till, in whole or in part. """

    def _reserve(self, mode='on_delivery', quantity=5, **values):
        self.vipps.vipps_capture_mode = mode
        return self._buy(self._line(self.sweater, quantity), **values)

    def _pay_at_till(self, ui_order):
        pos_order = self._finish(ui_order)
        self.assertEqual(pos_order.state, 'paid')
        self._settle()
        return pos_order

    #=== Reserved, then paid at the till ===#

    def test_a_reservation_is_released_when_the_order_is_settled_in_cash(self):
        tx = self._reserve()
        self._pay_at_till(self._prepare_settlement(tx.sale_order_ids))
        self.assertSums(tx, 0, 0)
        self.assertEqual(tx.state, 'cancel')

    def test_a_reservation_is_released_when_the_order_is_settled_with_vipps_at_the_till(self):
        tx = self._reserve()
        ui_order = self._prepare_settlement(tx.sale_order_ids, method=self.pos_method)
        self._ask_and_approve(ui_order)
        self._pay_at_till(ui_order)
        self.assertSums(tx, 0, 0)

    def test_a_part_that_is_settled_is_not_captured(self):
        tx = self._reserve()
        order = tx.sale_order_ids
        self._pay_at_till(self._prepare_settlement(order, 2))
        self.assertEqual(order._vipps_get_amount_paid_otherwise(), 200)
        self.assertSums(tx, 0, 50000)
        self._deliver(order)
        self.assertSums(tx, 30000, 0)

    def test_a_down_payment_is_not_captured(self):
        tx = self._reserve()
        order = tx.sale_order_ids
        self._pay_at_till(self._prepare_down_payment(order, 120))
        self.assertEqual(order._vipps_get_amount_paid_otherwise(), 120)
        self.assertSums(tx, 0, 50000)
        self._deliver(order)
        self.assertSums(tx, 38000, 0)

    def test_a_draft_of_the_till_pays_nothing(self):
        tx = self._reserve()
        order = tx.sale_order_ids
        self._save_draft(self._prepare_settlement(order))
        self.assertFalse(order._vipps_get_amount_paid_otherwise())
        self._settle()
        self.assertEqual(tx.vipps_remaining_amount, 500)

    def test_what_the_till_gave_back_is_not_paid(self):
        tx = self._reserve('manual')
        order = tx.sale_order_ids
        pos_order = self._pay_at_till(self._prepare_settlement(order, 2))
        self._finish(self._prepare_ui_refund(
            pos_order, 200, payments=[self._prepare_ui_payment(-200, self.cash_method)],
        ))
        self.assertFalse(order._vipps_get_amount_paid_otherwise())

    def test_an_order_of_the_till_that_is_invoiced_is_counted_once(self):
        tx = self._reserve('manual')
        order = tx.sale_order_ids
        pos_order = self._pay_at_till(self._prepare_settlement(
            order, 2, partner_id=self.partner.id, to_invoice=False,
        ))
        pos_order.action_pos_order_invoice()
        self.assertEqual(pos_order.state, 'invoiced')
        self.assertEqual(order._vipps_get_amount_paid_otherwise(), 200)

    def test_a_person_is_proposed_what_the_till_did_not_take(self):
        tx = self._reserve('manual', user_id=self.salesman.id)
        order = tx.sale_order_ids
        self._pay_at_till(self._prepare_settlement(order, 2))
        action = tx.action_capture()
        wizard = Form(self.env[action['res_model']].with_context(**action['context']))
        self.assertEqual(wizard.amount_to_capture, 300)
        self.assertIn("300.00", self._get_order_activities(order).note)

    def test_an_order_that_was_captured_and_is_settled_is_proposed_to_be_refunded(self):
        tx = self._reserve('automatic', user_id=self.salesman.id)
        tx._finalize_post_processing()
        self.assertSums(tx, 50000, 0)
        self._pay_at_till(self._prepare_settlement(tx.sale_order_ids))
        self.assertIn("500.00", self._get_order_activities(tx.sale_order_ids).note)

    #=== Paid at the till, then approved ===#

    def test_a_payment_that_is_approved_after_the_order_was_settled_is_released(self):
        for mode in ('manual', 'automatic', 'on_delivery'):
            with self.subTest(mode=mode):
                self.vipps.vipps_capture_mode = mode
                order = self._create_order(order_line=[self._line(self.sweater, 5)])
                tx = self._start_order(order)
                self._pay_at_till(self._prepare_settlement(order))
                self._approve(tx)
                tx._vipps_sync()
                self.assertEqual(tx.state, 'cancel')
                self.assertIn("second payment", tx.state_message)
                self.assertSums(tx, 0, 0)

    def test_no_payment_starts_for_an_order_that_was_settled(self):
        order = self._create_order(order_line=[self._line(self.sweater, 5)])
        self._pay_at_till(self._prepare_settlement(order))
        with self.assertRaisesRegex(ValidationError, "already paid"):
            self._start_order(order)

    def test_the_rest_of_an_order_can_be_paid_after_a_down_payment(self):
        order = self._create_order(order_line=[self._line(self.sweater, 5)])
        self._pay_at_till(self._prepare_down_payment(order, 120))
        wizard = self.env['payment.link.wizard'].with_context(
            active_model=order._name, active_id=order.id
        ).create({})
        self.assertEqual(wizard.amount, 380)
        with self.assertRaisesRegex(ValidationError, "already paid"):
            self._start_order(order)
        tx = self._start_order(order, 380)
        self._approve(tx)
        tx._vipps_sync()
        self.assertEqual(tx.state, 'authorized')

    #=== What the till shows ===#

    def _read(self, order):
        self.env.invalidate_all()
        values, = order.with_user(self.cashier).read(['vipps_till_amount', 'vipps_till_warning'])
        return values['vipps_till_amount'], values['vipps_till_warning']

    def test_the_till_shows_what_is_reserved_or_paid(self):
        order = self._create_order(order_line=[self._line(self.sweater, 5)])
        self.assertEqual(self._read(order), (500, False))
        tx = self._reserve('on_delivery')
        order = tx.sale_order_ids
        amount, warning = self._read(order)
        self.assertEqual(amount, 0)
        self.assertIn("500.00", warning)
        self.assertIn("nothing is left to pay", warning)
        self._deliver(order, sweater=5)
        amount, warning = self._read(order)
        self.assertEqual(amount, 0)
        self.assertIn("is paid", warning)

    def test_the_till_shows_what_is_left_after_a_prepayment(self):
        tx = self._reserve('automatic', prepayment_percent=0.3, amount=150)
        amount, warning = self._read(tx.sale_order_ids)
        self.assertEqual(amount, 350)
        self.assertIn("350.00", warning)
        self._pay_at_till(self._prepare_down_payment(tx.sale_order_ids, 100))
        self.assertEqual(self._read(tx.sale_order_ids)[0], 250)

    def test_what_is_not_stored_shows_nothing_of_others(self):
        tx = self._reserve()
        order = self.env['sale.order'].with_user(self.cashier).new({
            'transaction_ids': tx.ids, 'partner_id': self.partner.id,
        })
        self.assertFalse(order.vipps_till_warning)
        self.assertFalse(order.vipps_till_amount)
