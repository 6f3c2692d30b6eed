# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from datetime import timedelta

from odoo import _, fields, models
from odoo.exceptions import ValidationError
from odoo.tools import format_date


class VippsSettlementLedger(models.Model):
    """ The first day of a ledger, which can be moved to an earlier one. """
    _inherit = 'vipps.settlement.ledger'

    #=== CRUD METHODS ===#

    def write(self, values):
        """ Override to fetch the entries of days that are added.

        :raise ValidationError: If days are taken away of which entries are stored.
        """
        moved = self.browse()
        if 'start_date' in values:
            day = fields.Date.to_date(values['start_date'])
            moved = self.filtered(lambda ledger: ledger.start_date != (day or False))
            for ledger in moved:
                ledger._check_first_day(day)
        res = super().write(values)
        for ledger in moved:
            ledger._restart()
        return res

    #=== BUSINESS METHODS ===#

    def _check_first_day(self, day):
        """ Ensure that the entries that are stored stay part of the ledger. """
        first = self.env['vipps.settlement.entry'].sudo().search([
            ('ledger_id', '=', self.id),
        ], order='ledger_date', limit=1)
        if first and (not day or day > first.ledger_date):
            raise ValidationError(_(
                "There are entries from %s on. The first day can be moved to an earlier one only;"
                " archive the ledger if nothing is to be fetched and booked any longer.",
                format_date(self.env, first.ledger_date),
            ))

    def _restart(self):
        """ Have all entries read from the beginning: those that are stored are recognized. """
        self.sudo().write({'funds_cursor': False, 'fees_cursor': False, 'fetch_at': False})
        self._end_opening_balance()
        self._wake()

    def _make_room_before_opening(self, day):
        """ Take back the balance that the ledger was opened with if entries of a day before it are
        to be stored. """
        first = self.env['vipps.settlement.entry'].search([
            ('ledger_id', '=', self.id), ('topic', '=', 'funds'),
        ], order='ledger_date, sequence, id', limit=1)
        if first and day < first.ledger_date:
            self._end_opening_balance()

    def _end_opening_balance(self):
        """ Take back the balance that the ledger was opened with: the entries of the days before
        lead to it now. """
        Entry = self.env['vipps.settlement.entry'].sudo()
        first = Entry.search([
            ('ledger_id', '=', self.id), ('topic', '=', 'funds'),
        ], order='ledger_date, sequence, id', limit=1)
        if first.entry_type != 'opening-balance' or first.balance_before:
            return
        end = Entry._store(self.sudo(), 'funds', 'own', [{
            'psp_reference': 'opening-balance',
            'entry_type': 'opening-balance',
            'ledger_date': first.ledger_date,
            'time': first.time and first.time - timedelta(seconds=1),
            'amount': -first.amount,
            'has_balance': True,
            'balance_before': first.amount,
            'balance_after': 0.0,
        }])
        end.sequence = first.sequence - 1
        self.env['vipps.settlement.payout'].sudo()._assign_entries(self, first.ledger_date)
