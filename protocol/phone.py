"""Phone numbers, as the API takes them: digits with the country code (MSISDN)."""

import re
import unicodedata

# ePayment OpenAPI 1.8.1: `customer.phoneNumber`.
PATTERN = re.compile(r'[1-9]\d{8,14}')

# The countries of Vipps MobilePay: the code, the digit, if any, that is dialled before a national
# number and dropped behind the code, and how long national numbers are without that.
RULES = {
    'NO': ('47', '', range(8, 9)),
    'DK': ('45', '', range(8, 9)),
    'FI': ('358', '0', range(6, 12)),
    'SE': ('46', '0', range(7, 10)),
}

SEPARATORS = re.compile(r'[\s().\-/‐-―−]')


def normalize(text, country):
    """Return a phone number with its country code, if it is one.

    Numbers of other countries than those of Vipps MobilePay need a plus sign.

    :param str text: The number as typed by a person.
    :param str | None country: The ISO 3166 code of the country of a number without a country code.
    :return: 9 to 15 digits, or None.
    :rtype: str | None
    """
    text = unicodedata.normalize('NFKC', text or '').replace('(0)', '')
    text = ''.join(char for char in SEPARATORS.sub('', text) if unicodedata.category(char) != 'Cf')
    is_international = text.startswith(('+', '00'))
    digits = re.sub(r'^(\+|00)', '', text)
    if not digits.isascii() or not digits.isdigit():
        return None
    if is_international:
        rule = next((rule for rule in RULES.values() if digits.startswith(rule[0])), None)
        if not rule:
            return digits if PATTERN.fullmatch(digits) else None
    else:
        rule = RULES.get((country or '').upper())
    if not rule:
        return None
    code, trunk, lengths = rule
    if is_international or trunk and digits.startswith(code):
        digits = digits.removeprefix(code)
    if not trunk and digits.startswith(code) and len(digits) - len(code) in lengths:
        digits = digits.removeprefix(code)  # It was there without a plus sign, or twice.
    digits = digits.removeprefix(trunk)
    if len(digits) not in lengths or digits.startswith('0'):
        return None
    return code + digits
