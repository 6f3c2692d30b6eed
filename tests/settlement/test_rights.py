# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import tagged
from odoo.tools import mute_logger

from .settlement_common import SettlementCommon

CLERK = 'account.group_account_invoice'


@tagged('post_install', '-at_install')
class TestRights(SettlementCommon):
    """ Users that read, change and settle ledgers, and their rows in the audit trail. """

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.other_company = cls.env['res.company'].create({'name': "Another Shop"})
        cls.branch = cls.env['res.company'].create({
            'name': "A Branch", 'parent_id': cls.company.id,
        })
        cls.clerk = cls._new_user('vipps_clerk', f'base.group_user,{CLERK}')
        cls.accountant = cls._new_user(
            'vipps_full_accountant', 'base.group_user,account.group_account_user',
        )
        cls.manager = cls._new_user(
            'vipps_billing_administrator', 'base.group_user,account.group_account_manager',
        )
        # What an external auditor gets.
        cls.auditor = cls._new_user(
            'vipps_auditor', 'base.group_user,account.group_account_readonly',
        )
        cls.administrator = cls._new_user('vipps_administrator', 'base.group_system')
        cls.strangers = [
            cls._new_user(
                f'vipps_stranger_{company.id}', 'base.group_user,account.group_account_manager',
                company,
            ) for company in (cls.other_company, cls.branch)
        ]
        cls.salesman = cls._new_user(
            'vipps_seller', 'base.group_user,sales_team.group_sale_manager',
        )

    def setUp(self):
        super().setUp()
        muted = mute_logger('odoo.addons.base.models.ir_model', 'odoo.addons.base.models.ir_rule')
        muted.__enter__()
        self.addCleanup(muted.__exit__, None, None, None)
        self.tx = self._sell(100)
        self.ledger = self._set_up()
        self._settle(days=1)
        self.entry = self._get_entries('capture')
        self.payout = self.entry.payout_id
        self.records = (self.ledger, self.entry, self.payout)
        self.audit = self.env['vipps.audit.event'].sudo()
        self.first_id = self.audit.search([], limit=1).id or 0

    def _get_events(self):
        self.env.invalidate_all()
        return self.audit.search([('id', '>', self.first_id)], order='id')

    #=== Reading ===#

    def test_billing_and_administrators_read_and_nobody_else(self):
        for user in (
            self.clerk, self.auditor, self.accountant, self.manager, self.administrator,
        ):
            for records in self.records:
                self.assertTrue(records.with_user(user).read(['display_name']))
                self.assertEqual(len(records.with_user(user).search([('id', '=', records.id)])), 1)
        for user in (self.salesman, *self.strangers):
            for records in self.records:
                with self.subTest(user=user.login, model=records._name), \
                        self.assertRaises(AccessError):
                    records.with_user(user).read(['display_name'])

    def test_no_button_opens_anything_of_another_company(self):
        for user in self.strangers:
            for records, names in (
                (self.ledger, ('fetch', 'set_up', 'go_on', 'open_entries', 'open_payouts')),
                (self.entry, ('done', 'match_again', 'open_documents', 'open_journal_entry')),
                (self.payout, ('open_entries', 'open_journal_items', 'open_bank_line')),
            ):
                for name in names:
                    with self.subTest(user=user.login, button=name), \
                            self.assertRaises(AccessError):
                        getattr(records.with_user(user), f'action_{name}')()

    def test_the_cursor_and_the_raw_entry_are_kept_from_people(self):
        with self.assertRaises(AccessError):
            self.ledger.with_user(self.administrator).read(['funds_cursor'])
        with self.assertRaises(AccessError):
            self.entry.with_user(self.manager).read(['raw'])

    #=== Writing ===#

    def test_nobody_changes_entries_and_payouts(self):
        for user in (
            self.clerk, self.auditor, self.accountant, self.manager, self.administrator,
        ):
            for records, values in (
                (self.entry, {'amount': 1}), (self.entry, {'state': 'matched'}),
                (self.entry, {'transaction_id': False}), (self.payout, {'state': 'arrived'}),
                (self.payout, {'amount': 1}),
            ):
                records = records.with_user(user)
                with self.subTest(user=user.login, values=values):
                    with self.assertRaises(AccessError):
                        records.write(values)
                    with self.assertRaises(AccessError):
                        records.unlink()
                    with self.assertRaises(AccessError):
                        records.copy()

    def test_what_vipps_mobilepay_states_of_a_ledger_stays(self):
        for user in (self.manager, self.administrator):
            for name, value in (
                ('number', '1'), ('msn', '1'), ('company_id', self.other_company.id),
                ('currency_id', self.currency_dkk.id), ('funds_balance', 1), ('gap', False),
                ('booking_error', False), ('fetch_error', False), ('funds_cursor', False),
                ('provider_id', False),
            ):
                with self.subTest(user=user.login, name=name), self.assertRaises(AccessError):
                    self.ledger.with_user(user).write({name: value})
        for user in (self.clerk, self.auditor, self.accountant):
            with self.assertRaises(AccessError):
                self.ledger.with_user(user).booking_mode = 'day'
        self.ledger.with_user(self.manager).booking_mode = 'day'
        self.ledger.with_user(self.administrator).booking_mode = 'entry'

    def test_the_journal_stays_once_entries_are_booked(self):
        journal = self.ledger.journal_id
        other = journal.copy({'code': 'VMPX', 'bank_account_id': False})
        with self.assertRaisesRegex(UserError, "balance that Vipps MobilePay states"):
            self.ledger.with_user(self.manager).journal_id = other
        # They are booked again in the journal that is chosen then.
        self._get_entries().sudo().write({'statement_line_id': False})
        self.ledger.with_user(self.manager).journal_id = other

    def test_a_ledger_with_entries_is_archived_and_not_removed(self):
        ledger = self.ledger.with_user(self.manager)
        with self.assertRaisesRegex(UserError, "Archive it"):
            ledger.unlink()
        ledger.active = False
        self._sell(50)
        self._settle(days=1)
        self.assertEqual(len(self._get_entries('capture')), 1)
        ledger.active = True
        self._settle()
        self.assertEqual(len(self._get_entries('capture')), 2)

    def test_the_provider_stays_in_the_company_of_its_ledgers(self):
        with self.assertRaisesRegex(ValidationError, self.ledger.number):
            self.vipps.sudo().company_id = self.other_company

    def test_a_ledger_whose_provider_was_removed_gets_the_next_one(self):
        self.ledger.sudo().provider_id = False
        self.assertEqual(self.vipps._vipps_find_ledgers(), self.ledger)
        self.assertEqual(self.ledger.provider_id, self.vipps)

    #=== Dealing with entries ===#

    def test_accountants_and_billing_administrators_deal_with_entries(self):
        for user in (self.accountant, self.manager):
            self.entry.sudo().state = 'check'
            self.entry.with_user(user).action_done()
            self.assertEqual(self.entry.state, 'done')
        self.entry.sudo().state = 'check'
        for user in (self.clerk, self.auditor):
            for records, names in (
                (self.entry, ('done', 'match_again')),
                (self.ledger, ('fetch', 'check_day', 'go_on', 'set_up')),
                (self.payout, ('choose_bank_line',)),
            ):
                for name in names:
                    with self.subTest(user=user.login, button=name), \
                            self.assertRaises(AccessError):
                        getattr(records.with_user(user), f'action_{name}')()

    def test_accountants_and_billing_administrators_import_files(self):
        for user in (self.accountant, self.manager):
            with self.assertRaisesRegex(UserError, "Choose the file"):
                self.env['vipps.settlement.import'].with_user(user).create({'name': "a.csv"})
        for user in (self.clerk, self.auditor, self.administrator):
            with self.subTest(user=user.login), self.assertRaises(AccessError):
                self.env['vipps.settlement.import'].with_user(user).create({'name': "a.csv"})
        file = self.env['vipps.settlement.file'].sudo().create({
            'name': "a.csv", 'ledger_id': self.ledger.id, 'company_id': self.company.id,
            'state': 'skipped',
        })
        for user in (self.auditor, self.accountant, self.manager):
            self.assertEqual(file.with_user(user).read(['name'])[0]['name'], "a.csv")
        for user in (self.clerk, self.auditor):
            for name in ('action_read', 'action_leave_out'):
                with self.subTest(user=user.login, button=name), self.assertRaises(AccessError):
                    getattr(file.with_user(user), name)()

    #=== Menus and pages ===#

    def _get_menus(self, user):
        """ Return the names of our menus that a user sees. """
        menus = self.env['ir.ui.menu'].with_user(user)
        visible = menus.browse(menus._visible_menu_ids())
        root = self.env.ref('mobilepay_vipps.menu_vipps')
        return set((visible & root.child_id.with_user(user)).mapped('name'))

    def test_each_role_has_the_menus_of_what_it_may_do(self):
        read = {"Payouts", "Settlement Entries", "Fees", "Ledgers"}
        clerk = read | {"Captured, Not Settled", "Settled, Unknown Here"}
        for user, expected, hidden in (
            (self.auditor, read | {"Settled, Unknown Here", "Imported Files"}, {"Import File"}),
            (self.clerk, clerk, {"Import File", "Imported Files"}),
            (self.accountant, clerk | {"Import File", "Imported Files"}, set()),
            (self.manager, clerk | {"Import File", "Imported Files"}, set()),
            (self.administrator, read, {"Import File", "Imported Files"}),
        ):
            with self.subTest(user=user.login):
                menus = self._get_menus(user)
                self.assertLessEqual(expected, menus)
                self.assertFalse(hidden & menus)

    def test_an_auditor_goes_from_a_payout_to_the_payment_and_back(self):
        payout = self.payout.with_user(self.auditor)
        for records in (payout, self.entry.with_user(self.auditor)):
            for kind in ('form', 'list', 'search'):
                view = records.get_view(view_type='tree' if kind == 'list' else kind)
                self.assertTrue(view['arch'])
            names = [name for name in records._fields if name in records.fields_get()]
            self.assertTrue(records.web_read({name: {} for name in names}))
        entries = self.env['vipps.settlement.entry'].with_user(self.auditor).search(
            payout.action_open_entries()['domain']
        )
        self.assertIn(self.entry, entries)
        entry = self.entry.with_user(self.auditor)
        action = entry.action_open_documents()
        self.assertEqual(
            (action['res_model'], action['res_id']), ('account.payment', self.tx.payment_id.id)
        )
        self.assertEqual(
            entry.action_open_journal_entry()['res_id'], self.entry.statement_line_id.move_id.id
        )
        payment = self.tx.payment_id.with_user(self.auditor)
        self.assertEqual(payment.vipps_payout_count, 1)
        self.assertEqual(payment.vipps_settled_on, self.entry.ledger_date)
        self.assertEqual(payment.action_vipps_open_payouts()['res_id'], self.payout.id)
        self.assertIn('vipps_payout_count', payment.get_view(view_type='form')['arch'])

    #=== Audit trail ===#

    def test_each_decision_of_a_person_is_recorded(self):
        self.ledger.with_user(self.manager).fee_account_id = self.ledger.fee_account_id.copy()
        self.ledger.with_user(self.accountant).action_fetch()
        self.entry.sudo().write({'state': 'check', 'reason': "Look."})
        self.entry.with_user(self.accountant).action_done()
        self.ledger.with_user(self.manager).action_go_on()
        self.ledger.with_user(self.manager).sudo()._check_day(self.entry.ledger_date)
        events = self._get_events()
        self.assertEqual([(event.action, event.user_id) for event in events], [
            ('configured', self.manager),
            ('fetched', self.accountant),
            ('entry_done', self.accountant),
            ('gap_booked', self.manager),
            ('fetched', self.manager),
            ('day_checked', self.manager),
        ])
        self.assertEqual(set(events.mapped('source')), {'user'})
        self.assertEqual(events.provider_id, self.vipps)
        self.assertEqual(events.company_id, self.company)
        done = events[2]
        self.assertEqual((done.reference, done.psp_reference, done.amount), (
            self.entry.reference, self.entry.psp_reference, self.entry.amount,
        ))
        self.assertIn("Look.", done.details)
        self.assertIn(self.ledger.number, events[1].details)

    def test_the_job_leaves_no_row(self):
        self._sell(50)
        self._get_events()
        self.first_id = self.audit.search([], limit=1).id
        self._settle(days=1)
        self.assertFalse(self._get_events())
