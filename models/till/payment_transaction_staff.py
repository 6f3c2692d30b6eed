# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import _, api, fields, models

from odoo.addons.payment import utils as payment_utils


class PaymentTransaction(models.Model):
    """ The view of the back office on payments at tills, and its actions on them. """
    _inherit = 'payment.transaction'

    vipps_is_unattached = fields.Boolean(
        string="Belongs to No Order",
        help="Paid at a till, but part of no finished order.",
        compute='_compute_vipps_is_unattached',
        search='_search_vipps_is_unattached',
        compute_sudo=True,
    )

    #=== COMPUTE METHODS ===#

    @api.depends('state', 'child_transaction_ids.state', 'vipps_pos_payment_ids.pos_order_id.state')
    def _compute_vipps_is_unattached(self):
        for tx in self:
            tx.vipps_is_unattached = (
                bool(tx.vipps_pos_session_id)
                and tx._vipps_get_till_state() == 'paid'
                and not tx._vipps_is_attached()
            )

    @api.model
    def _search_vipps_is_unattached(self, operator, value):
        query = self.sudo()._search([
            ('vipps_pos_session_id', '!=', False),
            ('operation', '!=', 'refund'),
            ('state', 'in', ('authorized', 'done')),
            ('vipps_payment_state', '!=', 'REFUNDED'),  # In full.
            ('vipps_pos_is_alone', '=', False),
            ('vipps_pos_payment_ids', 'not any', [
                ('pos_order_id.state', 'not in', ('draft', 'cancel')),
            ]),
        ])
        is_unattached = (operator == '=') == bool(value)
        return [('id', 'in' if is_unattached else 'not in', query)]

    #=== ACTION METHODS ===#

    def _vipps_is_refundable(self):
        """ Override to refund payments at tills, which have no payment of their own in the books.
        """
        if self.vipps_pos_session_id:
            return self.operation != 'refund' and self._vipps_get_refundable_amount() > 0
        return super()._vipps_is_refundable()

    def action_vipps_refund(self):
        """ Override to refund payments at tills, which have no payment of their own in the books.
        """
        if not self.sudo().vipps_pos_session_id:
            return super().action_vipps_refund()
        payment_utils.check_rights_on_recordset(self)
        self.ensure_one()
        self.sudo()._ensure_provider_is_not_disabled()
        wizard = self.env['vipps.till.refund.wizard'].create({'transaction_id': self.id})
        return {
            'name': _("Refund"),
            'type': 'ir.actions.act_window',
            'res_model': wizard._name,
            'res_id': wizard.id,
            'view_mode': 'form',
            'target': 'new',
        }

    #=== BUSINESS METHODS - DELIVERED GOODS ===#

    def _vipps_get_delivered_amount(self):
        """ Override to count payments at a till, where customers take the goods at once. """
        return super()._vipps_get_delivered_amount() + sum(
            self._vipps_get_finished_payments().mapped('amount')
        )

    def _vipps_get_paid_amount(self):
        """ Override to count the captured amount of a payment at a till. """
        if self.vipps_pos_session_id:
            return self._vipps_get_captured_amount()
        return super()._vipps_get_paid_amount()

    def _vipps_follow_up_unpaid(self):
        """ Override to report goods that a customer took at a till and that are neither paid nor
        reserved. """
        if not self.vipps_pos_session_id:
            return super()._vipps_follow_up_unpaid()
        tx = self._vipps_in_staff_language()
        reason, amount = tx._vipps_find_unpaid()
        told = f'{reason} {amount:.6f}'
        if self.state == 'cancel' and reason and told != self._vipps_get_told('unpaid'):
            tx._vipps_tell_unpaid(reason, amount)
            tx._vipps_keep_told('unpaid', told)
