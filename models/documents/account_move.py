# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import _, api, fields, models
from odoo.exceptions import UserError

from ...trust import clean, get_readable


class AccountMove(models.Model):
    _name = 'account.move'
    _inherit = ['vipps.paid.document', 'account.move']

    vipps_is_refundable = fields.Boolean(
        compute='_compute_vipps_is_refundable', compute_sudo=True
    )

    #=== COMPUTE METHODS ===#

    def _compute_amount(self):
        """ Override of `account` to have reserved payments read whose invoices are changed or paid
        otherwise. """
        super()._compute_amount()
        self._vipps_look_at_payments()

    @api.depends('move_type', 'state', 'amount_residual')
    def _compute_vipps_is_refundable(self):
        for move in self:
            stored_move = get_readable(move)
            move.vipps_is_refundable = (
                stored_move._vipps_is_open_credit_note()
                and any(
                    tx._vipps_get_refundable_amount() > 0 or tx._vipps_get_reserved_amount() > 0
                    for tx in stored_move._vipps_get_transactions()
                )
            )

    #=== ACTION METHODS ===#

    def action_vipps_refund(self):
        """ Open the wizard that refunds a credit note with Vipps MobilePay.

        :return: The action.
        :rtype: dict
        :raise AccessError: If the user may not.
        """
        self.check_access_rights('write')
        self.check_access_rule('write')
        self.ensure_one()
        self = clean(self)
        txs_sudo = self._vipps_get_transactions()._vipps_with_patience()
        txs_sudo._vipps_check_operator()
        for tx_sudo in txs_sudo:
            # Changes made elsewhere are shown right away, but nobody has to wait for them.
            tx_sudo._vipps_try(lambda tx=tx_sudo: tx._vipps_sync(wait=False, may_capture=False))
            tx_sudo._vipps_post_process()  # A refund that was found settles the credit note.
        wizard = self.env['vipps.refund.wizard'].create({'move_id': self.id})
        return {
            'name': _("Refund with Vipps MobilePay"),
            'type': 'ir.actions.act_window',
            'res_model': wizard._name,
            'res_id': wizard.id,
            'view_mode': 'form',
            'target': 'new',
        }

    #=== BUSINESS METHODS ===#

    def _invoice_paid_hook(self):
        """ Override of `account` to have the payments of orders read that were paid otherwise. """
        res = super()._invoice_paid_hook()
        self.invoice_line_ids.sale_line_ids.order_id._vipps_look_at_payments()
        return res

    def _post(self, soft=True):
        """ Override of `sale` to reconcile invoices with captures, and credit notes with refunds,
        that were made before them. """
        posted = super()._post(soft)
        for move in posted:
            if move.move_type in ('out_invoice', 'out_refund') and move._vipps_get_transactions():
                move._vipps_reconcile()
        return posted

    def _vipps_reconcile(self):
        """ Reconcile the document with the captures or refunds that were booked before it. It is
        posted anyway. """
        try:
            with self.env.cr.savepoint():
                for tx_sudo in self._vipps_get_transactions():
                    self._vipps_assign_payments((
                        tx_sudo._vipps_get_captures() if self.move_type == 'out_invoice'
                        else tx_sudo._vipps_get_refunds()
                    ).payment_id)
                    tx_sudo._vipps_settle_surplus()
        except UserError as error:
            self.message_post(body=_(
                "This entry could not be reconciled with its payments with Vipps MobilePay:"
                " %s Solve this, and reconcile them under Accounting, Reconcile.", error,
            ))

    def _vipps_look_at_payments(self):
        """ Hook: override to have the reserved payments of invoices read. """
        self.filtered(
            lambda move: move.id and move.move_type == 'out_invoice'
        )._vipps_filter_paid().sudo().transaction_ids.filtered(
            lambda tx: tx.state == 'authorized'
        )._vipps_look_soon()

    def _vipps_get_left_to_pay(self):
        """ Override to count payments that are not booked yet. """
        if self.move_type != 'out_invoice':
            return self.amount_residual
        return self.amount_residual - (
            self.env['payment.transaction']._vipps_get_held_invoice_amount(self)
        )

    def _vipps_get_transactions(self):
        """ Return the transactions of the payments at Vipps MobilePay of an invoice, or of the
        invoice that a credit note reverses, and of their orders: oldest first, in sudo mode.

        The links can be written by people, so they can lead to another company. """
        return self.sudo()._vipps_get_linked_transactions().filtered(
            lambda tx: tx.provider_code == 'vipps' and tx.vipps_payment_reference
            and tx._vipps_serves(self.company_id)
        ).sorted(lambda tx: tx._origin.id)

    def _vipps_get_linked_transactions(self):
        """ Hook: return all transactions of an invoice, or of the invoice that a credit note
        reverses, and of their orders. """
        moves = self | self.reversed_entry_id
        orders = moves.invoice_line_ids.sale_line_ids.order_id
        return (
            moves._vipps_filter_paid().transaction_ids
            | orders._vipps_filter_paid().transaction_ids
        )

    def _vipps_assign_payments(self, payments):
        """ Reconcile the document with the open amounts of payments, oldest first. """
        for line in payments._vipps_get_open_lines():
            if self.currency_id.is_zero(self.amount_residual):
                return
            self.js_assign_outstanding_line(line.id)

    def _vipps_is_open_credit_note(self):
        return (
            self.move_type == 'out_refund'
            and self.state == 'posted'
            and self.currency_id.compare_amounts(self.amount_residual, 0) > 0
        )
