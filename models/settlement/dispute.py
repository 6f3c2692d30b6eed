# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import _, _lt, models
from odoo.tools import format_date

from ..provider.problem import PROBLEMS, Problem
from .matching import DISPUTE_TYPES

PROBLEMS['dispute'] = Problem(_lt("Payment %s is disputed"))


class VippsSettlementEntry(models.Model):
    """ The disputes of customers: a person answers Vipps MobilePay, until each is won or lost. """
    _inherit = 'vipps.settlement.entry'

    #=== BUSINESS METHODS ===#

    def _tell_of_disputes(self):
        """ Create an activity for each payment that is disputed, and end those of disputes that
        are won. """
        for entry in self.filtered('transaction_id').sorted('sequence'):
            if entry.entry_type == 'returned-disputed-capture':
                entry._end_disputes(_("The dispute is won: Vipps MobilePay gave the money back."))
            elif entry.entry_type == 'retained-disputed-capture' and entry.state == 'check':
                entry.transaction_id._vipps_get_root()._vipps_tell_safely(entry._tell_of_dispute)

    def _tell_of_dispute(self, root):
        root = root._vipps_in_staff_language()
        self = self.with_env(root.env)  # `_` takes the language of the variable named self.
        root._vipps_schedule_activity('dispute', _(
            "%(customer)s disputes a payment for %(document)s: Vipps MobilePay took %(amount)s back"
            " on %(date)s, until it is decided. Answer Vipps MobilePay in its portal, with what"
            " shows that you delivered. If you win, the money comes back and this activity ends. If"
            " you lose, book the amount from %(account)s to your losses, and press Done on the"
            " entry.",
            customer=root.partner_id.display_name or _("A customer"),
            document=self._find_document().display_name, amount=root._vipps_format(-self.amount),
            date=format_date(self.env, self.ledger_date),
            account=self.ledger_id.dispute_account_id.display_name,
        ))

    def _end_disputes(self, feedback):
        """ End the activities about the disputes that these entries begin or end. """
        disputes_sudo = self.sudo().filtered(lambda entry: entry.entry_type in DISPUTE_TYPES)
        for tx_sudo in disputes_sudo.transaction_id:
            tx_sudo._vipps_get_root()._vipps_end_activity('dispute', feedback)
