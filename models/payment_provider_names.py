# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import api, fields, models
from odoo.osv import expression


class VippsPaidDocument(models.AbstractModel):
    """ What is paid by transactions, and tells with which providers, whichever these are. """
    _name = 'vipps.paid.document'
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
        self.transaction_ids.fetch(['state', 'operation', 'provider_id'])
        for document in self:
            txs = document.transaction_ids.filtered(
                lambda tx: tx.state in ('authorized', 'done') and tx.operation != 'refund'
            )
            document.vipps_paid_with = ", ".join(txs.provider_id.mapped('name'))

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
