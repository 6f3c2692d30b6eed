# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo.exceptions import AccessError, UserError
from odoo.tests import tagged

from .settlement_common import SettlementCommon


@tagged('post_install', '-at_install')
class TestBankLine(SettlementCommon):
    """ The line of a bank statement that a payout arrives with, whoever matches it. """

    def _pay_out(self):
        """ Return a payout that is on its way. """
        self._sell(100)
        self._set_up()
        self._configure(payout_text='Payment from Vipps MobilePay')
        self._settle(days=1)
        payout = self.env['vipps.settlement.payout'].search([])
        self.assertEqual(payout.state, 'sent')
        return payout

    def _choose(self, payout, user=None):
        """ Return the dialog of a payout, as a user opens it. """
        payout = payout.with_user(user or self.accountant)
        action = payout.action_choose_bank_line()
        return self.env[action['res_model']].with_user(payout.env.user).search(action['domain'])

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.accountant = cls._new_user(
            'vipps_ledger_user', 'base.group_user,account.group_account_user',
        )
        cls.manager = cls._new_user(
            'vipps_manager', 'base.group_user,account.group_account_manager',
        )
        cls.invoicer = cls._new_user(
            'vipps_invoicer', 'base.group_user,account.group_account_invoice',
        )

    def test_of_two_lines_that_fit_an_accountant_chooses_one(self):
        payout = self._pay_out()
        lines = self._receive(payout.amount, "Transfer") | self._receive(payout.amount, "Transfer")
        self._settle()
        self.assertEqual(payout.state, 'sent')
        self.assertEqual(payout.proposed_line_ids, lines)
        # In Odoo Community, this may be a manager who is no accountant.
        self.assertEqual(self._choose(payout, self.manager).line_id, lines)
        choices = self._choose(payout)
        self.assertEqual(choices.line_id, lines)
        with self.assertRaises(AccessError):
            choices[1].with_user(self.invoicer).action_choose()
        with self.assertRaises(AccessError):
            self._choose(payout, self.invoicer)
        choices[1].action_choose()
        self.assertEqual((payout.state, payout.bank_line_id), ('arrived', lines[1]))
        self.assertTrue(lines[1].is_reconciled)
        with self.assertRaisesRegex(UserError, "matched meanwhile"):
            choices[0].action_choose()
        self.assertFalse(lines[0].is_reconciled)

    def test_without_a_line_that_fits_the_button_says_so(self):
        payout = self._pay_out()
        self._receive(payout.amount + 1, "Transfer")
        with self.assertRaisesRegex(UserError, "No bank line fits"):
            self._choose(payout)

    def test_undoing_the_match_puts_the_payout_back_on_its_way(self):
        payout = self._pay_out()
        line = self._receive(payout.amount, "Transfer")
        self._settle()
        self.assertEqual((payout.state, payout.bank_line_id), ('arrived', line))
        line.with_user(self.accountant).action_undo_reconciliation()
        self.assertEqual((payout.state, payout.bank_line_id.ids), ('sent', []))
        self.assertEqual(payout.proposed_line_ids, line)

    def test_a_match_that_a_person_undoes_is_not_made_anew_until_it_is_wanted(self):
        payout = self._pay_out()
        line = self._receive(payout.amount, f"Payout {payout.number}")
        self._settle()
        line.with_user(self.accountant).action_undo_reconciliation()
        for _hour in range(2):
            self._settle()
            self.assertEqual((payout.state, payout.bank_line_id.ids), ('sent', []))
            self.assertIn(line.payment_ref, payout.reason)
            self.assertIn("was undone", payout.reason)
        choice = self._choose(payout)
        self.assertEqual(choice.line_id, line)
        choice.action_choose()
        self.assertEqual((payout.state, payout.bank_line_id), ('arrived', line))
        self.assertEqual((payout.reason, payout.undone_line_id.ids), (False, []))

    def test_a_bank_line_that_is_imported_again_is_matched_at_once(self):
        payout = self._pay_out()
        line = self._receive(payout.amount, "Transfer")
        self._settle()
        line.action_undo_reconciliation()
        self._settle()
        line.unlink()
        line = self._receive(payout.amount, "Transfer")
        self._settle()
        self.assertEqual((payout.state, payout.bank_line_id), ('arrived', line))
        self.assertFalse(payout.reason)

    def test_a_match_by_hand_counts(self):
        payout = self._pay_out()
        # Fees of the bank were kept back, so Odoo does not propose it.
        line = self._receive(payout.amount - 5, "Transfer")
        item = payout.entry_id.move_line_id
        _money, suspense, _other = line._seek_for_lines()
        line = line.with_user(self.bookkeeper)
        line.move_id.with_context(skip_account_move_synchronization=True).write({'line_ids': [
            (1, suspense.id, {'account_id': item.account_id.id, 'credit': payout.amount}),
            (0, 0, {'account_id': payout.ledger_id.fee_account_id.id, 'debit': 5}),
        ]})
        (suspense | item).with_user(self.bookkeeper).reconcile()
        self.assertEqual((payout.state, payout.bank_line_id), ('arrived', line))
        (suspense | item).with_user(self.bookkeeper).remove_move_reconcile()
        self.assertEqual((payout.state, payout.bank_line_id.ids), ('sent', []))

    def test_a_part_of_the_money_is_not_all_of_it(self):
        payout = self._pay_out()
        line = self._receive(payout.amount - 5, "Transfer")
        item = payout.entry_id.move_line_id
        _money, suspense, _other = line._seek_for_lines()
        suspense.with_context(skip_account_move_synchronization=True).account_id = item.account_id
        (suspense | item).reconcile()
        self.assertFalse(item.reconciled)
        self.assertEqual(payout.state, 'sent')

    def test_a_match_on_another_transfer_account_is_noticed_by_the_job(self):
        payout = self._pay_out()
        old_account = self.company.transfer_account_id
        self.company.transfer_account_id = old_account.copy()
        line = self._receive(payout.amount, "Transfer")
        _money, suspense, _other = line._seek_for_lines()
        suspense.with_context(skip_account_move_synchronization=True).account_id = old_account
        (suspense | payout.entry_id.move_line_id).reconcile()
        self._settle()
        self.assertEqual((payout.state, payout.bank_line_id), ('arrived', line))

    def test_a_payout_that_was_taken_back_is_aborted_until_money_comes(self):
        payout = self._pay_out()
        self.settlement.abort_payout(payout.ledger_id.msn, payout.number)
        self._settle()
        self.assertEqual(payout.state, 'aborted')
        aborted = self._get_entries('payout-aborted')
        self.assertEqual(aborted.state, 'matched')
        self.assertTrue(payout.entry_id.move_line_id.reconciled)
        self.assertFalse(payout.bank_line_id)

    def test_a_payout_that_was_taken_back_after_it_was_matched(self):
        payout = self._pay_out()
        line = self._receive(payout.amount, "Transfer")
        self._settle()
        self.settlement.abort_payout(payout.ledger_id.msn, payout.number)
        self._settle()
        self.assertEqual(payout.state, 'arrived')
        self.assertEqual(self._get_entries('payout-aborted').state, 'check')
        line.action_undo_reconciliation()
        self.assertEqual(payout.state, 'aborted')

    def test_a_payout_that_is_sent_again_is_not_the_one_that_was_aborted(self):
        payout = self._pay_out()
        self.settlement.abort_payout(payout.ledger_id.msn, payout.number)
        self._settle()
        self.settlement.add_entry(
            payout.ledger_id.msn, topic='funds', entryType='payout-scheduled',
            amount=round(-payout.amount * 100), reference=payout.reference,
            pspReference=payout.entry_id.psp_reference,
        )
        self._settle()
        again = self.env['vipps.settlement.payout'].search([]) - payout
        line = self._receive(payout.amount, "Transfer")
        self._settle()
        self.assertEqual((payout.state, again.state), ('aborted', 'arrived'))
        line.action_undo_reconciliation()
        self.assertEqual((payout.state, again.state), ('aborted', 'sent'))

    def test_the_job_matches_no_line_of_a_period_that_is_closed_for_others(self):
        payout = self._pay_out()
        line = self._receive(payout.amount, "Transfer")
        self.company.period_lock_date = line.date
        self._settle()
        self.assertEqual((payout.state, line.is_reconciled), ('sent', False))
        self.assertIn("locked until", payout.reason)
        self._choose(payout, self.manager).action_choose()
        self.assertEqual((payout.state, payout.bank_line_id), ('arrived', line))

    def test_deleting_the_bank_line_puts_the_payout_back_on_its_way(self):
        payout = self._pay_out()
        line = self._receive(payout.amount, "Transfer")
        self._settle()
        line.move_id.button_draft()
        self.assertEqual(payout.state, 'sent')
        line.unlink()
        self.assertEqual((payout.state, payout.bank_line_id.ids), ('sent', []))
