# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo.tests import Form, tagged

from ..delivery_common import DeliveryCommon


@tagged('post_install', '-at_install', 'vipps_alone')
class TestDelivery(DeliveryCommon):
    """ Payments that are captured when what they pay is delivered. """

    #=== Deliveries ===#

    def test_nothing_is_captured_before_something_is_delivered(self):
        tx = self._buy()
        self.assertEqual((tx.state, tx.sale_order_ids.state), ('authorized', 'sale'))
        self.assertSums(tx, 0, 20000)
        self.assertFalse(self._get_tasks(tx, 'verify', 'sync', 'capture'), "Nothing is waited for.")

    def test_each_delivery_captures_its_value(self):
        tx = self._buy(self._line(self.sweater, 3))
        order = tx.sale_order_ids
        self._deliver(order, sweater=1)
        self.assertSums(tx, 10000, 20000)
        self.assertEqual(tx.state, 'authorized')
        self._deliver(order, sweater=2)
        self.assertSums(tx, 30000, 0)
        self.assertEqual(tx.state, 'done')
        self.assertEqual(
            tx.child_transaction_ids.sorted('id').mapped('amount'), [100, 200],
        )
        self.assertFalse(self._get_order_activities(order))

    def test_goods_that_are_picked_are_captured_when_they_are_shipped(self):
        warehouse = self.env['stock.warehouse'].search([
            ('company_id', '=', self.company.id),
        ], limit=1)
        warehouse.sudo().delivery_steps = 'pick_ship'
        tx = self._buy()
        order = tx.sale_order_ids
        self.assertEqual(len(order.picking_ids), 2)
        for picking in order.picking_ids.sorted(lambda p: p.location_dest_id.usage == 'customer'):
            self.assertSums(tx, 0, 20000)
            picking = picking.with_user(self.warehouse_user)
            picking.action_assign()
            for move in picking.move_ids:
                move.write({'quantity': move.product_uom_qty, 'picked': True})
            self.assertIs(picking.button_validate(), True)
            self._settle()
        self.assertSums(tx, 20000, 0)

    def test_the_rest_is_released_when_there_is_no_back_order(self):
        tx = self._buy()
        self._deliver(tx.sale_order_ids, backorder=False, sweater=1)
        self.assertSums(tx, 10000, 0)
        self.assertEqual(tx.state, 'done')
        self.assertEqual(self._get_aggregate(tx)['cancelled'], 10000)

    def test_the_rest_is_released_when_the_back_order_is_cancelled(self):
        tx = self._buy()
        order = tx.sale_order_ids
        self._deliver(order, sweater=1)
        self.assertSums(tx, 10000, 10000)
        order.picking_ids.filtered(lambda p: p.state != 'done').with_user(
            self.warehouse_user
        ).action_cancel()
        self._settle()
        self.assertSums(tx, 10000, 0)

    def test_what_has_no_delivery_yet_is_waited_for(self):
        tx = self._buy(self._line(self.sweater), amount=200, require_payment=False)
        order = tx.sale_order_ids
        order.with_context(skip_procurement=True).write({'order_line': [self._line(self.mittens)]})
        self._deliver(order)
        self.assertEqual(order.delivery_status, 'full')
        self.assertSums(tx, 10000, 10000)

    def test_the_rest_stays_reserved_when_that_is_how_the_provider_is_set_up(self):
        self.vipps.vipps_release_when_closed = False
        tx = self._buy()
        self._deliver(tx.sale_order_ids, backorder=False, sweater=1)
        self.assertSums(tx, 10000, 10000)
        self.assertFalse(self._get_tasks(tx, 'verify', 'sync', 'capture'))

    def test_more_than_was_ordered_is_captured_up_to_what_is_reserved(self):
        tx = self._buy(self._line(self.sweater, 2), self._line(self.mittens))
        self._deliver(tx.sale_order_ids, sweater=4)
        self.assertSums(tx, 30000, 0)

    def test_what_was_not_ordered_is_captured_when_it_was_delivered(self):
        # Core adds a line to the order in the name of who delivers.
        self.warehouse_user.groups_id += self.env.ref('sales_team.group_sale_salesman_all_leads')
        tx = self._buy(self._line(self.sweater, 2), amount=200)
        order = tx.sale_order_ids
        picking = order.picking_ids
        self.env['stock.move'].sudo().create({
            'name': "Mittens", 'product_id': self.mittens.id, 'product_uom_qty': 1,
            'picking_id': picking.id, 'location_id': picking.location_id.id,
            'location_dest_id': picking.location_dest_id.id,
        })
        self._deliver(order, sweater=1, mittens=1)
        self.assertEqual(
            order.order_line.filtered(
                lambda line: line.product_id == self.mittens
            ).price_unit, 100,
        )
        self.assertSums(tx, 20000, 0)

    def test_a_corrected_delivery_is_captured(self):
        tx = self._buy(self._line(self.sweater, 3))
        picking = self._deliver(tx.sale_order_ids, sweater=1)
        picking.sudo().move_ids.filtered(lambda m: m.state == 'done').quantity = 2
        self._settle()
        self.assertSums(tx, 20000, 10000)

    #=== Returns ===#

    def test_what_comes_back_before_it_is_captured_is_not_captured(self):
        tx = self._buy()
        order = tx.sale_order_ids
        self.simulator.fault('get', 'status', status=503, times=None)
        with self._without_pauses():
            picking = self._deliver(order)
            self._return(order, picking)
        self.simulator.clear_faults()
        self._run_job()
        self.assertEqual(order.order_line.qty_delivered, 0)
        self.assertSums(tx, 0, 0)
        self.assertEqual(tx.state, 'cancel')

    def test_what_comes_back_after_it_is_captured_is_proposed_to_be_refunded_once(self):
        tx = self._buy(user_id=self.salesman.id)
        order = tx.sale_order_ids
        picking = self._deliver(order)
        self._return(order, picking, sweater=1)
        activity = self._get_order_activities(order)
        self.assertEqual(activity.user_id, self.salesman)
        self.assertIn("100.00", activity.note)
        self.assertIn("credit note", activity.note)

        self._run_job()
        self._refresh(tx)
        self.assertEqual(self._get_order_activities(order), activity)
        activity.with_user(self.salesman).action_feedback(feedback="Paid in cash.")
        self._refresh(tx)
        self.assertFalse(self._get_order_activities(order), "Nothing has changed since then.")

        wizard = Form(self.env['stock.return.picking'].with_context(
            active_ids=picking.ids, active_id=picking.id, active_model='stock.picking',
        )).save()
        wizard.create_returns()
        self._deliver(order)
        self.assertIn("200.00", self._get_order_activities(order).note)

    def test_goods_that_are_invoiced_on_order_are_proposed_to_be_refunded_when_they_come_back(self):
        self.sweater.invoice_policy = 'order'
        tx = self._buy(self._line(self.sweater, 5))
        order = tx.sale_order_ids
        self.assertSums(tx, 0, 50000)
        picking = self._deliver(order, sweater=2)
        self.assertSums(tx, 20000, 30000)
        waiting_picking = order.picking_ids - picking
        return_picking = self._return(order, picking, sweater=2)
        self.assertIn("200.00", self._get_order_activities(order).note)
        self.assertEqual(waiting_picking.state, 'assigned')

        self._return(order, return_picking, sweater=1)  # An exchange: it is sent again.
        self.assertIn("100.00", self._get_order_activities(order).note)
        self._return(order, return_picking, sweater=1)
        self.assertFalse(self._get_order_activities(order))

    def test_what_comes_back_without_a_refund_stays_delivered(self):
        tx = self._buy()
        order = tx.sale_order_ids
        picking = self._deliver(order)
        self._return(order, picking, to_refund=False, sweater=1)
        self.assertSums(tx, 20000, 0)
        self.assertFalse(self._get_order_activities(order))

    def test_the_proposal_of_a_refund_ends_with_the_refund(self):
        tx = self._buy()
        order = tx.sale_order_ids
        self._return(order, self._deliver(order))
        self.assertEqual(len(self._get_order_activities(order)), 1)
        self.simulator.refund(tx.vipps_payment_reference, 5000)
        self._refresh(tx)
        self.assertIn("150.00", self._get_order_activities(order).note)
        self.simulator.refund(tx.vipps_payment_reference, 15000)
        self._refresh(tx)
        self.assertFalse(self._get_order_activities(order))

    def test_what_was_given_back_on_purpose_is_not_captured_again(self):
        tx = self._buy(self._line(self.sweater, 3))
        order = tx.sale_order_ids
        self._deliver(order, sweater=2)
        self.simulator.refund(tx.vipps_payment_reference, 2000)
        self._refresh(tx)
        self.assertSums(tx, 20000, 10000)
        self._deliver(order)
        self.assertSums(tx, 30000, 0)

    #=== Other modes and states ===#

    def test_payments_that_are_captured_manually_are_left_to_people(self):
        self.vipps.vipps_capture_mode = 'manual'
        tx = self._buy()
        self._deliver(tx.sale_order_ids)
        self.assertSums(tx, 0, 20000)

    def test_without_an_order_everything_is_captured_at_once(self):
        invoice = self._create_invoice()
        invoice_tx = self._start_invoice(invoice)
        for tx in (invoice_tx, self._start()):
            self._approve(tx)
            self._refresh(tx)
            self.assertEqual(tx.state, 'done')
            self.assertSums(tx, 24950, 0)

    def test_nothing_is_done_while_the_provider_is_disabled(self):
        tx = self._buy()
        self.vipps.state = 'disabled'
        self._deliver(tx.sale_order_ids, backorder=False, sweater=1)
        self.assertSums(tx, 0, 20000)
        self.vipps.state = 'test'
        self._refresh(tx)
        self.assertSums(tx, 10000, 0)

    def test_a_cancelled_order_releases_its_reservation_in_all_modes(self):
        for mode in ('manual', 'on_delivery'):
            with self.subTest(mode=mode):
                self.vipps.vipps_capture_mode = mode
                tx = self._buy(user_id=self.salesman.id)
                tx.sale_order_ids.with_user(self.salesman)._action_cancel()
                self._settle()
                self.assertEqual(tx.state, 'cancel')
                self.assertSums(tx, 0, 0)

    def test_what_was_captured_of_a_cancelled_order_is_proposed_to_be_refunded(self):
        tx = self._buy()
        order = tx.sale_order_ids
        self._deliver(order, sweater=1)
        order._action_cancel()
        self._settle()
        self.assertSums(tx, 10000, 0)
        self.assertIn("100.00", self._get_order_activities(order).note)

    def test_a_lock_closes_nothing(self):
        self.env.user.groups_id += self.env.ref('sale.group_auto_done_setting')
        tx = self._buy(self._line(self.sweater, 3))
        order = tx.sale_order_ids
        self.assertTrue(order.locked)
        order.action_unlock()
        order.client_order_ref = "corrected"
        order.action_lock()
        self._settle()
        self.assertSums(tx, 0, 30000)
        self._deliver(order, sweater=1)
        self.assertSums(tx, 10000, 20000)
        order.action_unlock()
        self._settle()
        order.action_lock()
        self._settle()
        self.assertSums(tx, 10000, 20000)
        self._deliver(order)
        self.assertSums(tx, 30000, 0)

    def test_a_locked_order_is_closed_when_its_back_order_is_not_wanted(self):
        tx = self._buy()
        tx.sale_order_ids.action_lock()
        self._deliver(tx.sale_order_ids, backorder=False, sweater=1)
        self.assertSums(tx, 10000, 0)

    def test_a_salesperson_releases_the_rest_of_a_locked_order_with_the_button(self):
        tx = self._buy(user_id=self.salesman.id)
        order = tx.sale_order_ids
        order.action_lock()
        self._deliver(order, sweater=1)
        order.with_user(self.salesman).payment_action_void()
        self.assertSums(tx, 10000, 0)

    #=== Troubles ===#

    def test_a_delivery_calls_nobody_and_works_without_vipps_mobilepay(self):
        tx = self._buy()
        self.env.flush_all()
        self.cr.flush()
        calls = self.simulator.exchanges
        self.simulator.fault('get', 'lost', times=None)
        self._ship(tx.sale_order_ids)
        self.cr.flush()
        self.assertEqual(self.simulator.exchanges, calls)
        self.assertTrue(self._get_tasks(tx, 'capture'))

    def test_changes_of_one_request_are_one_request_to_read(self):
        tx = self._buy(self._line(self.sweater), self._line(self.mittens))
        self._ship(tx.sale_order_ids)
        self.cr.flush()
        tasks = self._get_tasks(tx, 'capture')
        self.assertEqual(len(tasks), 1)
        self.assertEqual(self._run_due(), [tx.vipps_payment_reference])
        self.assertFalse(tasks.exists())

    def test_a_payment_whose_keys_are_gone_is_not_asked_for_again_and_again(self):
        tx = self._buy()
        order = tx.sale_order_ids
        picking = self._deliver(order)
        self.assertEqual(tx.state, 'done')
        self.vipps.vipps_merchant_serial_number = '999999'
        self._return(order, picking)
        self.assertFalse(self._get_tasks(tx, 'verify', 'sync', 'capture'))

    def test_a_refused_capture_is_told_and_tried_again_and_taken_back(self):
        tx = self._buy(user_id=self.salesman.id)
        order = tx.sale_order_ids
        self.simulator.fault('capture', 'refuse', code='6260', times=2)
        self._deliver(order)
        activity = self._get_order_activities(order)
        self.assertEqual(activity.user_id, self.salesman)
        self.assertIn(tx.reference, activity.summary)
        self.assertSums(tx, 0, 20000)
        self.assertTrue(self._get_tasks(tx, 'verify', 'sync', 'capture'))

        self._run_job()
        self.assertEqual(self._get_order_activities(order), activity)
        self._run_job()
        self.assertSums(tx, 20000, 0)
        self.assertFalse(self._get_order_activities(order))
        self.assertFalse(self._get_tasks(tx, 'verify', 'sync', 'capture'))
        keys = [call['idempotency_key'] for call in self._get_calls('capture', tx)]
        self.assertEqual(len(set(keys)), 3)

    def test_what_is_delivered_and_cannot_be_captured_anymore_is_not_forgotten(self):
        tx = self._buy()
        order = tx.sale_order_ids
        self.simulator.fault('capture', 'refuse', code='6260', times=None)
        self._deliver(order, sweater=1)
        self.simulator.cancel(tx.vipps_payment_reference)
        self._run_job()
        self.assertEqual(tx.state, 'cancel')
        self.assertIn("100.00", self._get_order_activities(order).note)
        self.assertIn("not paid", self._get_order_activities(order).note)

    def test_a_refused_capture_is_not_told_in_the_name_of_the_customer(self):
        self.vipps.vipps_capture_mode = 'automatic'
        order = self._create_order(user_id=self.salesman.id)
        tx = self._start_order(order)
        self._approve(tx)
        self.simulator.fault('capture', 'refuse', code='6100')
        tx.with_user(self.env.ref('base.public_user')).sudo()._vipps_sync_for_customer()
        activity = self._get_order_activities(order)
        self.assertEqual(activity.create_uid, self.env.ref('base.user_root'))
        self.assertFalse(order.message_ids.filtered(
            lambda message: message.author_id == self.env.ref('base.public_partner')
            and "capture or release" in (message.subject or '') + message.body
        ))

    def test_a_refused_capture_is_told_to_an_administrator_when_nobody_is_responsible(self):
        tx = self._buy(user_id=False)
        self.simulator.fault('capture', 'refuse', code='6100')
        self._deliver(tx.sale_order_ids)
        activity = self._get_order_activities(tx.sale_order_ids)
        self.assertEqual(activity.user_id, self.vipps._vipps_get_administrator())

    def test_somebody_is_told_when_there_is_no_answer_for_an_hour(self):
        tx = self._buy()
        order = tx.sale_order_ids
        self.simulator.fault('capture', 'status', status=503, times=None)
        with self._without_pauses():
            self._deliver(order)
            for _i in range(5):
                self._run_job()
            self.assertFalse(self._get_order_activities(order))
            self._run_job()
            self.assertEqual(len(self._get_order_activities(order)), 1)
        self.simulator.clear_faults()
        self._run_job()
        self.assertSums(tx, 20000, 0)
        self.assertFalse(self._get_order_activities(order))

    def test_a_delivery_while_vipps_mobilepay_is_down_is_captured_later(self):
        tx = self._buy()
        with self._without_pauses():
            self.simulator.fault('get', 'status', status=503, times=None)
            self._deliver(tx.sale_order_ids)
            self.simulator.clear_faults()
        self.assertSums(tx, 0, 20000)
        self._run_job()
        self.assertSums(tx, 20000, 0)


@tagged('post_install', '-at_install')
class TestKits(DeliveryCommon):
    """ What is sold as one and delivered in parts, with the module for kits. """

    def test_a_kit_is_captured_when_all_of_it_is_delivered(self):
        self._make_kit()
        tx = self._buy(self._line(self.sweater, 2))
        order = tx.sale_order_ids
        self._deliver(order, needles=1, wool=2)
        self.assertSums(tx, 0, 20000)
        self._deliver(order, wool=2)
        self.assertSums(tx, 10000, 10000)
        self._deliver(order)
        self.assertSums(tx, 20000, 0)

    def test_a_kit_that_is_invoiced_on_order_and_comes_back_is_proposed_to_be_refunded(self):
        self._make_kit()
        self.sweater.invoice_policy = 'order'
        tx = self._buy()
        order = tx.sale_order_ids
        self.assertSums(tx, 0, 20000)
        self._return(order, self._deliver(order), needles=1, wool=3)
        self.assertEqual(order.order_line.qty_delivered, 1)
        self.assertIn("100.00", self._get_order_activities(order).note)
