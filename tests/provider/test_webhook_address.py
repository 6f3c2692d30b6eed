# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from datetime import timedelta

from freezegun import freeze_time

from odoo import fields
from odoo.tests import tagged
from odoo.tools import mute_logger

from ... import const
from ...protocol.tests.server import Server
from .test_webhook_watch import TROUBLE, WebhookWatchCommon


@tagged('post_install', '-at_install')
class TestWebhookAddress(WebhookWatchCommon):
    """ The address of the webhook: events arrive there, or the website has moved. """

    def _receive_event(self):
        tx = self._start()
        self.assertEqual(self._post(self._prepare_events(tx)[0]), 200)
        self.env.invalidate_all()

    def test_a_webhook_at_which_events_arrive_is_not_moved(self):
        """ Odoo changes web.base.url when an administrator logs in at another address. """
        self._receive_event()
        self._set_parameter('web.base.url', 'http://localhost')
        self._watch()
        for _day in range(2):
            self._assert_left_alone()
            activity, = self._get_activities()
            self.assertIn(self.url, activity.note)
            self.assertIn('http://localhost/payment', activity.note)
            self.assertIn('web.base.url.freeze', activity.note)
        self._set_parameter('web.base.url', 'http://127.0.0.1')
        self._watch()
        self.assertFalse(self._get_activities())

    def test_a_person_moves_a_webhook_at_which_events_arrive(self):
        self._receive_event()
        self._set_parameter('web.base.url', 'http://localhost')
        self._watch()
        self.vipps.action_vipps_set_up_webhooks()
        self.env.invalidate_all()
        self.assertIn('http://localhost', self.vipps.vipps_webhook_url)
        self.assertFalse(self._get_activities())

    def test_a_webhook_that_was_deleted_is_registered_where_events_arrived(self):
        self._receive_event()
        self.client.delete_webhook(self.vipps.vipps_webhook_id)
        self._set_parameter('web.base.url', 'http://localhost')
        self._watch()
        webhook, = self.client.list_webhooks()
        self.assertEqual(webhook['url'], self.url)
        self.assertEqual(self.vipps.vipps_webhook_url, self.url)

    def test_a_webhook_without_events_for_a_month_follows_the_address(self):
        self._receive_event()
        with freeze_time(fields.Datetime.now() + timedelta(days=31)):
            self._assert_moved()

    def test_webhook_of_a_former_address_is_replaced_where_this_database_answers(self):
        self._assert_moved()

    def _answer_as_own(self):
        database = self.env['payment.transaction']._vipps_get_reference_prefix()
        self._answer(401, {const.DATABASE_HEADER: database})

    def _assert_moved(self):
        self._answer_as_own()
        self._assert_repaired(self.url, url=self.vipps._vipps_get_webhook_url())

    def _assert_both_told(self):
        webhooks, webhook = self.client.list_webhooks(), self._read_webhook()
        self._watch()
        for _day in range(2):
            self._assert_left_alone()
            activity, = self._get_activities()
            self.assertEqual(activity.vipps_problem, 'webhook_address')
            self.assertIn(self.url, activity.note)
            self.assertIn(f'{self.vipps._vipps_get_webhook_url()}.', activity.note)
            self.assertIn("Set up Webhooks", activity.note)
        self._assert_kept(webhooks, webhook)

    def test_no_webhook_is_moved_to_an_address_at_which_nobody_answers(self):
        self._set_parameter('web.base.url', 'http://localhost')
        self._assert_both_told()
        self._receive_event()
        with freeze_time(fields.Datetime.now() + timedelta(days=31)):
            self._assert_both_told()
        # A person can still do it.
        self.vipps.action_vipps_set_up_webhooks()
        self.env.invalidate_all()
        self.assertIn('http://localhost', self.vipps.vipps_webhook_url)
        self.assertFalse(self._get_activities())

    def test_what_is_wrong_with_a_webhook_is_repaired_where_it_was(self):
        self._set_parameter('web.base.url', 'http://localhost')
        self.client.delete_webhook(self.vipps.vipps_webhook_id)
        self._watch()
        webhook, = self.client.list_webhooks()
        self.assertEqual(webhook['url'], self.url)
        self.assertEqual(
            set(self._get_activities().mapped('vipps_problem')),
            {'webhook_repaired', 'webhook_address'},
        )

    def test_events_are_remembered_that_were_removed(self):
        self._receive_event()
        self.env['vipps.webhook.event'].sudo().search([]).state = 'processed'
        self.vipps.vipps_event_days = 1
        last_event = self.vipps._vipps_get_last_event()
        self.env.flush_all()
        with freeze_time(fields.Datetime.now() + timedelta(days=20)):
            self.env['payment.provider']._gc_vipps_kept_data()
            self.env.invalidate_all()
            self.assertFalse(self.env['vipps.webhook.event'].sudo().search([]))
            self.assertEqual(self.vipps._vipps_get_last_event(), last_event)
            self._answer_as_own()
            self._assert_both_told()

    def test_check_ins_say_nothing_about_the_webhook_of_payments(self):
        self.env['vipps.webhook.event'].sudo().create({
            'provider_id': self.vipps.id, 'name': 'CHECKED_IN', 'reference': 'till',
            'psp_reference': 'hash', 'state': 'processed',
        })
        self._assert_moved()
        self.vipps.vipps_event_days = 1
        self.env.flush_all()
        with freeze_time(fields.Datetime.now() + timedelta(days=20)):
            self.env['payment.provider']._gc_vipps_kept_data()
        self.env.invalidate_all()
        self.assertFalse(self.env['vipps.webhook.event'].sudo().search([]))
        self.assertFalse(self.vipps._vipps_get_last_event())

    def _answer(self, status, headers=None):
        """ Let the website be something that answers with a status. """
        server = Server()
        self.addCleanup(server.close)
        server.answers = [(status, headers or {}, b'')]
        self._set_parameter('web.base.url', server.url)

    def test_only_our_own_answer_counts_as_a_webhook_that_can_be_reached(self):
        for status in (200, 400, 401, 403, 404, 429, 500, 502, 503):
            with self.subTest(status=status):
                self._answer(status)
                params = self.vipps.action_vipps_set_up_webhooks()['params']
                self.assertEqual((params['type'], params['sticky']), ('warning', True))
                self.assertIn(f"status {status}", params['message'])
        self._answer(401, {'X-Vipps-Database': 'other'})
        params = self.vipps.action_vipps_set_up_webhooks()['params']
        self.assertIn("status 401", params['message'])

    def test_the_answer_of_our_own_webhook_is_recognized(self):
        self._set_parameter('web.base.url', self.base_url())
        self.env.flush_all()
        with mute_logger('odoo.addons.mobilepay_vipps.controllers.main'):
            params = self.vipps.action_vipps_set_up_webhooks()['params']
        self.assertEqual(params['type'], 'success')
        self.assertIn(self.base_url(), params['message'])

    def test_the_job_does_not_register_an_address_at_which_something_else_answers(self):
        webhooks, webhook = self.client.list_webhooks(), self._read_webhook()
        self._answer(404)
        self._watch()
        activity, = self._get_activities()
        self.assertEqual(activity.summary, TROUBLE)
        self.assertIn("status 404", activity.note)
        self._assert_kept(webhooks, webhook)

    def _assert_address_reported(self, url):
        webhooks, webhook = self.client.list_webhooks(), self._read_webhook()
        self._set_parameter('web.base.url', url)
        self._watch()
        activity, = self._get_activities()
        self.assertEqual(activity.summary, TROUBLE)
        self.assertIn("web.base.url", activity.note)
        self._assert_kept(webhooks, webhook)

    def test_address_that_cannot_be_reached_anymore_is_reported(self):
        self._assert_address_reported('http://shop.example.com')

    @mute_logger('odoo.addons.mail.models.mail_mail')  # Mails need an address, too.
    def test_address_that_is_none_is_reported(self):
        self._assert_address_reported('https://[shop.example.com')
