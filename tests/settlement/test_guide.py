# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo.exceptions import UserError
from odoo.tests import tagged

from ...simulator.sales_units import NOK_UNIT
from ..provider.test_setup_guide import KEYS, SetupGuideCommon


@tagged('post_install', '-at_install')
class TestGuide(SetupGuideCommon):
    """ The screen of the set-up guide that has payouts booked. """

    def _go_to_payouts(self, **values):
        return self._go(self._open(), 'settlement', **KEYS, **values)

    def test_one_click_has_payouts_booked(self):
        guide = self._go_to_payouts()
        ledger = self.vipps.vipps_ledger_ids
        self.assertEqual(guide.ledger_id, ledger)
        self.assertTrue(guide.has_new_ledger)
        self.assertEqual(ledger.number, f'9{NOK_UNIT.msn}')
        self.assertEqual(guide.fee_account_id.name, "Bank Fees")
        self.assertFalse(guide.fee_tax_id)
        self.assertTrue(guide.start_date)
        self.assertFalse(ledger._is_set_up())
        guide = self._get_shown(guide.action_next())
        self.assertEqual(guide.step, 'payment')
        self.assertTrue(ledger._is_set_up())
        self.assertEqual(ledger.fee_account_id, guide.fee_account_id)
        self.assertEqual(ledger.start_date, guide.start_date)
        self.assertNotEqual(ledger.journal_id, self.vipps.journal_id)
        self.assertFalse(ledger._find_booking_problem())
        self.assertIn(ledger.journal_id.display_name, guide.ledger_journal)

    def test_what_is_chosen_is_kept(self):
        guide = self._go_to_payouts()
        journal = self.env['account.journal'].create({
            'name': "Vipps money", 'type': 'bank', 'code': 'VM', 'company_id': self.company.id,
        })
        account = guide.fee_account_id.with_env(self.env).copy({'name': "Card fees"})
        guide.write({
            'settlement_journal_id': journal.id, 'fee_account_id': account.id,
            'start_date': '2026-01-01',
        })
        guide.action_next()
        ledger = self.vipps.vipps_ledger_ids
        self.assertEqual((ledger.journal_id, ledger.fee_account_id), (journal, account))
        self.assertEqual(str(ledger.start_date), '2026-01-01')
        guide = self._get_shown(self._get_shown(self._open().action_back()).action_next())
        self.assertFalse(guide.has_new_ledger)
        self.assertEqual(self.vipps.vipps_ledger_ids, ledger)

    def test_it_may_be_skipped_and_left_for_later(self):
        guide = self._get_shown(self._go_to_payouts().action_skip())
        self.assertEqual(guide.step, 'payment')
        self.assertFalse(self.vipps.vipps_ledger_ids._is_set_up())
        guide = self._get_shown(guide.action_back())
        self.assertEqual(guide.step, 'settlement')
        guide.fee_account_id = False
        with self.assertRaisesRegex(UserError, "Choose the account for the fees"):
            guide.action_next()

    def test_each_ledger_of_a_sales_unit_that_moved_is_set_up(self):
        self.simulator.settlement.find(NOK_UNIT.msn)
        self.simulator.settlement.add_ledger(NOK_UNIT.msn, '777')
        guide = self._go_to_payouts()
        first = guide.ledger_id
        guide = self._get_shown(guide.action_next())
        self.assertEqual(guide.step, 'settlement')
        self.assertNotEqual(guide.ledger_id, first)
        guide = self._get_shown(guide.action_next())
        self.assertEqual(guide.step, 'payment')
        self.assertEqual(len(self.vipps.vipps_ledger_ids.journal_id), 2)

    def test_without_settlements_the_guide_says_so_and_goes_on(self):
        self.simulator.settlement.is_available = False
        guide = self._go_to_payouts()
        self.assertIn("the test environment of Vipps MobilePay has none", guide.settlement_problem)
        self.assertFalse(guide.has_new_ledger)
        self.assertEqual(self._get_shown(guide.action_next()).step, 'payment')

    def test_without_access_the_guide_says_what_to_do_and_goes_on(self):
        self.simulator.settlement.configure(NOK_UNIT.msn, access=False)
        guide = self._go_to_payouts()
        self.assertIn("Import the file", guide.settlement_problem)
        self.assertEqual(self._get_shown(guide.action_next()).step, 'payment')

    def test_the_journal_of_payments_is_a_visible_choice(self):
        guide = self._go(self._open(), 'capture', **KEYS)
        self.assertEqual(guide.journal_id, self.vipps.journal_id)
        journal = self.env['account.journal'].create({
            'name': "Web shop", 'type': 'bank', 'code': 'SHOP', 'company_id': self.company.id,
        })
        guide.journal_id = journal
        self._get_shown(guide.action_next())
        self.assertEqual(self.vipps.journal_id, journal)
        self.assertTrue(self.vipps.journal_id.inbound_payment_method_line_ids.filtered(
            lambda line: line.payment_provider_id == self.vipps
        ))

    def test_an_administrator_who_is_no_accountant_sets_up_payouts(self):
        self.administrator = self._new_user('vipps_plain', 'base.group_user,base.group_system')
        guide = self._go_to_payouts()
        self.assertEqual(guide.ledger_id.display_name,
                         f"Sales unit {NOK_UNIT.msn}, ledger 9{NOK_UNIT.msn}")
        guide.action_next()
        ledger = self.vipps.vipps_ledger_ids
        self.assertTrue(ledger._is_set_up())
        # The form of the ledger opens for this user, too.
        names = ['msn', 'journal_id', 'book_balance', 'funds_balance', 'gap', 'display_name']
        self.assertTrue(ledger.with_user(self.administrator).web_read(
            {name: {} for name in names}
        ))
