# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from lxml import etree

from odoo.tests import tagged
from odoo.tools import SQL
from odoo.tools.safe_eval import safe_eval

from .settlement_common import SettlementCommon


@tagged('post_install', '-at_install')
class TestSums(SettlementCommon):
    """ Sums of many entries, which are read from an index. """

    def setUp(self):
        """ Leave one index, so that it does not matter how long the table is. """
        super().setUp()
        self.env.cr.execute("""
            SELECT indexrelid::regclass::text FROM pg_index
            LEFT JOIN pg_constraint ON conindid = indexrelid
            WHERE indrelid = 'vipps_settlement_entry'::regclass AND conindid IS NULL
        """)
        for index, in self.env.cr.fetchall():
            if index != 'vipps_settlement_entry_sums_index':
                self.env.cr.execute(SQL("DROP INDEX %s", SQL.identifier(index)))

    def _explain(self, groups, sums):
        """ Return how PostgreSQL reads groups of entries if it can avoid the table. """
        Entry = self.env['vipps.settlement.entry'].with_user(self.accountant)
        domain = [('topic', '=', 'funds'), ('category', 'in', ('payment', 'refund'))]
        Entry._read_group([*domain, ('ledger_date', '>', '2026-01-01')], groups, sums)
        query = self.env.cr._obj.query.decode()
        self.assertIn('GROUP BY' if groups else 'SUM', query)
        for way in ('seqscan', 'bitmapscan'):
            self.env.cr.execute(f'SET LOCAL enable_{way} TO off')
        self.env.cr.execute(f'EXPLAIN {query}')
        return "\n".join(line for line, in self.env.cr.fetchall())

    def test_groups_and_sums_of_funds_are_read_from_the_index(self):
        Entry = self.env['vipps.settlement.entry']
        sums = [
            f'{field.name}:{field.group_operator}' for field in Entry._fields.values()
            if field.store and field.type in ('monetary', 'float') and field.group_operator
        ]
        self.assertIn('fee_share:avg', sums)
        search = etree.fromstring(Entry.get_view(view_type='search')['arch'])
        groups = [
            safe_eval(context)['group_by']
            for context in search.xpath("//filter[contains(@context, 'group_by')]/@context")
        ]
        self.assertIn('payout_id', groups)
        for group in (None, *groups):
            with self.subTest(group=group):
                self.assertIn(
                    'Index Only Scan using vipps_settlement_entry_sums_index',
                    self._explain([group] if group else [], sums),
                )
