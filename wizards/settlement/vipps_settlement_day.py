# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from datetime import timedelta

from odoo import _, api, fields, models
from odoo.exceptions import UserError
from odoo.tools import format_date

from ...trust import check_access

# Days of ledgers begin in the time zone of their market, whatever that of the user is: at most in
# that of Finland in summer.
EASTERNMOST_OFFSET = timedelta(hours=3)


class VippsSettlementDay(models.TransientModel):
    """ A day whose entries are read once more, to find those that are missing. """
    _name = 'vipps.settlement.day'
    _description = "Vipps MobilePay Day to Check"

    ledger_id = fields.Many2one(
        string="Ledger", comodel_name='vipps.settlement.ledger', required=True, readonly=True,
        ondelete='cascade',
    )
    day = fields.Date(string="Day", required=True)

    #=== ACTION METHODS ===#

    def action_check(self):
        """ Read all entries of the day, and store those that are missing.

        :rtype: dict
        :raise AccessError: If the user is no accountant.
        :raise UserError: If the day cannot be read.
        """
        check = check_access(self, 'read')
        check.ensure_one()
        ledger, day = check.ledger_id._check_bookkeeper(), check.day
        if not ledger._is_set_up() or not ledger.sudo().provider_id:
            raise UserError(_(
                "Nothing is fetched for this ledger: it is not set up, or its payment provider is"
                " gone."
            ))
        today = (fields.Datetime.now() + EASTERNMOST_OFFSET).date()
        if not ledger.start_date <= day <= today:
            raise UserError(_(
                "Choose a day from %(first)s, the first day of the ledger, to today.",
                first=format_date(self.env, ledger.start_date),
            ))
        missing = ledger.sudo().with_company(ledger.company_id)._check_day(day)
        ledger._wake()
        shown_day = format_date(self.env, day)
        return self.env['payment.provider']._vipps_notify(
            _(
                "Entries of %(day)s that were missing: %(count)s. They are stored now, and are"
                " booked within a minute.", day=shown_day, count=len(missing),
            ) if missing else _("No entry of %s is missing.", shown_day),
            type='warning' if missing else 'success',
        )

    #=== BUSINESS METHODS ===#

    @api.model
    def _open_for(self, ledger):
        """ Open the dialog for a ledger, for yesterday. """
        ledger.ensure_one()
        check = self.create({
            'ledger_id': ledger.id,
            'day': fields.Date.context_today(self) - timedelta(days=1),
        })
        return {
            'type': 'ir.actions.act_window',
            'name': _("Check a Day"),
            'res_model': self._name,
            'res_id': check.id,
            'views': [(False, 'form')],
            'target': 'new',
        }
