# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo.exceptions import ValidationError
from odoo.fields import Command
from odoo.tests import tagged

from ..common import TransactionCommon


@tagged('post_install', '-at_install')
class TestSecondPayment(TransactionCommon):
    """ Several payments of the same order or invoice. """

    def _start_twice(self, start, document, *args):
        """ Return two open payments of the same document.

        The first one cannot be cancelled for the second one, as the customer is busy with it in the
        app.
        """
        first = start(document, *args)
        self.simulator.fault('cancel', 'refuse', code='6250', times=None)
        second = start(document, *args)
        self.simulator.clear_faults()
        for tx in (first, second):
            self.assertEqual(self._get_payment(tx)['state'], 'CREATED')
        return first, second

    def _assert_released(self, tx, document):
        self.assertEqual(tx.state, 'cancel')
        aggregate = self._get_aggregate(tx)
        self.assertEqual(aggregate['cancelled'], aggregate['authorized'])
        self.assertFalse(self._get_calls('capture', tx))
        self.assertIn("second payment", tx.state_message)
        self.assertTrue(document.message_ids.filtered(
            lambda m: tx.reference in m.body and "second payment" in m.body
        ))

    def test_an_open_attempt_is_cancelled_when_the_next_one_starts(self):
        order = self._create_order()
        first = self._start_order(order)
        second = self._start_order(order)
        self.assertEqual(self._get_payment(first)['state'], 'TERMINATED')
        self.assertEqual(first.state, 'cancel')
        self.assertEqual(self._get_payment(second)['state'], 'CREATED')
        self.assertNotEqual(first.vipps_payment_reference, second.vipps_payment_reference)
        self.assertEqual(self._get_calls('cancel')[0]['body'], {'cancelTransactionOnly': True})

    def test_open_attempts_that_do_not_exceed_the_order_stay_open(self):
        order = self._create_order(1000)
        first = self._start_order(order, 400)
        second = self._start_order(order, 600)
        for tx in (first, second):
            self.assertEqual(self._get_payment(tx)['state'], 'CREATED')
            self._approve(tx)
            self._refresh(tx)
        self.assertEqual((first + second).mapped('state'), ['authorized', 'authorized'])

    def test_open_attempts_that_do_not_exceed_the_invoice_stay_open(self):
        invoice = self._create_invoice(1000)
        first = self._start_invoice(invoice, 400)
        second = self._start_invoice(invoice, 600)
        for tx in (first, second):
            self.assertEqual(self._get_payment(tx)['state'], 'CREATED')
            self._approve(tx)
            self._refresh(tx)
        self.assertEqual((first + second).mapped('state'), ['authorized', 'authorized'])

    def test_an_attempt_that_was_approved_meanwhile_is_paid_and_no_other_one_starts(self):
        order = self._create_order()
        first = self._start_order(order)
        self._approve(first)
        with self.assertRaises(ValidationError):
            self._start_order(order)
        self.assertEqual(self._get_aggregate(first)['authorized'], 24950)
        self.assertEqual(len(self.simulator.payments), 1)

    def test_no_attempt_starts_for_an_order_that_is_paid(self):
        order = self._create_order()
        first = self._start_order(order)
        self._approve(first)
        self._refresh(first)
        with self.assertRaises(ValidationError):
            self._start_order(order)
        self.assertEqual(len(self.simulator.payments), 1)

    def test_the_second_payment_of_an_order_is_released_at_once(self):
        for capture_mode in ('manual', 'automatic'):
            with self.subTest(capture_mode=capture_mode):
                self.vipps.vipps_capture_mode = capture_mode
                order = self._create_order()
                first, second = self._start_twice(self._start_order, order)
                self._approve(first)
                self._approve(second)
                self._refresh(first)
                self._refresh(second)
                self.assertIn(first.state, ('authorized', 'done'))
                self._assert_released(second, order)

    def test_the_payment_that_was_read_first_counts(self):
        order = self._create_order()
        first, second = self._start_twice(self._start_order, order)
        self._approve(first)
        self._approve(second)
        self._refresh(second)
        self._refresh(first)
        self.assertEqual(second.state, 'authorized')
        self._assert_released(first, order)

    def test_a_payment_of_an_order_that_another_provider_was_paid_for_is_released(self):
        order = self._create_order()
        tx = self._start_order(order)
        other = self._create_transaction(
            'redirect', provider_id=self.dummy_provider.id, amount=order.amount_total,
            payment_method_id=self.env.ref('payment.payment_method_unknown').id,
            reference='other', sale_order_ids=[Command.set(order.ids)],
        )
        other._set_done()
        self._approve(tx)
        self._refresh(tx)
        self._assert_released(tx, order)

    def test_the_second_payment_of_an_invoice_is_released_at_once(self):
        for is_posted in (False, True):
            with self.subTest(is_posted=is_posted):
                invoice = self._create_invoice()
                first, second = self._start_twice(self._start_invoice, invoice)
                self._approve(first)
                self._refresh(first)
                self._capture(first)
                if is_posted:
                    first._finalize_post_processing()
                    self.assertFalse(invoice.amount_residual)
                self._approve(second)
                self._refresh(second)
                self._assert_released(second, invoice)

    def test_a_payment_that_exceeds_what_is_left_of_an_invoice_is_released(self):
        invoice = self._create_invoice(1000)
        first, second = self._start_twice(self._start_invoice, invoice, 600)
        self._approve(first)
        self._refresh(first)
        self._capture(first)
        first._finalize_post_processing()
        self.assertEqual(invoice.amount_residual, 400)
        self._approve(second)
        self._refresh(second)
        self._assert_released(second, invoice)

    def test_the_last_part_of_an_invoice_is_not_released(self):
        invoice = self._create_invoice(1000)
        first = self._start_invoice(invoice, 400)
        self._approve(first)
        self._refresh(first)
        self._capture(first)
        first._finalize_post_processing()
        second = self._start_invoice(invoice, 600)
        self._approve(second)
        self._refresh(second)
        self.assertEqual(second.state, 'authorized')

    def test_a_payment_after_a_refund_is_not_released(self):
        order = self._create_order()
        first = self._start_order(order)
        self._approve(first)
        self._refresh(first)
        self._capture(first)
        first._create_child_transaction(first.amount, is_refund=True)._set_done()
        second = self._start_order(order)
        self._approve(second)
        self._refresh(second)
        self.assertEqual(second.state, 'authorized')

    def test_a_second_payment_that_cannot_be_released_now_is_released_later(self):
        order = self._create_order()
        first, second = self._start_twice(self._start_order, order)
        self._approve(first)
        self._refresh(first)
        self._approve(second)
        self.simulator.fault('cancel', 'refuse', code='6250')
        second._vipps_sync_for_customer()
        self.assertEqual(second.state, 'draft')
        self._run_job()
        self._assert_released(second, order)

    def test_a_payment_of_an_order_that_was_cancelled_meanwhile_is_released(self):
        self.vipps.vipps_capture_mode = 'automatic'
        order = self._create_order()
        tx = self._start_order(order)
        order._action_cancel()
        self._approve(tx)
        self._refresh(tx)
        self.assertEqual((tx.state, order.state), ('cancel', 'cancel'))
        self.assertIn("order was cancelled", tx.state_message)
        self.assertEqual(self._get_aggregate(tx)['cancelled'], 24950)
        self.assertFalse(self._get_calls('capture'))

    def test_no_attempt_starts_for_an_order_that_is_cancelled(self):
        order = self._create_order()
        order._action_cancel()
        with self.assertRaisesRegex(ValidationError, "was cancelled"):
            self._start_order(order)
        self.assertFalse(self._get_calls('create'))

    def test_a_void_is_not_called_a_second_payment(self):
        order = self._create_order(price=400)
        self._authorize(amount=200, sale_order_ids=[Command.set(order.ids)])
        tx = self._authorize(amount=200, sale_order_ids=[Command.set(order.ids)])
        order.order_line.price_unit = 200
        tx.action_void()
        self.assertNotIn("second payment", tx.state_message)
