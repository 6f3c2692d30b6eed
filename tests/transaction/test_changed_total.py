# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo.fields import Command
from odoo.tests import tagged

from ..delivery_common import DeliveryCommon
from ..http_common import CheckoutCommon


class ChangedTotalCommon(DeliveryCommon):

    def _start_to_pay(self, mode, amount=None, **values):
        """ Return the payment of a quotation for 500 whose customer is in the app. """
        self.vipps.vipps_capture_mode = mode
        order = self._create_order(
            order_line=[self._line(self.sweater, 5)], user_id=self.salesman.id, **values
        )
        return self._start_order(order, amount)

    def _set_quantity(self, tx, quantity):
        tx.sale_order_ids.order_line.product_uom_qty = quantity

    def _approve_and_settle(self, tx):
        self._approve(tx)
        self._refresh(tx)
        self._settle()

    def assertTold(self, tx, *texts):
        activity = self._get_order_activities(tx.sale_order_ids)
        self.assertEqual(activity.user_id, self.salesman)
        for text in texts:
            self.assertIn(text, activity.note)
        return activity


@tagged('post_install', '-at_install')
class TestChangedTotal(ChangedTotalCommon):
    """ Orders that change while a customer pays them, or afterwards. """

    #=== Cheaper ===#

    def test_only_what_a_cheaper_order_is_worth_is_captured(self):
        tx = self._start_to_pay('automatic')
        self._set_quantity(tx, 4)
        self._approve_and_settle(tx)
        self.assertSums(tx, 40000, 0)
        self.assertEqual((tx.state, tx.sale_order_ids.state), ('done', 'sale'))
        activity = self.assertTold(tx, "500.00", "400.00")
        activity.action_feedback()
        tx._vipps_sync()
        self.assertFalse(self._get_order_activities(tx.sale_order_ids))

    def test_a_discount_makes_an_order_cheaper(self):
        tx = self._start_to_pay('automatic')
        tx.sale_order_ids.write({'order_line': [self._line(self.course, 1, -70)]})
        self._approve_and_settle(tx)
        self.assertSums(tx, 43000, 0)
        self.assertTold(tx, "500.00", "430.00")

    def test_nothing_is_captured_of_an_order_that_was_emptied(self):
        tx = self._start_to_pay('automatic')
        self._set_quantity(tx, 0)
        self._approve_and_settle(tx)
        self.assertSums(tx, 0, 0)
        self.assertTold(tx, "500.00", "0.00")

    def test_a_person_is_proposed_what_a_cheaper_order_is_worth(self):
        tx = self._start_to_pay('manual')
        self._set_quantity(tx, 4)
        self._approve_and_settle(tx)
        self.assertSums(tx, 0, 50000)
        self.assertTold(tx, "500.00", "400.00", "Capture at most")
        self._capture(tx, void_remaining_amount=True)
        self._settle()
        self.assertSums(tx, 40000, 0)
        self.assertFalse(self._get_order_activities(tx.sale_order_ids))

    def test_what_people_are_told_is_taken_back_when_the_total_is_equal_again(self):
        tx = self._start_to_pay('manual')
        self._set_quantity(tx, 4)
        self._approve_and_settle(tx)
        self.assertTold(tx, "400.00")
        self._set_quantity(tx, 3)
        self._settle()
        self.assertTold(tx, "300.00")
        self._set_quantity(tx, 5)
        self._settle()
        self.assertFalse(self._get_order_activities(tx.sale_order_ids))

    def test_a_cheaper_order_is_captured_on_delivery(self):
        tx = self._start_to_pay('on_delivery')
        self._set_quantity(tx, 4)
        self._approve_and_settle(tx)
        self.assertTold(tx, "500.00", "400.00")
        self.assertSums(tx, 0, 50000)
        self._deliver(tx.sale_order_ids)
        self.assertSums(tx, 40000, 0)

    def test_a_salesperson_is_not_told_what_is_captured_on_delivery_anyway(self):
        tx = self._start_to_pay('on_delivery')
        self._approve_and_settle(tx)
        self._set_quantity(tx, 4)
        self._settle()
        self.assertFalse(self._get_order_activities(tx.sale_order_ids))

    def test_an_order_that_becomes_cheaper_after_the_capture_is_proposed_to_be_refunded(self):
        tx = self._start_to_pay('automatic')
        self._approve_and_settle(tx)
        tx._finalize_post_processing()
        self.assertSums(tx, 50000, 0)
        self._set_quantity(tx, 4)
        self._settle()
        self.assertTold(tx, "100.00", "500.00", "400.00", "Refund")
        self._refund(tx.payment_id, 100)
        self._settle()
        self.assertFalse(self._get_order_activities(tx.sale_order_ids))

    def test_an_order_that_becomes_cheaper_before_the_capture_succeeds_is_captured_in_part(self):
        tx = self._start_to_pay('automatic')
        self._approve(tx)
        self.simulator.fault('capture', 'status', status=503, times=None)
        with self._without_pauses():
            tx._vipps_sync()
        self.assertSums(tx, 0, 50000)
        self._set_quantity(tx, 4)
        self.simulator.clear_faults()
        self._run_job()
        self.assertSums(tx, 40000, 0)

    def test_prepayments_and_part_payments_are_no_change(self):
        for mode in ('manual', 'automatic'):
            for values in (
                {'require_payment': True, 'prepayment_percent': 0.3}, {'require_payment': False},
            ):
                with self.subTest(mode=mode, values=values):
                    tx = self._start_to_pay(mode, 150, **values)
                    self._approve_and_settle(tx)
                    self.assertSums(tx, *((15000, 0) if mode == 'automatic' else (0, 15000)))
                    self.assertFalse(self._get_order_activities(tx.sale_order_ids))

    def test_the_last_payment_of_an_order_that_became_cheaper_takes_what_is_left(self):
        first = self._start_to_pay('automatic', 300, require_payment=True, prepayment_percent=0.5)
        self._approve_and_settle(first)
        second = self._start_order(first.sale_order_ids, 200)
        self._set_quantity(first, 4)
        self._approve_and_settle(second)
        self.assertSums(first, 30000, 0)
        self.assertSums(second, 10000, 0)

    def test_two_reservations_of_an_order_that_became_cheaper_are_captured_in_turn(self):
        first = self._start_to_pay('automatic', 300, require_payment=True, prepayment_percent=0.5)
        second = self._start_order(first.sale_order_ids, 200)
        self._approve(first)
        self._approve(second)
        self._set_quantity(first, 4)
        first._vipps_sync()
        second._vipps_sync()
        self.assertSums(first, 30000, 0)
        self.assertSums(second, 10000, 0)

    def test_one_of_two_orders_that_are_paid_together_is_cancelled(self):
        self.vipps.vipps_capture_mode = 'automatic'
        orders = self._create_order(100) + self._create_order(200)
        orders.action_confirm()
        tx = self._start_order(orders, 300)
        orders[0]._action_cancel()
        self._approve_and_settle(tx)
        self.assertSums(tx, 20000, 0)

    #=== Dearer ===#

    def test_the_payment_of_an_order_that_became_dearer_waits(self):
        for mode in ('manual', 'automatic', 'on_delivery'):
            with self.subTest(mode=mode):
                tx = self._start_to_pay(mode)
                self._set_quantity(tx, 6)
                self._approve_and_settle(tx)
                self.assertEqual((tx.state, tx.sale_order_ids.state), ('authorized', 'draft'))
                self.assertSums(tx, 0, 50000)
                self.assertFalse(self._get_tasks(tx, 'verify', 'sync', 'capture'))
                self.assertTold(tx, "500.00", "600.00", "confirm")
                self.assertIn("We will contact you", tx.state_message)
                self.assertEqual(tx._vipps_get_result(), 'contact')
                self._run_job()
                self.assertSums(tx, 0, 50000)

    def test_a_payment_that_waits_is_captured_when_the_order_is_confirmed(self):
        tx = self._start_to_pay('automatic')
        order = tx.sale_order_ids
        self._set_quantity(tx, 6)
        self._approve_and_settle(tx)
        order.action_confirm()
        self._settle()
        self.assertSums(tx, 50000, 0)
        self.assertFalse(self._get_order_activities(order))
        self.assertFalse(tx.state_message)

    def test_a_payment_that_waits_is_captured_when_the_total_is_equal_again(self):
        tx = self._start_to_pay('automatic')
        self._set_quantity(tx, 6)
        self._approve_and_settle(tx)
        self._set_quantity(tx, 5)
        self._settle()
        self.assertSums(tx, 50000, 0)
        self.assertFalse(self._get_order_activities(tx.sale_order_ids))

    def test_a_payment_that_waits_is_captured_when_the_rest_is_paid(self):
        tx = self._start_to_pay('automatic')
        self._set_quantity(tx, 6)
        self._approve_and_settle(tx)
        rest_tx = self._start_order(tx.sale_order_ids, 100)
        self._approve_and_settle(rest_tx)
        self.assertEqual(tx.sale_order_ids.state, 'sale')
        self.assertSums(rest_tx, 10000, 0)
        self.assertSums(tx, 50000, 0)
        self.assertFalse(self._get_order_activities(tx.sale_order_ids))

    def test_what_people_are_told_of_a_payment_that_waits_is_taken_back_when_it_is_released(self):
        tx = self._start_to_pay('manual')
        self._set_quantity(tx, 6)
        self._approve_and_settle(tx)
        tx.action_void()
        self._settle()
        self.assertFalse(self._get_order_activities(tx.sale_order_ids))

    def test_lines_that_are_added_to_a_confirmed_order_hold_nothing_up(self):
        tx = self._start_to_pay('manual')
        self._approve_and_settle(tx)
        self._set_quantity(tx, 6)
        self._settle()
        self.assertFalse(self._get_order_activities(tx.sale_order_ids))
        self._capture(tx)
        self.assertSums(tx, 50000, 0)

    def test_a_prepayment_that_is_not_enough_anymore_waits(self):
        tx = self._start_to_pay('automatic', 150, require_payment=True, prepayment_percent=0.3)
        self._set_quantity(tx, 6)
        self._approve_and_settle(tx)
        self.assertSums(tx, 0, 15000)
        self.assertTold(tx, "500.00", "600.00")

    def test_a_prepayment_that_is_still_enough_confirms_the_order(self):
        tx = self._start_to_pay('automatic', 200, require_payment=True, prepayment_percent=0.3)
        self._set_quantity(tx, 6)
        self._approve_and_settle(tx)
        self.assertEqual(tx.sale_order_ids.state, 'sale')
        self.assertSums(tx, 20000, 0)

    def test_payments_of_earlier_versions_are_not_compared(self):
        tx = self._start_to_pay('automatic')
        tx.vipps_document_amount = 0
        self._set_quantity(tx, 4)
        self._approve_and_settle(tx)
        self.assertSums(tx, 50000, 0)
        self.assertFalse(self._get_order_activities(tx.sale_order_ids))


@tagged('post_install', '-at_install')
class TestChangedTotalPages(CheckoutCommon):
    """ What customers read. """

    def test_the_customer_reads_in_the_own_language_that_the_shop_gets_in_touch(self):
        tx = self._start_cart()
        order = tx.sale_order_ids
        order.order_line.product_uom_qty += 1
        self._approve(tx)
        self.assertEqual(self._get_result(self._return(tx))[0], 'contact')
        values = self._poll()
        self.assertIn('/payment/vipps/return', values['landing_route'])
        result, page = self._get_result(self.url_open(values['landing_route']))
        self.assertEqual(result, 'contact')
        self.assertIn("We will contact you", page.text_content())
        page = self.url_open(order.get_portal_url()).text
        self.assertIn("We will contact you", page)
        self.assertNotIn("when we deliver", page)

    def test_nothing_is_delivered_of_an_invoice(self):
        invoice = self._create_invoice()
        tx = self._start_invoice(invoice)
        self._approve(tx)
        result, page = self._get_result(self.url_open(tx._vipps_get_return_route()))
        self.assertEqual(result, 'authorized')
        self.assertNotIn("deliver", page.text_content())
        self.assertIn("charge it soon", page.text_content())
        page = self.url_open(invoice.get_portal_url()).text
        self.assertIn("charge it soon", page)
        self.assertNotIn("when we deliver", page)

    def test_customers_read_how_much_was_charged_and_not_how_core_keeps_account(self):
        invoice = self._create_invoice(1000)
        tx = self._start_invoice(invoice)
        self._approve(tx)
        tx._vipps_sync()
        self._capture(tx, 300, void_remaining_amount=True)
        self.assertEqual(tx.state, 'done')
        tx.child_transaction_ids.filtered(
            lambda child: child.state == 'done'
        )._finalize_post_processing()
        page = self.url_open(invoice.get_portal_url()).text
        self.assertNotIn("partial capture", page)
        self.assertIn("300.00", tx.state_message)
        self.assertIn(tx.state_message.split('.')[-2].strip(), page)

    def test_nothing_is_explained_when_all_was_charged_in_parts(self):
        tx = self._authorize(sale_order_ids=[Command.set(self._create_order().ids)])
        self._capture(tx, 100)
        self._capture(tx, 149.5)
        self.assertEqual(tx.state, 'done')
        self.assertFalse(tx.state_message)
