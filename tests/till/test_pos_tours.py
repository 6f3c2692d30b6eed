# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo.fields import Command
from odoo.tests import tagged
from odoo.tools import mute_logger

from ...simulator.sales_units import NOK_UNIT
from ..pos_tour_common import PosTourCommon


@tagged('post_install', '-at_install', 'vipps_tour')
class TestPosTours(PosTourCommon):
    """ How a cashier asks for payments, and what comes of it. """

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.config.auto_validate_terminal_payment = False

    def test_order_is_finished_by_itself_when_the_customer_has_paid(self):
        self.config.auto_validate_terminal_payment = True
        self._assert_paid(self._start_tour('vipps_pos_finish_by_itself'))

    def test_customer_scans_the_qr_code_and_pays(self):
        order = self._start_tour('vipps_pos_qr')
        attempt = self._assert_paid(order)
        self.assertEqual(attempt.vipps_user_flow, 'QR')

    @mute_logger('odoo.http')
    def test_customer_gets_a_push_message_after_a_wrong_number(self):
        order = self._start_tour('vipps_pos_push')
        attempt = self._assert_paid(order)
        self.assertEqual(attempt.vipps_user_flow, 'PUSH_MESSAGE')

    def test_code_of_the_customer_is_scanned_twice_and_pays_once(self):
        code = self.simulator.make_code()
        order = self._start_tour('vipps_pos_code', code=code)
        self._assert_paid(order)
        self.assertEqual(len(self.simulator.payments), 1)

    def test_cashier_is_told_that_push_messages_are_refused_and_shows_the_qr_code(self):
        self.simulator.set_unit(NOK_UNIT.msn, may_push=False)
        order = self._start_tour('vipps_pos_push_refused')
        self._assert_paid(order)
        self.assertTrue(self.pos_method.vipps_push_refused)

    def test_switching_to_the_code_of_the_customer_cancels_the_qr_code(self):
        order = self._start_tour('vipps_pos_switch', code=self.simulator.make_code())
        self._assert_paid(order)
        self.assertEqual(
            [payment['state'] for payment in self.simulator.payments],
            ['TERMINATED', 'AUTHORIZED'],
        )

    def test_hidden_payment_goes_on_until_it_is_cancelled_and_paid_in_cash(self):
        order = self._start_tour('vipps_pos_cancel')
        self.assertEqual(order.payment_ids.payment_method_id, self.cash_method)
        self.assertEqual(
            [payment['state'] for payment in self.simulator.payments], ['TERMINATED']
        )

    def test_customer_declines_and_pays_at_the_second_try(self):
        order = self._start_tour('vipps_pos_decline')
        self._assert_paid(order)

    def test_page_is_reloaded_while_the_customer_pays(self):
        order = self._start_tour('vipps_pos_reload')
        self._assert_paid(order)
        self.assertEqual(len(self.simulator.payments), 1)

    def test_order_is_paid_in_cash_when_nobody_knows_what_becomes_of_a_payment(self):
        order = self._start_tour('vipps_pos_outage')
        self.assertEqual(order.state, 'paid')
        self.assertEqual(order.payment_ids.payment_method_id, self.cash_method)
        self.simulator.clear_faults()
        payment, = self.simulator.payments
        self.simulator.approve(payment['reference'])
        self._get_attempt(payment['reference'])._vipps_sync()
        payment, = self.simulator.payments
        self.assertEqual(payment['aggregate']['cancelledAmount']['value'], 2500)

    def test_another_till_takes_over_an_order_while_the_customer_pays(self):
        other_config = self._create_config(
            "Café",
            trusted_config_ids=[Command.set(self.config.ids)],
            payment_method_ids=[Command.set(self.pos_method.ids)],
        )
        self.config.trusted_config_ids = other_config
        session = self._open_session(other_config)
        self._ask(self._prepare_ui_order(session=session), session=session)
        self._assert_paid(self._start_tour('vipps_pos_take_over'))
        self.assertEqual(len(self.simulator.payments), 1)

    def test_payment_screen_shows_that_a_payment_was_given_back_elsewhere(self):
        order = self._start_tour('vipps_pos_given_back_elsewhere')
        self.assertEqual(order.state, 'paid')
        self.assertEqual(order.payment_ids.filtered('amount').payment_method_id, self.cash_method)

    def _assert_paid(self, order):
        """ Ensure that an order is finished and paid with one payment, and return its attempt. """
        self.assertEqual(order.state, 'paid')
        attempt = order.payment_ids.vipps_transaction_id
        self.assertEqual(len(attempt), 1)
        self.assertEqual(attempt.state, 'done')
        self.assertEqual(self._get_aggregate(attempt)['captured'], 4500)
        return attempt
