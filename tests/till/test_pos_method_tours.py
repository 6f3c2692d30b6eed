# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo.tests import tagged
from odoo.tools import mute_logger

from ..pos_tour_common import PosTourCommon


@tagged('post_install', '-at_install', 'vipps_tour')
class TestPosMethodTours(PosTourCommon):
    """ How a cashier goes on when a payment is not made, or not wanted anymore. """

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.config.auto_validate_terminal_payment = False
        cls.pos_product.barcode = 'BUN-1'

    #=== Another payment method ===#

    def test_after_each_question_without_a_payment_any_method_can_be_taken(self):
        with self.assertLogs(f'{self._logger.name}.browser', 'WARNING') as logs:
            self._start_tour('vipps_pos_other_method')
        self.assertIn("Failed to send orders", logs.output[0])
        self.assertEqual(self._get_payments(), [
            ('ABORTED', 0), ('EXPIRED', 0), ('TERMINATED', 0), ('AUTHORIZED', 0), ('ABORTED', 0),
            ('AUTHORIZED', 4500),
        ])
        self.assertEqual(self._get_finished(), [(0, 45)] * 5 + [(45, 0)])
        payment = self._get_orders('paid').payment_ids.filtered(
            lambda p: p.payment_method_id == self.pos_method
        )
        self.assertEqual(payment.mapped('amount'), [45], "No order keeps a line of nothing.")

    def test_cash_is_taken_while_nobody_knows_whether_a_payment_is_cancelled(self):
        self._start_tour('vipps_pos_other_method_in_doubt')
        self.assertEqual(self._get_finished(), [(0, 45)])
        self.simulator.clear_faults()
        payment, = self.simulator.payments
        self.simulator.approve(payment['reference'])
        self._get_attempt(payment['reference'])._vipps_sync()
        self.assertEqual(self._get_payments(), [('AUTHORIZED', 0)])
        payment, = self.simulator.payments
        self.assertEqual(payment['aggregate']['cancelledAmount']['value'], 4500)

    #=== Products that are removed ===#

    def test_an_order_that_is_emptied_asks_nobody_and_what_was_paid_can_be_refunded(self):
        self._start_tour('vipps_pos_empty_order')
        self.assertEqual(self._get_payments(), [
            ('TERMINATED', 0), ('AUTHORIZED', 0), ('AUTHORIZED', 0),
        ])
        self.assertEqual(self._get_finished(), [(0, 45)])

    def test_nobody_is_asked_for_more_than_the_order_is_worth(self):
        self._start_tour('vipps_pos_less_products')
        self.assertEqual(self._get_payments(), [('TERMINATED', 0), ('AUTHORIZED', 4500)])
        self.assertEqual(self._get_finished(), [(45, 0)])

    #=== What is seen and heard ===#

    def test_a_paid_line_says_so_whatever_line_is_selected(self):
        self._start_tour('vipps_pos_two_payments')
        self.assertEqual(self._get_payments(), [('AUTHORIZED', 2000), ('AUTHORIZED', 2500)])
        self.assertEqual(self._get_finished(), [(45, 0)])

    #=== What is entered ===#

    @mute_logger('odoo.http')  # It logs each sentence that the cashier reads.
    def test_a_wrong_phone_number_is_told_in_its_window_and_cancels_nothing(self):
        self._start_tour('vipps_pos_phone')
        self.assertEqual(self._get_payments(), [('TERMINATED', 0), ('AUTHORIZED', 4500)])
        self.assertEqual(
            self.simulator.payments[-1]['request']['customer'], {'phoneNumber': '4798765432'}
        )

    def test_a_barcode_that_is_no_code_of_a_customer_is_not_sent_and_cancels_nothing(self):
        self._start_tour('vipps_pos_wrong_code', code=self.simulator.make_code())
        self.assertEqual(self._get_payments(), [('TERMINATED', 0), ('AUTHORIZED', 4500)])
        self.assertEqual(
            [exchange['status'] for exchange in self._get_calls('create')], [201, 201]
        )
