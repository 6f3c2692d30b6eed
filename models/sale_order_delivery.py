# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import fields, models
from odoo.tools import float_compare

# What the amount to capture, and whether the rest is released, depend on.
ORDER_FIELDS = {'state', 'locked', 'delivery_status', 'amount_total'}
LINE_FIELDS = {'qty_delivered', 'product_uom_qty', 'price_total'}


class SaleOrder(models.Model):
    _inherit = 'sale.order'

    # Orders that were locked by their confirmation are not closed, whatever the setting is now.
    vipps_is_locked_by_person = fields.Boolean(copy=False, readonly=True)

    #=== CRUD METHODS ===#

    def _write(self, values):
        """ Override of `orm` to have the payments of the order looked at, whoever changed it.

        Computed values, like what is delivered, are written here only.
        """
        res = super()._write(values)
        if ORDER_FIELDS & values.keys():
            self._vipps_look_at_payments()
        return res

    #=== ACTION METHODS ===#

    def action_confirm(self):
        """ Override of `sale` to tell its lock from that of a person. """
        confirming_self = self.with_context(vipps_is_confirming=True)
        return super(SaleOrder, confirming_self).action_confirm()

    def action_lock(self):
        """ Override of `sale` to remember that a person closed the orders. """
        self.vipps_is_locked_by_person = not self.env.context.get('vipps_is_confirming')
        return super().action_lock()

    def action_unlock(self):
        """ Override of `sale` to forget who locked the orders. """
        self.vipps_is_locked_by_person = False
        return super().action_unlock()

    #=== BUSINESS METHODS - READING ===#

    def _vipps_look_at_payments(self):
        """ Have the payments of the orders read after this database transaction.

        Nothing is asked of Vipps MobilePay here, and nothing is locked: who delivers an order
        neither waits for its payment nor fails with it.
        """
        order_ids = self.env.cr.precommit.data.setdefault('vipps_order_ids', set())
        if not order_ids:
            self.env.cr.precommit.add(self.env['sale.order'].sudo()._vipps_request_reads)
        order_ids.update(self.ids)

    def _vipps_request_reads(self):
        """ Request to read the payments of the orders that were changed. """
        order_ids = self.env.cr.precommit.data.pop('vipps_order_ids', set())
        txs = self.env['payment.transaction'].search([
            ('sale_order_ids', 'in', list(order_ids)),
            ('vipps_payment_reference', '!=', False),
            ('state', 'in', ('authorized', 'done')),
            '|', '|',
            ('vipps_capture_mode', '=', 'on_delivery'),
            ('sale_order_ids.delivery_status', 'in', ('partial', 'full')),
            ('sale_order_ids.state', '=', 'cancel'),
        ])
        self.env['vipps.read.request']._request(txs)

    #=== BUSINESS METHODS ===#

    def _vipps_get_delivered_amount(self, less_returns=False):
        """ Return the value of what is delivered of the order, with discounts, taxes, and the
        delivery fee as soon as something is shipped.

        Parts are rounded once for all lines, so that they add up to the total in the end.

        :param bool less_returns: Whether goods that count as delivered when they are ordered do
                                  not anymore when they came back.
        :return: The amount, in major units of the currency of the order.
        :rtype: float
        """
        self.ensure_one()
        if self.state != 'sale':
            return 0
        lines = self._vipps_get_priced_lines()
        is_shipped = self._vipps_is_shipped()
        fee_lines = lines.filtered('is_delivery')
        sold_lines = lines - fee_lines
        if (is_shipped or not fee_lines) and all(
            not line._vipps_compare_delivered(less_returns) for line in sold_lines
        ):
            return self.amount_total
        return self.currency_id.round(
            sum(line._vipps_get_delivered_amount(less_returns) for line in sold_lines)
            + (sum(fee_lines.mapped('price_total')) if is_shipped else 0)
        )

    def _vipps_get_priced_lines(self):
        """ Return the lines that are sold, those that are free left out. """
        return self.order_line.filtered(
            lambda line: not line.display_type and not line.is_downpayment and line.price_unit
        )

    def _vipps_is_shipped(self):
        """ Tell whether something was shipped, or there is nothing to ship. """
        goods_lines = self._vipps_get_goods_lines()
        return not goods_lines or any(line.qty_delivered > 0 for line in goods_lines)

    def _vipps_get_goods_lines(self):
        """ Return the lines that are shipped, whatever they cost. """
        return self.order_line.filtered(
            lambda line: line.product_id.type in ('consu', 'product') and not line.is_delivery
        )

    def _vipps_is_closed(self):
        """ Tell whether nothing more of the order is going to be delivered. """
        self.ensure_one()
        if self.state == 'cancel':
            return True
        if self.state != 'sale':
            return False
        if self.locked and self.vipps_is_locked_by_person:
            return True
        lines = self._vipps_get_priced_lines()
        fee_lines = lines.filtered('is_delivery')
        # The fee waits for the goods, even if they are free or count as delivered already.
        if fee_lines and not self._vipps_is_shipped() and not all(
            line.product_uom_qty <= 0 or line._vipps_is_given_up()
            for line in self._vipps_get_goods_lines()
        ):
            return False
        return all(
            line._vipps_compare_delivered() >= 0 or line._vipps_is_given_up()
            for line in lines - fee_lines
        )

    def _vipps_is_returned(self):
        """ Tell whether something came back from the customer. """
        return any(
            picking.state == 'done' and picking.location_id.usage == 'customer'
            for picking in self.picking_ids
        )

    def _vipps_get_amount_paid_on_invoices(self):
        """ Return what was paid of the invoices otherwise than by transactions of the order.

        :return: The amount, in major units of the currency of the order.
        :rtype: float
        """
        self.ensure_one()
        amount = 0
        for invoice in self.invoice_ids.filtered(
            lambda move: move.move_type == 'out_invoice' and move.state == 'posted'
            and move.currency_id == self.currency_id and move.amount_total
        ):
            order_lines = invoice.invoice_line_ids.filtered(
                lambda line: self in line.sale_line_ids.order_id
            )
            paid_amount = sum(
                partial.debit_amount_currency for partial in invoice.line_ids.matched_credit_ids
                if self._vipps_is_payment_otherwise(partial.credit_move_id.move_id)
            )
            # An invoice can be over several orders.
            amount += paid_amount * sum(order_lines.mapped('price_total')) / invoice.amount_total
        return amount

    def _vipps_is_payment_otherwise(self, move):
        """ Tell whether a journal entry pays an invoice without a transaction of the order. """
        tx = move.payment_id.payment_transaction_id
        return move.move_type == 'entry' and not (
            self.transaction_ids & (tx | tx.source_transaction_id)
        )


class SaleOrderLine(models.Model):
    _inherit = 'sale.order.line'

    def _write(self, values):
        """ Override of `orm` to have the payments of the order looked at, whoever changed it. """
        res = super()._write(values)
        if LINE_FIELDS & values.keys():
            self.order_id._vipps_look_at_payments()
        return res

    def _vipps_get_delivered_quantity(self, less_returns=False):
        """ Return the quantity that counts as delivered, in the unit of the line. """
        if self.product_id.invoice_policy != 'order':
            return self.qty_delivered
        if less_returns:
            kept_quantity = self.product_uom_qty - self._vipps_get_returned_quantity()
            return min(max(kept_quantity, self.qty_delivered), self.product_uom_qty)
        return self.product_uom_qty

    def _vipps_get_returned_quantity(self):
        """ Return the quantity that came back to be refunded and was not sent again, in the unit of
        the line. """
        if self.qty_delivered_method != 'stock_move':
            return 0
        if self.product_id not in self.move_ids.product_id:
            # What is missing of a kit is known when nothing of it is on its way anymore.
            is_settled = all(move.state in ('done', 'cancel') for move in self.move_ids)
            is_returned = any(
                move.state == 'done' and move.location_id.usage == 'customer' and move.to_refund
                for move in self.move_ids
            )
            return self.product_uom_qty - self.qty_delivered if is_settled and is_returned else 0
        outgoing_moves, incoming_moves = self._get_outgoing_incoming_moves()
        return sum(
            (1 if move in incoming_moves else -1)
            * move.product_uom._compute_quantity(
                move.quantity, self.product_uom, rounding_method='HALF-UP'
            )
            for move in incoming_moves | outgoing_moves.filtered('origin_returned_move_id')
            if move.state == 'done'
        )

    def _vipps_compare_delivered(self, less_returns=False):
        """ Return -1, 0 or 1 for less, as much, or more delivered than ordered. """
        sign = -1 if self.product_uom_qty < 0 else 1
        return sign * float_compare(
            self._vipps_get_delivered_quantity(less_returns), self.product_uom_qty,
            precision_rounding=self.product_uom.rounding,
        )

    def _vipps_is_given_up(self):
        """ Tell whether goods are not going to be delivered: the order was, without a back-order.

        What has no delivery yet, like what a supplier is still to be asked for, is waited for.
        """
        return self.order_id.delivery_status == 'full' and bool(self.move_ids) and all(
            move.state in ('done', 'cancel') for move in self.move_ids
        )

    def _vipps_get_delivered_amount(self, less_returns=False):
        """ Return the value of what is delivered of the line, not rounded.

        :return: The amount, in major units of the currency of the order.
        :rtype: float
        """
        quantity = self._vipps_get_delivered_quantity(less_returns)
        if self.product_uom_qty:
            return self.price_total * max(quantity / self.product_uom_qty, 0)
        # What was delivered without being ordered has a price, but no total.
        return self.tax_id.compute_all(
            self.price_unit * (1 - self.discount / 100), currency=self.currency_id,
            quantity=quantity, product=self.product_id, partner=self.order_id.partner_shipping_id,
        )['total_included']
