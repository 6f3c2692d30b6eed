# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import api, fields, models


class PaymentTransaction(models.Model):
    """ The amounts that are left to pay of the documents of a payment, and those that are paid or
    reserved for them. """
    _inherit = 'payment.transaction'

    # A payment of a document that was deleted looks like one that never had any.
    vipps_has_document = fields.Boolean(copy=False, readonly=True)
    vipps_document_amount = fields.Monetary(
        string="Total When Started",
        help="The total of the orders, or else of the invoices, when the payment was started.",
        copy=False,
        readonly=True,
    )

    #=== CRUD METHODS ===#

    @api.model_create_multi
    def create(self, values_list):
        """ Override of `payment` to remember that a payment has documents, and their total. """
        txs = super().create(values_list)
        for tx in txs.filtered('vipps_payment_reference'):
            if tx.sale_order_ids or tx.invoice_ids:
                tx.write({
                    'vipps_has_document': True,
                    'vipps_document_amount': tx._vipps_get_total_amount(),
                })
        return txs

    #=== BUSINESS METHODS - DOCUMENTS ===#

    def _vipps_is_document_cancelled(self):
        """ Return whether all documents were cancelled or deleted since the payment was started.
        """
        documents = self.sale_order_ids or self.invoice_ids
        if not documents:
            return self.vipps_has_document
        return all(document.state == 'cancel' for document in documents)

    def _vipps_get_total_amount(self):
        """ Hook: return the total of the documents that are not cancelled, in major units. """
        documents = self.sale_order_ids or self.invoice_ids
        return sum(
            document.amount_total for document in documents if document.state != 'cancel'
        )

    #=== BUSINESS METHODS - AMOUNTS LEFT TO PAY ===#

    def _vipps_is_paid_otherwise(self):
        """ Hook: return whether other payments leave too little to pay of the documents for this
        one.

        If the documents became cheaper, that is no payment: they are compared as they were.
        """
        now_amount = self._vipps_get_total_amount()
        total_amount = max(now_amount, self.vipps_document_amount)
        left_amount = (
            self._vipps_get_due_amount() + total_amount - now_amount - self._vipps_get_held_amount()
        )
        return (
            self.currency_id.compare_amounts(left_amount, total_amount) < 0
            and self.currency_id.compare_amounts(self.amount, left_amount) > 0
        )

    def _vipps_get_left_amount(self):
        """ Return the part of the payment that may be captured: the reserved amount, at most the
        amount left to pay of the documents. Refunded amounts are not captured again.

        :return: The amount, in major units.
        """
        if not self.sale_order_ids and not self.invoice_ids:
            return 0 if self.vipps_has_document else self.vipps_remaining_amount
        left_amount = self._vipps_get_due_amount() - self._vipps_get_held_amount(later=False)
        if not self.vipps_document_amount:  # Earlier versions did not compare.
            left_amount += max(self.amount - self._vipps_get_total_amount(), 0)
        left_amount -= (
            self._vipps_get_captured_amount() if self.sale_order_ids
            else self._vipps_get_unused_amount()
        )
        left_amount = self.env['vipps.api.client']._round_down(left_amount, self.currency_id)
        return max(min(left_amount, self.vipps_remaining_amount), 0)

    def _vipps_get_due_amount(self):
        """ Return the amount to pay of the documents, in major units.

        It contains the amounts that :meth:`_vipps_get_held_amount` counts.
        """
        if self.sale_order_ids:
            return self._vipps_get_total_amount()
        return sum(
            invoice.amount_residual for invoice in self.invoice_ids if invoice.state != 'cancel'
        )

    #=== BUSINESS METHODS - OTHER PAYMENTS ===#

    def _vipps_get_held_amount(self, later=True):
        """ Return the amount that is reserved or paid for the documents otherwise than by this
        payment.

        :param bool later: Whether reservations count that were made after this one.
        :return: The amount, in major units.
        """
        if self.sale_order_ids:
            return self._vipps_get_held_order_amount(self.sale_order_ids, later)
        return self._vipps_get_held_invoice_amount(self.invoice_ids, later)

    def _vipps_get_held_order_amount(self, orders, later=True):
        """ Return the amount that is reserved or paid for orders otherwise than by this payment, if
        any. A payment of several orders counts once for all of them: the part that it can pay of
        others is not held for these.

        :param bool later: Whether reservations count that were made after this one.
        :return: The amount, in major units.
        """
        txs = orders.transaction_ids - self
        shared_txs = txs.filtered(lambda t: t.sale_order_ids - orders)
        other_orders = shared_txs.sale_order_ids - orders
        elsewhere_amount = sum(
            order.amount_total - order._vipps_get_amount_paid_otherwise()
            for order in other_orders if order.state != 'cancel'
        ) - sum(
            tx._vipps_get_used_amount() for tx in other_orders.transaction_ids - shared_txs - self
        )
        amount = sum(
            tx._vipps_get_used_amount(self, later) for tx in txs - shared_txs
        ) + max(
            sum(tx._vipps_get_used_amount(self, later) for tx in shared_txs)
            - max(elsewhere_amount, 0), 0,
        )
        for order in orders.filtered(lambda order: order.state != 'cancel'):
            amount += order._vipps_get_amount_paid_otherwise()
            # The booked part of these is counted as paid on the invoices.
            for tx in order.invoice_ids.transaction_ids - txs - self:
                if tx.sale_order_ids:  # It is for other orders on the same invoice.
                    continue
                share = max(order._vipps_get_share(invoice) for invoice in tx.invoice_ids)
                amount += share * tx._vipps_get_open_amount(self, later)
        return amount

    def _vipps_get_held_invoice_amount(self, invoices, later=True):
        """ Return the amount that is reserved or paid for invoices, and not booked there, otherwise
        than by this payment, if any. A payment of an order counts once for all of its invoices: the
        part that it can pay of others, and of the goods that are not invoiced yet, is not held for
        these.

        :param bool later: Whether reservations count that were made after this one.
        :return: The amount, in major units.
        """
        orders = invoices.line_ids.sale_line_ids.order_id
        own_txs = invoices.transaction_ids.filtered(
            lambda t: not t.sale_order_ids and t.invoice_ids <= invoices
        ) - self
        shared_txs = (
            invoices.transaction_ids | orders.transaction_ids | orders.invoice_ids.transaction_ids
        ) - own_txs - self
        shared_orders = orders | shared_txs.sale_order_ids
        other_invoices = (shared_orders.invoice_ids | shared_txs.invoice_ids) - invoices
        elsewhere_amount = sum(
            invoice.amount_residual for invoice in other_invoices
            if invoice.move_type == 'out_invoice' and invoice.state == 'posted'
        ) + sum(order._vipps_get_uninvoiced_amount() for order in shared_orders)
        return sum(tx._vipps_get_open_amount(self, later) for tx in own_txs) + max(
            sum(tx._vipps_get_open_amount(self, later) for tx in shared_txs) - elsewhere_amount, 0
        )

    def _vipps_get_used_amount(self, compared_tx=None, later=True):
        """ Return the amount that the transaction has reserved or paid, less its refunds.

        :param bool later: Whether the reserved amount counts if this is the later one.
        :return: The amount, in major units.
        """
        return self._vipps_get_waiting_amount(compared_tx, later) + sum(
            part.amount for part in self._vipps_get_captures() | self._vipps_get_refunds()
        )

    def _vipps_get_open_amount(self, compared_tx=None, later=True):
        """ Return the amount that the transaction has reserved or paid and that is not used on an
        invoice yet, with the parameters of :meth:`_vipps_get_used_amount`. """
        return self._vipps_get_waiting_amount(compared_tx, later) + sum(
            part._vipps_get_unreconciled_amount()
            for part in self._vipps_get_captures() | self._vipps_get_refunds()
        )

    def _vipps_get_waiting_amount(self, compared_tx, later):
        """ Return the reserved amount. Other providers set payments to pending that they are going
        to take; with a payment that somebody only announces, nothing is reserved. """
        if not later and self._origin.id > compared_tx._origin.id:
            return 0
        if self.state == 'pending' and self.provider_code not in ('vipps', 'none', 'custom'):
            return self.amount
        return self._vipps_get_reserved_amount()

    def _vipps_get_unused_amount(self):
        """ Return the captured amount that is neither refunded nor used on an invoice, in major
        units. """
        amount = sum(part._vipps_get_unreconciled_amount() for part in self._vipps_get_captures())
        return max(self.currency_id.round(min(amount, self._vipps_get_refundable_amount())), 0)

    def _vipps_get_unreconciled_amount(self):
        """ Return the unreconciled amount of a capture; negative for a refund. """
        payment = self.payment_id
        if payment.state != 'posted':
            return self.amount
        open_amount = abs(sum(payment._vipps_get_open_lines().mapped('amount_residual_currency')))
        return open_amount if self.amount > 0 else -open_amount

    #=== BUSINESS METHODS - READING ===#

    def _vipps_look_soon(self):
        """ Have the payments read after this database transaction, which changes the documents that
        they pay. """
        tx_ids = self.env.cr.precommit.data.setdefault('vipps_transaction_ids', set())
        if not tx_ids:
            self.env.cr.precommit.add(self.env[self._name].sudo()._vipps_request_reads)
        tx_ids.update(self.ids)

    def _vipps_look_at_rivals(self):
        """ Have other reservations for the documents of these payments checked: they may not be
        needed any longer. """
        txs = (
            self.sale_order_ids._vipps_filter_paid().transaction_ids
            | self.invoice_ids._vipps_filter_paid().transaction_ids
        )
        reserved_txs = txs.filtered(
            lambda t: t.provider_code == 'vipps' and t.state == 'authorized'
        )
        if reserved_txs:
            reserved_txs._vipps_look_soon()

    def _vipps_request_reads(self):
        """ Request to read the payments whose documents were changed. """
        txs = self.browse(self.env.cr.precommit.data.pop('vipps_transaction_ids', ())).exists()
        self.env['vipps.task']._schedule(txs.filtered(
            lambda tx: tx.vipps_payment_reference and tx.state in ('authorized', 'done')
        ), 'capture')
