# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import models
from odoo.tools import float_compare


class SaleOrder(models.Model):
    _inherit = 'sale.order'

    #=== COMPUTE METHODS ===#

    def _compute_delivery_status(self):
        """ Override of `sale_stock` to have the payments of the orders read. """
        super()._compute_delivery_status()
        self._vipps_look_at_payments()

    def _compute_amounts(self):
        """ Override of `sale` to have the payments of the orders read. """
        super()._compute_amounts()
        self._vipps_look_at_payments()

    #=== BUSINESS METHODS - READING ===#

    def _vipps_look_at_payments(self):
        """ Override to have the payments of changed orders read, whatever their state is.

        Nothing is asked of Vipps MobilePay here, and nothing is locked: the delivery of an order
        neither waits for its payment nor fails with it.
        """
        orders = self.filtered('id')._vipps_filter_paid()
        if not orders:
            return
        order_ids = self.env.cr.precommit.data.setdefault('vipps_order_ids', set())
        if not order_ids:
            self.env.cr.precommit.add(self.env['sale.order'].sudo()._vipps_request_reads)
        order_ids.update(orders.ids)

    def _vipps_request_reads(self):
        """ Request to read the payments of the orders that were changed. """
        order_ids = self.env.cr.precommit.data.pop('vipps_order_ids', set())
        txs = self.env['payment.transaction'].search([
            ('sale_order_ids', 'in', list(order_ids)),
            ('vipps_payment_reference', '!=', False),
            # Goods that are delivered although their reservation was released are to be reported.
            '|', ('state', 'in', ('authorized', 'done')),
            '&', ('state', '=', 'cancel'), ('vipps_authorized_amount', '>', 0),
        ])
        self.env['vipps.task']._schedule(txs.filtered(lambda tx: (
            tx.vipps_capture_mode == 'on_delivery'
            or tx.state == 'cancel'  # An order that is confirmed again is no longer covered.
            or any(
                order.state == 'cancel' or order.delivery_status in ('partial', 'full')
                for order in tx.sale_order_ids
            )
            or tx._vipps_is_total_changed()
        )), 'capture')

    #=== BUSINESS METHODS - DELIVERED GOODS ===#

    def _vipps_get_delivered_amount(self):
        """ Return the value of the delivered goods of the order, with discounts, taxes, and the
        delivery fee as soon as something is shipped.

        Parts are rounded once for all lines, so that they add up to the total in the end.

        :return: The amount, in major units of the currency of the order.
        :rtype: float
        """
        self.ensure_one()
        if self.state != 'sale':
            return 0
        lines = self._vipps_get_priced_lines()
        sold_lines = lines._vipps_get_sold_lines()
        # Goods that are delivered without being ordered, or that a till sold for another price.
        extra_amount = sum(
            max(line._vipps_get_delivered_amount() - line.price_total, 0) for line in sold_lines
        )
        if all(line._vipps_compare_delivered() >= 0 for line in sold_lines):
            amount = self.amount_total + sum(
                line._vipps_get_delivered_amount() - line.price_total for line in lines
            )
        else:
            amount = min(
                sum(line._vipps_get_delivered_amount() for line in lines),
                self.amount_total + extra_amount,
            )
        return max(self.currency_id.round(amount), 0)

    def _vipps_get_priced_lines(self):
        """ Return the lines that cost something or lower the price, those that are free left out.
        """
        return self.order_line.filtered(
            lambda line: not line.display_type and not line.is_downpayment and line.price_unit
        )

    def _vipps_is_shipped(self):
        """ Return whether something was shipped, or there never was anything to ship. """
        goods_lines = self._vipps_get_goods_lines()
        return not goods_lines or any(
            line._vipps_get_delivered_quantity() > 0 for line in goods_lines
        )

    def _vipps_is_shipping_over(self):
        """ Return whether no goods are going to be shipped, or no more goods. """
        return all(
            line.product_uom_qty <= 0 or line._vipps_is_given_up()
            for line in self._vipps_get_goods_lines()
        )

    def _vipps_get_goods_lines(self):
        """ Return the lines that are shipped, at any price. """
        return self.order_line.filtered(lambda line: (
            line.qty_delivered_method == 'stock_move' and not line.display_type
            and not line.is_delivery
        ))

    def _vipps_is_closed(self):
        """ Return whether nothing more of the order is going to be delivered.

        A lock closes nothing: it keeps the order from being edited, not from being delivered.
        """
        self.ensure_one()
        if self.state == 'cancel':
            return True
        if self.state != 'sale':
            return False
        sold_lines = self._vipps_get_priced_lines()._vipps_get_sold_lines()
        fee_lines = sold_lines.filtered('is_delivery')
        # The fee waits for the goods, even if they are free.
        if fee_lines and not self._vipps_is_shipped() and not self._vipps_is_shipping_over():
            return False
        return all(
            line._vipps_compare_delivered() >= 0 or line._vipps_is_given_up()
            for line in sold_lines - fee_lines
        )

    def _vipps_is_returned(self):
        """ Return whether something came back from the customer. """
        return any(
            picking.state == 'done' and picking.location_id.usage == 'customer'
            for picking in self.picking_ids
        )


class SaleOrderLine(models.Model):
    _inherit = 'sale.order.line'

    #=== COMPUTE METHODS ===#

    def _compute_qty_delivered(self):
        """ Override of `sale` to have the payments of the orders read. """
        super()._compute_qty_delivered()
        self.order_id._vipps_look_at_payments()

    #=== CRUD METHODS ===#

    def write(self, values):
        """ Override of `sale` to have the payments read when a person enters the delivered
        quantity. """
        res = super().write(values)
        if 'qty_delivered' in values:
            self.order_id._vipps_look_at_payments()
        return res

    #=== BUSINESS METHODS - QUANTITIES ===#

    def _vipps_get_delivered_quantity(self):
        """ Return the quantity that is delivered, by us or by a till, in the unit of the line. """
        return self._vipps_get_own_quantity() + self._vipps_get_till_quantity()

    def _vipps_get_own_quantity(self):
        """ Return the quantity that is delivered otherwise than by a till, in the unit of the line.

        When something is invoiced does not matter: goods are delivered when they are shipped.
        """
        if self.qty_delivered_method == 'stock_move' and not self.is_delivery:
            return self._vipps_get_stock_quantity()
        if self.is_delivery:
            is_due = self.order_id._vipps_is_shipped()
        elif self.qty_delivered_method == 'manual' and self.product_id.invoice_policy == 'order':
            # Nothing says when it is delivered.
            is_due = self.order_id._vipps_is_shipped() or self.order_id._vipps_is_shipping_over()
        else:
            return self.qty_delivered
        if not is_due:
            return 0 if self.is_delivery else self.qty_delivered
        return max(self.product_uom_qty - self._vipps_get_till_quantity(), self.qty_delivered)

    def _vipps_get_stock_quantity(self):
        """ Return the quantity that core computes from stock, in the unit of the line. """
        if self.product_uom != self.product_id.uom_id and self.product_id in (
            self.move_ids.product_id
        ):
            # Core rounds each shipment, so that three thirds of a dozen are no dozen.
            outgoing_moves, incoming_moves = self._get_outgoing_incoming_moves()
            return sum(
                (1 if move in outgoing_moves else -1)
                * move.product_uom._compute_quantity(move.quantity, self.product_uom, round=False)
                for move in outgoing_moves | incoming_moves if move.state == 'done'
            )
        return self.qty_delivered - self._vipps_get_added_till_quantity()

    def _vipps_get_till_quantity(self):
        """ Hook: return the quantity that tills sold, in the unit of the line. """
        return 0

    def _vipps_get_added_till_quantity(self):
        """ Hook: return the quantity that tills added to core's delivered quantity, in the unit of
        the line. """
        return 0

    def _vipps_compare_delivered(self):
        """ Return -1, 0 or 1 for less, as much, or more delivered than ordered. """
        return float_compare(
            self._vipps_get_delivered_quantity(), self.product_uom_qty,
            precision_rounding=self.product_uom.rounding,
        )

    def _vipps_is_given_up(self):
        """ Return whether goods are not going to be delivered: the order was, without a back order.

        Goods without a delivery yet, like those to be ordered from a supplier, are waited for.
        """
        return self.order_id.delivery_status == 'full' and bool(self.move_ids) and all(
            move.state in ('done', 'cancel') for move in self.move_ids
        )

    #=== BUSINESS METHODS - AMOUNTS ===#

    def _vipps_get_delivered_amount(self):
        """ Return the value of the delivered part of the line, not rounded.

        Goods that a till sold are worth the price that was asked for them there.

        :return: The amount, in major units of the currency of the order; below 0 for a discount.
        :rtype: float
        """
        till_amount = self._vipps_get_till_amount()
        if self not in self._vipps_get_sold_lines():
            return till_amount + self.price_total * self._vipps_get_discounted_share()
        if self.product_uom_qty:
            return till_amount + self.price_total * self._vipps_get_own_share()
        # Goods that were delivered without being ordered have a price, but no total.
        return till_amount + self.tax_id.compute_all(
            self.price_unit * (1 - self.discount / 100), currency=self.currency_id,
            quantity=self._vipps_get_own_quantity(), product=self.product_id,
            partner=self.order_id.partner_shipping_id,
        )['total_included']

    def _vipps_get_till_amount(self):
        """ Hook: return the amount that tills sold the goods of the line for, in major units. """
        return 0

    def _vipps_get_own_share(self):
        """ Return the quantity that is delivered otherwise than by a till as a share of the ordered
        quantity, which is not 0. """
        quantity = self._vipps_get_own_quantity()
        if not float_compare(
            quantity, self.product_uom_qty, precision_rounding=self.product_uom.rounding
        ):
            return 1
        return max(quantity / self.product_uom_qty, 0)

    #=== BUSINESS METHODS - DISCOUNTS ===#

    def _vipps_get_sold_lines(self):
        """ Return the lines that something is paid for: no discounts, rewards and gift cards that
        are lines of their own, and nothing that is taken in payment. """
        return self.filtered(lambda line: line.price_unit * (line.product_uom_qty or 1) > 0)

    def _vipps_get_discounted_share(self):
        """ Return the delivered share of the lines whose price a discount lowers. """
        lines = self._vipps_get_discounted_lines()
        total_amount = sum(lines.mapped('price_total'))
        if not total_amount:
            return 1
        return sum(
            line.price_total * min(line._vipps_get_own_share(), 1) for line in lines
        ) / total_amount

    def _vipps_get_discounted_lines(self):
        """ Return the lines whose price a discount lowers; all if it is more than those are worth.
        """
        all_lines = self.order_id._vipps_get_priced_lines()._vipps_get_sold_lines().filtered(
            'product_uom_qty'
        )
        reward_sudo = 'reward_id' in self._fields and self.sudo().reward_id
        lines = all_lines
        if reward_sudo and not reward_sudo.program_id.is_payment_program:
            lines = self._vipps_get_rewarded_lines(reward_sudo, all_lines)
        elif self.tax_id and not reward_sudo:
            lines = all_lines.filtered(lambda line: line.tax_id == self.tax_id)
        if sum(lines.mapped('price_total')) + self.price_total < 0:
            return all_lines
        return lines

    def _vipps_get_rewarded_lines(self, reward, lines):
        """ Return the lines that a reward of `sale_loyalty` is about.

        :param loyalty.reward reward: The reward that this line is a part of: one for each tax.
        :param sale.order.line lines: All lines that something is paid for.
        :rtype: sale.order.line
        """
        fee_lines = lines.filtered('is_delivery')
        if reward.reward_type == 'shipping':
            return fee_lines
        lines = (lines - fee_lines).filtered(lambda line: line.tax_id == self.tax_id)
        if reward.discount_applicability == 'specific':
            domain = reward._get_discount_product_domain()
            return lines.filtered(lambda line: line.product_id.filtered_domain(domain))
        if reward.discount_applicability == 'cheapest':
            return lines & (self.order_id._cheapest_line() or lines.browse())
        return lines
