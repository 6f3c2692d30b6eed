"""The operations of the Report API; each returns the HTTP status, the body and the headers.

Unlike the real test environment, the simulator has it, unless it is told not to.
"""

import base64
import json
import re
from datetime import date

from .ledger import TOPICS
from .problems import Problem, Refusal

OPERATIONS = ('ledgers', 'report_feed', 'report_date')
HANDLE_PATTERN = re.compile(r'(api|NO|DK|FI):[0-9]+')


def ledgers(world, call, base_url):
    """List the ledgers that the caller has access to.

    https://developer.vippsmobilepay.com/api/report/#operation/getLedgers
    """
    _check(world, call, 'settlesForRecipientHandles')
    handle = call.query.get('settlesForRecipientHandles')
    start = 0
    if 'cursor' in call.query:
        place = _read_cursor(call, {'ledgers': call.unit.msn})
        # The first request said it all.
        if handle not in (None, place.get('handle')):
            raise Problem(detail="The cursor is of another request.")
        handle, start = place.get('handle'), place['at']
    if handle is not None and not HANDLE_PATTERN.fullmatch(handle):
        raise Problem(detail="settlesForRecipientHandles must be such as api:123456.")
    found = [
        ledger for ledger in world.settlement.find_all(call.unit.msn)
        if ledger.access and handle in (None, *_handles(ledger))
    ]
    end = start + world.settlement.ledgers_page_size
    place = {'ledgers': call.unit.msn, 'handle': handle, 'at': end}
    cursor = _write_cursor(place) if end < len(found) else ''
    body = {'items': [_describe(ledger) for ledger in found[start:end]], 'cursor': cursor}
    return 200, _once_more(world, call, body)


def report_feed(world, call, base_url):
    """Return the next entries of an account, in the order in which they were made.

    The cursor is always there, and the same again at the end.
    """
    ledger = _find(world, call)
    entries = ledger.entries[call.topic]
    start, end = _find_place(call, ledger, len(entries), {})
    items = entries[start:end]
    place = {'ledger': ledger.ledger_id, 'topic': call.topic, 'at': start + len(items)}
    body = {
        'items': items, 'cursor': _write_cursor(place), 'tryLater': len(items) < ledger.page_size,
    }
    return 200, _once_more(world, call, body), _headers(ledger)


def report_date(world, call, base_url):
    """Return entries of an account for a date. The page after a full one can be empty."""
    ledger = _find(world, call)
    day = _read_date(call.ledger_date)
    entries = [
        entry for entry in ledger.entries[call.topic] if entry['ledgerDate'] == day.isoformat()
    ]
    start, end = _find_place(call, ledger, len(entries), {'date': day.isoformat()})
    items = entries[start:end]
    has_more = len(items) == ledger.page_size
    place = {
        'ledger': ledger.ledger_id, 'topic': call.topic, 'date': day.isoformat(), 'at': end,
    }
    body = {
        'items': items, 'hasMore': has_more, 'tryLater': ledger.is_open(day),
        **({'cursor': _write_cursor(place)} if has_more else {}),
    }
    return 200, _once_more(world, call, body), _headers(ledger)


def spoil(page, fault):
    """Falsify a page of entries as a fault says: `tampered`, `skipped` or `shuffled`."""
    items = page.get('items', [])
    if fault.kind == 'shuffled':
        items.reverse()
    elif fault.kind == 'skipped':
        del items[:1]
    elif items:
        if fault.currency:
            for item in items:
                item['currency'] = fault.currency
        if fault.other_reference:
            items[0]['reference'] = fault.other_reference
        if fault.value is not None or not (fault.currency or fault.other_reference):
            items[0]['amount'] = items[0]['amount'] + 1 if fault.value is None else fault.value


def problem_body(problem, instance):
    """Return the body of a problem, which this API writes in another way.

    :param Problem problem: The problem.
    :param str instance: The path of the request.
    """
    fields = '; '.join(f'{name}: {reason}' for name, reason in problem.fields)
    return {
        'type': f'https://httpstatuses.io/{problem.status}',
        'title': problem.title,
        'status': problem.status,
        'detail': fields or problem.message,
        'instance': instance,
    }


def _check(world, call, *names):
    """Refuse all while there is no such API, and parameters that are not known.

    One that exists is not known on purpose: it asks for personal data.
    """
    if not world.settlement.is_available:
        raise Refusal(404, "Resource not found")
    for name in call.query:
        if name not in ('cursor', *names):
            raise Problem(detail=f"The parameter {name} is not known.")


def _find(world, call):
    _check(world, call)
    ledger = next((
        ledger for ledger in world.settlement.find_all(call.unit.msn)
        if ledger.ledger_id == call.ledger_id and ledger.access
    ), None)
    if not ledger:
        raise Problem(status=404, detail="No such ledgerId")
    if call.topic not in TOPICS:
        raise Problem(detail=f"The topic must be one of {', '.join(TOPICS)}.")
    return ledger


def _find_place(call, ledger, count, more):
    """Return where the page of a request begins and where it ends at most."""
    start = 0
    if 'cursor' in call.query:
        expected = {'ledger': ledger.ledger_id, 'topic': call.topic, **more}
        start = _read_cursor(call, expected)['at']
    if start > count:
        raise Problem(detail="The cursor leads nowhere.")
    return start, start + ledger.page_size


def _write_cursor(place):
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode()


def _read_cursor(call, expected):
    """Return the place of a cursor, which must be one that was given out for such a request."""
    try:
        place = json.loads(base64.urlsafe_b64decode(call.query['cursor']))
        is_known = expected.items() <= place.items() and type(place['at']) is int
        is_known = is_known and ('date' in place) == ('date' in expected) and place['at'] >= 0
    except (AttributeError, KeyError, TypeError, ValueError):
        is_known = False
    if not is_known:
        raise Problem(detail="The cursor is none of this request.")
    return place


def _read_date(text):
    try:
        if re.fullmatch(r'[0-9]{4}-[0-9]{2}-[0-9]{2}', text):
            return date.fromisoformat(text)
    except ValueError as error:
        raise Problem(detail="There is no such date.") from error
    raise Problem(detail="The date must be such as 2026-11-30.")


def _once_more(world, call, body):
    """Return the answer, or the one before it if that is to come again."""
    pages = world.settlement.last_pages
    key = call.unit.msn, call.operation, call.ledger_id, call.topic
    if call.is_stale and key in pages:
        return pages[key]
    pages[key] = body
    return body


def _headers(ledger):
    return {'Vipps-Feed-Page-Size': str(ledger.page_size)}


def _handles(ledger):
    return [f'api:{msn}' for msn in ledger.msns]


def _describe(ledger):
    country, number = {'NOK': ('NO', 'ORG'), 'DKK': ('DK', 'CVR')}.get(
        ledger.currency, ('FI', 'Y-tunnus')
    )
    return {
        'ledgerId': ledger.ledger_id,
        'currency': ledger.currency,
        'payoutBankAccount': {'scheme': f'BBAN:{country}', 'id': '86011117947'},
        'owner': {'scheme': f'business:{country}:{number}', 'id': '987654321'},
        'settlesForRecipientHandles': _handles(ledger),
        'salesUnits': [
            {'name': ledger.unit_names[msn], 'recipientHandle': f'api:{msn}'}
            for msn in ledger.msns
        ],
    }
