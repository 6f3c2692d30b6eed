# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo.tests import tagged
from odoo.tools.safe_eval import safe_eval

from .settlement_common import SettlementCommon


@tagged('post_install', '-at_install')
class TestFeeReport(SettlementCommon):
    """ Gross, fees, net and the share of fees. """

    def _read(self, *groupby, user=None):
        """ Return the groups of the report, as the pivot reads them. """
        action = self.env.ref('mobilepay_vipps.action_vipps_settlement_report')
        return self.env['vipps.settlement.entry'].with_user(user or self.bookkeeper).read_group(
            safe_eval(action.domain), ['amount', 'fee_amount', 'net_amount', 'fee_share'],
            list(groupby), lazy=False,
        )

    def test_the_share_of_fees_is_weighted_in_all_groups(self):
        self._sell(100)
        self._set_up()
        self._settle(days=1)
        tx = self._sell(1000)
        self._refund(tx.payment_id or tx.child_transaction_ids.payment_id, 500)
        self._follow_up()
        self._settle(days=1)
        # 2.99 % and 1 krone each.
        total, = self._read()
        self.assertAlmostEqual(total['fee_amount'], -3.99 - 30.9)
        self.assertAlmostEqual(total['fee_share'], 100 * 34.89 / 1100)
        days = self._read('ledger_date:day')
        self.assertEqual([round(group['fee_share'], 2) for group in days], [3.99, 3.09])
        self.assertAlmostEqual(days[1]['amount'], 500)
        categories = {group['category']: group for group in self._read('category')}
        self.assertFalse(categories['refund']['fee_share'])
        self.assertAlmostEqual(categories['payment']['fee_share'], total['fee_share'])
        self.assertAlmostEqual(categories['payment']['net_amount'], 1100 - 34.89)
        entry, = self._get_entries('capture')[1]
        self.assertAlmostEqual(entry.fee_share, 3.09)

    def test_the_report_groups_by_month_market_and_sales_unit(self):
        self._sell(100)
        self._set_up()
        self._settle(days=1)
        group, = self._read('ledger_date:month', 'market', 'msn')
        self.assertEqual((group['market'], group['msn']), ('NO', '123456'))
        fields_get = self.env['vipps.settlement.entry'].fields_get(
            ['market', 'fee_share'], ['store', 'sortable', 'group_operator', 'type'],
        )
        self.assertTrue(fields_get['market']['store'] and fields_get['market']['sortable'])
        self.assertTrue(fields_get['fee_share']['group_operator'])

    def test_groups_are_ordered_by_the_weighted_share(self):
        for amount in (100, 1000):
            self._sell(amount)
            if not self.vipps.vipps_ledger_ids:
                self._set_up()
            self._settle(days=1)
        Entry = self.env['vipps.settlement.entry']
        shares = [share for _day, share in Entry._read_group(
            [('category', '=', 'payment')], ['ledger_date:day'], ['fee_share:avg'],
            order='fee_share:avg ASC',
        )]
        self.assertEqual([round(share, 2) for share in shares], [3.09, 3.99])
        (highest,), = Entry._read_group([], [], ['fee_share:max'])
        self.assertAlmostEqual(highest, 3.99)
