# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import _, api, models
from odoo.exceptions import AccessError, UserError, ValidationError

# What people may change.
SETTINGS = {
    'active', 'journal_id', 'fee_account_id', 'fee_tax_id', 'dispute_account_id',
    'foreign_account_id', 'opening_account_id', 'partner_id', 'start_date', 'booking_mode',
}


class VippsSettlementLedger(models.Model):
    """ The settings of a ledger, and the changes that would break its books. """
    _inherit = 'vipps.settlement.ledger'

    #=== CRUD METHODS ===#

    def write(self, values):
        """ Override to refuse changes that break the books.

        :raise AccessError: If values are written that only Odoo itself may write.
        :raise UserError: If entries are booked in the journal to be changed.
        """
        protected = values.keys() - SETTINGS
        if protected and not self.env.su:
            raise AccessError(_(
                "Only Odoo itself writes these fields of a ledger: %s.",
                ", ".join(sorted(protected)),
            ))
        journals = {ledger: ledger.journal_id for ledger in self if 'journal_id' in values}
        res = super().write(values)
        for ledger, journal in journals.items():
            if journal and journal != ledger.journal_id:
                ledger._check_unbooked(journal)
        return res

    def _check_unbooked(self, journal):
        """ Ensure that no entry is booked in a journal.

        :raise UserError: If there is one.
        """
        if self.env['vipps.settlement.entry'].sudo().search_count([
            ('ledger_id', '=', self.id), ('topic', '=', 'funds'),
            ('statement_line_id', '!=', False),
        ], limit=1):
            raise UserError(_(
                "Entries are booked in the journal %s. If the next ones were in another journal,"
                " neither of the two would end at the balance that Vipps MobilePay states.",
                journal.display_name,
            ))


class PaymentProvider(models.Model):
    """ The company of a provider, in whose books its ledgers are. """
    _inherit = 'payment.provider'

    #=== CONSTRAINT METHODS ===#

    @api.constrains('company_id')
    def _check_company_of_ledgers(self):
        """ Ensure that a sales unit is settled in the books of one company. """
        for provider in self.with_context(active_test=False).sudo():
            for ledger in provider.vipps_ledger_ids:
                if ledger.company_id != provider.company_id:
                    raise ValidationError(_(
                        "The ledger %(ledger)s is in the books of %(company)s. Add another provider"
                        " for the other company.",
                        ledger=ledger.number, company=ledger.company_id.name,
                    ))
