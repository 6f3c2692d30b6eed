# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from datetime import timedelta

from odoo import _, fields, models

# Norwegian charts have an account for bank and card fees; others have it by one of these names.
FEE_ACCOUNT_CODE = '7770'
FEE_ACCOUNT_NAMES = ('Bank Fees', 'bank', 'gebyr', 'pankki', 'avgift')
EXPENSE_TYPES = ('expense', 'expense_direct_cost')

JOURNAL_CODE = 'VMP'


class VippsSettlementLedger(models.Model):
    """ The usual settings of a ledger, for one click. """
    _inherit = 'vipps.settlement.ledger'

    #=== BUSINESS METHODS - SET-UP ===#

    def _propose(self):
        """ Return the usual settings, as far as they are not chosen yet.

        :return: The values; without an account that is not in the chart of accounts.
        :rtype: dict
        """
        self.ensure_one()
        proposed = {
            'fee_account_id': self._find_fee_account().id,
            'partner_id': self._find_partner().id,
            'start_date': self._find_start_date(),
        }
        return {name: value for name, value in proposed.items() if value and not self[name]}

    def _set_up(self):
        """ Choose the usual settings, and make the journal and the account for disputes, where
        nothing is chosen yet. """
        for ledger in self:
            ledger = ledger._in_company()
            ledger.write({
                **ledger._propose(),
                'journal_id': ledger.journal_id.id or ledger._create_journal().id,
                'dispute_account_id': (
                    ledger.dispute_account_id.id or ledger._create_dispute_account().id
                ),
            })

    def _find_fee_account(self):
        """ Return the account for bank and card fees of the chart of accounts, if there is one. """
        accounts = self.env['account.account'].search([
            ('company_id', 'parent_of', self.company_id.ids),
            ('account_type', 'in', EXPENSE_TYPES),
            ('deprecated', '=', False),
        ])
        return accounts.filtered(lambda a: a.code.startswith(FEE_ACCOUNT_CODE))[:1] or next((
            account for name in FEE_ACCOUNT_NAMES for account in accounts
            if name.lower() in account.name.lower()
        ), accounts.browse())

    def _find_partner(self):
        return self.env['vipps.settlement.ledger'].search([
            ('company_id', '=', self.company_id.id), ('partner_id', '!=', False),
        ], limit=1).partner_id

    def _find_start_date(self):
        """ Return the day of the first payment, so that nothing was at Vipps MobilePay before, or
        of the first entry in a file; or the first day that is not locked. """
        first = self.env['payment.transaction'].sudo().search([
            ('provider_id.company_id', '=', self.company_id.id),
            ('vipps_merchant_serial_number', '=', self.msn),
        ], order='create_date', limit=1)
        day = first.create_date.date() if first else fields.Date.context_today(self)
        day -= timedelta(days=1)
        if not first and self.file_ids:
            day = min(self.file_ids.mapped('first_date'))
        lock_date = self._find_lock_date(day)
        return lock_date + timedelta(days=1) if lock_date else day

    def _create_journal(self):
        """ Return a new journal for the ledger, with an account of its own. """
        company = self.company_id
        codes = self.env['account.journal'].with_context(active_test=False).search([
            ('company_id', '=', company.id), ('code', '=like', f'{JOURNAL_CODE}%'),
        ]).mapped('code')
        code = next(
            code for code in [JOURNAL_CODE, *map(f'{JOURNAL_CODE}{{}}'.format, range(2, 100))]
            if code not in codes
        )
        return self.env['account.journal'].create({
            'name': _("Vipps MobilePay %s", self.msn),
            'type': 'bank',
            'code': code,
            'company_id': company.id,
            'currency_id': self.currency_id != company.currency_id and self.currency_id.id,
        })

    def _create_dispute_account(self):
        """ Return a new account for payments that are disputed. """
        Account, company = self.env['account.account'], self.company_id
        others = Account.search(self.env['account.account']._check_company_domain(company), limit=1)
        return Account.create({
            'name': _("Disputed Payments (Vipps MobilePay)"),
            'code': Account._search_new_account_code(
                company, len(others.code or '000000'), company.bank_account_code_prefix or '',
            ),
            'account_type': 'asset_current',
            'reconcile': True,
            'company_id': company.id,
        })
