# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo.exceptions import ValidationError
from odoo.modules.migration import load_script
from odoo.modules.module import get_module_path
from odoo.tests import tagged

from .common import TransactionCommon


@tagged('post_install', '-at_install')
class TestMigrationOperations(TransactionCommon):

    def _migrate(self):
        path = f'{get_module_path("mobilepay_vipps")}/migrations/17.0.1.6.0/post-operations.py'
        load_script(path, 'post_operations').migrate(self.env.cr, '17.0.1.5.0')
        self.env.invalidate_all()

    def _get_old_key(self, tx, operation, amount, moved_amount):
        """ Return the key of an operation, as versions before 17.0.1.6.0 derived it. """
        self.env.cr.execute(
            "SELECT vipps_refusal_count FROM payment_transaction WHERE id = %s", [tx.id]
        )
        refusal_count = self.env.cr.fetchone()[0] or 0
        return self.env['vipps.api.client']._get_idempotency_key(
            tx, operation, amount, (moved_amount, refusal_count)
        )

    def test_operations_under_way_keep_their_keys(self):
        refused_tx, other_tx = self._authorize(), self._authorize()
        self._capture(refused_tx, 49.5)
        self.env.flush_all()
        self.env.cr.execute("""
            ALTER TABLE payment_transaction ADD COLUMN IF NOT EXISTS vipps_refusal_count integer
        """)
        self.env.cr.execute(
            "UPDATE payment_transaction SET vipps_refusal_count = 3 WHERE id = %s", [refused_tx.id]
        )
        for _i in range(2):  # It may be called again.
            self._migrate()
        for tx, operation, amount, moved_amount in (
            (refused_tx, 'capture', 100, 4950),
            (refused_tx, 'capture', 200, 4950),
            (refused_tx, 'refund', 10, 0),
            (other_tx, 'capture', 249.5, 0),
        ):
            with self.subTest(operation=operation, amount=amount):
                self.assertEqual(
                    tx._vipps_get_operation_key(operation, amount),
                    self._get_old_key(tx, operation, amount, moved_amount),
                )
        self.assertEqual(self.env['vipps.audit.event'].search_count([
            ('reference', '=', refused_tx.reference), ('refusals', '>', 0),
        ]), 2)

        # The next refusal goes on counting.
        self.simulator.fault('capture', 'refuse', code='6100')
        with self._roll_back(), self.assertRaises(ValidationError):
            self._capture(refused_tx, 100)
        self.assertEqual(refused_tx._vipps_count_refusals('capture', 100), 4)
        self.assertEqual(refused_tx._vipps_count_refusals('capture', 200), 3)

    def test_new_databases_have_nothing_to_migrate(self):
        self.env.cr.execute(
            "ALTER TABLE payment_transaction DROP COLUMN IF EXISTS vipps_refusal_count"
        )
        self._migrate()
