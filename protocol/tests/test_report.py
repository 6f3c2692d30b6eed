import json
import unittest
from datetime import date, datetime
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from .. import errors, report
from ..access_token import Credentials, TokenCache
from ..apis import VippsClient
from ..errors import UnreadableAnswer
from ..report import Entry, Identifier, Ledger, Page
from .server import CUT, Server
from .test_payment import JSON

# The day that Vipps MobilePay's documentation shows, as it was first published; the wrong sign and
# the missing dates of that are corrected.
# https://developer.vippsmobilepay.com/docs/APIs/report-api/overview/
DAY = json.loads((Path(__file__).parent / 'worked_day.json').read_text())
LEDGER = {
    'ledgerId': '12345', 'currency': 'NOK',
    'payoutBankAccount': {'scheme': 'BBAN:NO', 'id': '86011117947'},
    'owner': {'scheme': 'business:NO:ORG', 'id': '987654321'},
    'settlesForRecipientHandles': ['api:57860'],
    'salesUnits': [{'name': "Test Shop", 'recipientHandle': 'api:57860'}],
}
CAPTURE = DAY['funds'][0]
FEED = {'items': [CAPTURE], 'cursor': 'c1', 'tryLater': False}
DATE = {'items': [CAPTURE], 'hasMore': False, 'tryLater': False}


def entries(topic):
    return [Entry.parse(item) for item in DAY[topic]]


class TestEntry(unittest.TestCase):

    def test_all_fields(self):
        entry = Entry.parse(CAPTURE)
        self.assertEqual(entry, Entry(
            psp_reference='3343121302', entry_type='capture',
            time=datetime(2022, 10, 1, 8, 12, 4), ledger_date=date(2022, 10, 1),
            reference='purchase-12', currency='NOK', amount=10000, balance_before=0,
            balance_after=10000, recipient_handle='api:57860', raw=CAPTURE,
        ))

    def test_the_time_of_old_data_has_an_offset(self):
        retained = entries('funds')[4]
        self.assertEqual(retained.time, datetime(2022, 10, 1, 22))
        self.assertEqual(retained.ledger_date, date(2022, 10, 1))

    def test_fields_that_may_be_missing(self):
        for missing in (None, 'left out'):
            for name, attribute, empty in (
                ('ledgerDate', 'ledger_date', None), ('recipientHandle', 'recipient_handle', None),
                ('reference', 'reference', ''),
            ):
                with self.subTest(name=name, missing=missing):
                    data = {**CAPTURE, name: None}
                    if missing:
                        del data[name]
                    self.assertEqual(getattr(Entry.parse(data), attribute), empty)

    def test_types_that_are_not_known_are_kept_and_old_names_are_replaced(self):
        for name, expected in (
            ('loyalty-bonus', 'loyalty-bonus'), ('scheduled-for-payout', 'payout-scheduled'),
        ):
            entry = Entry.parse({**CAPTURE, 'entryType': name})
            self.assertEqual((entry.entry_type, entry.raw['entryType']), (expected, name))

    def test_an_amount_of_zero_is_legal(self):
        entry = Entry.parse({**CAPTURE, 'amount': 0, 'balanceAfter': 0})
        self.assertEqual(entry.amount, 0)

    def test_balances_may_be_larger_than_any_payment(self):
        self.assertEqual(Entry.parse({**CAPTURE, 'balanceAfter': 2**40}).balance_after, 2**40)

    def test_fields_that_are_not_known_are_kept_but_no_personal_ones(self):
        entry = Entry.parse({
            **CAPTURE, 'channel': {'id': 7, 'name': "Kari", 'of': [1.5, True, None]},
            'message': "For Kari", 'name': "Kari Nordmann", 'maskedPhoneNo': 'xxxx4321',
            'maskedphoneNo': 'xxxx4321',
        })
        self.assertEqual(entry.raw, {**CAPTURE, 'channel': {'id': 7, 'of': [1.5, True, None]}})
        self.assertNotIn('Kari', repr(entry))

    def test_what_is_kept_can_be_stored(self):
        deep = []
        for _level in range(900):
            deep = [deep]
        entry = Entry.parse({
            **CAPTURE, 'new': ['a\0b', '\ud800c', float('inf'), float('nan')], 'a\0': 1,
            'deep': deep,
        })
        self.assertEqual(entry.raw['new'], ['ab', 'c', None, None])
        self.assertEqual(entry.raw['a'], 1)
        self.assertLess(len(json.dumps(entry.raw['deep'])), 20)

    def test_the_text_of_others_is_cleaned_and_not_refused(self):
        for text, expected in (
            ('a\nb\xa0c', 'a b c'), ('x' * 300, 'x' * 255), (' \0 ', ''), ('Ærlig – 1',) * 2,
        ):
            self.assertEqual(Entry.parse({**CAPTURE, 'reference': text}).reference, expected)

    def test_a_broken_entry_is_refused(self):
        for name, values in {
            'pspReference': (None, '', 7, 'a\0', 'x' * 256),
            'entryType': (None, '', 1, []),
            'time': (None, '', 'now', 1664611924, '2022-10-01T08:12:04'),
            'ledgerDate': ('', '2022-13-01', '2022-02-30', '20221001', 20221001, True),
            'reference': (7, [], False),
            'currency': (None, '', 'nok', 'NOKK', 578),
            'amount': (None, '100', 100.0, 1e3, True, 2**60),
            'balanceBefore': (None, '0', 0.0, False),
            'balanceAfter': (None, '0', 0.0, False),
            'recipientHandle': ('', 57860, []),
        }.items():
            for value in values:
                with self.subTest(name=name, value=value), self.assertRaises(UnreadableAnswer):
                    Entry.parse({**CAPTURE, name: value})

    @given(JSON)
    def test_any_other_json_is_refused(self, data):
        for parse in (
            Entry.parse, Ledger.parse, report.parse_feed_page, report.parse_date_page,
        ):
            with self.assertRaises(UnreadableAnswer):
                parse(data)

    @given(st.dictionaries(st.text(), JSON))
    def test_any_other_field_is_kept_or_left_out(self, more):
        entry = Entry.parse({**more, **CAPTURE})
        text = json.dumps(entry.raw, ensure_ascii=False)
        text.encode()
        self.assertNotIn('\0', text)
        json.loads(text, parse_constant=self.fail)


class TestPages(unittest.TestCase):

    def test_a_feed_goes_on_until_it_says_later(self):
        page = report.parse_feed_page(FEED)
        self.assertEqual(page, Page((Entry.parse(CAPTURE),), 'c1', has_more=True, is_open=True))
        for items in ([CAPTURE], []):
            page = report.parse_feed_page({'items': items, 'cursor': 'c2', 'tryLater': True}, 'c1')
            self.assertEqual((page.cursor, page.has_more, page.is_open), ('c2', False, True))
            self.assertFalse(page.is_complete)

    def test_a_feed_with_an_empty_page_in_its_middle_goes_on(self):
        self.assertTrue(report.parse_feed_page({**FEED, 'items': []}, 'c0').has_more)

    def test_a_feed_that_stays_where_it_is_has_no_more(self):
        self.assertFalse(report.parse_feed_page({**FEED, 'items': []}, 'c1').has_more)
        without = {'items': [], 'cursor': 'c1'}
        self.assertFalse(report.parse_feed_page(without, 'c1').has_more)

    def test_a_page_that_comes_twice_is_no_end(self):
        self.assertTrue(report.parse_feed_page(FEED, 'c1').has_more)

    def test_a_feed_without_a_cursor_is_broken(self):
        for cursor in (None, '', 7, 'a\0'):
            with self.subTest(cursor=cursor), self.assertRaises(UnreadableAnswer):
                report.parse_feed_page({**FEED, 'cursor': cursor})

    def test_a_feed_has_no_say_on_more(self):
        page = report.parse_feed_page({**FEED, 'hasMore': False})
        self.assertTrue(page.has_more)

    def test_the_four_states_of_a_date(self):
        for more, later, complete in (
            (True, True, False), (True, False, False), (False, True, False), (False, False, True),
        ):
            with self.subTest(more=more, later=later):
                data = {**DATE, 'hasMore': more, 'tryLater': later}
                page = report.parse_date_page({**data, 'cursor': 'c1'} if more else data)
                self.assertEqual((page.has_more, page.is_open), (more, later))
                self.assertEqual(page.cursor, 'c1' if more else None)
                self.assertEqual(page.is_complete, complete)

    def test_a_date_that_is_closed_and_empty(self):
        page = report.parse_date_page({'items': [], 'hasMore': False, 'tryLater': False})
        self.assertEqual(page, Page((), None, has_more=False, is_open=False))
        self.assertTrue(page.is_complete)

    def test_a_cursor_of_the_last_page_of_a_date_leads_nowhere(self):
        self.assertIsNone(report.parse_date_page({**DATE, 'cursor': 'c1'}).cursor)

    def test_broken_pages_are_refused(self):
        date_with_more = {**DATE, 'hasMore': True}
        for data in (
            date_with_more, {**date_with_more, 'cursor': ''}, {**DATE, 'hasMore': None},
            {**DATE, 'hasMore': 'false'}, {**DATE, 'tryLater': 'true'}, {**DATE, 'items': None},
            {**DATE, 'items': {}}, {**DATE, 'items': [CAPTURE, None]}, [], None,
        ):
            with self.subTest(data=data), self.assertRaises(UnreadableAnswer):
                report.parse_date_page(data)
        for data in (
            {**FEED, 'tryLater': 'true'}, {**FEED, 'tryLater': 1}, {**FEED, 'items': None}, [],
        ):
            with self.subTest(data=data), self.assertRaises(UnreadableAnswer):
                report.parse_feed_page(data)

    def test_the_error_says_where_a_page_is_broken(self):
        items = [CAPTURE, {**CAPTURE, 'amount': '1', 'reference': 'secret'}]
        with self.assertRaises(UnreadableAnswer) as caught:
            report.parse_feed_page({**FEED, 'items': items})
        self.assertIn('no amount in an entry, number 2 of the page', str(caught.exception))
        self.assertNotIn('secret', str(caught.exception))


class TestWorkedDay(unittest.TestCase):

    def test_the_balances_fit_together(self):
        for topic in report.TOPICS:
            balance = 0
            for entry in entries(topic):
                self.assertEqual(entry.balance_before, balance)
                balance += entry.amount
                self.assertEqual(entry.balance_after, balance)
            self.assertEqual(balance, 0)

    def test_the_payout_is_the_captures_less_the_refund_and_the_fees(self):
        sums = {}
        for topic in report.TOPICS:
            for entry in entries(topic):
                key = topic, entry.entry_type
                sums[key] = sums.get(key, 0) + entry.amount
        self.assertEqual(sums, {
            ('funds', 'capture'): 40000, ('funds', 'refund'): -10000,
            ('funds', 'fees-retained'): -1200, ('funds', 'payout-scheduled'): -28800,
            ('fees', 'capture-fee'): -1200, ('fees', 'fees-retained'): 1200,
        })

    def test_fees_are_found_by_the_reference_of_their_capture(self):
        captures = {
            entry.psp_reference for entry in entries('funds') if entry.entry_type == 'capture'
        }
        fees = {
            entry.psp_reference: entry.amount for entry in entries('fees')
            if entry.entry_type == 'capture-fee'
        }
        self.assertEqual(fees, dict.fromkeys(captures, -400))

    def test_the_number_of_the_payout(self):
        numbers = [
            entry.get_payout_number(DAY['ledgerId'])
            for topic in report.TOPICS for entry in entries(topic)
        ]
        # The retained fees have such a reference, too.
        self.assertEqual(list(filter(None, numbers)), [DAY['payoutNumber']])
        payout = entries('funds')[-1]
        self.assertEqual(report.parse_bank_text(payout.reference), ('2000023', '57860'))

    def test_all_types_are_known(self):
        known = {'funds': report.FUNDS_TYPES, 'fees': report.FEES_TYPES}
        for topic in report.TOPICS:
            self.assertLessEqual({entry.entry_type for entry in entries(topic)}, {*known[topic]})


class TestHelpers(unittest.TestCase):

    def test_numbers_of_payouts(self):
        for psp_reference, expected in (
            ('12345-2000023', '2000023'), ('12345-', None), ('12345', None), ('2000023', None),
            ('123456-2000023', None), ('12345-2000023-1', None), ('12345-２', None),
        ):
            with self.subTest(psp_reference):
                self.assertEqual(report.get_payout_number('12345', psp_reference), expected)
        self.assertEqual(report.get_payout_number('a-1', 'a-1-7'), '7')

    def test_texts_on_bank_statements(self):
        for text, expected in (
            ('Utb. 2000167 Vippsnr 548005', ('2000167', '548005')),
            ('Vipps utbet. 2000023 Vippsnr 57860', ('2000023', '57860')),
            ('Fra: VIPPS MOBILEPAY AS UTB. 2000167 VIPPSNR 548005 Betalt',
             ('2000167', '548005')),
            ('0200057860001021022C', None), ('Utb. x Vippsnr 1', None), ('', None), (None, None),
        ):
            with self.subTest(text):
                self.assertEqual(report.parse_bank_text(text), expected)

    def test_the_sentences_are_for_people(self):
        for sentence in (report.NO_ACCESS, report.NOT_HERE):
            self.assertTrue(sentence.endswith('.'))


class TestLedger(unittest.TestCase):

    def test_all_fields(self):
        ledger = Ledger.parse(LEDGER)
        self.assertEqual(ledger, Ledger(
            '12345', 'NOK', ('api:57860',), {'api:57860': "Test Shop"},
            Identifier('BBAN:NO', '86011117947'), Identifier('business:NO:ORG', '987654321'),
        ))
        self.assertNotIn('86011117947', repr(ledger))
        self.assertEqual(report.get_handle('57860'), 'api:57860')

    def test_fields_that_only_inform_do_not_matter(self):
        for name in ('salesUnits', 'payoutBankAccount', 'owner'):
            for value in (None, 7, [7], {'id': 7}, [{'name': '\0', 'recipientHandle': 'a'}]):
                with self.subTest(name=name, value=value):
                    self.assertEqual(Ledger.parse({**LEDGER, name: value}).ledger_id, '12345')

    def test_a_broken_ledger_is_refused(self):
        for name, values in {
            'ledgerId': (None, '', 12345), 'currency': (None, 'kr'),
            'settlesForRecipientHandles': (None, 'api:57860', [57860]),
        }.items():
            for value in values:
                with self.subTest(name=name, value=value), self.assertRaises(UnreadableAnswer):
                    Ledger.parse({**LEDGER, name: value})


class TestVippsClient(unittest.TestCase):

    def setUp(self):
        self.server = Server()
        self.addCleanup(self.server.close)
        self.pauses = []
        self.client = VippsClient(Credentials(
            base_url=self.server.url, client_id='id', client_secret='secret',
            subscription_key='the-key', merchant_serial_number='57860',
        ), {'Vipps-System-Name': 'odoo'}, tokens=TokenCache(), sleep=self.pauses.append)

    def prepare(self, *answers):
        self.server.requests.clear()
        self.server.answers = [
            answer if not isinstance(answer, dict) else (200, {}, json.dumps(answer).encode())
            for answer in answers
        ]

    def get_paths(self):
        return [request['path'] for request in self.server.requests]

    def test_ledgers_of_a_sales_unit(self):
        second = {**LEDGER, 'ledgerId': '12346'}
        self.prepare({'items': [LEDGER], 'cursor': 'a=/b'}, {'items': [second], 'cursor': ''})
        ledgers = self.client.get_ledgers('57860')
        self.assertEqual([ledger.ledger_id for ledger in ledgers], ['12345', '12346'])
        self.assertEqual(self.get_paths(), [
            '/settlement/v1/ledgers?settlesForRecipientHandles=api%3A57860',
            '/settlement/v1/ledgers?cursor=a%3D%2Fb',
        ])

    def test_pages_of_ledgers_that_do_not_end(self):
        self.prepare({'items': [LEDGER], 'cursor': 'a'})
        with self.assertRaises(UnreadableAnswer):
            self.client.get_ledgers('57860')
        self.assertEqual(len(self.server.requests), 2)

    def test_the_keys_go_with_every_request(self):
        self.prepare({'items': [LEDGER]})
        self.client.get_ledgers('57860')
        headers = self.server.requests[0]['headers']
        self.assertEqual(headers['authorization'], 'Bearer token-1')
        self.assertEqual(headers['ocp-apim-subscription-key'], 'the-key')
        self.assertEqual(headers['merchant-serial-number'], '57860')
        self.assertEqual(headers['vipps-system-name'], 'odoo')

    def test_paths_of_entries(self):
        self.prepare(FEED)
        self.client.read_feed('12345', 'funds')
        self.client.read_feed('1/2', 'fees', 'a=')
        self.assertEqual(self.get_paths(), [
            '/report/v2/ledgers/12345/funds/feed', '/report/v2/ledgers/1%2F2/fees/feed?cursor=a%3D',
        ])
        self.prepare(DATE)
        self.client.read_date('12345', 'funds', date(2022, 10, 1))
        self.client.read_date('12345', 'fees', date(2022, 10, 1), 'c1')
        self.assertEqual(self.get_paths(), [
            '/report/v2/ledgers/12345/funds/dates/2022-10-01',
            '/report/v2/ledgers/12345/fees/dates/2022-10-01?cursor=c1',
        ])

    def test_the_worked_day_in_pages(self):
        funds = DAY['funds']
        self.prepare(
            {'items': funds[:4], 'cursor': 'c1', 'hasMore': True, 'tryLater': False},
            {'items': funds[4:], 'hasMore': False, 'tryLater': False},
        )
        first = self.client.read_date('12345', 'funds', date(2022, 10, 1))
        second = self.client.read_date('12345', 'funds', date(2022, 10, 1), first.cursor)
        self.assertEqual([*first.entries, *second.entries], entries('funds'))
        self.assertTrue(second.is_complete)

    def test_no_ledger_is_no_access(self):
        self.prepare({'items': [], 'cursor': ''})
        with self.assertRaises(report.NoAccess) as caught:
            self.client.get_ledgers('57860')
        self.assertEqual(caught.exception.sentence, report.NO_ACCESS)
        self.assertFalse(caught.exception.retryable)

    def test_an_unknown_ledger_is_no_access(self):
        self.prepare((404, {}, b'{"title": "No such ledgerId", "status": 404}'))
        for read in (
            lambda: self.client.read_feed('1', 'funds'),
            lambda: self.client.read_date('1', 'funds', date(2022, 10, 1)),
        ):
            with self.assertRaises(report.NoAccess) as caught:
                read()
            self.assertEqual(caught.exception.status, 404)
            self.assertEqual(caught.exception.sentence, report.NO_ACCESS)

    def test_an_environment_without_the_api(self):
        self.prepare((404, {}, b'{"statusCode": 404, "message": "Resource not found"}'))
        with self.assertRaises(report.NotHere) as caught:
            self.client.get_ledgers('57860')
        self.assertEqual(caught.exception.sentence, report.NOT_HERE)
        self.assertEqual(len(self.server.requests), 1)

    def test_refusals_are_those_of_every_api(self):
        for status, body, kind in (
            (401, b'{"code": "Unauthorized", "message": "Please check your API keys"}',
             errors.Unauthorized),
            (403, b'{}', errors.Forbidden),
        ):
            with self.subTest(status=status):
                self.prepare((status, {}, body))
                with self.assertRaises(kind):
                    self.client.read_feed('12345', 'funds')

    def test_reading_is_repeated(self):
        error = b'{"errorCode": 100001, "errorMessage": "Oops", "contextId": "1"}'
        cut_off = json.dumps(FEED).encode()[:-40]
        for failure in ((500, {}, error), (503, {}, b''), CUT, (200, {}, cut_off)):
            with self.subTest(failure=failure):
                self.prepare(failure, failure, FEED)
                self.assertEqual(self.client.read_feed('12345', 'funds').cursor, 'c1')
                self.assertEqual(len(self.server.requests), 3)
        self.prepare((500, {}, error))
        with self.assertRaises(errors.NoAnswer):
            self.client.read_feed('12345', 'funds')

    def test_too_many_requests(self):
        self.prepare((429, {'Retry-After': '60'}, b''))
        with self.assertRaises(errors.NotNow) as caught:
            self.client.read_feed('12345', 'funds')
        self.assertEqual(caught.exception.retry_after, 60)
        self.prepare((429, {'Retry-After': '2'}, b''), FEED)
        self.client.read_feed('12345', 'funds')
        self.assertEqual(self.pauses, [2])
