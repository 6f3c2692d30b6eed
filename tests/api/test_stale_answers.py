# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo.exceptions import UserError
from odoo.tests import tagged

from ..pos_common import PosCommon


@tagged('post_install', '-at_install')
class TestStaleAnswers(PosCommon):
    """ Answers of before what was just done. Those about the sums of payments and about customers
    are tried where these are. """

    #=== Payments ===#

    def test_a_customer_is_not_sent_to_another_payment(self):
        other = self._start()
        self.simulator.fault('create', 'stale')
        tx = self._start()
        self.assertEqual((tx.state, tx.vipps_redirect_url), ('draft', False))
        self.assertTrue(tx._vipps_try_again())
        self.assertTrue(tx.vipps_redirect_url)
        self.assertNotEqual(tx.vipps_redirect_url, other.vipps_redirect_url)
        first, second = self._get_calls('create', tx)
        self.assertEqual(first['idempotency_key'], second['idempotency_key'])
        self._approve(tx)
        self._refresh(tx)
        self.assertEqual((tx.state, other.state), ('authorized', 'draft'))

    def test_a_till_does_not_show_the_code_of_another_payment(self):
        for flow, phone in (('qr', False), ('push', '98765432')):
            with self.subTest(flow=flow):
                other = self._ask(self._prepare_ui_order())
                self.simulator.fault('create', 'stale')
                status = self._ask(self._prepare_ui_order(), flow=flow, phone=phone)
                self.assertEqual(status['state'], 'unknown')
                self.assertFalse(status['qr'])
                status = self._call('vipps_start_attempt', status['reference'])
                self.assertEqual(status['state'], 'waiting')
                self.assertNotEqual(status['qr'], other['qr'])

    #=== Access tokens ===#

    def _let_token_expire(self):
        """ Let no token be good anymore, nor the next one that is answered. """
        self.env['vipps.api.client']._call(self.vipps, 'token')
        self.simulator._world.tokens.revoke()
        self.simulator.fault('token', 'stale')

    def test_what_is_captured_with_an_expired_token_is_captured_later_and_once(self):
        self.vipps.vipps_capture_mode = 'automatic'
        tx = self._start()
        self._approve(tx)
        self._let_token_expire()
        error = tx._vipps_try(tx._vipps_sync)
        self.assertTrue(error.is_unauthorized)
        self.assertEqual(tx.state, 'draft')
        self._run_job()
        self.assertEqual(tx.state, 'done')
        self.assertEqual(self._get_aggregate(tx)['captured'], 24950)
        self.assertFalse(self._get_activities())

    def test_a_person_captures_once_after_an_expired_token(self):
        tx = self._authorize()
        self._let_token_expire()
        with self.assertRaises(UserError):
            self._capture(tx, user=self.accountant)
        self.assertEqual(self._get_aggregate(tx)['captured'], 0)
        self._capture(tx, user=self.accountant)
        self.assertEqual(self._get_aggregate(tx)['captured'], 24950)

    def test_a_customer_pays_once_after_an_expired_token(self):
        self._let_token_expire()
        with self.assertRaisesRegex(UserError, "Nothing has been charged"):
            self._start()
        self.assertFalse(self.simulator.payments)
        self.assertEqual(self._authorize().state, 'authorized')
        self.assertEqual(len(self.simulator.payments), 1)

    #=== Webhooks ===#

    def _set_up(self):
        self.env.cr.postcommit.clear()
        self.vipps.action_vipps_set_up_webhooks()
        self.env.cr.postcommit.run()

    def _watch(self):
        self.env.cr.postcommit.clear()
        self.vipps._vipps_watch_webhook()
        self.env.cr.postcommit.run()
        self.env.invalidate_all()

    def _assert_registered_once(self):
        """ Ensure that there is one registration, whose secret is known. """
        registration, = self.simulator._world.registrations.values()
        self.assertEqual(registration.id, self.vipps.vipps_webhook_id)
        self.assertEqual(
            registration.secret, self.vipps._vipps_get_secret('vipps_webhook_secret')
        )

    def test_a_list_without_the_last_webhook_does_not_move_it_for_ever(self):
        self._set_up()
        self.simulator.fault('list_webhooks', 'stale', times=None)
        for _day in range(4):
            self._watch()
            self._assert_registered_once()
        self.assertLessEqual(len(self._get_calls('register_webhook')), 2)

    def test_a_list_with_a_deleted_webhook_changes_nothing(self):
        self._set_up()
        self._set_up()
        secret = self.vipps._vipps_get_secret('vipps_webhook_secret')
        self.simulator.fault('list_webhooks', 'stale', times=None)
        for _day in range(2):
            self._watch()
            self._assert_registered_once()
        self.assertEqual(self.vipps._vipps_get_secret('vipps_webhook_secret'), secret)

    def test_who_sets_up_again_with_a_list_without_the_last_webhook_leaves_none_behind(self):
        self._set_up()
        self.simulator.fault('list_webhooks', 'stale')
        self._set_up()
        self._assert_registered_once()

    def test_the_answer_to_an_earlier_registration_is_not_taken_for_a_new_one(self):
        self._set_up()
        row = self.vipps.sudo().read(['vipps_webhook_id', 'vipps_webhook_secret_ciphertext'])
        self.simulator.fault('register_webhook', 'stale')
        with self.assertRaisesRegex(UserError, "not done this yet"):
            self._set_up()
        self.env.invalidate_all()
        self.assertEqual(
            self.vipps.sudo().read(['vipps_webhook_id', 'vipps_webhook_secret_ciphertext']), row
        )
        self.assertEqual(len(self.simulator._world.registrations), 2)
        self._watch()
        self._assert_registered_once()

    def test_the_webhook_of_another_provider_is_not_taken_for_a_new_one(self):
        self.vipps.copy({
            'state': 'test', **{name: self.vipps._vipps_get_secret(name) for name in (
                'vipps_client_id', 'vipps_client_secret', 'vipps_subscription_key',
            )},
        }).action_vipps_set_up_webhooks()
        self.simulator.fault('register_webhook', 'stale')
        with self.assertRaisesRegex(UserError, "not done this yet"):
            self._set_up()
        self.assertFalse(self.vipps.vipps_webhook_id)

    def test_a_webhook_that_seems_not_to_be_there_is_deleted_the_next_day(self):
        self._set_up()
        self.simulator.fault('delete_webhook', 'stale')
        self._set_up()
        self.assertEqual(len(self.simulator._world.registrations), 2)
        self._watch()
        self._assert_registered_once()
