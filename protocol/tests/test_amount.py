import unittest
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from .. import amount


class TestAmount(unittest.TestCase):

    @given(st.integers(min_value=-10**12, max_value=10**12), st.sampled_from(['NOK', 'DKK', 'EUR']))
    def test_minor_units_survive_the_way_through_a_float(self, minor, currency):
        self.assertEqual(amount.to_minor(minor / 100, currency), minor)
        self.assertEqual(amount.to_minor(amount.to_major(minor, currency), currency), minor)

    def test_noise_of_floats_is_forgiven(self):
        for major, minor in ((19.99, 1999), (1.1 + 2.2, 330), (1111.1100000000001, 111111)):
            with self.subTest(major=major):
                self.assertEqual(amount.to_minor(major, 'NOK'), minor)

    def test_too_many_decimals_are_refused(self):
        for major in (0.004, 19.995, Decimal('0.001'), '1.234'):
            with self.subTest(major=major), self.assertRaises(ValueError):
                amount.to_minor(major, 'NOK')

    def test_amounts_with_more_decimals_are_rounded_where_that_is_asked_for(self):
        for major, nearest, floor in (
            (200.765, 20077, 20076), (100.005, 10001, 10000), (0.1 + 0.2, 30, 30),
            (100.01, 10001, 10001), (0.009, 1, 0), (-0.005, -1, -1), (249.5, 24950, 24950),
        ):
            with self.subTest(major=major):
                self.assertEqual(amount.round_to_minor(major, 'NOK'), nearest)
                self.assertEqual(amount.floor_to_minor(major, 'NOK'), floor)

    @given(st.integers(min_value=-10**9, max_value=10**9))
    def test_rounding_changes_no_whole_minor_units(self, minor):
        self.assertEqual(amount.round_to_minor(minor / 100, 'DKK'), minor)
        self.assertEqual(amount.floor_to_minor(minor / 100, 'DKK'), minor)

    def test_values_that_are_no_numbers_are_refused(self):
        for major in (
            float('nan'), float('inf'), float('-inf'), 'ten', '', None, True, 'sNaN', '1e999999',
        ):
            for convert in (amount.to_minor, amount.round_to_minor, amount.floor_to_minor):
                with self.subTest(major=major, convert=convert.__name__), \
                        self.assertRaises(ValueError):
                    convert(major, 'NOK')

    def test_other_currencies_are_refused(self):
        for currency in ('USD', 'JPY', '', None):
            with self.subTest(currency=currency), self.assertRaises(ValueError):
                amount.to_minor(1, currency)

    def test_limits_are_those_of_the_specification(self):
        for minor, currency, expected in (
            (0, 'EUR', False), (1, 'EUR', True), (1, 'DKK', True), (99, 'NOK', False),
            (100, 'NOK', True), (65_000_000, 'NOK', True), (65_000_001, 'NOK', False),
        ):
            with self.subTest(minor=minor, currency=currency):
                self.assertIs(amount.within_limits(minor, currency), expected)
