# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import _, models
from odoo.exceptions import UserError


class PosOrder(models.Model):
    """ Finishing an order on the server, although some orders need a browser for that. """
    _inherit = 'pos.order'

    #=== BUSINESS METHODS ===#

    def _vipps_finish(self):
        """ Finish a draft if nothing is left to pay and no browser is needed for it.

        :return: Why it is still a draft, if it is.
        :rtype: str
        :raise UserError: If a payment of Vipps MobilePay differs from the paid amount.
        """
        self.ensure_one()
        self._vipps_check_payments()
        if self._vipps_has_loyalty():
            return _(
                "The payment is in order %s. It has gift cards, coupons or points, which only the"
                " till can settle: open the order at the till, and validate it there.",
                self.pos_reference,
            )
        try:
            with self.env.cr.savepoint():
                self.action_pos_order_paid()
        except UserError as error:
            return _(
                "The payment is in order %(order)s, which is not finished: %(reason)s Open it at"
                " the till.", order=self.pos_reference, reason=error,
            )
        self._process_saved_order(False)
        return ''

    def _vipps_has_loyalty(self):
        """ Return whether the order takes or gives gift cards, coupons or points, which
        `pos_loyalty` books from the browser alone. """
        if 'reward_id' not in self.lines._fields:
            return False
        if self.lines.filtered(lambda line: line.is_reward_line or line.reward_id):
            return True
        # Those of the present order give only rewards, which are lines.
        programs = self.config_id.sudo()._get_program_ids().filtered(
            lambda program: program.applies_on != 'current'
            and (self.partner_id or not program.is_nominative)
        )
        return any(
            rule.any_product or rule.valid_product_ids & self.lines.product_id
            for rule in programs.rule_ids
        )

    def _vipps_round_for_app(self, amount):
        """ Return an amount of the order as an app can pay it, whether or not a part is paid in
        cash.

        :param float amount: The amount, in major units.
        :rtype: float
        """
        if self.config_id.only_round_cash_method:
            return self.currency_id.round(amount)
        return self._get_rounded_amount(amount)
