# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from datetime import timedelta

from odoo import _lt, fields, models
from odoo.tools import format_amount, format_datetime

from ..provider.health import LIST_ACTIONS, LISTS_SHOWN
from ..provider.problem import PROBLEMS, Problem

# Entries come within hours, and the job reads them every hour.
FETCH_PERIOD = timedelta(days=1)

# Those without access import a file at least every month.
FILE_PERIOD = timedelta(days=35)

# A till is closed every day; a payment that waits for longer was forgotten.
WAITING_PERIOD = timedelta(days=3)

PROBLEMS.update({
    'settlement_access': Problem(
        _lt("The settlements of %s cannot be read"),
        _lt("The keys give no access to the settlements. Ask Vipps MobilePay for access, or import"
            " the file of its portal under Vipps MobilePay, Import File."),
        find='_vipps_find_no_access',
    ),
    'settlement_late': Problem(
        _lt("The settlements of %s are not read"),
        _lt("They were last read on %s. See that the scheduled actions of Odoo run, and that Vipps"
            " MobilePay answers."),
        find='_vipps_find_late_ledger',
    ),
    'settlement_gap': Problem(
        _lt("The settlements of %s have a gap"), "%s", 'error', find='_vipps_find_gap',
    ),
    'settlement_booking': Problem(
        _lt("The settlements of %s cannot be booked"), "%s", 'error',
        find='_vipps_find_unbooked_entries',
    ),
    'settlement_file': Problem(
        _lt("A file with settlements of %s was not read"), "%s", 'error',
        find='_vipps_find_unread_files',
    ),
    'settlement_entries': Problem(
        _lt("Settlement entries of %s are to be checked"),
        _lt("Open Settlement Entries, and read what to do with each. Press Done when it is done."),
        listed='settlement_entries',
    ),
    'settlement_foreign': Problem(
        _lt("Payments that are unknown here are settled for %s"),
        _lt("Another system took them with the same sales unit, and they are on the suspense"
            " account. Choose an account for Other Systems on the ledger, and press Match Again on"
            " these entries; or book them by hand, and press Done."),
        listed='settlement_foreign',
    ),
    'settlement_waiting': Problem(
        _lt("Settled payments of %s are not in the books"),
        _lt("Open the entries that wait, and read for each what is missing. Usually a till has not"
            " been closed for days."),
        listed='settlement_waiting',
    ),
    'settlement_overdue': Problem(
        _lt("Payouts of %s have not arrived"),
        _lt("See that the statement of your bank account is imported. If the money is not there,"
            " ask Vipps MobilePay."),
        listed='settlement_overdue',
    ),
    'settlement_balance': Problem(
        _lt("The books of %s differ from Vipps MobilePay"),
        _lt("Vipps MobilePay states a balance of %(stated)s, and the account %(account)s has"
            " %(booked)s. Look for journal items on that account that are not from Vipps"
            " MobilePay."),
        find='_vipps_find_other_balance',
    ),
    'settlement_ledger': Problem(
        _lt("There is a new ledger for %s"),
        _lt("Vipps MobilePay settles payments in the ledger %s. Open Ledgers, and set it up or"
            " archive it."),
        find='_vipps_find_new_ledger',
    ),
})

LISTS_SHOWN.extend([
    'settlement_entries', 'settlement_foreign', 'settlement_waiting', 'settlement_overdue',
])
LIST_ACTIONS.update({
    'vipps.settlement.entry': 'action_vipps_settlement_entry',
    'vipps.settlement.payout': 'action_vipps_settlement_payout',
})


class PaymentProvider(models.Model):
    """ The problems of settlements. """
    _inherit = 'payment.provider'

    vipps_ledger_ids = fields.One2many(
        string="Ledgers", comodel_name='vipps.settlement.ledger', inverse_name='provider_id',
        groups='account.group_account_invoice,base.group_system',
    )

    #=== BUSINESS METHODS - LISTS ===#

    def _vipps_get_health_lists(self):
        """ Override to add the entries and payouts that somebody should look at. """
        now, today = fields.Datetime.now(), fields.Date.context_today(self)
        ledgers = self._vipps_get_all_ledgers()
        entries = [('ledger_id', 'in', ledgers.ids), ('topic', '=', 'funds')]
        suspense = ledgers.journal_id.suspense_account_id
        return {
            **super()._vipps_get_health_lists(),
            'settlement_entries': (
                'vipps.settlement.entry', [*entries, ('state', '=', 'check')], 'create_date',
            ),
            'settlement_foreign': (
                'vipps.settlement.entry',
                [*entries, ('state', '=', 'foreign'),
                 ('move_line_id.account_id', 'in', suspense.ids)],
                'create_date',
            ),
            'settlement_waiting': (
                'vipps.settlement.entry',
                [*entries, ('state', '=', 'waiting'), ('create_date', '<', now - WAITING_PERIOD)],
                'create_date',
            ),
            'settlement_overdue': (
                'vipps.settlement.payout',
                [('ledger_id', 'in', ledgers.ids), ('state', '=', 'sent'),
                 ('overdue_date', '<', today)],
                'create_date',
            ),
        }

    #=== BUSINESS METHODS - FINDING ===#

    def _vipps_get_all_ledgers(self):
        """ Return the ledgers, also archived ones, of which the provider shows the problems: those
        of no provider, as of files, are on the first provider of the company. """
        providers_sudo = self.sudo().search([
            ('code', '=', 'vipps'), ('state', '!=', 'disabled'),
            ('company_id', '=', self.company_id.id),
        ])
        domain = [('provider_id', '=', self.id)]
        if self == providers_sudo[:1]:
            domain = [
                '|', *domain,
                '&', ('provider_id', '=', False), ('company_id', '=', self.company_id.id),
            ]
        Ledger = self.env['vipps.settlement.ledger'].with_context(active_test=False)
        return Ledger.sudo().search(domain)

    def _vipps_get_used_ledgers(self):
        return self._vipps_get_all_ledgers().filtered(lambda ledger: ledger._is_set_up())

    def _vipps_find_no_access(self):
        recently = fields.Datetime.now() - FILE_PERIOD
        return bool(self._vipps_get_used_ledgers().filtered(
            lambda ledger: ledger.provider_id and not ledger.has_access
            and not any(file.create_date > recently for file in ledger.file_ids)
        ))

    def _vipps_find_late_ledger(self):
        late = self._vipps_get_used_ledgers().filtered(
            lambda ledger: ledger.provider_id and ledger.has_access and not ledger.gap
            and (ledger.fetched_at or ledger.create_date) < fields.Datetime.now() - FETCH_PERIOD
        )
        moment = min((ledger.fetched_at or ledger.create_date for ledger in late), default=False)
        return moment and {'since': moment, 'values': format_datetime(self.env, moment)}

    def _vipps_find_gap(self):
        gaps = self._vipps_get_used_ledgers().filtered('gap').mapped('gap')
        return gaps and {'count': len(gaps), 'values': " ".join(gaps)}

    def _vipps_find_unbooked_entries(self):
        errors = self._vipps_get_used_ledgers().filtered('booking_error').mapped('booking_error')
        return errors and {'count': len(errors), 'values': " ".join(errors)}

    def _vipps_find_unread_files(self):
        files = self._vipps_get_used_ledgers().file_ids.filtered(lambda f: f.state == 'failed')
        return files and {'count': len(files), 'values': " ".join(files.mapped('reason'))}

    def _vipps_find_other_balance(self):
        """ Compare the balance of each ledger with its account, when all of it is booked. """
        Entry = self.env['vipps.settlement.entry'].sudo()
        for ledger in self._vipps_get_used_ledgers():
            funds = [('ledger_id', '=', ledger.id), ('topic', '=', 'funds')]
            last = Entry.search(funds, limit=1)
            if not last.has_balance or Entry.search_count(
                [*funds, ('state', '=', 'new')], limit=1
            ):
                continue
            currency = ledger.currency_id
            if currency.compare_amounts(ledger.book_balance, last.balance_after):
                return {'values': {
                    'account': ledger.journal_id.default_account_id.display_name,
                    'stated': format_amount(self.env, last.balance_after, currency),
                    'booked': format_amount(self.env, ledger.book_balance, currency),
                }}
        return None

    def _vipps_find_new_ledger(self):
        new = self.sudo().vipps_ledger_ids - self._vipps_get_used_ledgers()
        return bool(new) and {
            'count': len(new), 'values': ", ".join(new.mapped('number')),
        }
