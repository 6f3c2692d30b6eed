from urllib.parse import urlencode

from ..sales_units import NOK_UNIT
from .common import SimulatorCase

COLUMNS = ('entryType', 'amount', 'balanceBefore', 'balanceAfter')


class ReportCase(SimulatorCase):

    def setUp(self):
        super().setUp()
        self.settlement = self.simulator.settlement
        self.msn = NOK_UNIT.msn
        self.ledger_id = f'9{self.msn}'

    def configure(self, **settings):
        return self.settlement.configure(self.msn, **settings)

    def sell(self, *amounts, merchant=None):
        """Capture amounts of a payment one after the other; returns its reference."""
        merchant = merchant or self.merchant
        reference = merchant.authorized(
            amount={'currency': merchant.unit.currency, 'value': max(sum(amounts), 100)}
        )
        for amount in amounts:
            self.assertEqual(merchant.modify('capture', reference, amount).status_code, 200)
        return reference

    def read(self, place, topic='funds', merchant=None, ledger_id=None, **query):
        merchant = merchant or self.merchant
        ledger_id = ledger_id or f'9{merchant.unit.msn}'
        path = f'/report/v2/ledgers/{ledger_id}/{topic}/{place}'
        return merchant.call('GET', f'{path}?{urlencode(query)}')

    def feed(self, topic='funds', **query):
        return self.read('feed', topic, **query).json()

    def read_all(self, topic='funds', merchant=None):
        """Return all entries of the feed."""
        entries, page, query = [], {'tryLater': False}, {}
        while not page['tryLater']:
            page = self.read('feed', topic, merchant, **query).json()
            entries += page['items']
            query = {'cursor': page['cursor']}
        return entries

    def rows(self, topic='funds', merchant=None):
        return [tuple(e[name] for name in COLUMNS) for e in self.read_all(topic, merchant)]

    def types(self, topic='funds'):
        return [(entry['entryType'], entry['amount']) for entry in self.read_all(topic)]

    def today(self):
        return self.settlement.find(self.msn).open_date
