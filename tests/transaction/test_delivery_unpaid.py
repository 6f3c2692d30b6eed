# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from unittest.mock import patch

from odoo.tests import tagged
from odoo.tools import mute_logger

from ..delivery_common import DeliveryCommon
from ..jobs.test_follow_up import TASK_MODULE

MODULES = [
    TASK_MODULE,
    *(f'odoo.addons.mobilepay_vipps.models.{name}' for name in (
        'provider.alert', 'transaction.accounting', 'transaction.activity',
        'transaction.operations', 'transaction.sync',
    )),
]


@tagged('post_install', '-at_install')
class TestDeliveryUnpaid(DeliveryCommon):
    """ Goods that leave and are not paid, and reservations that are released. """

    def _get_unpaid(self, order):
        return self._get_order_activities(order).filtered(
            lambda activity: (activity.vipps_problem or '').startswith('unpaid:')
        )

    #=== What is delivered and not covered ===#

    def test_a_fee_that_is_added_when_it_is_shipped_and_not_reserved_is_told(self):
        carrier = self.env['delivery.carrier'].create({
            'name': "Post", 'product_id': self.fee.id, 'delivery_type': 'fixed',
            'invoice_policy': 'real', 'fixed_price': 99,
        })
        order = self._create_order(
            order_line=[self._line(self.sweater, 5)], user_id=self.salesman.id,
        )
        order.set_delivery_line(carrier, 99)
        tx = self._pay(order)
        self._deliver(order, sweater=2)
        self.assertSums(tx, 29900, 20100)
        self.assertFalse(self._get_unpaid(order), "What is reserved still covers it.")
        self._deliver(order)
        self.assertSums(tx, 50000, 0)
        activity = self._get_unpaid(order)
        self.assertEqual(activity.user_id, self.salesman)
        self.assertIn("198.00", activity.note)
        self.assertIn("payment link", activity.note)

    def test_more_than_was_ordered_is_told_once_and_taken_back_when_it_comes_back(self):
        tx = self._buy(self._line(self.sweater, 2))
        order = tx.sale_order_ids
        picking = self._deliver(order, sweater=3)
        self.assertSums(tx, 20000, 0)
        activity = self._get_unpaid(order)
        self.assertIn("100.00", activity.note)
        tx._vipps_sync()
        self.assertEqual(self._get_unpaid(order), activity)
        activity.action_feedback()
        tx._vipps_sync()
        self.assertFalse(self._get_unpaid(order), "Who has dealt with it is not asked again.")
        self._return(order, picking, sweater=1)
        self.assertFalse(tx._vipps_get_told('unpaid'))

    def test_a_line_that_is_added_after_the_payment_is_told_until_it_is_paid(self):
        tx = self._buy(self._line(self.sweater))
        order = tx.sale_order_ids
        order.order_line = [self._line(self.mittens, 1, 70)]
        self._settle()
        self.assertFalse(self._get_unpaid(order), "Nothing has left.")
        self._deliver(order)
        self.assertSums(tx, 10000, 0)
        self.assertIn("70.00", self._get_unpaid(order).note)
        self._pay(order, amount=70)
        self.assertFalse(self._get_unpaid(order))

    def test_what_is_told_ends_when_an_invoice_is_paid_by_bank(self):
        tx = self._buy(self._line(self.sweater))
        order = tx.sale_order_ids
        order.order_line = [self._line(self.mittens, 1, 70)]
        self._deliver(order)
        self.env['payment.transaction'].sudo().search([
            ('state', '=', 'done'), ('is_post_processed', '=', False),
            ('provider_code', '=', 'vipps'),
        ])._finalize_post_processing()
        invoice = order._create_invoices()
        invoice.action_post()
        self._settle()
        self.assertEqual(invoice.amount_residual, 70)
        self.assertIn("70.00", self._get_unpaid(order).note)
        self.env['account.payment.register'].with_context(
            active_ids=invoice.ids, active_model='account.move',
        ).create({})._create_payments()
        self._settle()
        self.assertFalse(self._get_unpaid(order))

    def test_goods_that_leave_after_their_reservation_was_released_are_told(self):
        for mode in ('on_delivery', 'manual'):
            with self.subTest(mode=mode):
                self.vipps.vipps_capture_mode = mode
                tx = self._buy(user_id=self.salesman.id)
                order = tx.sale_order_ids
                self.simulator.cancel(tx.vipps_payment_reference)
                tx._vipps_sync()
                activity = self._get_unpaid(order)
                self.assertEqual(activity.user_id, self.salesman)
                self.assertIn("before you deliver", activity.note)
                self.assertIn("200.00", activity.note)
                self._deliver(order, sweater=1)
                self.assertEqual(self._get_unpaid(order), activity)
                self.assertIn("100.00 is delivered and not paid", activity.note.replace(
                    '\N{NO-BREAK SPACE}', ' '
                ))

    def test_an_order_that_was_cancelled_by_mistake_and_is_delivered_is_told(self):
        for mode in ('on_delivery', 'manual'):
            with self.subTest(mode=mode):
                self.vipps.vipps_capture_mode = mode
                tx = self._buy()
                order = tx.sale_order_ids
                order._action_cancel()
                self._settle()
                self.assertEqual(tx.state, 'cancel')
                self.assertFalse(self._get_unpaid(order))
                order.action_draft()
                order.action_confirm()
                self._settle()
                self.assertIn("before you deliver", self._get_unpaid(order).note)
                self._deliver(order)
                self.assertIn("200.00", self._get_unpaid(order).note)

    def test_nothing_is_told_of_what_is_covered_or_given_back(self):
        tx = self._buy(self._line(self.sweater, 3))
        order = tx.sale_order_ids
        self._deliver(order, sweater=1)
        self.simulator.refund(tx.vipps_payment_reference, 5000)
        tx._vipps_sync()
        self._deliver(order, backorder=False, sweater=1)
        self.assertFalse(self._get_unpaid(order))
        prepaid_tx = self._buy(
            self._line(self.sweater, 4), amount=100, require_payment=True, prepayment_percent=.25,
        )
        self._deliver(prepaid_tx.sale_order_ids)
        self.assertFalse(self._get_unpaid(prepaid_tx.sale_order_ids))

    def test_nothing_is_told_of_what_a_payment_link_did_not_ask_for(self):
        tx = self._buy(self._line(self.sweater, 5), amount=150)
        order = tx.sale_order_ids
        self._deliver(order)
        self.assertSums(tx, 15000, 0)
        self.assertFalse(self._get_unpaid(order), "The rest is invoiced.")
        released_tx = self._buy(self._line(self.sweater, 5), amount=150)
        self.simulator.cancel(released_tx.vipps_payment_reference)
        released_tx._vipps_sync()
        activity = self._get_unpaid(released_tx.sale_order_ids)
        self.assertIn("150.00", activity.note)

    def test_what_was_paid_in_full_is_no_part_payment_whatever_the_order_asks_for(self):
        tx = self._buy(self._line(self.sweater, 5), require_payment=True, prepayment_percent=.3)
        order = tx.sale_order_ids
        order.order_line = [self._line(self.mittens, 1, 70)]
        self._deliver(order)
        self.assertIn("70.00", self._get_unpaid(order).note)

    def test_what_was_paid_in_full_in_two_parts_is_no_part_payment(self):
        tx = self._buy(self._line(self.sweater, 5), amount=300)
        order = tx.sale_order_ids
        self._pay(order, amount=200)
        order.order_line = [self._line(self.mittens, 1, 70)]
        self._deliver(order)
        self.assertIn("70.00", self._get_unpaid(order).note)

    #=== What customers are told of releases ===#

    def _get_mails(self, order):
        self._follow_up()
        return order.message_ids.filtered(
            lambda message: message.subject == f"Your payment for order {order.name}"
        ).sorted('id')

    def test_the_customer_is_told_that_a_reservation_was_lowered(self):
        tx = self._buy(user_id=self.salesman.id)
        order = tx.sale_order_ids
        self._deliver(order, backorder=False, sweater=1)
        mail = self._get_mails(order)
        self.assertEqual(mail.partner_ids, order.partner_id)
        self.assertEqual(mail.author_id, self.salesman.partner_id)
        body = mail.body.unescape().replace('\N{NO-BREAK SPACE}', ' ')
        self.assertIn("You have been charged kr 100.00", body)
        self.assertIn("kr 100.00, is released", body)
        tx._vipps_sync()
        self.assertEqual(self._get_mails(order), mail, "Once.")

    def test_the_customer_is_told_that_all_was_released(self):
        tx = self._buy()
        order = tx.sale_order_ids
        self.simulator.cancel(tx.vipps_payment_reference)
        tx._vipps_sync()
        self.assertIn("You have not been charged.", self._get_mails(order).body)

    def test_the_customer_is_told_that_a_cancelled_order_is_not_charged(self):
        tx = self._buy()
        tx.sale_order_ids._action_cancel()
        self._settle()
        self.assertIn("is cancelled", self._get_mails(tx.sale_order_ids).body)

    def test_the_customer_is_told_in_his_language_and_nobody_waits_for_the_mail(self):
        self.env['res.lang']._activate_lang('da_DK')
        self.partner.write({'lang': 'da_DK', 'email': 'kari@example.com'})
        tx = self._buy()
        order = tx.sale_order_ids
        self.simulator.cancel(tx.vipps_payment_reference)
        self._refresh(tx)
        mail = self.env['mail.mail'].search([
            ('model', '=', 'sale.order'), ('res_id', '=', order.id),
        ], order='id desc', limit=1)
        self.assertEqual(mail.state, 'outgoing', "It waits in the queue.")

    def test_what_cannot_be_told_holds_no_money_up(self):
        Thread = type(self.env['sale.order'])
        Activity = type(self.env['mail.activity'])

        def fail(*args, **kwargs):
            raise ValueError("A follower that cannot be told.")

        for mode in ('manual', 'on_delivery'):
            with self.subTest(mode=mode):
                self.vipps.vipps_capture_mode = mode
                tx, captured_tx = self._buy(), self._buy()
                order = tx.sale_order_ids
                with (
                    patch.object(Thread, 'message_post', fail),
                    patch.object(Activity, 'create', fail),
                    mute_logger(*MODULES),
                ):
                    order._action_cancel()
                    self._settle()
                    if mode == 'manual':
                        self._capture(captured_tx)
                    else:
                        self._deliver(captured_tx.sale_order_ids)
                self.assertSums(tx, 0, 0)
                self.assertEqual(tx.state, 'cancel')
                self.assertSums(captured_tx, 20000, 0)
                self.assertEqual(captured_tx.state, 'done')
                self.assertEqual(len(self._get_mails(order)), 1, "It is told later.")
                self.assertEqual(len(self._get_mails(order)), 1, "Once.")

    def test_a_quotation_whose_payment_is_released_tells_nothing(self):
        order = self._create_order(
            order_line=[self._line(self.sweater, 4)], require_payment=True, prepayment_percent=.9,
        )
        tx = self._start_order(order, amount=100)
        self._approve(tx)
        tx._vipps_sync()
        self.assertEqual((order.state, tx.state), ('draft', 'authorized'))
        self.simulator.cancel(tx.vipps_payment_reference)
        tx._vipps_sync()
        self.assertFalse(self._get_mails(order))

    #=== What people read after an operation ===#

    def _read(self, action):
        return action['params']['message'].replace('\N{NO-BREAK SPACE}', ' ')

    def test_a_notification_says_what_was_captured_and_what_is_still_reserved(self):
        self.vipps.vipps_capture_mode = 'manual'
        tx = self._buy(user_id=self.salesman.id)
        order = tx.sale_order_ids.with_user(self.salesman)
        action = self._capture_in_window(order.payment_action_capture(), 50, user=self.salesman)
        message = self._read(action)
        self.assertIn(f"{tx.reference}: captured kr 50.00.", message)
        self.assertIn("Reserved: kr 150.00.", message)
        self.assertIn("It is guaranteed until", message)
        self.assertEqual(action['params']['next']['type'], 'ir.actions.act_window_close')

        message = self._read(order.payment_action_void())
        self.assertEqual(message, f"{tx.reference}: released kr 150.00.")

    def test_the_window_that_captures_and_releases_says_both(self):
        self.vipps.vipps_capture_mode = 'manual'
        tx = self._buy()
        message = self._read(self._capture(tx, 50, user=self.accountant, **{
            'void_remaining_amount': True,
        }))
        self.assertEqual(
            message,
            f"{tx.reference}: captured kr 50.00. {tx.reference}: released kr 150.00.",
        )

    def test_an_invoice_says_what_was_released(self):
        self.vipps.vipps_capture_mode = 'manual'
        invoice = self._create_invoice()
        tx = self._start_invoice(invoice)
        self._approve(tx)
        tx._vipps_sync()
        message = self._read(invoice.with_user(self.accountant).payment_action_void())
        self.assertIn("released kr 249.50", message)

    def test_a_payment_that_was_captured_in_parts_leads_to_its_payments_in_the_books(self):
        tx = self._buy(self._line(self.sweater, 3))
        self.assertFalse(tx.vipps_payment_count)
        for _i in range(2):
            self._deliver(tx.sale_order_ids, sweater=1)
        tx.child_transaction_ids.sudo().filtered(
            lambda t: not t.is_post_processed
        )._finalize_post_processing()
        self.env.invalidate_all()
        tx = tx.with_user(self.accountant)
        self.assertEqual(tx.vipps_payment_count, 2)
        action = tx.action_vipps_open_payments()
        payments = self.env['account.payment'].with_user(self.accountant).search(action['domain'])
        self.assertEqual(payments.mapped('amount'), [100, 100])
        self.assertEqual(payments, tx.sudo().child_transaction_ids.payment_id)

    def test_charging_from_the_list_asks_first(self):
        view = self.env['payment.transaction'].get_view(
            self.env.ref('mobilepay_vipps.payment_transaction_reserved_list').id, 'tree'
        )
        for name in ('action_vipps_capture_delivered', 'action_vipps_release'):
            button = view['arch'].partition(f'name="{name}"')[2].partition('/>')[0]
            self.assertIn('confirm=', button)
