import requests

from ..problems import Problem
from ..sales_units import DKK_UNIT, NOK_UNIT
from .report_common import ReportCase


class TestLedgers(ReportCase):

    def ledgers(self, merchant=None, **query):
        path = '/settlement/v1/ledgers?' + '&'.join(f'{k}={v}' for k, v in query.items())
        return (merchant or self.merchant).call('GET', path)

    def test_the_ledger_of_a_sales_unit(self):
        answer = self.ledgers(settlesForRecipientHandles=f'api:{self.msn}').json()
        ledger, = answer['items']
        self.assertEqual(answer['cursor'], '')
        self.assertEqual((ledger['ledgerId'], ledger['currency']), (self.ledger_id, 'NOK'))
        self.assertEqual(ledger['settlesForRecipientHandles'], [f'api:{self.msn}'])
        self.assertEqual(ledger['salesUnits'], [
            {'name': NOK_UNIT.name, 'recipientHandle': f'api:{self.msn}'},
        ])

    def test_other_handles_find_nothing(self):
        for handle in (f'api:{DKK_UNIT.msn}', f'NO:{self.msn}'):
            self.assertEqual(self.ledgers(settlesForRecipientHandles=handle).json()['items'], [])
        self.assertEqual(self.ledgers(settlesForRecipientHandles='x').status_code, 400)

    def test_each_merchant_has_its_own(self):
        self.sell(100)
        danish = self.as_merchant(DKK_UNIT)
        ledger, = self.ledgers(danish).json()['items']
        self.assertEqual(ledger['currency'], 'DKK')
        answer = self.read('feed', merchant=danish, ledger_id=self.ledger_id)
        self.assertEqual((answer.status_code, answer.json()['detail']), (404, "No such ledgerId"))

    def test_pages_of_ledgers(self):
        self.settlement.find(self.msn)
        self.settlement.add_ledger(self.msn, '7000')
        self.settlement.ledgers_page_size = 1
        first = self.ledgers(settlesForRecipientHandles=f'api:{self.msn}').json()
        second = self.ledgers(cursor=first['cursor']).json()
        ids = [page['items'][0]['ledgerId'] for page in (first, second)]
        self.assertEqual((ids, second['cursor']), ([self.ledger_id, '7000'], ''))
        self.assertEqual(self.ledgers(cursor='x').status_code, 400)

    def test_old_entries_stay_when_a_sales_unit_gets_a_new_ledger(self):
        self.sell(100)
        self.settlement.add_ledger(self.msn, '7000')
        self.sell(200)
        for ledger_id, amount in ((self.ledger_id, 100), ('7000', 200)):
            items = self.read('feed', ledger_id=ledger_id).json()['items']
            self.assertEqual([entry['amount'] for entry in items], [amount])

    def test_no_access(self):
        self.configure(access=False)
        self.assertEqual(self.ledgers().json()['items'], [])
        answer = self.read('feed')
        self.assertEqual(answer.status_code, 404)
        self.assertEqual(answer.headers['Content-Type'], 'application/problem+json')

    def test_the_real_test_environment_has_no_such_api(self):
        self.settlement.is_available = False
        for answer in (self.ledgers(), self.read('feed'), self.read('dates/2026-11-01')):
            self.assertEqual(answer.status_code, 404)
            self.assertEqual(answer.json(), {'statusCode': 404, 'message': "Resource not found"})

    def test_a_joint_ledger(self):
        other = dict(name="Other", currency='NOK', client_id='o', client_secret='o',
                     subscription_key='o1', secondary_subscription_key='o2')
        self.simulator.set_unit('999999', **other)
        self.configure(msns=[self.msn, '999999'])
        self.sell(100)
        self.sell(200, merchant=self.as_merchant(self.simulator._world.units['999999']))
        handles = [entry['recipientHandle'] for entry in self.read_all()]
        self.assertEqual(handles, [f'api:{self.msn}', 'api:999999'])

    def test_keys_are_checked(self):
        path = '/settlement/v1/ledgers'
        for header in ('Authorization', 'Ocp_Apim_Subscription_Key'):
            self.assertEqual(self.merchant.call('GET', path, **{header: None}).status_code, 401)


class TestPaging(ReportCase):

    def setUp(self):
        super().setUp()
        self.configure(page_size=2, fee_rate=0, fee_fixed=0)

    def amounts(self, page):
        return [entry['amount'] for entry in page['items']]

    def test_the_feed(self):
        empty = self.feed()
        self.assertEqual(empty.keys(), {'items', 'cursor', 'tryLater'})
        self.assertEqual((empty['items'], empty['tryLater']), ([], True))
        self.sell(1, 2, 3, 4)
        pages = [self.feed(cursor=empty['cursor'])]
        for _page in range(3):
            pages.append(self.feed(cursor=pages[-1]['cursor']))
        self.assertEqual([self.amounts(page) for page in pages], [[1, 2], [3, 4], [], []])
        self.assertEqual([page['tryLater'] for page in pages], [False, False, True, True])
        self.assertEqual(pages[2]['cursor'], pages[3]['cursor'])
        self.sell(5)
        page = self.feed(cursor=pages[3]['cursor'])
        self.assertEqual((self.amounts(page), page['tryLater']), ([5], True))

    def test_a_date(self):
        self.sell(1, 2, 3, 4)
        day = self.today()
        first = self.read(f'dates/{day}').json()
        second = self.read(f'dates/{day}', cursor=first['cursor']).json()
        third = self.read(f'dates/{day}', cursor=second['cursor']).json()
        self.assertEqual(
            [self.amounts(page) for page in (first, second, third)], [[1, 2], [3, 4], []]
        )
        self.assertEqual(
            [(p['hasMore'], p['tryLater']) for p in (first, second, third)],
            [(True, True), (True, True), (False, True)],
        )
        self.assertNotIn('cursor', third)
        self.settlement.close(self.msn)
        self.assertFalse(self.read(f'dates/{day}').json()['tryLater'])

    def test_dates_that_are_closed_and_empty_and_those_to_come(self):
        page = self.read('dates/2020-01-01').json()
        self.assertEqual(page, {'items': [], 'hasMore': False, 'tryLater': False})
        self.assertTrue(self.read('dates/2099-01-01').json()['tryLater'])

    def test_the_size_of_a_page_is_in_a_header(self):
        for place in ('feed', 'dates/2026-11-01'):
            self.assertEqual(self.read(place).headers['Vipps-Feed-Page-Size'], '2')

    def test_wrong_requests_are_refused(self):
        self.sell(1, 2, 3)
        cursor = self.feed()['cursor']
        day = self.today()
        for answer in (
            self.read('feed', 'fees', cursor=cursor), self.read(f'dates/{day}', cursor=cursor),
            self.read('feed', cursor='x'), self.read('feed', cursor='bnVsbA=='),
            self.read('feed', 'money'), self.read('dates/2026-13-01'), self.read('dates/today'),
            self.read('feed', includeGDPRSensitiveData='true'),
        ):
            self.assertEqual(answer.status_code, 400, answer.text)
        self.assertEqual(self.read('feed', ledger_id='1').status_code, 404)


class TestFaults(ReportCase):

    def setUp(self):
        super().setUp()
        self.configure(page_size=2, fee_rate=0, fee_fixed=0)
        self.sell(1, 2, 3, 4, 5)

    def amounts(self, **query):
        return [entry['amount'] for entry in self.feed(**query)['items']]

    def test_an_error_in_the_middle_of_the_pages(self):
        self.simulator.fault('report_feed', 'status', status=500, after=1)
        cursor = self.feed()['cursor']
        self.assertEqual(self.read('feed', cursor=cursor).status_code, 500)
        self.assertEqual(self.amounts(cursor=cursor), [3, 4])
        self.simulator.fault('report_feed', 'status', status=429, retry_after=60)
        self.assertEqual(self.read('feed').headers['Retry-After'], '60')
        self.simulator.fault('ledgers', 'status', status=500)
        self.assertEqual(self.merchant.call('GET', '/settlement/v1/ledgers').status_code, 500)

    def test_a_page_is_delivered_twice(self):
        first = self.feed()
        self.simulator.fault('report_feed', 'stale')
        self.assertEqual(self.feed(cursor=first['cursor']), first)
        self.assertEqual(self.amounts(cursor=first['cursor']), [3, 4])

    def test_a_page_is_cut_off(self):
        self.simulator.fault('report_feed', 'truncated')
        with self.assertRaises((requests.RequestException, ValueError)):
            self.feed()
        self.assertEqual(self.amounts(), [1, 2])

    def test_wrong_pages(self):
        for kind, fields, expected in (
            ('skipped', {}, [2]), ('shuffled', {}, [2, 1]), ('tampered', {}, [2, 2]),
            ('tampered', {'value': -7}, [-7, 2]),
        ):
            with self.subTest(kind=kind, **fields):
                self.simulator.fault('report_feed', kind, **fields)
                self.assertEqual(self.amounts(), expected)
                self.assertEqual(self.amounts(), [1, 2])
        self.simulator.fault('report_feed', 'tampered', currency='EUR')
        self.assertEqual({entry['currency'] for entry in self.feed()['items']}, {'EUR'})
        self.simulator.fault('report_feed', 'edited', changes={'cursor': None})
        self.assertNotIn('cursor', self.feed())
        self.simulator.fault('report_date', 'edited', changes={'hasMore': None})
        self.assertNotIn('hasMore', self.read(f'dates/{self.today()}').json())

    def test_after_is_checked(self):
        for wrong in (-1, 'x', True):
            with self.assertRaises(Problem):
                self.simulator.fault('get', 'lost', after=wrong)
