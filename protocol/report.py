"""The Report API: the ledgers of a sales unit and their entries, from which payouts are made.

A ledger has two accounts: `funds` is what Vipps MobilePay owes the merchant, `fees` what the
merchant owes Vipps MobilePay. Amounts are in minor units, and signed.

https://developer.vippsmobilepay.com/docs/APIs/report-api/
"""

import math
import re
from dataclasses import dataclass, field
from datetime import date, datetime
from urllib.parse import quote, urlencode

from .errors import NotFound, UnreadableAnswer, _
from .fields import Fields, is_storable

LEDGERS = '/settlement/v1/ledgers'
ENTRIES = '/report/v2/ledgers'

FUNDS, FEES = TOPICS = ('funds', 'fees')
# The types that are known; there are new ones without notice.
FUNDS_TYPES = (
    'capture', 'refund', 'fees-retained', 'payout-scheduled', 'payout-aborted',
    'retained-disputed-capture', 'returned-disputed-capture', 'correction', 'top-up', 'credit-note',
)
FEES_TYPES = (
    'capture-fee', 'service-fee', 'fees-retained', 'fees-invoiced', 'credit-note', 'correction',
)
PAYOUT_TYPES = ('payout-scheduled', 'payout-aborted')
OLD_TYPES = {'scheduled-for-payout': 'payout-scheduled'}

# Never kept, although nobody asks for them.
PERSONAL_FIELDS = {'message', 'name', 'maskedphoneno'}
MAX_DEPTH = 4  # of what is kept of fields that are not known

MAX_LEDGER_PAGES = 100
# Of Norwegian payouts, on bank statements; the first is how it was written before.
BANK_TEXT_PATTERN = re.compile(
    r'(?:Vipps utbet|Utb)\.\s*(\d{1,20})\s+Vippsnr\.?\s+(\d{1,20})', re.ASCII | re.IGNORECASE
)

NO_ACCESS = _(
    "The keys give no access to the settlements of this sales unit. Import the file from the Vipps"
    " MobilePay portal instead, or ask Vipps MobilePay for access."
)
NOT_HERE = _(
    "There are no settlements here: the test environment of Vipps MobilePay has none. They can be"
    " fetched in production."
)


class NoAccess(NotFound):
    """The keys do not reach a ledger; it does not mean that the ledger is empty."""


class NotHere(NotFound):
    """There is no Report API in this environment."""


@dataclass(frozen=True)
class Identifier:
    """The number of a bank account or of an organization, and the kind of that number."""

    scheme: str  # such as `BBAN:NO` or `business:NO:ORG`
    id: str


@dataclass(frozen=True)
class Ledger:
    """A ledger: payouts are made from it to one bank account, in one currency."""

    ledger_id: str
    currency: str
    handles: tuple  # of the sales units that it settles for; see `get_handle`
    unit_names: dict = field(default_factory=dict)  # by handle, as far as they are told
    bank_account: Identifier | None = field(default=None, repr=False)
    owner: Identifier | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, data):
        """Return the ledger of an item of an answer.

        :param data: The parsed JSON.
        :rtype: Ledger
        :raise UnreadableAnswer: If it is not a ledger.
        """
        ledger = Fields(data, 'a ledger')
        handles = ledger.get('settlesForRecipientHandles', list)
        if not all(map(is_storable, handles)):
            raise UnreadableAnswer('strange recipients in a ledger')
        units = data.get('salesUnits')
        return cls(
            ledger_id=ledger.get_text('ledgerId'),
            currency=ledger.get_currency(),
            handles=tuple(handles),
            unit_names={
                unit['recipientHandle']: unit['name']
                for unit in (units if isinstance(units, list) else ())
                if isinstance(unit, dict)
                and is_storable(unit.get('recipientHandle')) and is_storable(unit.get('name'))
            },
            bank_account=_parse_identifier(data.get('payoutBankAccount')),
            owner=_parse_identifier(data.get('owner')),
        )


@dataclass(frozen=True)
class Entry:
    """A movement on one of the accounts of a ledger. It never changes: errors are corrected by
    other entries.

    `psp_reference` is that of the event of a capture or a refund. It is not unique: fees and
    disputes have that of their capture.
    """

    psp_reference: str
    entry_type: str  # by its present name; see `FUNDS_TYPES` and `FEES_TYPES`
    time: datetime  # when it happened, in UTC without a time zone
    ledger_date: date | None  # the day in the books; old data lack it
    reference: str  # of the payment, or the bank's text of a payout; may be empty
    currency: str
    amount: int
    balance_before: int
    balance_after: int
    recipient_handle: str | None
    raw: dict = field(repr=False)  # the JSON that it was parsed from, without personal data

    @classmethod
    def parse(cls, data):
        """Return the entry of an item of an answer.

        :param data: The parsed JSON.
        :rtype: Entry
        :raise UnreadableAnswer: If it is not an entry, or one that cannot be stored.
        """
        fields = Fields(data, 'an entry')
        entry_type = fields.get_text('entryType')
        return cls(
            psp_reference=fields.get_text('pspReference'),
            entry_type=OLD_TYPES.get(entry_type, entry_type),
            time=fields.get_moment('time'),
            ledger_date=fields.get_date('ledgerDate'),
            reference=fields.get_free_text('reference'),
            currency=fields.get_currency(),
            amount=fields.get_amount('amount'),
            balance_before=fields.get_amount('balanceBefore'),
            balance_after=fields.get_amount('balanceAfter'),
            recipient_handle=fields.get_text_or_none('recipientHandle'),
            raw=_keep(data),
        )

    def get_payout_number(self, ledger_id):
        """Return the number of the payout that this entry is, unique for its ledger.

        :param str ledger_id: The ledger that the entry is in.
        :return: None for other entries, and if there is no number in the reference.
        :rtype: str | None
        """
        if self.entry_type not in PAYOUT_TYPES:
            return None
        return get_payout_number(ledger_id, self.psp_reference)


@dataclass(frozen=True)
class Page:
    """A part of the entries of an account, in their order."""

    entries: tuple
    # Where to go on: always there for a feed, to be stored after each page, even an empty one; for
    # a date only if there is more.
    cursor: str | None
    # Whether to ask for the next page at once. It can be empty.
    has_more: bool
    # Whether entries can come later: for a date until it is closed, for a feed always. Not to be
    # waited for in a loop: a date can be open for months.
    is_open: bool

    @property
    def is_complete(self):
        """Return whether a date ends with this page: it is closed, and there is no more."""
        return not self.has_more and not self.is_open


class ReportApi:
    """The calls of the Report API, a part of :class:`apis.VippsClient`.

    All of them only read: each may be repeated.
    """

    def get_ledgers(self, msn):
        """Read the ledgers that settle for a sales unit: one, or several after a move.

        :param str msn: The Merchant Serial Number.
        :rtype: list[Ledger]
        :raise NoAccess: If the keys reach none.
        :raise NotHere: If this environment has no Report API.
        """
        end = self._get_end()
        ledgers, query, cursors = [], {'settlesForRecipientHandles': get_handle(msn)}, set()
        while query:
            answer = self._read(f'{LEDGERS}?{urlencode(query)}', NotHere, NOT_HERE, end)
            page = Fields(answer, 'the ledgers')
            ledgers += map(Ledger.parse, page.get('items', list))
            cursor = page.get_cursor_or_none()
            if cursor in cursors or len(cursors) == MAX_LEDGER_PAGES:
                raise UnreadableAnswer('the pages of ledgers do not end')
            cursors.add(cursor)
            query = cursor and {'cursor': cursor}
        if not ledgers:
            raise NoAccess('reading the ledgers', NO_ACCESS, False)
        return ledgers

    def read_feed(self, ledger_id, topic, cursor=None):
        """Read a page of all entries of an account, from the oldest to those that are still to
        come.

        :param str ledger_id: The ledger.
        :param str topic: One of `TOPICS`.
        :param str cursor: The cursor of the page before; None for the first page.
        :rtype: Page
        :raise NoAccess: If the keys do not reach the ledger.
        """
        return parse_feed_page(self._read_entries(ledger_id, topic, 'feed', cursor), cursor)

    def read_date(self, ledger_id, topic, ledger_date, cursor=None):
        """Read a page of the entries of an account that count for a date.

        :param str ledger_id: The ledger.
        :param str topic: One of `TOPICS`.
        :param datetime.date ledger_date: The day.
        :param str cursor: The cursor of the page before; None for the first page.
        :rtype: Page
        :raise NoAccess: If the keys do not reach the ledger.
        """
        place = f'dates/{ledger_date.isoformat()}'
        return parse_date_page(self._read_entries(ledger_id, topic, place, cursor))

    def _read_entries(self, ledger_id, topic, place, cursor):
        path = f'{ENTRIES}/{quote(ledger_id, safe="")}/{topic}/{place}'
        query = f'?{urlencode({"cursor": cursor})}' if cursor else ''
        return self._read(path + query, NoAccess, NO_ACCESS)

    def _read(self, path, kind, sentence, end=None):
        try:
            return self._request('GET', path, end=end)
        except NotFound as error:
            raise kind(
                error.operation, sentence, False, error.status, error.code, error.trace_id
            ) from error


def get_handle(msn):
    """Return the name of a sales unit of the ePayment API in ledgers."""
    return f'api:{msn}'


def get_payout_number(ledger_id, psp_reference):
    """Return the number of the payout with a reference: `<ledger>-<number>`.

    :rtype: str | None
    """
    number = psp_reference.removeprefix(f'{ledger_id}-')
    is_number = number != psp_reference and number.isascii() and number.isdigit()
    return number if is_number else None


def parse_bank_text(text):
    """Return the number of the payout and the sales unit in the text of a bank statement.

    Only payouts in Norway have both. Documentation was seen that has them in the other order; real
    statements have this one.

    :rtype: tuple[str, str] | None
    """
    match = BANK_TEXT_PATTERN.search(text or '')
    return match and match.groups()


def parse_feed_page(data, cursor=None):
    """Return the page of an answer with a part of a feed.

    It says neither `hasMore` nor that it ends: `tryLater` is that all entries so far were read.

    :param data: The parsed JSON.
    :param str cursor: The cursor that was asked with.
    :rtype: Page
    :raise UnreadableAnswer: If it is no such page. Nothing of it may be used then.
    """
    page = Fields(data, 'the page')
    entries, next_cursor = _get_entries(page), page.get_cursor()
    # The same place without an entry is the end, too.
    goes_on = bool(entries) or next_cursor != cursor
    has_more = goes_on and not page.get_flag('tryLater')
    return Page(entries, next_cursor, has_more, is_open=True)


def parse_date_page(data):
    """Return the page of an answer with a part of a date.

    Its `tryLater` is that the date is still open, on any of its pages.

    :param data: The parsed JSON.
    :rtype: Page
    :raise UnreadableAnswer: If it is no such page. Nothing of it may be used then.
    """
    page = Fields(data, 'the page')
    entries, has_more = _get_entries(page), page.get('hasMore', bool)
    cursor = page.get_cursor() if has_more else None
    return Page(entries, cursor, has_more, is_open=page.get_flag('tryLater'))


def _get_entries(page):
    entries = []
    for position, item in enumerate(page.get('items', list), 1):
        try:
            entries.append(Entry.parse(item))
        except UnreadableAnswer as error:
            problem = f'{error.operation}, number {position} of the page'
        else:
            continue
        raise UnreadableAnswer(problem)
    return tuple(entries)


def _parse_identifier(data):
    data = data if isinstance(data, dict) else {}
    values = data.get('scheme'), data.get('id')
    return Identifier(*values) if all(map(is_storable, values)) else None


def _keep(value, depth=0):
    """Return the part of some JSON that is not personal and that can be stored as JSON."""
    if isinstance(value, str):
        return value.replace('\0', '').encode('utf-8', 'ignore').decode()
    if isinstance(value, float) and not math.isfinite(value) or depth > MAX_DEPTH:
        return None
    if isinstance(value, list):
        return [_keep(item, depth + 1) for item in value]
    if isinstance(value, dict):
        return {
            _keep(name): _keep(item, depth + 1) for name, item in value.items()
            if name.lower() not in PERSONAL_FIELDS
        }
    return value
