"""Express: the customer chooses address and delivery in the app."""

import hmac
import re
from dataclasses import dataclass, field

from . import reference as references
from . import text as texts

# ePayment OpenAPI 1.8.1, schemas `ShippingType` and `ShippingBrand`. GORDON is missing in the list
# of a later guide: whoever does not need its logo sends OTHER.
TYPES = ('HOME_DELIVERY', 'PICKUP_POINT', 'MAILBOX', 'IN_STORE', 'OTHER')
BRANDS = (
    'POSTEN', 'BRING', 'POSTNORD', 'HELTHJEM', 'PORTERBUDDY', 'DHL', 'INSTABOX', 'FEDEX',
    'MATKAHUOLTO', 'GLS', 'POSTI', 'GORDON', 'OTHER',
)

# ePayment OpenAPI 1.8.1, parameter `AuthorizationHeader`.
TOKEN_PATTERN = re.compile(r'[a-zA-Z0-9-]{1,50}')
COUNTRY_PATTERN = re.compile(r'[A-Z]{2}')  # ISO 3166-1 alpha-2
MAX_TEXT_LENGTH = 255
MAX_COST = 65_000_000  # the largest payment, in minor units


@dataclass(frozen=True)
class Option:
    """A way to deliver, for the customer to choose; the amount contains taxes, in minor units.

    `meta` is a line below the name, such as an address; `delivery` is how long it takes. The
    smallest `priority` is shown first.
    """

    id: str
    name: str
    amount: int
    type: str
    brand: str
    is_default: bool = False
    priority: int | None = None
    meta: str = ''
    delivery: str = ''


@dataclass(frozen=True)
class Address:
    """Where to deliver; what is missing, or cannot be stored, is an empty text."""

    line1: str = field(default='', repr=False)
    line2: str = field(default='', repr=False)
    city: str = field(default='', repr=False)
    country: str = ''  # ISO 3166-1 alpha-2
    postal_code: str = field(default='', repr=False)


@dataclass(frozen=True)
class AddressRequest(Address):
    """The question how to deliver to an address.

    ePayment OpenAPI 1.8.1, schema `DynamicShippingGroupsRequest`.
    """

    reference: str = ''

    @classmethod
    def parse(cls, data):
        """Return the question in the body of a callback.

        The names begin with a capital letter by the specification, and with a small one by others
        that receive such callbacks.

        :param data: The parsed JSON.
        :rtype: AddressRequest
        :raise ValueError: If it names no payment or no country.
        """
        data = _lower_names(data)
        request = cls(reference=_get_text(data, 'reference'), **_read_address(data))
        if not references.is_valid(request.reference):
            raise ValueError("no payment in the question")
        if not request.country:
            raise ValueError("no country in the question")
        return request


@dataclass(frozen=True)
class Shipping:
    """What the customer chose, as far as it can be read: `cost` is in minor units, with taxes, or
    None; `address` is None if there is none."""

    option_id: str = ''
    option_name: str = ''
    cost: int | None = None
    address: Address | None = None

    @classmethod
    def parse(cls, data):
        """Return the choice in a payment or an event. Nothing in it can make a payment unreadable.

        ePayment OpenAPI 1.8.1, schema `ShippingDetails`.

        :param data: The parsed JSON of `shippingDetails`.
        :return: The choice, or None if there is none.
        :rtype: Shipping | None
        """
        if not isinstance(data, dict):
            return None
        cost = data.get('shippingCost')
        address = Address(**_read_address(_lower_names(data.get('address'))))
        shipping = cls(
            option_id=_get_text(data, 'shippingOptionId'),
            option_name=_get_text(data, 'shippingOptionName'),
            cost=cost if type(cost) is int and 0 <= cost <= MAX_COST else None,
            address=address if address != Address() else None,
        )
        return shipping if shipping != cls() else None


def shipping_groups(options, currency):
    """Return the options as the app takes them: one group for each type and brand, both groups and
    options in the order given.

    :param list[Option] options: The options; the first default is the only one.
    :param str currency: The ISO 4217 code of the currency of the payment.
    :rtype: list[dict]
    :raise ValueError: If the API would refuse them.
    """
    ids = [option.id for option in options]
    if len(set(ids)) != len(ids):
        raise ValueError("an option comes twice")
    groups = {}
    default = next((option for option in options if option.is_default), None)
    for option in options:
        group = groups.setdefault((option.type, option.brand), {
            'type': option.type, 'brand': option.brand, 'options': [],
        })
        if option is default:
            group['isDefault'] = True
        if option.priority is not None:
            group['priority'] = min(option.priority, group.get('priority', option.priority))
        group['options'].append(_build_option(option, currency, option is default))
    return list(groups.values())


def dynamic_shipping(callback_url, token, allowed_countries=()):
    """Return the `shipping` of a payment for which Vipps MobilePay asks for the options, each time
    that the customer chooses an address.

    :param str callback_url: Where the question is sent, by https on port 443, 80 or 8080.
    :param str token: The secret that comes with the question.
    :param allowed_countries: The codes of the countries to deliver to, if not only that of the
        currency.
    :rtype: dict
    :raise ValueError: If the API would refuse it.
    """
    if not TOKEN_PATTERN.fullmatch(token):
        raise ValueError("not a token that every header can carry")
    if not re.match(r'https?://[^/]', callback_url):
        raise ValueError("not the URL of a callback")
    return _with_countries({
        'dynamicOptions': {'callbackUrl': callback_url, 'callbackAuthorizationToken': token},
    }, allowed_countries)


def fixed_shipping(options, currency, allowed_countries=()):
    """Return the `shipping` of a payment whose options are the same for each address.

    :param list[Option] options: The options.
    :param str currency: The ISO 4217 code of the currency of the payment.
    :param allowed_countries: The codes of the countries to deliver to, if not only that of the
        currency.
    :rtype: dict
    :raise ValueError: If the API would refuse it.
    """
    if not options:
        raise ValueError("nothing to choose from")
    return _with_countries({'fixedOptions': shipping_groups(options, currency)}, allowed_countries)


def answer(options, currency):
    """Return the body of the answer to a question for options.

    :param list[Option] options: The options for the address.
    :param str currency: The ISO 4217 code of the currency of the payment.
    :rtype: dict
    :raise ValueError: If the API would refuse it.
    """
    return {'groups': shipping_groups(options, currency)}


def is_token(header, token):
    """Return whether a header carries a token, in a time that says nothing about the token.

    :param str header: The value of `Authorization`, with or without `Bearer`, or None.
    :param str token: The token of the payment; an empty one is nobody's.
    :rtype: bool
    """
    given = (header or '').removeprefix('Bearer ')
    return bool(token) and hmac.compare_digest(
        given.encode(errors='replace'), token.encode(errors='replace')
    )


def _build_option(option, currency, is_default):
    if option.type not in TYPES or option.brand not in BRANDS:
        raise ValueError("not a type or a brand of delivery")
    if type(option.amount) is not int or not 0 <= option.amount <= MAX_COST:
        raise ValueError("the price of an option must be a number of minor units")
    if not 0 < len(option.id) <= MAX_TEXT_LENGTH or not option.id.isprintable():
        raise ValueError("not an id of an option")
    texts_of_option = {
        'name': texts.cut(option.name, MAX_TEXT_LENGTH).strip() or '-',
        'meta': texts.cut(option.meta, MAX_TEXT_LENGTH).strip(),
        'estimatedDelivery': texts.cut(option.delivery, MAX_TEXT_LENGTH).strip(),
    }
    return {
        'id': option.id,
        'amount': {'currency': currency, 'value': option.amount},
        **{name: text for name, text in texts_of_option.items() if text},
        **({'isDefault': True} if is_default else {}),
        **({'priority': option.priority} if option.priority is not None else {}),
    }


def _with_countries(shipping, countries):
    countries = list(dict.fromkeys(countries))
    if not all(COUNTRY_PATTERN.fullmatch(country) for country in countries):
        raise ValueError("not the code of a country")
    return {**shipping, 'allowedCountries': countries} if countries else shipping


def _read_address(data):
    """Return the fields of an address by our names."""
    line1, line2 = _get_text(data, 'addressline1'), _get_text(data, 'addressline2')
    country = _get_text(data, 'country').upper()
    return {
        'line1': line1,
        'line2': line2 if line2 != line1 else '',  # Such addresses were seen.
        'city': _get_text(data, 'city'),
        'country': country if COUNTRY_PATTERN.fullmatch(country) else '',
        'postal_code': _get_text(data, 'postcode'),
    }


def _lower_names(data):
    """Return an object with its names in small letters; nothing of one that has a name twice."""
    if not isinstance(data, dict):
        return {}
    lowered = {name.lower(): value for name, value in data.items()}
    return lowered if len(lowered) == len(data) else {}


def _get_text(data, name):
    """Return a text on one line that can be stored, or an empty one."""
    value = data.get(name)
    text = ' '.join(value.split()) if isinstance(value, str) else ''
    return text if len(text) <= MAX_TEXT_LENGTH and text.isprintable() else ''
