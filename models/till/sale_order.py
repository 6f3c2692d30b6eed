# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import _, api, fields, models
from odoo.tools import format_amount

from ...trust import get_readable

TILL_GROUP = 'point_of_sale.group_pos_user'

# The states of orders of tills that sold something.
FINISHED_STATES = ('paid', 'done', 'invoiced')


class SaleOrder(models.Model):
    """ Orders that `pos_sale`, where it is installed, lets cashiers open at a till. """
    _inherit = 'sale.order'

    vipps_till_amount = fields.Monetary(
        string="Left to Pay at a Till",
        compute='_compute_vipps_till_amount',
        compute_sudo=True,
        groups=TILL_GROUP,
    )
    vipps_till_warning = fields.Char(
        string="Warning at the Till",
        compute='_compute_vipps_till_amount',
        compute_sudo=True,
        groups=TILL_GROUP,
    )

    #=== COMPUTE METHODS ===#

    @api.depends('amount_total', 'transaction_ids.state', 'transaction_ids.vipps_remaining_amount')
    @api.depends_context('lang')
    def _compute_vipps_till_amount(self):
        for order in self:
            stored_order = get_readable(order)
            order.vipps_till_amount = stored_order._vipps_get_left_amount()
            order.vipps_till_warning = stored_order._vipps_get_till_warning()

    #=== BUSINESS METHODS ===#

    def _vipps_get_left_amount(self):
        """ Return the amount that is left to pay of the order at a till, in major units: the part
        that is neither paid, reserved nor invoiced. """
        if not self:
            return 0
        left_amount = self._vipps_get_left_to_pay()
        if 'amount_unpaid' in self._fields:
            left_amount = min(left_amount, self.amount_unpaid)
        return max(self.currency_id.round(left_amount), 0)

    def _vipps_get_till_warning(self):
        """ Return the warning for a cashier before taking money for an order that is reserved or
        paid with Vipps MobilePay; False if there is nothing to know. """
        if not self:
            return False
        txs = self.transaction_ids.filtered('vipps_payment_reference')
        reserved_amount = sum(tx._vipps_get_reserved_amount() for tx in txs)
        paid_amount = sum(
            tx._vipps_get_captured_amount() - tx._vipps_get_refunded_amount() for tx in txs
        )
        if self.currency_id.compare_amounts(reserved_amount + paid_amount, 0) <= 0:
            return False
        values = {
            'reserved': format_amount(self.env, reserved_amount, self.currency_id),
            'paid': format_amount(self.env, paid_amount, self.currency_id),
            'left': format_amount(self.env, self._vipps_get_left_amount(), self.currency_id),
        }
        is_covered = not self._vipps_get_left_amount()
        if is_covered and not self.currency_id.is_zero(reserved_amount):
            return _(
                "The customer has approved this order in the app: %(reserved)s is reserved and"
                " %(paid)s is paid, so nothing is left to pay. Do not take money for it. Hand the"
                " goods out by the delivery of the order, and the reservation is charged. If you"
                " settle the order here all the same, what is reserved for it is released.",
                **values,
            )
        if is_covered:
            return _(
                "This order is paid: %(paid)s with Vipps MobilePay. Do not take money for it. Hand"
                " the goods out by the delivery of the order.", **values,
            )
        return _(
            "%(reserved)s of this order is reserved and %(paid)s is paid with Vipps MobilePay. Only"
            " %(left)s is left to pay: take it as a down payment of that amount, and hand the goods"
            " out by the delivery of the order. Do not settle the order.", **values,
        )

    def _vipps_get_amount_paid_otherwise(self):
        """ Override to count the payments at tills for the order, less their refunds. """
        return super()._vipps_get_amount_paid_otherwise() + sum(
            self._vipps_convert(
                line.price_subtotal_incl, line.order_id.currency_id, line.order_id.date_order
            )
            for line in self._vipps_get_till_lines()
        )

    def _vipps_get_till_lines(self):
        """ Return the lines of finished orders of tills that pay for the order, or refund that. """
        if 'pos_order_line_ids' not in self._fields:
            return self.env['pos.order.line'].sudo()
        lines_sudo = self.sudo().pos_order_line_ids
        return (lines_sudo | lines_sudo.refund_orderline_ids).filtered(
            lambda line: line.order_id.state in FINISHED_STATES
        )

    def _vipps_get_posted_invoices(self):
        """ Override to leave out invoices of orders of tills, which are counted as such. """
        return super()._vipps_get_posted_invoices().filtered(lambda move: not move.pos_order_ids)


class SaleOrderLine(models.Model):
    _inherit = 'sale.order.line'

    def _vipps_get_till_quantity(self):
        """ Override to count the goods that `pos_sale` sold. """
        return self._vipps_add_up(self._vipps_get_till_lines())

    def _vipps_get_till_amount(self):
        """ Override to count the prices that were asked for at the till. """
        return sum(self._vipps_get_till_lines().mapped('price_subtotal_incl'))

    def _vipps_get_added_till_quantity(self):
        """ Override to know the quantity that `pos_sale` adds, for drafts of tills, too. """
        if 'pos_order_line_ids' not in self._fields:
            return 0
        lines_sudo = self.sudo().pos_order_line_ids
        # Newer releases add nothing until the pickings of all orders are done.
        depends = self.env.registry.field_depends[self._fields['qty_delivered']]
        if any('picking_ids' in path for path in depends) and any(
            picking.state != 'done' for picking in lines_sudo.order_id.picking_ids
        ):
            return 0
        return self._vipps_add_up(lines_sudo)

    def _vipps_get_till_lines(self):
        """ Return the lines of finished till orders that sold the lines, or took that back. """
        if 'pos_order_line_ids' not in self._fields:
            return self.env['pos.order.line']
        lines_sudo = self.sudo().pos_order_line_ids
        return (lines_sudo | lines_sudo.refund_orderline_ids).filtered(
            lambda line: line.order_id.state in FINISHED_STATES
        )

    def _vipps_add_up(self, lines):
        """ Return the quantity of lines of tills, in the unit of the line. """
        if not lines:
            return 0
        return self.product_id.uom_id._compute_quantity(
            sum(lines.mapped('qty')), self.product_uom, round=False
        )


class PosOrder(models.Model):
    _inherit = 'pos.order'

    def write(self, values):
        """ Override of `point_of_sale` to look at the payments of the orders that a till paid for,
        in whichever way the order was finished. """
        res = super().write(values)
        lines_sudo = self.env['pos.order.line'].sudo()
        if 'state' in values and 'sale_order_origin_id' in lines_sudo._fields:
            lines_sudo = self.sudo().lines
            (lines_sudo | lines_sudo.refunded_orderline_id).sale_order_origin_id.sudo(
            )._vipps_filter_paid().transaction_ids._vipps_look_soon()
        return res
