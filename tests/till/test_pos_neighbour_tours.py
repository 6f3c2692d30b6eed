# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo.fields import Command
from odoo.tests import tagged

from ..pos_tour_common import PosTourCommon


@tagged('post_install', '-at_install', 'vipps_tour')
class TestPosNeighbourTours(PosTourCommon):
    """ Tills with what shops install beside ours. """

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.config.auto_validate_terminal_payment = False

    def _reopen(self, **values):
        """ Close the session, set up the till in another way, and open it again. """
        self.session.action_pos_session_closing_control()
        self.config.write(values)
        self._open_session(self.config)

    def test_a_guest_pays_while_the_waiter_is_at_another_table(self):
        self._reopen(module_pos_restaurant=True)
        self._start_tour('vipps_pos_restaurant')
        self.assertEqual(self._get_payments(), [('AUTHORIZED', 4500), ('TERMINATED', 0)])
        self.assertEqual(self._get_finished(), [(45, 0)])

    def test_cash_is_rounded_beside_a_payment_that_is_not(self):
        self.env['product.product'].create([{
            'name': name, 'list_price': price, 'taxes_id': [Command.clear()],
            'available_in_pos': True, 'type': 'service',
        } for name, price in (("Waffle", 99.4), ("Cocoa", 99.6))])
        account = self.company_data['default_account_revenue']
        rounding = self.env['account.cash.rounding'].create({
            'name': "Kroner", 'rounding': 1, 'rounding_method': 'HALF-UP',
            'strategy': 'add_invoice_line',
            'profit_account_id': account.id, 'loss_account_id': account.id,
        })
        self._reopen(
            cash_rounding=True, rounding_method=rounding.id, only_round_cash_method=True,
        )
        self._start_tour('vipps_pos_rounding')
        self.assertEqual(
            self._get_payments(), [('AUTHORIZED', 4940), ('AUTHORIZED', 4960), ('AUTHORIZED', 5000)]
        )
        self.assertEqual(self._get_finished(), [(49.4, 50), (49.6, 50), (50, 49)])

    def test_an_order_with_coupons_is_left_to_the_till_which_says_so(self):
        self.env['loyalty.program'].search([]).active = False
        self.env['loyalty.program'].create({
            'name': "Next time",
            'program_type': 'next_order_coupons',
            'applies_on': 'future',
            'trigger': 'auto',
            'pos_ok': True,
            'rule_ids': [Command.create({'reward_point_mode': 'order'})],
            'reward_ids': [Command.create({'discount': 10, 'required_points': 1})],
        })
        self._start_tour('vipps_pos_coupon')
        self.assertEqual(self._get_payments(), [('AUTHORIZED', 4500)])
        draft = self._get_orders('draft')
        self.assertEqual((len(draft), draft.payment_ids.payment_status), (1, 'done'))
