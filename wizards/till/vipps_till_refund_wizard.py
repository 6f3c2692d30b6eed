# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import _, api, fields, models
from odoo.tools import format_amount

from odoo.addons.payment import utils as payment_utils

from ...trust import clean


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
        string="Left to Refund", compute='_compute_refundable_amount'
    )
    is_unattached = fields.Boolean(compute='_compute_refundable_amount')
    # The user decides on these: the amounts in Odoo when the dialog was opened.
    seen_amounts = fields.Char(
        compute='_compute_seen_amounts', compute_sudo=False, store=True
    )
    amount = fields.Monetary(
        string="Refund", compute='_compute_amount', compute_sudo=False, store=True, readonly=False
    )

    #=== COMPUTE METHODS ===#

    # A browser can make up records with any payment, and their fields are computed in sudo mode.

    @api.depends('transaction_id')
    def _compute_refundable_amount(self):
        self._check_transaction_id()
        for wizard in self:
            wizard.refundable_amount = wizard.transaction_id.vipps_refundable_amount
            wizard.is_unattached = wizard.transaction_id.vipps_is_unattached

    @api.depends('transaction_id')
    def _compute_seen_amounts(self):
        self._check_transaction_id()
        for wizard in self:
            wizard.seen_amounts = wizard.transaction_id._vipps_list_amounts()

    @api.depends('transaction_id')
    def _compute_amount(self):
        for wizard in self:
            wizard.amount = wizard.refundable_amount

    #=== CONSTRAINT METHODS ===#

    @api.constrains('transaction_id')
    def _check_transaction_id(self):
        """ Ensure that the user may refund the payment. """
        payment_utils.check_rights_on_recordset(self.transaction_id._origin)

    #=== ACTION METHODS ===#

    def action_refund(self):
        """ Refund the amount to the customer.

        :return: The action that closes the dialog and shows the refunded amount.
        :rtype: dict
        :raise AccessError: If the user may not.
        :raise ValidationError: If it was not refunded, or if that is unknown.
        """
        self.check_access_rights('write')
        self.check_access_rule('write')
        self.ensure_one()
        self = clean(self)
        tx = self.transaction_id
        tx._vipps_check_seen_amounts(self.seen_amounts, 'refund', self.amount)
        tx.action_refund(amount_to_refund=self.amount)
        return self.env['payment.provider']._vipps_notify(_(
            "%s was refunded to the customer with Vipps MobilePay.",
            format_amount(self.env, self.amount, self.currency_id),
        ))
