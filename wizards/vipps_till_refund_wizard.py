# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import _, api, fields, models
from odoo.tools import format_amount


class VippsTillRefundWizard(models.TransientModel):
    """ Refunds a payment at a till from the back office. Core's wizard needs a payment in the
    books, which closing the session makes for all payments together. """
    _name = 'vipps.till.refund.wizard'
    _description = "Vipps MobilePay Refund of a Till"

    transaction_id = fields.Many2one(
        string="Payment", comodel_name='payment.transaction', required=True, readonly=True,
        ondelete='cascade',
    )
    currency_id = fields.Many2one(related='transaction_id.currency_id', related_sudo=False)
    order_name = fields.Char(
        string="Order", related='transaction_id.vipps_pos_reference', related_sudo=False
    )
    paid_amount = fields.Monetary(
        string="Paid", related='transaction_id.amount', related_sudo=False
    )
    refundable_amount = fields.Monetary(
        string="Left to Refund", related='transaction_id.vipps_refundable_amount',
        related_sudo=False,
    )
    is_unattached = fields.Boolean(
        related='transaction_id.vipps_is_unattached', related_sudo=False
    )
    # What the user decides on: what Odoo held when the window was opened.
    seen_amounts = fields.Char(compute='_compute_seen_amounts', store=True)
    amount = fields.Monetary(
        string="Refund", compute='_compute_amount', store=True, readonly=False
    )

    #=== COMPUTE METHODS ===#

    @api.depends('transaction_id')
    def _compute_seen_amounts(self):
        for wizard in self:
            wizard.seen_amounts = wizard.transaction_id._vipps_list_amounts()

    @api.depends('transaction_id')
    def _compute_amount(self):
        for wizard in self:
            wizard.amount = wizard.refundable_amount

    #=== ACTION METHODS ===#

    def action_refund(self):
        """ Refund the amount to the customer.

        :return: The action that closes the window and tells what was refunded.
        :rtype: dict
        :raise AccessError: If the user may not.
        :raise ValidationError: If it was not refunded, or if that is unknown.
        """
        self.check_access_rights('write')
        self.check_access_rule('write')
        self.ensure_one()
        tx = self.transaction_id
        tx._vipps_check_seen_amounts(self.seen_amounts, 'refund', self.amount)
        tx.action_refund(amount_to_refund=self.amount)
        return self.env['payment.provider']._vipps_notify(_(
            "%s was refunded to the customer with Vipps MobilePay.",
            format_amount(self.env, self.amount, self.currency_id),
        ))
