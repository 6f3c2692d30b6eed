# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from datetime import timedelta
from unittest.mock import patch

from odoo.tests import tagged

from ...simulator.sales_units import NOK_UNIT
from .settlement_common import SettlementCommon


@tagged('post_install', '-at_install')
class TestBank(SettlementCommon):
    """ The arrival of payouts in the bank. """

    def _pay_out(self, *amounts):
        """ Return payouts of amounts in minor units, one a day. """
        self._set_up()
        last = len(self.env['vipps.settlement.payout'].search([]))
        for amount in amounts:
            self._add('top-up', amount)
            self._settle(days=1)
        return self.env['vipps.settlement.payout'].search([], order='id')[last:]

    def _assert_arrived(self, payout, line):
        self.assertEqual((payout.state, payout.bank_line_id), ('arrived', line))
        self.assertTrue(line.is_reconciled)
        self.assertTrue(payout.entry_id.move_line_id.reconciled)

    def test_a_bank_line_that_comes_first(self):
        self._set_up()
        self._add('top-up', 28800)
        [payout] = self.settlement.close(NOK_UNIT.msn, 1)
        line = self._receive(288, payout['reference'])
        self._settle()
        self._assert_arrived(self.env['vipps.settlement.payout'].search([]), line)

    def test_a_bank_line_that_comes_later_wakes_the_job(self):
        payout = self._pay_out(28800)
        self.env['ir.cron.trigger'].search([]).unlink()
        self._receive(287, payout.reference)
        self.assertFalse(self.env['ir.cron.trigger'].search([]))
        partner = self.env['res.partner'].create({'name': "Vipps MobilePay AS"})
        line = self._receive(288, "PAYOUT", partner_id=partner.id)
        self.assertTrue(self.env['ir.cron.trigger'].search([
            ('cron_id', '=', self.env.ref('mobilepay_vipps.cron_settle').id),
        ]))
        self._settle()
        self._assert_arrived(payout, line)

    def test_the_number_says_which_of_two_payouts_it_is(self):
        first, second = self._pay_out(28800, 28800)
        line = self._receive(288, f"Utb. {second.number} Vippsnr {NOK_UNIT.msn}")
        self._settle()
        self._assert_arrived(second, line)
        self.assertEqual(first.state, 'sent')
        # Now there is no other one that it can be.
        other = self._receive(288, "Vipps MobilePay")
        self._settle()
        self._assert_arrived(first, other)

    def test_one_line_that_two_payouts_can_be_is_only_proposed(self):
        payouts = self._pay_out(28800, 28800)
        line = self._receive(288, "Vipps MobilePay")
        self._settle()
        self.assertEqual(payouts.mapped('state'), ['sent'] * 2)
        self.assertEqual(payouts.proposed_line_ids, line)
        self.assertFalse(line.is_reconciled)

    def test_one_line_with_the_text_of_two_payouts_is_only_proposed(self):
        self._configure(payout_text='Shop AS')
        payouts = self._pay_out(28800, 28800)
        line = self._receive(288, "Shop AS")
        self._settle()
        self.assertEqual(payouts.mapped('state'), ['sent'] * 2)
        self.assertEqual(payouts.proposed_line_ids, line)

    def test_the_newer_one_of_two_payouts_with_the_same_text_is_aborted(self):
        self._configure(payout_text='Shop AS')
        first, second = self._pay_out(28800, 28800)
        number = self.settlement.find(NOK_UNIT.msn).payouts[-1]['number']
        self.settlement.abort_payout(NOK_UNIT.msn, number)
        self._settle()
        self.assertEqual((first.state, second.state), ('sent', 'aborted'))

    def test_a_line_that_the_payout_of_another_ledger_can_be_is_only_proposed(self):
        payout = self._pay_out(28800)
        ledger = payout.ledger_id.sudo().copy({'number': '777', 'journal_id': False})
        other = payout.sudo().copy({'number': 'other', 'ledger_id': ledger.id})
        line = self._receive(288, "Vipps MobilePay")
        self._settle()
        self.assertEqual((payout | other).mapped('state'), ['sent'] * 2)
        other.state = 'aborted'
        self._settle()
        self._assert_arrived(payout, line)

    def test_the_payout_of_a_branch_in_the_bank_of_its_parent_company(self):
        payout = self._pay_out(28800)
        branch = self.env['res.company'].create({
            'name': "A Branch", 'parent_id': self.company.id,
        })
        payout.ledger_id.sudo().company_id = branch
        line = self._receive(288, "Vipps MobilePay")
        self._settle()
        self.assertEqual(payout.company_id, branch)
        self._assert_arrived(payout, line)

    def test_two_lines_that_a_payout_can_be_are_only_proposed(self):
        payout = self._pay_out(28800)
        lines = self._receive(288, "Kari") | self._receive(288, "Ola")
        self._settle()
        self.assertEqual(payout.state, 'sent')
        self.assertEqual(payout.proposed_line_ids, lines)

    def test_lines_that_it_cannot_be(self):
        payout = self._pay_out(28800)
        day = payout.ledger_date
        cash_journal = self.env['account.journal'].create({
            'name': "Till cash", 'type': 'cash', 'code': 'TCASH', 'company_id': self.company.id,
        })
        euro_journal = self.env['account.journal'].create({
            'name': "Bank in EUR", 'type': 'bank', 'code': 'BEUR', 'company_id': self.company.id,
            'currency_id': self.env.ref('base.EUR').id,
        })
        self.settlement.add_ledger(NOK_UNIT.msn, '777')
        other_ledger = self.vipps._vipps_find_ledgers()[-1:]
        other_ledger._set_up()
        for text, values in (
            ("another number", {'text': "Utb. 9999999 Vippsnr 1"}),
            ("another day", {'date': day - timedelta(days=1)}),
            ("weeks later", {'date': day + timedelta(days=40)}),
            ("cash", {'journal': cash_journal}),
            ("another currency", {'journal': euro_journal}),
            ("another ledger", {'journal': other_ledger.journal_id}),
            ("another amount", {'amount': 288.01}),
        ):
            with self.subTest(text):
                line = self._receive(**{'amount': 288, 'text': "Vipps", **values})
                self._settle()
                self.assertEqual(payout.state, 'sent')
                self.assertFalse(payout.proposed_line_ids)
                line.unlink()

    def test_the_texts_of_banks_in_denmark_and_finland(self):
        self._configure(payout_text='02{msn:0>8}001{day:%d%m%y}0')
        first, second = self._pay_out(28800, 28800)
        self.assertNotEqual(first.reference, second.reference)
        line = self._receive(288, f"Overførsel {second.reference}")
        self._settle()
        self._assert_arrived(second, line)
        self.assertEqual(first.state, 'sent')

    def test_a_bank_line_that_is_matched_by_hand_with_the_payout(self):
        payout = self._pay_out(28800)
        line = self._receive(288, "Vipps")
        item, suspense = payout.entry_id.move_line_id, line._seek_for_lines()[1]
        suspense.with_context(skip_account_move_synchronization=True).account_id = item.account_id
        (suspense | item).reconcile()
        lines = self.env['account.move.line'].search([])
        self._settle()
        self.assertEqual(self.env['account.move.line'].search([]), lines)
        self.assertFalse(payout.proposed_line_ids)

    def test_a_bank_line_of_a_locked_period_stops_no_other_payout(self):
        day = self.settlement.find(NOK_UNIT.msn).open_date
        first, second = self._pay_out(28800, 30000)
        line = self._receive(288, first.reference, date=day)
        other = self._receive(300, second.reference, date=day + timedelta(days=5))
        # Core refuses that while bank lines are open; they can come with a parent company's date.
        with patch.object(type(self.company), '_validate_fiscalyear_lock'):
            self.company.fiscalyear_lock_date = day
        self._settle()
        self._assert_arrived(second, other)
        self.assertEqual(first.state, 'sent')
        self.assertIn("cannot be matched", first.reason)
        self.company.fiscalyear_lock_date = False
        self._settle()
        self._assert_arrived(first, line)
        self.assertFalse(first.reason)

    def test_a_payout_in_the_account_of_another_currency(self):
        payout = self._pay_out(28800)
        journal = self.env['account.journal'].create({
            'name': "Bank in EUR", 'type': 'bank', 'code': 'BEUR', 'company_id': self.company.id,
            'currency_id': self.env.ref('base.EUR').id,
        })
        line = self.env['account.bank.statement.line'].create({
            'journal_id': journal.id, 'date': payout.ledger_date, 'payment_ref': payout.reference,
            'amount': 25, 'foreign_currency_id': self.currency_nok.id, 'amount_currency': 288,
        })
        self._settle()
        self._assert_arrived(payout, line)
