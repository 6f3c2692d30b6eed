# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo.fields import Command
from odoo.modules.migration import load_script
from odoo.modules.module import get_module_path
from odoo.tests import tagged

from .common import TransactionCommon


@tagged('post_install', '-at_install')
class TestMigrationDocuments(TransactionCommon):

    def _migrate(self):
        self.env.flush_all()
        path = f'{get_module_path("mobilepay_vipps")}/migrations/17.0.1.5.0/post-documents.py'
        load_script(path, 'post_documents').migrate(self.env.cr, '17.0.1.4.0')
        self.env.invalidate_all()

    def test_earlier_payments_have_documents_and_are_not_compared(self):
        order = self._create_order()
        order_tx, invoice_tx = self._start_order(order), self._start_invoice(self._create_invoice())
        link_tx = self._start()
        txs = order_tx | invoice_tx | link_tx
        self.assertEqual(txs.mapped('vipps_has_document'), [True, True, False])
        self.assertEqual(txs.mapped('vipps_document_amount'), [249.5, 249.5, 0])
        # As the version before had it.
        txs.write({'vipps_has_document': False, 'vipps_document_amount': 0})
        self._migrate()
        self.assertEqual(txs.mapped('vipps_has_document'), [True, True, False])
        self.assertEqual(txs.mapped('vipps_document_amount'), [0, 0, 0])
        order.unlink()
        self._approve(order_tx)
        order_tx._vipps_refresh()
        self.assertEqual(order_tx.state, 'cancel')

    def test_customers_do_not_read_how_core_keeps_account_anymore(self):
        tx = self._authorize(sale_order_ids=[Command.set(self._create_order().ids)])
        self._capture(tx, 100, void_remaining_amount=True)
        other_tx = self._authorize(amount=100)
        for record in (tx, other_tx):
            record.state_message = "partial capture and partial void transactions"
        self._migrate()
        self.assertFalse(tx.state_message)
        self.assertTrue(other_tx.state_message)
