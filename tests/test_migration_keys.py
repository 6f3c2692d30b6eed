# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo.modules.migration import load_script
from odoo.modules.module import get_module_path
from odoo.tests import TransactionCase, tagged

from odoo.addons.base.models.ir_autovacuum import is_autovacuum


@tagged('post_install', '-at_install')
class TestMigrationKeys(TransactionCase):
    """ The settings after an update of Odoo. """

    def test_the_job_of_the_retention_periods_becomes_a_part_of_the_daily_cleanup(self):
        cron = self.env['ir.cron'].create({
            'name': "Vipps MobilePay: remove what was kept long enough", 'state': 'code',
            'model_id': self.env.ref('payment.model_payment_provider').id,
            'code': "model._cron_vipps_purge()", 'numbercall': -1,
        })
        action = cron.ir_actions_server_id
        self.env['ir.model.data'].create([
            {'module': 'mobilepay_vipps', 'name': name, 'model': record._name, 'res_id': record.id,
             'noupdate': True}
            for name, record in (('cron_purge', cron), ('cron_purge_ir_actions_server', action))
        ])
        count = self.env['ir.cron'].with_context(active_test=False).search_count([])
        self.env.flush_all()
        path = f'{get_module_path("mobilepay_vipps")}/migrations/17.0.1.6.0/pre-retention.py'
        for _time in range(2):  # The second one finds nothing left.
            load_script(path, 'pre_retention').migrate(self.env.cr, '17.0.1.5.0')
            self.env.invalidate_all()
            self.assertFalse(cron.exists() or action.exists())
            self.assertEqual(
                self.env['ir.cron'].with_context(active_test=False).search_count([]), count - 1
            )
            self.assertFalse(self.env['ir.model.data'].search_count([
                ('module', '=', 'mobilepay_vipps'), ('name', '=like', 'cron_purge%'),
            ]))
        self.assertTrue(is_autovacuum(self.env.registry['payment.provider']._gc_vipps_kept_data))
