"""Check the deliveries that a merchant offers, when a payment is created and when the app asks."""

from .problems import Problem
from .request_bodies import SHIPPING_GROUPS
from .urls import is_valid_callback_url, is_valid_return_url
from .validation import validate

# Where is delivered to if the merchant does not say it.
COUNTRIES = {'NOK': 'NO', 'DKK': 'DK', 'EUR': 'FI'}


def allowed_countries(request):
    """Return the countries that the customer of a payment can choose an address in.

    :param dict request: The request that created the payment.
    :rtype: list[str]
    """
    countries = request['shipping'].get('allowedCountries')
    return countries or [COUNTRIES[request['amount']['currency']]]


def check_express(body, unit, allow_loopback_http):
    """Refuse a delivery that the app cannot offer.

    :param dict body: A body that passed the check of its form.
    :param SalesUnit unit: Who asks.
    :param bool allow_loopback_http: Take http addresses of this machine.
    :raise Problem: With the field at fault, or 5020.
    """
    links = body.get('merchantLegalLinks') or {}
    for name, url in links.items():
        if not is_valid_return_url(url, allow_loopback_http):
            raise Problem('4090', fields=[(f'merchantLegalLinks.{name}', "Must be an https URL.")])
    if 'shipping' not in body:
        return
    if not unit.may_express:
        raise Problem('5020')
    if 'address' not in (body.get('profile') or {}).get('scope', '').split():
        raise Problem('4140', fields=[('profile.scope', "Express needs the address.")])
    shipping = body['shipping']
    if ('fixedOptions' in shipping) == ('dynamicOptions' in shipping):
        raise Problem(fields=[('shipping', "Either fixedOptions or dynamicOptions is needed.")])
    if 'fixedOptions' in shipping:
        check_groups(shipping['fixedOptions'], body['amount']['currency'], 'shipping.fixedOptions')
    else:
        url = shipping['dynamicOptions']['callbackUrl']
        if not is_valid_callback_url(url, allow_loopback_http):
            raise Problem('4090', fields=[(
                'shipping.dynamicOptions.callbackUrl',
                "Must be an https URL that the whole world can reach, on port 80, 443 or 8080.",
            )])


def check_answer(answer, currency):
    """Return the groups in the merchant's answer to the question for options.

    :param answer: The parsed JSON.
    :param str currency: The currency of the payment.
    :raise Problem: If the app cannot show them.
    """
    validate(SHIPPING_GROUPS, answer)
    check_groups(answer['groups'], currency, 'groups')
    return answer['groups']


def check_groups(groups, currency, path):
    """Refuse groups of options that contradict each other.

    :param list groups: Groups that passed the check of their form.
    :param str currency: The currency of the payment.
    :param str path: Where they stand, for the refusal.
    :raise Problem: With the field at fault.
    """
    ids, kinds, defaults = set(), set(), 0
    if sum(group.get('isDefault', False) for group in groups) > 1:
        raise Problem(fields=[(path, "At most one group can be the default.")])
    for number, group in enumerate(groups):
        kind = group['type'], group['brand']
        if kind in kinds:
            raise Problem(fields=[(f'{path}[{number}]', "Another group has this type and brand.")])
        kinds.add(kind)
        for index, option in enumerate(group['options']):
            where = f'{path}[{number}].options[{index}]'
            if option['id'] in ids:
                raise Problem(fields=[(f'{where}.id', "Another option has this id.")])
            if option['amount']['currency'] != currency:
                raise Problem(fields=[(f'{where}.amount.currency', f"Must be {currency}.")])
            ids.add(option['id'])
            defaults += option.get('isDefault', False)
    if defaults > 1:
        raise Problem(fields=[(path, "At most one option can be the default.")])
