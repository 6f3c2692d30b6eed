"""The people who have the app, as far as a till gets to know them."""

import re
import secrets

from .problems import Problem

EXAMPLE_PHONE = '4790000001'
# Where the customer of the demo can have something delivered, as the API writes it.
ADDRESSES = {
    'home': {
        'addressLine1': "Robert Levins gate 5", 'city': "Oslo", 'country': 'NO', 'postCode': '0154',
    },
    'work': {
        'addressLine1': "Torgallmenningen 8", 'addressLine2': "c/o Fjord AS", 'city': "Bergen",
        'country': 'NO', 'postCode': '5014',
    },
    'cabin': {
        'addressLine1': "Storgata 64", 'city': "Tromsø", 'country': 'NO', 'postCode': '9008',
    },
    'copenhagen': {
        'addressLine1': "Vesterbrogade 1", 'addressLine2': "3. tv.", 'city': "København V",
        'country': 'DK', 'postCode': '1620',
    },
    'helsinki': {
        'addressLine1': "Mannerheimintie 1", 'city': "Helsinki", 'country': 'FI',
        'postCode': '00100',
    },
    'stockholm': {
        'addressLine1': "Drottninggatan 20", 'city': "Stockholm", 'country': 'SE',
        'postCode': '111 51',
    },
}
# Printed codes, which have no end; ePayment OpenAPI 1.8.1, schema `CustomerPersonalQr`.
STATIC_CODE = re.compile(r'https://qr\.vipps\.no/28/2/01/031/(\d{9,15})\?v=1', re.ASCII)


class Customers:
    """Knows who has a phone number or a personal code; everybody has the app unless told otherwise.

    :ivar dict codes: One-time code -> phone number, or None once it has been used.
    """

    def __init__(self):
        self.codes = {}
        self._strangers = set()

    def make_code(self, phone=None):
        """Return a new one-time code of the customer with a phone number."""
        code = f'https://qr.vipps.no/p/{secrets.token_urlsafe(16)}'
        self.codes[code] = phone or EXAMPLE_PHONE
        return code

    def current_code(self):
        """Return a code that the customer of the demo can use."""
        unused = (code for code, phone in self.codes.items() if phone == EXAMPLE_PHONE)
        return next(unused, None) or self.make_code()

    def set_known(self, phone, is_known):
        """Say whether there is a customer with a phone number."""
        (self._strangers.discard if is_known else self._strangers.add)(phone)

    def identify(self, customer, token=None):
        """Return the phone number of the customer of a request; a one-time code or a token is
        used up by this.

        :param dict customer: The `customer` of the request.
        :param codes.Token token: What is known of the `customerToken`, if there is one.
        :raise Problem: When there is no such code or no such customer.
        """
        code = customer.get('personalQr')
        phone = token.phone if token else customer.get('phoneNumber')
        if code:
            static = STATIC_CODE.fullmatch(code)
            phone = static[1] if static else self.codes.get(code)
        if code and not phone:
            raise Problem('4060', fields=[('customer.personalQr', "No customer has this code.")])
        if phone in self._strangers:
            raise Problem('7010')
        if code in self.codes:
            self.codes[code] = None
        if token:
            token.is_used = True
        return phone
