# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import json
from unittest.mock import patch

from odoo.exceptions import AccessError, UserError
from odoo.tests import HttpCase, new_test_user, tagged
from odoo.tests.common import JsonRpcException
from odoo.tools import mute_logger

from ...simulator.payment import EXAMPLE_EMAIL, EXAMPLE_STREET
from ..common import TransactionCommon
from ..pos_tour_common import PosTourCommon

MODULE = 'odoo.addons.mobilepay_vipps'

SHARED = {
    'name': "Kari Nordmann", 'email': EXAMPLE_EMAIL, 'email_verified': True,
    'phone': '+4790000001', 'street': EXAMPLE_STREET, 'zip': '0154', 'city': "Oslo",
    'country': 'NO',
}


class PersonalDataCommon(TransactionCommon, HttpCase):
    """ A customer who shared data, and those who look after it in two companies. """

    has_second_company = True

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.manager = cls._create_manager('vipps_manager', cls.company)
        cls.vipps.write({
            'vipps_collect_user_info': True, 'vipps_scope_name': True, 'vipps_scope_email': True,
            'vipps_scope_phone': True, 'vipps_scope_address': True,
        })
        cls.person = cls.env['res.partner'].create({'name': "Kari Nordmann", 'lang': 'en_US'})

    @classmethod
    def _create_manager(cls, login, company):
        return cls._new_user(
            login, 'base.group_user,mobilepay_vipps.group_payment_manager', company,
        )

    def _share(self):
        """ Return the payment of an order with which the person shared everything. """
        order = self._create_order(partner_id=self.person.id)
        tx = self._start_order(order, partner_id=self.person.id)
        self._approve(tx)
        self._refresh(tx)
        self.assertEqual(tx.sudo().vipps_user_details, SHARED)
        return tx

    def _get_records(self, action):
        self.env.flush_all()
        return self.env['vipps.audit.event'].sudo().search([('action', '=', action)])


@tagged('post_install', '-at_install')
class TestPersonalData(PersonalDataCommon):
    """ Shown, exported and erased from the contact, by payment managers of the company only. """

    def _open(self, user=None, record=None):
        """ Return the window that the button opens. """
        action = (record or self.person).with_user(
            user or self.manager
        ).action_vipps_personal_data()
        return self.env[action['res_model']].with_user(user or self.manager).browse(
            action['res_id']
        )

    def _export(self, wizard):
        action = wizard.action_export()
        self.assertEqual(action['tag'], 'vipps_download')
        return json.loads(action['params']['content'])

    #=== Shown and exported ===#

    def test_what_is_known_is_shown_to_a_payment_manager_and_that_is_recorded(self):
        tx = self._share()
        wizard = self._open()
        for text in (
            tx.reference, EXAMPLE_EMAIL, '+4790000001', EXAMPLE_STREET, "Oslo",
            tx.sudo().vipps_user_sub, "Received",
        ):
            self.assertIn(text, wizard.content)
        record = self._get_records('data_read')
        self.assertEqual(
            (record.user_id, record.partner_id, record.provider_id, record.source),
            (self.manager, self.person, self.vipps, 'user'),
        )
        self.assertNotIn(EXAMPLE_EMAIL, json.dumps(record.read(), default=str))

    def test_of_a_contact_that_nothing_is_known_of_that_is_said(self):
        wizard = self._open()
        self.assertIn("Nothing is known of this contact", wizard.content)
        self.assertFalse(wizard.is_known)

    def test_what_is_known_is_exported_for_machines_and_that_is_recorded(self):
        tx = self._share()
        data = self._export(self._open())
        self.assertEqual(data['contact'], {'id': self.person.id, 'name': "Kari Nordmann"})
        payment, = data['payments']
        self.assertEqual(payment['reference'], tx.reference)
        self.assertEqual(payment['shared'], SHARED)
        self.assertEqual(payment['customer_id_at_vipps_mobilepay'], tx.sudo().vipps_user_sub)
        self.assertEqual(payment['asked_for'], ['name', 'email', 'phoneNumber', 'address'])
        self.assertEqual((payment['amount'], payment['currency']), (249.5, 'NOK'))
        self.assertEqual(self._get_records('data_exported').partner_id, self.person)

    def test_a_phone_number_of_a_till_is_only_ever_shown_masked(self):
        tx = self._share()
        tx.sudo().vipps_customer_phone = '4798765432'
        wizard = self._open()
        self.assertIn('47******32', wizard.content)
        self.assertNotIn('98765432', wizard.content + json.dumps(self._export(wizard)))

    def test_what_was_shared_with_a_payment_is_shown_from_it(self):
        tx, other = self._share(), self._share()
        wizard = self._open(record=tx)
        self.assertIn(tx.reference, wizard.content)
        self.assertNotIn(other.reference, wizard.content)

    def test_what_other_addresses_of_the_person_paid_belongs_to_the_person(self):
        invoice_address = self.person.create({
            'name': "Kari", 'parent_id': self.person.id, 'type': 'invoice', 'active': False,
        })
        colleague = self.person.create({'name': "Per", 'parent_id': self.person.id})
        tx = self._authorize(partner_id=invoice_address.id)
        colleague_tx = self._authorize(partner_id=colleague.id)
        content = self._open().content
        self.assertIn(tx.reference, content)
        self.assertNotIn(colleague_tx.reference, content)

    def test_what_everybody_paid_is_only_shown_payment_by_payment(self):
        everybody = self.env.ref('base.public_partner')
        tx, _other = (self._start(partner_id=everybody.id) for _number in range(2))
        with self.assertRaisesRegex(UserError, "Open the payment"):
            self._open(record=everybody)
        self.assertEqual(self._open(record=tx)._get_transactions_sudo(with_parts=True), tx)

    def test_of_many_payments_the_newest_are_shown_and_all_exported(self):
        txs = [self._start(partner_id=self.person.id) for _number in range(3)]
        with patch(f'{MODULE}.wizards.transaction.vipps_personal_data.SHOWN_PAYMENTS', 2):
            wizard = self._open()
            content = str(wizard.content)
        self.assertEqual([tx.reference in content for tx in txs], [False, True, True])
        self.assertIn("The export has all of them", content)
        self.assertEqual(len(wizard._prepare_export()['payments']), 3)

    def test_an_archived_and_a_merged_contact_keep_their_history(self):
        tx = self._share()
        self.person.action_archive()
        self.assertIn(tx.reference, self._open().content)
        heir = self.env['res.partner'].create({'name': "Kari N.", 'email': EXAMPLE_EMAIL})
        self.env['base.partner.merge.automatic.wizard'].sudo().create({})._merge(
            (self.person | heir).ids, heir
        )
        self.env.invalidate_all()
        wizard = self._open(record=heir)
        self.assertIn(tx.reference, wizard.content)
        wizard.action_erase()
        self.assertFalse(tx.sudo().vipps_user_details)

    #=== Erased ===#

    def test_what_is_erased_is_gone_and_the_accounts_stay(self):
        tx = self._share()
        self._capture(tx)
        payment, amount = tx.payment_id, tx.amount
        self.assertTrue(payment)
        wizard = self._open()
        wizard.action_erase()
        self.env.invalidate_all()
        tx_sudo = tx.sudo()
        for name in (
            'vipps_user_details', 'vipps_user_sub', 'vipps_customer_phone', 'partner_phone',
            'partner_email',
        ):
            self.assertFalse(tx_sudo[name], name)
        self.assertEqual((tx.state, tx.amount, tx.payment_id), ('done', amount, payment))
        self.assertEqual(tx.partner_name, "Kari Nordmann")
        self.assertNotIn('+4790000001', wizard.content)
        record = self._get_records('data_erased')
        self.assertEqual((record.user_id, record.partner_id), (self.manager, self.person))
        self.assertFalse(self._get_records('data_read').filtered('partner_id'))

    def test_what_is_erased_does_not_come_back_with_the_next_reading(self):
        tx = self._share()
        self._open().action_erase()
        self._refresh(tx)
        self.assertFalse(tx.sudo().vipps_user_details)
        self.assertFalse(tx.sudo().vipps_user_sub)

    def test_what_is_on_its_way_is_not_kept_after_an_erasure(self):
        order = self._create_order(partner_id=self.person.id)
        tx = self._start_order(order, partner_id=self.person.id)
        self._open().action_erase()
        self._approve(tx)
        self._refresh(tx)
        self.assertEqual(tx.state, 'authorized')
        self.assertFalse(tx.sudo().vipps_user_details)

    def test_the_receipt_of_a_till_loses_the_phone_number(self):
        tx = self._share()
        tx.sudo().vipps_customer_phone = '47******32'
        session = self._open_session()
        order = self.env['pos.order'].create({
            'session_id': session.id, 'company_id': self.company.id, 'partner_id': self.person.id,
            'amount_tax': 0, 'amount_total': 249.5, 'amount_paid': 0, 'amount_return': 0,
        })
        payment = self.env['pos.payment'].sudo().create({
            'pos_order_id': order.id, 'payment_method_id': session.payment_method_ids[0].id,
            'amount': 249.5, 'vipps_transaction_id': tx.id,
            'ticket': f"Vipps\n47******32\nToday\nReference {tx.reference}\n",
        })
        self._open().action_erase()
        self.assertEqual(payment.ticket, f"Vipps\nToday\nReference {tx.reference}\n")

    def _open_session(self):
        config = self.env['pos.config'].create({'name': "Shop", 'company_id': self.company.id})
        config.pricelist_id = False
        config.open_ui()
        return config.current_session_id

    #=== Copied to the contact ===#

    def _let_edit_contacts(self):
        self.manager.groups_id |= self.env.ref('base.group_partner_manager')

    def _copy(self, tx):
        tx.with_user(self.manager).action_vipps_copy_to_contact()
        self.env.invalidate_all()

    def test_what_is_missing_on_the_contact_is_copied_when_somebody_presses(self):
        self._let_edit_contacts()
        tx = self._share()
        self.assertFalse(self.person.email)
        self._copy(tx)
        self.assertEqual(
            {name: self.person[name] for name in ('email', 'phone', 'street', 'zip', 'city')},
            {name: SHARED[name] for name in ('email', 'phone', 'street', 'zip', 'city')},
        )
        self.assertEqual(self.person.country_id.code, 'NO')
        record = self._get_records('data_copied')
        self.assertEqual(
            (record.user_id, record.partner_id, record.provider_id),
            (self.manager, self.person, self.vipps),
        )
        self.assertIn("Email", record.details)
        self.assertNotIn(EXAMPLE_EMAIL, record.details)
        with self.assertRaisesRegex(UserError, "nothing to copy"):
            self._copy(tx)

    def test_nothing_that_is_on_the_contact_is_overwritten(self):
        self._let_edit_contacts()
        tx = self._share()
        typed = {
            'name': "Firma Nordmann", 'email': 'post@nordmann.example.com', 'mobile': '98765432',
            'street': "Torget 1", 'zip': '5014', 'city': "Bergen",
        }
        self.person.write(typed)
        with self.assertRaisesRegex(UserError, "nothing to copy"):
            self._copy(tx)
        self.person.mobile = False
        self._copy(tx)
        self.assertEqual(self.person.phone, SHARED['phone'])
        self.assertEqual({name: self.person[name] for name in typed}, {**typed, 'mobile': False})

    def test_an_address_is_not_made_of_two(self):
        self._let_edit_contacts()
        tx = self._share()
        company = self.person.create({'name': "Firma", 'is_company': True})
        for values in (
            {'country_id': self.env.ref('base.dk').id}, {'zip': '5014'},
            {'parent_id': company.id},
        ):
            with self.subTest(values=values):
                person = self.person.create({'name': "Kari", **values})
                tx.partner_id = person
                self._copy(tx)
                self.assertEqual(person.phone, SHARED['phone'])
                self.assertFalse(person.street or person.city)

    def test_an_email_address_that_is_not_verified_is_not_copied(self):
        self._let_edit_contacts()
        tx = self._share()
        tx.sudo().vipps_user_details = {**SHARED, 'email_verified': False}
        self._copy(tx)
        self.assertFalse(self.person.email)
        self.assertEqual(self.person.phone, SHARED['phone'])

    def test_only_a_known_customer_is_filled_in_and_by_those_only_who_may_edit_contacts(self):
        tx = self._share()
        with self.assertRaises(AccessError):
            self._copy(tx)
        self._let_edit_contacts()
        self.accountant.groups_id |= self.env.ref('base.group_partner_manager')
        with self.assertRaises(AccessError):
            tx.with_user(self.accountant).action_vipps_copy_to_contact()
        other_manager = self._create_manager(
            'vipps_other_manager', self.company_data_2['company']
        )
        other_manager.groups_id |= self.env.ref('base.group_partner_manager')
        with self.assertRaises(AccessError):
            tx.with_user(other_manager).action_vipps_copy_to_contact()
        tx.partner_id = everybody = self.env.ref('base.public_partner')
        with self.assertRaisesRegex(UserError, "nothing to copy"):
            self._copy(tx)
        self.assertFalse(self.person.email or everybody.email)

    #=== Who may ===#

    def test_others_see_nothing_and_trigger_nothing(self):
        tx = self._share()
        wizard = self._open()
        portal = new_test_user(self.env, 'vipps_portal', 'base.group_portal')
        other_manager = self._create_manager('vipps_colleague', self.company)
        for user in (self.accountant, self.salesman, portal):
            with self.subTest(user=user.login):
                for record in (self.person, tx):
                    with self.assertRaises(AccessError):
                        record.with_user(user).action_vipps_personal_data()
        for user in (self.accountant, portal, other_manager):
            for call in ('action_export', 'action_erase', 'read'):
                with self.subTest(user=user.login, call=call), self.assertRaises(AccessError):
                    getattr(wizard.with_user(user), call)()
        self.assertEqual(tx.sudo().vipps_user_details, SHARED)
        self.assertEqual(len(self._get_records('data_read')), 1)

    def test_nobody_looks_at_somebody_else_through_an_open_window(self):
        wizard = self._open()
        with self.assertRaises(AccessError):
            wizard.partner_id = self.partner

    def test_a_payment_manager_of_another_company_learns_nothing(self):
        tx = self._share()
        other_manager = self._create_manager(
            'vipps_other_manager', self.company_data_2['company']
        )
        wizard = self._open(other_manager)
        self.assertIn("Nothing is known", wizard.content)
        self.assertEqual(self._export(wizard)['payments'], [])
        wizard.action_erase()
        self.assertEqual(tx.sudo().vipps_user_details, SHARED)
        # Nor by claiming to work there.
        with self.assertRaises(AccessError):
            wizard.with_context(allowed_company_ids=self.company.ids).read(['content'])
        with self.assertRaises(AccessError):
            self.env['vipps.personal.data'].with_user(other_manager).with_context(
                allowed_company_ids=self.company.ids
            ).create({'partner_id': self.person.id, 'transaction_id': tx.id})
        self.person.company_id = self.company
        with self.assertRaises(AccessError):
            self._open(other_manager)

    def test_from_outside_the_same_rules_hold(self):
        self._share()
        self.authenticate(self.accountant.login, self.accountant.login)
        with mute_logger('odoo.http', 'odoo.addons.base.models.ir_model'):
            for model, method, args in (
                ('res.partner', 'action_vipps_personal_data', [self.person.ids]),
                ('vipps.personal.data', 'create', [{'partner_id': self.person.id}]),
                ('vipps.personal.data', 'action_export', [[]]),
            ):
                with self.subTest(method=method), self.assertRaises(JsonRpcException):
                    self.make_jsonrpc_request('/web/dataset/call_kw', {
                        'model': model, 'method': method, 'args': args, 'kwargs': {},
                    })


@tagged('post_install', '-at_install', 'vipps_tour')
class TestPersonalDataTour(PersonalDataCommon, PosTourCommon):

    def test_payment_manager_shows_exports_and_erases(self):
        tx = self._share()
        self._start_page(
            f'/web#id={self.person.id}&model=res.partner&view_type=form', 'vipps_personal_data',
            self.manager,
        )
        self.assertFalse(tx.sudo().vipps_user_details)
        self.assertFalse(self.person.email)
        for action in ('data_read', 'data_exported', 'data_erased'):
            self.assertEqual(self._get_records(action)[:1].user_id, self.manager, action)
