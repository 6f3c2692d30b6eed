# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from datetime import timedelta

from odoo import SUPERUSER_ID
from odoo.tests import tagged

from ...simulator.sales_units import NOK_UNIT
from .settlement_common import SettlementCommon


@tagged('post_install', '-at_install')
class TestLockDate(SettlementCommon):
    """ Entries of periods that are locked. """

    def _get_open_date(self):
        return self.settlement.find(NOK_UNIT.msn).open_date

    def test_entries_of_a_locked_period_are_on_the_first_open_day_in_their_order(self):
        day = self._get_open_date()
        ledger = self._set_up(
            foreign_account_id=self.company_data['default_account_revenue'].id, start_date=day,
        )
        for amounts in ((10000, 500, 300), (20000, 400), (30000,), (40000, 200, 100)):
            for amount in amounts:
                self._add('capture', amount)
            self.settlement.close(NOK_UNIT.msn, 1)
        self.company.fiscalyear_lock_date = lock_date = day + timedelta(days=1)
        self._settle()
        entries = self._get_entries()
        self.assertFalse(ledger.booking_error)
        self.assertEqual(entries[0].ledger_date, day)
        self.assertEqual(
            entries.statement_line_id.mapped('date'),
            [max(entry.ledger_date, lock_date + timedelta(days=1)) for entry in entries],
        )
        self.assertIn("locked until", entries[0].statement_line_id.narration)
        self.assertFalse(entries[-1].statement_line_id.narration)
        # Odoo sorts them as Vipps MobilePay does, so the balances fit.
        lines = entries.statement_line_id
        self.assertEqual(lines.sorted('internal_index').ids, lines.ids)
        self.assertEqual(lines.mapped('running_balance'), entries.mapped('balance_after'))
        statements = self.env['vipps.settlement.payout'].search([]).statement_id
        self.assertEqual(len(statements), 4)
        for statement in statements:
            self.assertTrue(statement.is_valid)
            self.assertTrue(statement.is_complete)

    def test_a_payment_that_is_booked_after_the_period_was_locked_is_matched(self):
        tx = self._authorize(amount=100)
        journal = self.vipps.journal_id
        journal.active = False
        self.simulator.capture(tx.vipps_payment_reference)
        self._refresh(tx)
        day = self._get_open_date()
        self._set_up()
        self._settle(days=1)
        entry = self._get_entries('capture')
        self.assertEqual((entry.state, entry.statement_line_id.date), ('waiting', day))
        self.assertNotEqual(
            entry.move_line_id.account_id, entry.ledger_id.journal_id.suspense_account_id
        )
        self.company.fiscalyear_lock_date = day
        journal.active = True
        tx._create_payment(date=day + timedelta(days=1))
        self._settle()
        self.assertEqual(entry.state, 'matched', entry.reason)
        self.assertTrue(tx.payment_id.is_matched)
        self.assertEqual(entry.statement_line_id.date, day)

    def test_what_is_on_the_suspense_account_of_a_locked_period_says_what_to_do(self):
        day = self._get_open_date()
        ledger = self._set_up()
        self._add('capture', 10000, reference='other')
        self._settle(days=1)
        entry = self._get_entries('capture')
        account = self.company_data['default_account_revenue']
        ledger.foreign_account_id = account
        # Core refuses to lock it for all while the statement line is open.
        self.company.period_lock_date = day
        entry.with_user(self.bookkeeper).action_match_again()
        self.assertEqual(entry.state, 'check')
        for text in (account.display_name, ledger.journal_id.suspense_account_id.display_name,
                     "Match Again", "press Done"):
            self.assertIn(text, entry.reason)
        self.company.period_lock_date = False
        entry.with_user(self.bookkeeper).action_match_again()
        self.assertEqual((entry.state, entry.move_line_id.account_id), ('foreign', account))

    def test_the_job_is_no_adviser_in_a_period_that_is_closed_for_others(self):
        day = self._get_open_date()
        ledger = self._set_up(foreign_account_id=self.company_data['default_account_revenue'].id)
        self._add('capture', 10000, reference='other')
        self._settle(days=1)
        entry = self._get_entries('capture')
        self.assertEqual(entry.statement_line_id.date, day)
        self._add('capture', 10000, reference='another')
        self.settlement.close(NOK_UNIT.msn, 1)
        self.company.period_lock_date = lock_date = day + timedelta(days=1)
        self._settle()
        late = self._get_entries('capture') - entry
        self.assertEqual(late.statement_line_id.date, lock_date + timedelta(days=1))
        self.assertIn("locked until", late.statement_line_id.narration)
        self.assertEqual(ledger._find_start_date(), lock_date + timedelta(days=1))

    def test_the_job_moves_nothing_in_a_period_that_is_closed_for_others(self):
        day = self._get_open_date()
        ledger = self._set_up()
        self._add('capture', 10000, reference='other')
        self._settle(days=1)
        entry = self._get_entries('capture')
        ledger.foreign_account_id = self.company_data['default_account_revenue']
        self.company.period_lock_date = day
        entry.with_user(SUPERUSER_ID).action_match_again()
        self.assertEqual(entry.state, 'check')
        self.assertIn("locked until", entry.reason)

    def test_a_locked_tax_return_moves_fees_with_tax_only(self):
        day = self._get_open_date()
        tax = self.env['account.tax'].create({
            'name': "VAT on fees", 'type_tax_use': 'purchase', 'amount': 25,
            'company_id': self.company.id,
        })
        ledger = self._set_up(
            fee_tax_id=tax.id, foreign_account_id=self.company_data['default_account_revenue'].id,
        )
        for _day in range(2):
            self._add('capture', 10000)
            self._add('fees-retained', -1250)
            self.settlement.close(NOK_UNIT.msn, 1)
        self.company.tax_lock_date = day
        self._settle()
        self.assertFalse(ledger.booking_error)
        self.assertEqual(
            [(entry.entry_type, (entry.statement_line_id.date - day).days)
             for entry in self._get_entries()],
            [('capture', 0), ('fees-retained', 1), ('payout-scheduled', 0),
             ('capture', 1), ('fees-retained', 1), ('payout-scheduled', 1)],
        )
        self.assertEqual(ledger.book_balance, 0)
        for statement in self.env['vipps.settlement.payout'].search([]).statement_id:
            self.assertTrue(statement.is_complete)
            self.assertTrue(statement.is_valid)
        self._assert_balanced()
