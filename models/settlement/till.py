# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from collections import defaultdict

from odoo import _, fields, models

from .payments import Settled


class PosPayment(models.Model):
    _inherit = 'pos.payment'

    # With methods that identify customers, a session books each payment singly; core keeps no link.
    vipps_account_payment_id = fields.Many2one(
        string="Payment in the Books",
        comodel_name='account.payment',
        copy=False,
        readonly=True,
        index='btree_not_null',
        ondelete='set null',
    )

    def _vipps_find_account_payment(self):
        """ Return the payment in the books, also of a session that was closed before the link was
        kept: those of a customer that have the same amount are as good as each other. """
        if not self.vipps_account_payment_id:
            alike = self.env['account.payment'].search([
                ('pos_session_id', '=', self.session_id.id),
                ('pos_payment_method_id', '=', self.payment_method_id.id),
                ('partner_id', '=', self.partner_id.id),
                ('amount', '=', abs(self.amount)),
            ]).filtered(
                # Core books refunds with the accounts swapped.
                lambda payment: (self.amount < 0) == (
                    payment.outstanding_account_id.account_type == 'asset_receivable'
                )
            )
            linked = self.search([('vipps_account_payment_id', 'in', alike.ids)])
            self.vipps_account_payment_id = (alike - linked.vipps_account_payment_id)[:1]
        return self.vipps_account_payment_id


class AccountPayment(models.Model):
    """ The payments that sessions book. """
    _inherit = 'account.payment'

    #=== BUSINESS METHODS ===#

    def _vipps_get_settled_domain(self):
        """ Override to find the entries of the sums of sessions, too. """
        ours = self.filtered(lambda payment: payment.pos_payment_method_id.vipps_provider_id)
        domain = super()._vipps_get_settled_domain()
        return [('payment_id', 'in', self.ids)] if domain or ours else None


class PosOrder(models.Model):
    """ Orders of tills that were paid with Vipps MobilePay. """
    _name = 'pos.order'
    _inherit = ['pos.order', 'vipps.settled']

    #=== BUSINESS METHODS ===#

    def _vipps_get_settled_domain(self):
        """ Override to find the entries of their payments. """
        txs = self.payment_ids.vipps_transaction_id
        return [('transaction_id', 'in', txs.ids)] if txs else None


class PosSession(models.Model):
    """ The closing of a session, after which its payments are in the books. """
    _name = 'pos.session'
    _inherit = ['pos.session', 'vipps.settled']

    def _create_split_account_payment(self, payment, amounts):
        """ Override of `point_of_sale` to remember where a payment of ours is booked. """
        lines = super()._create_split_account_payment(payment, amounts)
        if payment.sudo().vipps_transaction_id:
            payment.sudo().vipps_account_payment_id = lines.move_id.payment_id
        return lines

    def _validate_session(self, *args, **kwargs):
        """ Override of `point_of_sale` to match entries that waited for the session to close. """
        res = super()._validate_session(*args, **kwargs)
        is_ours = self.state == 'closed' and self.sudo().payment_method_ids.vipps_provider_id
        txs_sudo = is_ours and self.sudo().order_ids.payment_ids.vipps_transaction_id
        if txs_sudo:
            children_sudo = txs_sudo.child_transaction_ids
            self.env['vipps.settlement.entry'].sudo()._match_soon(
                txs_sudo | children_sudo | children_sudo.child_transaction_ids
            )
        return res

    def _vipps_get_settled_domain(self):
        """ Override to find the entries of the payments of the session. """
        is_ours = bool(self.payment_method_ids.vipps_provider_id)
        return [
            ('transaction_id.vipps_pos_payment_ids.session_id', 'in', self.ids)
        ] if is_ours else None


class PaymentTransaction(models.Model):
    """ Where payments of tills are in the books: in one sum for each session and method, or singly
    if the method identifies customers. """
    _inherit = 'payment.transaction'

    #=== BUSINESS METHODS ===#

    def _vipps_find_settled(self):
        """ Override to find what sessions have booked. """
        till_txs = self.filtered(lambda tx: tx._vipps_is_booked_elsewhere() and not tx.payment_id)
        settled = super(PaymentTransaction, self - till_txs)._vipps_find_settled()
        groups = defaultdict(self.browse)
        for tx in till_txs:
            till_payment = tx._vipps_get_till_payment()
            if not till_payment:
                group = ('undone', tx._vipps_get_root().id)
            elif till_payment.payment_method_id.split_transactions:
                group = ('pos.payment', till_payment.id)
            else:
                group = (
                    'pos.session', till_payment.session_id.id, till_payment.payment_method_id.id,
                )
            groups[group] |= tx
        for group, txs in groups.items():
            settled.update(dict.fromkeys(txs, txs[0]._vipps_find_group(group)))
        return settled

    def _vipps_get_settlement_account(self, is_refund):
        """ Override to return the account of the payment method of the till. """
        if self._vipps_get_root().vipps_pos_method_id:
            return self._vipps_get_till_outstanding_account()
        return super()._vipps_get_settlement_account(is_refund)

    def _vipps_get_till_payment(self):
        """ Return the payment with which a session books the capture or refund. """
        is_till_refund = self.operation == 'refund' and self.vipps_pos_session_id
        tx = self if is_till_refund else self._vipps_get_root()
        return tx._vipps_get_finished_payments()[:1]

    def _vipps_find_group(self, group):
        """ Return where payments and refunds are in the books that are matched together. The sum of
        a session is that of its payments without its refunds: so these are matched with each other,
        too.

        :param tuple group: What they have in common.
        :rtype: Settled
        """
        till_payment, root = self._vipps_get_till_payment(), self._vipps_get_root()
        payments = self.env['account.payment']
        account = self._vipps_get_till_outstanding_account()
        if not till_payment and root._vipps_get_refundable_amount():
            return self._vipps_wait(account, _(
                "The order of the till %s is not finished yet.", root.vipps_pos_reference
            ))
        session, method = till_payment.session_id, till_payment.payment_method_id
        if till_payment and session.state != 'closed':
            return self._vipps_wait(account, _(
                "The session %s of the till is not closed yet.", session.name
            ))
        summed = till_payment
        if method.split_transactions:
            payments = till_payment._vipps_find_account_payment()
        elif method:
            payments = payments.search([
                ('pos_session_id', '=', session.id), ('pos_payment_method_id', '=', method.id),
            ])
            summed = till_payment.search([
                ('session_id', '=', session.id), ('payment_method_id', '=', method.id),
            ])._vipps_filter_finished()
        total = sum(summed.mapped('amount'))
        posted = payments.filtered(lambda payment: payment.state == 'posted')
        # Those of a session that gave back more than it took have the accounts swapped.
        accounts = (posted.outstanding_account_id | posted.destination_account_id).filtered(
            lambda account: account.account_type != 'asset_receivable'
        )
        account = accounts[:1] or account
        lines = posted.line_ids.filtered(lambda line: line.account_id == account)
        if not posted and not self.currency_id.is_zero(total):
            return self._vipps_wait(account, _(
                "The payment that the session %s booked is not posted, or was deleted. Post it, or"
                " match this entry by hand and press Done.", session.name,
            ), payments)
        others = self._vipps_find_group_items(group)
        taken = lines.matched_debit_ids.debit_move_id | lines.matched_credit_ids.credit_move_id
        if taken.filtered('statement_line_id') - others.move_line_id:
            return Settled(posted, account.browse(), lines, None, 'check', _(
                "The payment %s is matched with something else already. Undo that and press Match"
                " Again, or match this entry by hand and press Done.", posted[:1].name,
            ))
        rest = {'state': 'waiting', 'reason': _(
            "The rest is matched with the refunds, or the payments, of the session %s that Vipps"
            " MobilePay settles later.", session.name or root.vipps_pos_session_id.name,
        )}
        difference = sum(lines.mapped('amount_currency')) - total
        if posted and not self.currency_id.is_zero(difference):
            rest = {'state': 'check', 'reason': _(
                "The session %(session)s was closed with another amount than what was paid with"
                " %(method)s. Book the rest from %(account)s to where the difference is, and press"
                " Done.", session=session.name, method=method.name, account=account.display_name,
            )}
        items = others.move_line_id.filtered(lambda line: line.account_id == account)
        return Settled(
            posted, account, lines | items, group, rest=rest,
            excess=difference if posted and difference > 0 else 0.0,
        )

    def _vipps_wait(self, account, reason, payments=None):
        payments = payments or self.env['account.payment']
        return Settled(payments, account, payments.line_ids.browse(), None, 'waiting', reason)

    def _vipps_find_group_items(self, group):
        """ Return the entries of payments and refunds that are matched together. """
        kind, record_id, *method_ids = group
        if kind == 'undone':
            txs = self.browse(record_id)
        else:
            txs = self.search([('vipps_pos_payment_ids', 'any', [
                ('id', '=', record_id)] if kind == 'pos.payment' else [
                ('session_id', '=', record_id), ('payment_method_id', 'in', method_ids),
            ])])
        # What was refunded elsewhere before the order was finished is not booked, either.
        refunds = self.search([
            ('operation', '=', 'refund'), ('vipps_pos_session_id', '=', False),
            '|', ('source_transaction_id', 'in', txs.ids),
            ('source_transaction_id.source_transaction_id', 'in', txs.ids),
        ]).filtered(lambda tx: tx._vipps_is_booked_elsewhere() and not tx.payment_id)
        captures = txs.child_transaction_ids.filtered(lambda tx: tx.operation != 'refund')
        return self.env['vipps.settlement.entry'].search([
            ('transaction_id', 'in', (txs | refunds | captures).ids),
            ('move_line_id', '!=', False),
        ])


class VippsSettlementEntry(models.Model):
    """ The orders of tills that entries are about. """
    _inherit = 'vipps.settlement.entry'

    #=== BUSINESS METHODS ===#

    def _find_document(self):
        """ Override to find the order of a till. """
        payments_sudo = self.sudo().transaction_id.vipps_pos_payment_ids
        return payments_sudo.pos_order_id[:1] or super()._find_document()
