# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo.fields import Command
from odoo.tests import tagged

from ..delivery_common import DeliveryCommon


@tagged('post_install', '-at_install')
class TestDeliveryAmount(DeliveryCommon):
    """ How much is captured of what is delivered. """

    def test_the_captures_add_up_to_the_total_whatever_is_rounded(self):
        for rounding in ('round_per_line', 'round_globally'):
            self.company.tax_calculation_rounding_method = rounding
            with self.subTest(rounding=rounding):
                tax = {'tax_id': [Command.set(self.tax.ids)]}
                tx = self._buy(
                    self._line(self.sweater, 3, 33.33, discount=7, **tax),
                    self._line(self.mittens, 7, 14.29, discount=33, **tax),
                    self._line(self.fee, 1, 49.01, is_delivery=True, **tax),
                )
                order = tx.sale_order_ids
                for _i in range(6):
                    self._deliver(order, **(
                        {'sweater': 1, 'mittens': 1} if _i < 3 else {'mittens': 1}
                    ))
                    self.assertEqual(tx.state, 'authorized')
                self._deliver(order)
                self.assertSums(tx, round(order.amount_total * 100), 0)
                self.assertEqual(len(tx.child_transaction_ids), 7)

    def test_the_delivery_fee_is_captured_with_the_first_shipment(self):
        tx = self._buy(
            self._line(self.sweater, 2), self._line(self.fee, 1, 49, is_delivery=True),
            self._line(self.course),
        )
        order = tx.sale_order_ids
        self.assertSums(tx, 0, 34900)
        self._deliver(order, sweater=1)
        self.assertSums(tx, 14900, 20000)
        self._deliver(order)
        self.assertSums(tx, 24900, 10000)

    def test_the_delivery_fee_is_captured_at_once_when_there_is_nothing_to_ship(self):
        tx = self._buy(self._line(self.course), self._line(self.fee, 1, 49, is_delivery=True))
        self.assertSums(tx, 4900, 10000)

    def test_the_delivery_fee_stays_reserved_until_goods_are_shipped_even_if_they_are_free(self):
        self.mittens.invoice_policy = 'order'
        for price, captured in ((100, 14900), (0, 4900)):
            with self.subTest(price=price):
                tx = self._buy(
                    self._line(self.mittens, 1, price),
                    self._line(self.fee, 1, 49, is_delivery=True),
                )
                self.assertSums(tx, 0, captured)
                self._deliver(tx.sale_order_ids)
                self.assertSums(tx, captured, 0)

    def test_the_delivery_fee_is_released_when_all_came_back_before_it_was_captured(self):
        tx = self._buy(self._line(self.mittens), self._line(self.fee, 1, 49, is_delivery=True))
        order = tx.sale_order_ids
        self.simulator.fault('get', 'status', status=503, times=None)
        with self._without_pauses():
            self._return(order, self._deliver(order))
        self.simulator.clear_faults()
        self._run_job()
        self.assertSums(tx, 0, 0)

    def test_the_fee_is_released_when_nothing_is_shipped_anymore(self):
        tx = self._buy(self._line(self.sweater), self._line(self.fee, 1, 49, is_delivery=True))
        tx.sale_order_ids.order_line[0].product_uom_qty = 0
        self._settle()
        self.assertSums(tx, 0, 0)

    def test_goods_are_captured_when_they_are_shipped_whatever_they_are_invoiced_on(self):
        self.mittens.invoice_policy = 'order'
        tx = self._buy(self._line(self.sweater), self._line(self.mittens, 2))
        self.assertSums(tx, 0, 30000)
        self._deliver(tx.sale_order_ids, mittens=1)
        self.assertSums(tx, 10000, 20000)
        self._deliver(tx.sale_order_ids)
        self.assertSums(tx, 30000, 0)

    def test_services_are_captured_when_somebody_says_that_they_are_delivered(self):
        tx = self._buy(self._line(self.course, 2), user_id=self.salesman.id)
        self.assertSums(tx, 0, 20000)
        order = tx.sale_order_ids
        order.with_user(self.salesman).order_line.qty_delivered = 1
        self._settle()
        self.assertSums(tx, 10000, 10000)
        order.with_user(self.salesman).order_line.qty_delivered = 2
        self._settle()
        self.assertSums(tx, 20000, 0)

    def test_a_lower_price_is_what_is_captured_and_the_rest_is_released(self):
        tx = self._buy()
        tx.sale_order_ids.order_line.price_unit = 80
        self._deliver(tx.sale_order_ids)
        self.assertSums(tx, 16000, 0)

    def test_a_prepayment_is_captured_until_it_is_used_up(self):
        tx = self._buy(
            self._line(self.sweater, 4), amount=150, require_payment=True, prepayment_percent=0.25,
        )
        order = tx.sale_order_ids
        self._deliver(order, sweater=1)
        self.assertSums(tx, 10000, 5000)
        self._deliver(order, sweater=1)
        self.assertSums(tx, 15000, 0)
        self._deliver(order)
        self.assertEqual(len(self._get_calls('capture', tx)), 2)

    def test_a_down_payment_that_was_paid_otherwise_is_not_captured_again(self):
        order = self._create_order(order_line=[self._line(self.sweater, 4)])
        order.action_confirm()
        wizard = self.env['sale.advance.payment.inv'].with_context(
            active_ids=order.ids, active_model='sale.order',
        ).create({'advance_payment_method': 'fixed', 'fixed_amount': 150})
        invoice = wizard._create_invoices(order)
        invoice.invoice_line_ids.tax_ids = [Command.clear()]
        invoice.action_post()
        self.env['account.payment.register'].with_context(
            active_ids=invoice.ids, active_model='account.move',
        ).create({})._create_payments()
        self.assertFalse(invoice.amount_residual)

        tx = self._start_order(order, amount=250)
        self._approve(tx)
        self._run_job()
        self._deliver(order, sweater=1)
        self.assertSums(tx, 0, 25000)
        self._deliver(order, sweater=1)
        self.assertSums(tx, 5000, 20000)
        self._deliver(order)
        self.assertSums(tx, 25000, 0)

    def test_what_the_payment_itself_paid_of_an_invoice_is_not_counted_twice(self):
        tx = self._buy(self._line(self.sweater, 2))
        order = tx.sale_order_ids
        self._deliver(order, sweater=1)
        capture_tx = tx.child_transaction_ids.sudo()
        capture_tx._finalize_post_processing()
        invoice = order._create_invoices()
        invoice.action_post()
        (capture_tx.payment_id.line_ids + invoice.line_ids).filtered(
            lambda line: line.account_id.account_type == 'asset_receivable' and not line.reconciled
        ).reconcile()
        self.assertFalse(invoice.amount_residual)
        self._deliver(order)
        self.assertSums(tx, 20000, 0)

    def test_what_was_paid_last_is_proposed_to_be_refunded_first(self):
        first_tx = self._buy(self._line(self.sweater, 2), amount=100)
        order = first_tx.sale_order_ids
        second_tx = self._start_order(order, amount=100)
        self._approve(second_tx)
        second_tx._vipps_sync()
        self._settle()
        for tx in (first_tx, second_tx):
            self._capture(tx)
        self._deliver(order, backorder=False, sweater=1)
        self.assertEqual(first_tx._vipps_get_excess_amount(), 0)
        self.assertEqual(second_tx._vipps_get_excess_amount(), 100)
        activity, = self._get_order_activities(order)
        self.assertIn(second_tx.reference, activity.summary)

    def test_two_payments_of_one_order_are_captured_one_after_the_other(self):
        order = self._create_order(order_line=[self._line(self.sweater, 4)], prepayment_percent=0.1)
        txs = []
        for amount in (150, 250):
            tx = self._start_order(order, amount=amount)
            self._approve(tx)
            self._refresh(tx)
            txs.append(tx)
        self.assertEqual([tx.state for tx in txs], ['authorized'] * 2)
        sums = []
        for _i in range(4):
            self._deliver(order, sweater=1)
            sums.append(tuple(self._get_aggregate(tx)['captured'] for tx in txs))
        self.assertEqual(sums, [(10000, 0), (15000, 5000), (15000, 15000), (15000, 25000)])
