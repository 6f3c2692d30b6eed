# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from datetime import timedelta

from odoo import _, fields, models
from odoo.exceptions import UserError
from odoo.tools import format_amount

# More than the longest queue needs, and too few to find out whose numbers are known to the app.
MAX_PUSHES = 30
PUSH_PERIOD = timedelta(minutes=10)


class PosSession(models.Model):
    """ How much a till may ask for, and how often. """
    _inherit = 'pos.session'

    #=== BUSINESS METHODS ===#

    def _vipps_check_pushes(self):
        """ Ensure that the till does not send push messages to all numbers there are.

        :return: None
        :raise UserError: If it has sent too many lately.
        """
        since = fields.Datetime.now() - PUSH_PERIOD
        if self.env['payment.transaction'].sudo().search_count([
            ('vipps_pos_config_id', '=', self.config_id.id),
            ('vipps_pos_flow', '=', 'push'),
            ('create_date', '>=', since),
        ], limit=MAX_PUSHES) >= MAX_PUSHES:
            raise UserError(_(
                "This till has sent %(count)s push messages within %(minutes)s minutes, which is"
                " the limit. Show a QR code instead, or try again in a few minutes.",
                count=MAX_PUSHES, minutes=int(PUSH_PERIOD.total_seconds() // 60),
            ))

    def _vipps_check_amount(self, payment_sudo):
        """ Ensure that a payment is not for more than is left to pay of the order.

        :param pos.payment payment_sudo: The payment as the till has saved it.
        :return: None
        :raise UserError: If it is.
        """
        order_sudo = payment_sudo.pos_order_id
        currency = order_sudo.currency_id
        sign = -1 if payment_sudo.amount < 0 else 1
        # A browser may not know of all that was paid.
        done_sudo = order_sudo._vipps_get_attempts()._vipps_filter_done()
        total_amount = order_sudo._vipps_round_for_app(order_sudo.amount_total)
        if order_sudo.payment_ids.filtered(
            lambda p: p.id > payment_sudo.id and p.payment_method_id.is_cash_count
        ):  # Cash that comes last is rounded, up or down.
            rounded_amount = order_sudo._get_rounded_amount(order_sudo.amount_total)
            total_amount = sign * max(sign * total_amount, sign * rounded_amount)
        left_amount = sign * (
            total_amount
            - sum(tx._vipps_get_till_amount() for tx in done_sudo)
            - sum(order_sudo.payment_ids.filtered(
                lambda p: p.payment_method_id.use_payment_terminal != 'vipps'
            ).mapped('amount'))
        )
        if currency.compare_amounts(abs(payment_sudo.amount), left_amount) <= 0:
            return
        left = format_amount(self.env, max(left_amount, 0), currency)
        if not done_sudo and currency.compare_amounts(left_amount, 0) <= 0:
            raise UserError(_("Nothing is left to pay or to give back for this order."))
        if done_sudo:
            raise UserError(_(
                "Order %(order)s is paid or refunded with %(method)s already, all or a part of it:"
                " %(left)s is left. Open the payments of the order again.",
                order=order_sudo.pos_reference, left=left,
                method=payment_sudo.payment_method_id.name,
            ))
        if sign < 0:
            raise UserError(_("Only %s is to be given back. Enter that amount.", left))
        raise UserError(_("Only %s is left to pay of this order. Enter that amount.", left))
