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

    @api.depends('transaction_ids.state', 'transaction_ids.child_transaction_ids.state')
    def _compute_amount_paid(self):
        """ Override of the document not to count the released part of a payment. """
        super()._compute_amount_paid()
        for document in self._vipps_filter_paid():
            document.amount_paid = document.sudo().transaction_ids._vipps_correct_amount_paid(
                document.amount_paid
            )

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
        Payments are read whose documents are confirmed, posted, cancelled or reset to draft.

        :raise AccessError: If somebody else does.
        """
        is_checked = not self.env.su and 'transaction_ids' in values
        before = {document: document._vipps_get_linked_sudo() for document in self if is_checked}
        res = super().write(values)
        if any(document._vipps_get_linked_sudo() != txs for document, txs in before.items()):
            self._vipps_refuse_link()
        if 'state' in values and self:
            self._vipps_look_at_payments()
        return res

    @api.ondelete(at_uninstall=False)
    def _unlink_release_payments(self):
        """ Have the payments of the documents read: a reservation without a document is released.
        """
        self._vipps_filter_paid().sudo().transaction_ids._vipps_look_soon()

    #=== ACTION METHODS ===#

    def payment_action_capture(self):
        """ Override of the document to capture payments of a branch to its parent, too. """
        txs_sudo = self._vipps_list_with_hidden_sudo()
        if not txs_sudo:
            return super().payment_action_capture()
        self.ensure_one()
        return txs_sudo.action_capture()

    def payment_action_void(self):
        """ Override of the document to report the released amount, and to release payments of a
        branch to its parent, too. """
        branch_txs_sudo = self._vipps_list_with_hidden_sudo()
        if branch_txs_sudo:
            return branch_txs_sudo.filtered(lambda tx: tx.state == 'authorized').action_void()
        txs_sudo = self.sudo().authorized_transaction_ids
        seen_amounts = txs_sudo._vipps_list_amounts()
        return super().payment_action_void() or txs_sudo._vipps_notify_done(seen_amounts)

    #=== BUSINESS METHODS ===#

    def _get_default_payment_link_values(self):
        """ Override of the document to propose at most the amount that is neither paid nor
        reserved, if customers can pay the link with Vipps MobilePay. """
        values = super()._get_default_payment_link_values()
        if self.env['payment.provider']._vipps_is_enabled_for(self.company_id):
            left_amount = self.sudo()._vipps_get_left_to_pay()
            for name in ('amount', 'amount_max'):
                values[name] = max(self.currency_id.round(min(values[name], left_amount)), 0)
        return values

    def _vipps_get_left_to_pay(self):
        """ Hook to return the amount that is neither paid nor reserved, in major units. """
        raise NotImplementedError

    def _vipps_look_at_payments(self):
        """ Hook to have the payments of the documents read after this database transaction. """
        raise NotImplementedError

    def _vipps_filter_paid(self):
        """ Return the documents that payments of Vipps MobilePay are linked with. """
        return self.filtered(lambda document: document.sudo().vipps_has_payment)

    def _vipps_list_with_hidden_sudo(self):
        """ Return the payments that the staff of a branch operates on: those that it may read, and
        those of Vipps MobilePay that belong to the parent. None if it may read all of them.

        :raise AccessError: If the user may not write the documents.
        """
        self.check_access_rights('write')
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
            "A payment of Vipps MobilePay belongs to the document that the customer paid. It cannot"
            " be put into another document, nor taken out of its own."
        ))
