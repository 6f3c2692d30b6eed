# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import _, models
from odoo.exceptions import UserError
from odoo.tools import format_amount


class PosOrder(models.Model):
    """ The limit of a refund order: browsers name the products and their prices. """
    _inherit = 'pos.order'

    #=== BUSINESS METHODS ===#

    def _vipps_check_returned_value(self, payment, amount):
        """ Ensure that no more is refunded than the returned products were sold for.

        :param pos.payment payment: The payment of the refund order.
        :param float amount: The amount to refund with it, in major units.
        :return: None
        :raise UserError: If it is more.
        """
        left_value = self._vipps_get_returned_value()
        if self.currency_id.compare_amounts(amount, left_value) > 0:
            raise UserError(_(
                "At most %(amount)s can be refunded with %(method)s: that is left of what the"
                " returned products were sold for. Enter that amount.",
                amount=format_amount(self.env, max(left_value, 0), self.currency_id),
                method=payment.payment_method_id.name,
            ))

    def _vipps_get_returned_value(self):
        """ Return the part of the price of the returned products that is left to refund, in major
        units. """
        self.ensure_one()
        value = self._vipps_round_for_app(sum(
            lines._vipps_get_returned_value()
            for lines in self.lines.grouped('refunded_orderline_id').values()
        ))
        done_sudo = self._vipps_get_attempts()._vipps_filter_done()
        left_value = value + sum(done_sudo.mapped('amount'))
        # Taxes may have been rounded for each line, or for the whole order.
        missing = abs(self.amount_total) - value
        if 0 < missing <= self.currency_id.rounding * len(self.lines):
            left_value += missing
        return self.currency_id.round(left_value)


class PosOrderLine(models.Model):
    _inherit = 'pos.order.line'

    def _vipps_get_returned_value(self):
        """ Return the amount that lines of a refund order may give back of the line that they
        refund: no more than is left of its price.

        :return: The amount, in major units; below zero for a discount that is taken back.
        :rtype: float
        """
        original = self.refunded_orderline_id
        if original.company_id != self.company_id:
            return 0
        other_lines = (original.refund_orderline_ids - self).filtered(
            lambda line: line.order_id.state not in ('draft', 'cancel')
            or line.order_id._vipps_get_attempts()._vipps_filter_done()
        )
        left_value = original.price_subtotal_incl + sum(
            other_lines.mapped('price_subtotal_incl')
        )
        return min(-sum(self.mapped('price_subtotal_incl')), left_value)
