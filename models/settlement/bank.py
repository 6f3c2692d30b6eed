# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from datetime import timedelta

from odoo import _, api, fields, models
from odoo.exceptions import UserError
from odoo.tools import format_date

from ...trust import clean, get_readable
from ..jobs.own_transaction import NOTHING_LEFT

# How many days before and after the expected date a payout can be on the bank statement.
EARLY_DAYS, LATE_DAYS = 1, 14


class VippsSettlementLedger(models.Model):
    """ The arrival of payouts in the bank. """
    _inherit = 'vipps.settlement.ledger'

    #=== BUSINESS METHODS - BANK ===#

    def _match_payouts(self):
        """ Match the payouts that are on their way with lines of bank statements.

        :return: `NOTHING_LEFT`.
        """
        Payout = self.env['vipps.settlement.payout']
        # The transfer account of the company may have been another one then, so that it was missed.
        Payout.search([
            ('ledger_id', '=', self.id),
            '|', '&', ('state', '=', 'sent'), ('entry_id.move_line_id.reconciled', '=', True),
            '&', ('state', '=', 'arrived'), ('entry_id.move_line_id.reconciled', '=', False),
        ])._update_states()
        payouts = Payout.search([
            ('company_id', 'child_of', self.company_id.root_id.ids), ('state', '=', 'sent'),
            ('entry_id.move_line_id', '!=', False),
        ], order='ledger_date, id')
        candidates = {payout: payout._find_bank_lines() for payout in payouts}
        for payout in payouts.filtered(lambda payout: payout.ledger_id == self):
            line = payout._choose_bank_line(candidates[payout], candidates)
            if line and line == payout.undone_line_id:
                problem = payout._describe_undone(line)
            else:
                problem = bool(line) and payout._try_bank_line(line)
            if payout.reason != problem:
                payout.reason = problem
        return NOTHING_LEFT


class VippsSettlementPayout(models.Model):
    """ The line of a bank statement that a payout arrives with. """
    _inherit = 'vipps.settlement.payout'

    proposed_line_ids = fields.Many2many(
        string="Possible Bank Lines", comodel_name='account.bank.statement.line',
        compute='_compute_proposed_line_ids',
    )
    reason = fields.Char(string="What to Do", readonly=True)
    # A person who undoes a matching does not want it back: it is not made anew without asking.
    undone_line_id = fields.Many2one(
        string="Undone Bank Line",
        comodel_name='account.bank.statement.line', readonly=True, ondelete='set null',
        index='btree_not_null',
    )

    #=== COMPUTE METHODS ===#

    @api.depends('state')
    def _compute_proposed_line_ids(self):
        for payout in self:
            stored = get_readable(payout)
            payout.proposed_line_ids = stored.state == 'sent' and stored._find_bank_lines()

    #=== ACTION METHODS ===#

    def action_choose_bank_line(self):
        """ Open the bank lines that fit, to choose one.

        :rtype: dict
        :raise AccessError: If the user is no accountant.
        """
        payout = clean(self)
        payout.ensure_one()
        payout.check_access_rights('read')
        payout.check_access_rule('read')
        payout.ledger_id._check_bookkeeper()
        return self.env['vipps.settlement.choice']._open_for(payout)

    #=== BUSINESS METHODS ===#

    def _find_bank_lines(self):
        """ Return the lines of bank statements that the payout can be: not matched yet, with its
        amount, in its currency, in the days when it arrives, and not those of another number. The
        account of the bank can be the one of the parent company. """
        ledgers = self.env['vipps.settlement.ledger'].with_context(active_test=False)
        lines = self.env['account.bank.statement.line'].search([
            '|', ('company_id', 'child_of', self.company_id.ids),
            ('company_id', 'parent_of', self.company_id.ids),
            ('journal_id.type', '=', 'bank'),
            ('journal_id', 'not in', ledgers.search([]).journal_id.ids),
            '|', ('amount', '=', self.amount), ('amount_currency', '=', self.amount),
            ('is_reconciled', '=', False),
            ('state', '=', 'posted'),
            ('date', '>', self.ledger_date - timedelta(days=EARLY_DAYS)),
            ('date', '<=', self.overdue_date + timedelta(days=LATE_DAYS)),
        ], order='date, id')
        lines = lines.filtered(
            lambda line: self._is_amount_of(line) and (
                not self._get_number(line) or self._is_named_by(line)
            )
        )
        return lines.filtered(lambda line: line.company_id == self.company_id) or lines

    def _is_amount_of(self, line):
        """ Return whether a bank line has the amount, in its currency: the account of the bank may
        be in another one. """
        currency = line.foreign_currency_id or line.currency_id
        amount = line.amount_currency if line.foreign_currency_id else line.amount
        return currency == self.currency_id and not currency.compare_amounts(amount, self.amount)

    def _is_named_by(self, line):
        """ Return whether a bank line has the text, or the number, of the payout. """
        text = " ".join(filter(None, [line.payment_ref, line.ref]))
        return bool(self.reference) and self.reference in text or (
            # One that was sent again has the same number at the bank.
            self._get_number(line) == self.number.partition('/')[0]
        )

    def _get_number(self, line):
        """ Return the number of the payout in the text of a bank line; None if there is none. """
        parsed = self.env['vipps.api.client']._parse_bank_text(
            " ".join(filter(None, [line.payment_ref, line.ref]))
        )
        return parsed[0] if parsed else None

    def _choose_bank_line(self, lines, candidates):
        """ Return the line that this payout certainly is, if there is one.

        :param lines: The lines that it can be.
        :param dict candidates: Those of all payouts.
        """
        named = lines.filtered(self._is_named_by)
        line = named or lines
        # The text of the bank can be the same for all payouts.
        others = len(line) == 1 and [
            payout for payout, its_lines in candidates.items()
            if payout != self and line <= its_lines and (not named or payout._is_named_by(line))
        ]
        return line.browse() if len(line) != 1 or others else line

    def _try_bank_line(self, line):
        """ Match the payout with a line of a bank statement, if that is possible.

        :return: False, or the reason why it is not, in a sentence.
        """
        try:
            with self.env.cr.savepoint():
                self._match_bank_line(line)
        except UserError as error:
            return _(
                "The bank line %(line)s of %(date)s cannot be matched: %(problem)s Open the period"
                " for a moment, and Odoo matches it within an hour; or match it by hand.",
                line=line.payment_ref, date=format_date(self.env, line.date), problem=error,
            )
        return False

    def _describe_undone(self, line):
        """ Return what to do about a bank line whose matching was undone, in a sentence. """
        return _(
            "The matching with the bank line %(line)s of %(date)s was undone. Press Choose Bank"
            " Line to match it again; or match the right line by hand.",
            line=line.payment_ref, date=format_date(self.env, line.date),
        )

    def _match_bank_line(self, line):
        """ Match the payout with a line of a bank statement; the state follows.

        :raise UserError: If the line, or the payout, is matched already.
        """
        self.ensure_one()
        _money, suspense, other = line._seek_for_lines()
        transfer = self.entry_id.move_line_id
        self.ledger_id._check_open(line)
        if len(suspense) != 1 or other or transfer.reconciled or not transfer:
            raise UserError(_(
                "The bank line or payout %s is matched already. Undo that first.", self.number
            ))
        suspense.with_context(skip_account_move_synchronization=True).write({
            'account_id': transfer.account_id.id, 'partner_id': transfer.partner_id.id,
        })
        (suspense | transfer).reconcile()

    def _update_states(self):
        """ Let the states follow the items on the transfer account: they can be matched with a bank
        line, or taken from one, by a person or another addon, too. """
        for payout in self:
            item = payout.entry_id.move_line_id
            others = item.matched_debit_ids.debit_move_id | item.matched_credit_ids.credit_move_id
            aborted = self.env['vipps.settlement.entry'].search([
                ('ledger_id', '=', payout.ledger_id.id),
                ('topic', '=', 'funds'),
                ('psp_reference', '=', payout.entry_id.psp_reference),
                ('entry_type', '=', 'payout-aborted'),
                ('state', '!=', 'new'),
                # One that is sent again has the reference of the one that was aborted before.
                '|', ('ledger_date', '>', payout.ledger_date),
                '&', ('ledger_date', '=', payout.ledger_date),
                ('sequence', '>', payout.entry_id.sequence),
            ])
            is_matched = item.reconciled and not aborted.move_line_id & others
            bank_line = is_matched and others.move_id.statement_line_id[:1]
            values = {
                'state': 'arrived' if is_matched else 'aborted' if aborted else 'sent',
                'bank_line_id': bank_line and bank_line.id,
            }
            if (payout.state, payout.bank_line_id.id) != tuple(values.values()):
                is_undone = payout.state == 'arrived' and values['state'] == 'sent'
                payout.write({
                    **values,
                    'reason': False,
                    'undone_line_id': is_undone and payout.bank_line_id.id,
                })


class AccountPartialReconcile(models.Model):
    """ The matching of journal items, some of which are payouts on their way. """
    _inherit = 'account.partial.reconcile'

    #=== CRUD METHODS ===#

    @api.model_create_multi
    def create(self, vals_list):
        """ Override of `account` to know of payouts that arrive. """
        partials = super().create(vals_list)
        partials._vipps_find_payouts()._update_states()
        return partials

    def unlink(self):
        """ Override of `account` to know of payouts whose matching is undone. """
        payouts = self._vipps_find_payouts()
        res = super().unlink()
        payouts._update_states()
        return res

    #=== BUSINESS METHODS ===#

    def _vipps_find_payouts(self):
        """ Return the payouts that are matched. Only items on the transfer account are looked up.
        """
        payouts_sudo = self.env['vipps.settlement.payout'].sudo()
        lines_sudo = (self.debit_move_id | self.credit_move_id).sudo().filtered(
            lambda line: line.account_id == line.company_id.transfer_account_id
        )
        return lines_sudo and payouts_sudo.search([
            ('entry_id.move_line_id', 'in', lines_sudo.ids),
        ]) or payouts_sudo


class AccountBankStatementLine(models.Model):
    """ Lines of bank statements, some of which are payouts. """
    _inherit = 'account.bank.statement.line'

    @api.model_create_multi
    def create(self, vals_list):
        """ Override of `account` to have payouts matched that arrive. The job does that: nothing of
        ours is in the way of an import. """
        lines = super().create(vals_list)
        arrived = lines.filtered(lambda line: line.amount > 0 and line.journal_id.type == 'bank')
        amounts = arrived.mapped('amount') + arrived.mapped('amount_currency')
        if amounts and self.env['vipps.settlement.payout'].sudo().search_count([
            ('state', '=', 'sent'), ('amount', 'in', amounts),
        ], limit=1):
            self.env['vipps.settlement.ledger']._wake()
        return lines
