# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import random
from datetime import date, datetime, timedelta

from odoo import fields
from odoo.exceptions import AccessError, UserError
from odoo.tests import tagged

from ...simulator.sales_units import NOK_UNIT
from .fetching_common import FetchingCommon


@tagged('post_install', '-at_install')
class TestDays(FetchingCommon):
    """ Days that are read again because a person asks for it. """

    def setUp(self):
        super().setUp()
        self._configure(page_size=3)
        self.first_day = self.today
        self.ledger = self._set_up(start_date=self.first_day)

    def _get_day(self, days):
        return self.first_day + timedelta(days=days)

    def test_a_day_before_the_feed_has_reached_it(self):
        self._add_days(3)
        for days in (1, 2, 0, 1):
            self.ledger._check_day(self._get_day(days))
        self._check_payouts_without_statements()
        self._settle()
        self._check_books(self.ledger)

    def _check_payouts_without_statements(self):
        payouts = self.env['vipps.settlement.payout'].search([], order='ledger_date')
        self.assertEqual([len(payout.entry_ids) for payout in payouts], [6, 6, 6])

    def test_a_part_of_an_open_day(self):
        self._post(1, 2)
        self.ledger._check_day(self.first_day)
        self._post(3, 4, 5)
        self._settle(days=1)
        self._check_books(self.ledger)

    def test_a_day_after_the_feed_has_passed_it(self):
        self._add_days(2)
        self._settle()
        lines = self.env['account.move.line'].search([])
        self.assertFalse(self.ledger._check_day(self.first_day))
        self._settle()
        self.assertEqual(self.env['account.move.line'].search([]), lines)
        self._check_books(self.ledger)

    def test_what_a_day_had_more_is_put_in_its_place(self):
        """ The middle of a day, which the account first seemed to lack. """
        self._post(1000, 2000, -500, 3000)
        stated = self._get_stated()
        entries = self.settlement.find(NOK_UNIT.msn).entries['funds']
        missing = entries[1:3]
        del entries[1:3]
        self._settle()
        self._press(self.ledger, 'action_go_on')
        self.assertFalse(self.ledger._list_problems())
        entries[1:1] = missing
        found = self.ledger._check_day(self.first_day)
        self.assertEqual(len(found), 2)
        self._run_settlement()
        # The difference that a person has booked is taken back by a person, too.
        self.assertEqual(len(self.ledger._list_problems()), 1)
        self._press(self.ledger, 'action_go_on')
        self.assertFalse(self.ledger._list_problems())
        self.assertEqual(self._get_entries('gap').mapped('amount'), [15, -15])
        self.assertEqual(sorted(self._read()), sorted(stated))
        self.assertEqual(self.ledger.book_balance, 55)

    def test_a_missing_entry_stops_the_books_until_it_is_found(self):
        self._post(1000, 2000, -500, 3000)
        self.ledger._store('funds', 'api', [
            values for position, values in enumerate(self._read_values()) if position != 1
        ])
        self.ledger.sudo().fetch_at = fields.Datetime.now() + timedelta(days=1)
        self._run_settlement()
        self.assertEqual(self._get_entries().mapped('state')[1:], ['new', 'new'])
        self.assertIn("Check a Day", self.ledger.booking_error)
        self.assertEqual(self.ledger._check_day(self.first_day).amount, 20)
        self._settle()
        self._check_books(self.ledger)

    def _read_values(self):
        return self.ledger._read_day('funds', self.first_day)

    def test_broken_days_are_not_stored(self):
        self._post(1000, 2000, -500, 3000, 500, -500, 800)
        for fault in (
            {'kind': 'skipped', 'after': 1}, {'kind': 'tampered', 'value': 1},
            {'kind': 'tampered', 'currency': 'DKK'}, {'kind': 'status', 'status': 404},
        ):
            self.simulator.fault('report_date', **fault)
            with self.subTest(fault), self.assertRaises(UserError), self.env.cr.savepoint():
                self.ledger._check_day(self.first_day)
            self.simulator.clear_faults()
            self.assertFalse(self._get_entries())
        for kind in ('stale', 'shuffled'):
            self.simulator.fault('report_date', kind, after=1)
        self.ledger._check_day(self.first_day)
        self.assertEqual(self._read(), self._get_stated())

    def test_a_page_that_comes_twice_is_stored_once(self):
        """ Although its balances would allow it. """
        self._configure(page_size=2)
        self._post(500, -500, 700)
        self.simulator.fault('report_date', 'stale', after=1)
        self.ledger._check_day(self.first_day)
        self.assertEqual(self._read(), self._get_stated())

    def test_days_before_the_first_one(self):
        with self.assertRaisesRegex(UserError, "The first day of the ledger"):
            self.ledger._check_day(self._get_day(-1))


@tagged('post_install', '-at_install')
class TestStoring(FetchingCommon):
    """ Entries in any order of arrival. """

    def setUp(self):
        super().setUp()
        self.ledger = self._set_up(start_date=date(2024, 1, 1))
        self.balances = {'funds': 0, 'fees': 0}

    def _prepare(self, topic, *amounts, day=1, **values):
        """ Return the values of entries that follow each other. """
        values_list = []
        for amount in amounts:
            before = self.balances[topic]
            self.balances[topic] += amount
            values_list.append({
                'psp_reference': f'{topic}-{day}-{before}-{amount}',
                'entry_type': 'capture' if amount > 0 else 'refund',
                'time': datetime(2024, 1, day, 12),
                'ledger_date': date(2024, 1, day),
                'amount': amount,
                'has_balance': True,
                'balance_before': before,
                'balance_after': self.balances[topic],
                **values,
            })
        return values_list

    def _prepare_month(self):
        """ Return days, some of which end with a payout. """
        days = []
        for day in range(1, 9):
            values_list = self._prepare('funds', 10, 20, -5, 10, 10, -10, day=day)
            if day % 3 == 0:
                [payout] = self._prepare('funds', -self.balances['funds'], day=day)
                payout.update(entry_type='payout-scheduled', payout_number=str(day))
                values_list.append(payout)
            days.append(values_list)
        return days

    def _get_result(self):
        entries = self.env['vipps.settlement.entry'].search(
            [('ledger_id', '=', self.ledger.id)], order='ledger_date, sequence'
        )
        return [
            (entry.psp_reference, entry.balance_after, entry.payout_id.number) for entry in entries
        ]

    def test_any_order_of_days_and_parts_of_days_ends_the_same(self):
        days = self._prepare_month()
        expected = [
            (values['psp_reference'], values['balance_after'],
             next((str(n) for n in (3, 6) if n >= values['ledger_date'].day), False))
            for values_list in days for values in values_list
        ]
        for seed in range(4):
            with self.subTest(seed=seed), self.env.cr.savepoint() as savepoint:
                chooser = random.Random(seed)
                parts = [part for values_list in days for part in (
                    values_list[:chooser.randrange(7)], values_list,
                )]
                chooser.shuffle(parts)
                if seed % 2:
                    for part in parts:
                        chooser.shuffle(part)
                for part in parts:
                    self.ledger._store('funds', 'api', part)
                self.assertEqual(
                    [(balance, number) for _psp, balance, number in self._get_result()],
                    [(balance, number) for _psp, balance, number in expected],
                )
                self.assertEqual(sorted(self._get_result()), sorted(expected))
                savepoint.rollback()
            self.env.invalidate_all()

    def test_fees_are_joined_in_any_order(self):
        captures = self._prepare('funds', 100, 200, 300)
        keys = [values['psp_reference'] for values in captures]
        fees = [
            self._prepare('fees', -amount, psp_reference=key, entry_type='capture-fee', day=day)
            for amount, key, day in ((1, keys[0], 1), (2, keys[1], 2), (4, keys[0], 3))
        ]
        self.ledger._store('fees', 'api', fees[0])
        self.ledger._store('funds', 'api', captures)
        self.ledger._store('fees', 'api', fees[1] + fees[2])
        self.ledger._store('fees', 'api', fees[2])
        entries = self._get_entries('capture')
        self.assertEqual(entries.mapped('fee_amount'), [-5, -2, 0])
        self.assertEqual(entries.mapped('net_amount'), [95, 198, 300])

    def test_a_dispute_has_no_fee_of_its_own(self):
        [capture] = self._prepare('funds', 100)
        [dispute] = self._prepare(
            'funds', -100, psp_reference=capture['psp_reference'],
            entry_type='retained-disputed-capture',
        )
        [fee] = self._prepare(
            'fees', -1, psp_reference=capture['psp_reference'], entry_type='capture-fee',
        )
        self.ledger._store('funds', 'api', [capture, dispute])
        self.ledger._store('fees', 'api', [fee])
        self.assertEqual(self._get_entries().mapped('fee_amount'), [-1, 0])

    def test_entries_that_are_alike_are_told_apart_by_their_balances(self):
        alike = {'psp_reference': 'same', 'entry_type': 'correction'}
        values_list = self._prepare('funds', 10, 10, -5, **alike)
        for _time in range(2):
            self.ledger._store('funds', 'api', values_list)
            self.assertEqual(self._get_entries().mapped('occurrence'), [1, 2, 1])
        without = [
            {**values, 'has_balance': False, 'balance_before': 0, 'balance_after': 0}
            for values in values_list
        ]
        self.assertFalse(self.ledger._store('funds', 'file', without))

    def _dispute_again_and_again(self, *fractions):
        """ Let a capture be lost and won in turn, within a second and a page for each time. """
        self._configure(page_size=1)
        self._post(10000, pspReference='c1')
        for number, fraction in enumerate(fractions):
            name, sign = ('returned', 1) if number % 2 else ('retained', -1)
            [entry] = self._post(
                sign * 10000, entry_type=f'{name}-disputed-capture', pspReference='c1',
            )
            entry['time'] = f'{entry["time"][:10]}T12:00:00{fraction}Z'

    def test_entries_that_are_alike_but_for_a_part_of_a_second(self):
        self._dispute_again_and_again('.1', '.2', '.31', '.32', '.5')
        self._settle(days=1)
        self.assertEqual(self._read(), self._get_stated())
        self.assertEqual(self.ledger.book_balance, 0)
        # One that is written with less digits is the same.
        [values] = self._prepare('funds', 100, time=datetime(2024, 1, 1, 12))
        for fraction, count in (('.125', 1), ('.1250001', 0), ('.12', 0), ('', 0), ('.126', 1)):
            new = self.ledger._store('funds', 'api', [
                {**values, 'raw': {'time': f'2024-01-01T12:00:00{fraction}Z'}},
            ])
            self.assertEqual(len(new), count, fraction)

    def test_entries_that_nothing_tells_apart_are_not_lost_unseen(self):
        self._dispute_again_and_again('', '', '', '')
        self._settle()
        # What is left out comes to zero, and the balance is right.
        self.assertEqual(len(self._get_entries()), 3)
        self.assertEqual(self.ledger.book_balance, 100)
        self.assertFalse(self.ledger._list_problems())
        # What does not, shows as soon as something follows it.
        [entry] = self._post(
            -10000, entry_type='retained-disputed-capture', pspReference='c1',
        )
        entry['time'] = f'{entry["time"][:10]}T12:00:00Z'
        self._post(500)
        self._settle()
        self.assertIn("missing or wrong", self.ledger.gap)
        self.assertEqual(self.ledger.book_balance, 100)
        self._press(self.ledger, 'action_go_on')
        self.assertEqual(self._get_entries('gap').mapped('amount'), [-100])
        self.assertEqual(self._get_entries('gap').state, 'check')
        self.assertEqual(self.ledger.book_balance, 5)

    def _take_balances(self, values, **changes):
        """ Return an entry as files without the column of balances state it. """
        return {
            **values, 'has_balance': False, 'balance_before': 0, 'balance_after': 0, **changes,
        }

    def test_no_opening_balance_in_the_middle_of_a_ledger(self):
        first, second = self._prepare('funds', 10, 20)
        self.ledger._store('funds', 'file', [self._take_balances(first)])
        self._run_settlement()
        self.ledger._store('funds', 'api', [second])
        self._run_settlement()
        self.assertFalse(self._get_entries('opening-balance'))
        self.assertEqual(self.ledger.book_balance, 30)

    def test_files_without_balances_have_the_same_entries(self):
        [fees] = self._prepare('funds', -3, entry_type='fees-retained')
        [unknown] = self._prepare('funds', 7, entry_type='moon-tax')
        in_api = [fees, unknown]
        in_file = [
            self._take_balances(fees, psp_reference='1-20240101', time=None),
            self._take_balances(unknown, entry_type="Måneskatt"),
        ]
        for parts in ((in_api, 'api', in_file, 'file'), (in_file, 'file', in_api, 'api')):
            with self.subTest(first=parts[1]), self.env.cr.savepoint() as savepoint:
                first, first_source, second, second_source = parts
                self.assertEqual(len(self.ledger._store('funds', first_source, first)), 2)
                self.assertFalse(self.ledger._store('funds', second_source, second))
                for label, time in (("Moon", datetime(2024, 1, 1, 13)), ("Star", None)):
                    self.assertTrue(self.ledger._store('funds', 'file', [
                        {**in_file[1], 'entry_type': label, 'time': time},
                    ]))
                savepoint.rollback()
            self.env.invalidate_all()

    def test_a_label_that_is_not_known_is_not_a_payment_of_another_time(self):
        [capture] = self._prepare('funds', 7)
        self.ledger._store('funds', 'api', [capture])
        self.assertTrue(self.ledger._store('funds', 'file', [self._take_balances(
            capture, entry_type="Måneskatt", time=datetime(2024, 1, 1, 13),
        )]))

    def test_a_payout_that_is_sent_again(self):
        for amount in (100, 50):
            self.ledger._store('funds', 'api', [
                *self._prepare('funds', amount), *self._prepare(
                    'funds', -amount, entry_type='payout-scheduled', psp_reference='1-7',
                    payout_number='7',
                ),
            ])
        payouts = self.env['vipps.settlement.payout'].search([], order='id')
        self.assertEqual(payouts.mapped('number'), ['7', '7/2'])
        self.assertEqual([len(payout.entry_ids) for payout in payouts], [2, 2])

    def test_entries_stay_as_they_are_stated(self):
        self.ledger._store('funds', 'api', self._prepare('funds', 100))
        entry = self._get_entries()
        manager = self.bookkeeper
        for values in ({'amount': 1}, {'ledger_date': date(2024, 1, 2)}, {'psp_reference': 'x'}):
            with self.assertRaises(AccessError):
                entry.with_user(manager).write(values)
