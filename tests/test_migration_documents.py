# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo.fields import Command
from odoo.modules.migration import load_script
from odoo.modules.module import get_module_path
from odoo.tests import tagged

from .common import TransactionCommon


@tagged('post_install', '-at_install')
class TestMigrationDocuments(TransactionCommon):

    def _migrate(self, version='17.0.1.5.0', stage='post'):
        self.env.flush_all()
        path = f'{get_module_path("mobilepay_vipps")}/migrations/{version}/{stage}-documents.py'
        load_script(path, f'{stage}_documents').migrate(self.env.cr, '17.0.1.4.0')
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
        order_tx._vipps_sync()
        self.assertEqual(order_tx.state, 'cancel')

    def test_customers_no_longer_read_the_accounts_of_core(self):
        tx = self._authorize(sale_order_ids=[Command.set(self._create_order().ids)])
        self._capture(tx, 100, void_remaining_amount=True)
        other_tx = self._authorize(amount=100)
        for record in (tx, other_tx):
            record.state_message = "partial capture and partial void transactions"
        self._migrate()
        self.assertFalse(tx.state_message)
        self.assertTrue(other_tx.state_message)

    def test_documents_with_payments_are_marked_and_the_rest_is_removed(self):
        order, other_order = self._create_order(), self._create_order()
        invoice, other_invoice = self._create_invoice(), self._create_invoice()
        self._start_order(order)
        self._start_invoice(invoice)
        for document, name in ((other_order, 'other-1'), (other_invoice, 'other-2')):
            self._create_transaction(
                'redirect', provider_id=self.dummy_provider.id, reference=name, **{
                    'sale_order_ids' if document == other_order else 'invoice_ids': [
                        Command.set(document.ids),
                    ],
                },
            )
        gone_filter, other_filter = self.env['ir.filters'].create([
            {'name': name, 'model_id': 'sale.order', 'domain': domain} for name, domain in (
                ("Gone", "[('vipps_paid_with', 'ilike', 'vipps')]"), ("Other", "[]"),
            )
        ])
        view = self.env['ir.ui.view'].create({
            'name': "Gone", 'model': 'sale.order',
            'inherit_id': self.env.ref('sale.sale_order_tree').id,
            'arch': '<field name="invoice_status" position="after"><field name="name"/></field>',
        })
        self.env['ir.model.data'].create({
            'module': 'mobilepay_vipps', 'name': 'sale_order_tree', 'model': 'ir.ui.view',
            'res_id': view.id,
        })
        self.env.flush_all()
        # As the version before had it.
        self.env.cr.execute("""
            ALTER TABLE sale_order DROP COLUMN vipps_has_payment;
            ALTER TABLE account_move DROP COLUMN vipps_has_payment;
        """)
        for _i in range(2):
            self._migrate('17.0.1.6.0', 'pre')
        for document, is_paid in (
            (order, True), (other_order, False), (invoice, True), (other_invoice, False),
        ):
            self.assertEqual(document.vipps_has_payment, is_paid)
        self.assertEqual((gone_filter | other_filter).exists(), other_filter)
        self.assertFalse(view.exists())
