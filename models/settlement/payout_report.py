# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import _, models

# As many entries are in one block of the printed report.
FIRST_BLOCK, BLOCK = 7, 11


class VippsSettlementPayout(models.Model):
    """ The printed report of a payout, from the balance before it to the balance after it. """
    _inherit = 'vipps.settlement.payout'

    #=== BUSINESS METHODS ===#

    def _get_report_base_filename(self):
        """ Return the name of the file of the report.

        :rtype: str
        """
        self.ensure_one()
        return _("Payout %s", self.number)

    def _get_report_entries(self):
        """ Return the entries in the order of their ledger.

        :rtype: vipps.settlement.entry
        """
        return self.entry_ids.sorted(lambda entry: (entry.ledger_date, entry.sequence, entry.id))

    def _get_report_blocks(self, entries):
        """ Return the entries in blocks that no page break divides: the first one has room below
        the sums, and two of the others fill a page.

        :param vipps.settlement.entry entries: The entries of the payout, in their order.
        :rtype: list[vipps.settlement.entry]
        """
        first, rest = entries[:FIRST_BLOCK], entries[FIRST_BLOCK:]
        return [first, *(
            rest[start:start + BLOCK] for start in range(0, len(rest), BLOCK)
        )]

    def _get_report_fees(self, entries):
        """ Return the sum of the fees of the payments.

        :param vipps.settlement.entry entries: The entries of the payout.
        :rtype: float
        """
        payments = entries.filtered(lambda entry: entry.category == 'payment')
        return sum(payments.mapped('fee_amount'))

    def _get_report_sums(self, entries):
        """ Return the sums that lead from the balance before the payout to the one after it.

        :param vipps.settlement.entry entries: The entries of the payout, in their order.
        :return: Each with its `label`, its `amount`, and the `count` of its entries, if any.
        :rtype: list[dict]
        """
        counted = [
            (_("Payments"), 'payment'), (_("Refunds"), 'refund'), (_("Fees"), 'fee'),
            (_("Others"), 'other'), (_("Payout"), 'payout'),
        ]
        sums = []
        for label, category in counted:
            found = entries.filtered(lambda entry, category=category: entry.category == category)
            if found or category != 'other':
                amount = sum(found.mapped('amount'))
                sums.append({'label': label, 'amount': amount, 'count': len(found)})
        if not (entries[:1].has_balance and entries[-1:].has_balance):
            return sums
        before, after = entries[0].balance_before, entries[-1].balance_after
        difference = after - before - sum(item['amount'] for item in sums)
        if not self.currency_id.is_zero(difference):
            sums.append({'label': _("Difference"), 'amount': difference})
        return [
            {'label': _("Balance before"), 'amount': before}, *sums,
            {'label': _("Balance after"), 'amount': after},
        ]
