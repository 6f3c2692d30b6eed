# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).


from odoo import fields
from odoo.exceptions import UserError, ValidationError
from odoo.fields import Command
from odoo.tests import tagged
from odoo.tools import mute_logger

from ..pos_common import SYNCHRONIZATION
from .test_pos_accounting import PosAccountingCommon


@tagged('post_install', '-at_install')
class TestPosRefundAccounting(PosAccountingCommon):
    """ The books of refunds that were made elsewhere than at the till. """

    def test_a_refund_in_the_portal_is_booked_once_before_and_after_closing(self):
        order = self._sell(100)
        tx = self._get_paying_tx(order)
        self._refund_elsewhere(tx, 2000)
        self._assert_refund_entries(20)
        self._close_session()
        self.assertEqual(self._get_entries(), [
            ('till', 'income', -100), ('till', 'till receivable', 100),
            ('vipps', 'outstanding', 100), ('vipps', 'till receivable', -100),
        ])
        self._refund_elsewhere(tx, 3000)
        self._assert_refund_entries(30)
        # However often anybody looks again.
        for _i in range(2):
            self._refresh(tx)
            tx.child_transaction_ids.is_post_processed = False
            self._post_process()
        self.assertEqual(self._get_entries(), [])
        self.assertEqual(
            self._get_refund_payments().mapped(lambda p: (
                p.payment_type, p.amount, p.journal_id, p.pos_payment_method_id, p.partner_id,
            )),
            [
                ('outbound', amount, self.bank_journal, self.pos_method, self.env['res.partner'])
                for amount in (20, 30)
            ],
        )
        self.assertIn(order.pos_reference, self._get_refund_payments()[0].ref)

    def _sell_with_invoice(self, amount):
        ui_order = self._prepare_ui_order(amount, partner_id=self.partner.id, to_invoice=True)
        self._ask_and_approve(ui_order)
        order = self._finish(ui_order)
        self._get_entries()
        return order

    def _create_credit_note(self, order, amount):
        credit_note = order.account_move._reverse_moves()
        credit_note.invoice_line_ids.price_unit = amount
        credit_note.action_post()
        self._get_entries()
        return credit_note

    def test_a_refund_settles_the_credit_note_of_the_order_whichever_comes_first(self):
        order = self._sell_with_invoice(45)
        tx = self._get_paying_tx(order)
        credit_note = self._create_credit_note(order, 20)
        self.assertEqual(credit_note.amount_residual, 20)
        self._refund_elsewhere(tx, 2000)
        self._assert_refund_entries(20, 'receivable')
        self.assertEqual(credit_note.amount_residual, 0)
        self._refund_elsewhere(tx, 1000)
        self._assert_refund_entries(10, 'receivable')
        self.assertEqual(self._create_credit_note(order, 10).amount_residual, 0)
        self.assertEqual(self._get_open_amount(self.receivable), 0)

    def test_an_accountant_refunds_a_credit_note_for_the_invoice_of_the_order(self):
        order = self._sell_with_invoice(45)
        credit_note = self._create_credit_note(order, 20).with_user(self.accountant)
        self.assertTrue(credit_note.vipps_is_refundable)
        self.env.invalidate_all()
        action = credit_note.action_vipps_refund()
        wizard = credit_note.env[action['res_model']].browse(action['res_id'])
        self.assertEqual((wizard.amount, wizard.refundable_amount), (20, 45))
        wizard.action_refund()
        self._assert_refund_entries(20, 'receivable')
        self.assertEqual(credit_note.amount_residual, 0)

    def test_a_credit_note_of_the_till_is_settled_by_the_till_alone(self):
        order = self._sell_with_invoice(45)
        self._refund_elsewhere(self._get_paying_tx(order), 2000)
        ui_refund = self._prepare_ui_refund(order, 25)
        ui_refund['data'].update(partner_id=self.partner.id, to_invoice=True)
        self._ask(ui_refund, flow=False)
        credit_note = self._finish(ui_refund).account_move
        self.assertEqual((credit_note.move_type, credit_note.amount_residual), ('out_refund', 0))
        self.assertFalse(self._get_refund_payments().is_reconciled)

    def test_a_refund_is_due_from_the_customer_if_the_order_was_invoiced(self):
        order = self._sell_with_invoice(45)
        self._refund_elsewhere(self._get_paying_tx(order), 2000)
        self._assert_refund_entries(20, 'receivable')
        self.assertEqual(self._get_refund_payments().partner_id, self.partner)

    def test_a_refund_is_due_from_the_customer_if_the_method_identifies_customers(self):
        self._reopen(split_transactions=True)
        order = self._sell(45, session=self.session, partner_id=self.partner.id)
        self._refund_elsewhere(self._get_paying_tx(order))
        self._assert_refund_entries(45, 'receivable')
        self.assertEqual(self._get_refund_payments().partner_id, self.partner)

    def test_the_accounts_of_the_payment_method_go_before_those_of_the_company(self):
        outstanding, receivable = self.outstanding.copy(), self.till_receivable.copy()
        self._reopen(outstanding_account_id=outstanding.id, receivable_account_id=receivable.id)
        order = self._sell(45, session=self.session)
        self._refund_elsewhere(self._get_paying_tx(order))
        lines = self._get_refund_payments().line_ids.sorted('balance')
        self.assertEqual(lines.account_id, outstanding | receivable)
        self.assertEqual(lines.mapped('balance'), [-45, 45])

    def test_a_refund_before_its_order_is_finished_is_not_booked(self):
        ui_order = self._prepare_ui_order(45)
        status = self._ask_and_approve(ui_order)
        tx = self._get_attempt(status['reference'])
        self._refund_elsewhere(tx, 2000)
        with self.assertRaises(UserError), mute_logger(SYNCHRONIZATION):
            self._finish(ui_order)
        # The rest is paid in another way.
        ui_payments = ui_order['data']['statement_ids']
        ui_payments[0][2]['amount'] = 25
        ui_payments.append(Command.create(self._prepare_ui_payment(20, self.cash_method)))
        self.assertEqual(self._finish(ui_order).state, 'paid')
        tx.child_transaction_ids.is_post_processed = False
        self._close_session(cash=20)
        self.assertEqual(self._get_entries(), [
            ('cash', 'cash', 20), ('cash', 'till receivable', -20),
            ('till', 'income', -45),
            ('till', 'till receivable', 20), ('till', 'till receivable', 25),
            ('vipps', 'outstanding', 25), ('vipps', 'till receivable', -25),
        ])
        self._refund_elsewhere(tx, 1000)
        self._assert_refund_entries(10)

    def test_a_refund_that_is_heard_of_after_its_order_was_finished_is_booked(self):
        ui_order = self._prepare_ui_order(45)
        status = self._ask_and_approve(ui_order)
        tx = self._get_attempt(status['reference'])
        self.simulator.refund(tx.reference, 2000)
        self._finish(ui_order)
        self._refresh(tx)
        self._post_process()
        self._assert_refund_entries(20)

    def test_a_refund_at_the_till_is_not_booked_by_itself_although_the_event_comes_first(self):
        order = self._sell(100)
        ui_refund = self._prepare_ui_refund(order, 20)
        refund_order = self._save_draft(ui_refund)
        status = self._call(
            'vipps_create_attempt', refund_order.id, self._get_uuid(ui_refund), False
        )
        self.simulator.fault('refund', 'lost')
        with self._without_pauses():
            self._call('vipps_start_attempt', status['reference'])
        self._get_paying_tx(order)._vipps_sync()
        self._post_process()
        self.assertEqual(self._get_attempt(status['reference']).state, 'done')
        self._finish(ui_refund)
        self._close_session()
        self.assertEqual(self._get_entries(), [
            ('till', 'income', -100), ('till', 'income', 20), ('till', 'till receivable', 80),
            ('vipps', 'outstanding', 80), ('vipps', 'till receivable', -80),
        ])

    def test_a_refund_at_the_till_whose_order_is_gone_is_booked_by_itself_and_once(self):
        order = self._sell(100)
        ui_refund = self._prepare_ui_refund(order, 20)
        status = self._ask(ui_refund, flow=False)
        # Nobody can cancel it any more, but earlier versions let people do so.
        self.env.cr.execute(
            "UPDATE pos_order SET state = 'cancel' WHERE id = %s", [status['order_id']]
        )
        self.env.invalidate_all()
        self._post_process()
        self.assertEqual(self._get_entries(), [])
        status = self._call('vipps_attach_attempt', status['reference'])
        self.assertTrue(status['is_attached'])
        self._assert_refund_entries(20)
        self._close_session()
        self.assertEqual(self._get_entries(), [
            ('till', 'income', -100), ('till', 'till receivable', 100),
            ('vipps', 'outstanding', 100), ('vipps', 'till receivable', -100),
        ])

    def test_a_refund_that_cannot_be_booked_is_told_of_and_booked_later(self):
        order = self._sell(45)
        tx = self._get_paying_tx(order)
        lines = self.bank_journal.outbound_payment_method_line_ids
        method = lines.payment_method_id
        lines.unlink()
        self._refund_elsewhere(tx, 2000)
        self.assertFalse(self._get_refund_payments())
        self.assertEqual(len(self._get_activities()), 1)
        self.assertIn(self.pos_method.name, self._get_activities().note)
        self.bank_journal.outbound_payment_method_line_ids = [
            Command.create({'payment_method_id': method[:1].id})
        ]
        refund_tx = tx.child_transaction_ids
        self.assertEqual(self._get_tasks(tx).transaction_id, refund_tx)
        self._run_due()
        self._assert_refund_entries(20)
        self.assertFalse(self._get_tasks(tx))

    def test_a_person_cannot_refund_what_cannot_be_booked(self):
        order = self._sell(45)
        tx = self._get_paying_tx(order).with_user(self.accountant)
        self._close_session()
        self.company.fiscalyear_lock_date = fields.Date.context_today(
            self.session.with_context(tz='Europe/Oslo')  # The day of the market.
        )
        with self.assertRaisesRegex(ValidationError, "locked"):
            tx.action_refund(20)
        self.company.fiscalyear_lock_date = False
        lines = self.bank_journal.outbound_payment_method_line_ids
        lines.unlink()
        with self.assertRaisesRegex(ValidationError, "no outgoing"):
            tx.action_refund(20)
        self.assertFalse(self._get_calls('refund'))
