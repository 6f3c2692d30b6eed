"""The data that customers share about themselves with a payment, as far as it makes sense."""

import re

# The scopes of `profile.scope`, and the values that we keep of the answer. Date of birth and
# national identity number exist, too; a shop that sells to people needs neither.
# ePayment OpenAPI 1.8.1, schema `ProfileRequest`
SCOPES = {
    'name': ('name',),
    'email': ('email', 'email_verified'),
    'phoneNumber': ('phone',),
    'address': ('street', 'street2', 'zip', 'city', 'country'),
}

MAX_TEXT_LENGTH = 255
EMAIL_PATTERN = re.compile(r'[^@\s]+@[^@\s]+\.[^@\s]+')
PHONE_PATTERN = re.compile(r'\+?\d{9,15}', re.ASCII)
COUNTRY_PATTERN = re.compile(r'[A-Z]{2}')


def parse_user_details(data):
    """Return the data that are shared with the payment itself.

    They do not say whether the e-mail address was verified.

    ePayment OpenAPI 1.8.1, schema `UserDetails`.

    :param data: The parsed JSON.
    :return: Texts by the names of :data:`SCOPES`, only those that are there and make sense.
    :rtype: dict
    """
    data = data if isinstance(data, dict) else {}
    addresses = data.get('addresses')
    candidates = map(_parse_payment_address, addresses if isinstance(addresses, list) else ())
    names = (_get_text(data, 'firstName'), _get_text(data, 'lastName'))
    return _without_empty({
        'name': ' '.join(filter(None, names)),
        'email': _get_text(data, 'email', EMAIL_PATTERN),
        'phone': _get_phone(data, 'mobileNumber'),
        **next(filter(None, candidates), {}),
    })


def parse_userinfo(data):
    """Return the data in an answer of the Userinfo API.

    Userinfo OpenAPI 2.0.3, schema `Userinfo`.

    :param data: The parsed JSON.
    :return: Texts by the names of :data:`SCOPES`, only those that are there and make sense, and
        the boolean `email_verified` if there is an e-mail address.
    :rtype: dict
    """
    data = data if isinstance(data, dict) else {}
    names = (_get_text(data, 'given_name'), _get_text(data, 'family_name'))
    email = _get_text(data, 'email', EMAIL_PATTERN)
    return _without_empty({
        'name': _get_text(data, 'name') or ' '.join(filter(None, names)),
        'email': email,
        'phone': _get_phone(data, 'phone_number'),
        **_parse_userinfo_address(data.get('address')),
    }) | ({'email_verified': data.get('email_verified') is True} if email else {})


def keep_scopes(details, scopes):
    """Return the part of the shared data that was asked for: more may be answered.

    :param dict details: The result of :func:`parse_user_details` or :func:`parse_userinfo`.
    :param scopes: The scopes that were asked for.
    :rtype: dict
    """
    names = [name for scope in scopes for name in SCOPES.get(scope, ())]
    return {name: details[name] for name in names if name in details}


def _parse_payment_address(data):
    if not isinstance(data, dict):
        return {}
    street, street2 = _get_text(data, 'addressLine1'), _get_text(data, 'addressLine2')
    return _build_address(
        street=street, street2=street2 if street2 != street else None,  # Such ones were seen.
        zip=_get_text(data, 'postCode'), city=_get_text(data, 'city'),
        country=_get_text(data, 'country', COUNTRY_PATTERN),
    )


def _parse_userinfo_address(data):
    if not isinstance(data, dict):
        return {}
    # The second line is the number of the flat.
    lines = data.get('street_address') if isinstance(data.get('street_address'), str) else ''
    street, _newline, street2 = lines.strip().partition('\n')
    return _build_address(
        street=_clean(street), street2=_clean(street2.replace('\n', ', ')),
        zip=_get_text(data, 'postal_code'), city=_get_text(data, 'region'),
        country=_get_text(data, 'country', COUNTRY_PATTERN),
    )


def _build_address(**address):
    """Return an address, or nothing if there is no more than a country."""
    address = _without_empty(address)
    return address if address.keys() - {'country'} else {}


def _get_phone(data, name):
    phone = (_get_text(data, name) or '').replace(' ', '')
    return f"+{phone.removeprefix('+')}" if PHONE_PATTERN.fullmatch(phone) else None


def _get_text(data, name, pattern=None):
    value = data.get(name)
    text = _clean(value) if isinstance(value, str) else None
    return text if text and (not pattern or pattern.fullmatch(text)) else None


def _clean(text):
    """Return a text that can be stored, or None."""
    text = ' '.join(text.split())
    return text if 0 < len(text) <= MAX_TEXT_LENGTH and text.isprintable() else None


def _without_empty(values):
    return {name: value for name, value in values.items() if value}
