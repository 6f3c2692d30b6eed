"""Check the caller of each request: keys, access tokens, and the headers."""

import re

from .problems import Problem, Refusal

SYSTEM_HEADERS = (
    'Vipps-System-Name', 'Vipps-System-Version',
    'Vipps-System-Plugin-Name', 'Vipps-System-Plugin-Version',
)


def check_system_headers(headers):
    """Refuse who does not say which system and plugin it is; the approval of plugins looks at it.

    https://developer.vippsmobilepay.com/docs/knowledge-base/http-headers/

    :raise Problem: Naming the header.
    """
    for name in SYSTEM_HEADERS:
        if not 1 <= len(headers.get(name, '')) <= 30:
            raise Problem(fields=[(name, "The header must have 1 to 30 characters.")])


def issue_token(world, headers, body):
    """Return the answer to a request for an access token.

    :param bytes body: What came with it; nothing may.
    :raise Refusal: When a key is missing or wrong.
    """
    key_unit = _subscribed_unit(world, headers)
    if body:
        raise Problem(fields=[('body', "Must be empty.")])
    for name in ('client_id', 'client_secret'):
        if not headers.get(name):
            raise Problem(fields=[(name, "The header is required.")])
    unit = next((u for u in world.units.values() if u.client_id == headers['client_id']), None)
    if not unit or headers['client_secret'] != unit.client_secret:
        raise Problem(status=401, detail="The client id or the client secret is wrong.")
    if key_unit != unit:
        raise Refusal(401, "Access denied due to invalid subscription key.")
    if headers.get('Merchant-Serial-Number', unit.msn) != unit.msn:
        raise Problem(status=401, detail="The keys are not those of the sales unit.")
    return world.tokens.issue(unit)


def authorized_unit(world, headers, needs_key=True):
    """Return the sales unit that a call is made for.

    :param bool needs_key: Whether a subscription key has to be there; a wrong one is refused.
    :raise Refusal: When a key, the token or the MSN is missing, wrong, or of another sales unit.
    """
    has_key = needs_key or 'Ocp-Apim-Subscription-Key' in headers
    key_unit = _subscribed_unit(world, headers) if has_key else None
    scheme, _space, token = headers.get('Authorization', '').partition(' ')
    token_msn = world.tokens.msn(token) if scheme == 'Bearer' else None
    if token_msn is None:
        raise Refusal(401, "Unauthorized. Access token is missing or invalid.")
    key_unit = key_unit or world.units[token_msn]
    if token_msn != key_unit.msn:
        raise Refusal(401, "Access denied due to invalid subscription key.")
    msn = headers.get('Merchant-Serial-Number', '')
    if not re.fullmatch(r'[0-9]{4,10}', msn):
        raise Problem(fields=[('Merchant-Serial-Number', "Must match '^[0-9]{4,10}$'.")])
    if msn != key_unit.msn:
        raise Problem(status=401, detail="The keys are not those of the sales unit.")
    if not key_unit.active:
        raise Problem(status=403, detail="The sales unit has not ordered this product.")
    return key_unit


def _subscribed_unit(world, headers):
    key = headers.get('Ocp-Apim-Subscription-Key')
    if not key:
        raise Refusal(401, "Access denied due to missing subscription key.")
    for unit in world.units.values():
        if key in unit.subscription_keys:
            return unit
    raise Refusal(401, "Access denied due to invalid subscription key.")
