# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import os
from datetime import timedelta
from unittest.mock import patch

from cryptography.fernet import Fernet

from odoo.exceptions import UserError, ValidationError
from odoo.modules.migration import load_script
from odoo.modules.module import get_module_path
from odoo.tests import tagged

from .. import const
from ..encryption import KEY_VARIABLE
from ..models.provider.credentials import KEY_VARIABLES
from ..simulator.sales_units import NOK_UNIT
from .common import KEYS, TransactionCommon


@tagged('post_install', '-at_install')
class TestMigration(TransactionCommon):

    def _migrate(self, version, stage, name='migrate'):
        path = f'{get_module_path("mobilepay_vipps")}/migrations/{version}/{stage}-{name}.py'
        load_script(path, f'{stage}_{name}').migrate(self.env.cr, '17.0.1.1.0')
        self.env.invalidate_all()

    def test_payments_under_way_keep_their_capture_mode_and_get_their_sums(self):
        self.vipps.vipps_capture_mode = 'automatic'
        done_tx, open_tx = self._authorize(), self._start()
        # What earlier versions could only say.
        self.simulator.refund(done_tx.vipps_payment_reference)
        done_tx.write({'vipps_difference': "Refunded elsewhere", 'vipps_payment_state': 'REFUNDED'})
        self.vipps.vipps_capture_mode = 'manual'
        reserved_tx = self._authorize()
        txs = done_tx + open_tx + reserved_tx
        other_tx = self._create_transaction(
            'redirect', provider_id=self.dummy_provider.id, reference='other',
        )
        self.env.flush_all()
        # As the version before had it.
        self.env.cr.execute("""
            ALTER TABLE payment_transaction ADD COLUMN vipps_is_captured_automatically boolean;
            UPDATE payment_transaction
               SET vipps_is_captured_automatically = vipps_capture_mode = 'automatic',
                   vipps_authorized_amount = NULL,
                   vipps_captured_amount = NULL,
                   vipps_remaining_amount = NULL;
            ALTER TABLE payment_transaction DROP COLUMN vipps_capture_mode;
            ALTER TABLE payment_transaction DROP COLUMN vipps_market;
            ALTER TABLE payment_transaction DROP COLUMN vipps_difference_count;
        """)
        self.env.invalidate_all()

        self._migrate('17.0.1.2.0', 'pre')
        self.assertEqual(
            txs.mapped('vipps_capture_mode'), ['automatic', 'automatic', 'manual']
        )
        self.assertEqual(set(txs.mapped('vipps_market')), {'NO'})
        self.assertFalse(other_tx.vipps_capture_mode or other_tx.vipps_market)

        self._migrate('17.0.1.2.0', 'post')
        names = ('vipps_authorized_amount', 'vipps_captured_amount', 'vipps_remaining_amount')
        for tx, amounts in (
            (done_tx, (249.5, 249.5, 0)),
            (open_tx, (0, 0, 0)),
            (reserved_tx, (249.5, 0, 249.5)),
            (other_tx, (0, 0, 0)),
        ):
            with self.subTest(tx=tx.reference):
                self.assertEqual(tuple(tx[name] for name in names), amounts)

        # The rest is read, and they go on as they were begun.
        self.assertEqual((txs | other_tx).mapped('vipps_difference_count'), [1, 0, 0, 0])
        self.assertTrue(self._get_tasks(reserved_tx, 'compare'))
        self._approve(open_tx)
        self._run_job()
        self.assertEqual(open_tx.state, 'done')
        self.assertEqual(reserved_tx.state, 'authorized')
        self.assertEqual(done_tx._vipps_get_refunded_amount(), 249.5)
        self.assertFalse(done_tx.vipps_difference)
        self._capture(reserved_tx, 100)
        self.assertEqual(self._get_aggregate(reserved_tx)['captured'], 10000)

    def test_measures_are_filled_and_activities_get_their_keys_without_reading_each_payment(self):
        approved_tx, aborted_tx, open_tx = self._authorize(), self._start(), self._start()
        self.simulator.decline(aborted_tx.vipps_payment_reference)
        self._refresh(aborted_tx)
        self.env['vipps.webhook.event'].sudo().create({
            'provider_id': self.vipps.id, 'name': 'AUTHORIZED', 'psp_reference': 'psp',
            'reference': approved_tx.vipps_payment_reference, 'success': True,
            'event_time': approved_tx.create_date + timedelta(seconds=25),
        })
        for summary in (
            f"Payment {aborted_tx.reference} cannot be processed",
            f"Refund payment {approved_tx.reference}",
            "Customers cannot pay with Vipps",
            "The webhook was repaired",
            "Call the bank",
        ):
            self.vipps.activity_schedule('mail.mail_activity_data_warning', summary=summary)
        self.env.flush_all()
        # As the version before had it.
        self.env.cr.execute("""
            ALTER TABLE payment_transaction DROP COLUMN vipps_success_rate;
            ALTER TABLE payment_transaction DROP COLUMN vipps_approval_seconds;
            ALTER TABLE mail_activity DROP COLUMN vipps_problem;
        """)
        self._migrate('17.0.1.4.0', 'pre')
        txs = approved_tx | aborted_tx | open_tx
        self.assertEqual(txs.mapped('vipps_success_rate'), [100, 0, 0])
        self.assertEqual(txs.mapped('vipps_approval_seconds'), [25, 0, 0])
        self.assertEqual(
            self.vipps.activity_ids.sorted('id').mapped('vipps_problem'),
            [f'payment:{aborted_tx.id}', f'refund:{approved_tx.id}', 'checkout',
             'webhook_repaired', False],
        )

    def test_events_are_kept_for_as_long_as_before(self):
        parameters = self.env['ir.config_parameter'].sudo()
        name = 'mobilepay_vipps.event_retention_days'
        for before, after in (('10', 10), ('0', 1), ('9999', 3650), ('ten', 90), (False, 90)):
            with self.subTest(before=before):
                self.vipps.vipps_event_days = 90
                parameters.set_param(name, before)
                self.env.flush_all()
                self._migrate('17.0.1.4.0', 'post')
                self.assertEqual(self.vipps.vipps_event_days, after)
                self.assertFalse(parameters.get_param(name))

    def test_payments_of_earlier_versions_were_made_at_no_till(self):
        tx = self._authorize()
        self.env.flush_all()
        # As the version before had it.
        self.env.cr.execute("ALTER TABLE payment_transaction DROP COLUMN vipps_pos_config_id")
        self._migrate('17.0.1.3.0', 'pre')
        self.assertFalse(tx.vipps_pos_config_id)
        self._capture(tx, 100)
        self.assertFalse(tx.child_transaction_ids.vipps_pos_config_id)
        self.assertNotIn(tx, tx.search([('vipps_pos_config_id', '!=', False)]))

    def _store_as_before(self, key):
        """ Store keys and secrets as version 17.0.1.4.0 encrypted them. """
        def encrypt(text):
            return Fernet(key).encrypt(text.encode()).decode()

        self.vipps.action_vipps_set_up_webhooks()
        secret = self.vipps._vipps_get_secret('vipps_webhook_secret')
        self.vipps._vipps_write_protected({
            'vipps_webhook_previous_secrets': [
                {'url': 'http://localhost', 'ciphertext': encrypt('fake-old'),
                 'until': '2999-01-01 00:00:00'},
            ],
        })
        self.env.flush_all()
        for name, text in {**KEYS, 'vipps_webhook_secret': secret}.items():
            self.env.cr.execute(
                f"UPDATE payment_provider SET {name}_ciphertext = %s WHERE id = %s",
                [encrypt(text), self.vipps.id],
            )
        self.env.invalidate_all()
        return secret

    def test_keys_of_earlier_versions_are_bound_to_their_place(self):
        key = Fernet.generate_key().decode()
        secret = self._store_as_before(key)
        with patch.dict(os.environ, {KEY_VARIABLE: key}):
            self.assertTrue(self.vipps.vipps_unreadable_keys)
            self._migrate('17.0.1.5.0', 'post', 'keys')
            self.assertFalse(self.vipps.vipps_unreadable_keys)
            self.vipps.action_vipps_test_connection()
            self.assertEqual(
                {secret for secret, _url in self.vipps._vipps_get_webhook_secrets()},
                {secret, 'fake-old'},
            )
            self.assertFalse(self.vipps._vipps_get_problems())

    def test_without_the_encryption_key_the_update_succeeds_and_the_problem_is_told(self):
        old_key, other_key = (Fernet.generate_key().decode() for _i in range(2))
        self._store_as_before(old_key)
        for key in (other_key, 'malformed'):
            with self.subTest(key=key), patch.dict(os.environ, {KEY_VARIABLE: key}):
                self._migrate('17.0.1.5.0', 'post', 'keys')
                problem, = self.vipps._vipps_get_problems()
                self.assertEqual(problem['key'], 'encryption')
                self.assertIn("missing when Odoo was updated", problem['note'])
        with patch.dict(os.environ, {KEY_VARIABLE: old_key}):
            self.vipps.action_vipps_rotate_encryption_key()
            self.assertFalse(self.vipps._vipps_get_problems())
            self.vipps.action_vipps_test_connection()

    def test_keys_of_the_environment_that_name_no_database_stop_no_update(self):
        key = Fernet.generate_key().decode()
        secret = self._store_as_before(key)
        self.env.cr.execute("""
            UPDATE payment_provider
               SET vipps_client_id_ciphertext = NULL,
                   vipps_client_secret_ciphertext = NULL,
                   vipps_subscription_key_ciphertext = NULL
             WHERE id = %s
        """, [self.vipps.id])
        self.env.invalidate_all()
        variables = {f'{KEY_VARIABLES[name]}_{NOK_UNIT.msn}': text for name, text in KEYS.items()}
        parameters = self.env['ir.config_parameter'].sudo()
        parameters.set_param('mobilepay_vipps.event_retention_days', '10')
        with patch.dict(os.environ, {KEY_VARIABLE: key, **variables}):
            self._migrate('17.0.1.4.0', 'post')
            self._migrate('17.0.1.5.0', 'post', 'keys')
            self.assertEqual(self.vipps.vipps_event_days, 10)
            self.assertEqual(self.vipps._vipps_get_secret('vipps_webhook_secret'), secret)
            self.assertFalse(self.vipps.vipps_unreadable_keys)
            problem, = self.vipps._vipps_get_problems()
            self.assertEqual(problem['key'], 'environment_keys')
            # The provider can be written, and the keys are not used.
            self.vipps.name = "Renamed"
            self.assertFalse(self.vipps.vipps_client_id)
            with self.assertRaisesRegex(UserError, "are missing"):
                self.vipps._vipps_get_secret('vipps_client_id')
            # One that is for another database, as after this one was renamed, is told of as well.
            os.environ[f'VIPPS_DATABASE_{NOK_UNIT.msn}'] = 'another'
            self.vipps.name = "Renamed again"
            problem, = self.vipps._vipps_get_problems()
            self.assertEqual(problem['key'], 'environment_keys')
            os.environ[f'VIPPS_DATABASE_{NOK_UNIT.msn}'] = self.env.cr.dbname
            self.env.invalidate_all()
            self.assertFalse(self.vipps._vipps_get_problems())
            self.vipps.action_vipps_test_connection()
            # What is nowhere is missed.
            del os.environ[f'VIPPS_DATABASE_{NOK_UNIT.msn}']
            del os.environ[f'VIPPS_CLIENT_ID_{NOK_UNIT.msn}']
            self.env.invalidate_all()
            with self.assertRaisesRegex(ValidationError, "Client ID"):
                self.vipps.name = "Refused"
        # Without any of them, what is encrypted is bound all the same.
        with patch.dict(os.environ, {KEY_VARIABLE: key}):
            self._migrate('17.0.1.5.0', 'post', 'keys')
            self.assertEqual(self.vipps._vipps_get_secret('vipps_webhook_secret'), secret)

    def test_databases_that_are_older_than_the_window_for_new_keys_are_updated(self):
        self.env.flush_all()
        self.env.cr.execute("ALTER TABLE vipps_key_rotation RENAME TO other")
        self._migrate('17.0.1.5.0', 'pre', 'keys')
        self.env.cr.execute("ALTER TABLE other RENAME TO vipps_key_rotation")

    def test_an_address_that_keys_are_no_longer_sent_to_is_removed(self):
        parameters = self.env['ir.config_parameter']
        for url, is_kept in (
            ('https://elsewhere.example.com', False), ('http://127.0.0.1:8080', True),
        ):
            parameters.set_param(const.TEST_API_URL_PARAMETER, 'http://127.0.0.1:1')
            self.env.flush_all()
            self.env.cr.execute(
                "UPDATE ir_config_parameter SET value = %s WHERE key = %s",
                [url, const.TEST_API_URL_PARAMETER],
            )
            self._migrate('17.0.1.5.0', 'pre', 'keys')
            self.env.registry.clear_cache()
            self.assertEqual(
                parameters.get_param(const.TEST_API_URL_PARAMETER), is_kept and url
            )

    def test_kept_values_of_filled_in_contacts_are_removed(self):
        tx = self._authorize()
        self.env['vipps.key.rotation'].create({
            'provider_id': self.vipps.id, 'vipps_client_id': 'fake',
        })
        self.env.flush_all()
        # As the version before had it.
        self.env.cr.execute("""
            ALTER TABLE payment_transaction ADD COLUMN vipps_filled_partner_id integer,
                                            ADD COLUMN vipps_filled_fields jsonb;
            ALTER TABLE payment_provider ADD COLUMN vipps_user_info_target varchar;
            UPDATE payment_transaction SET vipps_filled_fields = '{"email": "fake-signature"}';
            UPDATE payment_provider SET vipps_user_info_target = 'partner';
        """)
        for _time in range(2):  # An update that was stopped is made again.
            self._migrate('17.0.1.5.0', 'pre', 'keys')
        self.env.cr.execute("SELECT tx::text FROM payment_transaction tx WHERE id = %s", [tx.id])
        self.assertNotIn('fake-signature', self.env.cr.fetchone()[0])
        self.env.cr.execute("SELECT p::text FROM payment_provider p WHERE id = %s", [self.vipps.id])
        self.assertNotIn('partner', self.env.cr.fetchone()[0].split(','))
        self.assertFalse(self.env['vipps.key.rotation'].search([]))

    def test_the_end_of_the_guarantee_becomes_a_date_of_its_own(self):
        guaranteed_tx, other_tx, late_tx = (self._authorize() for _i in range(3))
        guaranteed_until = guaranteed_tx.vipps_guaranteed_until
        last_day = guaranteed_tx.vipps_capture_deadline
        self.env.flush_all()
        # As the version before had it.
        self.env.cr.execute("""
            ALTER TABLE payment_transaction ADD COLUMN vipps_is_deadline_told boolean;
            UPDATE payment_transaction
               SET vipps_capture_deadline = vipps_guaranteed_until, vipps_is_deadline_told = TRUE
             WHERE id IN %s
        """, [(guaranteed_tx.id, late_tx.id)])
        self.env.cr.execute("""
            UPDATE payment_transaction
               SET vipps_capture_deadline = create_date + interval '200 days'
             WHERE id = %s
        """, [late_tx.id])
        self.env.cr.execute("""
            ALTER TABLE payment_transaction DROP COLUMN vipps_guaranteed_until;
            ALTER TABLE sale_order ADD COLUMN vipps_is_locked_by_person boolean;
        """)
        self._migrate('17.0.1.5.0', 'pre', 'delivery')
        self._migrate('17.0.1.7.0', 'pre', 'told')
        self.assertEqual(guaranteed_tx.vipps_guaranteed_until, guaranteed_until)
        self.assertEqual(guaranteed_tx.vipps_capture_deadline, last_day)
        self.assertEqual(guaranteed_tx.vipps_told, {'guarantee': True})
        self.assertEqual((other_tx.vipps_capture_deadline - other_tx.create_date).days, 180)
        self.assertFalse(other_tx.vipps_guaranteed_until)
        self.assertEqual((late_tx.vipps_capture_deadline - late_tx.create_date).days, 200)
        self.assertTrue(late_tx._vipps_get_told('deadline'))
        self.env.cr.execute("""
            SELECT FROM information_schema.columns
             WHERE table_name = 'sale_order' AND column_name = 'vipps_is_locked_by_person'
        """)
        self.assertFalse(self.env.cr.rowcount)

    def test_unbooked_captures_are_booked(self):
        self.vipps.vipps_capture_mode = 'automatic'
        txs = self._start() + self._start() + self._start()
        for tx in txs:
            self._approve(tx)
            tx._vipps_sync()
        waiting_tx, forgotten_tx, booked_tx = txs
        booked_tx._finalize_post_processing()
        waiting_tx.is_post_processed = True  # Without a payment in the books.
        forgotten_tx.last_state_change = '2026-01-01'
        self.env['vipps.task'].sudo().search([]).unlink()
        self.env.flush_all()
        # As the version before had it.
        self.env.cr.execute("""
            ALTER TABLE payment_transaction ADD COLUMN vipps_next_booking timestamp;
            UPDATE payment_transaction SET vipps_next_booking = now() WHERE id = %s
        """, [waiting_tx.id])
        for _i in range(2):
            self._migrate('17.0.1.5.0', 'post', 'tasks')
        tasks = self.env['vipps.task'].sudo().search([])
        self.assertEqual(tasks.transaction_id, waiting_tx + forgotten_tx)
        self.assertEqual(len(tasks), 2)
        self._follow_up()
        self.assertEqual(txs.payment_id.mapped('state'), ['posted'] * 3)

    def test_databases_of_the_first_versions_are_updated(self):
        self.vipps.vipps_capture_mode = 'automatic'
        tx = self._start()
        self._approve(tx)
        tx._vipps_sync()
        self.env['vipps.task'].sudo().search([]).unlink()
        self.env.flush_all()
        # As 17.0.1.0.0 had it.
        self.env.cr.execute("""
            ALTER TABLE payment_transaction ADD COLUMN vipps_is_captured_automatically boolean;
            ALTER TABLE payment_transaction DROP COLUMN vipps_capture_mode,
                                            DROP COLUMN vipps_market,
                                            DROP COLUMN vipps_difference,
                                            DROP COLUMN vipps_difference_count,
                                            DROP COLUMN vipps_pos_config_id,
                                            DROP COLUMN vipps_success_rate,
                                            DROP COLUMN vipps_approval_seconds,
                                            DROP COLUMN vipps_capture_deadline,
                                            DROP COLUMN vipps_guaranteed_until,
                                            DROP COLUMN vipps_told;
            ALTER TABLE mail_activity DROP COLUMN vipps_problem;
            ALTER TABLE payment_provider DROP COLUMN vipps_reservation_days;
            ALTER TABLE vipps_webhook_event ALTER COLUMN event_time TYPE varchar;
        """)
        for version in ('17.0.1.2.0', '17.0.1.3.0', '17.0.1.4.0'):
            self._migrate(version, 'pre')
        for theme in ('delivery', 'keys'):
            self._migrate('17.0.1.5.0', 'pre', theme)
        self._migrate('17.0.1.6.0', 'pre', 'views')
        self._migrate('17.0.1.7.0', 'pre', 'told')
        self._migrate('17.0.1.5.0', 'post', 'tasks')
        self._migrate('17.0.1.6.0', 'post', 'user_info')
        self.env.cr.execute("SELECT kind, transaction_id FROM vipps_task")
        self.assertEqual(self.env.cr.fetchall(), [('book', tx.id)])

    def test_customers_who_had_a_mail_get_no_second_one(self):
        self.partner.email = 'kari@example.com'
        self.product.type = 'service'
        order = self._create_order()
        told_tx, open_tx, other_tx = self._start_order(order), self._start(), self._authorize()
        self._approve(told_tx)
        self._refresh(told_tx)
        order.pending_email_template_id = False  # It was sent.
        told_tx._vipps_keep_told('order_mail', None)  # As the version before had it.
        self.env.flush_all()
        self._migrate('17.0.1.5.0', 'post', 'mails')
        self.assertTrue(told_tx._vipps_get_told('order_mail'))
        self.assertFalse(open_tx._vipps_get_told('order_mail'))
        self.assertFalse(other_tx._vipps_get_told('order_mail'))
        self._capture(told_tx)
        self._follow_up()
        self.assertTrue(told_tx.is_post_processed)
        self.assertFalse(order.pending_email_template_id)
