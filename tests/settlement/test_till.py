# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo.fields import Command
from odoo.tests import tagged

from ...simulator.sales_units import NOK_UNIT
from ..pos_common import PosCommon
from .settlement_common import SettlementCommon


@tagged('post_install', '-at_install')
class TestTill(PosCommon, SettlementCommon):
    """ Payments of tills, which the closing of a session books. """

    def _close_session(self, session=None, cash=0, diffs=None):
        """ Close a session, with what was counted otherwise than it was paid. """
        self._follow_up()
        answer = self._close(session, cash=cash, diffs=diffs)
        self.assertEqual(answer, {'successful': True})
        self._follow_up()

    def _refund_elsewhere(self, tx, amount=None):
        self.simulator.refund(tx.reference, amount)
        self._refresh(tx)
        self._follow_up()

    def _get_open_amount(self):
        """ Return what is left open of the money on its way. """
        account = self.company.account_journal_payment_debit_account_id
        return sum(self.env['account.move.line'].search([
            ('account_id', '=', account.id), ('parent_state', '=', 'posted'),
        ]).mapped('amount_residual'))

    def _assert_all_matched(self):
        entries = self._get_entries('capture', 'refund')
        self.assertEqual(set(entries.mapped('state')), {'matched'}, entries.mapped('reason'))
        self.assertTrue(all(entries.move_line_id.mapped('reconciled')))
        self.assertEqual(self._get_open_amount(), 0)
        self._assert_balanced()
        lines = self.env['account.move.line'].search([])
        self._look_again()
        self.assertEqual(self.env['account.move.line'].search([]), lines)

    def test_entries_wait_for_the_session_and_are_matched_when_it_closes(self):
        ledger = self._set_up()
        orders = self._sell(45) | self._sell(100)
        self._settle(days=1)
        entries = self._get_entries('capture')
        self.assertEqual(entries.mapped('state'), ['waiting'] * 2)
        self.assertIn(self.session.name, entries[0].reason)
        # They wait on the account where the session books.
        self.assertEqual(
            entries.move_line_id.account_id, self.company.account_journal_payment_debit_account_id
        )
        self.assertEqual(ledger.book_balance, 0)
        self._close_session()
        self.assertEqual(entries.mapped('match_at'), [False] * 2)
        self._settle()
        self._assert_all_matched()
        self.assertEqual(entries.transaction_id, self._get_paying_tx(orders))
        payment = entries.payment_id
        self.assertEqual(payment.pos_session_id, self.session)
        self.assertTrue(payment.is_matched)
        self.assertEqual(payment.reconciled_statement_line_ids, entries.statement_line_id)
        self.assertEqual(
            entries[0].with_user(self.bookkeeper)._find_document(), orders[0],
        )

    def test_a_session_that_is_closed_before_its_payments_are_settled(self):
        self._sell(45)
        self._sell(100)
        self._close_session()
        self._set_up()
        self._settle(days=1)
        self._assert_all_matched()

    def test_one_line_for_a_day_although_the_session_is_open(self):
        self._set_up(booking_mode='day')
        self._sell(45)
        self._sell(100)
        self._settle(days=1)
        self.assertEqual(len(self._get_entries('capture').statement_line_id), 1)
        self._close_session()
        self._settle()
        self._assert_all_matched()

    def test_payments_of_methods_that_identify_customers_are_matched_singly(self):
        self._reopen(split_transactions=True)
        self._set_up()
        for amount in (45, 45, 100):
            self._sell(amount, session=self.session, partner_id=self.partner.id)
        self._settle(days=1)
        self._close_session()
        self._settle()
        self._assert_all_matched()
        entries = self._get_entries('capture')
        self.assertEqual(len(entries.payment_id), 3)
        self.assertEqual(entries.payment_id.mapped('amount'), entries.mapped('amount'))

    def test_payments_of_sessions_from_before_the_link_was_kept(self):
        self._reopen(split_transactions=True)
        for amount in (45, 45, 100):
            self._sell(amount, session=self.session, partner_id=self.partner.id)
        self._close_session()
        self.session.order_ids.payment_ids.vipps_account_payment_id = False
        self._set_up()
        self._settle(days=1)
        self._assert_all_matched()
        self.assertEqual(len(self._get_entries('capture').payment_id), 3)

    def test_a_payment_and_its_refund_of_a_session_from_before_the_link_was_kept(self):
        self._reopen(split_transactions=True)
        order = self._sell(45, session=self.session, partner_id=self.partner.id)
        ui_refund = self._prepare_ui_refund(order, 45)
        ui_refund['data']['partner_id'] = self.partner.id
        self._ask(ui_refund, flow=False)
        self._finish(ui_refund)
        self._close_session()
        self.session.order_ids.payment_ids.vipps_account_payment_id = False
        self._set_up()
        self._settle(days=1)
        self._assert_all_matched()
        for entry in self._get_entries('capture', 'refund'):
            line = entry.payment_id._seek_for_lines()[0]
            self.assertGreater(line.balance * entry.amount, 0, entry.entry_type)

    def test_refunds_at_the_till_are_matched_with_the_payments_of_the_session(self):
        for days in (0, 1):
            with self.subTest(days=days):
                session = self._open_session(self.config) if days else self.session
                order = self._sell(100, session=session)
                if not days:
                    self._set_up()
                self._settle(days=days)  # The refund is of the same day, or of another one.
                self._refund_in_till(order, 20, session=session)
                self._close_session(session)
                self._settle(days=1)
                self._assert_all_matched()

    def test_a_refund_that_is_settled_after_the_session_was_closed(self):
        self._set_up()
        order = self._sell(100)
        self._refund_in_till(order, 20)
        entries = self.settlement.find(NOK_UNIT.msn).entries['funds']
        late = entries.pop()
        self.assertEqual(late['entryType'], 'refund')
        self._close_session()
        self._settle()
        capture = self._get_entries('capture')
        self.assertEqual(capture.state, 'waiting')
        self.assertIn("settles later", capture.reason)
        self.assertTrue(capture.payment_id.is_matched)
        self._look_again()
        self._add(
            'refund', -2000, pspReference=late['pspReference'], reference=late['reference'],
        )
        self._settle()
        self._assert_all_matched()

    def test_a_session_that_gave_back_all_that_it_took(self):
        self._set_up()
        order = self._sell(45)
        self._settle()
        self._refund_in_till(order, 45)
        self._close_session()
        self._settle(days=1)
        self._assert_all_matched()

    def test_a_session_that_gave_back_more_than_it_took(self):
        self._set_up()
        order = self._sell(100)
        self._close_session()
        self._settle(days=1)
        session = self._open_session(self.config)
        self._sell(30, session=session)
        self._refund_in_till(order, 80, session=session)
        self._settle(days=1)
        self._close_session(session)
        self._settle()
        self._assert_all_matched()

    def test_refunds_made_elsewhere_have_payments_of_their_own(self):
        self._set_up()
        order = self._sell(100)
        self._refund_elsewhere(self._get_paying_tx(order), 2000)
        self._settle(days=1)
        refund = self._get_entries('refund')
        self.assertEqual(refund.state, 'matched', refund.reason)
        self._close_session()
        self._refund_elsewhere(self._get_paying_tx(order), 3000)
        self._settle(days=1)
        self._assert_all_matched()

    def test_a_payment_that_is_undone_is_matched_with_its_refund(self):
        self._set_up()
        status = self._ask_and_approve(self._prepare_ui_order(45))
        self._settle()
        capture = self._get_entries('capture')
        if capture:
            self.assertEqual(capture.state, 'waiting')
        self._call('vipps_undo_attempt', status['reference'])
        self._follow_up()
        self._settle(days=1)
        self._look_again()
        entries = self._get_entries('capture', 'refund')
        if entries:
            self._assert_all_matched()

    def test_a_refund_before_the_order_is_finished_is_part_of_the_session(self):
        self._set_up()
        ui_order = self._prepare_ui_order(45)
        status = self._ask_and_approve(ui_order)
        tx = self._get_attempt(status['reference'])
        self._refund_elsewhere(tx, 2000)
        self._settle()
        self.assertEqual(set(self._get_entries().mapped('state')), {'waiting'})
        ui_payments = ui_order['data']['statement_ids']
        ui_payments[0][2]['amount'] = 25
        ui_payments.append(Command.create(self._prepare_ui_payment(20, self.cash_method)))
        self._finish(ui_order)
        self._close_session(cash=20)
        self._settle(days=1)
        self._assert_all_matched()

    def test_a_session_that_was_counted_otherwise_leaves_the_difference_to_a_person(self):
        self._set_up()
        self._sell(100)
        self._close_session(diffs={self.pos_method.id: -10})
        self._settle(days=1)
        entry = self._get_entries('capture')
        self.assertEqual(entry.state, 'check')
        self.assertIn("another amount", entry.reason)
        self.assertEqual(self._get_open_amount(), -10)

    def test_a_session_that_was_counted_higher_leaves_the_rest_to_a_person(self):
        self._set_up()
        self._sell(45)
        self._sell(100)
        self._close_session(diffs={self.pos_method.id: 10})
        self._settle()
        self._sell(30, session=self._open_session(self.config))  # Of another session.
        self._settle(days=1)
        first, last, other = self._get_entries('capture')
        self.assertEqual((first.state, last.state), ('matched', 'check'))
        self.assertEqual(other.state, 'waiting')
        self.assertTrue(last.move_line_id.reconciled)
        self.assertIn("another amount", last.reason)
        self.assertEqual(last.payment_id.amount, 155)
        last.with_user(self.bookkeeper).action_match_again()
        self.assertEqual(last.state, 'check')
        self.assertIn("another amount", last.reason)
        # A person books the rest.
        rest = last.payment_id._seek_for_lines()[0]
        move = self.env['account.move'].create({'line_ids': [
            Command.create({'account_id': rest.account_id.id, 'credit': 10}),
            Command.create({
                'account_id': last.ledger_id.fee_account_id.id, 'debit': 10,
            }),
        ]})
        move.action_post()
        (rest | move.line_ids.filtered('credit')).reconcile()
        last.with_user(self.bookkeeper).action_match_again()
        self.assertEqual((last.state, last.reason), ('matched', False))

    def test_a_payment_that_is_booked_without_its_order(self):
        self._set_up()
        ui_order = self._prepare_ui_order(45)
        status = self._ask_and_approve(ui_order)
        tx = self._get_attempt(status['reference'])
        tx.vipps_pos_is_alone = True
        self._follow_up()
        tx._finalize_post_processing()
        self.assertTrue(tx.payment_id)
        self._settle(days=1)
        self._assert_all_matched()

    def test_the_payment_of_a_session_that_was_matched_by_hand(self):
        self._set_up()
        self._sell(100)
        self._close_session()
        payment = self.env['account.payment'].search([('pos_session_id', '=', self.session.id)])
        line = payment._seek_for_lines()[0]
        suspense = self._receive(100, "Vipps")._seek_for_lines()[1]
        suspense.with_context(skip_account_move_synchronization=True).account_id = line.account_id
        (suspense | line).reconcile()
        self._settle(days=1)
        entry = self._get_entries('capture')
        self.assertEqual(entry.state, 'check')
        self.assertIn("something else already", entry.reason)

    def test_online_payments_of_tills_are_matched_singly(self):
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
        self._follow_up()
        self.assertEqual(order.state, 'paid')
        self._set_up()
        self._settle(days=1)  # The session is open.
        self._assert_all_matched()
        self.assertEqual(self._get_entries('capture').payment_id, tx.payment_id)
