# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from datetime import timedelta
from unittest.mock import patch

from odoo import fields
from odoo.exceptions import AccessError, UserError
from odoo.fields import Command
from odoo.tests import tagged

from ...models.transaction import action
from ..common import TransactionCommon


@tagged('post_install', '-at_install')
class TestDeadline(TransactionCommon):
    """ Reservations that end some day. """

    def _warn(self):
        self.env.flush_all()
        self.env['payment.transaction']._cron_vipps_warn_of_deadlines()
        self.env.invalidate_all()

    def _reserve(self, days, **values):
        """ Return a transaction that can be captured for so many days. """
        tx = self._authorize(**values)
        tx.write({
            'vipps_capture_deadline': fields.Datetime.now() + timedelta(days=days),
            'vipps_guaranteed_until': False,
        })
        return tx

    def _reserve_order(self, days=10, quantity=2, **values):
        order = self._create_order(user_id=self.salesman.id, order_line=[Command.create({
            'product_id': self.product.id, 'product_uom_qty': quantity, 'price_unit': 100,
            'tax_id': [Command.clear()],
        })], **values)
        tx = self._reserve(
            days, amount=order.amount_total, sale_order_ids=[Command.set(order.ids)]
        )
        self.assertEqual(order.state, 'sale')
        return tx

    def _get_order_activities(self, tx):
        self.env.invalidate_all()
        return tx.sale_order_ids.activity_ids.filtered(
            lambda activity: tx.reference in (activity.summary or '')
        )

    #=== Warnings ===#

    def test_somebody_is_told_once_some_days_before_the_deadline(self):
        self.vipps.vipps_deadline_warning_days = 3
        near_tx, far_tx = self._reserve_order(days=2.9), self._reserve_order(days=3.1)
        self._warn()
        activity = self._get_order_activities(near_tx)
        self.assertEqual(activity.user_id, self.salesman)
        self.assertIn("200.00", activity.note)
        self.assertFalse(self._get_order_activities(far_tx))

        self._warn()
        self.assertEqual(self._get_order_activities(near_tx), activity)
        activity.with_user(self.salesman).action_feedback()
        self._warn()
        self.assertFalse(self._get_order_activities(near_tx))

    def test_the_warning_of_a_payment_without_an_order_is_on_the_provider(self):
        tx = self._reserve(1)
        self._warn()
        self.assertIn(tx.reference, self._get_activities().summary)

    def test_the_warning_is_in_the_language_of_the_company(self):
        self.env['res.lang']._activate_lang('da_DK')
        self.company.partner_id.lang = 'da_DK'
        tx = self._reserve(1)
        self._warn()
        self.assertEqual(
            self._get_activities().summary, f"Hæv eller frigiv betaling {tx.reference}"
        )

    def test_the_warning_disappears_when_nothing_is_reserved_anymore(self):
        for operation in ('capture', 'cancel'):
            with self.subTest(operation=operation):
                tx = self._reserve_order(days=1)
                self._warn()
                self.assertTrue(self._get_order_activities(tx))
                getattr(self.simulator, operation)(tx.vipps_payment_reference)
                self._refresh(tx)
                self.assertNotIn(
                    f'deadline:{tx.id}', self._get_order_activities(tx).mapped('vipps_problem')
                )

    def test_the_end_of_the_guarantee_is_told_apart_from_the_last_day_of_capture(self):
        tx = self._reserve_order(days=170)
        tx.vipps_guaranteed_until = fields.Datetime.now() + timedelta(days=2)
        self._warn()
        activity = self._get_order_activities(tx)
        self.assertIn("guarantees it until", activity.note)
        self.assertIn("can fail", activity.note)
        self.assertNotIn("cannot be captured", activity.note)
        activity.action_feedback()
        self._warn()
        self.assertFalse(self._get_order_activities(tx), "Who has decided to wait is not asked.")

        tx.vipps_capture_deadline = fields.Datetime.now() + timedelta(days=1)
        self._warn()
        self.assertIn("cannot be captured after", self._get_order_activities(tx).note)

    def test_the_warning_of_the_last_day_takes_the_place_of_that_of_the_guarantee(self):
        tx = self._reserve_order(days=14)
        tx.vipps_guaranteed_until = fields.Datetime.now() + timedelta(days=2)
        self._warn()
        tx.vipps_capture_deadline = fields.Datetime.now() + timedelta(days=2)
        self._warn()
        self.assertIn("cannot be captured after", self._get_order_activities(tx).note)
        self.simulator.capture(tx.vipps_payment_reference)
        self._refresh(tx)
        self.assertFalse(self._get_order_activities(tx))

    def test_both_days_near_are_one_warning(self):
        tx = self._reserve_order(days=1)
        tx.vipps_guaranteed_until = fields.Datetime.now() + timedelta(days=1)
        self._warn()
        self.assertEqual(len(self._get_order_activities(tx)), 1)

    def test_what_is_captured_or_not_approved_is_not_warned_of(self):
        captured_tx = self._reserve(1)
        self.simulator.capture(captured_tx.vipps_payment_reference)
        self._refresh(captured_tx)
        open_tx = self._start()
        open_tx.vipps_capture_deadline = fields.Datetime.now()
        self._warn()
        self.assertFalse(self._get_activities())

    def test_many_reservations_are_warned_of_in_one_run(self):
        txs = [self._reserve(1) for _i in range(3)]
        self._warn()
        self.assertEqual(
            {activity.summary for activity in self._get_activities()},
            {f"Capture or release payment {tx.reference}" for tx in txs},
        )

    def test_the_last_day_counts_from_the_approval_if_that_is_known(self):
        days = timedelta(days=self.vipps._vipps_get_reservation_days(self.company.currency_id))
        for is_known in (True, False):
            with self.subTest(is_known=is_known):
                tx = self._start()
                self.env.flush_all()
                self.env.cr.execute(
                    "UPDATE payment_transaction SET create_date = create_date - interval '9 days'"
                    " WHERE id = %s", [tx.id],
                )
                self.env.invalidate_all()
                self.simulator.approve(tx.vipps_payment_reference)
                approval = fields.Datetime.now() - timedelta(days=2)
                if is_known:
                    self.env['vipps.webhook.event'].sudo().create({
                        'provider_id': self.vipps.id, 'name': 'AUTHORIZED', 'event_time': approval,
                        'reference': tx.vipps_payment_reference, 'psp_reference': 'approval',
                    })
                self._refresh(tx)
                first_day = approval if is_known else tx.create_date
                self.assertEqual(tx.vipps_capture_deadline, first_day + days)

    #=== Operations on the list ===#

    def _act(self, txs, method, user=None):
        """ Press a button of the list, and return what is said then. """
        self.env.flush_all()
        notification = getattr(txs.with_user(user or self.accountant), method)()
        self.env.invalidate_all()
        return notification['params']['message']

    def test_an_accountant_captures_what_is_delivered_of_payments_that_are_captured_manually(self):
        self.product.invoice_policy = 'delivery'
        delivered_tx, waiting_tx, other_tx = (
            self._reserve_order(), self._reserve_order(), self._authorize()
        )
        delivered_tx.sale_order_ids.order_line.qty_delivered = 1
        message = self._act(
            delivered_tx | waiting_tx | other_tx, 'action_vipps_capture_delivered'
        )
        self.assertEqual(self._get_aggregate(delivered_tx)['captured'], 10000)
        self.assertEqual(self._get_aggregate(waiting_tx)['captured'], 0)
        self.assertEqual(self._get_aggregate(other_tx)['captured'], 24950)
        self.assertIn("captured", message)
        self.assertIn(f"{waiting_tx.reference}: there is nothing to do.", message)

        self._act(delivered_tx, 'action_vipps_capture_delivered')
        self.assertEqual(self._get_aggregate(delivered_tx)['captured'], 10000, "Not twice.")

    def test_an_accountant_releases_what_is_reserved(self):
        tx = self._reserve_order()
        self.assertIn("released", self._act(tx, 'action_vipps_release'))
        self.assertEqual(tx.state, 'cancel')
        self.assertEqual(self._get_aggregate(tx)['cancelled'], 20000)
        self.assertIn("nothing to do", self._act(tx, 'action_vipps_release'))

    def test_a_payment_that_fails_does_not_stop_the_others(self):
        self.product.invoice_policy = 'delivery'
        failing_tx = self._reserve_order()
        failing_tx.sale_order_ids.order_line.qty_delivered = 1
        txs = self._authorize() | failing_tx | self._authorize()
        self.simulator.fault(
            'capture', 'refuse', code='6260', reference=failing_tx.vipps_payment_reference
        )
        message = self._act(txs, 'action_vipps_capture_delivered')
        self.assertEqual(
            {tx: tx.state for tx in txs},
            {tx: 'authorized' if tx == failing_tx else 'done' for tx in txs},
        )
        self.assertIn(f"{failing_tx.reference}: Vipps MobilePay:", message)
        self.assertFalse(failing_tx.child_transaction_ids)
        self.assertTrue(self._get_tasks(failing_tx, 'verify', 'sync', 'capture'))

        self._act(failing_tx, 'action_vipps_capture_delivered')
        self.assertEqual(self._get_aggregate(failing_tx)['captured'], 10000)
        refused, accepted = self._get_calls('capture', failing_tx)
        self.assertNotEqual(refused['idempotency_key'], accepted['idempotency_key'])

    def test_few_payments_are_operated_on_at_a_time_and_always_in_the_same_order(self):
        txs = self._reserve_order() | self._reserve_order() | self._reserve_order()
        with patch.object(action, 'MAX_PAYMENTS', 2):
            with self.assertRaisesRegex(UserError, "at most 2"):
                self._act(txs, 'action_vipps_release')
            self.assertFalse(self._get_calls('cancel'))
            self._act(txs[1] | txs[0], 'action_vipps_release')
        self.assertEqual(
            [call['reference'] for call in self._get_calls('cancel')],
            txs[:2].mapped('vipps_payment_reference'),
        )

    def test_nothing_is_done_while_the_provider_is_disabled(self):
        tx = self._reserve_order()
        self.vipps.state = 'disabled'
        for method in ('action_vipps_capture_delivered', 'action_vipps_release'):
            self.assertIn(tx.reference, self._act(tx, method))
        self.assertEqual(tx.state, 'authorized')
        self.assertFalse(self._get_calls('capture') + self._get_calls('cancel'))

    def test_who_may_not_write_transactions_may_not_operate_on_them(self):
        tx = self._reserve_order()
        for user in (self.salesman, self.portal_user):
            for method in ('action_vipps_capture_delivered', 'action_vipps_release'):
                with self.subTest(user=user.login, method=method), self.assertRaises(AccessError):
                    self._act(tx, method, user)
        self.assertFalse(self._get_calls('capture') + self._get_calls('cancel'))
