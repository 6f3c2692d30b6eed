import functools
import types
import unittest

from simulator.sales_units import NOK_UNIT
from simulator.server import Simulator
from tools.stack import Stack
from tools.week import Week


class TestWeek(unittest.TestCase):
    """A simulator that was started anew, for a shop that has fetched entries from an earlier one.
    """

    def start(self):
        simulator = Simulator()
        simulator.start()
        self.addCleanup(simulator.close)
        return simulator

    def restore(self, entries):
        """Return a new simulator, with the entries that Odoo has."""
        simulator = self.start()
        stack = types.SimpleNamespace(
            simulator_url=simulator.url, rpc=lambda *arguments, **named: entries,
        )
        stack.control = functools.partial(Stack.control, stack)
        Week(stack).prepare()
        return simulator.settlement

    def test_the_simulator_goes_on_where_the_earlier_one_was(self):
        old = self.start().settlement
        old.configure(NOK_UNIT.msn, open_date='2026-11-02', automatic=False)
        for amount in (10000, 2500):
            old.add_entry(NOK_UNIT.msn, topic='funds', entryType='capture', amount=amount)
            old.add_entry(NOK_UNIT.msn, topic='fees', entryType='capture-fee', amount=-100)
            old.close(NOK_UNIT.msn)
        topics = ('funds', 'fees')
        entries = [
            {'topic': topic, 'raw': entry}
            for topic in topics for entry in old.entries(NOK_UNIT.msn, topic)
        ]
        new = self.restore(entries)
        for topic in topics:
            self.assertEqual(new.entries(NOK_UNIT.msn, topic), old.entries(NOK_UNIT.msn, topic))
        ledger, = new.describe(NOK_UNIT.msn)
        self.assertEqual(ledger['next_payout'], 2000003)
        self.assertEqual(ledger['balances'], {'funds': 0, 'fees': 0})
        self.assertTrue(ledger['automatic'])

    def test_a_day_that_is_not_over_stays_open(self):
        old = self.start().settlement
        old.add_entry(NOK_UNIT.msn, topic='funds', entryType='capture', amount=10000)
        old.close(NOK_UNIT.msn)
        capture = old.add_entry(NOK_UNIT.msn, topic='funds', entryType='capture', amount=500)
        new = self.restore([
            {'topic': 'funds', 'raw': entry} for entry in old.entries(NOK_UNIT.msn)
        ])
        ledger, = new.describe(NOK_UNIT.msn)
        self.assertEqual(ledger['open_date'], capture['ledgerDate'])
        self.assertEqual(ledger['balances']['funds'], 500)
