import unittest

from hypothesis import given
from hypothesis import strategies as st

from .. import receipt


def line(total, tax=0, quantity='1', **values):
    return receipt.Line(id='1', name="Sweater", quantity=quantity, total=total, tax=tax, **values)


LINES = st.lists(st.builds(
    line, st.integers(-10**7, 10**7), st.integers(-10**6, 10**6),
    st.decimals(0, 10**4, places=3).map(str),
), max_size=8)
TILLS = st.none() | st.builds(
    receipt.Till, tip=st.integers(-1, 10**5), cash=st.integers(-1, 10**5),
    card=st.integers(-1, 10**5),
)


class TestReceipt(unittest.TestCase):

    @given(LINES, st.integers(-8, 8), TILLS)
    def test_a_receipt_adds_up_or_there_is_none(self, lines, drift, till):
        amount = sum(item.total for item in lines) + drift
        if till:
            amount += till.tip - till.cash - till.card
        built = receipt.build(lines, amount, 'NOK', till=till)
        if built is None:
            return
        total = 0
        for order_line in built['orderLines']:
            amounts = [
                order_line[name]
                for name in ('totalAmount', 'totalAmountExcludingTax', 'totalTaxAmount', 'taxRate')
            ]
            self.assertTrue(all(type(value) is int and value >= 0 for value in amounts))
            self.assertEqual(amounts[0], amounts[1] + amounts[2])
            self.assertLessEqual(amounts[3], 10_000)
            total += -amounts[0] if order_line.get('isReturn') else amounts[0]
        total += built['bottomLine'].get('tipAmount', 0)
        total -= sum(built['bottomLine'].get('paymentSources', {}).values())
        self.assertEqual(total, amount)

    def test_lines_with_taxes_and_quantities(self):
        built = receipt.build([
            line(50_000, 10_000, quantity='2.0'),
            line(11_500, 1_500, quantity='0.5'),
            line(7_900, 0, is_shipping=True),
        ], 69_400, 'NOK')
        first, second, third = built['orderLines']
        self.assertEqual(first['taxRate'], 2_500)
        self.assertEqual(
            first['unitInfo'], {'unitPrice': 25_000, 'quantity': '2', 'quantityUnit': 'PCS'}
        )
        self.assertEqual(second['taxRate'], 1_500)
        self.assertEqual(second['unitInfo']['quantity'], '0.5')
        self.assertEqual((third['taxRate'], third['isShipping']), (0, True))
        self.assertEqual(built['bottomLine'], {'currency': 'NOK'})

    def test_a_till_adds_its_details(self):
        till = receipt.Till('Shop 1', 'Order 00001-001-0001', tip=2_000, cash=10_000, card=5_000)
        built = receipt.build([line(50_000, 10_000)], 37_000, 'NOK', till=till)
        self.assertEqual(built['bottomLine'], {
            'currency': 'NOK', 'posId': 'Shop 1', 'receiptNumber': 'Order 00001-001-0001',
            'tipAmount': 2_000, 'paymentSources': {'cash': 10_000, 'card': 5_000},
        })
        self.assertEqual(len(built['orderLines']), 1)
        built = receipt.build([line(500)], 500, 'NOK', till=receipt.Till('Shop 1'))
        self.assertEqual(built['bottomLine'], {'currency': 'NOK', 'posId': 'Shop 1'})

    def test_impossible_amounts_at_a_till_have_no_receipt(self):
        for amount, till in (
            (400, receipt.Till(tip=-100)), (600, receipt.Till(cash=-100)),
            (600, receipt.Till(card=-100)), (500, receipt.Till(tip=100)),
            (500, receipt.Till(cash=100)),
        ):
            with self.subTest(till=till):
                self.assertIsNone(receipt.build([line(500)], amount, 'NOK', till=till))

    def test_a_price_per_unit_that_does_not_fit_is_left_out(self):
        for quantity in (
            '3', '0', '-1', '1e-9', '0.123456789', '1e20', 'NaN', 'Infinity', 'two', '',
        ):
            with self.subTest(quantity=quantity):
                built = receipt.build([line(100, quantity=quantity)], 100, 'NOK')
                self.assertNotIn('unitInfo', built['orderLines'][0])

    def test_a_discount_is_given_back(self):
        built = receipt.build([line(10_000, 2_000), line(-1_000, -200)], 9_000, 'NOK')
        discount = built['orderLines'][1]
        self.assertEqual(discount['totalAmount'], 1_000)
        self.assertEqual(discount['totalTaxAmount'], 200)
        self.assertTrue(discount['isReturn'])

    def test_rounding_has_a_line_of_its_own(self):
        for drift in (1, -1):
            with self.subTest(drift=drift):
                rounding = receipt.build([line(999)], 999 + drift, 'NOK')['orderLines'][1]
                self.assertEqual((rounding['id'], rounding['totalAmount']), ('rounding', 1))
                self.assertEqual(rounding.get('isReturn', False), drift < 0)

    def test_a_difference_beyond_rounding_has_no_receipt(self):
        self.assertIsNone(receipt.build([line(1_000)], 1_002, 'NOK'))
        self.assertIsNone(receipt.build([line(1_000)], 400, 'NOK'))
        self.assertIsNone(receipt.build([], 0, 'NOK'))

    def test_an_impossible_tax_has_no_receipt(self):
        for total, tax in ((100, 101), (100, -1), (-100, 1), (100, 100), (100, 60)):
            with self.subTest(total=total, tax=tax):
                self.assertIsNone(receipt.build([line(total, tax)], total, 'NOK'))
