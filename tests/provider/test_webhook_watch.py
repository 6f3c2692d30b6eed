# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import contextlib
import os
from datetime import timedelta
from unittest.mock import patch

from cryptography.fernet import Fernet
from freezegun import freeze_time

from odoo import fields
from odoo.exceptions import AccessError
from odoo.sql_db import TestCursor
from odoo.tests import tagged
from odoo.tools import mute_logger

from ... import const, encryption
from ...protocol.payloads import PAYMENT_EVENTS
from ...simulator.sales_units import NOK_UNIT
from ..common import KEYS, TransactionCommon
from ..jobs.test_webhook import WebhookCommon

PROVIDER_LOGGER = 'odoo.addons.mobilepay_vipps.models.provider.payment_provider'
REPAIRED, TROUBLE = "The webhook was repaired", "Events of Vipps MobilePay may not arrive"
OTHER_URL = 'http://127.0.0.1/other'


class WebhookWatchCommon(WebhookCommon, TransactionCommon):

    def setUp(self):
        super().setUp()
        self.client = self.env['vipps.api.client']._connect(self.vipps)
        self.url = self.vipps.vipps_webhook_url

    def _set_parameter(self, name, value):
        self.env['ir.config_parameter'].sudo().set_param(name, value)

    def _watch(self):
        """ Run the job, with what it does after its commits. """
        commit = TestCursor.commit

        def commit_and_run_hooks(cursor):
            # Those of others, as of the bus, are not for tests.
            hooks = [
                hook for hook in cursor.postcommit._funcs
                if getattr(hook, '__module__', '').startswith('odoo.addons.mobilepay_vipps.')
            ]
            commit(cursor)
            for hook in hooks:
                hook()

        self.env.flush_all()
        with patch.object(TestCursor, 'commit', commit_and_run_hooks):
            self.env['payment.provider']._cron_vipps_watch_webhooks()
        self.env.invalidate_all()

    def _copy_provider(self):
        """ Return another provider of this database whose webhook is set up. """
        other = self.vipps.copy({**KEYS, 'state': 'test'})
        other.action_vipps_set_up_webhooks()
        return other

    def _read_webhook(self):
        """ Return what the webhook is known by. """
        return self.vipps.sudo().read([
            'vipps_webhook_id', 'vipps_webhook_url', 'vipps_webhook_secret_ciphertext',
            'vipps_webhook_previous_secrets',
        ])

    def _assert_repaired(self, words, url=None):
        """ Ensure that the job repairs the webhook, once, and says what was wrong. """
        self._watch()
        webhook, = self.client.list_webhooks()
        self.assertEqual(webhook['id'], self.vipps.vipps_webhook_id)
        self.assertEqual(webhook['url'], url or self.url)
        self.assertEqual(self.vipps.vipps_webhook_url, url or self.url)
        self.assertEqual(set(webhook['events']), set(PAYMENT_EVENTS))
        activity, = self._get_activities()
        self.assertEqual(activity.summary, REPAIRED)
        self.assertIn(words, activity.note)
        self._assert_left_alone()
        # The secret is the one that Vipps MobilePay signs with.
        secret = self.simulator._world.registrations[webhook['id']].secret
        self.assertEqual(self.vipps._vipps_get_secret('vipps_webhook_secret'), secret)

    def _assert_left_alone(self):
        """ Ensure that the job changes nothing, and alerts nobody anew. """
        webhooks, webhook = self.client.list_webhooks(), self._read_webhook()
        activities = self._get_activities()
        self._watch()
        self.assertEqual(self.client.list_webhooks(), webhooks)
        self.assertEqual(self._read_webhook(), webhook)
        self.assertEqual(self._get_activities(), activities)

    def _assert_kept(self, webhooks, webhook):
        self.assertEqual(self._read_webhook(), webhook)
        self.assertLessEqual(
            {known['id'] for known in webhooks},
            {known['id'] for known in self.client.list_webhooks()},
        )


@tagged('post_install', '-at_install')
class TestWebhookWatch(WebhookWatchCommon):
    """ The daily job that sees that events come to us. """

    #=== What is right, and what is not ours ===#

    def test_webhook_that_is_right_is_left_alone(self):
        calls = len(self.simulator.exchanges)
        self._watch()
        operations = [call['operation'] for call in self.simulator.exchanges[calls:]]
        self.assertEqual(operations, ['list_webhooks'])
        self._assert_left_alone()
        self.assertFalse(self._get_activities())

    def test_webhooks_of_others_are_left_and_shown(self):
        others = [self.client.register_webhook(f'{OTHER_URL}/{name}', PAYMENT_EVENTS)['id']
                  for name in 'ba']
        self._assert_left_alone()
        self.assertFalse(self._get_activities())
        self.assertEqual(
            self.vipps.vipps_foreign_webhooks, f'{OTHER_URL}/a\n{OTHER_URL}/b'
        )
        for other in others:
            self.client.delete_webhook(other)
        self._watch()
        self.assertFalse(self.vipps.vipps_foreign_webhooks)

    def test_webhooks_of_other_providers_of_this_database_are_left_and_not_shown(self):
        other = self._copy_provider()
        self._assert_left_alone()
        self.assertEqual(len(self.client.list_webhooks()), 2)
        for provider in self.vipps + other:
            self.assertFalse(provider.vipps_foreign_webhooks)

    def test_provider_that_is_only_tried_out_is_left_in_peace(self):
        self.vipps.sudo().write(dict.fromkeys(
            ('vipps_webhook_id', 'vipps_webhook_url', 'vipps_webhook_secret')
        ))
        self._set_parameter(const.TEST_API_URL_PARAMETER, False)
        calls = len(self.simulator.exchanges)
        for url in ('http://127.0.0.1:8069', 'http://localhost', 'http://shop.example.com', ''):
            with self.subTest(url=url):
                self._set_parameter('web.base.url', url)
                self._watch()
                self.assertFalse(self._get_activities())
                self.assertFalse(self.vipps.vipps_webhook_id)
        self.assertEqual(len(self.simulator.exchanges), calls)

    def test_provider_that_is_disabled_or_has_no_keys_calls_nobody(self):
        self.vipps.state = 'disabled'
        other = self._copy_provider()
        other.state = 'disabled'
        other.write(dict.fromkeys(
            ('vipps_client_id', 'vipps_client_secret', 'vipps_subscription_key')
        ))
        other.sudo()._write({'state': 'test'})  # As by a script.
        for webhook in self.client.list_webhooks():
            self.client.delete_webhook(webhook['id'])
        calls = len(self.simulator.exchanges)
        self._watch()
        self.assertEqual(len(self.simulator.exchanges), calls)
        self.assertFalse(self._get_activities() + other.activity_ids)

    #=== Repaired ===#

    def test_webhook_that_was_never_set_up_is_set_up(self):
        self.client.delete_webhook(self.vipps.vipps_webhook_id)
        self.vipps.sudo().write(dict.fromkeys(
            ('vipps_webhook_id', 'vipps_webhook_url', 'vipps_webhook_secret')
        ))
        self._assert_repaired("was not set up")

    def test_webhook_whose_registration_was_forgotten_is_replaced(self):
        self.vipps.sudo().vipps_webhook_id = False
        self._assert_repaired("was not set up")

    def test_webhook_that_was_deleted_is_registered_again(self):
        self.client.delete_webhook(self.vipps.vipps_webhook_id)
        self._assert_repaired("no longer registered at Vipps MobilePay")

    def test_webhook_that_was_registered_twice_keeps_its_registration_and_secret(self):
        webhook = self._read_webhook()
        self.client.register_webhook(self.url, PAYMENT_EVENTS)
        self._assert_repaired("more than once")
        self.assertEqual(self._read_webhook(), webhook)

    def test_webhook_with_fewer_events_is_replaced(self):
        self.client.delete_webhook(self.vipps.vipps_webhook_id)
        webhook = self.client.register_webhook(self.url, PAYMENT_EVENTS[:-1])
        self.vipps.sudo().write({
            'vipps_webhook_id': webhook['id'], 'vipps_webhook_secret': webhook['secret'],
        })
        self._assert_repaired("not registered for all events")

    def test_webhook_without_a_secret_is_replaced(self):
        self.vipps.sudo().vipps_webhook_secret = False
        self._assert_repaired("secret of the webhook could not be read")

    def test_webhook_whose_secret_cannot_be_decrypted_is_replaced(self):
        key = Fernet.generate_key().decode()
        with patch.dict(os.environ, {encryption.KEY_VARIABLE: key}):
            self.vipps.sudo().vipps_webhook_secret = 'fake-secret'
        with mute_logger(PROVIDER_LOGGER):
            self._assert_repaired("secret of the webhook could not be read")

    #=== Trouble ===#

    def _break(self):
        """ Let the webhook be one that has to be replaced. """
        self.client.delete_webhook(self.vipps.vipps_webhook_id)
        self.client.register_webhook(self.url, PAYMENT_EVENTS)

    def test_nothing_is_lost_and_nobody_alarmed_while_the_api_does_not_answer(self):
        self._break()
        webhooks, webhook = self.client.list_webhooks(), self._read_webhook()
        for passed in range(2):
            for fault in (
                {'kind': 'status', 'status': 503}, {'kind': 'status', 'status': 429},
                {'kind': 'lost'}, {'kind': 'lost_answer'}, {'kind': 'garbage'},
            ):
                with self.subTest(passed=passed, **fault), self._without_pauses():
                    if passed:  # It is the registration that is not answered.
                        self.simulator.fault('webhooks', 'latency', seconds=0)
                    self.simulator.fault('webhooks', times=None, **fault)
                    self._watch()
                    self.simulator.clear_faults()
                    self._assert_kept(webhooks, webhook)
                    self.assertFalse(self._get_activities())
        self._assert_repaired("no longer registered at Vipps MobilePay")

    def test_what_cannot_be_deleted_is_deleted_the_next_day(self):
        self._break()
        self.simulator.fault('webhooks', 'latency', seconds=0, times=2)
        self.simulator.fault('webhooks', 'status', status=503, times=None)
        with self._without_pauses():
            self._watch()
        self.simulator.clear_faults()
        self.assertEqual(len(self.client.list_webhooks()), 2)
        webhook = self._read_webhook()
        self._watch()
        self._assert_kept([{'id': self.vipps.vipps_webhook_id}], webhook)
        self.assertEqual(len(self.client.list_webhooks()), 1)

    def test_keys_that_are_refused_are_reported_once(self):
        webhooks, webhook = self.client.list_webhooks(), self._read_webhook()
        self.vipps.sudo().vipps_client_secret = 'fake-wrong'
        for _day in range(2):
            self._watch()
            activity, = self._get_activities()
            self.assertEqual(activity.summary, TROUBLE)
            self.assertIn("refused the keys", activity.note)
            self.assertNotIn('fake-wrong', activity.note)
        self._assert_kept(webhooks, webhook)

    def test_keys_that_cannot_be_decrypted_are_reported(self):
        webhooks, webhook = self.client.list_webhooks(), self._read_webhook()
        key = Fernet.generate_key().decode()
        with patch.dict(os.environ, {encryption.KEY_VARIABLE: key}), mute_logger(PROVIDER_LOGGER):
            self._watch()
        activity, = self._get_activities()
        self.assertEqual(activity.summary, TROUBLE)
        self._assert_kept(webhooks, webhook)

    def _assert_others_watched(self, trouble):
        """ Ensure that the webhook of one provider is repaired whichever other is in trouble.

        :param function trouble: Makes the trouble for a provider, in a `with` statement.
        """
        other = self._copy_provider()
        for bad, good in ((self.vipps, other), (other, self.vipps)):
            with self.subTest(bad=bad.id):
                self.client.delete_webhook(good.vipps_webhook_id)
                with trouble(bad):
                    self._watch()
                self.assertIn(
                    good.vipps_webhook_id, [known['id'] for known in self.client.list_webhooks()]
                )

    def test_keys_of_one_provider_do_not_keep_the_next_one_from_being_watched(self):
        @contextlib.contextmanager
        def enter_wrong_keys(provider):
            provider.sudo().vipps_client_secret = 'fake-wrong'
            yield
            provider.sudo().vipps_client_secret = NOK_UNIT.client_secret

        self._assert_others_watched(enter_wrong_keys)

    @mute_logger('odoo.addons.mobilepay_vipps.models.provider.alert')
    def test_unforeseen_trouble_of_one_provider_does_not_keep_the_next_one_from_being_watched(self):
        api_client = type(self.env['vipps.api.client'])
        call = api_client._call

        def fail(bad):
            def fail_for_one(records, provider, operation, **arguments):
                if provider.id == bad.id and operation == 'list_webhooks':
                    raise ZeroDivisionError("fake-detail")
                return call(records, provider, operation, **arguments)

            return patch.object(api_client, '_call', fail_for_one)

        self._assert_others_watched(fail)

    #=== The secret that was replaced ===#

    def test_what_is_signed_with_the_previous_secret_is_taken_for_a_week(self):
        body = b'{}'
        headers = self._sign(body)  # for the old address, too
        self._set_parameter('web.base.url', 'http://localhost')
        with freeze_time(fields.Datetime.now()) as clock, mute_logger(
            'odoo.addons.mobilepay_vipps.controllers.main'
        ):
            self.vipps.action_vipps_set_up_webhooks()
            secret = self.vipps._vipps_get_secret('vipps_webhook_secret')
            self.assertNotEqual(secret, self.secret)
            for old_status, time_passed in (
                (200, timedelta()), (200, timedelta(days=6, hours=23)), (401, timedelta(hours=2)),
            ):
                clock.tick(time_passed)
                self.assertEqual(self._post(body, headers), old_status)
                self.assertEqual(self._post(body, self._sign(body, secret=secret)), 200)

    def test_a_secret_that_was_replaced_is_revoked_by_who_may(self):
        body = b'{}'
        headers = self._sign(body)
        self.vipps.action_vipps_set_up_webhooks()
        secret = self.vipps._vipps_get_secret('vipps_webhook_secret')
        manager = self._new_user(
            'vipps_revoker', 'base.group_user,mobilepay_vipps.group_payment_manager',
        )
        accountant = self._new_user(
            'vipps_no_revoker', 'base.group_user,account.group_account_manager',
        )
        with self.assertRaises(AccessError):
            self.vipps.with_user(accountant).action_vipps_revoke_replaced_secrets()
        self._let_everybody_read_providers()
        with self.assertRaises(AccessError):
            self.vipps.with_user(accountant).action_vipps_revoke_replaced_secrets()
        with mute_logger('odoo.addons.mobilepay_vipps.controllers.main'):
            self.assertEqual(self._post(body, headers), 200)
            self.assertTrue(self.vipps.with_user(manager).vipps_has_replaced_secrets)
            self.vipps.with_user(manager).action_vipps_revoke_replaced_secrets()
            self.env.invalidate_all()
            self.assertEqual(self._post(body, headers), 401)
            self.assertEqual(self._post(body, self._sign(body, secret=secret)), 200)
        self.assertFalse(self.vipps.with_user(manager).vipps_has_replaced_secrets)
        events = self.env['vipps.audit.event'].sudo().search([('user_id', '=', manager.id)])
        self.assertIn("revoked", ' '.join(events.mapped('details')))

    def test_previous_secret_is_good_for_the_previous_address_only(self):
        self._set_parameter('web.base.url', 'http://localhost')
        self.vipps.action_vipps_set_up_webhooks()
        self.assertEqual(self._post(b'{}', self._sign(b'{}', secret=self.secret)), 401)

    def test_previous_secret_is_forgotten_by_the_job_after_a_week(self):
        self.vipps.action_vipps_set_up_webhooks()
        for days, is_kept in ((6, True), (8, False)):
            with freeze_time(fields.Datetime.now() + timedelta(days=days)):
                self._watch()
            self.assertEqual(bool(self.vipps.sudo().vipps_webhook_previous_secrets), is_kept)

    def test_secrets_that_are_replaced_one_after_the_other_are_all_good(self):
        headers = [self._sign(b'{}')]
        for _i in range(2):
            self.vipps.action_vipps_set_up_webhooks()
            secret = self.vipps._vipps_get_secret('vipps_webhook_secret')
            headers.append(self._sign(b'{}', secret=secret))
        with mute_logger('odoo.addons.mobilepay_vipps.controllers.main'):
            self.assertEqual([self._post(b'{}', signed) for signed in headers], [200] * 3)

    def test_previous_secret_is_in_clear_text_nowhere_and_not_copied(self):
        self.vipps.action_vipps_set_up_webhooks()
        self.assertTrue(self.vipps.vipps_webhook_previous_secrets)
        self.env.flush_all()
        self.env.cr.execute("SELECT payment_provider::text FROM payment_provider")
        self.assertNotIn(self.secret, str(self.env.cr.fetchall()))
        self.assertNotIn(self.secret, str(self.vipps.sudo().read()))
        copy = self.vipps.copy()
        self.assertFalse(copy.vipps_webhook_previous_secrets)
