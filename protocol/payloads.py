"""The bodies of requests."""

import re
from urllib.parse import quote

from . import reference as references
from . import text as texts
from .payment import is_address
from .user_info import SCOPES

# Webhooks API v1; one registration for all of them keeps their order.
# https://developer.vippsmobilepay.com/docs/APIs/webhooks-api/events/
PAYMENT_EVENTS = tuple(f'epayments.payment.{name}.v1' for name in (
    'created', 'authorized', 'aborted', 'expired', 'terminated', 'captured', 'cancelled',
    'refunded',
))

USER_FLOWS = ('WEB_REDIRECT', 'QR', 'PUSH_MESSAGE')
PHONE_PATTERN = re.compile(r'\d{9,15}')
MIN_PERSONAL_QR, MAX_PERSONAL_QR = 5, 255
MIN_DESCRIPTION, MAX_DESCRIPTION = 3, 100
MAX_RETURN_URL = 2500
MAX_METADATA, MAX_METADATA_KEY, MAX_METADATA_VALUE = 5, 100, 500

# Order Management OpenAPI 2.1, schema `CategoryEnum`.
CATEGORIES = ('GENERAL', 'RECEIPT', 'ORDER_CONFIRMATION', 'DELIVERY', 'TICKET', 'BOOKING')
# The characters that the example of a refusal there allows in a URL.
URL_CHARACTERS = '#!:.?+=&%@/-'


def create_payment(
    *, reference, amount, currency, description, user_flow='WEB_REDIRECT', return_url=None,
    phone=None, personal_qr=None, customer_token=None, receipt=None, metadata=None, scopes=(),
    shipping=None, legal_links=None, expires_at=None,
):
    """Return the body to create a payment with.

    See ePayment OpenAPI 1.8.1, schema `CreatePaymentRequest`. Empty values are left out.

    `WEB_REDIRECT` is for web pages, and needs a return URL. The others are for tills, where the
    customer is present: `QR` shows a code that anybody can scan, `PUSH_MESSAGE` goes to the
    customer with a phone number, a personal code or the token of a check-in. Sales units that may
    not push take such a token with `WEB_REDIRECT`.

    :param str reference: The reference of the payment.
    :param int amount: The amount, in minor units.
    :param str currency: The ISO 4217 code of the currency.
    :param str description: The purchase, for the customer; cut to 100 characters.
    :param str user_flow: How the customer gets to the payment, one of :data:`USER_FLOWS`.
    :param str return_url: Where the customer is sent afterwards.
    :param str phone: The number of the customer, with country code.
    :param str personal_qr: All that was scanned of the customer's code. It is personal, and may
        change its shape any day.
    :param str customer_token: The token of a customer who has checked in at a sticker, a secret.
    :param dict receipt: The receipt of :func:`receipt.build`.
    :param dict metadata: At most five texts, without personal data; cut to 500 characters.
    :param scopes: The data that the customer is asked to share, of :data:`user_info.SCOPES`. A
        customer that refuses does not pay.
    :param dict shipping: The choice of :func:`express.fixed_shipping` or
        :func:`express.dynamic_shipping`; its price is added to the amount. It needs the scope
        `address`.
    :param tuple legal_links: The URLs of the terms of sale and of the privacy policy, which the
        customer accepts in the app.
    :param datetime expires_at: Until when a push message stays open, in UTC, if for long: then the
        customer is not present, and the receipt is compulsory.
    :rtype: dict
    :raise ValueError: If the API would refuse it.
    """
    metadata = {
        key: texts.cut(value, MAX_METADATA_VALUE) for key, value in (metadata or {}).items()
    }
    description = texts.cut(' '.join(description.split()), MAX_DESCRIPTION).strip()
    if not references.is_valid(reference):
        raise ValueError("not a valid reference")
    if type(amount) is not int or amount <= 0:
        raise ValueError("the amount must be a positive number of minor units")
    if user_flow not in USER_FLOWS:
        raise ValueError("not a user flow")
    if bool(return_url) != (user_flow == 'WEB_REDIRECT'):
        raise ValueError("a return URL is for payments on web pages, and needed there")
    if len(return_url or '') > MAX_RETURN_URL:
        raise ValueError("the return URL is too long")
    if len(metadata) > MAX_METADATA or any(len(key) > MAX_METADATA_KEY for key in metadata):
        raise ValueError("too much metadata")
    if set(scopes) - SCOPES.keys() or scopes and user_flow != 'WEB_REDIRECT':
        raise ValueError("only customers of web pages are asked for what they share")
    if shipping and 'address' not in scopes:
        raise ValueError("a delivery needs the address of the customer")
    if expires_at and not (user_flow == 'PUSH_MESSAGE' and phone):
        raise ValueError("only push messages to a phone number stay open for long")
    body = {
        'amount': {'currency': currency, 'value': amount},
        'customer': _build_customer(user_flow, phone, personal_qr, customer_token),
        'customerInteraction': _get_interaction(user_flow, customer_token, expires_at),
        'expiresAt': expires_at and f'{expires_at:%Y-%m-%dT%H:%M:%SZ}',
        'merchantLegalLinks': legal_links and _build_legal_links(*legal_links),
        'metadata': metadata,
        'paymentDescription': description.ljust(MIN_DESCRIPTION, '.'),
        'paymentMethod': {'type': 'WALLET'},
        'profile': {'scope': ' '.join(scopes)} if scopes else None,
        'qrFormat': {'format': 'TEXT/TARGETURL'} if user_flow == 'QR' else None,
        'receipt': receipt,
        'reference': reference,
        'returnUrl': return_url,
        'shipping': shipping,
        'userFlow': user_flow,
    }
    return {name: value for name, value in body.items() if value}


def _build_customer(user_flow, phone, personal_qr, customer_token):
    given = [phone, personal_qr, customer_token]
    if len(list(filter(None, given))) > 1 or user_flow == 'PUSH_MESSAGE' and not any(given):
        raise ValueError("a push message is for one phone number, personal code or check-in")
    if user_flow == 'QR' and any(given) or user_flow != 'PUSH_MESSAGE' and personal_qr:
        raise ValueError("the customer is not known in this user flow")
    if phone and not PHONE_PATTERN.fullmatch(phone):
        raise ValueError("not a phone number with country code")
    if personal_qr and not is_personal_qr(personal_qr):
        raise ValueError("not a personal code")
    if personal_qr:
        return {'personalQr': personal_qr}
    if customer_token:
        return {'customerToken': customer_token}
    return {'phoneNumber': phone} if phone else None


def _get_interaction(user_flow, customer_token, expires_at):
    if user_flow == 'WEB_REDIRECT' and not customer_token:
        return None
    return 'CUSTOMER_NOT_PRESENT' if expires_at else 'CUSTOMER_PRESENT'


def _build_legal_links(terms_url, privacy_url):
    if not is_address(terms_url) or not is_address(privacy_url):
        raise ValueError("not the URLs of web pages")
    return {'termsOfSaleUrl': terms_url, 'privacyPolicyUrl': privacy_url}


def is_personal_qr(text):
    """Return whether a text can be the content of a customer's own code.

    Its content may change without notice, but it is never a number: barcodes of products are.
    """
    text = text or ''
    return MIN_PERSONAL_QR <= len(text) <= MAX_PERSONAL_QR and not text.isdigit()


def modification(amount, currency):
    """Return the body of a capture or a refund.

    :param int amount: The amount, in minor units.
    :param str currency: The ISO 4217 code of the currency.
    :rtype: dict
    :raise ValueError: If the amount is not positive. Zero never means all.
    """
    if type(amount) is not int or amount <= 0:
        raise ValueError("the amount must be a positive number of minor units")
    return {'modificationAmount': {'currency': currency, 'value': amount}}


def category(name, url):
    """Return the body of a link that the app shows with the payment.

    See Order Management OpenAPI 2.1, schema `Order`.

    :param str name: The kind of page behind the link, one of :data:`CATEGORIES`.
    :param str url: Where the link leads; characters that the API takes in no URL are escaped.
    :rtype: dict
    :raise ValueError: If the category is not known, or the URL not one of a web page.
    """
    if name not in CATEGORIES:
        raise ValueError("not a category")
    if not re.match(r'https?://[^/]', url):
        raise ValueError("not the URL of a web page")
    return {'category': name, 'orderDetailsUrl': quote(url, safe=URL_CHARACTERS)}
