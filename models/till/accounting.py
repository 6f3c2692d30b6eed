# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import _, models


class PaymentTransaction(models.Model):
    """ The books of tills: closing a session books its payments and refunds. Only a refund that was
    made elsewhere, of a payment that a session books, has a payment of its own; and a payment for
    an order that is never finished, when a manager decides so. """
    _inherit = 'payment.transaction'

    #=== BUSINESS METHODS - BOOKINGS OF TILLS ===#

    def _vipps_is_booked_elsewhere(self):
        """ Override to leave to a session what its closing books, and to book nothing that is
        undone before. """
        root = self._vipps_get_root()
        if not root.vipps_pos_session_id:
            return False
        return (
            self.operation != 'refund' and not root.vipps_pos_is_alone
            or bool(self.vipps_pos_session_id) and not self.vipps_pos_is_alone
            or self in root._vipps_get_undoing_refunds()
        )

    def _vipps_get_undoing_refunds(self):
        """ Return the refunds made elsewhere before the payment became part of a finished order:
        the session books that much less, or nothing if it never becomes part of one. """
        if self.vipps_pos_is_alone:
            return self.browse()
        refund_txs = self._vipps_get_refunds().filtered(lambda tx: not tx.vipps_pos_session_id)
        finished_payments = self._vipps_get_finished_payments()
        if not finished_payments:
            return refund_txs
        undoing_txs = self.browse()
        left_amount = (
            self.amount - self._vipps_get_released_amount()
            - sum(finished_payments.mapped('amount'))
        )
        for tx in refund_txs:
            left_amount += tx.amount
            if self.currency_id.compare_amounts(left_amount, 0) < 0:
                break
            undoing_txs |= tx
        return undoing_txs

    #=== BUSINESS METHODS - REFUNDS MADE ELSEWHERE ===#

    def _vipps_check_books(self):
        """ Override to ask nothing of the books for amounts that are not booked here: captures, and
        refunds of a payment before it belongs to a finished order. """
        root = self._vipps_get_root()
        if root.vipps_pos_session_id and (
            root.state == 'authorized' or not root._vipps_is_attached()
        ):
            return
        super()._vipps_check_books()

    def _vipps_find_booking_problem(self):
        """ Override to look at the journal of the till's payment method. """
        method = self._vipps_get_root().vipps_pos_method_id
        if not method:
            return super()._vipps_find_booking_problem()
        journal = method.journal_id
        if not (
            journal.active and journal.inbound_payment_method_line_ids
            and journal.outbound_payment_method_line_ids
        ):
            return _(
                "The journal of the payment method %s is missing, archived, or has no incoming or"
                " no outgoing payment method. Change that under Accounting, Configuration,"
                " Journals.", method.name,
            )
        if not self._vipps_get_till_outstanding_account():
            return _(
                "There is no outstanding account for payments with %s. Choose one on the payment"
                " method of the Point of Sale.", method.name,
            )
        return None

    def _create_payment(self, **extra_create_values):
        """ Override of `account_payment` to book a refund of a sale at a till where the session
        booked the sale, and a sale that is booked without its order where it would be booked. """
        if self._vipps_get_root().vipps_pos_method_id:
            extra_create_values = {**self._vipps_prepare_till_payment(), **extra_create_values}
        return super()._create_payment(**extra_create_values)

    def _vipps_prepare_till_payment(self):
        """ Return the values of the payment in the books of the till. """
        root = self._vipps_get_root()
        method = root.vipps_pos_method_id
        journal = method.journal_id
        method_lines = (
            journal.outbound_payment_method_line_ids if self.operation == 'refund'
            else journal.inbound_payment_method_line_ids
        )
        sale = root._vipps_get_captures().payment_id[:1]  # If it was booked without its order.
        if sale:
            partner, account = sale.partner_id, sale.destination_account_id
        else:
            partner, account = self._vipps_get_till_debtor()
        return {
            'partner_id': partner.id,
            'journal_id': journal.id,
            'payment_method_line_id': method_lines[:1].id,
            'force_outstanding_account_id': self._vipps_get_till_outstanding_account().id,
            'destination_account_id': account.id,
            'pos_payment_method_id': method.id,
        }

    def _vipps_get_till_outstanding_account(self):
        return (
            self._vipps_get_root().vipps_pos_method_id.outstanding_account_id
            or self.company_id.account_journal_payment_debit_account_id
        )

    def _vipps_get_till_debtor(self):
        """ Return the partner and the account that the amount is due from: the customer's account
        if that is where the sale was booked, or else the one of the till. """
        root = self._vipps_get_root()
        method = root.vipps_pos_method_id
        order = (
            root._vipps_get_pos_order() if root.vipps_pos_is_alone
            else root._vipps_get_finished_payments().pos_order_id
        )
        partner = self.env['res.partner']._find_accounting_partner(order.partner_id)
        # Where there is no sale in the till's books, an invoice is to come.
        is_due_from_customer = root.vipps_pos_is_alone and order.partner_id
        if is_due_from_customer or order.account_move or method.split_transactions:
            return partner, partner.with_company(self.company_id).property_account_receivable_id
        return partner, (
            method.receivable_account_id
            or self.company_id.account_default_pos_receivable_account_id
        )

    def _vipps_get_invoices(self):
        """ Override to settle a credit note for the invoice of an order of a till. """
        order = self._vipps_get_finished_payments().pos_order_id
        return super()._vipps_get_invoices() | order.account_move

    def _vipps_get_memo(self):
        """ Override to name the order of the till. """
        root = self._vipps_get_root()
        memo = super()._vipps_get_memo()
        return f"{root.vipps_pos_reference} - {memo}" if root.vipps_pos_reference else memo


class AccountMove(models.Model):
    _inherit = 'account.move'

    def _vipps_get_linked_transactions(self):
        """ Override to find the payments of an order of a till that a credit note gives back; a
        till settles its own credit notes. """
        txs = super()._vipps_get_linked_transactions()
        if self.reversed_entry_id and not self.pos_order_ids:
            txs |= self.reversed_entry_id.pos_order_ids.payment_ids.vipps_transaction_id
        return txs
