# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import _, api, fields, models
from odoo.exceptions import ValidationError
from odoo.tools import format_amount

from odoo.addons.payment import utils as payment_utils

from ...trust import clean


class PaymentCaptureWizard(models.TransientModel):
    _name = 'payment.capture.wizard'
    _inherit = ['payment.capture.wizard', 'vipps.guarded.export']

    # Sales users have no access to transactions, but may capture those of their orders.
    authorized_amount = fields.Monetary(compute_sudo=True)
    captured_amount = fields.Monetary(compute_sudo=True)
    voided_amount = fields.Monetary(compute_sudo=True)
    has_draft_children = fields.Boolean(compute_sudo=True)
    # The amounts that the user decides on: set when the dialog opens, and never shown.
    vipps_seen_amounts = fields.Char(
        compute='_compute_vipps_seen_amounts', compute_sudo=True, store=True, readonly=False
    )
    vipps_limit_hint = fields.Char(compute='_compute_vipps_limit_hint', compute_sudo=True)

    #=== COMPUTE METHODS ===#

    @api.depends('transaction_ids')
    def _compute_authorized_amount(self):
        """ Override of `payment` to let only those see amounts who may capture them. """
        self.transaction_ids._vipps_check_operator()
        super()._compute_authorized_amount()

    @api.depends('transaction_ids')
    def _compute_captured_amount(self):
        """ Override of `payment` to let only those see amounts who may capture them, and to tell
        captures from refunds. """
        self.transaction_ids._vipps_check_operator()
        super()._compute_captured_amount()
        for wizard in self._vipps_filter_own():
            wizard.captured_amount = sum(
                tx._vipps_get_captured_amount() for tx in wizard.transaction_ids
            )

    @api.depends('transaction_ids')
    def _compute_voided_amount(self):
        """ Override of `payment` to let only those see amounts who may capture them, and to tell
        releases from other children that were cancelled. """
        self.transaction_ids._vipps_check_operator()
        super()._compute_voided_amount()
        for wizard in self._vipps_filter_own():
            wizard.voided_amount = sum(
                tx._vipps_get_released_amount() for tx in wizard.transaction_ids
            )

    @api.depends('available_amount')
    def _compute_amount_to_capture(self):
        """ Override of `payment` to propose at most the amount left to pay of the documents. """
        self.transaction_ids._vipps_check_operator()
        super()._compute_amount_to_capture()
        for wizard in self._vipps_filter_own():
            wizard.amount_to_capture = min(
                wizard.available_amount, wizard._vipps_get_left_amount()
            )

    @api.depends('available_amount')
    def _compute_vipps_limit_hint(self):
        self.transaction_ids._vipps_check_operator()
        self.vipps_limit_hint = False
        for wizard in self._vipps_filter_own():
            left_amount = wizard._vipps_get_left_amount()
            if left_amount < wizard.available_amount:
                wizard.vipps_limit_hint = _(
                    "Only %s is left to pay: the rest was paid otherwise, or the total was lowered"
                    " since the customer approved. Capture no more than that, and release the"
                    " rest.", format_amount(self.env, left_amount, wizard.currency_id),
                )

    def _vipps_get_left_amount(self):
        """ Return the amount left to pay with the transactions, in major units. """
        return sum(
            tx._vipps_get_left_amount() for tx in self.transaction_ids._origin
            if tx.state == 'authorized'
        )

    @api.depends('transaction_ids')
    def _compute_vipps_seen_amounts(self):
        self.transaction_ids._vipps_check_operator()
        for wizard in self:
            wizard.vipps_seen_amounts = wizard.transaction_ids._vipps_list_amounts()

    def _vipps_filter_own(self):
        return self.filtered(
            lambda wizard: all(tx.provider_code == 'vipps' for tx in wizard.transaction_ids)
        )

    #=== CONSTRAINT METHODS ===#

    @api.constrains('transaction_ids')
    def _check_vipps_operator(self):
        """ Ensure that the user may capture the payments.

        :raise AccessError: If the user may not.
        """
        self.sudo().transaction_ids._vipps_check_operator()

    @api.constrains('amount_to_capture')
    def _check_amount_to_capture_within_boundaries(self):
        """ Override of `payment` to state the amount left to capture in plain words.

        :raise ValidationError: If more is to be captured than is reserved.
        """
        for wizard in self.sudo()._vipps_filter_own():
            if wizard.currency_id.compare_amounts(
                wizard.amount_to_capture, wizard.available_amount
            ) > 0:
                raise ValidationError(_(
                    "Only %s is still reserved, so no more can be captured.",
                    format_amount(self.env, wizard.available_amount, wizard.currency_id),
                ))
        return super()._check_amount_to_capture_within_boundaries()

    #=== ACTION METHODS ===#

    def action_capture(self):
        """ Override of `payment` to capture only the amount that the user has decided on, once,
        with the right to write the documents.

        :raise ValidationError: If something happened to the transactions since the dialog opened.
        """
        payment_utils.check_rights_on_recordset(self)
        self = clean(self)
        wizards_sudo = self.sudo()
        wizards_sudo.transaction_ids._vipps_check_operator()
        for wizard_sudo in wizards_sudo:
            wizard_sudo.transaction_ids._vipps_check_seen_amounts(
                wizard_sudo.vipps_seen_amounts, 'capture', wizard_sudo.amount_to_capture
            )
        if wizards_sudo._vipps_filter_own() != wizards_sudo:
            return super().action_capture()
        action = super(PaymentCaptureWizard, wizards_sudo).action_capture()
        return action or wizards_sudo.transaction_ids._vipps_notify_done(
            wizards_sudo[:1].vipps_seen_amounts, next_action='ir.actions.act_window_close'
        )
