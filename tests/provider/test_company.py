# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import json
from contextlib import suppress

from odoo.exceptions import AccessError
from odoo.tests import tagged
from odoo.tools import mute_logger

from ...simulator.sales_units import DKK_UNIT, NOK_UNIT
from ..common import KEYS, TransactionCommon
from ..jobs.test_webhook import WebhookCommon

MANAGER = 'mobilepay_vipps.group_payment_manager'


@tagged('post_install', '-at_install')
class TestCompany(WebhookCommon, TransactionCommon):
    """ Two companies, each with a sales unit, and a branch of the first one. """

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.other_company = cls.env['res.company'].create({
            'name': "Another Shop", 'currency_id': cls.currency_dkk.id,
        })
        cls.branch = cls.env['res.company'].create({
            'name': "A Branch", 'parent_id': cls.company.id,
        })
        cls.other_vipps = cls.vipps.copy({
            'company_id': cls.other_company.id,
            'vipps_merchant_serial_number': DKK_UNIT.msn,
            'vipps_client_id': DKK_UNIT.client_id,
            'vipps_client_secret': DKK_UNIT.client_secret,
            'vipps_subscription_key': DKK_UNIT.subscription_key,
            'state': 'test',
        })
        cls.administrator, cls.other_administrator = (
            cls._create_user('base.group_system', company)
            for company in (cls.company, cls.other_company)
        )

    @classmethod
    def _create_user(cls, group, company):
        return cls._new_user(f'company_{group}_{company.id}', f'base.group_user,{group}', company)

    def setUp(self):
        super().setUp()
        self.other_vipps.action_vipps_set_up_webhooks()
        self.other_secret = self.other_vipps._vipps_get_secret('vipps_webhook_secret')

    def _start_other(self):
        return self._start(
            provider_id=self.other_vipps.id, currency_id=self.currency_dkk.id,
            payment_method_id=self.method_mobile_pay.id,
        )

    def _post_to_other(self, body):
        """ Call the webhook of the other company with a good signature. """
        body = json.dumps(body).encode()
        headers = self._sign(body, self.other_vipps, self.other_secret)
        return self._post(body, headers, self.other_vipps.id)

    def _list_urls(self, provider):
        return sorted(
            webhook['url']
            for webhook in self.env['vipps.api.client']._call(provider, 'list_webhooks')
        )

    #=== Payments ===#

    def test_each_company_uses_its_own_keys(self):
        tx, other_tx = self._start(), self._start_other()
        for payment, unit in ((tx, NOK_UNIT), (other_tx, DKK_UNIT)):
            calls = self._get_calls('create', payment)
            self.assertEqual([call['msn'] for call in calls], [unit.msn])
        self.assertEqual(other_tx.company_id, self.other_company)

    def test_what_keeps_one_company_from_reading_does_not_keep_the_other(self):
        tx, other_tx = self._start(), self._start_other()
        for payment in (tx, other_tx):
            self._approve(payment)
        self.other_vipps.vipps_client_secret = 'fake-wrong'
        self._run_job()
        self.assertEqual((tx.state, other_tx.state), ('authorized', 'draft'))

    #=== Webhooks ===#

    def test_an_event_signed_by_another_company_touches_no_payment_and_wakes_no_till(self):
        tx = self._start()
        self._approve(tx)
        self._get_tasks(tx, 'sync').unlink()
        for event in self._prepare_events(tx):
            for msn in (DKK_UNIT.msn, NOK_UNIT.msn):
                self.assertEqual(self._post_to_other({**event, 'msn': msn}), 200)
        self.assertEqual(self._drain(), 0)
        self.assertEqual(tx.state, 'draft')
        self.assertEqual(set(self._get_inbox().mapped('state')), {'ignored'})
        # What the company itself is told counts all the same.
        self.assertEqual(self._post(self._prepare_events(tx)[-1]), 200)
        self.assertEqual(self._drain(), 1)
        self.assertEqual(tx.state, 'authorized')

    def test_the_signature_of_another_company_opens_no_webhook_of_ours(self):
        tx = self._start()
        body = json.dumps(self._prepare_events(tx)[0]).encode()
        headers = self._sign(body, secret=self.other_secret)
        self.assertEqual(self._post(body, headers), 401)
        headers = self._sign(body, self.other_vipps, self.other_secret)
        self.assertEqual(self._post(body, headers), 401)
        self.assertFalse(self._get_inbox())

    def test_who_shares_a_sales_unit_keeps_the_webhook_of_the_other(self):
        for company in (self.company, self.other_company):
            with self.subTest(company=company.name):
                other = self.vipps.copy({**KEYS, 'company_id': company.id, 'state': 'test'})
                self.env.cr.postcommit.run()
                other.action_vipps_set_up_webhooks()
                self.vipps.action_vipps_set_up_webhooks()
                self.env.cr.postcommit.run()
                urls = self._list_urls(self.vipps)
                self.assertIn(self.vipps.vipps_webhook_url, urls)
                self.assertIn(other.vipps_webhook_url, urls)
                self.assertFalse(self.vipps.vipps_foreign_webhooks)

    #=== People ===#

    def test_an_administrator_of_another_company_sees_nothing_and_changes_nothing(self):
        tx = self._authorize()
        vipps = self.vipps.with_user(self.other_administrator)
        providers = self.env['payment.provider'].with_user(self.other_administrator).search([])
        self.assertIn(self.other_vipps, providers)
        self.assertNotIn(self.vipps, providers)
        for name in vipps._fields:
            if name.startswith('vipps_'):
                with self.subTest(name=name), self.assertRaises(AccessError):
                    vipps.read([name])
        with self.assertRaises(AccessError):
            vipps.write({'vipps_client_secret': 'x'})
        with self.assertRaises(AccessError):
            self.env['vipps.key.rotation'].with_user(self.other_administrator).create({
                'provider_id': self.vipps.id, 'vipps_client_id': NOK_UNIT.client_id,
            }).action_rotate()
        for model in (
            'payment.transaction', 'vipps.webhook.event', 'vipps.audit.event', 'vipps.api.call',
        ):
            found = self.env[model].with_user(self.other_administrator).search([])
            self.assertFalse(found.filtered(lambda record: record.provider_id == self.vipps))
        self.assertEqual(tx.state, 'authorized')

    def test_reports_count_what_is_ones_own(self):
        self._authorize()
        for user, count in ((self.administrator, 1), (self.other_administrator, 0)):
            groups = self.env['payment.transaction'].with_user(user).read_group(
                [('vipps_payment_reference', '!=', False)], ['amount:sum'], ['vipps_payment_state']
            )
            self.assertEqual(sum(group['vipps_payment_state_count'] for group in groups), count)

    def test_a_payment_manager_of_a_branch_is_told_nothing_of_the_provider_but_its_name(self):
        manager = self._create_user(f'{MANAGER},base.group_allow_export', self.branch)
        self._authorize()
        self.vipps._vipps_alert_administrator('payment', "A note")
        self.env.invalidate_all()
        vipps = self.vipps.with_user(manager)
        self.assertFalse(vipps.search([('code', '=', 'vipps')]))
        names = [name for name in vipps.fields_get() if name != 'id']
        self.assertIn('vipps_health_details', names)
        for name in names:
            for method, argument in (
                ('read', [name]), ('web_read', {name: {}}), ('export_data', [name]),
            ):
                self.env.invalidate_all()
                with self.subTest(name=name, method=method), self.assertRaises(AccessError):
                    getattr(vipps, method)(argument)
            with self.subTest(name=name):
                self.env.invalidate_all()
                told = {}
                with suppress(AccessError):
                    told = vipps.onchange({}, [], {name: {}}).get('value', {})
                self.assertFalse(any(told.values()), told)
        with self.assertRaises(AccessError):
            vipps.action_vipps_test_connection()
        for model in ('vipps.webhook.event', 'vipps.audit.event', 'vipps.api.call'):
            found = self.env[model].with_user(manager).search([])
            self.assertFalse(found.filtered(lambda record: record.provider_id == self.vipps))
        for records in (self.vipps.message_ids, self.vipps.activity_ids):
            self.assertTrue(records)
            self.assertFalse(records.with_user(manager).search([('id', 'in', records.ids)]))

    def test_a_problem_is_told_to_an_administrator_of_its_company(self):
        for provider, stranger in (
            (self.vipps, self.other_administrator), (self.other_vipps, self.administrator),
        ):
            provider._vipps_alert_administrator('payment', "A note")
            self.env.invalidate_all()
            users = provider.activity_ids.user_id
            self.assertIn(provider.company_id, users.company_ids)
            self.assertTrue(users.has_group('base.group_system'))
            self.assertNotEqual(users, stranger)

    def test_a_removed_administrator_is_told_nothing(self):
        for user in self.env.ref('base.group_system').users - self.other_administrator:
            user.company_ids -= self.other_company
        self.other_vipps._vipps_alert_administrator('webhook_watch', "A note")
        self.env.invalidate_all()
        self.assertEqual(self.other_vipps.activity_ids.user_id, self.other_administrator)
        self.other_administrator.active = False
        self.other_vipps._vipps_alert_administrator('comparison', "A note")
        self.env.invalidate_all()
        alert = self.other_vipps.activity_ids.filtered(lambda a: a.vipps_problem == 'comparison')
        self.assertTrue(alert)
        self.assertNotEqual(alert.user_id, self.other_administrator)

    #=== A company that is closed ===#

    @mute_logger('odoo.addons.mobilepay_vipps.models.provider.payment_provider')
    def test_payments_of_an_archived_company_are_read_and_problems_told_once(self):
        tx = self._start_other()
        self._approve(tx)
        self.other_administrator.active = False
        self.other_company.active = False
        self._run_job()
        self.assertEqual(tx.state, 'authorized')
        self.other_vipps.vipps_client_secret = 'fake-wrong'
        for _day in range(2):
            self.env['payment.provider']._cron_vipps_watch_webhooks()
            self.env['payment.provider']._cron_vipps_watch_health()
        self.env.invalidate_all()
        problems = self.other_vipps.activity_ids.mapped('vipps_problem')
        self.assertEqual(len(problems), len(set(problems)))
