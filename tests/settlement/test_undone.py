# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from unittest.mock import patch

from odoo.fields import Command
from odoo.tests import tagged

from .settlement_common import SettlementCommon


@tagged('post_install', '-at_install')
class TestUndone(SettlementCommon):
    """ Statement lines that a person, or another addon, matches or changes. """

    def _assert_unchanged(self):
        lines = self.env['account.move.line'].search([])
        self._look_again()
        self.assertEqual(self.env['account.move.line'].search([]), lines)

    def test_a_matching_that_a_person_undoes_is_left_undone_until_it_is_wanted(self):
        for mode in ('entry', 'day'):
            with self.subTest(mode=mode):
                self._set_up(booking_mode=mode)
                txs = self._sell(100) | self._sell(200)
                self._settle(days=1)
                entries = self._get_entries('capture')[-2:]
                line = entries[0].statement_line_id
                own = entries.filtered(lambda e, line=line: e.statement_line_id == line)
                self.assertEqual(len(own), 2 if mode == 'day' else 1)
                line.action_undo_reconciliation()
                self._settle()
                self.assertEqual(set(own.mapped('state')), {'check'})
                self.assertIn("was undone", own[0].reason)
                self.assertFalse(own.move_line_id)
                self._assert_unchanged()
                own[0].with_user(self.bookkeeper).action_match_again()
                self.assertEqual(entries.mapped('state'), ['matched'] * 2)
                self.assertTrue(all(txs.payment_id.mapped('is_matched')))
                self.assertTrue(line.is_reconciled)
                self._assert_balanced()
                self._assert_unchanged()

    def test_a_statement_line_that_a_person_matches_otherwise_is_left_alone(self):
        self._set_up()
        tx = self._sell(100)
        self._settle(days=1)
        entry = self._get_entries('capture')
        line = entry.statement_line_id
        line.action_undo_reconciliation()
        suspense = line._seek_for_lines()[1]
        line.move_id.with_context(
            skip_account_move_synchronization=True, force_delete=True,
        ).write({'line_ids': [Command.delete(suspense.id), Command.create({
            'account_id': self.company_data['default_account_revenue'].id,
            'name': "By hand", 'balance': -100,
        })]})
        self._settle()
        self.assertEqual((entry.state, entry.reason), ('done', False))
        self.assertFalse(tx.payment_id.is_matched)
        self._assert_unchanged()

    def test_a_statement_line_that_is_deleted_is_booked_again_when_it_is_wanted(self):
        ledger = self._set_up()
        tx = self._sell(100)
        self._settle(days=1)
        entry = self._get_entries('capture')
        payout = entry.payout_id
        entry.statement_line_id.action_undo_reconciliation()
        entry.statement_line_id.unlink()
        self._settle()
        self.assertEqual(entry.state, 'check')
        self.assertIn("was deleted", entry.reason)
        self._assert_unchanged()
        entry.with_user(self.bookkeeper).action_match_again()
        self._settle()
        self.assertEqual(entry.state, 'matched', entry.reason)
        self.assertTrue(tx.payment_id.is_matched)
        self.assertEqual(ledger.book_balance, 0)
        self.assertEqual(entry.statement_line_id.statement_id, payout.statement_id)
        self.assertTrue(payout.statement_id.is_complete and payout.statement_id.is_valid)
        self._assert_unchanged()

    def test_a_statement_line_that_is_deleted_can_be_given_up(self):
        self._set_up()
        self._sell(100)
        self._settle(days=1)
        entry = self._get_entries('capture')
        entry.statement_line_id.action_undo_reconciliation()
        entry.statement_line_id.unlink()
        self._settle()
        entry.with_user(self.bookkeeper).action_done()
        self._settle()
        self.assertEqual(entry.state, 'done')

    def test_a_journal_entry_that_is_reset_to_draft(self):
        self._set_up()
        tx = self._sell(100)
        self._settle(days=1)
        entry = self._get_entries('capture').sudo()
        move = entry.statement_line_id.move_id
        move.button_draft()
        self._settle()
        entry.state = 'check'
        entry.with_user(self.bookkeeper).action_match_again()
        self.assertIn("Post it", entry.reason)
        entry.state = 'matched'
        move.action_post()
        self._settle()
        self._look_again()
        self.assertEqual(entry.state, 'matched', entry.reason)
        self.assertTrue(tx.payment_id.is_matched)

    def test_another_addon_that_matches_first(self):
        """ As the rules of OCA's `account_reconcile_oca` do. """
        ledger = self._set_up()
        account = self.company_data['default_account_revenue']
        suspense_account = ledger.journal_id.suspense_account_id
        Line = type(self.env['account.bank.statement.line'])
        create = Line.create

        def create_and_match(lines, vals_list):
            res = create(lines, vals_list)
            for line in res:
                for item in line.move_id.line_ids.filtered(
                    lambda item: item.account_id == suspense_account
                ):
                    line.move_id.with_context(
                        skip_account_move_synchronization=True, force_delete=True,
                    ).write({'line_ids': [Command.delete(item.id), Command.create({
                        'account_id': account.id, 'name': "By a rule", 'balance': item.balance,
                    })]})
            return res

        tx = self._sell(100)
        self._add('correction', -500)
        self._add('capture', 2000, reference='other')
        with patch.object(Line, 'create', create_and_match):
            self._settle(days=1)
        entries = self._get_entries()
        self.assertEqual(
            {entry.entry_type: entry.state for entry in entries if entry.transaction_id != tx},
            {'correction': 'done', 'capture': 'done', 'fees-retained': 'matched',
             'payout-scheduled': 'matched'},
        )
        self.assertEqual(entries.filtered('payment_id').state, 'matched')
        self.assertTrue(tx.payment_id.is_matched)
        self._assert_unchanged()
        self._assert_balanced()

    def test_done_stays_done(self):
        self._set_up(foreign_account_id=self.company.account_journal_payment_debit_account_id.id)
        self._add('capture', 2000, reference='other')
        self._settle(days=1)
        entry = self._get_entries('capture')
        self.assertEqual(entry.state, 'foreign')
        entry.with_user(self.bookkeeper).action_done()
        self._settle()
        self.assertEqual(entry.state, 'done')
