# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from datetime import timedelta

from odoo import fields
from odoo.modules.migration import load_script
from odoo.modules.module import get_module_path
from odoo.tests import tagged

from .common import TransactionCommon

OLD_COLUMNS = """
    ALTER TABLE payment_transaction
        ADD COLUMN vipps_next_read timestamp, ADD COLUMN vipps_read_count integer,
        ADD COLUMN vipps_next_comparison timestamp, ADD COLUMN vipps_next_app_link timestamp,
        ADD COLUMN vipps_app_link_tries integer;
    ALTER TABLE vipps_webhook_event ADD COLUMN next_try timestamp;
    CREATE TABLE vipps_read_request (id serial, transaction_id integer);
"""


@tagged('post_install', '-at_install')
class TestMigrationTasks(TransactionCommon):
    """ Databases of 17.0.1.5.0 and before, in which each kind of work had its own queue. """

    def _migrate(self):
        path = f'{get_module_path("mobilepay_vipps")}/migrations/17.0.1.6.0/post-tasks.py'
        self.env.flush_all()
        load_script(path, 'post_tasks').migrate(self.env.cr, '17.0.1.5.0')
        self.env.invalidate_all()

    def _prepare_old(self):
        self.env.flush_all()
        self.env.cr.execute(OLD_COLUMNS)
        self.env['vipps.task'].sudo().search([]).unlink()

    def test_all_queues_become_one(self):
        open_tx, compared_tx, asked_tx, linked_tx, idle_tx = (self._start() for _tx in range(5))
        self._prepare_old()
        now = fields.Datetime.now()
        for tx, values in (
            (open_tx, {'vipps_next_read': now + timedelta(minutes=8), 'vipps_read_count': 4}),
            (compared_tx, {'vipps_next_comparison': now}),
            (linked_tx, {'vipps_next_app_link': now, 'vipps_app_link_tries': 2}),
        ):
            for name, value in values.items():
                self.env.cr.execute(
                    f"UPDATE payment_transaction SET {name} = %s WHERE id = %s", [value, tx.id]
                )
        self.env.cr.execute(
            "INSERT INTO vipps_read_request (transaction_id) VALUES (%s), (%s)",
            [asked_tx.id, asked_tx.id],
        )
        self._migrate()
        kinds = ('sync', 'verify', 'capture', 'compare', 'app_link')
        self.assertEqual(
            {(task.transaction_id, task.kind, task.tries, task.due)
             for task in self._get_tasks(
                 open_tx | compared_tx | asked_tx | linked_tx | idle_tx, *kinds
             ) if task.kind != 'verify'},
            {
                (open_tx, 'sync', 4, now + timedelta(minutes=8)),
                (compared_tx, 'compare', 1, now),
                (linked_tx, 'app_link', 2, now),
            },
        )
        self.assertEqual(len(self._get_tasks(asked_tx, 'verify')), 1)
        self._approve(open_tx)
        self._run_job()
        self.assertEqual(open_tx.state, 'authorized')

    def test_events_that_wait_are_dealt_with(self):
        tx = self._start()
        self._approve(tx)
        events = self.env['vipps.webhook.event'].sudo().create([
            {
                'provider_id': self.vipps.id, 'name': name, 'psp_reference': name,
                'reference': tx.vipps_payment_reference, 'state': state, 'success': True,
                'error': error,
            } for name, state, error in (
                ('CREATED', 'unmatched', "Vipps MobilePay does not answer."),
                ('AUTHORIZED', 'pending', False), ('CAPTURED', 'failed', "It went wrong."),
            )
        ])
        self._prepare_old()
        self.env.cr.execute(
            "UPDATE vipps_webhook_event SET next_try = now() WHERE state != 'failed'"
        )
        self._migrate()
        self._run_due()
        self.assertEqual(events.mapped('state'), ['processed', 'processed', 'failed'])
        self.assertEqual(tx.state, 'authorized')

    def test_the_two_jobs_become_one_and_keep_their_settings(self):
        cron = self.env.ref('mobilepay_vipps.cron_sync_payments').sudo()
        data = self.env['ir.model.data'].sudo().search([
            ('module', '=', 'mobilepay_vipps'), ('name', '=', 'cron_sync_payments'),
        ])
        other_cron = cron.copy()
        data.name = 'cron_process_webhook_events'
        data.create({
            'module': data.module, 'model': data.model, 'name': 'cron_read_open_payments',
            'res_id': other_cron.id,
        })
        cron.write({'code': "model._cron_process_events()", 'interval_number': 2})
        self._migrate()
        self.assertFalse(other_cron.exists())
        self.assertEqual(self.env.ref('mobilepay_vipps.cron_sync_payments'), cron)
        self.assertEqual(cron.interval_number, 2)
        self.assertEqual((cron.model_name, cron.code), (
            'vipps.task', "model._cron_sync_payments()",
        ))
        self._migrate()  # A second worker changes nothing.
        self.assertTrue(cron.exists())
