# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import _, api, fields, models
from odoo.exceptions import UserError
from odoo.tools import format_amount, format_date

from ...trust import clean

# The lists that a card opens: the action, and the filter of it.
ENTRIES, PAYOUTS = 'action_vipps_settlement_entry', 'action_vipps_settlement_payout'
LISTS = {
    'payouts': (PAYOUTS, None),
    'overdue': (PAYOUTS, 'overdue'),
    'check': (ENTRIES, 'check'),
    'waiting': (ENTRIES, 'waiting'),
}


class AccountJournal(models.Model):
    """ The cards of ledgers on the dashboard of the accounts. """
    _inherit = 'account.journal'

    vipps_ledger_ids = fields.One2many(
        string="Ledgers", comodel_name='vipps.settlement.ledger', inverse_name='journal_id',
    )
    # Stored: the cards of all other journals cost no query.
    vipps_has_ledger = fields.Boolean(
        string="Vipps MobilePay Ledger", compute='_compute_vipps_has_ledger', store=True,
        precompute=True,
    )

    #=== COMPUTE METHODS ===#

    @api.depends('vipps_ledger_ids')
    def _compute_vipps_has_ledger(self):
        for journal in self.with_context(active_test=False):
            journal.vipps_has_ledger = bool(journal.vipps_ledger_ids)

    #=== ACTION METHODS ===#

    def action_vipps_open_settlement(self, name='payouts'):
        """ Open a list of entries or payouts of the journal.

        :param str name: The list, one of `LISTS`.
        :rtype: dict
        :raise UserError: If there is no such list.
        :raise AccessError: If the user may not read ledgers.
        """
        journals = clean(self)
        journals.env['vipps.settlement.ledger'].check_access_rights('read')
        journals.check_access_rights('read')
        journals.check_access_rule('read')
        if name not in LISTS:
            raise UserError(_("There is no such list."))
        action_name, search_filter = LISTS[name]
        action = self.env['ir.actions.act_window']._for_xml_id(f'mobilepay_vipps.{action_name}')
        return {
            **action,
            'domain': [('ledger_id.journal_id', 'in', journals.ids)],
            'context': {f'search_default_{search_filter}': 1} if search_filter else {},
        }

    #=== BUSINESS METHODS ===#

    def _get_journal_dashboard_data_batched(self):
        """ Override of `account` to add what is at Vipps MobilePay, and what is left to do. """
        data = super()._get_journal_dashboard_data_batched()
        journals = self.filtered('vipps_has_ledger')
        Ledger = self.env['vipps.settlement.ledger']
        if journals and Ledger.check_access_rights('read', raise_exception=False):
            ledgers = Ledger.search([('journal_id', 'in', journals.ids)])
            for journal_id, card in ledgers._prepare_cards().items():
                data[journal_id]['vipps'] = card
        return data


class VippsSettlementLedger(models.Model):
    """ The contents of the cards. """
    _inherit = 'vipps.settlement.ledger'

    #=== BUSINESS METHODS ===#

    def _prepare_cards(self):
        """ Return the content of the card of each ledger, by the id of its journal.

        :rtype: dict[int, dict]
        """
        Entry, Payout = self.env['vipps.settlement.entry'], self.env['vipps.settlement.payout']
        left = {
            (ledger.id, state): count for ledger, state, count in Entry._read_group([
                ('ledger_id', 'in', self.ids), ('topic', '=', 'funds'),
                ('state', 'in', ('check', 'waiting')),
            ], ['ledger_id', 'state'], ['__count'])
        }
        overdue = {
            ledger.id: count for ledger, count in Payout._read_group([
                ('ledger_id', 'in', self.ids), ('state', '=', 'sent'),
                ('overdue_date', '<', fields.Date.context_today(self)),
            ], ['ledger_id'], ['__count'])
        }
        cards = {}
        for ledger in self:
            payout = Payout.search([('ledger_id', '=', ledger.id)], limit=1)
            cards[ledger.journal_id.id] = {
                'balance': format_amount(self.env, ledger.funds_balance, ledger.currency_id),
                'payout': bool(payout) and _(
                    "Last Payout, %s", format_date(self.env, payout.ledger_date)
                ),
                'payout_amount': format_amount(self.env, payout.amount, ledger.currency_id),
                'check': left.get((ledger.id, 'check'), 0),
                'waiting': left.get((ledger.id, 'waiting'), 0),
                'overdue': overdue.get(ledger.id, 0),
            }
        return cards
