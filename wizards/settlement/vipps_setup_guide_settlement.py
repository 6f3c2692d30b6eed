# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import _, api, fields, models
from odoo.exceptions import UserError

from ...models.api.client import VippsError
from ...trust import get_readable


class VippsSetupGuide(models.TransientModel):
    """ The screen of payouts: the ledgers of the sales unit, and the usual settings for them. """
    _inherit = 'vipps.setup.guide'

    # In sudo mode, as administrators need not be accountants.
    ledger_id = fields.Many2one(
        string="Ledger", comodel_name='vipps.settlement.ledger', compute='_compute_ledger_id',
        compute_sudo=True,
    )
    has_new_ledger = fields.Boolean(compute='_compute_ledger_id', compute_sudo=True)
    ledger_journal = fields.Char(
        string="Payouts", compute='_compute_ledger_id', compute_sudo=True,
    )
    settlement_problem = fields.Char(readonly=True)
    settlement_journal_id = fields.Many2one(
        string="Journal",
        help="The journal for the money at Vipps MobilePay, one for each ledger. It is not the one"
             " of your bank account.",
        comodel_name='account.journal',
        domain="[('type', '=', 'bank'), ('bank_account_id', '=', False)]",
        check_company=True,
    )
    fee_account_id = fields.Many2one(
        string="Fees",
        help="The expense account for the fees of Vipps MobilePay.",
        comodel_name='account.account',
        domain="[('account_type', 'in', ('expense', 'expense_direct_cost')),"
               " ('deprecated', '=', False)]",
        check_company=True,
    )
    fee_tax_id = fields.Many2one(
        string="Tax on Fees",
        help="Usually none. With a tax, the fees are taken to include it.",
        comodel_name='account.tax',
        domain="[('type_tax_use', '=', 'purchase'), ('amount_type', '=', 'percent')]",
        check_company=True,
    )
    start_date = fields.Date(
        string="First Day",
        help="Entries of this day and of later days are fetched and booked.",
    )

    #=== COMPUTE METHODS ===#

    @api.depends('step', 'provider_id')
    def _compute_ledger_id(self):
        for guide in self:
            new, used = get_readable(guide)._get_ledgers()
            guide.ledger_id = new[:1]
            guide.has_new_ledger = bool(new)
            guide.ledger_journal = ", ".join(used.journal_id.mapped('display_name'))

    #=== BUSINESS METHODS - PAYOUTS ===#

    def _get_ledgers(self):
        """ Return the ledgers of the provider that are to be set up, and those that are.

        :rtype: tuple[vipps.settlement.ledger, vipps.settlement.ledger]
        """
        ledgers_sudo = self.provider_id.sudo().vipps_ledger_ids
        used_sudo = ledgers_sudo.filtered(lambda ledger: ledger._is_set_up())
        return ledgers_sudo - used_sudo, used_sudo

    def _show_settlement(self):
        """ Find the ledgers of the sales unit, and propose the usual settings for the next one. """
        self.settlement_problem = False
        try:
            with self.env.cr.savepoint():
                self.provider_id.sudo()._vipps_find_ledgers()
        except VippsError as error:
            self.settlement_problem = str(error)
        new_sudo, _used_sudo = self._get_ledgers()
        if new_sudo:
            ledger_sudo = new_sudo[0]._in_company()
            proposed = ledger_sudo._propose()
            self.write({
                'settlement_journal_id': ledger_sudo.journal_id.id,
                'fee_account_id': ledger_sudo.fee_account_id.id or proposed.get('fee_account_id'),
                'fee_tax_id': ledger_sudo.fee_tax_id.id,
                'start_date': ledger_sudo.start_date or proposed.get('start_date'),
            })

    def _finish_settlement(self):
        """ Set up the ledger that is shown. Return whether no other one is left to set up.

        :raise UserError: If there is no account for fees.
        """
        new_sudo, _used_sudo = self._get_ledgers()
        if not new_sudo:
            return True
        if not self.fee_account_id:
            raise UserError(_(
                "Choose the account for the fees of Vipps MobilePay, or continue without payouts."
            ))
        ledger_sudo = new_sudo[0]._in_company()
        ledger_sudo.write({
            'journal_id': self.settlement_journal_id.id,
            'fee_account_id': self.fee_account_id.id,
            'fee_tax_id': self.fee_tax_id.id,
            'start_date': self.start_date,
        })
        ledger_sudo._set_up()
        ledger_sudo._wake()
        return len(new_sudo) == 1
