# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import _, api, fields, models
from odoo.exceptions import AccessError
from odoo.osv import expression

from odoo.addons.payment import utils as payment_utils

from ...trust import get_readable


class VippsPaidDocument(models.AbstractModel):
    """ What is paid by transactions, and tells with which providers, whichever these are. """
    _name = 'vipps.paid.document'
    _inherit = ['vipps.guarded.export']
    _description = "Document Paid Online"

    vipps_paid_with = fields.Char(
        string="Paid with",
        help="The payment provider that has taken or reserved the money.",
        compute='_compute_vipps_paid_with',
        search='_search_vipps_paid_with',
        compute_sudo=True,  # Salespeople can read neither transactions nor providers.
    )

    @api.depends('transaction_ids.state', 'transaction_ids.provider_id.name')
    @api.depends_context('lang')
    def _compute_vipps_paid_with(self):
        self._origin.transaction_ids.fetch(['state', 'operation', 'provider_id'])
        for document in self:
            txs = get_readable(document).transaction_ids.filtered(
                lambda tx: tx.state in ('authorized', 'done') and tx.operation != 'refund'
            )
            document.vipps_paid_with = ", ".join(txs.provider_id.mapped('name'))

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

    def _vipps_list_with_hidden_sudo(self):
        """ Return the payments that the staff of a branch operates on: those that it may read, and
        those of Vipps MobilePay that belong to the parent. None if it may read all of them.

        :rtype: payment.transaction
        :raise AccessError: If the user may not write the documents.
        """
        payment_utils.check_rights_on_recordset(self)
        self.invalidate_recordset(['transaction_ids'])  # Who was here before may read less.
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

    #=== SEARCH METHODS ===#

    def _search_vipps_paid_with(self, operator, value):
        """ Return the domain of the documents that are paid with providers of such names; without
        a name, of those that are paid with none. """
        is_negative = operator in expression.NEGATIVE_TERM_OPERATORS
        tx_domain = [('state', 'in', ('authorized', 'done')), ('operation', '!=', 'refund')]
        if value:
            tx_domain.append((
                'provider_id.name',
                expression.TERM_OPERATORS_NEGATION[operator] if is_negative else operator,
                value,
            ))
        else:
            is_negative = not is_negative
        txs = self.env['payment.transaction'].sudo()._search(tx_domain)
        documents = self.sudo()._search([('transaction_ids', 'in', txs)])
        return [('id', 'not in' if is_negative else 'in', documents)]


class SaleOrder(models.Model):
    _name = 'sale.order'
    _inherit = ['sale.order', 'vipps.paid.document']


class AccountMove(models.Model):
    _name = 'account.move'
    _inherit = ['account.move', 'vipps.paid.document']
