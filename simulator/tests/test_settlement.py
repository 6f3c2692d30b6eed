import csv
import io
import json
from datetime import date, datetime, timezone
from pathlib import Path

from ..ledger import Ledger
from ..sales_units import DKK_UNIT, EUR_UNIT, NOK_UNIT
from .common import Merchant
from .report_common import ReportCase

DAY = json.loads(
    (Path(__file__).parents[2] / 'protocol' / 'tests' / 'worked_day.json').read_text()
)


class TestWorkedDay(ReportCase):

    def setUp(self):
        super().setUp()
        self.simulator.set_unit(
            DAY['msn'], name="Worked Day", currency='NOK', client_id='worked', client_secret='day',
            subscription_key='worked-day-1', secondary_subscription_key='worked-day-2',
        )
        self.shop = self.as_merchant(self.simulator._world.units[DAY['msn']])
        self.settlement.configure(
            DAY['msn'], ledger_id=DAY['ledgerId'], fee_rate=0, fee_fixed=DAY['fee'],
            payout_text='Vipps utbet. {number} Vippsnr {msn}',
            next_payout=int(DAY['payoutNumber']), open_date=DAY['ledgerDate'], automatic=False,
        )

    def read_day(self, topic):
        path = f"/report/v2/ledgers/{DAY['ledgerId']}/{topic}/dates/{DAY['ledgerDate']}"
        return self.shop.call('GET', path).json()

    def test_the_rules_give_the_official_day(self):
        shop = self.shop
        for reference, amount in (('purchase-12', 20000), ('purchase-14', 20000)):
            shop.authorized(reference=reference, amount={'currency': 'NOK', 'value': amount})
        for operation, reference, amount in (
            ('capture', 'purchase-12', 10000), ('capture', 'purchase-12', 10000),
            ('capture', 'purchase-14', 20000), ('refund', 'purchase-12', 10000),
        ):
            self.assertEqual(shop.modify(operation, reference, amount).status_code, 200)
        self.settlement.close(DAY['msn'])
        events = {
            event['pspReference']: event['name'] for reference in ('purchase-12', 'purchase-14')
            for event in self.simulator.payment(reference)['events']
        }
        names = {'capture': 'CAPTURED', 'refund': 'REFUNDED', 'capture-fee': 'CAPTURED'}
        for topic in ('funds', 'fees'):
            page = self.read_day(topic)
            self.assertFalse(page['tryLater'])
            self.assertEqual(len(page['items']), len(DAY[topic]))
            for entry, official in zip(page['items'], DAY[topic], strict=True):
                for name in official.keys() - {'pspReference', 'time'}:
                    self.assertEqual(entry[name], official[name], name)
                if entry['entryType'] in names:
                    self.assertEqual(events[entry['pspReference']], names[entry['entryType']])
                if entry['entryType'] == 'payout-scheduled':
                    self.assertEqual(entry['pspReference'], official['pspReference'])

    def test_the_official_day_can_be_added_by_hand(self):
        for topic in ('funds', 'fees'):
            for official in DAY[topic]:
                self.settlement.add_entry(
                    DAY['msn'], topic=topic, entryType=official['entryType'],
                    amount=official['amount'], changes=official,
                )
            self.assertEqual(self.read_day(topic)['items'], DAY[topic])


class TestEntries(ReportCase):

    def test_captures_and_refunds_have_the_references_of_their_events(self):
        reference = self.sell(10000, 14950)
        self.merchant.modify('refund', reference, 950)
        events = [e for e in self.simulator.payment(reference)['events']
                  if e['name'] in ('CAPTURED', 'REFUNDED')]
        entries = self.read_all()
        self.assertEqual([e['pspReference'] for e in entries], [e['pspReference'] for e in events])
        self.assertEqual(
            [(e['amount'], e['reference']) for e in entries],
            [(10000, reference), (14950, reference), (-950, reference)],
        )
        self.assertEqual({e['ledgerDate'] for e in entries}, {self.today().isoformat()})
        self.assertEqual(entries[0]['time'], events[0]['timestamp'])

    def test_operations_that_failed_are_no_entries(self):
        reference = self.merchant.authorized()
        self.simulator.fault('capture', 'failed', code='6260')
        self.merchant.modify('capture', reference, 100)
        self.merchant.cancel(reference)
        self.assertEqual(self.read_all(), [])

    def test_fees_have_the_reference_of_their_capture(self):
        self.configure(fee_rate=299, fee_fixed=100)
        self.sell(10000, 50)
        captures, fees = self.read_all(), self.read_all('fees')
        self.assertEqual([fee['amount'] for fee in fees], [-399, -101])
        self.assertEqual(
            [fee['pspReference'] for fee in fees], [entry['pspReference'] for entry in captures]
        )

    def test_the_close_of_a_day(self):
        self.configure(fee_rate=0, fee_fixed=100)
        self.sell(10000)
        day = self.today()
        payout, = self.settlement.close(self.msn)
        self.assertEqual(self.rows(), [
            ('capture', 10000, 0, 10000), ('fees-retained', -100, 10000, 9900),
            ('payout-scheduled', -9900, 9900, 0),
        ])
        self.assertEqual(self.rows('fees'), [
            ('capture-fee', -100, 0, -100), ('fees-retained', 100, -100, 0),
        ])
        retained, entry = self.read_all()[1:]
        self.assertEqual(retained['pspReference'], f'{self.ledger_id}-{day:%Y%m%d}')
        self.assertEqual((retained['reference'], retained['recipientHandle']), ('', None))
        self.assertEqual(entry['pspReference'], f'{self.ledger_id}-2000001')
        self.assertEqual(entry['reference'], f'Utb. 2000001 Vippsnr {self.msn}')
        self.assertEqual((payout['amount'], payout['number']), (9900, '2000001'))
        self.assertGreater(payout['bankDate'], day.isoformat())

    def test_a_day_ends_when_its_time_is_over(self):
        self.sell(10000)
        day = self.today()
        self.simulator.advance(24 * 3600)
        self.merchant = self.as_merchant(NOK_UNIT)
        self.assertEqual(self.types()[-1][0], 'payout-scheduled')
        self.sell(500)
        days = [entry['ledgerDate'] for entry in self.read_all()]
        self.assertEqual(days[:3], [day.isoformat()] * 3)
        self.assertGreater(days[3], days[2])

    def test_a_late_fee_counts_for_the_next_day(self):
        self.configure(fee_rate=0, fee_fixed=100, late_fees=True)
        self.sell(1000)
        self.settlement.close(self.msn)
        self.assertEqual(self.types(), [('capture', 1000), ('payout-scheduled', -1000)])
        self.sell(2000)
        self.settlement.close(self.msn, days=2)
        self.assertEqual(self.types()[2:], [
            ('capture', 2000), ('fees-retained', -100), ('payout-scheduled', -1900),
            ('fees-retained', -100),
        ])
        fee = self.read_all('fees')[0]
        self.assertGreater(fee['ledgerDate'], self.read_all()[0]['ledgerDate'])

    def test_a_negative_balance_is_carried_until_it_is_topped_up(self):
        self.configure(fee_rate=0, fee_fixed=0)
        reference = self.sell(1000)
        self.settlement.close(self.msn)
        self.merchant.modify('refund', reference, 1000)
        day = self.today()
        self.assertEqual(self.settlement.close(self.msn, days=3), [])
        self.assertTrue(self.read(f'dates/{day}').json()['tryLater'])
        self.settlement.add_entry(
            self.msn, topic='funds', entryType='top-up', amount=1000
        )
        self.settlement.close(self.msn)
        self.assertFalse(self.read(f'dates/{day}').json()['tryLater'])
        self.assertEqual(self.types()[-2:], [('refund', -1000), ('top-up', 1000)])

    def test_a_rolling_reserve_is_never_paid_out(self):
        self.configure(fee_rate=0, fee_fixed=0, reserve=300)
        self.sell(1000)
        self.settlement.close(self.msn)
        self.assertEqual(self.rows()[-1], ('payout-scheduled', -700, 1000, 300))

    def test_gross_settlement(self):
        self.configure(fee_rate=0, fee_fixed=100, gross=True, automatic=False,
                       open_date='2026-11-30')
        self.sell(1000)
        self.settlement.close(self.msn)
        self.assertEqual(self.types(), [('capture', 1000), ('payout-scheduled', -1000)])
        self.assertEqual(self.types('fees'), [('capture-fee', -100), ('fees-invoiced', 100)])

    def test_weekly_and_monthly_payouts(self):
        self.configure(automatic=False, open_date='2026-11-23', schedule='weekly')
        self.sell(1000)
        self.assertEqual(self.settlement.close(self.msn, days=6), [])
        self.assertTrue(self.read('dates/2026-11-23').json()['tryLater'])
        self.assertEqual(self.settlement.close(self.msn)[0]['ledgerDate'], '2026-11-29')
        self.assertFalse(self.read('dates/2026-11-23').json()['tryLater'])
        self.configure(schedule='monthly')
        self.sell(1000)
        self.assertEqual(self.settlement.close(self.msn)[0]['ledgerDate'], '2026-11-30')
        self.configure(schedule='never')
        self.sell(1000)
        self.assertEqual(self.settlement.close(self.msn, days=40), [])
        self.assertEqual(len(self.settlement.close(self.msn, payout=True)), 1)

    def test_a_payout_is_aborted(self):
        self.sell(1000)
        payout, = self.settlement.close(self.msn)
        self.assertTrue(self.settlement.abort_payout(self.msn, payout['number'])['aborted'])
        scheduled, aborted = self.read_all()[-2:]
        self.assertEqual(aborted['entryType'], 'payout-aborted')
        self.assertEqual(aborted['amount'], -scheduled['amount'])
        for number in (payout['number'], '1'):
            with self.assertRaises(ValueError):
                self.settlement.abort_payout(self.msn, number)
        self.assertEqual(len(self.settlement.close(self.msn)), 1)

    def test_disputes(self):
        reference = self.sell(1000, 2000)
        second = self.read_all()[1]
        with self.assertRaises(ValueError):
            self.settlement.dispute(self.msn, reference, won=True)
        psp_reference = second['pspReference']
        self.settlement.dispute(self.msn, reference, psp_reference=psp_reference)
        with self.assertRaises(ValueError):
            self.settlement.dispute(self.msn, reference, psp_reference=psp_reference)
        self.settlement.dispute(self.msn, reference, won=True, psp_reference=psp_reference)
        lost, won = self.read_all()[2:]
        self.assertEqual((lost['entryType'], lost['amount']), ('retained-disputed-capture', -2000))
        self.assertEqual((won['entryType'], won['amount']), ('returned-disputed-capture', 2000))
        for entry in (lost, won):
            self.assertEqual(entry['pspReference'], psp_reference)
            self.assertEqual(entry['reference'], reference)

    def test_entries_of_other_systems_and_of_any_kind(self):
        for topic, entry_type, amount, fields in (
            ('funds', 'capture', 500, {'reference': 'other-shop-1', 'pspReference': '77'}),
            ('funds', 'correction', -20, {'recipientHandle': None}),
            ('funds', 'loyalty-bonus', 0, {'changes': {'campaign': {'id': 1}}}),
            ('fees', 'service-fee', -9900, {}), ('fees', 'credit-note', 100, {}),
        ):
            entry = self.settlement.add_entry(
                self.msn, topic=topic, entryType=entry_type, amount=amount, **fields
            )
            self.assertEqual(self.read_all(topic)[-1], entry)
        foreign, correction, unknown = self.read_all()
        self.assertEqual((foreign['reference'], foreign['pspReference']), ('other-shop-1', '77'))
        self.assertIsNone(correction['recipientHandle'])
        self.assertEqual((unknown['amount'], unknown['campaign']), (0, {'id': 1}))
        self.settlement.close(self.msn)
        self.assertIn(('fees-retained', -9800), self.types())

    def test_fees_that_are_owed_back_raise_the_payout(self):
        self.settlement.add_entry(
            self.msn, topic='fees', entryType='credit-note', amount=500
        )
        payout, = self.settlement.close(self.msn)
        self.assertEqual(payout['amount'], 500)

    def test_other_markets(self):
        for unit, text in ((DKK_UNIT, '0200234567001'), (EUR_UNIT, '0200345678001')):
            merchant = self.as_merchant(unit)
            self.sell(1000, merchant=merchant)
            self.settlement.close(unit.msn)
            payout = self.read_all(merchant=merchant)[-1]
            self.assertEqual(payout['currency'], unit.currency)
            self.assertRegex(payout['reference'], rf'^{text}[0-9]{{7}}$')


class TestDates(ReportCase):

    def ledger(self, currency='NOK', cutoff='00:00'):
        return Ledger('1', ['1'], {}, currency, cutoff=cutoff)

    def test_dates_are_those_of_the_market_with_its_cutoff(self):
        for currency, cutoff, moment, expected in (
            ('NOK', '00:00', (2026, 1, 31, 22, 59), (2026, 1, 31)),
            ('NOK', '00:00', (2026, 1, 31, 23, 0), (2026, 2, 1)),
            ('NOK', '00:00', (2026, 7, 1, 21, 59), (2026, 7, 1)),
            ('NOK', '00:00', (2026, 7, 1, 22, 0), (2026, 7, 2)),
            ('DKK', '04:00', (2026, 1, 31, 2, 59), (2026, 1, 30)),
            ('DKK', '04:00', (2026, 1, 31, 3, 0), (2026, 1, 31)),
            ('EUR', '00:00', (2026, 1, 31, 21, 59), (2026, 1, 31)),
            ('EUR', '00:00', (2026, 1, 31, 22, 0), (2026, 2, 1)),
            # The clocks change on these Sundays.
            ('NOK', '00:00', (2026, 3, 28, 23, 0), (2026, 3, 29)),
            ('NOK', '00:00', (2026, 3, 29, 21, 59), (2026, 3, 29)),
            ('NOK', '00:00', (2026, 3, 29, 22, 0), (2026, 3, 30)),
            ('NOK', '00:00', (2026, 10, 25, 22, 59), (2026, 10, 25)),
            ('NOK', '00:00', (2026, 10, 25, 23, 0), (2026, 10, 26)),
        ):
            with self.subTest(currency=currency, cutoff=cutoff, moment=moment):
                moment = datetime(*moment, tzinfo=timezone.utc).timestamp()
                ledger, expected = self.ledger(currency, cutoff), date(*expected)
                self.assertEqual(ledger.date_of(moment), expected)
                self.assertGreater(ledger.end_of(expected), moment)

    def test_the_end_of_a_date_is_the_beginning_of_the_next(self):
        for day in (date(2026, 1, 1), date(2026, 3, 28), date(2026, 3, 29), date(2026, 7, 1),
                    date(2026, 10, 24), date(2026, 10, 25)):
            for currency in ('NOK', 'EUR'):
                for cutoff in ('00:00', '04:00'):
                    ledger = self.ledger(currency, cutoff)
                    end = ledger.end_of(day)
                    self.assertEqual(ledger.date_of(end - 1), day)
                    self.assertGreater(ledger.date_of(end), day)


class TestSettlementControl(ReportCase):

    def control(self, method, path, body=None, status=200):
        answer = self.merchant.session.request(
            method, f'{self.simulator.url}/control/settlements{path}', json=body, timeout=10
        )
        self.assertEqual(answer.status_code, status, answer.text)
        return answer.json()

    def test_a_day(self):
        path = f'/{self.msn}'
        self.control('POST', path, {'cutoff': '04:00', 'fee_rate': 0, 'fee_fixed': 100})
        reference = self.sell(1000)
        ledger, = self.control('GET', path)['ledgers']
        self.assertEqual(ledger['balances'], {'funds': 1000, 'fees': -100})
        self.assertEqual((ledger['cutoff'], ledger['schedule']), ('04:00', 'daily'))
        payout, = self.control('POST', f'{path}/close', {'days': 2})['payouts']
        self.assertEqual(payout['amount'], 900)
        self.control('POST', f"{path}/payouts/{payout['number']}/abort")
        self.control('POST', f'{path}/disputes', {'reference': reference})
        self.control('POST', f'{path}/disputes', {'reference': reference, 'won': True})
        self.control('POST', f'{path}/entries', {'entries': [
            {'topic': 'funds', 'entryType': 'correction', 'amount': 5, 'reference': 'x'},
        ]})
        entries = self.control('GET', f'{path}/funds')['entries']
        self.assertEqual(entries, self.read_all())
        self.assertEqual([entry['entryType'] for entry in entries[3:]], [
            'payout-aborted', 'retained-disputed-capture', 'returned-disputed-capture',
            'correction',
        ])
        self.assertEqual(len(self.control('GET', f'{path}/fees')['entries']), 2)
        self.control('POST', f'{path}/ledgers', {'ledger_id': '7'})
        self.assertEqual(len(self.control('GET', path)['ledgers']), 2)

    def test_the_file_of_the_portal(self):
        path = f'/{self.msn}'
        self.control('POST', path, {
            'fee_rate': 175, 'fee_fixed': 0, 'automatic': False, 'open_date': '2026-03-23',
        })
        reference = self.sell(270000)
        self.merchant.modify('refund', reference, 5)
        self.settlement.close(self.msn)
        self.sell(100)
        for language, labels, types in (
            ('nb', ("Salgssted", "Beløp", "Planlagt utbetalingsdato"),
             ["Belastning", "Refusjon", "Gebyrer fratrukket", "Utbetaling planlagt", "Belastning"]),
            ('en', ("Sales unit", "Amount", "Scheduled payout date"),
             ["Capture", "Refund", "Fees retained", "Payout scheduled", "Capture"]),
        ):
            text = self.control('GET', f'{path}/file?language={language}')['csv']
            head, *rows = csv.reader(io.StringIO(text, newline=''))
            self.assertEqual((head[0], head[7], head[-1]), labels)
            self.assertEqual([row[6] for row in rows], types)
            self.assertEqual([row[7:12] for row in rows[:4]], [
                ['2700.00', '2700.00', '-47.25', '2652.75', 'NOK'],
                ['-0.05', '2699.95', '', '', 'NOK'],
                ['-47.25', '2652.70', '', '', 'NOK'],
                ['-2652.70', '0.00', '', '', 'NOK'],
            ])
            self.assertEqual([row[18] for row in rows], ['2000001'] * 4 + [''])
            self.assertEqual([row[-1] for row in rows], ['2026-03-25'] * 4 + [''])
            self.assertEqual([row[16] for row in rows], [
                entry['pspReference'] for entry in self.read_all()
            ])
            self.assertEqual({row[5] for row in rows[:4]}, {'2026-03-23'})
            self.assertEqual(rows[3][4], '2026-03-24 00:10:00')
        self.control('GET', f'{path}/file?language=da', status=400)

    def test_the_switch(self):
        self.control('POST', '', {'available': False})
        self.assertEqual(self.read('feed').status_code, 404)
        self.control('POST', '', {'available': True, 'ledgers_page_size': 1})
        self.assertEqual(self.read('feed').status_code, 200)

    def test_wrong_requests_are_refused(self):
        path = f'/{self.msn}'
        self.sell(100)
        for place, body in (
            ('', {'available': 1}), ('', {'more': 1}), ('', {'ledgers_page_size': 0}),
            ('/1', {}), ('/1/close', {}), (path, {'cutoff': '4'}), (path, {'schedule': 'hourly'}),
            (path, {'page_size': 0}), (path, {'page_size': True}), (path, {'more': 1}),
            (path, {'open_date': '2026-11-01'}), (path, {'msns': ['1']}), (path, {'msns': []}),
            (f'{path}/close', {'days': 0}), (f'{path}/close', {'payout': 'yes'}),
            (f'{path}/close', {'more': 1}), (f'{path}/entries', {}),
            (f'{path}/entries', {'entries': [{'topic': 'x', 'entryType': 'x', 'amount': 1}]}),
            (f'{path}/entries', {'entries': [{'topic': 'funds', 'entryType': 'x', 'amount': 1.5}]}),
            (f'{path}/entries', {'entries': [{'topic': 'funds'}]}),
            (f'{path}/payouts/1/abort', {}), (f'{path}/disputes', {'reference': 'x'}),
            (f'{path}/ledgers', {}), (f'{path}/ledgers', {'ledger_id': self.ledger_id}),
        ):
            with self.subTest(place=place, body=body):
                self.assertIn('error', self.control('POST', place, body, status=400))

    def test_a_reset_forgets_all(self):
        self.sell(100)
        self.simulator.reset()
        self.merchant = Merchant(self.simulator)
        self.addCleanup(self.merchant.session.close)
        self.assertEqual(self.read_all(), [])
