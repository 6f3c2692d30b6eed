# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from unittest.mock import patch

from freezegun import freeze_time

from odoo import fields
from odoo.exceptions import AccessError, UserError
from odoo.tests import tagged

from .settlement_common import SettlementCommon


@tagged('post_install', '-at_install')
class TestMissingEntries(SettlementCommon):
    """ Days that are checked, and the rights to do that. """

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

    def _check(self, ledger, day):
        """ Return the message of the dialog. """
        action = ledger.with_user(self.accountant).action_check_day()
        dialog = self.env[action['res_model']].with_user(self.accountant).browse(action['res_id'])
        dialog.day = day
        return dialog.action_check()['params']['message']

    def test_missing_entries_of_a_day_are_found(self):
        self._sell(100)
        ledger = self._set_up()
        self._settle()
        [entry] = self._get_entries()
        self.assertIn("No entry of", self._check(ledger, entry.ledger_date))
        self._sell(50)
        message = self._check(ledger, entry.ledger_date)
        self.assertIn("were missing: 2", message)  # With its fee.
        self.assertEqual(self._get_entries().mapped('amount'), [100, 50])
        self._settle()
        self.assertEqual(set(self._get_entries().mapped('state')), {'matched'})
        self.assertIn("No entry of", self._check(ledger, entry.ledger_date))
        self.assertEqual(len(self._get_entries()), 2)

    def test_only_days_of_the_ledger_are_checked(self):
        ledger = self._set_up(start_date='2026-01-10')
        for day in ('2026-01-09', fields.Date.add(fields.Date.today(), days=2)):
            with self.assertRaisesRegex(UserError, "Choose a day"):
                self._check(ledger, day)

    def test_the_day_begins_with_that_of_the_market(self):
        """ Whose ledger has a new day while the user, without a time zone, still has the old one.
        """
        ledger = self._set_up(start_date='2026-01-10')
        with (
            freeze_time('2026-02-01 23:30:00'),
            patch.object(type(ledger), '_check_day', return_value=ledger.browse()),
        ):
            self.assertIn("No entry of", self._check(ledger, '2026-02-02'))
            with self.assertRaisesRegex(UserError, "Choose a day"):
                self._check(ledger, '2026-02-03')

    def test_a_day_that_cannot_be_read_says_why(self):
        self._sell(100)
        ledger = self._set_up()
        self.simulator.fault(operation='report_date', kind='status', status=500, times=None)
        with self.assertRaises(UserError), self._without_pauses():
            self._check(ledger, fields.Date.today())

    def test_others_than_accountants_do_not_check_fetch_or_go_on(self):
        ledger = self._set_up().with_user(self.invoicer)
        for name in ('action_check_day', 'action_fetch', 'action_go_on', 'action_set_up'):
            with self.subTest(name=name), self.assertRaises(AccessError):
                getattr(ledger, name)()
        dialog = self.env['vipps.settlement.day'].create({
            'ledger_id': ledger.id, 'day': fields.Date.today(),
        })
        with self.assertRaises(AccessError):
            dialog.with_user(self.invoicer).action_check()
        with self.assertRaises(AccessError):
            ledger.with_user(self.accountant).action_go_on()
        self.assertTrue(ledger.with_user(self.invoicer).read(['msn', 'book_balance']))

    def test_going_on_after_a_gap_is_recorded(self):
        ledger = self._set_up()
        ledger.sudo().gap = "At the entry 1, an entry is missing."
        self.env.flush_all()
        ledger.with_user(self.manager).action_go_on()
        self.env.invalidate_all()
        self.assertFalse(ledger.gap)
        record = self.env['vipps.audit.event'].search([('action', '=', 'gap_booked')])
        self.assertEqual((record.user_id, record.provider_id), (self.manager, self.vipps))
        self.assertIn("an entry is missing", record.details)
