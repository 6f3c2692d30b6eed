# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo.modules.migration import load_script
from odoo.modules.module import get_module_path
from odoo.tests import tagged

from .pos_common import PosCommon


@tagged('post_install', '-at_install')
class TestMigrationTill(PosCommon):

    def test_attempts_of_earlier_versions_find_their_orders(self):
        sold_tx = self._sell().payment_ids.vipps_transaction_id
        paid_tx = self._get_attempt(self._ask_and_approve(self._prepare_ui_order())['reference'])
        open_tx, twin_tx = (
            self._get_attempt(self._ask(self._prepare_ui_order())['reference']) for _i in range(2)
        )
        refund = self._ask(self._prepare_ui_refund(sold_tx.vipps_pos_order_id), False)
        refund_tx = self._get_attempt(refund['reference'])
        orders = {tx: tx.vipps_pos_order_id for tx in (sold_tx, paid_tx, open_tx, refund_tx)}
        twin = self._save_draft(self._prepare_ui_order(80, payments=[]))
        twin.pos_reference = twin_tx.vipps_pos_reference
        self.env.flush_all()
        # As the version before had it: what was just asked for had no line yet.
        self.env.cr.execute("""
            UPDATE payment_transaction
               SET vipps_pos_order_id = NULL, vipps_pos_order_total = NULL
        """)
        self.env.cr.execute(
            "UPDATE pos_payment SET vipps_transaction_id = NULL WHERE vipps_transaction_id IN %s",
            [(open_tx.id, twin_tx.id)],
        )
        path = f'{get_module_path("mobilepay_vipps")}/migrations/17.0.1.5.0/post-till.py'
        load_script(path, 'post_till').migrate(self.env.cr, '17.0.1.4.0')
        self.env.invalidate_all()
        for tx, order in orders.items():
            with self.subTest(reference=tx.reference):
                self.assertEqual(tx.vipps_pos_order_id, order)
                self.assertEqual(tx.vipps_pos_order_total, order.amount_total)
        self.assertFalse(twin_tx.vipps_pos_order_id, "It may have been either.")
