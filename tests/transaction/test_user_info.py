# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import json
import logging
from datetime import timedelta
from unittest.mock import patch

from freezegun import freeze_time

from odoo import fields
from odoo.exceptions import AccessError, ValidationError
from odoo.tests import tagged
from odoo.tools import mute_logger

from ...simulator.payment import EXAMPLE_EMAIL, EXAMPLE_STREET
from ..http_common import CheckoutCommon

SCOPES = ('vipps_scope_name', 'vipps_scope_email', 'vipps_scope_phone', 'vipps_scope_address')
MODULE = 'odoo.addons.mobilepay_vipps'


@tagged('post_install', '-at_install')
class TestUserInfo(CheckoutCommon):
    """ What customers share with their payment: asked for, received, used and kept. """

    def setUp(self):
        super().setUp()
        self.person = self.env['res.partner'].create({
            'name': "Kari Nordmann", 'lang': 'en_US', 'country_id': self.country_norway.id,
        })

    #=== What happens ===#

    def _collect(self, *scopes):
        self.vipps.write({
            'vipps_collect_user_info': True,
            **{name: name in (scopes or SCOPES) for name in SCOPES},
        })

    def _share(self, partner=None, **values):
        """ Return the payment of an order with which the customer shares what is asked for. """
        order = self._create_order(partner_id=(partner or self.person).id, **values)
        tx = self._start_order(order, partner_id=order.partner_id.id)
        self._approve(tx)
        tx._vipps_sync()
        return tx

    def _receive(self, hours=0):
        """ Run the job, some hours later. """
        self.env.flush_all()
        with freeze_time(fields.Datetime.now() + timedelta(hours=hours)):
            self.env['vipps.task']._cron_follow_up()
        self.env.invalidate_all()

    def _get_task(self, tx):
        return self.env['vipps.task'].sudo().search([
            ('transaction_id', '=', tx.id), ('kind', '=', 'user_info'),
        ])

    def _get_scope(self, tx):
        return self._get_payment(tx)['request'].get('profile')

    def _get_state(self, tx):
        return tx.vipps_user_info_state, tx.sudo().vipps_user_details

    #=== Asking ===#

    def test_nothing_is_asked_for_by_default(self):
        tx = self._share()
        self._receive()
        self.assertIsNone(self._get_scope(tx))
        self.assertEqual(self._get_state(tx), (False, False))
        self.assertEqual(self._get_calls('userinfo'), [])
        self.assertFalse(self.vipps._vipps_get_user_info_notice(self.method_vipps))

    def test_only_what_was_chosen_is_asked_for_and_kept(self):
        self._collect('vipps_scope_name', 'vipps_scope_phone')
        tx = self._share()
        self._receive()
        self.assertEqual(self._get_scope(tx), {'scope': 'name phoneNumber'})
        # The payment told more than that.
        self.assertEqual(self._get_state(tx), (
            'received', {'name': "Kari Nordmann", 'phone': '+4790000001'},
        ))
        self.assertEqual(self._get_calls('userinfo'), [])  # There was nothing left to ask.

    def test_collecting_needs_something_to_collect(self):
        with self.assertRaisesRegex(ValidationError, "Choose the data"):
            self.vipps.vipps_collect_user_info = True

    def test_customers_read_on_the_payment_form_what_they_will_be_asked_for(self):
        order = self._create_order(require_payment=True, require_signature=False)
        url = f'/my/orders/{order.id}?access_token={order._portal_ensure_token()}'
        self.assertNotIn('o_vipps_user_info_notice', self.url_open(url).text)
        self._collect('vipps_scope_name', 'vipps_scope_email')
        page = self.url_open(url).text
        self.assertIn('o_vipps_user_info_notice', page)
        self.assertIn("to handle your order: name, e-mail address.", page)
        self.assertIn("if you decline in the app, you do not pay", page)

    def test_a_till_asks_for_nothing(self):
        self._collect()
        tx = self._create_transaction('redirect', vipps_user_flow='QR')
        self.assertFalse(tx.vipps_scopes)

    def test_a_repetition_asks_for_the_same_although_the_settings_have_changed(self):
        self._collect('vipps_scope_name')
        tx = self._create_transaction('redirect')
        self._collect('vipps_scope_address')
        with self._without_pauses():
            self.simulator.fault('create', 'lost_answer', times=3)
            tx._get_processing_values()
            tx._vipps_try_again()
        self.assertEqual(self._get_scope(tx), {'scope': 'name'})
        self.assertEqual(tx.vipps_payment_state, 'CREATED')

    def test_a_sales_unit_that_may_not_ask_is_paid_all_the_same(self):
        self._collect()
        for code in ('4080', '5030'):
            with self.subTest(code=code):
                self.simulator.fault('create', 'refuse', code=code)
                tx = self._share()
                self.assertEqual(tx.state, 'authorized')
                self.assertIsNone(self._get_scope(tx))
                self.assertFalse(tx.vipps_user_info_state)
        self.assertIn("not asked to share", self._get_activities().mapped('summary')[0])

    def test_of_a_wrong_phone_number_and_a_wrong_scope_neither_is_sent_again(self):
        self._collect()
        self.simulator.set_customer('4798765432', known=False)
        self.person.phone = '98 76 54 32'
        self.simulator.fault('create', 'refuse', code='5030')
        tx = self._share()
        request = self._get_payment(tx)['request']
        self.assertNotIn('profile', request)
        self.assertNotIn('customer', request)

    def test_who_refuses_does_not_pay_and_leaves_nothing(self):
        self._collect()
        order = self._create_order()
        tx = self._start_order(order)
        self.simulator.decline(tx.vipps_payment_reference)
        tx._vipps_sync()
        self._receive()
        self.assertEqual(tx.state, 'cancel')
        self.assertIn("do not want to share data, choose another", tx.state_message)
        self.assertEqual(self._get_state(tx), (False, False))

    #=== Receiving ===#

    def test_the_rest_is_asked_for_by_the_job(self):
        self._collect()
        tx = self._share()
        self.assertEqual(self._get_calls('userinfo'), [])  # The customer did not wait for it.
        self.assertEqual(tx.vipps_user_info_state, 'awaited')
        self._receive()
        self.assertEqual(self._get_state(tx), ('received', {
            'name': "Kari Nordmann", 'email': EXAMPLE_EMAIL, 'email_verified': True,
            'phone': '+4790000001', 'street': EXAMPLE_STREET, 'zip': '0154', 'city': "Oslo",
            'country': 'NO',
        }))
        self._receive(hours=1)
        self.assertEqual(len(self._get_calls('userinfo')), 1)

    def test_who_the_customer_is_may_be_told_late(self):
        self._collect()
        late = {'profile': {}, 'userDetails': None}
        self.simulator.fault('get', 'edited', changes=late, times=2)
        tx = self._share()
        self._receive()
        self.assertEqual(self._get_state(tx), ('awaited', False))
        self._receive(hours=1)
        self.assertEqual(self._get_state(tx)[0], 'received')

    def test_what_is_told_as_it_was_before_the_payment_is_asked_for_again(self):
        self._collect('vipps_scope_name')
        for scopes in (('vipps_scope_email',), SCOPES):
            with self.subTest(scopes=scopes):
                self._collect(*scopes)
                tx = self._share()
                self.simulator.fault('userinfo', 'stale')
                self._receive()
                self.assertNotIn('email_verified', tx.sudo().vipps_user_details)
                self._receive(hours=1)
                state, details = self._get_state(tx)
                self.assertEqual(state, 'received')
                self.assertTrue(details['email_verified'])
                calls = len(self._get_calls('userinfo'))
                self._receive(hours=24)
                self.assertEqual(len(self._get_calls('userinfo')), calls)
                self._collect('vipps_scope_name')
                self._share()  # Next time, nothing but the name is told.

    def test_what_the_customer_does_not_share_anymore_is_not_kept(self):
        self._collect()
        self._share()
        self._collect('vipps_scope_email')
        tx = self._share()
        self.simulator.fault('userinfo', 'stale')
        self._receive()
        self.assertEqual(self._get_state(tx), ('received', {
            'email': EXAMPLE_EMAIL, 'email_verified': True,
        }))

    def test_a_failure_never_touches_the_payment_and_is_tried_again(self):
        self._collect()
        for fault in (
            {'kind': 'status', 'status': 401}, {'kind': 'status', 'status': 404},
            {'kind': 'status', 'status': 500}, {'kind': 'lost'}, {'kind': 'garbage'},
            {'kind': 'truncated'},
        ):
            with self.subTest(**fault), self._without_pauses():
                tx = self._share()
                self.simulator.fault('userinfo', times=None, **fault)
                activities = self._get_activities()
                self._receive()
                self.assertEqual(tx.state, 'authorized')
                self.assertEqual(tx.vipps_user_info_state, 'awaited')
                self.assertEqual(self._get_activities(), activities)
                self.simulator.clear_faults()
                self._receive(hours=1)
                self.assertEqual(tx.vipps_user_info_state, 'received')

    def test_an_error_in_odoo_troubles_nobody_and_is_tried_again(self):
        self._collect()
        tx = self._share()
        activities = self._get_activities()
        with patch.object(
            type(tx), '_vipps_fetch_user_info', side_effect=ValueError("broken")
        ), patch.object(
            type(tx), '_vipps_get_unconfirmed_orders', lambda self: self.sale_order_ids
        ), mute_logger(f'{MODULE}.models.jobs.task'):
            self._receive()
        self.assertEqual(self._get_activities(), activities)
        self.assertFalse(tx.sale_order_ids.activity_ids)
        self._receive(hours=1)
        self.assertEqual(tx.vipps_user_info_state, 'received')

    def test_without_its_answer_what_the_payment_told_is_what_there_is(self):
        self._collect()
        tx = self._share()
        self.simulator.fault('userinfo', 'status', status=404, times=None)
        for hours in range(0, 7 * 24, 12):
            self._receive(hours=hours)
            self.assertEqual(tx.vipps_user_info_state, 'awaited')
        calls = self._get_calls('userinfo')
        self.assertGreater(len(calls), 7)
        self._receive(hours=8 * 24)
        self.assertEqual(self._get_calls('userinfo'), calls)
        self.assertFalse(self._get_task(tx))
        self.assertEqual(tx.vipps_user_info_state, 'received')
        self.assertNotIn('email_verified', tx.sudo().vipps_user_details)

    def test_strange_answers_leave_what_makes_sense(self):
        self._collect()
        strange = {
            'userDetails': {'email': 7, 'firstName': "x" * 10**5, 'addresses': [{'city': ['O']}]},
            'profile': {'sub': 'x' * 36},
        }
        for changes in (
            {'email': '', 'name': None, 'given_name': None, 'family_name': "Ødegård"},
            {'email': 'a' * 10**6, 'name': {}, 'phone_number': 'ring me', 'address': 'here'},
            {'address': {name: '' for name in ('street_address', 'postal_code', 'country')}},
        ):
            with self.subTest(changes=list(changes)):
                self.simulator.fault('get', 'edited', changes={**strange, 'profile': None})
                tx = self._share()
                self.simulator.fault('userinfo', 'edited', changes=changes)
                self._receive()
                self._receive(hours=24)
                self.assertEqual(tx.state, 'authorized')
                details = tx.sudo().vipps_user_details or {}
                self.assertTrue(all(len(str(value)) < 256 for value in details.values()))

    def test_what_is_given_back_before_needs_nothing_to_be_known(self):
        self._collect()
        tx = self._share()
        tx.action_void()
        self._receive()
        self.assertEqual(self._get_state(tx), ('erased', False))

    #=== The contact ===#

    def test_the_contact_is_left_alone(self):
        self._collect()
        tx = self._share()
        names = [name for name, field in self.person._fields.items() if field.store]
        names = sorted(set(names) - {'write_uid', 'write_date'})  # Core counts orders there.
        person_sudo = self.person.sudo()  # Nobody reads all of them.
        before = person_sudo.read(names)
        messages = tx.sale_order_ids.message_ids
        self._receive()
        self.assertEqual(person_sudo.read(names), before)
        self.assertFalse((tx.sale_order_ids.message_ids - messages).filtered('body'))

    #=== Who sees it ===#

    def test_nothing_of_it_is_logged_or_told_to_anybody_else(self):
        self._collect()
        with self.assertLogs('odoo', logging.INFO) as log:
            tx = self._share()
            self._receive()
        sub = tx.sudo().vipps_user_sub
        self.env.flush_all()
        self.env.cr.execute("""
            SELECT string_agg(t::text, '') FROM (
                SELECT row::text FROM mail_message row
                UNION ALL SELECT row::text FROM mail_tracking_value row
                UNION ALL SELECT row::text FROM bus_bus row
                UNION ALL SELECT row::text FROM mail_activity row
                UNION ALL SELECT row::text FROM vipps_webhook_event row
                UNION ALL SELECT row::text FROM vipps_api_call row
                UNION ALL SELECT row::text FROM vipps_audit_event row
            ) t
        """)
        elsewhere = self.env.cr.fetchone()[0] + '\n'.join(log.output)
        self.assertIn(tx.reference, elsewhere)
        for personal in (sub, EXAMPLE_EMAIL, EXAMPLE_STREET, '90000001'):
            self.assertNotIn(personal, elsewhere)

    def test_only_the_system_reads_it(self):
        self._collect()
        tx = self._share()
        self._receive()
        for name in ('vipps_user_details', 'vipps_user_sub'):
            self.assertNotIn(name, tx.with_user(self.accountant).fields_get())
            with self.assertRaises(AccessError):
                tx.with_user(self.accountant).read([name])
        self.assertNotIn(EXAMPLE_EMAIL, json.dumps(
            tx.with_user(self.accountant).read(), default=str
        ))

    #=== Retention ===#

    def test_days_make_sense(self):
        for name, days in (
            ('vipps_user_info_days', 0), ('vipps_user_info_days', -1), ('vipps_event_days', 36500),
            ('vipps_call_days', 0), ('vipps_audit_days', 100), ('vipps_audit_days', 36500),
        ):
            with self.subTest(name=name, days=days):
                with self.assertRaises(ValidationError) as refusal:
                    self.vipps[name] = days
                self.assertIn(f"days, and not for {days}.", str(refusal.exception))
        for name, days in (
            ('vipps_user_info_days', 1), ('vipps_event_days', 3650), ('vipps_audit_days', 365),
        ):
            self.vipps[name] = days

    def test_what_was_shared_is_forgotten_in_time_and_does_not_come_back(self):
        self._collect()
        self.vipps.vipps_user_info_days = 10
        old, young, lost = self._share(), self._share(), self._share()
        self._receive()
        lost.sudo().vipps_user_info_state = 'missing'  # Who it was is known all the same.
        self.env.flush_all()
        for tx, days in ((old, 10.01), (young, 9.99), (lost, 10.01)):
            self.env.cr.execute(
                "UPDATE payment_transaction SET create_date = now() AT TIME ZONE 'UTC' - %s *"
                " interval '1 day' WHERE id = %s", [days, tx.id],
            )
        self.env.invalidate_all()
        self.env['payment.provider']._gc_vipps_kept_data()
        self.env.invalidate_all()
        self.assertEqual(self._get_state(old), ('erased', False))
        self.assertFalse(old.sudo().vipps_user_sub or lost.sudo().vipps_user_sub)
        self.assertEqual(self._get_state(young)[0], 'received')
        old._vipps_sync()  # Vipps MobilePay still tells it.
        self._receive()
        self.assertEqual(self._get_state(old), ('erased', False))
        record, = self.env['vipps.audit.event'].search([('action', '=', 'retention')])
        self.assertEqual((record.provider_id, record.details[-3:]), (self.vipps, ": 2"))

    def test_a_large_heap_is_removed_in_parts(self):
        self._collect()
        txs = [self._share() for _number in range(3)]
        self._receive()
        self.env.flush_all()
        self.env.cr.execute("UPDATE payment_transaction SET create_date = '2020-01-01'")
        self.env.invalidate_all()
        with patch(f'{MODULE}.models.transaction.user_info.PURGE_LIMIT', 2):
            self.env['payment.provider']._gc_vipps_kept_data()
        self.env.invalidate_all()
        self.assertEqual({tx.vipps_user_info_state for tx in txs}, {'erased'})
        self.assertEqual(
            self.env['vipps.audit.event'].search_count([('action', '=', 'retention')]), 2
        )

    def test_what_was_left_behind_of_decided_payments_is_cleaned_up(self):
        tx = self._share()
        tx.sudo().write({
            'vipps_redirect_url': 'https://pay.example.com/?token=x',
            'vipps_customer_phone': '4798765432',
        })
        self.env.flush_all()
        self.env.cr.execute("UPDATE payment_transaction SET create_date = '2020-01-01'")
        self.env.invalidate_all()
        self.env['payment.provider']._gc_vipps_kept_data()
        self.env.invalidate_all()
        self.assertFalse(tx.sudo().vipps_redirect_url)
        self.assertEqual(tx.sudo().vipps_customer_phone, '47******32')
