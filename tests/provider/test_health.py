# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import contextlib
import os
from datetime import timedelta
from unittest.mock import patch

from cryptography.fernet import Fernet
from freezegun import freeze_time

from odoo import fields
from odoo.exceptions import UserError
from odoo.tests import tagged
from odoo.tools import mute_logger

from ...encryption import KEY_VARIABLE
from ..common import TransactionCommon
from ..jobs.test_webhook import WebhookCommon


class HealthCommon(WebhookCommon, TransactionCommon):
    has_second_company = True

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.manager = cls._create_manager('vipps_manager', cls.company)
        cls.other_company = cls.company_data_2['company']
        cls.other_manager = cls._create_manager('vipps_other_manager', cls.other_company)

    @classmethod
    def _create_manager(cls, login, company):
        return cls._new_user(
            login, 'base.group_user,mobilepay_vipps.group_payment_manager', company,
        )

    def _insert_call(self, outcome='success', count=1, minutes=0, clock_offset=0, **values):
        """ Store calls as if they had been made some minutes ago. """
        moment = fields.Datetime.now() - timedelta(minutes=minutes)
        for number in range(count):
            self.env['vipps.api.call'].sudo()._store({
                'provider_id': self.vipps.id, 'environment': 'test', 'operation': 'get',
                'reference': f'ref-{number}', 'outcome': outcome, 'status': None, 'code': None,
                'trace_id': None, 'duration': 100, 'clock_offset': clock_offset,
                'create_date': moment, **values,
            })
        self.env.invalidate_all()

    def _get_problems(self):
        self.env.flush_all()
        self.env.invalidate_all()
        return {problem['key']: problem for problem in self.vipps._vipps_get_problems()}

    def _watch(self):
        self.env.flush_all()
        self.env['payment.provider']._cron_vipps_watch_health()
        self.env.invalidate_all()

    def _get_alert_keys(self):
        return self._get_activities().mapped('vipps_problem')

    def _age(self, records, **delta):
        """ Let records be older. """
        records.flush_recordset()
        self.env.cr.execute(
            f'UPDATE "{records._table}" SET create_date = create_date - %s WHERE id = ANY(%s)',
            [timedelta(**delta), records.ids],
        )
        self.env.invalidate_all()

    def _store_event(self, state='pending', minutes=0, **values):
        moment = fields.Datetime.now() - timedelta(minutes=minutes)
        return self.env['vipps.webhook.event'].sudo().create({
            'provider_id': self.vipps.id, 'name': 'CREATED', 'reference': 'a-reference',
            'psp_reference': f'psp-{state}-{minutes}', 'state': state, 'pending_since': moment,
            'error': state in ('unmatched', 'failed') and "It went wrong", **values,
        })


@tagged('post_install', '-at_install')
class TestHealth(HealthCommon):
    """ The problems of a provider, and the activities about them. """

    #=== Problems ===#

    def test_all_is_well_when_nothing_is_wrong(self):
        self._authorize()
        self._insert_call()
        self.assertFalse(self._get_problems())
        vipps = self.vipps.with_user(self.manager)
        self.assertEqual(vipps.vipps_health, 'ok')
        self.assertEqual(vipps.vipps_verdict, "Everything works.")
        health = vipps.vipps_health_details
        self.assertEqual(health['access'], 'works')
        self.assertTrue(health['has_webhook'])

    def test_api_that_does_not_answer_and_keys_that_are_refused_are_two_problems(self):
        self._insert_call('no_answer', 4)
        self.assertNotIn('api', self._get_problems())
        self._insert_call('no_answer', 2)
        self.assertEqual(self._get_problems()['api']['level'], 'error')
        self._insert_call('unauthorized')
        problems = self._get_problems()
        self.assertIn('keys', problems)
        self.assertNotIn('api', problems)
        health = self.vipps.vipps_health_details
        self.assertEqual(health['access'], 'refused')
        self.assertTrue(health['paused_for'])
        self._insert_call()
        self.assertFalse(self._get_problems())
        self.assertFalse(self.vipps.vipps_health_details['paused_for'])

    def test_lost_encryption_key_is_told_and_the_page_still_opens(self):
        with patch.dict(os.environ, {KEY_VARIABLE: Fernet.generate_key().decode()}):
            self.assertIn('encryption', self._get_problems())
            self.assertEqual(self.vipps.with_user(self.manager).vipps_health, 'error')
        self.assertFalse(self._get_problems())

    def test_wrong_clock_is_told(self):
        self._insert_call(clock_offset=-119)
        self.assertFalse(self._get_problems())
        self._insert_call('no_answer', clock_offset=-121)
        self.assertIn("121 seconds", self._get_problems()['clock']['note'])
        with freeze_time(fields.Datetime.now() + timedelta(minutes=6)):
            self._insert_call(clock_offset=0)
        self.assertFalse(self._get_problems())

    def test_missing_webhook_is_told_when_there_could_be_one(self):
        self.vipps.vipps_webhook_url = False
        self.assertIn('webhook', self._get_problems())
        self.env['ir.config_parameter'].sudo().set_param('web.base.url', 'http://shop.local')
        self.assertFalse(self._get_problems())  # In test mode, on somebody's own machine.

    def test_payments_without_any_event_are_told(self):
        txs = [self._start() for _i in range(3)]
        self.assertFalse(self._get_problems())
        for tx in txs:
            self._age(tx, minutes=20)
        self._store_event('processed', name='CHECKED_IN')
        self.assertIn('events', self._get_problems())
        self._store_event('processed')
        self.assertFalse(self._get_problems())

    def test_inbox_that_waits_and_events_that_failed_are_told(self):
        self._store_event(minutes=14)
        self.assertFalse(self._get_problems())
        self._store_event(minutes=16)
        self._store_event('failed')
        problems = self._get_problems()
        self.assertEqual(set(problems), {'inbox', 'failed_events'})
        self.assertEqual(problems['inbox']['count'], 1)
        counts = self.vipps.vipps_health_details['counts']
        self.assertEqual((counts['inbox'], counts['failed_events']), (2, 1))

    def test_payments_that_are_open_near_their_deadline_different_or_not_booked_are_told(self):
        self._store_event('processed')
        open_tx, reserved_tx, other_tx = self._start(), self._authorize(), self._authorize()
        self._age(open_tx, hours=2)
        reserved_tx.sudo().vipps_capture_deadline = fields.Datetime.now() + timedelta(days=2)
        other_tx.sudo().vipps_guaranteed_until = fields.Datetime.now() + timedelta(days=1)
        other_tx.sudo().vipps_difference = "Something differs"
        other_tx.sudo().state = 'done'
        self.env['vipps.task'].sudo().create({
            'transaction_id': other_tx.id, 'kind': 'book', 'tries': 1,
            'due': fields.Datetime.now() + timedelta(hours=1),
        })
        problems = self._get_problems()
        self.assertEqual(
            list(problems), ['bookings', 'open_payments', 'deadlines', 'guarantees', 'differences']
        )
        counts = self.vipps.vipps_health_details['counts']
        self.assertEqual((counts['near_deadline'], counts['near_guarantee']), (1, 1))
        self.assertEqual(
            (counts['open'], counts['open_10_minutes'], counts['open_1_hour']), (1, 1, 1),
        )

    def test_disabled_provider_is_not_in_use_until_something_is_reserved(self):
        self.vipps.vipps_webhook_url = False
        self.vipps.state = 'disabled'
        self.assertFalse(self._get_problems())
        self.assertEqual(self.vipps.vipps_health, 'off')
        self.vipps.state = 'test'
        self._authorize()
        self.vipps.state = 'disabled'
        self.assertIn('webhook', self._get_problems())

    def test_webhooks_are_watched_as_long_as_something_is_reserved(self):
        def watch():
            before = len(self._get_calls('list_webhooks'))
            self.env.flush_all()
            self.env['payment.provider']._cron_vipps_watch_webhooks()
            return len(self._get_calls('list_webhooks')) - before

        tx = self._authorize()
        self.vipps.state = 'disabled'
        self.assertEqual(watch(), 1)
        self.simulator.cancel(tx.vipps_payment_reference)
        self._refresh(tx)
        self.assertEqual(watch(), 0)

    #=== Activities ===#

    def test_problem_raises_one_activity_which_closes_by_itself(self):
        self._insert_call('no_answer', 6)
        for _i in range(2):
            self._watch()
            self.assertEqual(self._get_alert_keys(), ['api'])
        self._insert_call()
        self._watch()
        self.assertFalse(self._get_activities())

    def test_activity_is_found_again_in_any_language(self):
        self.env['res.lang']._activate_lang('nb_NO')
        self._insert_call('no_answer', 6)
        self._watch()
        self.vipps._vipps_get_administrator().sudo().lang = 'nb_NO'
        self._watch()
        self.vipps.with_context(lang='nb_NO')._vipps_alert_administrator('api', "Noe annet")
        self.assertEqual(self._get_alert_keys(), ['api'])

    def test_what_somebody_met_is_told_once_and_closes_when_it_is_over(self):
        tx = self._authorize().sudo()
        for _i in range(2):
            tx._vipps_flag_difference("Something differs")
        self.assertEqual(self._get_alert_keys(), ['differences'])
        self._watch()
        self.assertEqual(self._get_alert_keys(), ['differences'])
        tx._vipps_flag_difference(None)
        self._watch()
        self.assertFalse(self._get_activities())

    def test_customers_who_could_not_pay_are_forgotten_when_others_can(self):
        self.simulator.fault('create', 'refuse', times=1, code='5060')
        with contextlib.suppress(UserError):  # Without the savepoint of `assertRaises`.
            self._start()
        self.assertEqual(self._get_alert_keys(), ['checkout'])
        self._age(self._get_activities(), minutes=2)
        self._watch()
        self.assertEqual(self._get_alert_keys(), ['checkout'])
        self._start()
        self._watch()
        self.assertFalse(self._get_activities())

    def test_payment_that_could_not_be_processed_is_forgotten_when_it_is(self):
        tx = self._authorize().sudo()

        def fail():
            raise UserError("The journal is missing.")

        with mute_logger('odoo.addons.mobilepay_vipps.models.transaction.sync'):
            for _i in range(2):
                tx._vipps_try(fail)
        self.assertEqual(self._get_alert_keys(), [f'payment:{tx.id}'])
        self._age(self._get_activities(), days=1)
        self._watch()
        self.assertEqual(self._get_alert_keys(), [f'payment:{tx.id}'])
        tx._vipps_try(tx._vipps_sync)
        self.assertFalse(self._get_activities())

    def test_webhook_that_was_repaired_is_told_for_a_week(self):
        self.vipps._vipps_alert_administrator('webhook_repaired', values="It was gone.")
        self._age(self._get_activities(), days=6)
        self._watch()
        self.assertEqual(self._get_alert_keys(), ['webhook_repaired'])
        self._age(self._get_activities(), days=2)
        self._watch()
        self.assertFalse(self._get_activities())

    def test_what_is_to_be_done_about_one_payment_stays_until_it_is_done(self):
        self.vipps.activity_schedule(
            'mail.mail_activity_data_warning', summary="Refund", vipps_problem='refund:1',
        )
        self._age(self._get_activities(), days=30)
        self._watch()
        self.assertEqual(self._get_alert_keys(), ['refund:1'])

    def test_keys_that_were_only_tried_out_are_not_those_that_payments_are_made_with(self):
        self._insert_call()
        self.vipps.vipps_client_secret = 'mistyped'
        with self.assertRaises(UserError):
            self.vipps.action_vipps_test_connection()
        self.env.cr.postcommit.run()
        self.env.invalidate_all()
        self.assertEqual(self.vipps.vipps_health_details['access'], 'works')

    def test_activity_of_a_person_is_left_alone(self):
        self.vipps.activity_schedule('mail.mail_activity_data_todo', summary="Call the bank")
        self._watch()
        self.assertEqual(self._get_activities().summary, "Call the bank")

    def test_job_finds_out_that_there_is_an_answer_again_when_nobody_buys(self):
        tx = self._authorize()
        self._insert_call('no_answer', 6)
        calls = len(self.simulator.exchanges)
        self._watch()
        self.assertEqual(len(self.simulator.exchanges), calls)  # Not before the pause is over.
        with freeze_time(fields.Datetime.now() + timedelta(minutes=2)):
            self._watch()
        self.assertEqual(
            [(call['operation'], call['reference']) for call in self.simulator.exchanges[calls:]],
            [('get', tx.vipps_payment_reference)],
        )
