# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import logging
import re
from datetime import timedelta
from unittest.mock import patch

from odoo import fields
from odoo.exceptions import AccessError, UserError
from odoo.tests import tagged
from odoo.tools import mute_logger

from ...simulator.sales_units import NOK_UNIT
from ...source import TILL
from ..http_common import CheckoutCommon
from .test_webhook import WebhookCommon

OUR_LOGGER = 'odoo.addons.mobilepay_vipps'
MANAGER = 'mobilepay_vipps.group_payment_manager'


@tagged('post_install', '-at_install')
class TestAudit(WebhookCommon, CheckoutCommon):
    """ Who did what, and what the log says of it. """

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.audit = cls.env['vipps.audit.event'].sudo()
        cls.manager = cls._new_user(
            'vipps_manager', f'base.group_user,base.group_allow_export,{MANAGER}',
        )
        cls.other_company = cls.env['res.company'].create({'name': "Another Shop"})
        cls.other_manager = cls._new_user(
            'vipps_other_manager', f'base.group_user,{MANAGER}', cls.other_company,
        )

    def setUp(self):
        super().setUp()
        self.first_id = self.audit.search([], limit=1).id or 0

    def _get_events(self, *actions):
        """ Return what the test has recorded, the oldest first. """
        self.env.invalidate_all()
        domain = [('id', '>', self.first_id)]
        if actions:
            domain.append(('action', 'in', actions))
        return self.audit.search(domain, order='id')

    def _list_events(self, *actions):
        return [
            (event.action, event.outcome, event.source, event.user_id, event.amount)
            for event in self._get_events(*actions)
        ]

    #=== What is recorded ===#

    def test_a_purchase_is_recorded_from_its_start_with_what_caused_each_change(self):
        self.vipps.vipps_capture_mode = 'automatic'
        self.first_id = self.audit.search([], limit=1).id
        tx = self._start_cart()
        self._approve(tx)
        self._return(tx)
        public = self.env.ref('base.public_user')
        # Core may add the provider to its journal on this occasion, which is recorded as well.
        events = self._get_events().filtered(lambda e: e.action != 'configured')
        self.assertEqual([(e.action, e.source, e.from_state, e.to_state) for e in events], [
            ('started', 'customer', False, False),
            ('state_changed', 'return', 'draft', 'authorized'),
            ('capture', 'return', False, False),
            ('capture', 'return', False, False),
            ('state_changed', 'return', 'authorized', 'done'),
        ])
        self.assertEqual(events.transaction_id, tx)
        self.assertEqual(set(events.mapped('reference')), {tx.reference})
        self.assertEqual(events.company_id, self.company)
        self.assertEqual(events[-1].psp_reference, tx.vipps_psp_reference)
        self.assertEqual(set(events.mapped('amount')), {self.amount})
        self.assertFalse(events.user_id, "Customers are known by the payment.")
        self.assertNotIn(public.name, events.mapped('user_name'))

    def test_what_an_event_or_a_waiting_page_or_a_job_finds_is_told_apart(self):
        def drain(tx):
            for event in self._prepare_events(tx):
                self._post(event)
            self._drain()

        for source, look in (
            ('webhook', drain),
            ('poll', lambda tx: self._poll()),
            ('job', lambda tx: self._run_job()),
        ):
            with self.subTest(source):
                tx = self._start_cart()
                self._approve(tx)
                look(tx)
                self.env.invalidate_all()
                changes = self.audit.search([
                    ('transaction_id', '=', tx.id), ('action', '=', 'state_changed'),
                ])
                self.assertEqual(changes.mapped('source'), [source])

    def test_a_capture_a_release_and_a_refund_name_who_asked_and_what_came_of_it(self):
        tx = self._authorize()
        self.first_id = self.audit.search([], limit=1).id
        self._capture(tx, 100, self.accountant)
        tx.with_user(self.accountant).action_void()
        tx._vipps_get_captures().with_user(self.accountant).action_refund(30)
        self.assertEqual(self._list_events('capture', 'release', 'refund'), [
            ('capture', 'asked', 'user', self.accountant, 100),
            ('capture', 'done', 'user', self.accountant, 100),
            ('release', 'asked', 'user', self.accountant, 149.5),
            ('release', 'done', 'user', self.accountant, 149.5),
            ('refund', 'asked', 'user', self.accountant, 30),
            ('refund', 'done', 'user', self.accountant, 30),
        ])
        self.assertEqual(
            set(self._get_events().mapped('user_name')), {self.accountant.name}
        )
        changes = self._get_events('state_changed')
        self.assertEqual(
            set(changes.mapped('psp_reference')),
            {
                event['pspReference'] for event in self._get_payment(tx)['events']
                if event['name'] in ('CAPTURED', 'CANCELLED', 'REFUNDED')
            } | {tx.provider_reference},
        )

    def test_what_is_refused_before_or_by_vipps_mobilepay_is_recorded_with_the_sentence(self):
        tx = self._authorize()
        self.first_id = self.audit.search([], limit=1).id
        own_tx = tx.with_user(self.accountant)
        too_much = self._catch(lambda: own_tx._send_capture_request(amount_to_capture=900))
        self.simulator.fault('capture', 'refuse', code='6140')
        refused = self._catch(lambda: own_tx._send_capture_request(amount_to_capture=100))
        events = self._get_events('capture')
        self.assertEqual(
            [(event.outcome, event.amount) for event in events],
            [('refused', 900), ('asked', 100), ('refused', 100)],
        )
        self.assertEqual(events[0].details, str(too_much))
        self.assertIn(events[2].details, str(refused))
        self.assertTrue(events[2].trace_id)
        self.assertEqual(events.mapped('refusals'), [0, 0, 1])
        self.assertEqual(
            events[1].idempotency_key, self._get_calls('capture')[0]['idempotency_key']
        )

    def test_an_operation_is_written_down_before_it_is_sent(self):
        api_client, seen = type(self.env['vipps.api.client']), []
        call_for = api_client._call_for

        def note(client, tx, operation, **arguments):
            if operation == 'capture':
                key = arguments['idempotency_key']
                seen.append([
                    (event.outcome, event.source, event.amount, event.idempotency_key == key)
                    for event in self._get_events('capture')
                ])
            return call_for(client, tx, operation, **arguments)

        tx = self._authorize()
        self.vipps.vipps_capture_mode = 'automatic'
        automatic_tx = self._start()
        self._approve(automatic_tx)
        with patch.object(api_client, '_call_for', note):
            self.first_id = self.audit.search([], limit=1).id
            self._capture(tx, 100, self.accountant)
            self.first_id = self.audit.search([], limit=1).id
            self._run_job()
        self.assertEqual(automatic_tx.state, 'done')
        self.assertEqual(seen, [
            [('asked', 'user', 100, True)], [('asked', 'job', self.amount, True)],
        ])

    def test_a_lost_answer_is_unknown(self):
        tx = self._authorize()
        self.first_id = self.audit.search([], limit=1).id
        self.simulator.fault('capture', 'lost', times=3)
        with self._without_pauses():
            self._catch(lambda: tx._send_capture_request(amount_to_capture=100))
        self.assertEqual(
            self._get_events('capture').mapped('outcome'), ['asked', 'unknown']
        )

    def test_a_request_that_odoo_repeats_is_recorded_once(self):
        tx = self._authorize()
        self.first_id = self.audit.search([], limit=1).id
        for amount in (10, 10, 20, 10):
            self.audit._record(
                'capture', tx=tx, outcome='asked', amount=amount, is_apart=True
            )
        self.assertEqual(self._get_events('capture').mapped('amount'), [10, 20, 10])

    def test_settings_are_recorded_with_their_values_and_keys_without(self):
        self.first_id = self.audit.search([], limit=1).id
        admin = self._new_user('vipps_admin', 'base.group_system')
        self.vipps.with_user(admin).write({
            'vipps_capture_mode': 'on_delivery',
            'vipps_merchant_serial_number': '654321',
            'vipps_secondary_subscription_key': 'a-new-secret',
            'vipps_client_id': self.vipps.vipps_client_id,  # The mask changes nothing.
            'pending_msg': "<p>Secret plans</p>",
            'vipps_deadline_warning_days': self.vipps.vipps_deadline_warning_days,
        })
        event, = self._get_events()
        self.assertEqual((event.action, event.source, event.user_id), ('configured', 'user', admin))
        self.assertEqual(set(event.details.split('; ')), {
            "Capture: Manually → On delivery",
            f"Merchant Serial Number: {NOK_UNIT.msn} → 654321",
            "Secondary Subscription Key: changed",
            "Pending Message: changed",
        })
        self.assertEqual((event.provider_id, event.reference), (self.vipps, self.vipps.name))

    def test_the_provider_shows_who_changed_a_setting_and_never_a_key(self):
        self.env.cr.precommit.run()  # Nothing is tracked together with the creation.
        self.vipps.sudo().with_context(tracking_disable=False, mail_notrack=False).write({
            'vipps_merchant_serial_number': '654321', 'vipps_client_secret': 'a-new-secret',
        })
        self.env.cr.precommit.run()
        values = self.env['mail.tracking.value'].sudo().search([
            ('mail_message_id.model', '=', 'payment.provider'),
            ('mail_message_id.res_id', '=', self.vipps.id),
        ])
        self.assertEqual(
            [(v.field_id.name, v.old_value_char, v.new_value_char) for v in values],
            [('vipps_merchant_serial_number', NOK_UNIT.msn, '654321')],
        )
        # A browser may say that nothing is to be tracked.
        self.first_id = self.audit.search([], limit=1).id
        self.vipps.with_context(tracking_disable=True).vipps_capture_mode = 'on_delivery'
        self.assertIn("→ On delivery", self._get_events().details)
        secret_names = self.vipps._vipps_get_secret_names()
        for name in (*secret_names, *self.vipps._vipps_get_protected_names()):
            self.assertNotIn(name, self.vipps.sudo()._track_get_fields())

    def test_a_new_provider_a_webhook_and_a_removed_provider_are_recorded(self):
        self.first_id = self.audit.search([], limit=1).id
        provider = self.vipps.copy()
        webhook_id = self.vipps.vipps_webhook_id
        self.vipps.action_vipps_set_up_webhooks()
        name = provider.name
        provider.unlink()
        created, configured, registered, removed = self._get_events(
            'configured', 'webhook_registered'
        )
        self.assertEqual(created.reference, name)
        self.assertEqual(created.details.split('; ')[0], "Created")
        self.assertIn(f"Merchant Serial Number: {NOK_UNIT.msn}", created.details)
        self.assertEqual(set(configured.details.split('; ')), {
            f"Webhook ID: {webhook_id} → {self.vipps.vipps_webhook_id}", "Webhook Secret: changed",
            "Previous Webhook Secrets: changed",
        })
        self.assertEqual(registered.details, self.vipps.vipps_webhook_url)
        self.assertEqual((removed.details, removed.reference), ("Removed", name))
        self.assertFalse(created.provider_id)

    def test_who_replays_an_event_is_recorded(self):
        tx = self._start_cart()
        self._post(self._prepare_events(tx)[0])
        event = self._get_inbox()
        self.first_id = self.audit.search([], limit=1).id
        event.with_user(self.manager).action_replay()
        replayed, = self._get_events()
        self.assertEqual(
            (replayed.action, replayed.user_id, replayed.reference, replayed.psp_reference),
            ('replayed', self.manager, event.reference, event.psp_reference),
        )

    def test_a_browser_cannot_say_that_somebody_else_did_it(self):
        tx = self._authorize()
        self.first_id = self.audit.search([], limit=1).id
        tx.with_user(self.accountant).with_context(vipps_source='job').action_void()
        self.assertEqual(set(self._get_events().mapped('source')), {'user'})
        # Only the server has this one.
        self.assertEqual(self.audit.with_context(vipps_source=TILL)._get_source(), 'till')

    #=== Who may read and nobody changes ===#

    def test_nobody_writes_not_even_the_system(self):
        self._authorize()
        event = self._get_events()[0]
        for user in (self.env.ref('base.user_root'), self.env.user, self.manager, self.accountant):
            events = event.with_user(user)
            for records in (events, events.sudo()):
                for call in (
                    lambda r=records: r.write({'details': "Nothing happened"}),
                    lambda r=records: r.update({'user_name': "Somebody else"}),
                    lambda r=records: r.unlink(),
                    lambda r=records: r.copy(),
                    lambda r=records: r.create({'action': 'capture', 'source': 'user'}),
                    lambda r=records: r.web_save({'details': "Nothing happened"}, {}),
                    lambda r=records: r.name_create("capture"),
                ):
                    with self.subTest(user=user.login, su=records.env.su), \
                            self.assertRaises(AccessError):
                        call()
        result = self.audit.load(['action', 'source'], [['capture', 'user']])
        self.assertFalse(result['ids'])

    def test_payment_managers_read_search_group_and_export_what_is_of_their_company(self):
        tx = self._authorize()
        events = self.audit.with_user(self.manager).sudo(False)
        found = events.search([('reference', '=', tx.reference)])
        self.assertTrue(found)
        names = [name for name in events.fields_get() if name != 'id']
        self.assertTrue(found.read(names))
        self.assertTrue(found.export_data([
            'create_date', 'action', 'user_name', 'source', 'details', 'amount',
        ])['datas'])
        for group in ('action', 'source', 'user_name', 'provider_id', 'create_date:day'):
            self.assertTrue(events.read_group([], ['action'], [group]))
        for view_type in ('tree', 'form', 'search'):
            self.assertTrue(events.get_view(view_type=view_type)['arch'])
        other = self.audit.with_user(self.other_manager).sudo(False)
        self.assertFalse(other.search_count([]))
        self.assertFalse(other.read_group([], ['action'], ['action']))
        with self.assertRaises(AccessError), mute_logger('odoo.addons.base.models.ir_rule'):
            found.with_user(self.other_manager).read(['details'])
        for user in (self.accountant, self.salesman):
            with self.assertRaises(AccessError), mute_logger('odoo.addons.base.models.ir_model'):
                self.audit.with_user(user).sudo(False).search_count([])

    def test_what_was_recorded_outlives_the_user_the_payment_and_the_provider(self):
        clerk = self._new_user('vipps_clerk', 'base.group_user,account.group_account_invoice')
        name = clerk.name
        tx = self._authorize()
        tx.with_user(clerk).action_void()
        reference = tx.reference
        events = self.audit.search([('user_id', '=', clerk.id)])
        self.assertTrue(events)
        partner = self.env['res.partner'].create({'name': "Ola Nordmann"})
        self.audit._record('data_read', self.vipps, partner_id=partner.id)
        read = self._get_events('data_read')
        self.env.flush_all()
        clerk.unlink()
        tx.unlink()
        partner.unlink()
        self.env.invalidate_all()
        self.assertFalse(events.user_id | clerk.exists())
        self.assertFalse(events.transaction_id)
        self.assertFalse(read.partner_id)
        self.assertEqual(set(events.mapped('user_name')), {name})
        self.assertEqual(set(events.mapped('reference')), {reference})

    #=== Retention and erasure ===#

    def test_only_what_is_old_enough_and_of_the_provider_is_purged(self):
        self._authorize()
        other = self.vipps.copy()
        events = self._get_events()
        own = events.filtered(lambda e: e.provider_id == self.vipps)
        before = fields.Datetime.now()
        self.assertEqual(self.audit._vipps_purge(self.vipps, before - timedelta(days=1)), 0)
        count = self.audit._vipps_purge(self.vipps, before + timedelta(days=1))
        self.assertGreaterEqual(count, len(own))
        self.assertFalse(own.exists())
        self.assertEqual(events.exists().provider_id, other)

    def test_an_erased_customer_is_forgotten_and_what_was_done_is_not(self):
        self.audit._record('data_exported', self.vipps, partner_id=self.partner.id)
        event = self._get_events('data_exported')
        self.audit.with_company(self.other_company)._vipps_forget(self.partner)
        self.assertEqual(event.partner_id, self.partner, "It is another company's.")
        self.audit._vipps_forget(self.partner)
        self.assertFalse(event.partner_id)
        self.assertEqual(event.outcome, 'done')

    #=== Log ===#

    def _get_lines(self, logs):
        """ Return the steps that were logged, as dictionaries, without what the calls took. """
        messages = [record.getMessage() for record in logs.records]
        return [
            dict(re.findall(r'(\w+)=("(?:[^"\\]|\\.)*"|\S+)', message))
            for message in messages if message.startswith('step=')
        ]

    def test_a_purchase_leaves_one_line_per_step(self):
        self.vipps.vipps_capture_mode = 'automatic'
        with self.assertLogs(OUR_LOGGER, logging.INFO) as logs:
            tx = self._start_cart()
            self._approve(tx)
            event = self._prepare_events(tx)[-1]
            self._post(event)
            self._drain()
            self._return(tx)
        lines = self._get_lines(logs)
        self.assertEqual([(line['step'], line['outcome']) for line in lines], [
            ('created', 'done'), ('event_stored', 'done'), ('read', 'done'), ('captured', 'done'),
            ('event_processed', 'done'), ('sync', 'done'), ('job_run', 'done'),
            ('returned', 'done'), ('confirm', 'done'), ('booked', 'done'), ('book', 'done'),
            ('app_link', 'done'), ('job_run', 'done'),
        ])
        for line in lines:
            if line['step'] != 'job_run':
                self.assertEqual(line['reference'], tx.reference)
                self.assertEqual(line['company'], str(self.company.id))
                self.assertEqual(line['provider'], str(self.vipps.id))
            if not line['step'].startswith('event_'):
                self.assertGreaterEqual(int(line['duration_ms']), 0)
        self.assertEqual((lines[2]['state'], lines[2]['source']), ('authorized', 'webhook'))
        self.assertEqual({record.levelno for record in logs.records}, {logging.INFO})

    def test_no_line_has_a_phone_number_or_a_key_or_two_lines(self):
        self.partner.phone = '+47 98 76 54 32'
        with self.assertLogs(OUR_LOGGER, logging.DEBUG) as logs, self._without_pauses():
            for kind, values in (
                (None, {}), ('refuse', {'code': '4070'}), ('lost_answer', {}),
                ('status', {'status': 503}),
            ):
                if kind:
                    self.simulator.fault('create', kind, times=1, **values)
                tx = self._start_cart()
                self.simulator.clear_faults()
                self._approve(tx)
                self._return(tx)
            self.vipps.action_vipps_set_up_webhooks()
        secrets = [
            '98765432', '98 76 54 32', NOK_UNIT.client_secret, NOK_UNIT.subscription_key,
            NOK_UNIT.client_id, 'token=', self.vipps._vipps_get_secret('vipps_webhook_secret'),
        ]
        for line in [record.getMessage() for record in logs.records] + self.audit.search([]).mapped(
            lambda event: ' '.join(filter(None, (event.details, event.reference, event.user_name)))
        ):
            self.assertNotIn('\n', line)
            for secret in secrets:
                self.assertNotIn(secret, line)

    def _catch(self, action):
        """ Return what a person is told, without a roll-back: what is recorded apart shares the
        cursor of the test. """
        try:
            action()
        except UserError as error:
            return error
        return self.fail("Nothing was refused.")
