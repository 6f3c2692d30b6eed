# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from datetime import timedelta

from freezegun import freeze_time
from lxml import etree

from odoo import fields
from odoo.exceptions import AccessError, UserError
from odoo.tests import tagged
from odoo.tests.common import Opener
from odoo.tools.safe_eval import safe_eval

from ...models.provider.health import LISTS_SHOWN
from .test_health import HealthCommon


@tagged('post_install', '-at_install')
class TestHealthPage(HealthCommon):
    """ The page of a provider, and the report for monitoring systems. """

    #=== The page ===#

    def test_manager_reads_the_page_and_each_number_opens_its_list(self):
        self._store_event(minutes=16)
        self._store_event('failed')
        self._insert_call('refused', code='6140', status=400)
        open_tx, other_tx = self._start(), self._authorize()
        self._age(open_tx, hours=2)
        other_tx.sudo().vipps_difference = "Something differs"
        vipps = self.vipps.with_user(self.manager)
        action = self.env.ref('mobilepay_vipps.action_vipps_health').with_user(self.manager)
        self.assertIn(vipps, vipps.search(safe_eval(action.sudo().domain)))
        for view in action.sudo().view_ids.view_id:
            arch = etree.fromstring(vipps.get_view(view.id, view.type)['arch'])
            names = {node.get('name') for node in arch.iter('field')}
            self.assertTrue(vipps.read(sorted(names)))
            self.assertFalse({name for name in names if 'token' in name or 'secret' in name})
        health = vipps.vipps_health_details
        for list_name in LISTS_SHOWN:
            with self.subTest(list_name):
                action = vipps.action_vipps_open_list(list_name)
                records = self.env[action['res_model']].with_user(self.manager).search(
                    action['domain']
                )
                self.assertEqual(len(records), health['counts'][list_name])
        with self.assertRaises(UserError):
            vipps.action_vipps_open_list('mails_late')  # Not shown.
        self.assertIn("can only capture the full amount", health['errors'][0]['meaning'])
        self.assertEqual(vipps.action_vipps_open_health()['res_id'], vipps.id)

    def test_the_menu_opens_the_page_of_the_only_provider_and_else_the_list(self):
        menu_action = self.env.ref('mobilepay_vipps.menu_vipps_health').action
        menu_action = menu_action.with_user(self.manager).with_context(
            allowed_company_ids=self.company.ids
        )
        self.assertEqual(menu_action.run()['res_id'], self.vipps.id)
        self.vipps.copy()
        action = menu_action.run()
        self.assertFalse(action['res_id'])
        self.assertEqual(action['views'][0][1], 'tree')

    def test_success_rate_and_time_to_approval_are_of_payments_that_came_to_an_end(self):
        approved_tx, aborted_tx, _open_tx = self._start(), self._start(), self._start()
        self._approve(approved_tx)
        self.simulator.decline(aborted_tx.vipps_payment_reference)
        with freeze_time(approved_tx.create_date + timedelta(seconds=40)):
            self._refresh(approved_tx)
        self._refresh(aborted_tx)
        self.assertEqual(approved_tx.vipps_success_rate, 100)
        self.assertAlmostEqual(approved_tx.vipps_approval_seconds, 40, delta=1)
        self.assertFalse(aborted_tx.vipps_success_rate or aborted_tx.vipps_approval_seconds)
        vipps = self.vipps.with_user(self.manager)
        health = vipps.vipps_health_details
        self.assertEqual(health['counts']['started'], 3)
        self.assertEqual(health['approved_share'], 0.5)
        self.assertAlmostEqual(health['approval_seconds'], 40, delta=1)
        for name, measure, expected, delta in (
            ('action_vipps_success_rate', 'vipps_success_rate', 50, 0),
            ('action_vipps_approval_time', 'vipps_approval_seconds', 40, 1),
        ):
            action = self.env.ref(f'mobilepay_vipps.{name}')
            group, = self.env['payment.transaction'].with_user(self.manager).read_group(
                safe_eval(action.domain) + [('provider_id', '=', self.vipps.id)],
                [measure], ['create_date:day', 'vipps_market'], lazy=False,
            )
            self.assertAlmostEqual(group[measure], expected, delta=delta)

    def test_time_to_approval_is_told_by_the_event_when_the_payment_is_read_late(self):
        tx = self._start()
        tx.flush_recordset()
        self._store_event(
            'processed', name='AUTHORIZED', reference=tx.vipps_payment_reference,
            event_time=tx.create_date + timedelta(seconds=12),
        )
        self._approve(tx)
        with freeze_time(fields.Datetime.now() + timedelta(hours=1)):
            self._refresh(tx)
        self.assertEqual(tx.vipps_approval_seconds, 12)

    def test_nobody_else_sees_the_page_or_opens_its_lists(self):
        self._let_everybody_read_providers()
        for user in (self.accountant, self.salesman):
            vipps = self.vipps.with_user(user)
            with self.assertRaises(AccessError):
                vipps.read(['vipps_health'])
            with self.assertRaises(AccessError):
                vipps.action_vipps_open_list('open')
            with self.assertRaises(AccessError):
                vipps.action_vipps_open_health()
        vipps = self.vipps.with_user(self.other_manager)
        for operate in (
            lambda: vipps.read(['vipps_health']),
            lambda: vipps.read(['vipps_health_details']), vipps.action_vipps_open_health,
            lambda: vipps.action_vipps_open_list('open'),
        ):
            with self.assertRaises(AccessError):
                operate()
        self._insert_call('refused')
        self.assertFalse(self.env['vipps.api.call'].with_user(self.other_manager).search([]))

    #=== Monitoring ===#

    def _create_token(self):
        action = self.vipps.action_vipps_create_monitoring_token()
        self.env.flush_all()
        return action['params']['token']

    def _ask(self, token=None, method='get', kind='Bearer'):
        headers = {'Authorization': f'{kind} {token}'} if token else {}
        return Opener(self.cr).request(
            method, f'{self.base_url()}/payment/vipps/health', headers=headers, timeout=30,
        )

    def test_monitoring_system_reads_that_all_is_well_and_what_is_wrong(self):
        token = self._create_token()
        self._authorize()
        answer = self._ask(token)
        self.assertEqual((answer.status_code, answer.json()['status']), (200, 'ok'))
        self.assertNotIn('session_id', answer.cookies)
        self._store_event('failed')
        self.env.flush_all()
        answer = self._ask(token)
        self.assertEqual((answer.status_code, answer.json()['status']), (200, 'warning'))
        self._insert_call('no_answer', 6, minutes=5)
        self.env.flush_all()
        answer = self._ask(token)
        report = answer.json()
        self.assertEqual((answer.status_code, report['status']), (503, 'error'))
        self.assertEqual(
            [problem['key'] for problem in report['problems']], ['api', 'failed_events']
        )
        self.assertAlmostEqual(report['problems'][0]['age'], 300, delta=60)
        self.assertEqual(report['counts']['failed_events'], 1)
        for secret in (token, self.secret, self.partner.name, '98765432'):
            self.assertNotIn(secret, answer.text)

    def test_without_a_good_token_nothing_is_told(self):
        token = self._create_token()
        old_token, token = token, self._create_token()
        for bad in (None, old_token, token[:-1], 'x' * 200, 'ø'.encode().decode('latin-1')):
            with self.subTest(token=bad):
                answer = self._ask(bad)
                self.assertEqual((answer.status_code, answer.text), (401, ''))
        self.assertEqual(self._ask(token, kind='Basic').status_code, 401)
        self.assertEqual(self._ask(token, method='post').status_code, 405)
        self.assertEqual(self._ask(token).status_code, 200)
        self.vipps._vipps_write_protected({'vipps_monitoring_token_hash': False})
        self.env.flush_all()
        self.assertEqual(self._ask('None').status_code, 401)

    def test_token_is_made_by_administrators_and_never_stored_or_copied(self):
        token = self._create_token()
        self.assertNotIn(token, str(self.vipps.sudo().read()))
        self.assertFalse(self.vipps.copy().vipps_monitoring_token_hash)
        with self.assertRaises(AccessError):
            self.vipps.with_user(self.manager).action_vipps_create_monitoring_token()
        with self.assertRaises(AccessError):
            self.vipps.with_user(self.manager).read(['vipps_monitoring_token_hash'])

    def test_reading_the_health_changes_nothing(self):
        token = self._create_token()
        self._insert_call('no_answer', 6)
        self.env.flush_all()
        before = self.env['mail.activity'].search_count([])
        self.assertEqual(self._ask(token).status_code, 503)
        self.assertEqual(self.env['mail.activity'].search_count([]), before)
