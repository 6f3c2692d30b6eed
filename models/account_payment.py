# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import api, fields, models
from odoo.osv import expression

# From a payment to the transaction of its payment at Vipps MobilePay: it is the one of a capture in
# full, the source of a capture in part, or the source of the capture that was refunded.
ROOT_PATHS = [
    'payment_transaction_id',
    'payment_transaction_id.source_transaction_id',
    'payment_transaction_id.source_transaction_id.source_transaction_id',
]


class AccountPayment(models.Model):
    _inherit = 'account.payment'

    vipps_payment_reference = fields.Char(
        string="Vipps Reference",
        compute='_compute_vipps_references',
        search='_search_vipps_payment_reference',
        compute_sudo=True,
    )
    vipps_psp_reference = fields.Char(
        string="Vipps PSP Reference", related='payment_transaction_id.vipps_psp_reference'
    )
    vipps_order_names = fields.Char(
        string="Paid Orders",
        compute='_compute_vipps_references',
        search='_search_vipps_order_names',
        compute_sudo=True,
    )

    #=== COMPUTE METHODS ===#

    @api.depends('payment_transaction_id')
    def _compute_vipps_references(self):
        for payment in self:
            root_tx = payment.payment_transaction_id._vipps_get_root()
            payment.vipps_payment_reference = root_tx.vipps_payment_reference
            payment.vipps_order_names = root_tx.vipps_payment_reference and ", ".join(
                root_tx.sale_order_ids.mapped('name')
            )

    @api.model
    def _search_vipps_payment_reference(self, operator, value):
        return self._vipps_get_root_domain('vipps_payment_reference', operator, value)

    @api.model
    def _search_vipps_order_names(self, operator, value):
        return self._vipps_get_root_domain('sale_order_ids.name', operator, value)

    @api.model
    def _vipps_get_root_domain(self, path, operator, value):
        combine = (
            expression.AND if operator in expression.NEGATIVE_TERM_OPERATORS else expression.OR
        )
        return combine([[(f'{root}.{path}', operator, value)] for root in ROOT_PATHS])

    #=== ACTION METHODS ===#

    def action_refund_wizard(self):
        """ Override of `account_payment` to read the payment first: what can be refunded may have
        changed.

        :raise ValidationError: If it cannot be read.
        """
        tx_sudo = self.payment_transaction_id.sudo()
        if tx_sudo.provider_code == 'vipps':
            tx_sudo._vipps_check_operator()
            tx_sudo._ensure_provider_is_not_disabled()
            root_sudo = tx_sudo._vipps_get_root()
            root_sudo._vipps_read_for_operator()
            root_sudo._vipps_post_process()
        return super().action_refund_wizard()

    #=== BUSINESS METHODS ===#

    def _vipps_get_open_lines(self):
        """ Return the journal items of posted payments that are to be reconciled, oldest first. """
        return self.filtered(lambda p: p.state == 'posted').line_ids.filtered(
            lambda line: line.account_type == 'asset_receivable' and not line.reconciled
        ).sorted(lambda line: (line.date, line.id))
