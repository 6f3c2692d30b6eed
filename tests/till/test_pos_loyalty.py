# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo.fields import Command
from odoo.tests import tagged

from ..pos_common import PosCommon


@tagged('post_install', '-at_install')
class TestPosLoyalty(PosCommon):
    """ What `pos_loyalty` books from the browser alone is not finished on the server. """

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.env['loyalty.program'].search([]).active = False
        cls.gift_product = cls.env['product.product'].create({
            'name': "Gift Card", 'taxes_id': [Command.clear()], 'available_in_pos': True,
            'type': 'service',
        })

    def _create_program(self, program_type, applies_on, **values):
        return self.env['loyalty.program'].create({
            'name': program_type, 'program_type': program_type, 'applies_on': applies_on,
            'pos_ok': True, 'trigger': 'auto',
            'rule_ids': [Command.create({
                'reward_point_mode': 'money', 'product_ids': values.pop('product', False) and [
                    Command.set(self.gift_product.ids)
                ],
            })],
            'reward_ids': [Command.create({
                'reward_type': 'discount', 'discount_mode': 'per_point', 'discount': 1,
                'discount_applicability': 'order', 'required_points': 1,
            })],
            **values,
        })

    def _attach(self, ui_order):
        """ Ask for an order, pay it, and put the payment into it on the server. """
        reference = self._ask_and_approve(ui_order)['reference']
        status = self._call('vipps_attach_attempt', reference)
        return status, self.env['pos.order'].browse(status['order_id'])

    def _assert_left_to_the_till(self, ui_order):
        status, order = self._attach(ui_order)
        self.assertEqual((status['is_attached'], order.state), (False, 'draft'))
        self.assertIn("gift cards, coupons or points", status['notice'])
        payment = order.payment_ids
        self.assertEqual(payment.payment_status, 'done')
        self.assertEqual(payment.vipps_transaction_id.reference, status['reference'])
        # The till goes on.
        self.assertEqual(self._finish(ui_order).state, 'paid')

    def _assert_finished(self, ui_order):
        status, order = self._attach(ui_order)
        self.assertEqual((status['is_attached'], status['notice']), (True, ''))
        self.assertEqual(order.state, 'paid')

    def test_a_spent_gift_card_is_left_to_the_till(self):
        program = self._create_program('gift_card', 'future', product=True)
        card = self.env['loyalty.card'].create({'program_id': program.id, 'points': 30})
        self._assert_left_to_the_till(self._prepare_ui_order(70, lines=[
            self._prepare_ui_line(100),
            self._prepare_ui_line(
                -30, is_reward_line=True, reward_id=program.reward_ids.id, coupon_id=card.id,
                points_cost=30, reward_identifier_code='1',
            ),
        ]))

    def test_a_sold_gift_card_is_left_to_the_till_and_nothing_else(self):
        self._create_program('gift_card', 'future', product=True)
        self._assert_left_to_the_till(self._prepare_ui_order(
            100, lines=[self._prepare_ui_line(100, product_id=self.gift_product.id)]
        ))
        self._assert_finished(self._prepare_ui_order())

    def test_points_of_a_customer_are_left_to_the_till(self):
        self._create_program('loyalty', 'both')
        self._assert_left_to_the_till(self._prepare_ui_order(partner_id=self.partner.id))
        self._assert_finished(self._prepare_ui_order())

    def test_a_coupon_for_the_next_order_is_left_to_the_till(self):
        self._create_program('next_order_coupons', 'future')
        self._assert_left_to_the_till(self._prepare_ui_order())

    def test_a_program_of_another_till_is_none_of_this_one(self):
        other = self._create_config("Kiosk", payment_method_ids=[
            Command.set(self.pos_method.ids)
        ])
        self._create_program('next_order_coupons', 'future', pos_config_ids=[
            Command.set(other.ids)
        ])
        self._assert_finished(self._prepare_ui_order())

    def test_the_office_says_that_the_order_is_left_to_the_till(self):
        self._create_program('next_order_coupons', 'future')
        self._ask_and_approve(self._prepare_ui_order())
        session = self.session.with_user(self.cashier)
        action = session.action_vipps_view_unsettled()
        attempt = session.env[action['res_model']].search(action['domain'])
        notification = attempt.action_attach()
        self.assertIn("gift cards, coupons or points", notification['params']['message'])
        self.assertFalse(self._close()['successful'])
