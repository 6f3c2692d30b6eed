# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import json
from datetime import timedelta
from unittest.mock import patch

from freezegun import freeze_time

from odoo import fields
from odoo.exceptions import UserError
from odoo.tests import tagged

from ...simulator.sales_units import NOK_UNIT
from .settlement_common import SettlementCommon


@tagged('post_install', '-at_install')
class TestDashboard(SettlementCommon):
    """ The card of the journal of a ledger. """

    def _get_card(self, journal, user=None):
        self.env.flush_all()
        self.env.invalidate_all()
        return json.loads(journal.with_user(user or self.bookkeeper).kanban_dashboard)

    def test_the_card_has_balance_payout_and_what_is_left_to_do(self):
        self._sell(100)
        ledger = self._set_up()
        [payout] = self._settle(days=1)
        self._sell(200)
        self.settlement.add_entry(NOK_UNIT.msn, topic='funds', entryType='correction', amount=500)
        self._settle()
        card = self._get_card(ledger.journal_id)['vipps']
        self.assertIn("205.00", card['balance'])
        self.assertIn(f"{payout['amount'] / 100:.2f}", card['payout_amount'])
        self.assertIn("Last Payout", card['payout'])
        self.assertEqual((card['check'], card['waiting'], card['overdue']), (1, 0, 0))
        with freeze_time(fields.Datetime.now() + timedelta(days=10)):
            self.assertEqual(self._get_card(ledger.journal_id)['vipps']['overdue'], 1)

    def test_the_numbers_open_their_lists(self):
        ledger = self._set_up()
        self.settlement.add_entry(NOK_UNIT.msn, topic='funds', entryType='correction', amount=500)
        self._settle()
        journal = ledger.journal_id.with_user(self.bookkeeper)
        for name, model in (
            ('payouts', 'payout'), ('overdue', 'payout'), ('check', 'entry'), ('waiting', 'entry'),
        ):
            action = journal.action_vipps_open_settlement(name)
            self.assertEqual(action['res_model'], f'vipps.settlement.{model}')
            search_view = self.env[action['res_model']].get_view(
                action['search_view_id'] and action['search_view_id'][0], 'search',
            )
            for search_filter in action['context']:
                self.assertIn(
                    f'name="{search_filter.removeprefix("search_default_")}"', search_view['arch'],
                )
        action = journal.action_vipps_open_settlement('check')
        self.assertEqual(
            self.env[action['res_model']].search(action['domain']), self._get_entries('correction'),
        )
        with self.assertRaises(UserError):
            journal.action_vipps_open_settlement('unlink')

    def test_a_ledger_without_a_payout_has_a_card(self):
        ledger = self._set_up()
        card = self._get_card(ledger.journal_id)['vipps']
        self.assertFalse(card['payout'])

    def test_other_journals_cost_no_query_and_stay_as_they_are(self):
        self._set_up()
        others = self.env['account.journal'].search([
            ('company_id', '=', self.company.id), ('vipps_has_ledger', '=', False),
        ])
        self.assertTrue(others.filtered(lambda journal: journal.type == 'bank'))
        Journal = type(self.env['account.journal'])
        override = next(
            vars(definition) for definition in Journal.__mro__
            if definition.__module__.endswith('mobilepay_vipps.models.settlement.dashboard')
        )['_get_journal_dashboard_data_batched']
        counts, cards = [], []

        def call_super(journals):
            core = next(
                vars(definition) for definition in Journal.__mro__
                if definition.__module__.startswith('odoo.addons.account.')
                and '_get_journal_dashboard_data_batched' in vars(definition)
            )['_get_journal_dashboard_data_batched']
            return core(journals)

        for method in (call_super, override, call_super):
            self.env.flush_all()
            self.env.invalidate_all()
            with patch.object(Journal, '_get_journal_dashboard_data_batched', method):
                before = self.env.cr.sql_log_count
                cards.append(others._get_journal_dashboard_data_batched())
                counts.append(self.env.cr.sql_log_count - before)
        self.assertEqual(*cards[1:])
        self.assertEqual(*counts[1:])

    def test_a_journal_becomes_and_stops_being_that_of_a_ledger(self):
        ledger = self._set_up()
        journal = ledger.journal_id
        self.assertTrue(journal.vipps_has_ledger)
        other = journal.copy({'code': 'VMPX'})
        self.assertFalse(other.vipps_has_ledger)
        ledger.journal_id = other
        self.assertFalse(journal.vipps_has_ledger)
        self.assertTrue(other.vipps_has_ledger)

    def test_auditors_see_the_card_as_long_as_they_may_read_ledgers(self):
        ledger = self._set_up()
        auditor = self._new_user(
            'vipps_auditor', 'base.group_user,account.group_account_readonly',
        )
        self.assertIn('vipps', self._get_card(ledger.journal_id, user=auditor))
        self.env.ref('mobilepay_vipps.vipps_settlement_ledger_readonly').active = False
        self.assertNotIn('vipps', self._get_card(ledger.journal_id, user=auditor))
