# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from datetime import timedelta

from odoo.fields import Command
from odoo.tests import tagged

from .test_accounting import AccountingCommon


@tagged('post_install', '-at_install')
class TestAccountingInvoices(AccountingCommon):
    """ Invoices that Odoo makes automatically, in other currencies, and with discounts. """

    #=== Automatic invoicing ===#

    def test_an_order_captured_in_parts_is_invoiced_automatically_and_paid(self):
        self._set_automatic_invoice()
        order, tx = self._reserve_order()
        self._capture(tx, 400)
        self.assertFalse(order.invoice_ids)
        self._capture_elsewhere(tx, 60000)
        self.assertEqual(order.invoice_ids.amount_total, 1000)
        self._assert_paid(order.invoice_ids)
        self._assert_nothing_is_open()

    def test_only_what_was_captured_is_invoiced_automatically_when_the_rest_was_released(self):
        self._set_automatic_invoice()
        order, tx = self._reserve_order()
        self._capture(tx, 400)
        self._release_elsewhere(tx)
        self.assertEqual(order.invoice_ids.amount_total, 400)
        self._assert_paid(order.invoice_ids)
        self._assert_nothing_is_open()

    def test_an_order_that_was_closed_before_all_was_delivered_gets_its_final_invoice(self):
        self._set_automatic_invoice()
        self.vipps.vipps_capture_mode = 'on_delivery'
        self.product.type = 'consu'
        self.product.invoice_policy = 'delivery'  # Odoo sets it anew with the type.
        order, tx = self._reserve_order(order_line=[Command.create({
            'product_id': self.product.id, 'product_uom_qty': 10, 'price_unit': 100,
            'tax_id': [Command.clear()],
        })])
        order.picking_ids.move_ids.write({'quantity': 4, 'picked': True})
        order.picking_ids.with_context(cancel_backorder=True)._action_done()
        self._refresh(tx)
        self._post_process()
        self.assertEqual(self._get_aggregate(tx)['cancelled'], 60000)
        self.assertRecordValues(order.invoice_ids.invoice_line_ids, [
            {'product_id': self.product.id, 'quantity': 4, 'price_total': 400},
        ])
        self.assertEqual(order.order_line.mapped('qty_invoiced'), [4])
        self._assert_paid(order.invoice_ids)
        self._assert_nothing_is_open()

    def test_what_was_invoiced_by_hand_is_not_invoiced_automatically_again(self):
        self._set_automatic_invoice()
        self.product.write({'invoice_policy': 'delivery', 'type': 'service'})
        order, tx = self._reserve_order(order_line=[Command.create({
            'product_id': self.product.id, 'product_uom_qty': 10, 'price_unit': 100,
            'tax_id': [Command.clear()],
        })])
        order.order_line.qty_delivered = 4
        invoice = self._invoice(order)
        self._capture(tx, 400)
        self._release_elsewhere(tx)
        self.assertEqual(order.invoice_ids, invoice)
        self.assertEqual(tx.invoice_ids, invoice)
        self._assert_paid(invoice)
        self._assert_nothing_is_open()

    #=== Currencies and discounts ===#

    def test_captures_in_another_currency_pay_the_invoice_at_their_own_rate(self):
        self._set_danish()
        invoice = self._create_invoice(1000)
        invoice.button_draft()
        invoice.write({
            'currency_id': self.currency_dkk.id, 'invoice_date': self.today - timedelta(days=1),
        })
        invoice.action_post()
        self.assertEqual(invoice.amount_total_signed, 1500)
        tx = self._start(
            amount=1000, currency_id=self.currency_dkk.id,
            payment_method_id=self.method_mobile_pay.id, invoice_ids=[Command.set(invoice.ids)],
        )
        self._approve(tx)
        self._refresh(tx)
        for amount in (400, 600):
            self._capture(tx, amount, user=self.accountant)
        first, second = self._get_payments(tx)
        self._assert_entry(first, 500)
        self._assert_entry(second, 750)
        self._assert_paid(invoice)
        self._assert_nothing_is_open()
        exchange_move = invoice.line_ids.matched_credit_ids.exchange_move_id
        self.assertEqual(sum(exchange_move.line_ids.filtered(
            lambda line: line.account_id == self.receivable
        ).mapped('balance')), -250)

        credit_note = invoice._reverse_moves([{'invoice_date': self.today}])
        credit_note.action_post()
        action = credit_note.with_user(self.accountant).action_vipps_refund()
        self.env[action['res_model']].with_user(self.accountant).browse(
            action['res_id']
        ).action_refund()
        self.assertEqual(
            tx._vipps_get_refunds().payment_id.mapped('amount_company_currency_signed'),
            [-500, -750],
        )
        self._assert_nothing_is_open()

    def _create_discounted_invoice(self):
        invoice = self._create_invoice(100)
        invoice.button_draft()
        invoice.invoice_payment_term_id = self.env['account.payment.term'].create({
            'name': "2% within 10 days",
            'early_discount': True, 'discount_days': 10, 'discount_percentage': 2,
            'line_ids': [Command.create({
                'value': 'percent', 'value_amount': 100, 'nb_days': 30,
            })],
        })
        invoice.action_post()
        return invoice

    def test_an_early_payment_discount_is_what_core_makes_of_it_when_captured_in_full(self):
        invoice = self._create_discounted_invoice()
        tx = self._reserve_invoice(invoice, 98)
        self._capture(tx, user=self.accountant)
        core_books_discounts = hasattr(invoice, '_get_invoice_next_payment_values')
        self.assertEqual(invoice.amount_residual, 0 if core_books_discounts else 2)
        self.assertEqual(self._get_payments(tx).amount, 98)

    def test_an_early_payment_discount_is_left_open_when_captured_in_parts(self):
        invoice = self._create_discounted_invoice()
        tx = self._reserve_invoice(invoice, 98)
        for amount in (50, 48):
            self._capture(tx, amount)
        self.assertEqual(invoice.amount_residual, 2)
        first, second = self._get_payments(tx)
        self._assert_entry(first, 50)
        self._assert_entry(second, 48)
