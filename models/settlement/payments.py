# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from typing import NamedTuple

from odoo import _, models


class Settled(NamedTuple):
    """ Where a capture or a refund is in the books. """
    payment: models.Model
    account: models.Model  # Of the money on its way; also while nothing is booked yet.
    lines: models.Model  # On that account, to match the entry with.
    group: tuple | None = None  # Entries that share the lines have the same one.
    state: str = 'matched'
    reason: str | bool = False
    rest: dict | None = None  # The status and the reason if something of the entry is left open.
    excess: float = 0.0  # What is left of the lines when all of their entries are matched.


class VippsSettlementEntry(models.Model):
    """ The matching of entries with payments. """
    _inherit = 'vipps.settlement.entry'

    #=== BUSINESS METHODS - PAYMENTS ===#

    def _find_payment_matches(self):
        """ Return the other sides of captures and refunds of one ledger.

        :rtype: dict[vipps.settlement.entry, Match]
        """
        company = self.ledger_id.company_id
        domain = [('provider_code', '=', 'vipps'), ('company_id', 'child_of', company.ids)]
        Transaction = self.env['payment.transaction']
        txs = {
            tx.vipps_psp_reference: tx for tx in Transaction.search([
                *domain, ('vipps_psp_reference', 'in', self.mapped('psp_reference')),
            ])
        }
        unknown = self.filtered(lambda entry: entry.psp_reference not in txs)
        roots = {
            tx.vipps_payment_reference: tx for tx in Transaction.search([
                *domain, ('vipps_payment_reference', 'in', unknown.mapped('reference')),
            ])
        } if unknown else {}
        settled = Transaction.union(*txs.values())._vipps_find_settled()
        matches = {}
        for entry in self:
            tx, root = txs.get(entry.psp_reference), roots.get(entry.reference)
            if tx:
                matches[entry] = entry._match_payment(tx, settled[tx])
            elif root:
                matches[entry] = entry._match_unread(root)
            else:
                matches[entry] = entry._make_match(
                    self.ledger_id.foreign_account_id, state='foreign', reason=_(
                        "The payment was taken by another system, or in another database."
                    ),
                )
        return matches

    def _match_unread(self, root):
        """ Return the other side of a part of a payment that Odoo has not read yet. """
        tasks = self.env['vipps.task']
        tasks._schedule(root - tasks._get_scheduled(root, 'sync'), 'sync')
        account = root._vipps_get_settlement_account(self.entry_type == 'refund')
        return self._make_match(
            self._is_usable(account) and account, state='waiting', tx=root, reason=_(
                "Odoo does not know this part of the payment yet, and reads the payment again."
            ),
        )

    def _match_payment(self, tx, settled):
        """ Return the other side of a capture or a refund that is known.

        :param payment.transaction tx: Its transaction.
        :param Settled settled: Where that is in the books.
        """
        known = {'tx': tx, 'payment': settled.payment[:1]}
        if self.currency_id != tx.currency_id or tx.currency_id.compare_amounts(
            self.amount, tx.amount
        ):
            return self._make_match(state='check', **known, reason=_(
                "In Odoo, the transaction %s has another amount. Update it from Vipps MobilePay,"
                " and compare.", tx.reference,
            ))
        if settled.state != 'matched':
            return self._make_match(
                self._is_usable(settled.account) and settled.account, state=settled.state,
                reason=settled.reason, **known,
            )
        if settled.account == self.ledger_id.journal_id.default_account_id:
            return self._make_match(state='check', **known, reason=_(
                "The payment is booked on the account of this journal itself, so its amount is"
                " there twice. Book it from the suspense account to %s, and press Done. In the"
                " journal of the payment, under Incoming Payments, choose another outstanding"
                " account.", settled.account.display_name,
            ))
        if not self._is_usable(settled.account):
            return self._make_match(state='check', **known, reason=_(
                "The account %s is no longer in use, or does not allow reconciliation. Change that"
                " on the account, and press Match Again.", settled.account.display_name or "",
            ))
        return self._make_match(
            settled.account, lines=settled.lines, group=settled.group, rest=settled.rest,
            excess=settled.excess, **known
        )

    def _is_usable(self, account):
        """ Return whether entries can be matched on an account. """
        return account.reconcile and not account.deprecated and (
            account != self.ledger_id.journal_id.default_account_id
        )


class PaymentTransaction(models.Model):
    """ Captures and refunds in the books. """
    _inherit = 'payment.transaction'

    #=== BUSINESS METHODS ===#

    def _create_payment(self, **extra_create_values):
        """ Override of `account_payment` to match the entry of a payment that is booked after it
        was settled. """
        payment = super()._create_payment(**extra_create_values)
        if self.provider_code == 'vipps' and payment:
            self.env['vipps.settlement.entry']._match_soon(self)
        return payment

    def _vipps_find_settled(self):
        """ Hook: return where captures and refunds are in the books.

        :rtype: dict[payment.transaction, Settled]
        """
        return {tx: tx._vipps_find_own_payment() for tx in self}

    def _vipps_find_own_payment(self):
        """ Return where a capture or refund is in the books that has a payment of its own. """
        payment = self.payment_id
        if payment.state == 'posted':
            return self._vipps_check_settled(payment)
        if payment:
            state, reason = 'waiting', _(
                "The payment %s is not posted. Post it, or match this entry by hand and press"
                " Done.", payment.display_name,
            )
        elif self.is_post_processed and not self.env['vipps.task']._get_scheduled(self, 'book'):
            state, reason = 'check', _(
                "The payment of the transaction %s was deleted. Book the amount by hand, and press"
                " Done.", self.reference,
            )
        else:
            state, reason = 'waiting', _(
                "The transaction %s is not in the books yet.", self.reference
            )
        account = self._vipps_get_settlement_account(self.operation == 'refund')
        return Settled(payment, account, payment.line_ids.browse(), None, state, reason)

    def _vipps_check_settled(self, payment):
        """ Return where a payment is in the books that is posted. """
        lines = payment._seek_for_lines()[0]
        account = lines.account_id[:1]
        lines = lines.filtered(lambda line: line.account_id == account)
        reason = _(
            "The payment %s is matched with something else already. Undo that and press Match"
            " Again, or match this entry by hand and press Done.", payment.name,
        )
        if self.currency_id.compare_amounts(
            abs(sum(lines.mapped('amount_currency'))), abs(self.amount)
        ):
            return Settled(payment, account.browse(), lines, None, 'check', _(
                "The payment %s has another amount than what Vipps MobilePay settled. Correct it"
                " and press Match Again, or match this entry by hand and press Done.", payment.name,
            ))
        open_lines = lines.filtered(lambda line: not line.reconciled)
        if account.reconcile and not open_lines:
            # On the suspense account, the entry is seen by those who match it by hand.
            return Settled(payment, account.browse(), lines, None, 'check', reason)
        return Settled(
            payment, account, open_lines, ('payment', payment.id),
            rest={'state': 'check', 'reason': reason},
        )

    def _vipps_get_settlement_account(self, is_refund):
        """ Hook: return the account where captures or refunds of the payment wait for their
        settlement. """
        provider, company = self.provider_id, self.provider_id.company_id
        lines = provider.journal_id.inbound_payment_method_line_ids.filtered(
            lambda line: line.payment_provider_id == provider
        )
        return lines.payment_account_id[:1] or (
            company.account_journal_payment_credit_account_id if is_refund
            else company.account_journal_payment_debit_account_id
        )
