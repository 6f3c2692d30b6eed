# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo.tests import tagged

from .settlement_common import SettlementCommon


@tagged('post_install', '-at_install')
class TestSettling(SettlementCommon):
    """ Payments of the shop, from the capture to the bank. """

    def test_payments_are_matched_and_the_payout_reaches_the_bank(self):
        tx, other_tx = self._sell(100, 100), self._sell(200)
        capture = tx.child_transaction_ids.filtered(lambda t: t.amount == 100)[:1]
        self._refund(capture.payment_id, 100)
        self._follow_up()
        ledger = self._set_up()
        [payout] = self._settle(days=1)

        entries = self._get_entries()
        self.assertEqual(entries.mapped('entry_type'), [
            'capture', 'capture', 'capture', 'refund', 'fees-retained', 'payout-scheduled',
        ])
        self.assertEqual(entries.mapped('state'), ['matched'] * 6, entries.mapped('reason'))
        self.assertTrue(all(entries[:4].payment_id.mapped('is_matched')))
        self.assertEqual(entries[:4].transaction_id, (
            tx.child_transaction_ids | other_tx | tx.child_transaction_ids.child_transaction_ids
        ))
        record = self.env['vipps.settlement.payout'].search([])
        self.assertEqual(record.number, payout['number'])
        self.assertEqual(record.amount, payout['amount'] / 100)
        self.assertEqual(record.state, 'sent')
        self.assertEqual(record.entry_ids, entries)
        self.assertEqual(
            (record.payment_amount, record.refund_amount, record.other_amount), (400, -100, 0)
        )
        self.assertEqual(record.statement_id.balance_end_real, 0)
        self.assertTrue(record.statement_id.is_complete)
        self.assertEqual(ledger.book_balance, 0)

        line = self._receive(record.amount, payout['reference'])
        self._settle()
        self.assertEqual(record.state, 'arrived')
        self.assertEqual(record.bank_line_id, line)
        self.assertTrue(line.is_reconciled)
        self.assertTrue(record.entry_id.move_line_id.reconciled)

    def test_running_again_changes_nothing(self):
        self._sell(100)
        self._set_up()
        self._settle(days=1)
        entries, lines = self._get_entries(), self.env['account.move.line'].search([])
        self._settle()
        self.assertEqual(self._get_entries(), entries)
        self.assertEqual(self.env['account.move.line'].search([]), lines)
