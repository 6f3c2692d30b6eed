# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from collections import defaultdict

from odoo import _, _lt, api, fields, models
from odoo.exceptions import AccessError
from odoo.tools import SQL, create_index

from ...trust import check_access

FUNDS, FEES = TOPICS = ('funds', 'fees')

# The names of the types that are known; others are shown as Vipps MobilePay calls them.
LABELS = {
    'capture': _lt("Payment"),
    'refund': _lt("Payment refunded"),
    'capture-fee': _lt("Fee"),
    'service-fee': _lt("Service fee"),
    'fees-retained': _lt("Fees retained"),
    'fees-invoiced': _lt("Fees invoiced"),
    'payout-scheduled': _lt("Payout"),
    'payout-aborted': _lt("Payout aborted"),
    'retained-disputed-capture': _lt("Payment disputed"),
    'returned-disputed-capture': _lt("Dispute won"),
    'top-up': _lt("Top-up"),
    'correction': _lt("Correction"),
    'credit-note': _lt("Credit note"),
    'opening-balance': _lt("Opening balance"),
    'gap': _lt("Difference"),
}

# What an entry of an account is in a payout, for people.
CATEGORIES = {
    'capture': 'payment',
    'refund': 'refund',
    'fees-retained': 'fee',
    'payout-scheduled': 'payout',
}

PROTECTED_FIELDS = (
    'ledger_id', 'topic', 'entry_type', 'psp_reference', 'occurrence', 'reference', 'time',
    'ledger_date', 'amount', 'balance_before', 'balance_after', 'recipient_handle', 'raw',
)


class VippsSettlementEntry(models.Model):
    """ An entry of a ledger: a movement on one of its two accounts, as Vipps MobilePay states it.

    An entry is stored once, from wherever it comes, and is neither changed nor removed.
    """
    _name = 'vipps.settlement.entry'
    _inherit = ['vipps.guarded.export']
    _description = "Vipps MobilePay Settlement Entry"
    _order = 'ledger_date desc, sequence desc, id desc'
    _rec_name = 'psp_reference'

    ledger_id = fields.Many2one(
        string="Ledger", comodel_name='vipps.settlement.ledger', required=True, readonly=True,
        ondelete='restrict',
    )
    company_id = fields.Many2one(related='ledger_id.company_id', store=True, precompute=True)
    currency_id = fields.Many2one(related='ledger_id.currency_id', store=True, precompute=True)
    msn = fields.Char(string="Sales Unit", readonly=True)
    topic = fields.Selection(
        string="Account", selection=[('funds', "Funds"), ('fees', "Fees")], required=True,
        readonly=True,
    )
    entry_type = fields.Char(string="Type at Vipps MobilePay", required=True, readonly=True)
    category = fields.Selection(
        string="Category",
        selection=[
            ('payment', "Payments"), ('refund', "Refunds"), ('fee', "Fees"), ('payout', "Payouts"),
            ('other', "Others"),
        ],
        required=True,
        readonly=True,
    )
    label = fields.Char(string="Type", compute='_compute_label')
    psp_reference = fields.Char(string="PSP Reference", required=True, readonly=True)
    # Of several entries that are alike, in their order.
    occurrence = fields.Integer(readonly=True, default=1, group_operator=None)
    reference = fields.Char(
        string="Reference",
        help="The reference of the payment, or the text of a payout on the bank statement.",
        readonly=True,
    )
    time = fields.Datetime(string="Time", readonly=True)
    ledger_date = fields.Date(
        string="Date",
        help="The business day that Vipps MobilePay counts it for, and the date in the books.",
        required=True,
        readonly=True,
    )
    # The place among the entries of the date.
    sequence = fields.Integer(readonly=True, group_operator=None)
    amount = fields.Monetary(string="Amount", readonly=True)
    has_balance = fields.Boolean(readonly=True)
    balance_before = fields.Monetary(
        string="Balance Before", readonly=True, group_operator=None,
    )
    balance_after = fields.Monetary(string="Balance", readonly=True, group_operator=None)
    recipient_handle = fields.Char(readonly=True)
    raw = fields.Json(
        help="The entry as it came.", readonly=True, groups='base.group_system',
    )
    source = fields.Selection(
        string="Source",
        selection=[('api', "Fetched"), ('file', "File"), ('own', "Odoo")],
        required=True,
        readonly=True,
    )
    fee_amount = fields.Monetary(
        string="Fee",
        help="The fee of the payment. It is negative.",
        readonly=True,
    )
    net_amount = fields.Monetary(
        string="Net", help="The amount without the fee of the payment.", readonly=True,
    )

    state = fields.Selection(
        string="Status",
        help="To book: it gets a statement line.\n"
             "Matched: its statement line is matched.\n"
             "Waiting: the payment is not in the books yet, such as before a till is closed. Odoo"
             " matches it as soon as it is.\n"
             "Other system: another system took the payment.\n"
             "To check: a person has to decide; the reason is below.\n"
             "Done: a person, or another addon, has dealt with it.\n"
             "Not booked: it is for information.",
        selection=[
            ('new', "To book"),
            ('matched', "Matched"),
            ('waiting', "Waiting"),
            ('foreign', "Other system"),
            ('check', "To check"),
            ('done', "Done"),
            ('info', "Not booked"),
        ],
        required=True,
        readonly=True,
    )
    reason = fields.Char(string="What to Do", readonly=True)
    transaction_id = fields.Many2one(
        string="Transaction", comodel_name='payment.transaction', readonly=True,
        ondelete='set null', index='btree_not_null',
    )
    payment_id = fields.Many2one(
        string="Payment", comodel_name='account.payment', readonly=True, ondelete='set null',
        index='btree_not_null',
    )
    payout_id = fields.Many2one(
        string="Payout", comodel_name='vipps.settlement.payout', readonly=True,
        ondelete='set null', index='btree_not_null',
    )
    statement_line_id = fields.Many2one(
        string="Statement Line", comodel_name='account.bank.statement.line', readonly=True,
        ondelete='set null', index='btree_not_null',
    )
    # On the account that the entry is matched on; or on the suspense account.
    move_line_id = fields.Many2one(
        string="Journal Item", comodel_name='account.move.line', readonly=True,
        ondelete='set null', index='btree_not_null',
    )

    _sql_constraints = [(
        'entry_unique',
        'unique(ledger_id, topic, psp_reference, entry_type, amount, occurrence)',
        "An entry is stored only once.",
    )]

    def init(self):
        """ Override to index the entries of an account in their order, those that are left to do,
        and all that is summed. """
        create_index(
            self.env.cr, 'vipps_settlement_entry_order_index', self._table,
            ['ledger_id', 'topic', 'ledger_date', 'sequence'],
        )
        create_index(
            self.env.cr, 'vipps_settlement_entry_list_index', self._table,
            ['ledger_date DESC', 'sequence DESC', 'id DESC'],
        )
        create_index(
            self.env.cr, 'vipps_settlement_entry_left_index', self._table,
            ['ledger_id', 'state', 'ledger_date', 'sequence'],
            where="state IN ('new', 'waiting', 'foreign', 'check')",
        )
        # Groups, graphs and pivots read all entries: here, and not in their far longer rows.
        create_index(
            self.env.cr, 'vipps_settlement_entry_sums_index', self._table,
            [
                'company_id', 'ledger_date', 'category', 'state', 'ledger_id', 'payout_id', 'msn',
                'market', 'currency_id', 'amount', 'fee_amount', 'net_amount',
            ],
            where="topic = 'funds'",
        )

    #=== COMPUTE METHODS ===#

    @api.depends('entry_type')
    @api.depends_context('lang')
    def _compute_label(self):
        for entry in self:
            entry.label = self._get_label(entry.entry_type)

    @api.model
    def _get_label(self, entry_type):
        """ Return the name of a type, for people. """
        if entry_type in LABELS:
            return str(LABELS[entry_type])
        return (entry_type or "").replace('-', ' ').capitalize()

    @api.depends('label', 'reference', 'psp_reference')
    def _compute_display_name(self):
        for entry in self:
            entry.display_name = " ".join(filter(None, [
                entry.label, entry.reference or entry.psp_reference,
            ]))

    #=== CRUD METHODS ===#

    def write(self, values):
        """ Override to keep entries as Vipps MobilePay states them.

        :raise AccessError: If another value is written.
        """
        if not self.env.su and not values.keys().isdisjoint(PROTECTED_FIELDS):
            raise AccessError(_("Entries stay as Vipps MobilePay states them."))
        return super().write(values)

    #=== ACTION METHODS ===#

    def action_open_documents(self):
        """ Open the order or the invoice, or else the transaction of the payment. Auditors, that
        may not read all of these, get to the payment in the books.

        :rtype: dict
        :raise AccessError: If the user may not read it.
        """
        self.ensure_one()
        entry = check_access(self, 'read')
        record = entry._find_document().sudo(False)
        if not record.check_access_rights('read', raise_exception=False):
            record = entry.payment_id or record
        return {
            'type': 'ir.actions.act_window',
            'res_model': record._name,
            'res_id': record.id,
            'views': [(False, 'form')],
        }

    def action_open_journal_entry(self):
        """ Open the journal entry of the statement line.

        :rtype: dict
        :raise AccessError: If the user may not read the entry.
        """
        self.ensure_one()
        entry = check_access(self, 'read')
        return {
            'type': 'ir.actions.act_window',
            'res_model': 'account.move',
            'res_id': entry.statement_line_id.move_id.id,
            'views': [(False, 'form')],
        }

    #=== BUSINESS METHODS ===#

    def _find_document(self):
        """ Hook: return the order or the invoice that was paid, or else the transaction. """
        root_sudo = self.sudo().transaction_id._vipps_get_root()
        return root_sudo.sale_order_ids[:1] or root_sudo.invoice_ids[:1] or root_sudo

    #=== BUSINESS METHODS - STORING ===#

    @api.model
    def _store(self, ledger, topic, source, values_list):
        """ Store the entries that are not stored yet.

        Entries have no key: those of fees and disputes share the one of their payment. Two that are
        alike are the same if their times and balances do not differ, as far as both have them.

        :param vipps.settlement.ledger ledger: The ledger, locked.
        :param str topic: The account, one of :data:`TOPICS`.
        :param str source: Where they come from: `api`, `file` or `own`.
        :param list[dict] values_list: Their values in their order, see
            :meth:`vipps.api.client._convert_entries`. A `payout_number` makes a payout.
        :return: The new entries.
        :rtype: vipps.settlement.entry
        """
        new_list = self._filter_new(ledger, topic, values_list, source)
        sequences = self._get_last_sequences(
            ledger, topic, {values['ledger_date'] for values in new_list}
        )
        rows, numbers = [], []
        for values in new_list:
            values = dict(values)
            numbers.append(values.pop('payout_number', None))
            msn = values.pop('msn', None)
            day = values['ledger_date']
            sequences[day] += 1
            handle = values.get('recipient_handle') or ''
            rows.append({
                'source': source,
                **values,
                'ledger_id': ledger.id,
                'topic': topic,
                'msn': msn or handle.partition(':')[2] or ledger.msn,
                'category': (
                    CATEGORIES.get(values['entry_type'], 'other') if topic == FUNDS else 'fee'
                ),
                'sequence': sequences[day],
                'state': 'new' if topic == FUNDS and values['amount'] else 'info',
                'net_amount': values['amount'] + values.get('fee_amount', 0.0),
                **self._prepare_report_values(
                    ledger, values['amount'], values.get('fee_amount', 0.0),
                ),
            })
        entries = self.create(rows)
        for day in {values['ledger_date'] for values in new_list}:
            if self._is_out_of_order(ledger, topic, day):
                self._put_in_order(ledger, topic, day, entries)
        self.env['vipps.settlement.payout']._create_for(entries, numbers)
        entries._update_fees()
        return entries

    @api.model
    def _get_last_sequences(self, ledger, topic, days):
        """ Return the highest number that an entry of each of some dates has. """
        self.flush_model(['ledger_id', 'topic', 'ledger_date', 'sequence'])
        self.env.cr.execute(SQL(
            """
            SELECT ledger_date, MAX(sequence)
              FROM vipps_settlement_entry
             WHERE ledger_id = %s AND topic = %s AND ledger_date = ANY(%s)
             GROUP BY ledger_date
            """, ledger.id, topic, list(days),
        ))
        return defaultdict(int, self.env.cr.fetchall())

    @api.model
    def _is_out_of_order(self, ledger, topic, day):
        """ Return whether balances of a date do not follow each other. """
        self.flush_model(['ledger_id', 'topic', 'ledger_date', 'sequence', 'amount'])
        self.env.cr.execute(SQL(
            """
            SELECT 1
              FROM (
                SELECT has_balance, balance_before,
                       LAG(balance_before + amount) OVER (ORDER BY sequence, id) AS balance
                  FROM vipps_settlement_entry
                 WHERE ledger_id = %s AND topic = %s AND ledger_date = %s
              ) entry
             WHERE has_balance AND balance_before != balance
             LIMIT 1
            """, ledger.id, topic, day,
        ))
        return bool(self.env.cr.rowcount)

    @api.model
    def _put_in_order(self, ledger, topic, day, new):
        """ Number the entries of a date anew if some came later than others that follow them.

        :param vipps.settlement.ledger ledger: The ledger.
        :param str topic: The account.
        :param datetime.date day: The date.
        :param vipps.settlement.entry new: Those that have just come, and others.
        :return: None
        """
        entries = self.search_fetch([
            ('ledger_id', '=', ledger.id), ('topic', '=', topic), ('ledger_date', '=', day),
        ], ['time', 'amount', 'has_balance', 'balance_before', 'sequence'],
            order='sequence, id',
        )
        chain = ledger._put_in_chain(entries - new, late=entries & new)
        for sequence, entry in enumerate(chain, 1):
            if entry.sequence != sequence:
                entry.sequence = sequence

    def _update_fees(self):
        """ Update the fees of the payments of these entries, in whatever order fees and payments
        come. There can be several fees, on other dates; the sum in a file gives way to them. """
        references = self.filtered(
            lambda entry: entry.entry_type in ('capture', 'capture-fee')
        ).mapped('psp_reference')
        if not references:
            return
        self.flush_model()
        self.env.cr.execute(SQL(
            """
            UPDATE vipps_settlement_entry capture
               SET fee_amount = fees.amount, net_amount = capture.amount + fees.amount,
                   fee_share = ROUND(-100 * fees.amount / NULLIF(capture.amount, 0), 2)
              FROM (
                SELECT ledger_id, psp_reference, SUM(amount) AS amount
                  FROM vipps_settlement_entry
                 WHERE ledger_id IN %(ledger_ids)s
                   AND topic = 'fees'
                   AND entry_type = 'capture-fee'
                   AND psp_reference IN %(references)s
                 GROUP BY ledger_id, psp_reference
              ) fees
             WHERE capture.ledger_id = fees.ledger_id
               AND capture.topic = 'funds'
               AND capture.entry_type = 'capture'
               AND capture.psp_reference = fees.psp_reference
               AND capture.occurrence = 1
            """,
            ledger_ids=tuple(self.ledger_id.ids), references=tuple(set(references)),
        ))
        self.invalidate_model(['fee_amount', 'net_amount', 'fee_share'])
