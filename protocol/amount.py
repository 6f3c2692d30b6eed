"""Amounts of money: integers in minor units."""

from decimal import ROUND_FLOOR, ROUND_HALF_UP, Decimal

# The number of decimals of the currencies of sales units (ISO 4217).
DECIMALS = {'NOK': 2, 'DKK': 2, 'EUR': 2}

# The smallest and the largest amount of a payment, in minor units.
# ePayment OpenAPI 1.8.1, schema `Amount`.
LIMITS = {
    'NOK': (100, 65_000_000),
    'DKK': (1, 65_000_000),
    'EUR': (1, 65_000_000),
}

# Binary floats carry about 15 significant digits; a smaller part is noise, not an amount.
NOISE = Decimal('1e-6')


def to_minor(amount, currency):
    """Return an amount in minor units.

    :param amount: The amount in major units, as a float, `Decimal`, int or text.
    :param str currency: The ISO 4217 code of the currency.
    :rtype: int
    :raise ValueError: If it is not a finite number, or has more decimals than the currency.
    """
    minor = round_to_minor(amount, currency)
    if abs(_scale(amount, currency) - minor) > NOISE:
        raise ValueError("an amount with more decimals than its currency has")
    return minor


def round_to_minor(amount, currency):
    """Return the number of minor units nearest to an amount.

    :param amount: The amount in major units, with any number of decimals.
    :param str currency: The ISO 4217 code of the currency.
    :rtype: int
    :raise ValueError: If it is not a finite number.
    """
    return _round(amount, currency, ROUND_HALF_UP, Decimal(0))


def floor_to_minor(amount, currency):
    """Return the largest number of minor units that does not exceed an amount.

    :param amount: The amount in major units, with any number of decimals.
    :param str currency: The ISO 4217 code of the currency.
    :rtype: int
    :raise ValueError: If it is not a finite number.
    """
    return _round(amount, currency, ROUND_FLOOR, NOISE)


def to_major(minor, currency):
    """Return an amount in major units.

    :param int minor: The amount in minor units.
    :param str currency: The ISO 4217 code of the currency.
    :rtype: decimal.Decimal
    """
    return Decimal(minor).scaleb(-_decimals(currency))


def within_limits(minor, currency):
    """Return whether a payment can be for an amount.

    :param int minor: The amount in minor units.
    :param str currency: The ISO 4217 code of the currency.
    :rtype: bool
    """
    smallest, largest = LIMITS[currency]
    return smallest <= minor <= largest


def _round(amount, currency, rounding, noise):
    try:
        return int((_scale(amount, currency) + noise).to_integral_value(rounding))
    except (ArithmeticError, ValueError):
        raise ValueError("not an amount of money") from None


def _scale(amount, currency):
    return Decimal(str(amount)).scaleb(_decimals(currency))


def _decimals(currency):
    try:
        return DECIMALS[currency]
    except KeyError:
        raise ValueError("not a currency of Vipps MobilePay") from None
