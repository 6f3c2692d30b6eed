# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from datetime import timedelta

from freezegun import freeze_time
from lxml import etree

from odoo import fields
from odoo.exceptions import AccessError, UserError
from odoo.tests import Form, tagged
from odoo.tools.safe_eval import safe_eval

from ...simulator.sales_units import DKK_UNIT
from .test_webhook_event import EventCommon


@tagged('post_install', '-at_install')
class TestWebhookInbox(EventCommon):
    """ What administrators see of the events and do about them, and how long they are kept. """

    has_second_company = True

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.administrator = cls._create_user('base.group_system', cls.company)

    @classmethod
    def _create_user(cls, groups, company):
        return cls._new_user(f'inbox_{groups}_{company.id}', groups, company)

    def _set(self, events, **values):
        """ Let events be in the inbox as if the job had left them there. """
        events.sudo().write(values)
        self.env['vipps.task'].sudo().search([]).unlink()
        self.env.flush_all()

    def test_events_are_named_in_words(self):
        for name, words in (
            ('ABORTED', "Cancelled by the customer"), ('NEW', "Something else happened"),
        ):
            with self.subTest(name=name):
                event = self._tell('reference', name=name).with_user(self.administrator)
                self.assertEqual(event.label, words)

    #=== Rights ===#

    def test_events_are_read_by_administrators_of_the_company_only(self):
        event = self._tell('reference')
        self.assertEqual(event.with_user(self.administrator).read(['name'])[0]['name'], event.name)
        for name, user in self._prepare_strangers().items():
            with self.subTest(user=name), self.assertRaises(AccessError):
                event.with_user(user).read(['name'])

    def test_administrators_of_another_company_do_not_find_events(self):
        self._tell('reference')
        stranger = self._create_user('base.group_system', self.company_data_2['company'])
        Event = self.env['vipps.webhook.event']
        self.assertTrue(Event.with_user(self.administrator).search_count([]))
        self.assertFalse(Event.with_user(stranger).search_count([]))

    def test_events_are_changed_by_nobody(self):
        event = self._tell('reference').with_user(self.administrator)
        for operation in (
            lambda: event.write({'state': 'ignored'}),
            lambda: event.unlink(),
            lambda: event.copy(),
            lambda: event.create({
                'provider_id': self.vipps.id, 'name': 'CREATED', 'reference': 'other',
                'psp_reference': 'other',
            }),
        ):
            with self.assertRaises(AccessError):
                operation()

    def _prepare_strangers(self):
        """ Return users of all kinds who have nothing to do with the events of our company. """
        return {
            'accountant': self.accountant,
            'head of accounting': self._create_user('account.group_account_manager', self.company),
            'salesman': self.salesman,
            'portal': self.portal_user,
            'public': self.public_user,
            'administrator elsewhere': self._create_user(
                'base.group_system', self.company_data_2['company']
            ),
        }

    #=== Replay ===#

    def test_replay_deals_with_every_event_again_whatever_its_verdict(self):
        for state in ('pending', 'processed', 'unmatched', 'ignored', 'failed'):
            with self.subTest(state=state):
                tx = self._start_approved()
                event = self._tell(tx.vipps_payment_reference)
                self._set(event, state=state, error="It went wrong")
                if state != 'pending':
                    self.assertEqual(self._drain(), 0)
                triggers = self._count_triggers()
                event.with_user(self.administrator).action_replay()
                self.assertEqual((event.state, event.error), ('pending', False))
                self.assertEqual(self._count_triggers(), triggers + 1)
                self.assertEqual(self._drain(), 1)
                self.assertEqual(event.state, 'processed')
                self.assertEqual(tx.state, 'authorized')

    def test_many_events_are_replayed_at_once_from_the_list(self):
        txs = [self._start_approved() for _i in range(3)]
        events = self.env['vipps.webhook.event'].union(
            *(self._tell(tx.vipps_payment_reference) for tx in txs)
        )
        self._set(events, state='failed')
        triggers = self._count_triggers()
        events.with_user(self.administrator).action_replay()
        self.assertEqual(self._count_triggers(), triggers + 1)
        self.assertEqual(self._drain(), 3)
        self.assertEqual(set(events.mapped('state')), {'processed'})

    def test_replay_of_what_is_about_something_else_is_ignored_again_without_a_read(self):
        tx = self._start_approved()
        for values in ({'msn': DKK_UNIT.msn}, {'success': False}):
            with self.subTest(**values):
                event = self._tell(tx.vipps_payment_reference, **values)
                event.with_user(self.administrator).action_replay()
                self.assertEqual(self._drain(), 0)
                self.assertEqual(event.state, 'ignored')
        self.assertEqual(tx.state, 'draft')

    def test_what_somebody_has_dealt_with_needs_no_attention_anymore(self):
        event = self._tell(self._start_approved().vipps_payment_reference)
        with self.assertRaisesRegex(UserError, "need attention"):
            event.with_user(self.administrator).action_dismiss()
        self._set(event, state='unmatched', error="It was not found")
        event.with_user(self.administrator).action_dismiss()
        self.assertEqual(event.state, 'ignored')
        record, = self.env['vipps.audit.event'].search([('action', '=', 'dismissed')])
        self.assertEqual((record.reference, record.user_id), (event.reference, self.administrator))

    def test_replay_of_what_is_still_not_found_is_flagged_again(self):
        prefix = self.env['payment.transaction']._vipps_get_reference_prefix()
        with freeze_time(fields.Datetime.now()) as clock:
            event = self._tell(f'{prefix}-S00001-ABCDEF')
            for _i in range(2):
                clock.tick(timedelta(days=1))
                event.with_user(self.administrator).action_replay()
                self._drain()
                self.assertEqual(event.state, 'unmatched')
                self.assertFalse(event.error, "It is looked for as if it had just come.")
                clock.tick(timedelta(minutes=15))
                self._drain()
                self.assertEqual(event.state, 'unmatched')
                self.assertIn("no transaction", event.error)
        self.assertEqual(len(self._get_alerts()), 1)

    def test_replay_of_what_failed_for_a_week_is_tried_for_another_week(self):
        tx = self._start_approved()
        self.simulator.fault('get', 'status', status=503, times=None)
        with self._without_pauses(), freeze_time(fields.Datetime.now()) as clock:
            event = self._tell(tx.vipps_payment_reference)
            for _i in range(2):
                clock.tick(timedelta(days=8))
                event.with_user(self.administrator).action_replay()
                self._drain()
                self.assertEqual(event.state, 'pending')

    def test_replay_is_refused_to_everybody_else(self):
        event = self._tell('reference')
        self._set(event, state='failed', error="It went wrong")
        for name, user in self._prepare_strangers().items():
            with self.subTest(user=name), self.assertRaises(AccessError):
                event.with_user(user).action_replay()
            if name != 'administrator elsewhere':
                with self.subTest(user=name), self.assertRaises(AccessError):
                    event.browse().with_user(user).action_replay()
        self.env.invalidate_all()
        self.assertEqual((event.state, event.error), ('failed', "It went wrong"))

    #=== Retention ===#

    def _age(self, event, days):
        self.env.cr.execute(
            "UPDATE vipps_webhook_event SET create_date = now() AT TIME ZONE 'UTC' - %s * interval"
            " '1 day' WHERE id = %s", [days, event.id],
        )

    def _assert_kept(self, days):
        """ Ensure that events that were dealt with are kept for so many days. """
        young, old = self._tell('young'), self._tell('old')
        self._set(young + old, state='processed')
        self._age(young, days - 0.01)
        self._age(old, days + 0.01)
        self.vipps._gc_vipps_kept_data()
        self.env.invalidate_all()
        self.assertTrue(young.exists())
        self.assertFalse(old.exists())

    def test_events_that_were_dealt_with_are_removed_after_ninety_days(self):
        self._assert_kept(90)

    def test_days_can_be_configured(self):
        for days in (10, 400):
            with self.subTest(days=days):
                self.vipps.vipps_event_days = days
                self._assert_kept(days)

    def test_what_waits_for_the_job_or_was_lost_is_kept_for_ever(self):
        events = {state: self._tell(state) for state in (
            'pending', 'processed', 'unmatched', 'ignored', 'failed'
        )}
        for state, event in events.items():
            self._set(event, state=state, error=state == 'unmatched' and "Not found")
            self._age(event, 1000)
        waiting = self._tell('waiting')
        self._age(waiting, 1000)
        self.vipps._gc_vipps_kept_data()
        self.env.invalidate_all()
        self.assertEqual(
            {state for state, event in events.items() if event.exists()},
            {'pending', 'failed'},
        )
        self.assertTrue(waiting.exists())

    def test_events_of_other_providers_are_kept_as_long_as_theirs(self):
        other = self.vipps.copy({'vipps_event_days': 400})
        old, other_old = self._tell('old'), self._tell('other')
        self._set(old + other_old, state='processed')
        other_old.sudo().provider_id = other
        self.env.flush_all()
        for event in old + other_old:
            self._age(event, 91)
        self.vipps._gc_vipps_kept_data()
        self.env.invalidate_all()
        self.assertFalse(old.exists())
        self.assertTrue(other_old.exists())

    #=== Views ===#

    def test_views_load_for_administrators(self):
        event = self._tell('reference').with_user(self.administrator)
        form = Form(event, 'mobilepay_vipps.vipps_webhook_event_form')
        self.assertEqual(form.reference, 'reference')
        action = self.env.ref('mobilepay_vipps.action_vipps_webhook_event')
        views = event.get_views([(False, kind) for kind in ('tree', 'form', 'search')])['views']
        self.assertEqual(action.view_mode, 'tree,form')
        for kind in ('tree', 'form'):
            arch = etree.fromstring(views[kind]['arch'])
            self.assertTrue(arch.xpath("//header/button[@name='action_replay']"))
            self.assertEqual(
                {name: arch.get(name) for name in ('create', 'edit', 'delete')},
                dict.fromkeys(('create', 'edit', 'delete'), 'false'),
            )

    def test_filters_find_what_they_say(self):
        events = {}
        for state, error in (
            ('pending', False), ('unmatched', False), ('processed', False),
            ('unmatched', "Not found"), ('ignored', False), ('failed', "Not read"),
        ):
            events[state, bool(error)] = self._tell(f'{state}-{bool(error)}')
            self._set(events[state, bool(error)], state=state, error=error)
        arch = etree.fromstring(self.env['vipps.webhook.event'].with_user(self.administrator)
                                .get_view(view_type='search')['arch'])
        for name, label, expected in (
            ('to_do', "To Do", [('pending', False), ('unmatched', False)]),
            ('attention', "Needs Attention", [('unmatched', True), ('failed', True)]),
        ):
            with self.subTest(name=name):
                node, = arch.xpath(f"//filter[@name='{name}']")
                self.assertEqual(node.get('string'), label)
                found = self._get_inbox().search(safe_eval(node.get('domain')))
                self.assertEqual(set(found), {events[key] for key in expected})

    def test_menu_is_shown_to_administrators_only(self):
        menu = self.env.ref('mobilepay_vipps.menu_vipps_events')
        groups = 'account.group_account_manager'
        for name, user, is_shown in (
            ('both', self._create_user(f'base.group_system,{groups}', self.company), True),
            ('head of accounting', self._create_user(groups, self.company), False),
            ('salesman', self.salesman, False),
        ):
            with self.subTest(user=name):
                menus = self.env['ir.ui.menu'].with_user(user)._visible_menu_ids()
                self.assertEqual(menu.id in menus, is_shown)
