# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import _, models
from odoo.http import request

# Where Odoo keeps the code of a coupon for which there was no cart yet.
WAITING = 'pending_coupon_code'

# Where we keep it while it is used for a product that is bought at once, with the transaction.
USED = 'vipps_used_coupon_code'


class Website(models.Model):
    """ Coupons that wait in the session of a customer: an order that is not paid uses none. """
    _inherit = 'website'

    def sale_get_order(self, *args, **kwargs):
        """ Override of `website_sale` to give a coupon back in front of anything that asks for the
        cart, whoever ended the payment that it was used for. """
        if USED in request.session:
            self._vipps_give_coupon_back()
        return super().sale_get_order(*args, **kwargs)

    def _vipps_use_coupon(self, code, tx):
        """ Remember which payment a coupon that waited in the session is used for.

        :param str code: The code that waited; without one, or if it still waits, nothing is done.
        :param payment.transaction tx: The transaction.
        """
        if code and WAITING not in request.session:
            request.session[USED] = code, tx.id

    def _vipps_give_coupon_back(self, is_anew=False):
        """ Let a coupon wait in the session again, if the order is not bought that it was used for.

        :param bool is_anew: Whether the customer buys again, and so has left an open payment.
        """
        code, tx_id = request.session.get(USED, (None, None))
        tx_sudo = self.env['payment.transaction'].sudo().browse(tx_id).exists()
        if not code or tx_sudo.state == 'draft' and not is_anew:
            return
        request.session.pop(USED)
        if tx_sudo.state not in ('pending', 'authorized', 'done'):
            request.session.setdefault(WAITING, code)


class SaleOrder(models.Model):
    """ Coupons, and programs with a limited number of uses, that others have used meanwhile. """
    _inherit = 'sale.order'

    def _vipps_find_used_reward(self):
        """ Return the reason why the discounts of the order can no longer be given, for the staff,
        or None if they can. Odoo looks at the points of a coupon when an order is confirmed, but at
        the number of uses of a program only when the discount is put into the cart. """
        if 'coupon_id' not in self.order_line._fields:
            return None
        if any(
            order._get_real_points_for_coupon(coupon) < 0
            for order in self for coupon in order.order_line.coupon_id
        ) or any(
            program.limit_usage and self._vipps_count_uses(program) >= program.max_usage
            for program in self.order_line.reward_id.program_id
        ):
            return _("A coupon, or the points, of the order were used up meanwhile.")
        return None

    def _vipps_count_uses(self, program):
        """ Return how often a program was used by others. A cart that was left does not use it, but
        one whose Express payment was approved and found to fit does: it is going to be confirmed.
        """
        program_sudo = program.sudo()
        program_sudo.invalidate_recordset(['order_count', 'total_order_count'])
        return program_sudo.total_order_count - self.sudo().search_count([
            ('order_line.reward_id', 'in', program_sudo.reward_ids.ids),
            '|', ('id', 'in', self.ids), '&', ('state', '!=', 'sale'),
            ('transaction_ids', 'not any', [
                ('vipps_is_express_complete', '=', True), ('state', 'in', ('authorized', 'done')),
            ]),
        ])
