# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from freezegun import freeze_time

from odoo import SUPERUSER_ID, fields
from odoo.exceptions import AccessError, UserError
from odoo.fields import Command
from odoo.tests import tagged
from odoo.tools import mute_logger

from ...models.till.attempt import LIFETIME
from ...models.till.closing import GIVE_UP_AGE
from ..pos_common import SYNCHRONIZATION, PosCommon


@tagged('post_install', '-at_install')
class TestPosSettling(PosCommon):
    """ Sessions can be closed when what is open cannot matter any more, or by a manager. """

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.manager = cls._new_user(
            'vipps_pos_manager', 'base.group_user,point_of_sale.group_pos_manager',
        )

    def _start_outage(self):
        for operation in ('create', 'get', 'cancel', 'refund'):
            self.simulator.fault(operation, 'status', status=503, times=None)

    def _ask_in_outage(self, ui_order, **kwargs):
        """ Ask for a payment while nothing answers; return the attempt. """
        self._start_outage()
        with self._without_pauses():
            status = self._ask(ui_order, **kwargs)
        self.assertEqual(status['state'], 'unknown')
        return self._get_attempt(status['reference'])

    def _close_in_outage(self):
        with self._without_pauses():
            return self._close()

    def _pay_in_cash(self, ui_order):
        ui_order['data']['statement_ids'] = [Command.create(self._prepare_ui_payment(
            ui_order['data']['amount_total'], self.cash_method
        ))]
        return self._finish(ui_order)

    def _post_process(self):
        """ Do what the job of core does. """
        for tx in self.env['payment.transaction'].with_user(SUPERUSER_ID).search([
            ('state', '=', 'done'), ('is_post_processed', '=', False),
        ]):
            tx._finalize_post_processing()
        self.env.flush_all()

    def _get_listed(self, user=None):
        """ Open the list from the session. """
        session = self.session.with_user(user or self.manager)
        action = session.action_vipps_view_unsettled()
        return session.env[action['res_model']].search(action['domain'])

    def _get_bookings(self, tx):
        return self.env['account.payment'].sudo().search([
            ('payment_transaction_id', 'in', (tx | tx.child_transaction_ids).ids),
        ], order='id')

    #=== What cannot matter any more ===#

    def test_an_attempt_whose_order_was_paid_in_cash_keeps_no_session_open(self):
        ui_order = self._prepare_ui_order()
        tx = self._ask_in_outage(ui_order)
        with self._without_pauses():
            self._call('vipps_cancel_attempt', tx.reference)
        self.assertEqual(self._pay_in_cash(ui_order).state, 'paid')
        self.assertEqual(self.session.vipps_unsettled_count, 0)
        self.assertTrue(self._close_in_outage()['successful'])
        # It was created after all, and is approved.
        self.simulator.clear_faults()
        self.env['vipps.api.client']._create_payment(tx, tx._vipps_prepare_attempt_values(), 0)
        self.simulator.approve(tx.reference)
        self._run_job()
        self.assertEqual(self._get_aggregate(tx), {
            'authorized': 4500, 'captured': 0, 'cancelled': 4500, 'refunded': 0,
        })

    def test_a_refund_that_may_have_been_made_keeps_the_session_open(self):
        sold = self._sell()
        ui_refund = self._prepare_ui_refund(sold)
        tx = self._ask_in_outage(ui_refund, flow=False)
        ui_refund['data']['statement_ids'] = [
            Command.create(self._prepare_ui_payment(-45, self.cash_method))
        ]
        orders = self.env['pos.order'].with_user(self.cashier)
        orders.with_context(is_receipt_printed=True).create_from_ui([ui_refund])
        self.assertIn(tx.reference, self._close_in_outage()['message'])

    #=== Without an answer ===#

    def test_a_manager_closes_over_what_nobody_can_approve_any_more(self):
        for is_approved in (True, False):
            with self.subTest(is_approved=is_approved):
                if self.session.state == 'closed':
                    self.session = self._open_session(self.config)
                ui_order = self._prepare_ui_order(session=self.session)
                tx = self._ask_in_outage(ui_order)
                for user in (self.cashier, self.manager):
                    with self.assertRaises(UserError), self.env.cr.savepoint():
                        self._call('vipps_give_up_attempt', tx.reference, user=user)
                self.env.cr.execute(
                    "UPDATE payment_transaction SET create_date = create_date - %s WHERE id = %s",
                    [GIVE_UP_AGE, tx.id],
                )
                self.env.invalidate_all()
                self.assertFalse(self._close_in_outage()['successful'])
                with self.assertRaises(AccessError):
                    self._call('vipps_give_up_attempt', tx.reference)
                attempt = self._get_listed()
                self.assertTrue(attempt.may_give_up)
                attempt.action_give_up()
                order = tx.vipps_pos_order_id
                order.with_user(self.cashier).remove_from_ui(order.ids)
                self.assertTrue(self._close_in_outage()['successful'])
                activity = self.session.activity_ids
                self.assertIn(tx.reference, activity.summary)
                self.assertIn("has approved", activity.note)
                # Nothing is known yet, and it is looked at again and again.
                with self._without_pauses():
                    tx._vipps_try(tx._vipps_sync)
                self.assertTrue(self._get_tasks(tx, 'sync') and self.session.activity_ids)
                self.simulator.clear_faults()
                self.env['vipps.api.client']._create_payment(
                    tx, tx._vipps_prepare_attempt_values(), 0
                )
                if is_approved:
                    self.simulator.approve(tx.reference)
                tx._vipps_sync()
                self.assertFalse(self.session.activity_ids or self._get_tasks(tx, 'sync'))
                self.assertEqual(self._get_aggregate(tx)['captured'], 0)
                self.assertEqual(self._get_aggregate(tx)['cancelled'], 4500)

    def test_a_refund_that_was_given_up_and_made_is_booked_once(self):
        sold = self._sell()
        self.assertTrue(self._close()['successful'])
        self.session = self._open_session(self.config)
        ui_refund = self._prepare_ui_refund(sold, session=self.session)
        self.simulator.fault('refund', 'lost_answer', times=None)
        self.simulator.fault('get', 'status', status=503, times=None)
        order = self._save_draft(ui_refund)
        reference = self._call(
            'vipps_create_attempt', order.id, self._get_uuid(ui_refund), False
        )['reference']
        with self._without_pauses():
            self._call('vipps_start_attempt', reference)
        tx = self._get_attempt(reference)
        self.env.cr.execute(
            "UPDATE payment_transaction SET create_date = create_date - %s WHERE id = %s",
            [GIVE_UP_AGE, tx.id],
        )
        self.env.invalidate_all()
        self._call('vipps_give_up_attempt', reference, user=self.manager)
        order.with_user(self.cashier).remove_from_ui(order.ids)
        self.assertTrue(self._close_in_outage()['successful'])
        self.assertEqual(len(self.session.activity_ids), 1)
        self.simulator.clear_faults()
        root = tx._vipps_get_root()
        if not self._get_aggregate(root)['refunded']:  # Nothing was sent without a look before.
            self.simulator.refund(root.reference, 4500)
        for _i in range(2):
            root._vipps_sync()
            self._post_process()
        self.assertEqual(self._get_aggregate(root)['refunded'], 4500)
        self.assertEqual(self._get_bookings(root).mapped('amount'), [45])
        self.assertFalse(self.session.activity_ids)

    #=== Without an order ===#

    def test_a_manager_books_what_was_paid_for_an_order_that_is_gone(self):
        ui_order = self._prepare_ui_order()
        tx = self._get_attempt(self._ask_and_approve(ui_order)['reference'])
        self._post_process()
        # As earlier versions left it.
        self.env.cr.execute(
            "UPDATE pos_order SET state = 'cancel' WHERE id = %s", [tx.vipps_pos_order_id.id]
        )
        self.env.invalidate_all()
        self.assertIn(tx.reference, self._close()['message'])
        with self.assertRaises(AccessError):
            self._call('vipps_book_attempt', tx.reference)
        attempt = self._get_listed()
        self.assertTrue(attempt.is_unattached)
        attempt.action_book_alone()
        self._call('vipps_book_attempt', tx.reference, user=self.manager)
        self.assertTrue(self._close()['successful'])
        self._post_process()
        booking = self._get_bookings(tx)
        self.assertEqual(
            (booking.payment_type, booking.amount, booking.state, booking.journal_id),
            ('inbound', 45, 'posted', self.pos_method.journal_id),
        )
        self.assertFalse(self.session.move_id.line_ids)
        self.assertEqual(self._get_aggregate(tx)['refunded'], 0)
        self.assertIn(tx.reference, self.session.activity_ids.summary)
        txs = self.env['payment.transaction'].sudo()
        self.assertNotIn(tx, txs.search([('vipps_is_unattached', '=', True)]))
        # What is refunded of it is booked against it.
        self.simulator.refund(tx.reference, 1500)
        tx._vipps_sync()
        self._post_process()
        refund = self._get_bookings(tx)[1:]
        self.assertEqual((refund.payment_type, refund.amount), ('outbound', 15))
        self.assertEqual(refund.destination_account_id, booking.destination_account_id)

    def test_what_was_refunded_before_is_booked_with_it(self):
        tx = self._get_attempt(self._ask_and_approve(self._prepare_ui_order())['reference'])
        self.simulator.refund(tx.reference, 2000)
        tx._vipps_sync()
        self._post_process()
        self.assertFalse(self._get_bookings(tx))
        self._call('vipps_book_attempt', tx.reference, user=self.manager)
        self._post_process()
        self.assertEqual(self._get_bookings(tx).mapped(lambda p: (p.payment_type, p.amount)), [
            ('inbound', 45), ('outbound', 20),
        ])

    def test_what_is_only_reserved_is_booked_when_it_is_captured(self):
        self.simulator.fault('capture', 'refuse', code='6260', times=None)
        tx = self._get_attempt(self._ask_and_approve(self._prepare_ui_order())['reference'])
        self.assertEqual(tx.state, 'authorized')
        self._call('vipps_book_attempt', tx.reference, user=self.manager)
        self.assertFalse(self._get_bookings(tx))
        self.simulator.clear_faults()
        tx._vipps_sync()
        self._post_process()
        self.assertEqual(self._get_bookings(tx).mapped('amount'), [45])

    def test_no_order_is_paid_with_what_was_booked_without_it(self):
        ui_order = self._prepare_ui_order()
        tx = self._get_attempt(self._ask_and_approve(ui_order)['reference'])
        self._call('vipps_book_attempt', tx.reference, user=self.manager)
        with self.assertRaisesRegex(UserError, "is not paid with Vipps"), \
                mute_logger(SYNCHRONIZATION), self.env.cr.savepoint():
            self._finish(ui_order)
        self.env.invalidate_all()
        with self.assertRaisesRegex(UserError, "Refund the order instead"):
            self._call('vipps_undo_attempt', tx.reference)
        status = self._ask_and_approve(ui_order)
        self.assertNotEqual(status['reference'], tx.reference)
        self.assertEqual(self._finish(ui_order).state, 'paid')
        self._post_process()
        self.assertTrue(self._close()['successful'])
        self.assertEqual(self._get_bookings(tx).mapped('amount'), [45])

    def test_what_belongs_to_a_finished_order_or_is_not_paid_is_not_booked_without_it(self):
        sold_tx = self._sell().payment_ids.vipps_transaction_id
        open_status = self._ask(self._prepare_ui_order())
        for reference in (sold_tx.reference, open_status['reference']):
            with self.assertRaisesRegex(UserError, "not paid, or it is part"):
                self._call('vipps_book_attempt', reference, user=self.manager)

    def test_what_cannot_be_booked_is_refused_with_a_sentence(self):
        tx = self._get_attempt(self._ask_and_approve(self._prepare_ui_order())['reference'])
        self.pos_method.journal_id.inbound_payment_method_line_ids.unlink()
        with self.assertRaisesRegex(UserError, "has no incoming"):
            self._call('vipps_book_attempt', tx.reference, user=self.manager)
        self.env.invalidate_all()
        self.assertFalse(tx.vipps_pos_is_alone)

    def test_an_open_payment_may_not_be_given_up_while_it_can_be_approved(self):
        status = self._ask(self._prepare_ui_order())
        self.assertFalse(status['may_give_up'])
        with freeze_time(fields.Datetime.now() + LIFETIME), \
                self.assertRaisesRegex(UserError, "may still approve"):
            self._call('vipps_give_up_attempt', status['reference'], user=self.manager)
