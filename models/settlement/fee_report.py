# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import api, fields, models
from odoo.tools import SQL

from ... import const


class VippsSettlementEntry(models.Model):
    """ The figures of the report about fees. """
    _inherit = 'vipps.settlement.entry'

    market = fields.Selection(
        string="Market",
        selection=[('NO', "Norway"), ('DK', "Denmark"), ('FI', "Finland")],
        readonly=True,
    )
    fee_share = fields.Float(
        string="Fees (%)",
        help="The fees in percent of the payments that they are for. Refunds have no fees.",
        digits=(16, 2),
        readonly=True,
        group_operator='avg',
    )

    #=== BUSINESS METHODS ===#

    @api.model
    def _prepare_report_values(self, ledger, amount, fee_amount):
        """ Return the values of a new entry for the report.

        :param vipps.settlement.ledger ledger: The ledger.
        :param float amount: The amount of the entry.
        :param float fee_amount: The fee of the payment, which is negative.
        :rtype: dict
        """
        return {
            'market': const.CURRENCY_MARKETS.get(ledger.currency_id.name, False),
            'fee_share': -100 * fee_amount / amount if fee_amount and amount else 0.0,
        }

    @api.model
    def _read_group_select(self, aggregate_spec, query):
        """ Override of `orm` to weigh the share of fees: it is that of the sums of a group, and not
        the average of the shares. """
        if aggregate_spec != 'fee_share:avg':
            return super()._read_group_select(aggregate_spec, query)
        names = ['fee_amount', 'amount', 'category']
        fee, amount, category = (
            self._field_to_sql(self._table, name, query) for name in names
        )
        return SQL(
            """
            (-100 * SUM(%s) FILTER (WHERE %s = 'payment')
                / NULLIF(SUM(%s) FILTER (WHERE %s = 'payment'), 0))::float8
            """, fee, category, amount, category,
        ), names
