# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from datetime import timedelta
from unittest.mock import patch

from freezegun import freeze_time

from odoo import fields
from odoo.fields import Command
from odoo.tests import tagged
from odoo.tools import mute_logger

from ...models.provider.problem import PROBLEMS
from ...simulator.sales_units import NOK_UNIT
from .settlement_common import SettlementCommon


@tagged('post_install', '-at_install')
class TestSettlementProblems(SettlementCommon):
    """ How each problem of settlements is found, and how it ends. """

    def setUp(self):
        super().setUp()
        self.ledger = self._set_up()
        self._settle()
        self.bookkeeper.groups_id += self.env.ref('account.group_account_user')

    def _find(self, key):
        """ Return the problem, if there is one, as the health page shows it. """
        self.env.invalidate_all()
        return next((
            problem for problem in self.vipps._vipps_get_problems() if problem['key'] == key
        ), None)

    def _assert_found(self, key, *parts):
        """ Ensure that the page shows the problem, with some words, and that somebody learns of it.
        """
        problem = self._find(key)
        self.assertTrue(problem)
        self.assertEqual(problem['level'], PROBLEMS[key].level)
        self.assertIn(self.vipps.name, problem['summary'])
        for part in parts:
            self.assertIn(part, problem['note'])
        self.env['payment.provider']._cron_vipps_watch_health()
        self.assertIn(key, self._get_activities().mapped('vipps_problem'))
        return problem

    def _assert_over(self, key):
        self.assertFalse(self._find(key))
        self.env['payment.provider']._cron_vipps_watch_health()
        self.assertNotIn(key, self._get_activities().mapped('vipps_problem'))

    def test_there_is_a_problem_only_when_there_is_one(self):
        self._sell(100)
        self._settle(days=1)
        self.assertFalse([
            problem for problem in self.vipps._vipps_get_problems()
            if problem['key'].startswith('settlement')
        ])

    def test_no_access_ends_when_the_keys_have_access(self):
        self._configure(access=False)
        self._settle()
        self._assert_found('settlement_access', "import the file")
        self._configure(access=True)
        self._settle()
        self._assert_over('settlement_access')

    def test_late_ends_when_entries_are_fetched(self):
        self.ledger.fetched_at = fields.Datetime.now() - timedelta(hours=25)
        problem = self._assert_found('settlement_late', "scheduled actions")
        self.assertEqual(problem['since'], self.ledger.fetched_at)
        self._settle()
        self._assert_over('settlement_late')

    def test_unbooked_entries_end_when_the_cause_is_removed(self):
        self._sell(100)
        self.ledger.journal_id.active = False
        self._settle()
        self._assert_found('settlement_booking', self.ledger.journal_id.name, "Restore it")
        self.ledger.journal_id.active = True
        self._settle()
        self._assert_over('settlement_booking')
        self.assertTrue(self._get_entries('capture').statement_line_id)

    def test_a_fault_in_one_step_stops_no_other_and_ends_when_it_is_gone(self):
        self._sell(100)
        self.settlement.add_ledger(NOK_UNIT.msn, '990001')
        with (
            patch.object(type(self.ledger), '_read_files', side_effect=ValueError("broken")),
            mute_logger('odoo.addons.mobilepay_vipps.models.settlement.fetching'),
        ):
            self._settle()
            self._assert_found('settlement_booking', self.ledger.number, "in the log of Odoo")
            self.assertEqual(self._get_entries('capture').state, 'matched')
            self._assert_found('settlement_ledger', '990001')
        self._settle()
        self._assert_over('settlement_booking')

    def test_a_ledger_of_no_provider_is_shown_with_the_first_one_of_the_company(self):
        second = self.vipps.copy()
        self.ledger.sudo().write({'provider_id': False, 'gap': "A gap", 'has_access': False})
        self._assert_found('settlement_gap', "A gap")
        self.assertFalse(self._find('settlement_access'))
        self.assertFalse(self._find('settlement_late'))
        self.assertFalse(second._vipps_find_gap())
        self.env['vipps.settlement.entry'].sudo()._store(self.ledger, 'funds', 'file', [{
            'psp_reference': '1', 'entry_type': 'correction', 'time': fields.Datetime.now(),
            'ledger_date': fields.Date.today(), 'amount': 5, 'has_balance': True,
            'balance_before': 0, 'balance_after': 5,
        }]).state = 'check'
        self.assertEqual(self._assert_found('settlement_entries')['count'], 1)

    def test_no_access_is_no_problem_while_files_are_imported(self):
        self.ledger.has_access = False
        self.assertTrue(self._find('settlement_access'))
        self.env['vipps.settlement.file'].sudo().create({
            'name': "a.csv", 'ledger_id': self.ledger.id, 'company_id': self.company.id,
        })
        self.assertFalse(self._find('settlement_access'))
        with freeze_time(fields.Datetime.now() + timedelta(days=36)):
            self.assertTrue(self._find('settlement_access'))

    def test_the_first_ledger_is_found_without_asking(self):
        self.ledger.unlink()
        self._settle()
        ledger = self.env['vipps.settlement.ledger'].search([])
        self._assert_found('settlement_ledger', ledger.number)

    def test_a_gap_is_not_guessed_away_and_ends_when_the_entries_come(self):
        self._sell(100)
        self._settle()
        self._sell(200)
        self._sell(300)
        entries = self.settlement.find(NOK_UNIT.msn).entries['funds']
        missing = entries.pop(1)
        for _hour in range(3):
            self._settle()
            self._assert_found('settlement_gap', "300.00", "missing or wrong", "press Go On")
            self.assertEqual(self._get_entries().mapped('amount'), [100])
            self.assertEqual(self.ledger.book_balance, 100)
        entries.insert(1, missing)
        self._settle()
        self._assert_over('settlement_gap')
        self.assertEqual(self._get_entries().mapped('amount'), [100, 200, 300])
        self.assertEqual(set(self._get_entries().mapped('state')), {'matched'})
        self.assertEqual(self.ledger.book_balance, 600)

    def test_entries_to_check_end_when_they_are_done(self):
        self.settlement.add_entry(NOK_UNIT.msn, topic='funds', entryType='correction', amount=500)
        self._settle()
        self.assertEqual(self._assert_found('settlement_entries')['count'], 1)
        self._get_entries('correction').with_user(self.bookkeeper).action_done()
        self._assert_over('settlement_entries')

    def test_payments_that_are_not_in_the_books_end_when_they_are(self):
        tx = self._create_transaction(
            'redirect', state='done', amount=100, vipps_psp_reference='3343121302',
        )
        self.settlement.add_entry(
            NOK_UNIT.msn, topic='funds', entryType='capture', amount=10000,
            pspReference='3343121302', reference="purchase-12",
        )
        self._settle()
        entry = self._get_entries('capture')
        self.assertEqual(entry.state, 'waiting')
        self.assertFalse(self._find('settlement_waiting'))  # A till is closed in the evening.
        self.env.flush_all()
        self.env.cr.execute(
            "UPDATE vipps_settlement_entry SET create_date = create_date - interval '4 days'"
        )
        self.assertEqual(self._assert_found('settlement_waiting')['count'], 1)
        tx._create_payment()
        self._settle()
        self._assert_over('settlement_waiting')

    def test_an_overdue_payout_ends_when_it_arrives(self):
        self._sell(100)
        self._settle(days=1)
        payout = self.env['vipps.settlement.payout'].search([])
        self.assertFalse(self._find('settlement_overdue'))
        with freeze_time(fields.Datetime.now() + timedelta(days=9)):
            self.assertEqual(self._assert_found('settlement_overdue')['count'], 1)
            self._receive(payout.amount, payout.reference)
            self._settle()
            self._assert_over('settlement_overdue')

    def test_another_balance_ends_when_the_books_are_corrected(self):
        self._sell(100)
        self._settle()
        journal = self.ledger.journal_id
        move = self.env['account.move'].create({
            'journal_id': self.company_data['default_journal_bank'].id,
            'line_ids': [
                Command.create({'account_id': account.id, 'balance': balance})
                for account, balance in (
                    (journal.default_account_id, 5), (journal.suspense_account_id, -5),
                )
            ],
        })
        move.action_post()
        self._assert_found(
            'settlement_balance', "100.00", "105.00", journal.default_account_id.code,
        )
        move.button_draft()
        self._assert_over('settlement_balance')

    def test_payments_of_another_system_end_when_they_have_an_account(self):
        self._add('capture', 2000, reference='other')
        self._settle(days=1)
        entry = self._get_entries('capture')
        self.assertEqual(self._assert_found('settlement_foreign', "Other Systems")['count'], 1)
        self.ledger.foreign_account_id = self.company_data['default_account_revenue']
        self._assert_found('settlement_foreign')
        entry.with_user(self.bookkeeper).action_match_again()
        self.assertEqual(entry.state, 'foreign')
        self._assert_over('settlement_foreign')

    def test_a_new_ledger_ends_when_it_is_set_up_or_archived(self):
        for number, end in (
            ('990001', lambda ledger: ledger.action_set_up()),
            ('990002', lambda ledger: ledger.write({'active': False})),
        ):
            self.settlement.add_ledger(NOK_UNIT.msn, number)
            self._settle()
            self._assert_found('settlement_ledger', number)
            end(self.env['vipps.settlement.ledger'].search([('number', '=', number)]))
            self._assert_over('settlement_ledger')

    def test_ledgers_that_are_not_set_up_or_archived_are_no_problem(self):
        self._configure(access=False)
        self.ledger.active = False
        self.ledger.write({'gap': "A gap", 'booking_error': "An error", 'has_access': False})
        self.assertFalse([
            problem for problem in self.vipps._vipps_get_problems()
            if problem['key'].startswith('settlement')
        ])
