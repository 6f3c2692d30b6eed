"""Amounts of money: integers in minor units."""

from decimal import Decimal

# The number of decimals of the currencies of sales units (ISO 4217).
DECIMALS = {'NOK': 2, 'DKK': 2, 'EUR': 2}

# The smallest and the largest amount of a payment, in minor units.
# ePayment OpenAPI 1.8.1, schema `Amount`.
LIMITS = {
    'NOK': (100, 65_000_000),
    'DKK': (1, 65_000_000),
    'EUR': (1, 65_000_000),
}

# Binary floats carry about 15 significant digits; what is smaller is noise, not an amount.
NOISE = Decimal('1e-6')


def to_minor(amount, currency):
    """Return an amount in minor units.

    :param amount: The amount in major units, as a float, `Decimal`, int or text.
    :param str currency: The ISO 4217 code of the currency.
    :rtype: int
    :raise ValueError: If it is not a finite number, or has more decimals than the currency.
    """
    try:
        scaled = Decimal(str(amount)).scaleb(_decimals(currency))
        minor = int(scaled.to_integral_value())
    except (ArithmeticError, ValueError):
        raise ValueError("not an amount of money") from None
    if abs(scaled - minor) > NOISE:
        raise ValueError("an amount with more decimals than its currency has")
    return minor


def to_major(minor, currency):
    """Return an amount in major units.

    :param int minor: The amount in minor units.
    :param str currency: The ISO 4217 code of the currency.
    :rtype: decimal.Decimal
    """
    return Decimal(minor).scaleb(-_decimals(currency))


def within_limits(minor, currency):
    """Return whether a payment can be over an amount.

    :param int minor: The amount in minor units.
    :param str currency: The ISO 4217 code of the currency.
    :rtype: bool
    """
    smallest, largest = LIMITS[currency]
    return smallest <= minor <= largest


def _decimals(currency):
    try:
        return DECIMALS[currency]
    except KeyError:
        raise ValueError("not a currency of Vipps MobilePay") from None
