import io
import random
import tracemalloc
import unittest
from datetime import date
from itertools import islice

from ..portal_file import PortalEntry, read_portal_file, split_portal_file
from .portal_rows import ENTRIES, NORWEGIAN, ROWS, change, write
from .xlsx import make_xlsx


class TestSplitting(unittest.TestCase):

    def _split(self, rows):
        units = split_portal_file(io.BytesIO(write(rows)))
        for unit in units:
            unit.lines = [PortalEntry.load(line) for line in unit.lines]
        return units

    def test_units_are_apart(self):
        others = [[*row[:1], "123455", *row[2:]] for row in ROWS]
        others[0][11] = "DKK"
        mixed = [row for pair in zip(ROWS, others, strict=True) for row in pair]
        unit, other = self._split(mixed)
        self.assertEqual((unit.msn, unit.name, other.msn), ('548005', "Butikk Ås", '123455'))
        self.assertEqual(unit.lines, ENTRIES)
        self.assertEqual(unit.ledger_numbers, {'460017'})
        self.assertEqual(other.currencies, {'NOK', 'DKK'})
        self.assertEqual((unit.first_date, unit.last_date), (date(2026, 3, 23),) * 2)

    def test_rows_in_any_order(self):
        rows = []
        for day in (21, 22, 23):
            for row in ROWS:
                rows.append([cell.replace("-23", f"-{day}") for cell in row])
        expected = self._split(rows)
        self.assertEqual(self._split(rows[::-1]), expected)
        random.Random(5).shuffle(rows)
        self.assertEqual(self._split(rows), expected)

    def test_times_without_seconds_and_any_order(self):
        rows, balance = [], 0
        for number, amount in enumerate((100, -100, 200, -50, -150, 100, 100, -200, 7)):
            balance += amount
            rows.append(change(
                time="2026-03-23 14:02", amount=str(amount), balance=str(balance),
                psp_reference=f"p{number}",
            )[0])
        for seed in range(50):
            random.Random(seed).shuffle(rows)
            balance = 0
            for entry in self._split(rows)[0].lines:
                balance += entry.amount
                self.assertEqual(entry.balance, balance)

    def test_a_row_that_is_missing_leaves_the_order_of_times(self):
        rows = [
            change(time=f"2026-03-23 14:0{n}", amount="1", balance=str(n), psp_reference=str(n))[0]
            for n in (1, 2, 4, 5)
        ]
        references = [entry.psp_reference for entry in self._split(rows[::-1])[0].lines]
        self.assertEqual(references, ['1', '2', '4', '5'])

    def test_the_newest_first_within_a_second(self):
        rows = change(1, time="2026-03-23 14:02:11")
        self.assertEqual(
            [entry.entry_type for entry in self._split([rows[2], rows[1], rows[0]])[0].lines],
            ['capture', 'fees-retained', 'payout-scheduled'],
        )


class TestSize(unittest.TestCase):

    def _read_many(self, content, count):
        """Read entries, and return the memory that the last 10 000 take."""
        entries = read_portal_file(io.BytesIO(content))
        for _entry in islice(entries, count - 10_000):
            pass
        tracemalloc.start()
        try:
            self.assertEqual(sum(1 for _entry in entries), 10_000)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    def test_200_000_rows_are_not_held(self):
        row = write(ROWS[:1]).split(b'\r\n', 1)[1]
        peak = self._read_many(write([]) + row * 200_000, 200_000)
        self.assertLess(peak, 1 << 20)

    def test_rows_of_xlsx_are_not_held(self):
        peak = self._read_many(make_xlsx([NORWEGIAN, *ROWS[:1] * 20_000]), 20_000)
        self.assertLess(peak, 2 << 20)
