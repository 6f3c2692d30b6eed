# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from collections import defaultdict
from datetime import timedelta

from odoo import SUPERUSER_ID, _, models
from odoo.exceptions import UserError
from odoo.fields import Command
from odoo.tools import format_date

from ..jobs.own_transaction import DONE, NOTHING_LEFT

# As many entries are booked in one database transaction: one after the other, or those of a day,
# which then have a few lines of each type.
BOOKING_LIMITS = {'entry': 50, 'day': 250}

# No date has more entries; and the number of days that the books can be locked for, after which the
# order of statement lines on their first open day is that of their dates no longer.
MAX_SEQUENCE, MAX_LOCKED_DAYS = 10 ** 6, 2000


class VippsSettlementLedger(models.Model):
    """ The books: one statement line for each entry of the funds of a ledger, or for each day and
    type, and a statement for each payout. """
    _inherit = 'vipps.settlement.ledger'

    #=== BUSINESS METHODS - BOOKING ===#

    def _book_next(self):
        """ Book the next entries.

        :return: `DONE`, or `NOTHING_LEFT`.
        """
        problem = self._find_booking_problem()
        entries = self.env['vipps.settlement.entry']
        if not problem:
            entries, problem = self._get_next_entries()
        if problem != self.booking_error:
            self.booking_error = problem
        if not entries:
            return NOTHING_LEFT
        try:
            with self.env.cr.savepoint():
                entries._book()
        except UserError as error:
            if len(entries) == 1:
                self.booking_error = self._describe_unbooked(entries, error)
                return NOTHING_LEFT
            # One of them is not bookable: those before it are.
            for entry in entries:
                try:
                    with self.env.cr.savepoint():
                        entry._book()
                except UserError as error:
                    self.booking_error = self._describe_unbooked(entry, error)
                    return NOTHING_LEFT
        return DONE

    def _find_booking_problem(self):
        """ Return the reason why nothing can be booked for the ledger, in a sentence; or False. """
        journal = self.journal_id
        if not journal.active:
            return _(
                "The journal %s is archived. Restore it, or choose another one for the ledger.",
                journal.display_name,
            )
        company = self.company_id
        accounts = {
            _("the account of the journal"): journal.default_account_id,
            _("the suspense account of the journal"): journal.suspense_account_id,
            _("the account for fees"): self.fee_account_id,
            _("the account for disputes"): self.dispute_account_id,
            _("the account for transfers between banks"): company.transfer_account_id,
        }
        for name, account in accounts.items():
            if not account or account.deprecated:
                return _(
                    "%s is missing or no longer in use. Open the ledger, or the settings of the"
                    " company, and choose one.", name.capitalize(),
                )
        for account in self.foreign_account_id | self.opening_account_id:
            if account.deprecated:
                return _(
                    "The account %s is no longer in use. Open the ledger, and choose another one.",
                    account.display_name,
                )
        for account in self.dispute_account_id | company.transfer_account_id:
            if not account.reconcile:
                return _(
                    "The account %s does not allow reconciliation. Allow it on the account.",
                    account.display_name,
                )
        return False

    def _describe_unbooked(self, entry, error):
        return _(
            "The entry %(reference)s of %(date)s cannot be booked: %(problem)s",
            reference=entry.psp_reference, date=format_date(self.env, entry.ledger_date),
            problem=error,
        )

    def _get_next_entries(self):
        """ Return the entries that are booked next, and the reason if there are others that cannot
        be.

        :rtype: tuple[vipps.settlement.entry, str | bool]
        """
        entries = self._get_unbooked_entries()
        if not entries:
            return entries, False
        first = entries[0]
        if first.has_balance and first.balance_before and not self._find_entry_before(first):
            return self._add_opening_balance(first) | entries, False
        gap = self._find_gap(entries, self._get_booked_balance(entries))
        if not gap:
            return entries, False
        return entries[:gap['position']], _(
            "%s Nothing is booked from there on. Press Check a Day for this day and the one before"
            " it, or import the file of these days. If nothing is missing at Vipps MobilePay"
            " either, press Go On.",
            self._describe_gap(gap),
        )

    def _get_unbooked_entries(self):
        """ Return the next entries to book, in their order: some, or those of a day. """
        left = [('ledger_id', '=', self.id), ('topic', '=', 'funds'), ('state', '=', 'new')]
        if self.booking_mode == 'day':
            left.append(('ledger_date', '=', self._get_closed_day(left)))
        return self.env['vipps.settlement.entry'].search(
            left, order='ledger_date, sequence, id', limit=BOOKING_LIMITS[self.booking_mode],
        )

    def _get_booked_balance(self, entries):
        """ Return the balance before some entries; None if it is not known. """
        before = entries and self._find_entry_before(entries[0])
        return self._get_balance_after(before) if before.has_balance else None

    def _find_entry_before(self, entry):
        return self.env['vipps.settlement.entry'].search([
            ('ledger_id', '=', self.id),
            ('topic', '=', 'funds'),
            '|', ('ledger_date', '<', entry.ledger_date),
            '&', ('ledger_date', '=', entry.ledger_date), ('sequence', '<', entry.sequence),
        ], limit=1)

    def _get_closed_day(self, left):
        """ Return the next day that has entries to book, if no more of it can come. """
        Entry = self.env['vipps.settlement.entry']
        first = Entry.search(left, order='ledger_date, sequence, id', limit=1)
        is_closed = Entry.search_count([
            ('ledger_id', '=', self.id),
            ('topic', '=', 'funds'),
            '|', ('ledger_date', '>', first.ledger_date),
            '&', ('ledger_date', '=', first.ledger_date), ('entry_type', '=', 'payout-scheduled'),
        ], limit=1)
        return first.ledger_date if is_closed else False

    def _find_lock_date(self, day, has_tax=False):
        """ Return the last day of the locked period that a day is in; None if it is open. Core lets
        advisers book in a period that is closed for others, but the job is nobody's adviser. """
        company = self.company_id
        return max((
            date for date in (
                *(date for date, _kind in company._get_violated_lock_dates(day, has_tax)),
                *company.parent_ids.sudo().mapped('period_lock_date'),
            ) if date and date >= day
        ), default=None)

    def _check_open(self, item):
        """ Ensure that the job changes nothing in a period that is closed for all but advisers.

        :param item: A journal item, or a statement line.
        :raise UserError: If it would.
        """
        lock_date = self.env.uid == SUPERUSER_ID and self._find_lock_date(item.date)
        if lock_date:
            raise UserError(_("The books are locked until %s.", format_date(self.env, lock_date)))

    def _add_opening_balance(self, first):
        """ Return the entry of the money that was there before the first one. """
        Entry = self.env['vipps.settlement.entry']
        opening = Entry._store(self, 'funds', 'own', [{
            'psp_reference': 'opening-balance',
            'entry_type': 'opening-balance',
            'ledger_date': first.ledger_date,
            'time': first.time and first.time - timedelta(seconds=1),
            'amount': first.balance_before,
            'has_balance': True,
            'balance_before': 0.0,
            'balance_after': first.balance_before,
        }])
        opening.sequence = first.sequence - 1
        self.env['vipps.settlement.payout']._assign_entries(self, first.ledger_date)
        return opening


class VippsSettlementEntry(models.Model):
    """ The statement lines of entries. """
    _inherit = 'vipps.settlement.entry'

    #=== BUSINESS METHODS - BOOKING ===#

    def _book(self):
        """ Book these entries of one ledger, match them, and make the statements of their payouts.

        :raise UserError: If they cannot be booked.
        """
        matches = self._find_matches()
        groups = self._group_for_statement_lines(matches)
        # The taxes are there already.
        Line = self.env['account.bank.statement.line'].with_context(skip_invoice_sync=True)
        lines = Line.create([
            entries._prepare_statement_line(matches) for entries in groups
        ]).with_env(self.env)
        for entries, line in zip(groups, lines, strict=True):
            entries.statement_line_id = line
            entries._assign_items(line, matches)
        self.filtered(lambda entry: entry.state == 'matched')._reconcile(matches)
        self._tell_of_disputes()
        for payout in self.payout_id.filtered('entry_id.statement_line_id'):
            payout._update_statement()

    def _assign_items(self, line, matches):
        """ Note the journal items of these entries, which share a statement line. """
        # The money, then one item for each entry, then taxes.
        items = line.move_id.line_ids.sorted('id')[1:]
        suspense = self.ledger_id.journal_id.suspense_account_id
        for position, entry in enumerate(self):
            match, item = matches[entry], items[position:position + 1]
            if item.account_id == (match.account or suspense):
                entry.write({'move_line_id': item.id, **match.values})
            else:  # Another addon has matched it.
                entry.write({**match.values, 'state': 'done', 'reason': False, 'match_at': False})

    def _group_for_statement_lines(self, matches):
        """ Return the entries, those that share a statement line together. One on the suspense
        account has its own: Odoo allows one such item in a statement line. """
        is_by_day = self.ledger_id.booking_mode == 'day'
        groups = defaultdict(self.browse)
        for entry in self:
            is_alone = not is_by_day or not matches[entry].account
            key = entry.ledger_date, entry.entry_type, entry.payout_id
            groups[entry if is_alone else key] |= entry
        return list(groups.values())

    def _prepare_statement_line(self, matches):
        """ Return the values of the statement line of these entries. """
        first, ledger = self[0], self.ledger_id
        journal, company = ledger.journal_id, ledger.company_id
        lock_date = ledger._find_lock_date(first.ledger_date, first._has_tax())
        # Core would move it there, too, one after the other.
        date = lock_date + timedelta(days=1) if lock_date else first.ledger_date
        name = first._get_payment_ref() if len(self) == 1 else _(
            "%(label)s, %(count)s entries of %(date)s", label=first.label, count=len(self),
            date=format_date(self.env, first.ledger_date),
        )
        items, taxes = self._prepare_items(matches, date)
        items += taxes
        total = sum(self.mapped('amount'))
        money = {
            'name': name,
            'account_id': journal.default_account_id.id,
            'currency_id': ledger.currency_id.id,
            'amount_currency': total,
            'balance': company.currency_id.round(-sum(item['balance'] for item in items)),
            'partner_id': matches[first].partner.id if len(self) == 1 else False,
        }
        return {
            'journal_id': journal.id,
            'date': date,
            'sequence': self._get_line_sequence(date),
            'payment_ref': name,
            'ref': first.reference if len(self) == 1 else False,
            'amount': total,
            'partner_id': money['partner_id'],
            'narration': lock_date and _(
                "The entry is of %(date)s. The books are locked until %(lock_date)s.",
                date=format_date(self.env, first.ledger_date),
                lock_date=format_date(self.env, lock_date),
            ),
            'line_ids': [Command.create(item) for item in [money, *items]],
        }

    def _get_line_sequence(self, date):
        """ Return the number of the statement line of these entries on its date: of the lines of a
        date, the last one has the lowest number. """
        days = min((date - self[0].ledger_date).days, MAX_LOCKED_DAYS)
        return MAX_SEQUENCE * (days + 1) - min(self.mapped('sequence'))

    def _get_payment_ref(self):
        """ Return the label of the statement line: type, reference, PSP reference. """
        return " ".join(filter(None, [self.label, self.reference, self.psp_reference]))

    def _prepare_items(self, matches, date):
        """ Return the values of the journal items of these entries, and of their taxes. """
        items, taxes = [], []
        suspense = self.ledger_id.journal_id.suspense_account_id
        for entry in self:
            match = matches[entry]
            values, tax_items = entry._prepare_taxes(match, date)
            items.append(entry._prepare_item(
                match.account or suspense, match.partner,
                -entry.amount - sum(item['amount_currency'] for item in tax_items), date, **values,
            ))
            taxes += tax_items
        return items, taxes

    def _prepare_item(self, account, partner, amount, date, **values):
        """ Return the values of a journal item.

        :param float amount: The debit, or the negative credit, in the currency of the ledger.
        """
        ledger = self.ledger_id
        company = ledger.company_id
        return {
            'name': self._get_payment_ref(),
            'account_id': account.id,
            'partner_id': partner.id,
            'currency_id': ledger.currency_id.id,
            'amount_currency': amount,
            'balance': ledger.currency_id._convert(amount, company.currency_id, company, date),
            **values,
        }

    def _has_tax(self):
        return self.entry_type == 'fees-retained' and bool(self.ledger_id.fee_tax_id)

    def _prepare_taxes(self, match, date):
        """ Return the values by which an item of fees shows its tax, and the items of the tax that
        the fees include.

        :rtype: tuple[dict, list[dict]]
        """
        if not self._has_tax():
            return {}, []
        ledger = self.ledger_id
        tax = ledger.fee_tax_id
        # Fees that are given back are like a refund of the vendor.
        # Rounded here: else, if the company rounds globally, each item is rounded on its own.
        computed = tax.with_context(force_price_include=True, round=True).compute_all(
            -self.amount, ledger.currency_id, is_refund=self.amount > 0, handle_price_include=True,
        )
        values = {
            'tax_ids': [Command.set(tax.ids)],
            'tax_tag_ids': [Command.set(computed['base_tags'])],
        }
        return values, [
            self._prepare_item(
                self.env['account.account'].browse(line['account_id']) or match.account,
                match.partner, line['amount'], date,
                name=line['name'],
                tax_repartition_line_id=line['tax_repartition_line_id'],
                tax_base_amount=ledger.currency_id._convert(
                    abs(line['base']), ledger.company_id.currency_id, ledger.company_id, date,
                ),
                tax_tag_ids=[Command.set(line['tag_ids'])],
            )
            for line in computed['taxes']
        ]


class VippsSettlementPayout(models.Model):
    """ The statements of payouts. """
    _inherit = 'vipps.settlement.payout'

    #=== BUSINESS METHODS - BOOKING ===#

    def _update_statement(self):
        """ Make the statement of a payout whose entries are booked, or add those to it that came
        later. It ends at the balance that Vipps MobilePay states. """
        booked = [('payout_id', '=', self.id), ('statement_line_id', '!=', False)]
        Entry, Line = (
            self.env['vipps.settlement.entry'], self.env['account.bank.statement.line'],
        )
        lines = Line.union(
            *(line for line, in Entry._read_group(booked, ['statement_line_id']))
        ).filtered(lambda line: not line.statement_id)
        if not lines:
            return
        first = Entry.search(booked, order='ledger_date, sequence, id', limit=1)
        last = self.entry_id
        values = {
            'line_ids': [Command.link(line.id) for line in lines],
            **({'balance_start': first.balance_before} if first.has_balance else {}),
            **({'balance_end_real': last.balance_after} if last.has_balance else {}),
        }
        if self.statement_id:
            self.statement_id.write(values)
        else:
            self.statement_id = self.env['account.bank.statement'].create({
                'name': _("Payout %s", self.number), 'reference': self.reference, **values,
            })
