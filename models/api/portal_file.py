# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import io

import pytz

from odoo import _, api, models

from ... import const
from ...protocol import portal_file
from ...protocol.table import UnreadableFile
from .client import VippsError


class VippsApiClient(models.AbstractModel):
    """ The entries of files from the portal as values of `vipps.settlement.entry`. """
    _inherit = 'vipps.api.client'

    #=== SETTLEMENTS - FILES ===#

    @api.model
    def _split_portal_file(self, content):
        """ Return the sales units of a file that the portal of Vipps MobilePay exports.

        :param bytes content: The file.
        :rtype: list[portal_file.PortalUnit]
        :raise VippsError: If it is another file, or cannot be read.
        """
        try:
            return portal_file.split_portal_file(io.BytesIO(content))
        except UnreadableFile as error:
            raise VippsError(_(error.sentence, **error.values)) from None

    @api.model
    def _convert_portal_lines(self, lines, currency):
        """ Return the values of entries, see :meth:`_convert_entries`.

        :param list[bytes] lines: The entries, dumped.
        :param res.currency currency: The currency of their ledger.
        :rtype: list[dict]
        """
        values_list = []
        for line in lines:
            entry = portal_file.PortalEntry.load(line)
            has_balance = entry.balance is not None
            after = entry.balance if has_balance else 0
            values_list.append({
                'psp_reference': entry.psp_reference,
                'entry_type': entry.entry_type,
                'time': self._to_utc(entry.time, currency),
                'ledger_date': entry.ledger_date,
                'reference': entry.reference,
                'amount': self._to_major(entry.amount, currency),
                'has_balance': has_balance,
                'balance_before': self._to_major(
                    after - entry.amount if has_balance else 0, currency
                ),
                'balance_after': self._to_major(after, currency),
                'fee_amount': self._to_major(entry.fee or 0, currency),
                'msn': entry.msn,
                'payout_number': entry.own_payout_number,
                'raw': entry.raw,
            })
        return values_list

    @api.model
    def _to_utc(self, moment, currency):
        """ Return a moment on the clocks of the market of a currency in UTC, without a time zone.

        :return: None if it is not known, or if the clocks show it twice, or never.
        :rtype: datetime.datetime | None
        """
        zone = pytz.timezone(const.MARKET_TIME_ZONES[const.CURRENCY_MARKETS[currency.name]])
        try:
            local = moment and zone.localize(moment, is_dst=None)
        except pytz.InvalidTimeError:
            return None
        return local and local.astimezone(pytz.utc).replace(tzinfo=None)
