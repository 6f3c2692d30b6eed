"""The receipt: order lines that the customer sees in the app."""

import re
from dataclasses import dataclass
from decimal import Decimal

from . import text as texts

# ePayment OpenAPI 1.8.1, schema `UnitInfo`.
QUANTITY_PATTERN = re.compile(r'\d+(\.\d{1,8})?')
MAX_QUANTITY_LENGTH = 10
MAX_TAX_RATE = 10_000  # basis points
MAX_TEXT_LENGTH = 255


@dataclass(frozen=True)
class Line:
    """An order line. Amounts are in minor units, after discounts; negative for returned products.

    `total` contains `tax`; `quantity` is a decimal number as text; `tax_rate` is in basis points,
    and derived from the amounts if it is not given.
    """

    id: str
    name: str
    quantity: str
    total: int
    tax: int
    tax_rate: int | None = None
    is_shipping: bool = False
    url: str = ''


@dataclass(frozen=True)
class Till:
    """The details of a sale at a till, beside its lines. Amounts are in minor units.

    `tip` is paid beside the lines; `cash` and `card` are the other payments of the sale.
    """

    id: str = ''
    receipt_number: str = ''
    tip: int = 0
    cash: int = 0
    card: int = 0


def build(lines, amount, currency, rounding_name="Rounding", till=None):
    """Return a receipt that adds up to the amount of the payment: the lines, and a tip, less the
    amounts that are paid in other ways.

    The app hides a receipt that does not add up, so that is left out. A difference of at most
    one minor unit per line comes from rounding, and gets a line of its own.
    https://developer.vippsmobilepay.com/docs/APIs/order-management-api/

    :param list[Line] lines: The order lines.
    :param int amount: The amount of the payment, in minor units.
    :param str currency: The ISO 4217 code of the currency.
    :param str rounding_name: The name of the line of the rounding.
    :param Till till: Where the payment is made, if at a till.
    :return: The receipt, or None if there is no right one.
    :rtype: dict | None
    """
    lines = [line for line in lines if line.total or line.tax]
    till = till or Till()
    difference = amount - sum(line.total for line in lines) - till.tip + till.cash + till.card
    if not lines or abs(difference) > len(lines) or min(till.tip, till.cash, till.card) < 0:
        return None
    if difference:
        lines.append(Line('rounding', rounding_name, '1', difference, 0))
    order_lines = [_build_line(line) for line in lines]
    if None in order_lines:
        return None
    return {'orderLines': order_lines, 'bottomLine': _build_bottom_line(till, currency)}


def _build_bottom_line(till, currency):
    sources = {'cash': till.cash, 'card': till.card}
    bottom_line = {
        'currency': currency,
        'posId': texts.cut(till.id, MAX_TEXT_LENGTH),
        'receiptNumber': texts.cut(till.receipt_number, MAX_TEXT_LENGTH),
        'tipAmount': till.tip,
        'paymentSources': {name: value for name, value in sources.items() if value},
    }
    return {name: value for name, value in bottom_line.items() if value}


def _build_line(line):
    sign = -1 if line.total < 0 else 1
    total, tax = sign * line.total, sign * line.tax
    net = total - tax
    if tax < 0 or net < 0 or (tax and not net):
        return None
    tax_rate = line.tax_rate
    if tax_rate is None:
        tax_rate = round(tax * 10_000 / net) if net else 0
    if not 0 <= tax_rate <= MAX_TAX_RATE:
        return None
    order_line = {
        'id': texts.cut(line.id, MAX_TEXT_LENGTH),
        'name': texts.cut(line.name, MAX_TEXT_LENGTH) or '-',
        'totalAmount': total,
        'totalAmountExcludingTax': net,
        'totalTaxAmount': tax,
        'taxRate': tax_rate,
    }
    unit_info = _build_unit_info(line.quantity, total)
    if unit_info:
        order_line['unitInfo'] = unit_info
    if sign < 0:
        order_line['isReturn'] = True  # Amounts are never negative.
    if line.is_shipping:
        order_line['isShipping'] = True
    if line.url:
        order_line['productUrl'] = line.url
    return order_line


def _build_unit_info(quantity, total):
    """Return quantity and price per unit, if the one times the other is the total."""
    try:
        number = Decimal(quantity)
    except ArithmeticError:
        return None
    if not number.is_finite() or number <= 0:
        return None
    unit_price = int((total / number).to_integral_value())
    text = f'{number.normalize():f}'
    if (
        unit_price * number != total or len(text) > MAX_QUANTITY_LENGTH
        or not QUANTITY_PATTERN.fullmatch(text)
    ):
        return None
    return {'unitPrice': unit_price, 'quantity': text, 'quantityUnit': 'PCS'}
