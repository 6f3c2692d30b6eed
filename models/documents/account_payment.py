# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import _, api, fields, models
from odoo.exceptions import AccessError
from odoo.osv import expression

from ...trust import get_readable

# From a payment to the transaction of its payment at Vipps MobilePay: it is the one of a capture in
# full, the source of a capture in part, or the source of the capture that was refunded.
ROOT_PATHS = [
    'payment_transaction_id',
    'payment_transaction_id.source_transaction_id',
    'payment_transaction_id.source_transaction_id.source_transaction_id',
]


class AccountPayment(models.Model):
    _name = 'account.payment'
    _inherit = ['account.payment', 'vipps.guarded.export']

    vipps_payment_reference = fields.Char(
        string="Vipps Reference",
        compute='_compute_vipps_references',
        search='_search_vipps_payment_reference',
        compute_sudo=True,
    )
    vipps_psp_reference = fields.Char(
        string="Vipps PSP Reference",
        compute='_compute_vipps_references',
        search='_search_vipps_psp_reference',
        compute_sudo=True,
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
            tx = get_readable(payment).payment_transaction_id
            root_tx = tx._vipps_get_root()
            payment.vipps_psp_reference = tx.vipps_psp_reference
            payment.vipps_payment_reference = root_tx.vipps_payment_reference
            payment.vipps_order_names = root_tx.vipps_payment_reference and ", ".join(
                root_tx.sale_order_ids.mapped('name')
            )

    @api.model
    def _search_vipps_payment_reference(self, operator, value):
        return self._vipps_get_root_domain('vipps_payment_reference', operator, value)

    @api.model
    def _search_vipps_psp_reference(self, operator, value):
        return [('payment_transaction_id.vipps_psp_reference', operator, value)]

    @api.model
    def _search_vipps_order_names(self, operator, value):
        return self._vipps_get_root_domain('sale_order_ids.name', operator, value)

    @api.model
    def _vipps_get_root_domain(self, path, operator, value):
        combine = (
            expression.AND if operator in expression.NEGATIVE_TERM_OPERATORS else expression.OR
        )
        return combine([[(f'{root}.{path}', operator, value)] for root in ROOT_PATHS])

    #=== CRUD METHODS ===#

    @api.model_create_multi
    def create(self, values_list):
        """ Override of `account` to let only the system book payments of Vipps MobilePay.

        :raise AccessError: If somebody else does.
        """
        payments = super().create(values_list)
        payments._vipps_check_system()
        return payments

    def copy_data(self, default=None):
        """ Override of `orm` to copy a payment without its transaction. """
        data = super().copy_data(default)
        if self.sudo().payment_transaction_id.provider_code == 'vipps':
            for values in data:
                values.pop('payment_transaction_id', None)
        return data

    def write(self, values):
        """ Override of `account` to let only the system link payments of Vipps MobilePay.

        :raise AccessError: If somebody else does.
        """
        changed = self.filtered(
            lambda p: p.sudo().payment_transaction_id.id != values['payment_transaction_id']
        ) if 'payment_transaction_id' in values else self.browse()
        changed._vipps_check_system()
        res = super().write(values)
        changed._vipps_check_system()
        return res

    def _vipps_check_system(self):
        if not self.env.su and 'vipps' in self.sudo().payment_transaction_id.mapped(
            'provider_code'
        ):
            raise AccessError(_(
                "Odoo books captures and refunds with Vipps MobilePay. No other payment can be"
                " linked with them."
            ))

    #=== ACTION METHODS ===#

    def action_refund_wizard(self):
        """ Override of `account_payment` to open its dialog only for operators, in our words. """
        tx_sudo = self.payment_transaction_id.sudo()
        if tx_sudo.provider_code != 'vipps':
            return super().action_refund_wizard()
        tx_sudo._vipps_check_operator()
        tx_sudo._ensure_provider_is_not_disabled()
        view = self.env.ref('mobilepay_vipps.vipps_payment_refund_wizard_form')
        return {**super().action_refund_wizard(), 'name': _("Refund"), 'view_id': view.id}

    #=== BUSINESS METHODS ===#

    def _vipps_get_open_lines(self):
        """ Return the journal items of posted payments that are to be reconciled, oldest first. """
        return self.filtered(lambda p: p.state == 'posted').line_ids.filtered(
            lambda line: line.account_type == 'asset_receivable' and not line.reconciled
        ).sorted(lambda line: (line.date, line.id))
