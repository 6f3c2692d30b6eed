import unittest

from hypothesis import given, settings
from hypothesis import strategies as st

from protocol import apis, errors, report
from protocol.access_token import Credentials, TokenCache
from simulator.sales_units import NOK_UNIT
from simulator.server import Simulator

SYSTEM = {
    'Vipps-System-Name': 'test', 'Vipps-System-Version': '17.0',
    'Vipps-System-Plugin-Name': 'test-plugin', 'Vipps-System-Plugin-Version': '1.0',
}
MSN = NOK_UNIT.msn
FAULTS = st.fixed_dictionaries({
    'kind': st.sampled_from(('lost', 'lost_answer', 'garbage', 'truncated', 'skipped', 'tampered',
                             'shuffled', 'status', 'late_status')),
    'after': st.integers(0, 6),
})


class TestSettlement(unittest.TestCase):
    """The client of the protocol reads the ledgers of the simulator."""

    @classmethod
    def setUpClass(cls):
        cls.simulator = Simulator(time_factor=0).start()
        cls.addClassCleanup(cls.simulator.close)

    def setUp(self):
        self.start()

    def start(self):
        self.simulator.reset()
        self.settlement = self.simulator.settlement
        self.settlement.configure(MSN, page_size=3)
        self.client = self.connect(max_attempts=3)

    def connect(self, **options):
        return apis.VippsClient(Credentials(
            self.simulator.url, NOK_UNIT.client_id, NOK_UNIT.client_secret,
            NOK_UNIT.subscription_key, MSN,
        ), SYSTEM, tokens=TokenCache(), sleep=lambda seconds: None, **options)

    def trade(self, days=2):
        """Let some days go by: captures with their fees, and refunds."""
        for day in range(days):
            for number in range(4):
                is_refund = number == 3
                self.settlement.add_entry(
                    MSN, topic='funds', entryType='refund' if is_refund else 'capture',
                    amount=-500 if is_refund else 10000, reference=f'order-{day}-{number}',
                )
            self.settlement.add_entry(MSN, topic='fees', entryType='capture-fee', amount=-399)
            self.settlement.close(MSN)

    def fetch(self, topic='funds', client=None):
        """Return the entries of a feed, read as a job does: what does not fit is read again."""
        client = client or self.client
        ledger, = self.client.get_ledgers(MSN)
        entries, cursor, tries, has_more = [], None, 0, True
        while has_more:
            tries += 1
            self.assertLess(tries, 50)
            try:
                page = client.read_feed(ledger.ledger_id, topic, cursor)
            except errors.NoAnswer:
                continue
            balance = entries[-1].balance_after if entries else 0
            if not self.fit_together(page.entries, balance):
                continue
            entries += page.entries
            cursor, has_more = page.cursor, page.has_more
        return entries

    def fit_together(self, entries, balance):
        """Return whether each entry begins with the balance that the one before it leaves."""
        for entry in entries:
            if entry.balance_before != balance:
                return False
            balance += entry.amount
            if entry.balance_after != balance:
                return False
        return True

    def as_made(self, topic='funds'):
        return [report.Entry.parse(entry) for entry in self.settlement.entries(MSN, topic)]

    def test_the_ledger(self):
        ledger, = self.client.get_ledgers(MSN)
        self.assertEqual(ledger.handles, (report.get_handle(MSN),))
        self.assertEqual(ledger.currency, 'NOK')

    def test_feed_and_dates_have_the_same_entries(self):
        self.trade()
        ledger, = self.client.get_ledgers(MSN)
        for topic in report.TOPICS:
            entries, by_date = self.fetch(topic), []
            self.assertEqual(entries, self.as_made(topic))
            for day in sorted({entry.ledger_date for entry in entries}):
                cursor, has_more = None, True
                while has_more:
                    page = self.client.read_date(ledger.ledger_id, topic, day, cursor)
                    by_date += page.entries
                    cursor, has_more = page.cursor, page.has_more
                self.assertTrue(page.is_complete)
            self.assertEqual(by_date, entries)

    def test_the_payouts_are_what_was_taken_less_the_fees(self):
        self.trade()
        payouts = [e for e in self.fetch() if e.entry_type == 'payout-scheduled']
        self.assertEqual([payout.amount for payout in payouts], [-29101, -29101])
        self.assertEqual(
            [payout.get_payout_number(f'9{MSN}') for payout in payouts], ['2000001', '2000002']
        )
        for payout in payouts:
            number = payout.get_payout_number(f'9{MSN}')
            self.assertEqual(report.parse_bank_text(payout.reference), (number, MSN))

    @settings(max_examples=25, deadline=None)
    @given(st.lists(FAULTS, max_size=4))
    def test_any_faults_end_in_the_same_entries(self, faults):
        self.start()
        self.trade()
        for fault in faults:
            status = {'status': 503} if 'status' in fault['kind'] else {}
            self.simulator.fault('report_feed', **fault, **status)
        self.assertEqual(self.fetch(client=self.connect(max_attempts=1)), self.as_made())

    def test_no_access_and_no_such_api(self):
        self.settlement.configure(MSN, access=False)
        for call in (
            lambda: self.client.get_ledgers(MSN), lambda: self.client.read_feed(f'9{MSN}', 'funds'),
        ):
            with self.assertRaises(report.NoAccess):
                call()
        self.settlement.is_available = False
        with self.assertRaises(report.NotHere):
            self.client.get_ledgers(MSN)
