"""Define the faults that can be injected, and choose when they happen."""

from dataclasses import asdict, dataclass

from .problems import CODES
from .qr import OPERATIONS as QR_OPERATIONS
from .validation import integer, nullable, one_of, record, text, validate

ANSWER_KINDS = {
    'latency', 'lost', 'lost_answer', 'status', 'late_status', 'refuse', 'garbage', 'truncated',
}
WEBHOOK_KINDS = {'lost', 'late', 'duplicate', 'reorder'}
OPERATIONS = {
    **dict.fromkeys(('category', 'token'), ANSWER_KINDS | {'stale'}),
    'create': ANSWER_KINDS | {'invalid', 'stale'},
    'webhooks': ANSWER_KINDS,
    **dict.fromkeys(('register_webhook', 'list_webhooks', 'delete_webhook'), {'stale'}),
    **dict.fromkeys(('capture', 'refund'), ANSWER_KINDS | {'tampered', 'failed', 'stale'}),
    'cancel': ANSWER_KINDS | {'tampered', 'failed', 'approved', 'stale'},
    'get': ANSWER_KINDS | {'tampered', 'stale', 'edited'},
    'userinfo': ANSWER_KINDS | {'edited', 'stale'},
    'events': ANSWER_KINDS | {'stale'},
    'webhook': WEBHOOK_KINDS,
    **dict.fromkeys(QR_OPERATIONS, ANSWER_KINDS | {'edited'}),
    'shipping': {'lost', 'latency', 'impatient', 'duplicate', 'camel', 'token', 'edited'},
    'approval': {'edited', 'only_get', 'only_event', 'late_question'},
    'ledgers': ANSWER_KINDS | {'edited', 'stale'},
    **dict.fromkeys(
        ('report_feed', 'report_date'),
        ANSWER_KINDS | {'edited', 'stale', 'tampered', 'skipped', 'shuffled'},
    ),
}
_SECONDS = {'seconds': {'type': 'number', 'minimum': 0}}
_STATUS = {'status': integer(400, 599)}
_CODE = {'code': one_of(*CODES)}
# The fields of a kind that are needed, and those that may be given.
NEEDED = {
    'latency': _SECONDS, 'late': _SECONDS, 'status': _STATUS, 'late_status': _STATUS,
    'refuse': _CODE, 'failed': _CODE, 'edited': {'changes': {'type': 'object'}},
    'invalid': {'field': text()}, 'impatient': _SECONDS,
    'token': {'token': one_of('bearer', 'wrong', 'missing')},
}
POSSIBLE = {
    'reorder': _SECONDS, 'status': {'retry_after': integer()},
    'tampered': {'value': integer(), 'currency': text(), 'other_reference': text()},
}


@dataclass
class Fault:
    """One thing that goes wrong.

    For calls of the API (`operation` names which):

    - `latency`: done at once, answered `seconds` (real ones) later
    - `lost`: the connection is cut and nothing has happened
    - `lost_answer`: done, then the connection is cut
    - `status`: not done, answered with that HTTP `status` (and `Retry-After`: `retry_after`)
    - `late_status`: done, then answered with that HTTP `status`
    - `refuse`: not done, answered with the problem of that domain `code`
    - `invalid`: not done, answered with a problem that names the `field`, if the request has the
      part of it before the first dot
    - `failed`: like that, and the log of the payment has an event without success
    - `garbage`: done, answered with something that is no JSON
    - `truncated`: done, the connection is cut in the middle of the answer
    - `tampered`: the payment is answered with another amount (`value`), `currency` or
      `other_reference`
    - `approved`: done, but the customer approves just before it
    - `stale`: done, but answered as it was before the last event of the payment; `token`, `create`,
      `category` and `register_webhook`: answered as the last one before it was; `userinfo`: as
      before the customer shared something with the last payment; `list_webhooks`: as before the
      last registration or deletion; `delete_webhook`: not done, as the webhook is not known yet
    - `edited`: answered with `changes`: other values by their names, null for what is missing

    For pages of entries (`report_feed`, `report_date`), `stale` is the page before, once more; and:

    - `tampered`: the first entry is answered with another amount (`value`) or `other_reference`,
      or all in another `currency`
    - `skipped`: the first entry is missing
    - `shuffled`: the entries come in another order

    For the deliveries of events (operation `webhook`):

    - `lost`: never sent
    - `late`: sent `seconds` (simulated ones) later, those of the same payment after it
    - `duplicate`: sent twice
    - `reorder`: sent after the next event of the payment, or alone after `seconds` (5)

    For the questions of the app to a merchant, how it delivers (operation `shipping`):

    - `lost`: never sent; the customer reads that the shop does not answer
    - `latency`: sent `seconds` (real ones) later
    - `impatient`: the app waits for the answer no longer than `seconds` (real ones)
    - `duplicate`: sent twice; the second answer counts
    - `camel`: the names in it begin with a small letter
    - `token`: the `token` comes after `Bearer`, or is another or none: `bearer`, `wrong`, `missing`
    - `edited`: sent with `changes`: other values by their names, null for what is missing

    For what is known after the approval of the customer (operation `approval`):

    - `edited`: the delivery is told with `changes`, see `ShippingDetails` in the specification; the
      cost in it is what is reserved beside the amount
    - `only_get`, `only_event`: delivery and customer are in the payment only, or in the event only
    - `late_question`: the app asks once more for the options after the approval

    It happens `times` times, or until it is cleared when that is None; with a `reference` to that
    payment only; with `after` it does not happen to the first that many.
    """

    operation: str
    kind: str
    times: int = 1
    seconds: float = None
    status: int = None
    code: str = None
    reference: str = None
    retry_after: int = None
    value: int = None
    currency: str = None
    other_reference: str = None
    changes: dict = None
    field: str = None
    token: str = None
    after: int = 0


class Faults:
    """The faults that are still to happen, oldest first."""

    def __init__(self):
        """Start with none."""
        self._faults = []

    def add(self, **fields):
        """Add a fault.

        :raise Problem: When its shape is wrong, saying how.
        """
        operation, kind = fields.get('operation'), fields.get('kind')
        kinds = OPERATIONS.get(operation, {kind})
        validate(record(
            {
                'operation': one_of(*sorted(OPERATIONS)), 'kind': one_of(*sorted(kinds)),
                **NEEDED.get(kind, {}),
            },
            {
                'times': nullable(integer(1)), 'reference': text(), 'after': integer(0),
                **POSSIBLE.get(kind, {}),
            },
        ), fields)
        self._faults.append(Fault(**fields))

    def take(self, operation, reference=None):
        """Return the fault that happens to this operation now, or None; it counts as happened."""
        for fault in self._faults:
            if fault.operation == operation and fault.reference in (None, reference):
                if fault.after:
                    fault.after -= 1
                    continue
                if fault.times is not None:
                    fault.times -= 1
                    if not fault.times:
                        self._faults.remove(fault)
                return fault
        return None

    def clear(self):
        """Let nothing go wrong any more."""
        self._faults.clear()

    def as_list(self):
        """Return the faults as the control endpoint shows them."""
        return [
            {
                name: value for name, value in asdict(fault).items()
                if value is not None and (name, value) != ('after', 0) or name == 'times'
            }
            for fault in self._faults
        ]
