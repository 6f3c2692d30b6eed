# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import _lt, models

from ..provider.problem import PROBLEMS, Problem

PROBLEMS.update({
    #=== Of the provider ===#

    'checkout': Problem(
        _lt("Customers cannot pay with %s"), level='error', over='_vipps_do_customers_pay',
    ),
    'refused_part': Problem(
        _lt("Payments are made without the details of the order"),
        _lt("Vipps MobilePay refused the order details of payment %(reference)s, so the customer is"
            " asked to pay without them. Look for unusual characters in the names of its products."
            " Refused: %(fields)s."),
        over='_vipps_is_old_news',
    ),
    'user_info_refused': Problem(
        _lt("Customers are not asked to share data"),
        _lt("Vipps MobilePay does not let this sales unit ask for what you chose under Collect User"
            " Information. Payments are made without it. Ask Vipps MobilePay to allow it, or choose"
            " less."),
        over='_vipps_is_old_news',
    ),
    'comparison': Problem(_lt("Payments cannot be compared with Vipps MobilePay")),
    'difference': Problem(
        _lt("Payment %s differs from Odoo"), level='error', over='_vipps_is_difference_over',
    ),
    'payment': Problem(_lt("Payment %s cannot be processed"), level='error'),
    'follow_up': Problem(_lt("Payment %s cannot be processed"), level='error'),

    #=== Of an order, or of a payment without one ===#

    'failure': Problem(_lt("Payment %s: capture or release failed"), level='error'),
    'deadline': Problem(_lt("Capture or release payment %s")),
    'guarantee': Problem(_lt("Capture or release payment %s")),
    'refund': Problem(_lt("Refund payment %s")),
    'unpaid': Problem(_lt("Payment %s does not cover what is delivered"), level='error'),
    'change': Problem(_lt("Payment %s does not match its order")),
    'released': Problem(_lt("Payment %s was released")),
    'confirmation': Problem(_lt("Payment %s: the order is not confirmed"), level='error'),
    'mail': Problem(_lt("Payment %s: the mail to the customer was not sent")),
})


class PaymentProvider(models.Model):
    """ The methods that return whether problems of payments are over. """
    _inherit = 'payment.provider'

    def _vipps_do_customers_pay(self, alert):
        return self._vipps_has_payment_since(alert, [('vipps_user_flow', '=', 'WEB_REDIRECT')])

    def _vipps_has_payment_since(self, alert, domain):
        """ Return whether somebody could start a payment after an administrator was told something.
        """
        return bool(self.env['payment.transaction'].search_count([
            ('provider_id', '=', self.id),
            ('vipps_payment_reference', '!=', False),
            ('create_date', '>', alert.create_date),
            ('vipps_payment_state', '!=', False),
            *domain,
        ], limit=1))

    def _vipps_is_difference_over(self, alert):
        tx_id = int(alert.vipps_problem.partition(':')[2])
        return not self.env['payment.transaction'].browse(tx_id).exists().vipps_difference
