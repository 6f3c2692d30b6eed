# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import fields, models


class SaleOrder(models.Model):
    """ The amounts that are paid for orders, and left to pay. """
    _name = 'sale.order'
    _inherit = ['vipps.paid.document', 'sale.order']

    #=== BUSINESS METHODS - INVOICES ===#

    def _generate_downpayment_invoices(self):
        """ Override of `sale` to invoice the delivered goods, and no down payment, if nothing more
        is going to be delivered, and exactly those goods were paid. """
        closed_orders = self.filtered(lambda order: (
            order._vipps_filter_paid()
            and order._vipps_is_closed()
            and not order.currency_id.compare_amounts(
                order.amount_paid, order._vipps_get_delivered_amount()
            )
        ))
        invoices = super(SaleOrder, self - closed_orders)._generate_downpayment_invoices()
        return invoices | closed_orders.with_context(
            raise_if_nothing_to_invoice=False
        )._create_invoices(final=True)

    #=== BUSINESS METHODS - PAID AMOUNTS ===#

    def _vipps_get_left_to_pay(self):
        """ Override to count reservations and payments otherwise than by transactions. """
        return self.amount_total - (
            self.env['payment.transaction']._vipps_get_held_order_amount(self)
        )

    def _vipps_get_amount_paid_otherwise(self):
        """ Hook: return the amount that was paid for the order otherwise than by its transactions,
        in its currency. """
        self.ensure_one()
        return sum(
            self._vipps_convert(
                self._vipps_get_amount_paid_on(invoice), invoice.currency_id, invoice.invoice_date
            )
            for invoice in self._vipps_get_posted_invoices()
        )

    def _vipps_get_amount_paid_on(self, invoice):
        """ Return the amount that was paid on an invoice for the order without transactions of its
        orders, in the currency of the invoice: the share of the order in the amount that they left
        to pay, if it is for several orders. """
        orders = invoice.invoice_line_ids.sale_line_ids.order_id
        own_amounts, other_amount = dict.fromkeys(orders, 0), 0
        for partial in invoice.line_ids.matched_credit_ids:
            move = partial.credit_move_id.move_id
            tx = move.payment_id.payment_transaction_id
            tx_orders = orders & (tx | tx.source_transaction_id).sale_order_ids
            if tx_orders:
                own_amounts[tx_orders[0]] += partial.debit_amount_currency
            elif self._vipps_is_payment(move, invoice):
                other_amount += partial.debit_amount_currency
        left_amounts = {
            order: max(order._vipps_get_share(invoice) * invoice.amount_total - own_amount, 0)
            for order, own_amount in own_amounts.items()
        }
        rest = invoice.amount_total - sum(
            order._vipps_get_share(invoice) * invoice.amount_total for order in orders
        )
        total = sum(left_amounts.values()) + max(rest, 0)
        return other_amount * left_amounts[self] / total if total else 0

    def _vipps_get_uninvoiced_amount(self):
        """ Return the amount of the order that is to be paid, and neither invoiced nor paid without
        an invoice, in its currency. """
        self.ensure_one()
        if self.state == 'cancel':
            return 0
        invoiced_amount = sum(
            self._vipps_get_share(invoice) * self._vipps_convert(
                invoice.amount_total, invoice.currency_id, invoice.invoice_date
            )
            for invoice in self.invoice_ids
            if invoice.move_type == 'out_invoice' and invoice.state != 'cancel'
        )
        return max(self.amount_total - invoiced_amount, 0)

    def _vipps_get_posted_invoices(self):
        """ Hook: return the posted invoices whose payments are payments of the order. """
        return self.invoice_ids.filtered(
            lambda move: move.move_type == 'out_invoice' and move.state == 'posted'
        )

    def _vipps_get_share(self, invoice):
        """ Return the part of an invoice that is for the order, between 0 and 1. """
        lines = invoice.invoice_line_ids.filtered(lambda line: self in line.sale_line_ids.order_id)
        amount = sum(lines.mapped('price_total'))
        return min(max(amount / invoice.amount_total, 0), 1) if invoice.amount_total else 0

    def _vipps_convert(self, amount, currency, date):
        return currency._convert(
            amount, self.currency_id, self.company_id, date or fields.Date.today()
        )

    def _vipps_is_payment(self, move, invoice):
        """ Return whether a journal entry that is reconciled with an invoice pays it: a credit note
        that corrects the invoice or its orders does not. """
        return move.move_type != 'out_refund' or not (
            move.reversed_entry_id & self.invoice_ids
            or move.line_ids.sale_line_ids.order_id & invoice.line_ids.sale_line_ids.order_id
        )
