# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo.modules.migration import load_script
from odoo.modules.module import get_module_path
from odoo.tests import tagged

from .common import TransactionCommon


@tagged('post_install', '-at_install')
class TestMigrationUserInfo(TransactionCommon):

    def _migrate(self):
        self.env.flush_all()
        path = f'{get_module_path("mobilepay_vipps")}/migrations/17.0.1.6.0/post-user_info.py'
        load_script(path, 'post_user_info').migrate(self.env.cr, '17.0.1.5.0')
        self.env.invalidate_all()

    def test_data_that_was_still_to_be_fetched_is_fetched(self):
        self.vipps.write({'vipps_collect_user_info': True, 'vipps_scope_email': True})
        awaited_tx, other_tx = self._start(), self._start()
        for tx in awaited_tx, other_tx:
            self._approve(tx)
            tx._vipps_sync()
        tasks = self.env['vipps.task'].sudo()
        tasks.search([]).unlink()
        self.env.flush_all()
        # As the version before had it.
        self.env.cr.execute("""
            ALTER TABLE payment_transaction ADD COLUMN vipps_next_user_info timestamp,
                                            ADD COLUMN vipps_user_info_tries integer;
            UPDATE payment_transaction
               SET vipps_next_user_info = now(), vipps_user_info_tries = 2
             WHERE id = %s
        """, [awaited_tx.id])
        for _i in range(2):
            self._migrate()
        task = tasks.search([])
        self.assertEqual((task.transaction_id, task.kind), (awaited_tx, 'user_info'))
        self._follow_up()
        self.assertTrue(awaited_tx.sudo().vipps_user_details['email_verified'])
        self.env.cr.execute("""
            SELECT column_name FROM information_schema.columns
             WHERE table_name = 'payment_transaction'
               AND column_name IN ('vipps_next_user_info', 'vipps_user_info_tries')
        """)
        self.assertFalse(self.env.cr.fetchall())
