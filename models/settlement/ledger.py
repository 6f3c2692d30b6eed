# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import _, api, fields, models
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.fields import NO_ACCESS

from ...trust import check_access, get_readable
from ..jobs.own_transaction import call_apart

# In Odoo Community, administrators of invoicing are no "accountants" unless they are made ones.
BOOKKEEPERS = 'account.group_account_user,account.group_account_manager'


class VippsSettlementLedger(models.Model):
    """ A ledger: what Vipps MobilePay owes the merchant for the payments of a sales unit, until it
    is paid out. In the books, it is a journal that the money passes on its way to the bank. """
    _name = 'vipps.settlement.ledger'
    _inherit = ['vipps.audited', 'vipps.guarded.export']
    _description = "Vipps MobilePay Ledger"
    _order = 'id'
    _rec_name = 'number'
    _check_company_auto = True
    _vipps_plain_fields = ('number', 'msn')
    # They change as entries are read.
    _vipps_silent_fields = (
        'funds_cursor', 'fees_cursor', 'funds_balance', 'fees_balance', 'fetched_at', 'fetch_at',
        'has_access', 'fetch_error', 'gap', 'booking_error',
    )

    number = fields.Char(
        string="Ledger",
        help="The id of the ledger at Vipps MobilePay. The portal does not show it.",
        required=True,
        readonly=True,
    )
    msn = fields.Char(
        string="Sales Unit",
        help="The Merchant Serial Number (MSN).",
        required=True,
        readonly=True,
    )
    provider_id = fields.Many2one(
        string="Provider",
        help="The keys of this provider are used to fetch the entries.",
        comodel_name='payment.provider',
        readonly=True,
        ondelete='set null',
        index=True,
    )
    company_id = fields.Many2one(
        string="Company", comodel_name='res.company', required=True, readonly=True, index=True,
    )
    currency_id = fields.Many2one(
        string="Currency", comodel_name='res.currency', required=True, readonly=True,
    )
    active = fields.Boolean(string="Active", default=True)

    journal_id = fields.Many2one(
        string="Journal",
        help="The journal for the money at Vipps MobilePay, one for each ledger. It is not the one"
             " of your bank account.",
        comodel_name='account.journal',
        domain="[('type', '=', 'bank')]",
        check_company=True,
        ondelete='restrict',
    )
    fee_account_id = fields.Many2one(
        string="Fees",
        help="The expense account for the fees of Vipps MobilePay.",
        comodel_name='account.account',
        domain="[('account_type', 'in', ('expense', 'expense_direct_cost')),"
               " ('deprecated', '=', False)]",
        check_company=True,
        ondelete='restrict',
    )
    fee_tax_id = fields.Many2one(
        string="Tax on Fees",
        help="Usually none. With a tax, the fees are taken to include it.",
        comodel_name='account.tax',
        domain="[('type_tax_use', '=', 'purchase'), ('amount_type', '=', 'percent')]",
        check_company=True,
        ondelete='restrict',
    )
    dispute_account_id = fields.Many2one(
        string="Disputes",
        help="The account for payments that a customer disputes, until that is decided. It must"
             " allow reconciliation.",
        comodel_name='account.account',
        domain="[('reconcile', '=', True), ('deprecated', '=', False)]",
        check_company=True,
        ondelete='restrict',
    )
    foreign_account_id = fields.Many2one(
        string="Other Systems",
        help="The account for payments of this sales unit that another system took. If it is empty,"
             " they stay on the suspense account.",
        comodel_name='account.account',
        domain="[('deprecated', '=', False)]",
        check_company=True,
        ondelete='restrict',
    )
    opening_account_id = fields.Many2one(
        string="Opening Balance",
        help="The account for the money that was at Vipps MobilePay before the first day. Start on"
             " the day after a payout, and there is none.",
        comodel_name='account.account',
        domain="[('deprecated', '=', False)]",
        check_company=True,
        ondelete='restrict',
    )
    partner_id = fields.Many2one(
        string="Partner",
        help="The contact on fees and payouts.",
        comodel_name='res.partner',
        check_company=True,
        ondelete='restrict',
    )
    start_date = fields.Date(
        string="First Day",
        help="Entries of this day and of later days are fetched and booked.",
    )
    booking_mode = fields.Selection(
        string="Statement Lines",
        help="One for each entry, or one for each day and type of entry if there are thousands a"
             " day. Each entry is matched with its payment in both cases.",
        selection=[('entry', "One for each entry"), ('day', "One for each day and type")],
        default='entry',
        required=True,
    )

    # Where to go on in the feed of each account.
    funds_cursor = fields.Char(readonly=True, copy=False, groups=NO_ACCESS)
    fees_cursor = fields.Char(readonly=True, copy=False, groups=NO_ACCESS)
    funds_balance = fields.Monetary(
        string="At Vipps MobilePay",
        help="What Vipps MobilePay owes you, after the last entry.",
        readonly=True,
        copy=False,
    )
    fees_balance = fields.Monetary(
        string="Fees Owed",
        help="What you owe Vipps MobilePay for fees, after the last entry. It is negative.",
        readonly=True,
        copy=False,
    )
    fetched_at = fields.Datetime(string="Last Fetched", readonly=True, copy=False)
    has_access = fields.Boolean(readonly=True, copy=False, default=True)
    fetch_error = fields.Char(string="Not Fetched", readonly=True, copy=False)
    # Where the balances do not fit together.
    gap = fields.Char(string="Gap", readonly=True, copy=False)
    booking_error = fields.Char(string="Not Booked", readonly=True, copy=False)
    book_balance = fields.Monetary(
        string="In the Books",
        help="The balance of the account of the journal.",
        compute='_compute_book_balance',
        compute_sudo=True,  # Administrators need not be accountants.
    )

    _sql_constraints = [(
        'number_unique',
        'unique(company_id, number)',
        "A company has each ledger only once.",
    ), (
        'journal_unique',
        'unique(journal_id)',
        "Each ledger needs a journal of its own.",
    )]

    #=== COMPUTE METHODS ===#

    @api.depends('journal_id')
    def _compute_book_balance(self):
        stored = {ledger: get_readable(ledger) for ledger in self}
        accounts = self.union(*stored.values()).journal_id.default_account_id
        balances = {
            account.id: (balance, amount_currency)
            for account, balance, amount_currency in self.env['account.move.line']._read_group(
                [('account_id', 'in', accounts.ids), ('parent_state', '=', 'posted')],
                ['account_id'], ['balance:sum', 'amount_currency:sum'],
            )
        }
        for ledger in self:
            balance, amount_currency = balances.get(
                stored[ledger].journal_id.default_account_id.id, (0.0, 0.0)
            )
            is_foreign = ledger.currency_id != ledger.company_id.currency_id
            ledger.book_balance = amount_currency if is_foreign else balance

    @api.depends('number', 'msn')
    def _compute_display_name(self):
        for ledger in self:
            ledger.display_name = _(
                "Sales unit %(msn)s, ledger %(number)s", msn=ledger.msn, number=ledger.number
            )

    #=== CONSTRAINT METHODS ===#

    @api.constrains('journal_id', 'currency_id', 'company_id')
    def _check_journal_id(self):
        """ Ensure that the journal has the currency of the ledger, and is not the one of a bank
        account or of payments. """
        for ledger in self.filtered('journal_id'):
            journal = ledger.journal_id
            currency = journal.currency_id or journal.company_id.currency_id
            if currency != ledger.currency_id:
                raise ValidationError(_(
                    "The journal %(journal)s is in %(journal_currency)s, and the ledger in"
                    " %(currency)s. Choose a journal in %(currency)s.",
                    journal=journal.display_name, journal_currency=currency.name,
                    currency=ledger.currency_id.name,
                ))
            if journal.bank_account_id:
                raise ValidationError(_(
                    "%s is the journal of a bank account. The money at Vipps MobilePay needs one of"
                    " its own, through which it reaches the bank.", journal.display_name,
                ))

    @api.constrains('dispute_account_id')
    def _check_dispute_account_id(self):
        """ Ensure that disputes and their ends can be matched. """
        for account in self.dispute_account_id:
            if not account.reconcile:
                raise ValidationError(_(
                    "The account %s does not allow reconciliation, so disputes could not be matched"
                    " with their ends. Allow it on the account, or choose another one.",
                    account.display_name,
                ))

    #=== CRUD METHODS ===#

    def _vipps_filter_audited(self, values):
        """ Override to record all changes of settings. """
        return self

    def _vipps_get_audited_provider(self):
        """ Override to return the provider of the ledger. """
        return self.sudo().provider_id

    @api.ondelete(at_uninstall=False)
    def _unlink_except_with_entries(self):
        Entry = self.env['vipps.settlement.entry']
        if Entry.search_count([('ledger_id', 'in', self.ids)], limit=1):
            raise UserError(_(
                "There are entries of this ledger. Archive it instead: then nothing is fetched and"
                " booked any longer."
            ))

    #=== ACTION METHODS ===#

    def action_fetch(self):
        """ Fetch what is new, and book it, as the job does every hour.

        :rtype: dict
        :raise AccessError: If the user is no accountant.
        """
        ledgers = self._check_bookkeeper()
        is_done = ledgers.sudo()._settle()
        problems = []
        for ledger in ledgers:
            # This database transaction began before.
            found = call_apart(ledger.sudo(), '_list_problems')
            ledger._record('fetched', " ".join(found))
            problems += found
        sentence = _("All entries are fetched and booked.") if is_done else _(
            "The rest is being fetched and booked. Look again in a minute."
        )
        return self.env['payment.provider']._vipps_notify(
            " ".join(problems) or sentence,
            type='warning' if problems else 'success', sticky=bool(problems),
        )

    def action_set_up(self):
        """ Choose the usual settings, where nothing is chosen yet.

        :raise AccessError: If the user may not configure ledgers.
        """
        ledgers = check_access(self, 'write').sudo()
        ledgers._set_up()
        ledgers._wake()

    def action_go_on(self):
        """ Go on after a gap: the difference is booked to the suspense account.

        :raise AccessError: If the user may not configure ledgers.
        """
        ledgers = check_access(self, 'write')
        for ledger in ledgers.sudo():
            ledger._record('gap_booked', ledger.gap or ledger.booking_error or None)
            call_apart(ledger, '_go_on')
        return ledgers.sudo().action_fetch()

    def action_check_day(self):
        """ Open the dialog that reads a day again.

        :rtype: dict
        :raise AccessError: If the user is no accountant.
        """
        return self.env['vipps.settlement.day']._open_for(self._check_bookkeeper())

    def action_open_entries(self):
        """ Open the entries of the ledger.

        :rtype: dict
        :raise AccessError: If the user may not read ledgers.
        """
        return self._open('action_vipps_settlement_entry', {'search_default_funds': True})

    def action_open_payouts(self):
        """ Open the payouts of the ledger.

        :rtype: dict
        :raise AccessError: If the user may not read ledgers.
        """
        return self._open('action_vipps_settlement_payout')

    def _open(self, name, context=None):
        check_access(self, 'read')
        action = self.env['ir.actions.act_window']._for_xml_id(f'mobilepay_vipps.{name}')
        return {**action, 'domain': [('ledger_id', 'in', self.ids)], 'context': context or {}}

    #=== BUSINESS METHODS ===#

    def _check_bookkeeper(self):
        """ Return the ledgers, for an accountant.

        :raise AccessError: If the user is none, or may not read the ledgers.
        """
        ledgers = check_access(self, 'read')
        if not self.env.su and not self.user_has_groups(BOOKKEEPERS):
            raise AccessError(_("Only accountants fetch entries and match payouts."))
        return ledgers

    def _list_problems(self):
        """ Return what keeps entries from being fetched or booked, in sentences.

        :rtype: list[str]
        """
        return [
            problem for ledger in self
            for problem in (ledger.fetch_error, ledger.gap, ledger.booking_error) if problem
        ]

    def _is_set_up(self):
        """ Return whether the entries of the ledger are fetched and booked. """
        return bool(self.active and self.start_date and self.journal_id)

    def _in_company(self):
        """ Return the ledger in its company and in the language of its books. """
        self.ensure_one()
        company = self.company_id
        return self.with_company(company).with_context(lang=company.partner_id.lang)

    def _record(self, action, details, **values):
        """ Record in the audit trail what a person did with the ledger.

        :param str action: The action, see `vipps.audit.event`.
        :param str details: More about it; empty if there is nothing to say.
        :param values: Other values of the record.
        :return: None
        """
        self.env['vipps.audit.event']._record(
            action, self.sudo().provider_id,
            details=": ".join(filter(None, [self.display_name, details])),
            **{'company_id': self.company_id.id, 'currency_id': self.currency_id.id, **values},
        )

    @api.model
    def _wake(self):
        """ Wake the job as soon as this is committed. """
        self.env.ref('mobilepay_vipps.cron_settle').sudo()._trigger()
