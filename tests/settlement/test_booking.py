# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo.fields import Command
from odoo.tests import tagged

from ...simulator.sales_units import NOK_UNIT
from .settlement_common import SettlementCommon


@tagged('post_install', '-at_install')
class TestBooking(SettlementCommon):
    """ What entries are in the books. """

    #=== OTHER SYSTEMS, AND WHAT NOBODY KNOWS ===#

    def test_entries_of_other_systems_wait_for_an_account(self):
        ledger = self._set_up()
        self._add('capture', 10000, reference='other-1')
        self._add('refund', -4000, reference='other-1')
        self._settle(days=1)
        entries = self._get_entries('capture', 'refund')
        suspense = ledger.journal_id.suspense_account_id
        self.assertEqual(entries.mapped('state'), ['foreign', 'foreign'])
        self.assertEqual(entries.move_line_id.account_id, suspense)
        account = self.company_data['default_account_revenue']
        ledger.foreign_account_id = account
        entries.with_user(self.bookkeeper).action_match_again()
        self.assertEqual(entries.mapped('state'), ['foreign', 'foreign'])
        self.assertEqual(entries.move_line_id.account_id, account)
        entries.with_user(self.bookkeeper).action_done()
        # That was too early.
        entries[0].with_user(self.bookkeeper).action_match_again()
        self.assertEqual(entries.mapped('state'), ['foreign', 'done'])
        entries.with_user(self.bookkeeper).action_done()
        self._add('capture', 2000, reference='other-2')
        self._settle(days=1)
        self.assertEqual(
            self._get_entries('capture', 'refund').mapped('state'), ['done', 'done', 'foreign'],
        )
        self.assertEqual(
            self._get_balances(self._get_entries('capture', 'refund').move_line_id),
            {account.name: -80},
        )

    def test_what_nobody_knows_is_on_the_suspense_account(self):
        ledger = self._set_up()
        for kind, amount, values in (
            ('correction', -500, {}), ('credit-note', 700, {}), ('gift-from-the-stars', 900, {}),
            ('correction', 0, {}), ('top-up', 1000, {'recipientHandle': None}),
        ):
            self._add(kind, amount, **values)
        self._settle(days=1)
        entries = self._get_entries()
        self.assertEqual(
            [(entry.entry_type, entry.state) for entry in entries], [
                ('correction', 'check'), ('credit-note', 'check'), ('gift-from-the-stars', 'check'),
                ('correction', 'info'), ('top-up', 'matched'), ('payout-scheduled', 'matched'),
            ],
        )
        self.assertEqual(
            entries.filtered(lambda e: e.state == 'check').move_line_id.account_id,
            ledger.journal_id.suspense_account_id,
        )
        self.assertEqual(ledger.book_balance, 0)
        self._assert_balanced()

    #=== THE START ===#

    def test_a_ledger_that_is_started_in_the_middle_has_an_opening_balance(self):
        for has_account in (False, True):
            with self.subTest(has_account=has_account), self.env.cr.savepoint() as savepoint:
                self.settlement.add_ledger(NOK_UNIT.msn, f'700{has_account:d}')
                self._configure(automatic=False, schedule='never')
                self._add('capture', 10000)
                self.settlement.close(NOK_UNIT.msn, 1)
                day = self.settlement.find(NOK_UNIT.msn).open_date
                self._add('capture', 5000)
                ledger = self.vipps._vipps_find_ledgers()[-1:]
                account = self.company_data['default_account_revenue']
                ledger.write({
                    'start_date': day, 'opening_account_id': has_account and account.id,
                })
                ledger._set_up()
                self._settle()
                opening = self._get_entries('opening-balance')
                self.assertEqual(opening.amount, 96.01 + 0 if opening.amount < 100 else 100)
                self.assertEqual(opening.state, 'matched' if has_account else 'check')
                self.assertEqual(opening.move_line_id.account_id, (
                    account if has_account else ledger.journal_id.suspense_account_id
                ))
                self.assertEqual(ledger.book_balance, ledger.funds_balance)
                self._settle()
                self.assertEqual(len(self._get_entries('opening-balance')), 1)
                savepoint.rollback()
                self.env.invalidate_all()

    def test_a_journal_that_is_archived_and_accounts_out_of_use_are_said(self):
        ledger = self._set_up()
        self._sell(100)
        account = self.company_data['default_account_revenue'].copy({'code': '409999'})
        ledger.foreign_account_id = account
        for record, values, text in (
            (ledger.journal_id, {'active': False}, "is archived. Restore it"),
            (ledger.fee_account_id, {'deprecated': True}, "no longer in use"),
            (ledger.dispute_account_id, {'reconcile': False}, "does not allow reconciliation"),
            (account, {'deprecated': True}, "no longer in use"),
        ):
            with self.subTest(text=text):
                before = {name: record[name] for name in values}
                record.write(values)
                self._settle()
                self.assertIn(text, ledger.booking_error)
                self.assertEqual(self._get_entries('capture').state, 'new')
                record.write(before)
        self._settle()
        self.assertFalse(ledger.booking_error)
        self.assertEqual(self._get_entries('capture').state, 'matched')

    #=== DAYS ===#

    def test_one_line_for_each_day_and_type(self):
        ledger = self._set_up(booking_mode='day')
        txs = self._sell(100) | self._sell(200)
        self._refund(txs[0].payment_id, 40)
        self._follow_up()
        self._add('capture', 1000, reference='other')
        self._settle(days=1)
        entries = self._get_entries()
        lines = entries.statement_line_id
        # The one on the suspense account is alone.
        self.assertEqual(len(entries), 6)
        self.assertEqual(len(lines), 5)
        payments = self._get_entries('capture', 'refund').filtered('payment_id')
        self.assertEqual(payments.mapped('state'), ['matched'] * 3, payments.mapped('reason'))
        self.assertTrue(all(payments.payment_id.mapped('is_matched')))
        statement = self.env['vipps.settlement.payout'].search([]).statement_id
        self.assertEqual(statement.line_ids, lines)
        self.assertTrue(statement.is_complete and statement.is_valid)
        self.assertEqual(ledger.book_balance, 0)
        self._assert_balanced()

    #=== ROUNDS OF MANY DAYS ===#

    def test_months_with_a_reserve_and_gross_settlement_end_at_the_stated_balances(self):
        ledger = self._set_up(foreign_account_id=self.company_data['default_account_revenue'].id)
        for settings in ({'reserve': 5000}, {'gross': True}, {'late_fees': True, 'gross': False},
                         {'reserve': 0, 'schedule': 'weekly'}):
            self._configure(**settings)
            for amount in (10000, 20000):
                self._add('capture', amount)
                self._settle(days=1)
        # A balance below zero for weeks.
        self._add('refund', -90000)
        self._settle(days=15)
        self.assertLess(ledger.funds_balance, 0)
        self.assertEqual(ledger.book_balance, ledger.funds_balance)
        self._add('top-up', 100000)
        self._settle(days=8)
        self.assertEqual(ledger.book_balance, ledger.funds_balance)
        payouts = self.env['vipps.settlement.payout'].search([])
        statements = payouts.statement_id
        self.assertEqual(len(statements), len(payouts))
        self.assertTrue(all(statements.mapped('is_complete')))
        self.assertTrue(all(statement.is_valid for statement in statements))
        self.assertFalse(ledger.booking_error or ledger.gap)
        lines = self.env['account.move.line'].search([])
        self._settle()
        self.assertEqual(self.env['account.move.line'].search([]), lines)
        self._assert_balanced()

    def test_an_entry_that_comes_late_is_on_the_statement_of_its_payout(self):
        self._set_up(foreign_account_id=self.company_data['default_account_revenue'].id)
        self._add('capture', 10000)
        self._settle(days=1)
        payout = self.env['vipps.settlement.payout'].search([])
        first = self._get_entries()[0]
        values = {
            'psp_reference': 'late', 'entry_type': 'capture', 'ledger_date': first.ledger_date,
            'time': first.time, 'amount': 7.0, 'has_balance': False,
        }
        ledger = payout.ledger_id
        self.env['vipps.settlement.entry'].sudo()._store(ledger, 'funds', 'file', [values])
        late = self._get_entries('capture').sudo().filtered(lambda e: e.psp_reference == 'late')
        late.sequence, late.payout_id = first.sequence, payout
        self._settle()
        self.assertEqual(late.state, 'foreign')
        self.assertEqual(late.statement_line_id.statement_id, payout.statement_id)
        self.assertEqual(payout.statement_id.line_ids, payout.entry_ids.statement_line_id)

    #=== OTHERS ===#

    def test_payments_of_all_sales_units_of_a_ledger(self):
        self._set_up()
        tx = self._create_transaction(
            'redirect', reference='S-OTHER', state='done', amount=100, vipps_psp_reference='8001',
        )
        tx._create_payment()
        self._add('capture', 10000, pspReference='8001', recipientHandle='api:999999')
        self._add('capture', 10000, pspReference='8002', recipientHandle=None)
        self._settle(days=1)
        self.assertEqual(
            [(entry.msn, entry.state) for entry in self._get_entries('capture')],
            [('999999', 'matched'), (NOK_UNIT.msn, 'foreign')],
        )

    def test_a_journal_whose_entries_cannot_be_changed(self):
        ledger = self._set_up()
        ledger.journal_id.restrict_mode_hash_table = True
        self._add('capture', 2000, reference='other')
        tx = self._authorize(amount=100)
        journal = self.vipps.journal_id
        journal.active = False
        self.simulator.capture(tx.vipps_payment_reference)
        self._refresh(tx)
        self._settle(days=1)
        self.assertEqual(self._get_entries('capture').mapped('state'), ['foreign', 'waiting'])
        journal.active = True
        tx._create_payment()
        self._settle()
        foreign, entry = self._get_entries('capture')
        self.assertEqual(entry.state, 'matched', entry.reason)
        ledger.foreign_account_id = self.company_data['default_account_revenue']
        foreign.with_user(self.bookkeeper).action_match_again()
        self.assertEqual(foreign.state, 'check')
        self.assertIn("press Done", foreign.reason)

    def test_two_companies_book_their_own_payments_of_one_ledger(self):
        other = self.env['res.company'].create({
            'name': "Sister", 'currency_id': self.currency_nok.id,
        })
        self.env['account.chart.template'].try_loading('generic_coa', other, install_demo=False)
        other.currency_id = self.currency_nok
        self.env.user.company_ids = [Command.link(other.id)]
        self._set_up()
        tx = self._sell(100)
        number = self.env['vipps.settlement.ledger'].search([]).number
        twin = self.env['vipps.settlement.ledger'].sudo().create({
            'number': number, 'msn': NOK_UNIT.msn, 'company_id': other.id,
            'currency_id': self.currency_nok.id, 'provider_id': self.vipps.id,
        })
        twin._set_up()
        self._settle(days=1)
        entries = self._get_entries('capture')
        self.assertEqual(
            {entry.company_id: entry.state for entry in entries},
            {self.company: 'matched', other: 'foreign'}, twin.booking_error,
        )
        self.assertEqual(
            entries.filtered(lambda e: e.company_id == self.company).transaction_id, tx,
        )
        self.assertEqual(twin.book_balance, 0)
