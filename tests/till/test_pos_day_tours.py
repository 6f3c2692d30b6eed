# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import itertools

from odoo.fields import Command
from odoo.tests import tagged
from odoo.tools import mute_logger

from ..pos_tour_common import PosTourCommon


@tagged('post_install', '-at_install', 'vipps_tour')
class TestPosDayTours(PosTourCommon):
    """ What happens at a till on a long day. """

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.company.name = "Fjordbutikken"
        cls.cashier.name = "Nora Lie"
        cls.config.write({
            'auto_validate_terminal_payment': False,
            'iface_tipproduct': True,
            'tip_product_id': cls.env.ref('point_of_sale.product_product_tip').id,
            'iface_customer_facing_display_local': True,
        })
        cls.env['product.product'].create({
            'name': "Coffee", 'list_price': 30, 'taxes_id': [Command.clear()],
            'available_in_pos': True, 'type': 'service',
        })

    def test_keys_pay_nothing_and_an_order_that_is_put_aside_is_paid(self):
        self._start_tour('vipps_pos_patience')
        self.assertEqual(self._get_payments(), [('EXPIRED', 0), ('AUTHORIZED', 4500)])
        self.assertEqual(self._get_finished(), [(45, 0)])
        self.assertFalse(self._get_orders('draft'))

    def test_what_the_cashier_does_while_the_customer_pays_loses_and_doubles_nothing(self):
        self._start_tour('vipps_pos_meanwhile')
        self.assertEqual(self._get_payments(), [
            ('TERMINATED', 0),
            ('AUTHORIZED', 2500),
            ('TERMINATED', 0), ('AUTHORIZED', 0), ('AUTHORIZED', 2500),
            ('TERMINATED', 0), ('AUTHORIZED', 4500),
        ])
        self.assertEqual(self._get_finished(), [(0, 45), (25, 20), (25, 20), (45, 0)])
        self.assertFalse(self._get_orders('draft'))

    def test_sales_of_another_day_are_refunded_in_full_in_part_and_not_if_paid_in_cash(self):
        self.sequence = itertools.count(501)  # The browser counts its orders from 1.
        line = self._prepare_ui_line
        ui_order = self._prepare_ui_order()
        self._ask_and_approve(ui_order, flow='push', phone='900 00 001')
        self._finish(ui_order)
        self._sell(75, lines=[line(45), line(30)])
        ui_order = self._prepare_ui_order(
            payments=[self._prepare_ui_payment(45, self.cash_method)]
        )
        self._finish(ui_order)
        self._close()
        self.session = self._open_session(self.config)
        with mute_logger('odoo.http'):  # It logs each sentence that the cashier reads.
            self._start_tour('vipps_pos_refund')
        self.assertEqual(self._get_payments(), [('AUTHORIZED', 0), ('AUTHORIZED', 3000)])
        self.assertEqual(self._get_finished(), [(-45, 0), (-45, 0), (0, -45)])

    def test_connection_is_lost_and_the_page_is_loaded_again_between_two_payments(self):
        with self.assertLogs(f'{self._logger.name}.browser', 'WARNING') as logs:
            self._start_tour('vipps_pos_connection')
        self.assertIn("Failed to send orders", logs.output[0])
        self.assertEqual(self._get_payments(), [('AUTHORIZED', 1000), ('AUTHORIZED', 2000)])
        self.assertEqual(self._get_finished(), [(30, 20)])
        request = self.simulator.payments[-1]['request']
        self.assertEqual(request['receipt']['bottomLine']['tipAmount'], 500)

    def test_payments_that_belong_to_no_order_are_settled_when_the_session_is_closed(self):
        self.session.login()  # The browser is the second one.
        for amount in (45, 30):
            self._ask_and_approve(self._prepare_ui_order(amount))
        self._start_tour('vipps_pos_closing')
        self.assertEqual(self._get_payments(), [('AUTHORIZED', 4500), ('AUTHORIZED', 0)])
        self.assertEqual(self._get_finished(), [(45, 0)])

    def test_three_ways_to_pay_on_a_small_screen(self):
        self._start_tour('vipps_pos_on_phone', size='375,667', code=self.simulator.make_code())
        self.assertEqual(self._get_payments(), [('AUTHORIZED', 4500)] * 3)
        self.assertEqual(self._get_finished(), [(45, 0)] * 3)
