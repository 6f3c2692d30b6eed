# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import _lt, models

from ..provider.problem import PROBLEMS, Problem

PROBLEMS.update({
    'express_refused': Problem(
        _lt("Express was switched off for %s"),
        _lt("Vipps MobilePay says that this sales unit may not use Express. Order Express for it in"
            " the Vipps MobilePay portal. When it is approved, switch Allow Express Checkout on"
            " again on the payment provider. Until then, customers pay in the usual checkout."),
        over='_vipps_is_express_allowed',
    ),
    'express': Problem(_lt("Payment %s: the Express order is not confirmed"), level='error'),
})


class PaymentProvider(models.Model):
    """ The problems of Express. """
    _inherit = 'payment.provider'

    def _vipps_is_express_allowed(self, _alert):
        return self.allow_express_checkout
