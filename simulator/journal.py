import copy
import itertools
import json
import os
import threading
from collections import deque
from pathlib import Path

from .clock import timestamp

MASK = '*****'  # as long as the shortest personal code
MOST_EXCHANGES = 10_000  # a demo may run for days
SECRET_HEADERS = {
    'authorization', 'x-vipps-authorization', 'client_id', 'client_secret',
    'ocp-apim-subscription-key', 'cookie',
}
SECRET_FIELDS = {'access_token', 'secret'}
SECRETS_OF_CUSTOMERS = ('personalQr', 'customerToken')
_files = itertools.count(1)


class Journal:
    """The exchanges between merchants and simulator, without secrets."""

    def __init__(self, clock, record=None):
        """Start empty.

        :param record: A file to append every exchange and delivery to as JSON lines, or an existing
            folder in which to make one.
        """
        self._clock = clock
        self._record = _record_file(record) if record else None
        self._writing = threading.Lock()
        self.clear()

    def clear(self):
        """Forget the exchanges; recorded lines stay."""
        self.exchanges = deque(maxlen=MOST_EXCHANGES)
        self._numbers = itertools.count(1)

    def add(self, **exchange):
        """Note an exchange; returns it with its number and time."""
        exchange = mask({
            'number': next(self._numbers), 'time': timestamp(self._clock.now()), **exchange,
        })
        self.exchanges.append(exchange)
        self.write({'type': 'exchange', **exchange})
        return exchange

    def write(self, entry):
        """Record an entry in the file, if there is one."""
        with self._writing:
            if self._record:
                self._record.write(json.dumps(mask(entry)) + '\n')

    def close(self):
        """Finish the file."""
        with self._writing:
            if self._record:
                self._record.close()
                self._record = None


def mask(entry):
    """Return a copy of an entry in which the values of secret headers and fields are masked."""
    entry = copy.deepcopy(entry)
    for name in entry.get('headers') or {}:
        if name.lower() in SECRET_HEADERS:
            entry['headers'][name] = MASK
    body = entry.get('body')
    customer = body.get('customer') if isinstance(body, dict) else None
    for part in (body, customer):
        for name in SECRETS_OF_CUSTOMERS:
            if isinstance(part, dict) and name in part:
                part[name] = MASK
    shipping = body.get('shipping') if isinstance(body, dict) else None
    dynamic = shipping.get('dynamicOptions') if isinstance(shipping, dict) else None
    if isinstance(dynamic, dict) and 'callbackAuthorizationToken' in dynamic:
        dynamic['callbackAuthorizationToken'] = MASK
    answer = entry.get('answer')
    if isinstance(answer, dict):
        answer.update(dict.fromkeys(SECRET_FIELDS & answer.keys(), MASK))
    return entry


def _record_file(record):
    path = Path(record)
    if path.is_dir():
        path /= f'simulator-{os.getpid()}-{next(_files)}.jsonl'
    return path.open('a', buffering=1)
