# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import api, fields, models

from ...trust import clean


class PaymentRefundWizard(models.TransientModel):
    _name = 'payment.refund.wizard'
    _inherit = ['payment.refund.wizard', 'vipps.guarded.export']

    # Accountants have no access to providers, which core of 2024 forgets.
    support_refund = fields.Selection(compute_sudo=True)
    # The amounts that the user decides on: set when the dialog opens, and never shown.
    vipps_seen_amounts = fields.Char(
        compute='_compute_vipps_seen_amounts', compute_sudo=True, store=True, readonly=False
    )

    #=== COMPUTE METHODS ===#

    @api.depends('payment_id')
    def _compute_vipps_seen_amounts(self):
        self.transaction_id._vipps_check_operator()
        for wizard in self:
            wizard.vipps_seen_amounts = wizard.transaction_id._vipps_list_amounts()

    #=== CONSTRAINT METHODS ===#

    @api.constrains('payment_id')
    def _check_vipps_operator(self):
        """ Ensure that the user may refund the payment.

        :raise AccessError: If the user may not.
        """
        self.sudo().transaction_id._vipps_check_operator()

    #=== ACTION METHODS ===#

    def action_refund(self):
        """ Override of `account_payment` to refund only the amount that the user has decided on,
        once.

        :raise ValidationError: If something happened to the payment since the dialog opened.
        """
        self = clean(self)
        for wizard in self:
            wizard.transaction_id._vipps_check_seen_amounts(
                wizard.vipps_seen_amounts, 'refund', wizard.amount_to_refund
            )
        return super().action_refund()
