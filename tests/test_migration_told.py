# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo.fields import Command
from odoo.modules.migration import load_script
from odoo.modules.module import get_module_path
from odoo.tests import tagged

from .common import TransactionCommon


@tagged('post_install', '-at_install')
class TestMigrationTold(TransactionCommon):
    """ What people were told of payments in versions before 17.0.1.7.0. """

    def _migrate(self):
        path = f'{get_module_path("mobilepay_vipps")}/migrations/17.0.1.7.0/pre-told.py'
        load_script(path, 'pre_told').migrate(self.env.cr, '17.0.1.5.0')
        self.env.invalidate_all()

    def test_nobody_is_told_again_after_an_update(self):
        told_tx, late_tx, other_tx = (self._authorize() for _i in range(3))
        self.env.flush_all()
        self.env.cr.execute("""
            ALTER TABLE payment_transaction DROP COLUMN vipps_told,
                                            ADD COLUMN vipps_is_deadline_told boolean,
                                            ADD COLUMN vipps_is_guarantee_told boolean,
                                            ADD COLUMN vipps_told_change varchar,
                                            ADD COLUMN vipps_told_unpaid varchar,
                                            ADD COLUMN vipps_proposed_refund numeric,
                                            ADD COLUMN vipps_is_order_mail_sent boolean,
                                            ADD COLUMN vipps_app_link_key varchar,
                                            ADD COLUMN vipps_pos_is_given_up boolean;
            CREATE INDEX payment_transaction_vipps_deadline_index
                ON payment_transaction (vipps_capture_deadline)
             WHERE vipps_payment_state = 'AUTHORIZED' AND vipps_is_deadline_told IS NOT TRUE;
            CREATE INDEX payment_transaction_vipps_guaranteed_index
                ON payment_transaction (provider_id, vipps_guaranteed_until)
             WHERE vipps_remaining_amount > 0;
        """)
        self.env.cr.execute("""
            UPDATE payment_transaction
               SET vipps_is_guarantee_told = TRUE, vipps_is_deadline_told = FALSE,
                   vipps_told_change = 'dearer 250.000000',
                   vipps_told_unpaid = 'delivered 99.500000', vipps_proposed_refund = 12.30,
                   vipps_is_order_mail_sent = TRUE, vipps_app_link_key = 'sale.order(7,)',
                   vipps_pos_is_given_up = TRUE
             WHERE id = %s
        """, [told_tx.id])
        self.env.cr.execute("""
            UPDATE payment_transaction
               SET vipps_is_guarantee_told = TRUE, vipps_is_deadline_told = TRUE,
                   vipps_told_change = '', vipps_proposed_refund = 0,
                   vipps_is_order_mail_sent = FALSE,
                   vipps_pos_is_given_up = FALSE
             WHERE id = %s
        """, [late_tx.id])
        for _i in range(2):  # An update that was stopped is made again.
            self._migrate()
        self.assertEqual(told_tx.vipps_told, {
            'guarantee': True, 'change': 'dearer 250.000000', 'unpaid': 'delivered 99.500000',
            'refund': 12.3, 'order_mail': True, 'app_link': 'sale.order(7,)',
            'given_up': True,
        })
        self.assertEqual(late_tx.vipps_told, {'guarantee': True, 'deadline': True})
        self.assertFalse(other_tx.vipps_told)
        self.env.cr.execute("""
            SELECT FROM pg_indexes
             WHERE indexname IN ('payment_transaction_vipps_deadline_index',
                                 'payment_transaction_vipps_guaranteed_index')
        """)
        self.assertFalse(self.env.cr.rowcount)

    def test_databases_that_never_told_anybody_are_updated(self):
        tx = self._authorize()
        self.env.flush_all()
        self.env.cr.execute("ALTER TABLE payment_transaction DROP COLUMN vipps_told")
        self._migrate()
        self.assertFalse(tx.vipps_told)

    def test_saved_searches_and_exports_do_not_name_fields_that_are_gone(self):
        gone, kept = self.env['ir.filters'].create([
            {'name': field, 'model_id': 'payment.transaction', 'domain': f"[('{field}', '>', 0)]"}
            for field in ('vipps_proposed_refund', 'vipps_remaining_amount')
        ])
        export = self.env['ir.exports'].create({
            'name': 'Orders', 'resource': 'sale.order', 'export_fields': [
                Command.create({'name': 'name'}),
                Command.create({'name': 'transaction_ids/vipps_proposed_refund'}),
            ],
        })
        self.env.flush_all()
        self._migrate()
        self.assertEqual((gone + kept).exists(), kept)
        self.assertEqual(export.export_fields.mapped('name'), ['name'])
