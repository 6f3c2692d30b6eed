# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import _, models
from odoo.fields import Command
from odoo.tools import SQL, create_index

from ..jobs.own_transaction import NOTHING_LEFT


class VippsSettlementEntry(models.Model):
    """ Entries whose statement lines were changed by a person or another addon. """
    _inherit = 'vipps.settlement.entry'

    def init(self):
        """ Override to index the entries that have lost their journal items. """
        super().init()
        create_index(
            self.env.cr, 'vipps_settlement_entry_undone_index', self._table, ['ledger_id'],
            where="move_line_id IS NULL AND state IN ('matched', 'waiting', 'foreign', 'check')",
        )

    #=== BUSINESS METHODS ===#

    def _restore_items(self):
        """ Give the entries their journal items again that their statement lines had before their
        matching was undone.

        :return: These entries, and the others of their statement lines.
        :rtype: vipps.settlement.entry
        """
        undone = self.filtered(lambda entry: not entry.move_line_id)
        for line in undone.statement_line_id:
            entries = self.search(
                [('statement_line_id', '=', line.id)], order='ledger_date, sequence, id',
            )
            _money, suspense, others = line._seek_for_lines()
            if len(suspense) != 1 or others:
                continue  # It is matched with something else.
            matches = entries._find_matches()
            items, taxes = entries._prepare_items(matches, line.date)
            line.move_id.with_context(
                skip_account_move_synchronization=True, skip_invoice_sync=True, force_delete=True,
            ).write({'line_ids': [
                Command.delete(suspense.id), *map(Command.create, items + taxes),
            ]})
            entries._assign_items(line, matches)
            self |= entries
        return self


class VippsSettlementLedger(models.Model):
    """ The search for entries whose matching was undone. """
    _inherit = 'vipps.settlement.ledger'

    #=== BUSINESS METHODS - MATCHING ===#

    def _find_undone(self):
        """ Find the entries whose statement lines are gone or were matched anew, and let those wait
        again whose payments were reset to draft.

        :return: `NOTHING_LEFT`.
        """
        self.env.flush_all()
        self.env.cr.execute(SQL(
            """
            UPDATE vipps_settlement_entry entry
               SET state = CASE WHEN line.is_reconciled THEN 'done' ELSE 'check' END,
                   reason = CASE WHEN line.is_reconciled THEN NULL
                                 WHEN line.id IS NULL THEN %(gone)s ELSE %(undone)s END
              FROM vipps_settlement_entry other
              LEFT JOIN account_bank_statement_line line ON line.id = other.statement_line_id
             WHERE entry.id = other.id
               AND entry.ledger_id = %(ledger)s
               AND entry.move_line_id IS NULL
               AND entry.state IN ('matched', 'waiting', 'foreign', 'check')
            """,
            ledger=self.id,
            gone=_("The statement line was deleted. Press Match Again to book the entry once more;"
                   " or book it by hand, and press Done."),
            undone=_("The matching was undone. Match the statement line by hand; or press Match"
                     " Again."),
        ))
        # All on the transfer account and such are left to others.
        self.env.cr.execute(SQL(
            """
            UPDATE vipps_settlement_entry entry
               SET state = 'waiting', match_at = NULL
              FROM account_move_line line
             WHERE line.journal_id = %(journal)s
               AND line.reconciled IS NOT TRUE
               AND line.parent_state = 'posted'
               AND entry.move_line_id = line.id
               AND entry.state = 'matched'
               AND entry.entry_type IN ('capture', 'refund')
               AND line.account_id IN (SELECT id FROM account_account WHERE reconcile)
            """, journal=self.journal_id.id,
        ))
        self.env['vipps.settlement.entry'].invalidate_model(['state', 'reason', 'match_at'])
        return NOTHING_LEFT
