# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import _, api, fields, models
from odoo.exceptions import AccessError
from odoo.tools import sql

from odoo.addons.payment import utils as payment_utils


class VippsPaidDocument(models.AbstractModel):
    """ A document that payments of Vipps MobilePay may be linked with, by the system only. """
    _name = 'vipps.paid.document'
    _inherit = ['vipps.guarded.export']
    _description = "Document Paid Online"

    # So that documents without such payments are left alone without a query.
    vipps_has_payment = fields.Boolean(
        compute='_compute_vipps_has_payment', store=True, groups='base.group_system',
    )

    def _auto_init(self):
        """ Override of `orm` to add the column without computing it for all documents: none of them
        has a payment yet. """
        if not self._abstract and not sql.column_exists(
            self.env.cr, self._table, 'vipps_has_payment'
        ):
            sql.create_column(self.env.cr, self._table, 'vipps_has_payment', 'boolean')
        return super()._auto_init()

    #=== COMPUTE METHODS ===#

    @api.depends('transaction_ids')
    def _compute_vipps_has_payment(self):
        for document in self:
            document.vipps_has_payment = bool(document._vipps_get_linked_sudo())

    #=== CRUD METHODS ===#

    @api.model_create_multi
    def create(self, values_list):
        """ Override of `orm` to let only the system link payments of Vipps MobilePay.

        :raise AccessError: If somebody else does.
        """
        documents = super().create(values_list)
        if not self.env.su and documents._vipps_get_linked_sudo():
            self._vipps_refuse_link()
        return documents

    def write(self, values):
        """ Override of `orm` to let only the system link payments of Vipps MobilePay, and take
        them out of their documents: the document is the right to capture, release and refund.

        :raise AccessError: If somebody else does.
        """
        if self.env.su or 'transaction_ids' not in values:
            return super().write(values)
        before = {document: document._vipps_get_linked_sudo() for document in self}
        res = super().write(values)
        if any(document._vipps_get_linked_sudo() != txs for document, txs in before.items()):
            self._vipps_refuse_link()
        return res

    #=== BUSINESS METHODS ===#

    def _vipps_filter_paid(self):
        """ Return the documents that payments of Vipps MobilePay are linked with. """
        return self.filtered(lambda document: document.sudo().vipps_has_payment)

    def _vipps_list_with_hidden_sudo(self):
        """ Return the payments that the staff of a branch operates on: those that it may read, and
        those of Vipps MobilePay that belong to the parent. None if it may read all of them.

        :rtype: payment.transaction
        :raise AccessError: If the user may not write the documents.
        """
        if not self._vipps_filter_paid():
            return self.env['payment.transaction'].sudo()
        payment_utils.check_rights_on_recordset(self)
        self.invalidate_recordset(['transaction_ids'])  # An earlier user may read less.
        txs_sudo = self.sudo().transaction_ids
        readable_txs_sudo = txs_sudo.sudo(False)._filter_access_rules('read').sudo()
        hidden_txs_sudo = (txs_sudo - readable_txs_sudo).filtered(
            lambda tx: tx.provider_code == 'vipps' and all(
                tx._vipps_serves(company) for company in self.sudo().company_id
            )
        )
        return hidden_txs_sudo and readable_txs_sudo | hidden_txs_sudo

    def _vipps_get_linked_sudo(self):
        return self.sudo().transaction_ids.filtered(lambda tx: tx.provider_code == 'vipps')

    def _vipps_refuse_link(self):
        raise AccessError(_(
            "Payments of Vipps MobilePay belong to what the customer paid. They cannot be put into"
            " another document, nor taken out of theirs."
        ))


class SaleOrder(models.Model):
    _name = 'sale.order'
    _inherit = ['sale.order', 'vipps.paid.document']


class AccountMove(models.Model):
    _name = 'account.move'
    _inherit = ['account.move', 'vipps.paid.document']
