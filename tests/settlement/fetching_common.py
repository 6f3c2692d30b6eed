# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from ...simulator.sales_units import NOK_UNIT
from .settlement_common import SettlementCommon


class FetchingCommon(SettlementCommon):
    """ A ledger with payments of other systems, of which Odoo knows nothing. """

    def setUp(self):
        super().setUp()
        self._configure(automatic=False)

    def _post(self, *amounts, topic='funds', entry_type=None, msn=NOK_UNIT.msn, **values):
        """ Add entries of payments and refunds at the simulator. """
        return [
            self.settlement.add_entry(
                msn, topic=topic, amount=amount,
                entryType=entry_type or ('capture' if amount > 0 else 'refund'),
                **{'reference': f'other-{amount}', **values},
            ) for amount in amounts
        ]

    def _leave_the_contract(self):
        """ Let the next pages have entries that the published contract does not allow. """
        self.simulator.fault('report_feed', 'edited', times=20, changes={})

    def _add_days(self, count=2):
        """ Add days with payments, a refund, fees and a payout. """
        for _day in range(count):
            self._post(10000, 20000, -5000, 7000)
            self._post(-400, topic='fees', entry_type='capture-fee')
            self.settlement.close(NOK_UNIT.msn)

    def _run_settlement(self):
        """ Run the job, no hour after the last time. """
        self.env.flush_all()
        self.env['vipps.settlement.ledger']._cron_settle()
        self.env.invalidate_all()

    def _press(self, ledger, name):
        """ Press a button of the ledger. """
        self.env.flush_all()
        action = getattr(ledger, name)()
        self.env.invalidate_all()
        return action

    def _read(self, topic='funds'):
        """ Return what is stored of an account as the simulator has it. """
        return [
            (e.psp_reference, e.entry_type, round(e.amount * 100), round(e.balance_after * 100))
            for e in self.env['vipps.settlement.entry'].search([
                ('topic', '=', topic), ('source', '!=', 'own'),
            ], order='ledger_id, ledger_date, sequence, id')
        ]

    def _get_stated(self, topic='funds'):
        """ Return the entries of an account at the simulator. """
        return [
            (e['pspReference'], e['entryType'], e['amount'], e['balanceAfter'])
            for e in self.settlement.entries(NOK_UNIT.msn, topic)
        ]

    def _check_books(self, ledger):
        """ Check that all is stored, and that the account has the balance that is stated. """
        for topic in ('funds', 'fees'):
            self.assertEqual(
                self._read(topic), self._get_stated(topic), ledger._list_problems()
            )
        self.assertFalse(ledger._list_problems())
        self.assertFalse(self._get_entries().filtered(lambda entry: entry.state == 'new'))
        self.assertEqual(round(ledger.book_balance * 100), self._get_stated()[-1][3])
        self._check_payouts()

    def _check_payouts(self):
        """ Check that each payout has all entries since the one before it, and a statement of
        them. """
        expected, later = {}, self.env['vipps.settlement.entry']
        for ledger in self.env['vipps.settlement.ledger'].search([]):
            entries = later.browse()
            for entry in self._get_entries().filtered(lambda e, its=ledger: e.ledger_id == its):
                entries |= entry
                if entry.entry_type == 'payout-scheduled':
                    expected[entry], entries = entries, entries.browse()
            later |= entries
        payouts = self.env['vipps.settlement.payout'].search([])
        self.assertEqual({payout.entry_id: payout.entry_ids for payout in payouts}, expected)
        self.assertFalse(later.payout_id)
        for payout in payouts:
            statement = payout.statement_id
            self.assertEqual(statement.line_ids, payout.entry_ids.statement_line_id)
            self.assertTrue(statement.is_complete, payout.number)
            self.assertTrue(statement.is_valid, payout.number)

    def _count_asked(self, operation='report_feed'):
        return len(self._get_calls(operation))
