# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from collections import defaultdict
from datetime import timedelta
from typing import NamedTuple

from odoo import _, api, fields, models, tools
from odoo.exceptions import AccessError, UserError
from odoo.tools import SQL

from ...trust import check_access
from ..jobs.own_transaction import DONE, NOTHING_LEFT, after_transaction
from .ledger import BOOKKEEPERS

# As many waiting entries are looked at in one database transaction, and how long they wait for the
# next look, unless their payment is booked before.
MATCHING_LIMIT = 50
WAITING_PERIOD = timedelta(minutes=50)

DISPUTE_TYPES = ('retained-disputed-capture', 'returned-disputed-capture')


class Match(NamedTuple):
    """ The other side of an entry in the books. """
    account: models.Model  # Empty for the suspense account.
    partner: models.Model
    lines: models.Model  # To reconcile it with.
    values: dict  # Of the entry: the status, the reason, and the payment.
    group: tuple | None  # What is reconciled together has the same one.
    rest: dict | None  # The status and the reason if something of the entry is left open.
    excess: float  # What is left of the lines when all of their entries are matched.


class VippsSettlementEntry(models.Model):
    """ The matching of entries with payments, payouts and disputes. """
    _inherit = 'vipps.settlement.entry'

    # When a waiting entry is looked at again.
    match_at = fields.Datetime(readonly=True)

    #=== ACTION METHODS ===#

    def action_done(self):
        """ Take the entries from the list of those to check: a person has dealt with them.

        :raise AccessError: If the user is no accountant.
        """
        entries_sudo = self._check_bookkeeper().filtered(lambda entry: entry.state != 'done')
        for entry in entries_sudo:
            entry.ledger_id._record(
                'entry_done', entry.reason, reference=entry.reference or entry.psp_reference,
                psp_reference=entry.psp_reference, amount=entry.amount,
                transaction_id=entry.transaction_id.id,
            )
        entries_sudo.write({'state': 'done', 'reason': False})
        entries_sudo._end_disputes(_("A person has dealt with the entry of the dispute."))

    def action_match_again(self):
        """ Match the entries again, as the job does for those that wait.

        :raise AccessError: If the user is no accountant.
        """
        entries_sudo = self._check_bookkeeper()
        for ledger, group in tools.groupby(entries_sudo, lambda entry: entry.ledger_id):
            entries = self.sudo().browse(entry.id for entry in group)
            entries.with_env(ledger._in_company().env)._match_again()

    def _check_bookkeeper(self):
        """ Return the entries that are left to do, for an accountant.

        :raise AccessError: If the user is none, or may not read the entries.
        """
        entries = check_access(self, 'read')
        if not self.env.su and not self.user_has_groups(BOOKKEEPERS):
            raise AccessError(_("Only accountants and billing administrators deal with entries."))
        return entries.sudo().filtered(
            lambda entry: entry.state in ('check', 'foreign', 'waiting', 'done')
        )

    #=== BUSINESS METHODS - MATCHING ===#

    def _find_matches(self):
        """ Return the other side of each of these entries of one ledger.

        :rtype: dict[vipps.settlement.entry, Match]
        """
        ledger = self.ledger_id
        payments = self.filtered(lambda entry: entry.entry_type in ('capture', 'refund'))
        matches = payments._find_payment_matches()
        for entry in self - payments:
            find = {
                'fees-retained': entry._match_fees,
                'payout-scheduled': entry._match_transfer,
                'top-up': entry._match_transfer,
                'payout-aborted': entry._match_aborted,
                'retained-disputed-capture': entry._match_dispute,
                'returned-disputed-capture': entry._match_dispute,
                'opening-balance': entry._match_opening,
            }.get(entry.entry_type, entry._match_unknown)
            matches[entry] = find(ledger)
        return matches

    def _make_match(self, account=None, lines=None, state='matched', reason=False, tx=None,
                    payment=None, group=None, rest=None, excess=0.0):
        partner = payment.partner_id if payment else (
            tx.partner_id.commercial_partner_id if tx else self.ledger_id.partner_id
        )
        values = {
            'state': state,
            'reason': reason,
            'transaction_id': tx.id if tx else False,
            'payment_id': payment.id if payment else False,
            'match_at': state == 'waiting' and fields.Datetime.now() + WAITING_PERIOD,
        }
        return Match(
            account or self.env['account.account'], partner,
            lines if lines is not None else self.env['account.move.line'], values, group, rest,
            excess,
        )

    def _match_fees(self, ledger):
        return self._make_match(ledger.fee_account_id)

    def _match_transfer(self, ledger):
        # The payout may be taken back on the same day.
        return self._make_match(
            ledger.company_id.transfer_account_id, group=('transfer', self.psp_reference),
        )

    def _match_aborted(self, ledger):
        payouts = self.env['vipps.settlement.payout'].search([
            ('ledger_id', '=', ledger.id), ('amount', '=', self.amount),
            '|', ('entry_id.psp_reference', '=', self.psp_reference),
            '&', ('reference', '!=', False), ('reference', '=', self.reference),
        ])
        # The text of the bank can be the same for all payouts.
        payouts = payouts.filtered(
            lambda payout: payout.entry_id.psp_reference == self.psp_reference
        ) or payouts
        payout = payouts.filtered(lambda payout: not payout.entry_id.move_line_id.reconciled)[-1:]
        account = (
            payout.entry_id.move_line_id.account_id or ledger.company_id.transfer_account_id
        )
        if not payout:
            return self._make_match(account, state='check', reason=_(
                "Vipps MobilePay took back payout %s, and it is matched with a bank line here, or"
                " not known. Look at your bank account. If the money is not there, undo the"
                " matching of the bank line, and press Match Again.",
                payouts[-1:].number or self.psp_reference,
            ))
        payout.state = 'aborted'
        return self._make_match(
            account, lines=payout.entry_id.move_line_id,
            group=('transfer', payout.entry_id.psp_reference),
        )

    def _match_dispute(self, ledger):
        others = self.search([
            ('ledger_id', '=', ledger.id),
            ('psp_reference', '=', self.psp_reference),
            ('entry_type', 'in', DISPUTE_TYPES),
            ('id', '!=', self.id),
        ])
        lines = others.move_line_id.filtered(lambda line: not line.reconciled)
        # Another one can have been chosen since the dispute began.
        account = lines.account_id[:1] or ledger.dispute_account_id
        reason = _(
            "The customer disputes this payment, and Vipps MobilePay keeps the amount back. Answer"
            " Vipps MobilePay. If you lose, book the amount from %s to your losses, and press"
            " Done.", account.display_name,
        ) if self.amount < 0 else _(
            "Vipps MobilePay returns this amount after a dispute that is not in your books. Book it"
            " from %s to where the dispute is, and press Done.", account.display_name,
        )
        return self._make_match(
            account, lines=lines, tx=self._find_root(), group=('dispute', self.psp_reference),
            rest={'state': 'check', 'reason': reason},
        )

    def _match_opening(self, ledger):
        return self._make_match(
            ledger.opening_account_id,
            state='matched' if ledger.opening_account_id else 'check',
            reason=not ledger.opening_account_id and _(
                "This money was at Vipps MobilePay before the first day. Book it from the suspense"
                " account to where it was in your books, and press Done."
            ),
        )

    def _match_unknown(self, ledger):
        return self._make_match(state='check', reason=_(
            "The amount is on the suspense account. Find out from Vipps MobilePay what it is for,"
            " book it there, and press Done."
        ))

    def _find_root(self):
        """ Return the transaction of the payment that a dispute is about. """
        return self.env['payment.transaction'].search([
            ('provider_code', '=', 'vipps'),
            ('company_id', 'child_of', self.company_id.ids),
            ('vipps_psp_reference', '=', self.psp_reference),
        ], limit=1)

    #=== BUSINESS METHODS - RECONCILING ===#

    def _reconcile(self, matches):
        """ Reconcile the journal items of entries with their other sides. Those that share them, as
        the payments of a session of a till do, are reconciled together. The statuses follow.

        :param dict matches: The other sides of these entries.
        :return: None
        """
        groups = defaultdict(self.browse)
        for entry in self:
            if matches[entry].group and entry.move_line_id:
                groups[matches[entry].group] |= entry
        plan = {}
        for entries in groups.values():
            account = matches[entries[0]].account
            lines = entries.move_line_id.union(*(matches[entry].lines for entry in entries))
            # The oldest first, where core makes no difference.
            lines = lines.sorted('id').filtered(
                lambda line, account=account: line.account_id == account and not line.reconciled
            )
            amounts = lines.mapped('amount_residual_currency')
            if amounts and min(amounts) < 0 < max(amounts):
                plan[entries] = lines
        try:
            with self.env.cr.savepoint():
                self.env['account.move.line']._reconcile_plan(list(plan.values()))
        except UserError:
            for entries, lines in plan.items():
                entries._reconcile_alone(lines)
        for entry in self:
            rest, line = matches[entry].rest, entry.move_line_id
            if rest and entry.state == 'matched' and line and not line.reconciled:
                entry.write({'match_at': fields.Datetime.now() + WAITING_PERIOD, **rest})
        for entries in groups.values():
            entries[-1]._check_excess(matches[entries[-1]], entries)
        # Entries that were waiting for these.
        self.search([
            ('move_line_id', 'in', self.browse().move_line_id.union(*plan.values()).ids),
            ('move_line_id.reconciled', '=', True),
            '|', ('state', '=', 'waiting'),
            '&', ('state', '=', 'check'), ('entry_type', 'in', DISPUTE_TYPES),
        ]).write({'state': 'matched', 'reason': False, 'match_at': False})

    def _check_excess(self, match, entries):
        """ Let a person look at the payment if something of it is left that nothing can come for.

        :param Match match: The other side of this entry.
        :param vipps.settlement.entry entries: All that was reconciled together with it.
        :return: None
        """
        left = sum((match.lines | entries.move_line_id).mapped('amount_residual_currency'))
        if match.excess and not self.currency_id.compare_amounts(left, match.excess):
            self.write({'match_at': False, **match.rest})

    def _reconcile_alone(self, lines):
        """ Reconcile the items of one group of entries. """
        try:
            with self.env.cr.savepoint():
                lines.reconcile()
        except UserError as error:
            self.write({'state': 'check', 'reason': _(
                "This entry cannot be matched: %s Change that, and press Match Again.", error
            )})

    def _match_again(self):
        """ Match entries again that are booked. Those whose statement lines are gone are booked
        again. """
        gone = self.filtered(lambda entry: not entry.statement_line_id)
        gone.write({'state': 'new', 'reason': False})
        if gone:
            self.env['vipps.settlement.ledger']._wake()
        entries = (self - gone)._restore_items()
        matches = entries._find_matches()
        for entry, match in matches.items():
            line = entry.move_line_id
            if not line or line.account_id != match.account and not entry._is_movable(line):
                # A person, or another addon, has booked it elsewhere.
                entry.write({'state': 'done', 'reason': False})
                continue
            entry.write(match.values)
            if line.reconciled:
                entry.write({'state': 'matched', 'reason': False})
            elif line.parent_state != 'posted':
                entry.write({'state': 'check', 'reason': _(
                    "The journal entry of this entry is not posted. Post it, and press Match Again."
                )})
            elif match.account and match.account != line.account_id:
                entry._move_item(match)
        entries.filtered(lambda entry: entry.state == 'matched')._reconcile(matches)

    def _is_movable(self, line):
        """ Return whether a journal item is where it was booked to wait for its payment. """
        is_waiting_there = line.account_id.reconcile and not (
            line.matched_debit_ids or line.matched_credit_ids
        )
        return is_waiting_there or (
            line.account_id == self.ledger_id.journal_id.suspense_account_id
        )

    def _move_item(self, match):
        """ Move the item of an entry to the account where it is matched. """
        line = self.move_line_id
        try:
            with self.env.cr.savepoint():
                self.ledger_id._check_open(line)
                line.with_context(skip_account_move_synchronization=True).write({
                    'account_id': match.account.id, 'partner_id': match.partner.id,
                })
        except UserError as error:
            self.write({'state': 'check', 'reason': _(
                "The entry belongs to %(account)s now, but stays on %(other_account)s: %(problem)s"
                " Open the period for a moment, and press Match Again; or book the amount from"
                " %(other_account)s to %(account)s, match it there, and press Done.",
                account=match.account.display_name, other_account=line.account_id.display_name,
                problem=error,
            )})

    @api.model
    def _match_soon(self, txs):
        """ Let the job look at the waiting entries of transactions as soon as this is committed: it
        waits for nothing that the job does, and the job has nothing to wait for. """
        txs |= txs.source_transaction_id | txs.source_transaction_id.source_transaction_id
        if self.sudo().search_count([
            ('state', '=', 'waiting'), ('transaction_id', 'in', txs.ids),
        ], limit=1):
            tx_ids = txs.ids
            after_transaction(self.env, lambda env: env[self._name]._stop_waiting(tx_ids))

    @api.model
    def _stop_waiting(self, tx_ids):
        self.env.cr.execute(SQL(
            """
            UPDATE vipps_settlement_entry SET match_at = NULL
             WHERE id IN (
                SELECT id FROM vipps_settlement_entry
                 WHERE state = 'waiting' AND transaction_id = ANY(%s)
                   FOR NO KEY UPDATE SKIP LOCKED
             )
            """, tx_ids,
        ))
        self.env['vipps.settlement.ledger']._wake()


class VippsSettlementLedger(models.Model):
    """ The job that matches entries whose payments are booked later. """
    _inherit = 'vipps.settlement.ledger'

    #=== BUSINESS METHODS - MATCHING ===#

    def _match_next(self):
        """ Match the next entries that wait.

        :return: `DONE`, or `NOTHING_LEFT`.
        """
        entries = self.env['vipps.settlement.entry'].search([
            ('ledger_id', '=', self.id),
            ('state', '=', 'waiting'),
            '|', ('match_at', '=', False), ('match_at', '<=', fields.Datetime.now()),
        ], order='ledger_date, sequence, id', limit=MATCHING_LIMIT)
        if not entries:
            return NOTHING_LEFT
        entries._match_again()
        return DONE
