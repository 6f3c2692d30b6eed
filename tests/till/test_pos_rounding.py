# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo.exceptions import UserError
from odoo.fields import Command
from odoo.tests import tagged

from ..pos_common import PosCommon


@tagged('post_install', '-at_install')
class TestPosRounding(PosCommon):
    """ Tills that round what is paid in cash: an app pays to the last øre. """

    def _round(self, rounding=1.0, method='HALF-UP', only_cash=True):
        """ Let the till round. """
        self.config.write({'cash_rounding': False})
        self.config.write({
            'cash_rounding': True,
            'only_round_cash_method': only_cash,
            'rounding_method': self.env['account.cash.rounding'].create({
                'name': "Coins", 'rounding': rounding, 'rounding_method': method,
                'strategy': 'add_invoice_line',
                'profit_account_id': self.company.default_cash_difference_income_account_id.id,
                'loss_account_id': self.company.default_cash_difference_expense_account_id.id,
            }).id,
        })
        self.env.invalidate_all()

    def _prepare_mixed(self, total, *payments, **kwargs):
        """ Return an order that is paid with amounts in cash (`('cash', 50)`) and with Vipps. """
        return self._prepare_ui_order(total, payments=[
            self._prepare_ui_payment(amount, self.cash_method if name == 'cash' else None)
            for name, amount in payments
        ], **kwargs)

    def _get_index(self, payments):
        return [name for name, _amount in payments].index('vipps')

    def test_a_part_in_cash_leaves_the_unrounded_rest_for_the_app(self):
        for rounding, method, total, payments in (
            (1.0, 'HALF-UP', 99.40, (('cash', 50), ('vipps', 49.40))),
            (1.0, 'HALF-UP', 99.60, (('cash', 50), ('vipps', 49.60))),
            (1.0, 'HALF-UP', 100.40, (('cash', 50), ('vipps', 50.40))),
            (1.0, 'HALF-UP', 100.40, (('vipps', 50.40), ('cash', 50))),
            (1.0, 'UP', 99.10, (('cash', 50), ('vipps', 49.10))),
            (1.0, 'DOWN', 99.90, (('cash', 50), ('vipps', 49.90))),
            (0.5, 'HALF-UP', 99.20, (('cash', 50), ('vipps', 49.20))),
            (0.5, 'HALF-UP', 99.30, (('cash', 50), ('vipps', 49.30))),
            (0.5, 'UP', 99.10, (('vipps', 49.10), ('cash', 50))),
            (0.5, 'DOWN', 99.40, (('cash', 20), ('cash', 30), ('vipps', 49.40))),
        ):
            with self.subTest(rounding=rounding, method=method, total=total, payments=payments):
                self._round(rounding, method)
                for is_browser in (True, False):
                    ui_order = self._prepare_mixed(total, *payments)
                    status = self._ask_and_approve(ui_order, index=self._get_index(payments))
                    self.assertEqual(status['state'], 'paid')
                    if is_browser:
                        order = self._finish(ui_order)
                    else:
                        status = self._call('vipps_attach_attempt', status['reference'])
                        self.assertEqual(status['notice'], '')
                        order = self.env['pos.order'].browse(status['order_id'])
                    self.assertEqual(order.state, 'paid')

    def test_what_is_rounded_in_cash_after_the_app_is_put_into_the_order(self):
        for total, app, cash in ((100.40, 50, 50), (100.60, 50, 51), (99.60, 50, 50)):
            with self.subTest(total=total):
                self._round()
                ui_order = self._prepare_mixed(total, ('vipps', app), ('cash', cash))
                status = self._ask_and_approve(ui_order)
                self.assertTrue(
                    self._call('vipps_attach_attempt', status['reference'])['is_attached']
                )
                sold = self.env['pos.order'].browse(status['order_id'])
                ui_refund = self._prepare_ui_refund(sold, payments=[
                    self._prepare_ui_payment(-app),
                    self._prepare_ui_payment(-cash, self.cash_method),
                ])
                self.assertEqual(self._ask(ui_refund, False)['state'], 'refunded')
                self.assertEqual(self._finish(ui_refund).state, 'paid')

    def test_no_more_than_the_unrounded_rest_is_asked_for(self):
        self._round()
        for total, amount, left in ((99.40, 49.41, '49.40'), (99.60, 50, '49.60')):
            with self.subTest(total=total), self.assertRaisesRegex(UserError, f"Only.*{left}"):
                self._ask(self._prepare_mixed(total, ('cash', 50), ('vipps', amount)), index=1)

    def test_what_is_not_paid_within_the_rounding_stays_a_draft_and_says_so(self):
        self._round()
        ui_order = self._prepare_mixed(100.40, ('cash', 49), ('vipps', 50.40))
        status = self._ask_and_approve(ui_order, index=1)
        status = self._call('vipps_attach_attempt', status['reference'])
        self.assertFalse(status['is_attached'])
        self.assertIn("not fully paid", status['notice'])
        self.assertEqual(self.env['pos.order'].browse(status['order_id']).amount_paid, 99.40)

    def test_a_refund_of_a_part_in_cash_goes_both_ways(self):
        for total in (99.40, 99.60, 100.40):
            for payments in (
                (('cash', -50), ('vipps', 50 - total)), (('vipps', 50 - total), ('cash', -50)),
            ):
                for is_browser in (True, False):
                    with self.subTest(total=total, payments=payments, is_browser=is_browser):
                        self._round()
                        sale = (('cash', 50), ('vipps', total - 50))
                        ui_order = self._prepare_mixed(total, *sale)
                        self._ask_and_approve(ui_order, index=1)
                        sold = self._finish(ui_order)
                        ui_refund = self._prepare_ui_refund(sold, payments=[
                            self._prepare_ui_payment(
                                amount, self.cash_method if name == 'cash' else None
                            ) for name, amount in payments
                        ])
                        status = self._ask(ui_refund, False, index=self._get_index(payments))
                        self.assertEqual(status['state'], 'refunded')
                        if is_browser:
                            self.assertEqual(self._finish(ui_refund).state, 'paid')
                        else:
                            status = self._call('vipps_attach_attempt', status['reference'])
                            self.assertTrue(status['is_attached'])

    def test_rounding_on_all_methods_rounds_the_app_too(self):
        for total, rounded in ((99.40, 99), (99.60, 100)):
            with self.subTest(total=total):
                self._round(only_cash=False)
                ui_order = self._prepare_mixed(total, ('vipps', rounded))
                status = self._ask_and_approve(ui_order)
                self.assertTrue(
                    self._call('vipps_attach_attempt', status['reference'])['is_attached']
                )
                order = self.env['pos.order'].browse(status['order_id'])
                ui_refund = self._prepare_ui_refund(
                    order, payments=[self._prepare_ui_payment(-rounded)]
                )
                self.assertEqual(self._ask(ui_refund, False)['state'], 'refunded')
                self.assertEqual(self._finish(ui_refund).state, 'paid')

    def test_change_is_given_and_tips_are_paid_beside_it(self):
        self._round()
        tip_product = self.env['product.product'].create({'name': "Tip", 'type': 'service'})
        self.config.tip_product_id = tip_product
        ui_order = self._prepare_mixed(
            109.40, ('vipps', 59.40),
            lines=[
                self._prepare_ui_line(99.40),
                self._prepare_ui_line(10, product_id=tip_product.id),
            ],
        )
        self._ask_and_approve(ui_order)
        ui_order['data']['statement_ids'].append(
            Command.create(self._prepare_ui_payment(100, self.cash_method))
        )
        ui_order['data']['amount_return'] = 50
        order = self._finish(ui_order)
        self.assertEqual((order.state, order.amount_paid), ('paid', 109.40))

    def test_a_session_with_rounded_cash_is_closed(self):
        self._round()
        for total, cash, app in ((99.40, 50, 49.40), (100.40, 50, 50)):
            ui_order = self._prepare_mixed(total, ('vipps', app), ('cash', cash))
            status = self._ask_and_approve(ui_order)
            self._call('vipps_attach_attempt', status['reference'])
        self.session.with_user(self.cashier).post_closing_cash_details(100)
        self.session.with_user(self.cashier).update_closing_control_state_session('')
        self.assertEqual(
            self.session.with_user(self.cashier).close_session_from_ui(), {'successful': True}
        )
        self.assertEqual(self.session.state, 'closed')
