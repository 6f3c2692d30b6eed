# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from freezegun import freeze_time

from odoo import fields
from odoo.exceptions import UserError
from odoo.tests import tagged

from ...models.till.pos_session import MAX_PUSHES, PUSH_PERIOD
from ..pos_common import PosCommon


@tagged('post_install', '-at_install')
class TestPosLimits(PosCommon):
    """ What a till may ask for, and how much it may give back. """

    #=== Push messages ===#

    def _store_pushes(self, count):
        """ Leave push messages behind that the till has sent. """
        status = self._ask(self._prepare_ui_order(), flow='push', phone='98765432')
        tx = self._get_attempt(status['reference'])
        self._call('vipps_cancel_attempt', status['reference'])
        for number in range(count - 1):
            tx.copy({
                'reference': f'{tx.reference}-{number}', 'vipps_pos_session_id': self.session.id,
                'vipps_pos_flow': 'push', 'vipps_payment_reference': f'push-{number}',
            })
        self.env.flush_all()

    def test_a_till_sends_so_many_push_messages_and_no_more_for_a_while(self):
        self._store_pushes(MAX_PUSHES - 1)
        ui_order = self._prepare_ui_order()
        status = self._ask(ui_order, flow='push', phone='98765432')
        self.assertEqual(status['state'], 'waiting')
        self._call('vipps_cancel_attempt', status['reference'])
        count = len(self.simulator.payments)
        with self.assertRaisesRegex(UserError, "Show a QR code instead"):
            self._ask(ui_order, flow='push', phone='98765433')
        self.assertEqual(len(self.simulator.payments), count)
        self.assertEqual(self._ask(self._prepare_ui_order())['state'], 'waiting')
        other = self._open_session(self._create_config(
            "Kiosk", payment_method_ids=[(6, 0, self.pos_method.ids)]
        ))
        status = self._ask(
            self._prepare_ui_order(session=other), flow='push', phone='98765432', session=other
        )
        self.assertEqual(status['state'], 'waiting')
        with freeze_time(fields.Datetime.now() + PUSH_PERIOD * 2):
            status = self._ask(ui_order, flow='push', phone='98765432')
        self.assertEqual(status['state'], 'waiting')

    def test_who_asks_a_number_does_not_learn_why_nothing_was_sent(self):
        messages = set()
        for code in ('7010', '4070'):
            self.simulator.fault('create', 'refuse', code=code)
            status = self._ask(self._prepare_ui_order(), flow='push', phone='98765432')
            self.assertEqual(status['state'], 'unpaid')
            messages.add(status['message'])
        message, = messages
        self.assertIn("No payment was sent to this number", message)

    #=== Tills without a shop ===#

    def test_tills_take_payments_although_the_shop_does_not_offer_them(self):
        methods = self.env.ref('payment.payment_method_vipps') | self.env.ref(
            'payment.payment_method_mobile_pay'
        )
        for name, prepare in (
            ('archived', lambda: setattr(methods, 'active', False)),
            ('taken away', lambda: setattr(self.vipps, 'payment_method_ids', False)),
        ):
            with self.subTest(name=name):
                prepare()
                self.env.invalidate_all()
                ui_order = self._prepare_ui_order()
                status = self._ask_and_approve(ui_order)
                self.assertEqual(status['state'], 'paid')
                tx = self._get_attempt(status['reference'])
                self.assertEqual(tx.payment_method_id.code, 'vipps')
                self.assertEqual(self._finish(ui_order).state, 'paid')

    def test_a_till_without_the_brands_says_what_to_do(self):
        self.env.cr.execute(
            "UPDATE payment_method SET code = code || '_old' WHERE code IN ('vipps', 'mobile_pay')"
        )
        self.env.invalidate_all()
        with self.assertRaisesRegex(UserError, "ask an administrator"):
            self._ask(self._prepare_ui_order())
        self.assertIn("were deleted", self._get_alert().note)

    def test_what_only_an_administrator_can_repair_is_told_to_one(self):
        for values, text in (
            ({'state': 'disabled'}, "switched off"),
            ({'is_published': False}, "switched off"),
            ({'available_currency_ids': [(6, 0, self.currency_dkk.ids)]}, "NOK"),
        ):
            with self.subTest(values=values):
                before = {name: self.vipps[name] for name in values}
                self.vipps.write(values)
                for _i in range(2):
                    with self.assertRaisesRegex(UserError, text):
                        self._ask(self._prepare_ui_order())
                alert = self._get_alert()
                self.assertIn(text, alert.note)
                alert.unlink()
                self.vipps.write(before)

    def _get_alert(self):
        self.env.invalidate_all()
        return self.vipps.activity_ids.filtered(lambda a: a.vipps_problem == 'tills').ensure_one()

    #=== What is given back ===#

    def _prepare_return(self, lines, amount, **kwargs):
        """ Return a refund order: pairs of a sold line and what comes back for it. """
        return self._prepare_ui_order(-amount, lines=[
            self._prepare_ui_line(-value, refunded_orderline_id=line.id) for line, value in lines
        ], **kwargs)

    def _assert_at_most(self, amount, ui_refund, **kwargs):
        with self.assertRaisesRegex(UserError, f"At most.*{amount}.*returned products"):
            self._ask(ui_refund, False, **kwargs)
        self.assertFalse(self._get_calls('refund'))

    def test_no_more_is_refunded_than_the_returned_products_were_sold_for(self):
        sold = self._sell(545, lines=[self._prepare_ui_line(45), self._prepare_ui_line(500)])
        bun, cake = sold.lines.sorted('price_unit')
        other = self._open_session(self._create_config(
            "Kiosk", payment_method_ids=[(6, 0, self.pos_method.ids)]
        ))
        self._assert_at_most('45.00', self._prepare_return([(bun, 545)], 545))
        self._assert_at_most(
            '45.00', self._prepare_return([(bun, 545)], 545, session=other), session=other
        )
        self._assert_at_most('45.00', self._prepare_return([(bun, 500), (bun, 45)], 545))
        ui_refund = self._prepare_return([(bun, 45)], 45)
        self.assertEqual(self._ask(ui_refund, False)['state'], 'refunded')
        # Its order is a draft still.
        with self.assertRaisesRegex(UserError, "At most.*0.00"):
            self._ask(self._prepare_return([(bun, 45)], 45), False)
        self.assertEqual(self._finish(ui_refund).state, 'paid')
        with self.assertRaisesRegex(UserError, "At most.*0.00"):
            self._ask(self._prepare_return([(bun, 1)], 1), False)
        ui_refund = self._prepare_return([(cake, 500)], 500)
        self.assertEqual(self._ask(ui_refund, False)['state'], 'refunded')
        self.assertEqual(self._finish(ui_refund).state, 'paid')

    def test_a_discount_is_taken_back_with_what_it_was_given_for(self):
        sold = self._sell(70, lines=[self._prepare_ui_line(100), self._prepare_ui_line(-30)])
        cake, discount = sold.lines.sorted(lambda line: -line.price_subtotal_incl)
        ui_refund = self._prepare_return([(cake, 100), (discount, -30)], 70)
        self.assertEqual(self._ask(ui_refund, False)['state'], 'refunded')
        self.assertEqual(self._finish(ui_refund).state, 'paid')

    def test_what_is_exchanged_gives_back_the_difference(self):
        sold = self._sell(100)
        ui_refund = self._prepare_ui_order(-70, lines=[
            self._prepare_ui_line(-100, refunded_orderline_id=sold.lines.id),
            self._prepare_ui_line(30),
        ])
        self.assertEqual(self._ask(ui_refund, False)['state'], 'refunded')
        self.assertEqual(self._finish(ui_refund).state, 'paid')

    #=== What finishes an order ===#

    def test_a_payment_in_another_currency_pays_nothing(self):
        ui_order = self._prepare_ui_order()
        tx = self._get_attempt(self._ask_and_approve(ui_order)['reference'])
        self.env.cr.execute(
            "UPDATE payment_transaction SET currency_id = %s WHERE id = %s",
            [self.env.ref('base.DKK').id, tx.id],
        )
        self.env.invalidate_all()
        with self.assertRaisesRegex(UserError, "is not paid with Vipps"):
            self.env['pos.order'].browse(tx.vipps_pos_order_id.id).write({'state': 'paid'})
