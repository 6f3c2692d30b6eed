# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import _, models
from odoo.exceptions import UserError


class PosMakePayment(models.TransientModel):
    _inherit = 'pos.make.payment'

    def check(self):
        """ Override of `point_of_sale` to leave payments to tills that only they can ask for.

        :raise UserError: If the payment method is one of Vipps MobilePay.
        """
        if self.payment_method_id.use_payment_terminal == 'vipps':
            raise UserError(_(
                "Payments with %s are made and refunded at the till: open the order there, or take"
                " another payment method.", self.payment_method_id.name,
            ))
        return super().check()
