# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from unittest.mock import patch

from odoo import SUPERUSER_ID
from odoo.exceptions import ValidationError
from odoo.fields import Command
from odoo.tests import tagged

from ..pos_common import PosCommon


class PosAccountingCommon(PosCommon):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # Invoices are not printed here, which takes seconds.
        cls.env = cls.env(context={**cls.env.context, 'generate_pdf': False})
        cls.session = cls.session.with_env(cls.env)
        cls.income = cls.pos_product.product_tmpl_id.get_product_accounts()['income']
        cls.outstanding = cls.company.account_journal_payment_debit_account_id
        cls.till_receivable = cls.company.account_default_pos_receivable_account_id
        cls.receivable = cls.partner.with_company(cls.company).property_account_receivable_id
        cls.cash = cls.cash_method.journal_id.default_account_id
        cls.bank_journal = cls.pos_method.journal_id
        cls.last_line_id = max(cls.env['account.move.line'].sudo().search([]).ids, default=0)

    #=== What happens ===#

    def _close_session(self, session=None, cash=0):
        """ Close a session, with the job of core before and after. """
        self._post_process()
        self.assertEqual(self._close(session, cash=cash), {'successful': True})
        self._post_process()

    def _post_process(self):
        """ Do what the job of core does, in its order. """
        for tx in self.env['payment.transaction'].with_user(SUPERUSER_ID).search([
            ('state', '=', 'done'), ('is_post_processed', '=', False),
        ]):
            tx._finalize_post_processing()
        self.env.flush_all()
        self.env.invalidate_all()

    def _refund_elsewhere(self, tx, amount=None):
        """ Refund in the portal, an amount in minor units or all of it, and hear of it. """
        self.simulator.refund(tx.reference, amount)
        self._refresh(tx)
        self._post_process()

    #=== What the books say ===#

    def _get_entries(self):
        """ Return the lines of the posted journal entries that were made since the last call: the
        journal, the account, and what is debited or, below zero, credited. """
        lines = self.env['account.move.line'].sudo().search([
            ('id', '>', self.last_line_id), ('company_id', '=', self.company.id),
        ])
        self.last_line_id = max(lines.ids, default=self.last_line_id)
        self.assertEqual(set(lines.mapped('parent_state')) - {'posted'}, set())
        journals = {
            self.config.journal_id: 'till', self.bank_journal: 'vipps',
            self.cash_method.journal_id: 'cash', self.config.invoice_journal_id: 'invoices',
            self.vipps.journal_id: 'shop',
        }
        accounts = {
            self.income: 'income', self.outstanding: 'outstanding', self.cash: 'cash',
            self.till_receivable: 'till receivable', self.receivable: 'receivable',
        }
        return sorted(
            (journals[line.journal_id], accounts[line.account_id], line.balance) for line in lines
        )

    def _get_open_amount(self, account):
        """ Return what is left open on an account, of what was booked in the test. """
        return sum(self.env['account.move.line'].sudo().search([
            ('account_id', '=', account.id), ('company_id', '=', self.company.id),
            ('parent_state', '=', 'posted'),
        ]).mapped('amount_residual'))

    def _get_refund_payments(self):
        return self.env['account.payment'].sudo().search([
            ('payment_transaction_id', '!=', False), ('company_id', '=', self.company.id),
        ], order='id')

    def _assert_refund_entries(self, amount, account='till receivable'):
        self.assertEqual(self._get_entries(), [
            ('vipps', 'outstanding', -amount), ('vipps', account, amount),
        ])


@tagged('post_install', '-at_install')
class TestPosAccounting(PosAccountingCommon):
    """ The books of a session that is closed. """

    #=== Closing ===#

    def test_closing_books_what_was_paid_once_for_the_method(self):
        orders = self._sell(45) | self._sell(100)
        self._post_process()
        self.assertEqual(self._get_entries(), [])
        self._close_session()
        self.assertEqual(self._get_entries(), [
            ('till', 'income', -145), ('till', 'till receivable', 145),
            ('vipps', 'outstanding', 145), ('vipps', 'till receivable', -145),
        ])
        self.assertEqual(self._get_open_amount(self.till_receivable), 0)
        self.assertFalse(self._get_refund_payments())
        txs = self._get_paying_tx(orders)
        self.assertEqual(txs.mapped('is_post_processed'), [True, True])
        self.assertFalse(txs.payment_id)

    def test_closing_books_vipps_and_cash_each_for_itself(self):
        ui_order = self._prepare_ui_order(45, payments=[
            self._prepare_ui_payment(15, self.cash_method), self._prepare_ui_payment(30),
        ])
        self._ask_and_approve(ui_order, index=1)
        self._finish(ui_order)
        self._close_session(cash=15)
        self.assertEqual(self._get_entries(), [
            ('cash', 'cash', 15), ('cash', 'till receivable', -15),
            ('till', 'income', -45),
            ('till', 'till receivable', 15), ('till', 'till receivable', 30),
            ('vipps', 'outstanding', 30), ('vipps', 'till receivable', -30),
        ])

    def test_closing_books_refunds_at_the_till_with_the_sales(self):
        order = self._sell(100)
        self._refund_in_till(order, 20)
        self._close_session()
        self.assertEqual(self._get_entries(), [
            ('till', 'income', -100), ('till', 'income', 20), ('till', 'till receivable', 80),
            ('vipps', 'outstanding', 80), ('vipps', 'till receivable', -80),
        ])
        self.assertFalse(self._get_refund_payments())

    def test_closing_books_a_session_that_only_refunds(self):
        order = self._sell(100)
        self._close_session()
        self._get_entries()
        session = self._open_session(self.config)
        self._refund_in_till(order, 20, session=session)
        self._close_session(session)
        self.assertEqual(self._get_entries(), [
            ('till', 'income', 20), ('till', 'till receivable', -20),
            ('vipps', 'outstanding', -20), ('vipps', 'till receivable', 20),
        ])
        self.assertFalse(self._get_refund_payments())

    def test_closing_books_an_invoiced_order(self):
        ui_order = self._prepare_ui_order(
            45, partner_id=self.partner.id, to_invoice=True
        )
        self._ask_and_approve(ui_order)
        order = self._finish(ui_order)
        self.assertEqual((order.state, order.account_move.payment_state), ('invoiced', 'paid'))
        self._close_session()
        self.assertEqual(self._get_entries(), [
            ('invoices', 'income', -45), ('invoices', 'receivable', 45),
            ('till', 'receivable', -45),
            ('till', 'till receivable', -45), ('till', 'till receivable', 45),
            ('till', 'till receivable', 45),
            ('vipps', 'outstanding', 45), ('vipps', 'till receivable', -45),
        ])
        self.assertEqual(self._get_open_amount(self.till_receivable), 0)

    def test_closing_books_each_payment_of_a_method_that_identifies_customers(self):
        self._reopen(split_transactions=True)
        for amount in (45, 100):
            self._sell(amount, session=self.session, partner_id=self.partner.id)
        self._close_session()
        self.assertEqual(self._get_entries(), [
            ('till', 'income', -145), ('till', 'receivable', 45), ('till', 'receivable', 100),
            ('vipps', 'outstanding', 45), ('vipps', 'outstanding', 100),
            ('vipps', 'receivable', -100), ('vipps', 'receivable', -45),
        ])

    def test_closing_books_what_is_only_reserved_and_tells_somebody(self):
        self.simulator.fault('capture', 'status', status=503, times=None)
        order = self._sell(45)
        tx = self._get_paying_tx(order)
        self.assertEqual(tx.state, 'authorized')
        self._close_session()
        self.assertEqual(self._get_entries(), [
            ('till', 'income', -45), ('till', 'till receivable', 45),
            ('vipps', 'outstanding', 45), ('vipps', 'till receivable', -45),
        ])
        self.assertEqual(len(self.session.activity_ids), 1)
        self.assertIn(tx.reference, self.session.activity_ids.summary)
        self.simulator.clear_faults()
        self._run_job()
        self._post_process()
        self.assertEqual(tx.state, 'done')
        self.assertEqual(self._get_entries(), [])
        self.assertFalse(self.session.activity_ids)

    def test_somebody_is_told_of_goods_whose_reservation_was_released_elsewhere(self):
        self.simulator.fault('capture', 'status', status=503, times=None)
        for is_closed in (False, True):
            with self.subTest(is_closed=is_closed):
                session = self._open_session(self.config) if is_closed else self.session
                tx = self._get_paying_tx(self._sell(45, session=session))
                if is_closed:
                    self._close_session(session)
                self.simulator.cancel(tx.reference)
                self._refresh(tx)
                self.assertEqual(tx.state, 'cancel')
                if not is_closed:
                    self._close_session(session)
                self.assertEqual(len(session.activity_ids), 1)
                self.assertIn("45.00 is delivered and not paid", session.activity_ids.note)

    def test_closing_books_nothing_of_a_payment_that_was_undone(self):
        ui_order = self._prepare_ui_order(45)
        status = self._ask_and_approve(ui_order)
        self.assertEqual(
            self._call('vipps_undo_attempt', status['reference'])['state'], 'returned'
        )
        self._post_process()
        ui_order['data']['statement_ids'] = [
            Command.create(self._prepare_ui_payment(45, self.cash_method))
        ]
        self._sync(ui_order)
        self._close_session(cash=45)
        self.assertEqual(self._get_entries(), [
            ('cash', 'cash', 45), ('cash', 'till receivable', -45),
            ('till', 'income', -45), ('till', 'till receivable', 45),
        ])
        self.assertFalse(self._get_refund_payments())

    def test_a_payment_is_undone_although_no_refund_could_be_booked(self):
        status = self._ask_and_approve(self._prepare_ui_order(45))
        self.bank_journal.outbound_payment_method_line_ids.unlink()
        self.assertEqual(
            self._call('vipps_undo_attempt', status['reference'])['state'], 'returned'
        )

    def test_closing_that_breaks_off_leaves_nothing_and_can_be_done_again(self):
        self._sell(45)
        self._post_process()
        session_class = type(self.env['pos.session'])
        for name in ('_create_bank_payment_moves', '_reconcile_account_move_lines'):
            with self.subTest(broken_off_in=name):
                broken = patch.object(session_class, name, side_effect=ValidationError("Broken"))
                with broken, self.assertRaises(ValidationError), self.env.cr.savepoint():
                    self._close()
                self.env.invalidate_all()
                self.assertEqual(self._get_entries(), [])
                self.assertNotEqual(self.session.state, 'closed')
                self._post_process()
        self._close_session()
        self.assertEqual(self._get_entries(), [
            ('till', 'income', -45), ('till', 'till receivable', 45),
            ('vipps', 'outstanding', 45), ('vipps', 'till receivable', -45),
        ])
        self.assertEqual(self._get_open_amount(self.till_receivable), 0)

    #=== Beside ===#

    def test_online_payments_of_the_till_are_booked_as_before(self):
        online_method = self.env['pos.payment.method']._get_or_create_online_payment_method(
            self.company.id, self.config.id
        )
        self._close()
        self.config.payment_method_ids |= online_method
        self.session = self._open_session(self.config)
        ui_order = self._prepare_ui_order(
            45, session=self.session, payments=[], partner_id=self.partner.id
        )
        order = self._save_draft(ui_order)
        tx = self._start(amount=45, pos_order_id=order.id, reference=None)
        self._approve(tx)
        self._refresh(tx)
        self._capture(tx)
        self._post_process()
        self.assertEqual(order.state, 'paid')
        self._sell(100, session=self.session)
        self.assertEqual(self._get_entries(), [
            ('shop', 'outstanding', 45), ('shop', 'receivable', -45),
        ])
        self._close_session()
        self.assertEqual(self._get_entries(), [
            ('till', 'income', -145), ('till', 'receivable', 45), ('till', 'till receivable', 100),
            ('vipps', 'outstanding', 100), ('vipps', 'till receivable', -100),
        ])
        self.assertEqual(self._get_open_amount(self.receivable), 0)
