# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import _, api, fields, models
from odoo.exceptions import UserError, ValidationError
from odoo.fields import Command
from odoo.tools import format_amount

from odoo.addons.payment import utils as payment_utils

from ...models.jobs.serialize import serialize
from ...trust import clean


class VippsRefundWizard(models.TransientModel):
    """ Refunds a credit note from the captures for its documents, the oldest capture first. """
    _name = 'vipps.refund.wizard'
    _description = "Vipps MobilePay Refund"

    move_id = fields.Many2one(
        string="Credit Note", comodel_name='account.move', required=True, readonly=True,
        ondelete='cascade',
    )
    # Nothing is computed in sudo mode, as a browser can make up records with any credit note.
    currency_id = fields.Many2one(related='move_id.currency_id', related_sudo=False)
    residual_amount = fields.Monetary(
        string="Open Amount", related='move_id.amount_residual', related_sudo=False
    )
    transaction_ids = fields.Many2many(
        string="Captured Payments",
        help="Those of the user's company: branches are paid with the provider of their parent.",
        comodel_name='payment.transaction',
        compute='_compute_transactions',
    )
    refundable_amount = fields.Monetary(
        string="Left to Refund", compute='_compute_transactions'
    )
    reserved_amount = fields.Monetary(string="Reserved", compute='_compute_transactions')
    # The amounts that the user decides on: those that Odoo held when the dialog opened.
    seen_amounts = fields.Char(
        compute='_compute_seen_amounts', compute_sudo=False, store=True
    )
    amount = fields.Monetary(
        string="Refund", compute='_compute_amount', compute_sudo=False, store=True, readonly=False
    )

    #=== COMPUTE METHODS ===#

    @api.depends('move_id')
    def _compute_transactions(self):
        for wizard in self:
            txs = wizard._get_transactions()
            captures = txs.mapped(lambda t: t._vipps_get_captures()).filtered(
                lambda t: t._vipps_get_refundable_amount() > 0
            )
            wizard.transaction_ids = captures.sudo(False)._filter_access_rules('read')
            wizard.refundable_amount = sum(captures.mapped('vipps_refundable_amount'))
            wizard.reserved_amount = sum(tx._vipps_get_reserved_amount() for tx in txs)

    @api.depends('move_id')
    def _compute_seen_amounts(self):
        for wizard in self:
            wizard.seen_amounts = wizard._get_transactions()._vipps_list_amounts()

    @api.depends('move_id')
    def _compute_amount(self):
        for wizard in self:
            wizard.amount = min(wizard._get_owed_amount(), wizard.refundable_amount)

    #=== CONSTRAINT METHODS ===#

    @api.constrains('move_id')
    def _check_move_id(self):
        """ Ensure that the user may refund the credit note.

        :raise AccessError: If the user may not.
        """
        for wizard in self:
            payment_utils.check_rights_on_recordset(wizard.move_id)
            wizard._get_transactions()._vipps_check_operator()

    #=== ACTION METHODS ===#

    def action_refund(self):
        """ Refund the amount to the customer, and reconcile it with the credit note.

        :return: The action that closes the dialog and reports the refunded amount.
        :rtype: dict
        :raise UserError: If nothing was refunded.
        """
        self = clean(self)
        self._prepare_operation()
        self._check_amount()
        refund_txs, error = self._send_refunds()
        refunded = self._format(-sum(refund_txs.mapped('amount')))
        action = self.env['payment.provider']._vipps_notify(
            _("%s was refunded to the customer with Vipps MobilePay.", refunded)
        )
        if error:
            action['params'].update(type='warning', sticky=True, message=_(
                "%(refunded)s was refunded, but the rest was not: %(error)s",
                refunded=refunded, error=error,
            ))
        return action

    def action_release(self):
        """ Release all that is reserved and was not captured.

        :return: The action that closes the dialog and reports the released amount.
        :rtype: dict
        :raise UserError: If it was not released.
        """
        self = clean(self)
        self._prepare_operation()
        reserved_amount = self.reserved_amount
        if reserved_amount <= 0:
            raise ValidationError(_("Nothing is reserved any longer. Close this dialog."))
        for tx_sudo in self._get_transactions():
            amount = tx_sudo._vipps_get_reserved_amount()
            if amount > 0:
                tx_sudo._send_void_request(amount_to_void=amount)
        return self.env['payment.provider']._vipps_notify(
            _("%s was released: the customer is not charged.", self._format(reserved_amount))
        )

    #=== BUSINESS METHODS ===#

    def _get_transactions(self):
        """ Return the payments of the documents in their currency, oldest first, in sudo mode.

        :raise AccessError: If the user may not see the credit note.
        """
        self.move_id._origin.check_access_rights('read')
        self.move_id._origin.check_access_rule('read')
        return self.move_id._vipps_get_transactions().filtered(
            lambda tx: tx.currency_id == self.currency_id
        )

    def _get_owed_amount(self):
        """ Return the open amount of the credit note, without refunds that do not settle it yet,
        because they could not be booked or not be reconciled. """
        refund_txs = self._get_transactions().mapped(lambda t: t._vipps_get_refunds()).filtered(
            lambda t: self.move_id in (t.invoice_ids or self.move_id)
        )
        unsettled_amount = sum(
            sum(tx.payment_id._vipps_get_open_lines().mapped('amount_residual_currency'))
            if tx.payment_id else -tx.amount
            for tx in refund_txs
        )
        return max(self.currency_id.round(self.residual_amount - unsettled_amount), 0)

    def _prepare_operation(self):
        """ Ensure that the user may refund, is alone in it, and decides on amounts that are still
        true.

        :raise AccessError: If the user may not.
        :raise ValidationError: If something happened since the dialog opened.
        """
        self.check_access_rights('write')
        self.check_access_rule('write')
        self.ensure_one()
        move = self.move_id
        payment_utils.check_rights_on_recordset(move)
        self._get_transactions()._vipps_check_operator()
        serialize(move)
        self._get_transactions()._vipps_check_seen_amounts(self.seen_amounts)

    def _check_amount(self):
        """ Ensure that the amount can be refunded, else raise a ValidationError that says why. """
        if not self.move_id._vipps_is_open_credit_note():
            raise ValidationError(_(
                "The credit note is not posted or has nothing left to pay back. Nothing was"
                " refunded."
            ))
        if self.currency_id.compare_amounts(self.amount, 0) <= 0:
            raise ValidationError(_("Enter the amount to refund. It must be more than 0."))
        for limit, text in (
            (self.refundable_amount, _("Only %s is left to refund with Vipps MobilePay.")),
            (self._get_owed_amount(), _(
                "Only %s of the credit note is left to pay back. Earlier refunds count, even if"
                " they are not booked yet."
            )),
        ):
            if self.currency_id.compare_amounts(self.amount, limit) > 0:
                raise ValidationError(text % self._format(limit))

    def _send_refunds(self):
        """ Refund the amount, the oldest payments first. Return the refunds, and the error that
        stopped the rest, if there was one.

        :raise UserError: If nothing was refunded.
        """
        left = self.amount
        refund_txs_sudo = self.env['payment.transaction'].sudo()
        for tx_sudo in self._get_transactions():
            part = min(left, tx_sudo._vipps_get_refundable_amount())
            if self.currency_id.compare_amounts(part, 0) <= 0:
                continue
            try:
                # Core reconciles the refund with the credit note that it is linked with.
                refund_txs_sudo |= tx_sudo._vipps_execute_for_person(
                    'refund', part, invoice_ids=[Command.link(self.move_id.id)]
                )
            except UserError as error:
                if not refund_txs_sudo:
                    raise
                # Earlier refunds stay refunded, so Odoo must not forget them.
                return refund_txs_sudo, error
            left = self.currency_id.round(left - part)
        return refund_txs_sudo, None

    def _format(self, amount):
        return format_amount(self.env, amount, self.currency_id)
