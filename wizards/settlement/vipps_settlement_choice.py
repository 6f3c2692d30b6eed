# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import _, api, fields, models
from odoo.exceptions import UserError

from ...trust import check_access


class VippsSettlementChoice(models.TransientModel):
    """ A line of a bank statement that a payout can be, for an accountant to choose it. """
    _name = 'vipps.settlement.choice'
    _description = "Vipps MobilePay Bank Line of a Payout"
    _order = 'id'

    payout_id = fields.Many2one(
        comodel_name='vipps.settlement.payout', required=True, readonly=True, ondelete='cascade',
    )
    line_id = fields.Many2one(
        comodel_name='account.bank.statement.line', required=True, readonly=True,
        ondelete='cascade',
    )
    # The line is read as the user, who may be gone from its company since.
    currency_id = fields.Many2one(related='line_id.currency_id', related_sudo=False)
    date = fields.Date(related='line_id.date', related_sudo=False)
    journal_id = fields.Many2one(related='line_id.journal_id', related_sudo=False)
    payment_ref = fields.Char(string="Text", related='line_id.payment_ref', related_sudo=False)
    amount = fields.Monetary(related='line_id.amount', related_sudo=False)

    #=== ACTION METHODS ===#

    def action_choose(self):
        """ Match the payout with this line.

        :rtype: dict
        :raise AccessError: If the user is no accountant.
        :raise UserError: If the line, or the payout, is matched meanwhile.
        """
        choice = check_access(self, 'read')
        choice.ensure_one()
        payout = choice.payout_id
        payout.ledger_id._check_bookkeeper()
        payout.check_access_rule('read')
        line = choice.line_id
        line.check_access_rule('read')
        if payout.state != 'sent' or line not in payout._find_bank_lines():
            raise UserError(_(
                "The payout or the bank line was matched meanwhile, or has changed. Close this"
                " list, and look again."
            ))
        payout.sudo()._match_bank_line(line.sudo())
        return self.env['payment.provider']._vipps_notify(
            _("Payout %s is in the bank.", payout.number),
        )

    #=== BUSINESS METHODS ===#

    @api.model
    def _open_for(self, payout):
        """ Open the list of the bank lines that fit a payout.

        :raise UserError: If there are none.
        """
        if payout.state != 'sent' or not payout.proposed_line_ids:
            raise UserError(_(
                "No bank line fits payout %s. It has to be in the bank journal with the same"
                " amount, and not matched with anything yet.", payout.number,
            ))
        choices_sudo = self.sudo().create([
            {'payout_id': payout.id, 'line_id': line.id} for line in payout.proposed_line_ids
        ])
        return {
            'type': 'ir.actions.act_window',
            'name': _("Bank Lines for Payout %s", payout.number),
            'res_model': self._name,
            'views': [(False, 'tree')],
            'domain': [('id', 'in', choices_sudo.ids)],
            'target': 'new',
        }
