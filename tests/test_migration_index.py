# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo.modules.migration import load_script
from odoo.modules.module import get_module_path
from odoo.tests import tagged

from .common import TransactionCommon


@tagged('post_install', '-at_install')
class TestMigrationIndex(TransactionCommon):
    """ The index of captures, which lacked their companies before version 17.0.1.9.0. """

    def test_captures_are_indexed_again(self):
        self.env.cr.execute("""
            DROP INDEX payment_transaction_vipps_captured_index;
            CREATE INDEX payment_transaction_vipps_captured_index ON payment_transaction (id);
        """)
        path = f'{get_module_path("mobilepay_vipps")}/migrations/17.0.1.9.0/pre-index.py'
        for _i in range(2):  # An update that was stopped is made again.
            load_script(path, 'pre_index').migrate(self.env.cr, '17.0.1.8.0')
        self.env['payment.transaction'].init()
        self.env.cr.execute("""
            SELECT indexdef FROM pg_indexes
             WHERE indexname = 'payment_transaction_vipps_captured_index'
        """)
        self.assertIn('company_id', self.env.cr.fetchone()[0])
