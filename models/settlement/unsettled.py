# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from datetime import timedelta

from odoo import api, fields, models
from odoo.osv import expression
from odoo.tools import create_index

# A capture is settled on the next day as a rule; later than that, something is wrong.
UNSETTLED_PERIOD = timedelta(days=5)

# If there are more, a ledger is not set up as it should be.
MAX_UNSETTLED = 10000


class PaymentTransaction(models.Model):
    """ Captures that Vipps MobilePay has not settled. """
    _inherit = 'payment.transaction'

    vipps_is_unsettled = fields.Boolean(
        string="Captured, Not Settled",
        help="It was captured days ago, and is in no ledger.",
        compute='_compute_vipps_is_unsettled',
        search='_search_vipps_is_unsettled',
        groups='account.group_account_invoice',
    )

    #=== INITIALIZATION ===#

    def init(self):
        """ Create an index of captures, which is read instead of the table. """
        super().init()
        create_index(
            self.env.cr, 'payment_transaction_vipps_captured_index', self._table,
            ['id', 'provider_id', 'company_id', 'operation', 'last_state_change'],
            where="state = 'done' AND vipps_psp_reference IS NOT NULL",
        )

    #=== COMPUTE METHODS ===#

    def _compute_vipps_is_unsettled(self):
        unsettled = self.search([('id', 'in', self.ids), ('vipps_is_unsettled', '=', True)])
        for tx in self:
            tx.vipps_is_unsettled = tx in unsettled

    @api.model
    def _search_vipps_is_unsettled(self, operator, value):
        """ Search captures since the first day of the ledgers of their provider, that are not of
        the last days, and have no entry. """
        before = fields.Datetime.now() - UNSETTLED_PERIOD
        ledgers_sudo = self.env['vipps.settlement.ledger'].sudo().search([
            ('start_date', '!=', False), ('journal_id', '!=', False), ('provider_id', '!=', False),
        ])
        query = self._search(expression.AND([
            expression.OR([
                ('provider_id', '=', provider.id),
                # Of the first day, some may count for the day before.
                ('last_state_change', '>=', min(ledgers.mapped('start_date')) + timedelta(days=1)),
            ] for provider, ledgers in ledgers_sudo.grouped('provider_id').items()),
            [
                ('state', '=', 'done'),
                ('vipps_psp_reference', '!=', False),
                ('operation', '!=', 'refund'),
                ('last_state_change', '<', before),
            ],
        ]))
        query.add_where("""NOT EXISTS (
            SELECT FROM vipps_settlement_entry entry
             WHERE entry.transaction_id = payment_transaction.id
        )""")
        # Read at once, as PostgreSQL would look up one after the other to find the first few.
        query.limit = MAX_UNSETTLED
        query.get_result_ids()
        is_unsettled = (operator == '=') == bool(value)
        return [('id', 'in' if is_unsettled else 'not in', query)]
