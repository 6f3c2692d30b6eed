# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from datetime import timedelta

from odoo import _, api, models

from ...protocol import amount as protocol_amount
from ...protocol import report
from .client import VippsError


class VippsApiClient(models.AbstractModel):
    """ The entries of ledgers as values of `vipps.settlement.entry`, in major units. """
    _inherit = 'vipps.api.client'

    #=== SETTLEMENTS ===#

    @api.model
    def _find_currency(self, code):
        """ Return the currency of a ledger, which need not be active.

        :param str code: Its ISO 4217 code.
        :rtype: res.currency
        :raise VippsError: If amounts in it cannot be converted.
        """
        currency = self.env['res.currency'].with_context(active_test=False).search([
            ('name', '=', code),
        ])
        if code not in protocol_amount.DECIMALS or not currency:
            raise VippsError(_(
                "There is a ledger in %s, which is not a currency of Vipps MobilePay that this"
                " version knows.", code,
            ))
        return currency

    @api.model
    def _convert_entries(self, entries, number, currency, start_date):
        """ Return the values of entries from a day on.

        :param tuple entries: The entries of a page.
        :param str number: The id of their ledger at Vipps MobilePay.
        :param res.currency currency: The currency of the ledger.
        :param datetime.date start_date: The first day. Entries of years before can lack a date.
        :rtype: list[dict]
        :raise VippsError: If an entry is in another currency, or has no date.
        """
        values_list = []
        for entry in entries:
            # Dates follow times within a day, on the clocks of the market.
            if (entry.ledger_date or entry.time.date() + timedelta(days=2)) < start_date:
                continue
            if entry.currency != currency.name or not entry.ledger_date:
                raise VippsError(_(
                    "The entry %(reference)s has no date, or another currency than the ledger"
                    " %(ledger)s, which is in %(currency)s. Nothing of this page was stored. Odoo"
                    " reads it again in an hour; if it stays so, ask Vipps MobilePay.",
                    reference=entry.psp_reference, ledger=number, currency=currency.name,
                ))
            values_list.append({
                'psp_reference': entry.psp_reference,
                'entry_type': entry.entry_type,
                'time': entry.time.replace(microsecond=0),
                'ledger_date': entry.ledger_date,
                'reference': entry.reference,
                'amount': self._to_major(entry.amount, currency),
                'has_balance': True,
                'balance_before': self._to_major(entry.balance_before, currency),
                'balance_after': self._to_major(entry.balance_after, currency),
                'recipient_handle': entry.recipient_handle,
                'payout_number': entry.get_payout_number(number),
                'raw': entry.raw,
            })
        return values_list

    @api.model
    def _parse_bank_text(self, text):
        """ Return the number of the payout and the sales unit in the text of a bank line, or None.

        :rtype: tuple[str, str] | None
        """
        return report.parse_bank_text(text)
