# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from datetime import timedelta

from odoo import api, fields, models
from odoo.tools import SQL

from ...trust import check_access

# Money is in the bank after one or two bank days; after so many, something is wrong.
OVERDUE_BANK_DAYS = 4


class VippsSettlementPayout(models.Model):
    """ A payout: the balance of a ledger on its way to the bank account of the merchant. """
    _name = 'vipps.settlement.payout'
    _inherit = ['vipps.guarded.export']
    _description = "Vipps MobilePay Payout"
    _order = 'ledger_date desc, id desc'
    _rec_name = 'number'

    ledger_id = fields.Many2one(
        string="Ledger", comodel_name='vipps.settlement.ledger', required=True, readonly=True,
        ondelete='restrict',
    )
    company_id = fields.Many2one(
        related='ledger_id.company_id', store=True, index=True, precompute=True,
    )
    currency_id = fields.Many2one(related='ledger_id.currency_id', store=True, precompute=True)
    number = fields.Char(string="Number", required=True, readonly=True)
    amount = fields.Monetary(string="Amount", required=True, readonly=True)
    ledger_date = fields.Date(
        string="Date", help="The last day that the payout covers.", required=True, readonly=True,
        index=True,
    )
    reference = fields.Char(
        string="Bank Text", help="The text on the bank statement.", readonly=True,
    )
    state = fields.Selection(
        string="Status",
        selection=[('sent', "On its way"), ('arrived', "In the bank"), ('aborted', "Aborted")],
        default='sent',
        required=True,
        readonly=True,
        index=True,
    )
    # The entry that says it: `payout-scheduled`.
    entry_id = fields.Many2one(
        string="Entry", comodel_name='vipps.settlement.entry', required=True, readonly=True,
        ondelete='restrict',
    )
    entry_ids = fields.One2many(
        string="Entries", comodel_name='vipps.settlement.entry', inverse_name='payout_id',
        readonly=True,
    )
    statement_id = fields.Many2one(
        string="Statement", comodel_name='account.bank.statement', readonly=True,
        ondelete='set null',
    )
    bank_line_id = fields.Many2one(
        string="Bank Line", comodel_name='account.bank.statement.line', readonly=True,
        ondelete='set null', index='btree_not_null',
    )
    payment_amount = fields.Monetary(string="Payments", compute='_compute_amounts')
    refund_amount = fields.Monetary(string="Refunds", compute='_compute_amounts')
    fee_amount = fields.Monetary(string="Fees", compute='_compute_amounts')
    other_amount = fields.Monetary(
        string="Others",
        help="Disputes, corrections, aborted payouts, and the balance that was left before.",
        compute='_compute_amounts',
    )
    overdue_date = fields.Date(compute='_compute_overdue_date', store=True)

    _sql_constraints = [(
        'number_unique',
        'unique(ledger_id, number)',
        "A ledger has each payout only once.",
    )]

    #=== COMPUTE METHODS ===#

    @api.depends('amount', 'entry_ids.payout_id')
    def _compute_amounts(self):
        sums = {
            (payout.id, category): amount
            for payout, category, amount in self.env['vipps.settlement.entry']._read_group(
                [('payout_id', 'in', self.ids), ('topic', '=', 'funds')],
                ['payout_id', 'category'], ['amount:sum'],
            )
        }
        for payout in self:
            payout.payment_amount = sums.get((payout.id, 'payment'), 0.0)
            payout.refund_amount = sums.get((payout.id, 'refund'), 0.0)
            payout.fee_amount = sums.get((payout.id, 'fee'), 0.0)
            payout.other_amount = payout.amount - (
                payout.payment_amount + payout.refund_amount + payout.fee_amount
            )

    @api.depends('ledger_date')
    def _compute_overdue_date(self):
        for payout in self:
            day, left = payout.ledger_date, OVERDUE_BANK_DAYS
            while day and left:
                day += timedelta(days=1)
                left -= day.weekday() < 5
            payout.overdue_date = day

    #=== ACTION METHODS ===#

    def action_open_entries(self):
        """ Open the entries of the payout.

        :rtype: dict
        :raise AccessError: If the user may not read payouts.
        """
        check_access(self, 'read')
        action = self.env['ir.actions.act_window']._for_xml_id(
            'mobilepay_vipps.action_vipps_settlement_entry'
        )
        return {**action, 'domain': [('payout_id', 'in', self.ids)], 'context': {}}

    def action_open_journal_items(self):
        """ Open the journal items of the statement of the payout.

        :rtype: dict
        :raise AccessError: If the user may not read payouts.
        """
        payouts = check_access(self, 'read')
        action = self.env['ir.actions.act_window']._for_xml_id(
            'account.action_account_moves_all'
        )
        return {
            **action,
            'domain': [('move_id.statement_line_id.statement_id', 'in', payouts.statement_id.ids)],
            'context': {},
        }

    def action_open_bank_line(self):
        """ Open the journal entry of the bank line: Odoo Community has no form of bank lines.

        :rtype: dict
        :raise AccessError: If the user may not read the payout.
        """
        payout = check_access(self, 'read')
        payout.ensure_one()
        return {
            'type': 'ir.actions.act_window',
            'res_model': 'account.move',
            'res_id': payout.bank_line_id.move_id.id,
            'views': [(False, 'form')],
        }

    #=== BUSINESS METHODS ===#

    @api.model
    def _create_for(self, entries, numbers):
        """ Create the payouts of new entries, and let all entries belong to their payouts.

        A payout covers what came after the one before it, up to itself.

        :param vipps.settlement.entry entries: The new entries of an account.
        :param list numbers: The number of the payout that an entry is, or None; for each entry.
        :return: None
        """
        funds = entries.filtered(lambda entry: entry.topic == 'funds')
        if not funds:
            return
        ledger = funds.ledger_id
        for entry, number in zip(entries, numbers, strict=True):
            if entry.entry_type == 'payout-scheduled':
                self.create({
                    'ledger_id': ledger.id,
                    'number': self._get_free_number(ledger, number or entry.psp_reference),
                    'amount': -entry.amount,
                    'ledger_date': entry.ledger_date,
                    'reference': entry.reference,
                    'entry_id': entry.id,
                })
        self._assign_entries(ledger, min(funds.mapped('ledger_date')))

    @api.model
    def _get_free_number(self, ledger, number):
        """ Return the number of a new payout; one that is sent again after it was aborted can have
        the same. """
        name, count = number, 1
        while self.search_count([('ledger_id', '=', ledger.id), ('number', '=', name)], limit=1):
            count += 1
            name = f'{number}/{count}'
        return name

    @api.model
    def _assign_entries(self, ledger, first_date):
        """ Let the entries of a ledger from a date on belong to the next payout, if there is one.

        :param vipps.settlement.ledger ledger: The ledger.
        :param datetime.date first_date: The date of the first entry that is new.
        :return: None
        """
        self.env.flush_all()
        self.env.cr.execute(SQL(
            """
            WITH payout AS (
                SELECT p.id, e.ledger_date, e.sequence,
                       LAG(e.ledger_date) OVER chain AS last_date,
                       LAG(e.sequence) OVER chain AS last_sequence
                  FROM vipps_settlement_payout p
                  JOIN vipps_settlement_entry e ON e.id = p.entry_id
                 WHERE p.ledger_id = %(ledger)s
                WINDOW chain AS (ORDER BY e.ledger_date, e.sequence)
            )
            UPDATE vipps_settlement_entry entry
               SET payout_id = payout.id
              FROM payout
             WHERE payout.ledger_date >= %(first_date)s
               AND entry.ledger_id = %(ledger)s
               AND entry.topic = 'funds'
               AND entry.ledger_date <= payout.ledger_date
               AND entry.ledger_date >= COALESCE(payout.last_date, '-infinity'::date)
               AND (entry.ledger_date, entry.sequence) <= (payout.ledger_date, payout.sequence)
               AND (payout.last_date IS NULL OR (entry.ledger_date, entry.sequence)
                    > (payout.last_date, payout.last_sequence))
               AND entry.payout_id IS DISTINCT FROM payout.id
            """,
            ledger=ledger.id, first_date=first_date,
        ))
        self.env['vipps.settlement.entry'].invalidate_model(['payout_id'])
