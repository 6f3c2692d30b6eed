# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo.tests import tagged

from ...simulator.sales_units import NOK_UNIT
from .settlement_common import SettlementCommon


@tagged('post_install', '-at_install')
class TestDispute(SettlementCommon):
    """ Money that Vipps MobilePay keeps back: disputes, and payouts that are aborted. """

    def setUp(self):
        super().setUp()
        self.ledger = self._set_up()

    #=== DISPUTES ===#

    def _dispute(self, tx, won=False, days=1):
        self.settlement.dispute(NOK_UNIT.msn, tx.vipps_payment_reference, won=won)
        if days is not None:
            self._settle(days=days)

    def _get_disputes(self):
        return self._get_entries('retained-disputed-capture', 'returned-disputed-capture')

    def test_a_dispute_is_decided_by_a_person_until_it_is_won(self):
        tx = self._sell(100)
        self._settle(days=1)
        self._dispute(tx)
        retained = self._get_disputes()
        self.assertEqual((retained.state, retained.transaction_id), ('check', tx))
        self.assertIn("If you lose", retained.reason)
        self.assertEqual(retained._find_document(), tx)
        self.assertEqual(retained.move_line_id.account_id, self.ledger.dispute_account_id)
        self.assertEqual(retained.move_line_id.partner_id, self.partner)
        self._dispute(tx, won=True)
        self.assertEqual(self._get_disputes().mapped('state'), ['matched'] * 2)
        self.assertTrue(all(self._get_disputes().move_line_id.mapped('reconciled')))
        # The payment itself stays matched, once.
        self.assertEqual(self._get_entries('capture').state, 'matched')
        self.assertEqual(self.ledger.book_balance, self.ledger.funds_balance)
        self._assert_balanced()

    def test_disputes_of_a_payment_that_repeat(self):
        for days in (None, 1):
            with self.subTest(days=days):
                tx = self._sell(100)
                for won in (False, True, False, True, False):
                    self._dispute(tx, won=won, days=days)
                self._settle(days=1)
                entries = self._get_disputes()[-5:]
                self.assertEqual(
                    entries.mapped('state'), ['matched'] * 4 + ['check'], entries.mapped('reason'),
                )
                self.assertEqual(
                    entries.move_line_id.mapped('reconciled'), [True] * 4 + [False]
                )
                self._settle()
                self.assertEqual(entries[-1].state, 'check')

    def test_a_dispute_that_is_lost_is_done_when_a_person_says_so(self):
        tx = self._sell(100)
        self._dispute(tx)
        retained = self._get_disputes()
        retained.with_user(self.bookkeeper).action_done()
        self._settle(days=1)
        self.assertEqual(retained.state, 'done')
        # After all, it is won: the amount is where the loss was booked from.
        self._dispute(tx, won=True)
        self.assertEqual(retained.state, 'done')
        self.assertTrue(retained.move_line_id.reconciled)

    def test_money_of_a_dispute_that_is_not_in_the_books(self):
        self._add('returned-disputed-capture', 5000, pspReference='1234', reference='old')
        self._settle(days=1)
        entry = self._get_disputes()
        self.assertEqual(entry.state, 'check')
        self.assertIn("not in your books", entry.reason)

    #=== PAYOUTS THAT ARE ABORTED ===#

    def _get_payouts(self):
        return self.env['vipps.settlement.payout'].search([], order='id')

    def _pay_out(self, is_fetched=True):
        """ Return the payout of a sale, as the simulator knows it. """
        self._sell(100)
        [payout] = self._settle(days=1) if is_fetched else self.settlement.close(NOK_UNIT.msn, 1)
        return payout

    def _assert_replaced(self, aborted, other):
        """ Ensure that the books have one payout in place of another. """
        self.assertEqual((aborted.state, other.state), ('aborted', 'sent'))
        self.assertTrue(aborted.entry_id.move_line_id.reconciled)
        self.assertFalse(other.entry_id.move_line_id.reconciled)
        self.assertEqual(self.ledger.book_balance, 0)
        for record in aborted | other:
            self.assertTrue(record.statement_id.is_complete)
            self.assertTrue(record.statement_id.is_valid)

    def test_an_aborted_payout_is_in_the_next_one(self):
        for is_together in (False, True):
            with self.subTest(is_together=is_together):
                last = len(self._get_payouts())
                payout = self._pay_out(is_fetched=not is_together)
                self.settlement.abort_payout(NOK_UNIT.msn, payout['number'])
                self._settle(days=1)
                aborted, other = self._get_payouts()[last:]
                self.assertEqual(aborted.amount, other.amount)
                self.assertEqual(other.other_amount, other.amount)
                self._assert_replaced(aborted, other)
                line = self._receive(other.amount, f"Utb. {other.number} Vippsnr {NOK_UNIT.msn}")
                self._settle()
                self.assertEqual((other.state, other.bank_line_id), ('arrived', line))
                self.assertEqual(aborted.state, 'aborted')

    def test_an_aborted_payout_is_sent_again_under_the_same_number(self):
        for is_together in (False, True):
            with self.subTest(is_together=is_together):
                last = len(self._get_payouts())
                payout = self._pay_out(is_fetched=not is_together)
                number = payout['number']
                self.settlement.abort_payout(NOK_UNIT.msn, number)
                self._configure(next_payout=int(number))
                self._sell(50)
                self._settle(days=1)
                aborted, other = self._get_payouts()[last:]
                self.assertEqual((aborted.number, other.number), (number, f'{number}/2'))
                self.assertGreater(other.amount, aborted.amount)
                self._assert_replaced(aborted, other)
                # Banks write the text in their own way.
                line = self._receive(other.amount, f"UTB. {number} VIPPSNR {NOK_UNIT.msn}")
                self._settle()
                self.assertEqual((other.state, other.bank_line_id), ('arrived', line))
                self.assertEqual(aborted.state, 'aborted')
                lines = self.env['account.move.line'].search([])
                self._look_again()
                self.assertEqual(self.env['account.move.line'].search([]), lines)

    def test_a_payout_that_is_aborted_after_it_arrived_is_never_undone_silently(self):
        payout = self._pay_out()
        record = self._get_payouts()
        line = self._receive(record.amount, payout['reference'])
        self._settle()
        self.assertEqual(record.state, 'arrived')
        self.settlement.abort_payout(NOK_UNIT.msn, payout['number'])
        self._settle(days=1)
        entry = self._get_entries('payout-aborted')
        self.assertEqual(entry.state, 'check')
        self.assertIn("Look at your bank account", entry.reason)
        self.assertTrue(line.is_reconciled)
        # The bank has it booked back: the person undoes the matching.
        line.action_undo_reconciliation()
        entry.with_user(self.bookkeeper).action_match_again()
        self.assertEqual(entry.state, 'matched', entry.reason)
        self.assertTrue(entry.move_line_id.reconciled)
        self.assertEqual(record.state, 'aborted')

    def test_accounts_that_were_changed_in_the_meantime(self):
        tx = self._sell(100)
        [payout] = self._settle(days=1)
        self._dispute(tx)
        account = self.company.transfer_account_id
        self.company.transfer_account_id = account.copy({'code': '101798'})
        self.ledger.dispute_account_id = self.ledger.dispute_account_id.copy({'code': '101799'})
        self._dispute(tx, won=True, days=None)
        self.settlement.abort_payout(NOK_UNIT.msn, payout['number'])
        self._settle(days=1)
        entries = self._get_disputes() | self._get_entries('payout-aborted')
        self.assertEqual(set(entries.mapped('state')), {'matched'}, entries.mapped('reason'))
        self.assertTrue(all(entries.move_line_id.mapped('reconciled')))
        self.assertEqual(self._get_payouts()[0].state, 'aborted')

    def test_an_aborted_payout_is_known_by_the_text_of_the_bank(self):
        payout = self._pay_out()
        self._add('payout-aborted', payout['amount'], reference=payout['reference'])
        self._settle()
        self.assertEqual(self._get_entries('payout-aborted').state, 'matched')

    def test_an_aborted_payout_that_nobody_knows(self):
        self._add('payout-aborted', 5000, pspReference='9-1')
        self._settle()
        entry = self._get_entries('payout-aborted')
        self.assertEqual(entry.state, 'check')
        self.assertIn("9-1", entry.reason)
