"""The list of entries that merchants export from the portal of Vipps MobilePay, as CSV or XLSX.

Columns are found by their names. Only those that are needed are read: the names, phone numbers and
messages of customers are dropped. The other files of the portal, which are older, are refused.
"""

import json
import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import pairwise
from operator import itemgetter
from typing import NamedTuple

from .amount import DECIMALS
from .errors import _
from .portal_row import BLANKS, PortalRow
from .report import FUNDS_TYPES, OLD_TYPES
from .table import UnreadableFile, find_readers

# Column -> its names, as in the portal in Norwegian and in English.
COLUMNS = {
    'type': ("Type",),
    'amount': ("Beløp", "Amount"),
    'currency': ("Valuta", "Currency"),
    'ledger_date': ("Bokføringsdato", "Booking date"),
    'psp_reference': ("PSP-referanse", "PSP reference"),
    'unit_name': ("Salgssted", "Sales unit"),
    'msn': ("MSN/Vippsnummer", "MSN/Vipps number"),
    'time': ("Tidspunkt", "Time"),
    'balance': ("Balanse", "Balance"),
    'fee': ("Gebyr", "Fee"),
    'reference': ("Ordre-ID/Referanse", "Order ID/Reference"),
    'payout_number': ("Utbetalingsnummer", "Payout number"),
}
# Fewer are in any table of payments.
MIN_COLUMNS = 3
REQUIRED_COLUMNS = ('type', 'amount', 'currency', 'ledger_date', 'psp_reference')
# Names that only older files have.
OLD_COLUMNS = {'settlementinfo', 'feeinfo', 'transactioninfo', 'oppgjørs-id', 'oppgjørsdato'}

# Label -> type. The English ones are the types with blanks; of the Norwegian ones, those of the
# refund and of what follows it were not seen. Others are kept as they are, as unknown types.
TYPES = {
    'belastning': 'capture',
    'gebyrer fratrukket': 'fees-retained',
    'utbetaling planlagt': 'payout-scheduled',
    'refusjon': 'refund',
    'utbetaling avbrutt': 'payout-aborted',
    'korreksjon': 'correction',
    'kreditnota': 'credit-note',
}

# Entries whose reference begins with the number of their ledger.
LEDGER_TYPES = ('payout-scheduled', 'payout-aborted', 'fees-retained')
LEDGER_PATTERN = re.compile(r'(\d{1,20})-(\d{1,20})', re.ASCII)

OTHER_FILE = _(
    "This is not the list of entries that Odoo reads. In the Vipps MobilePay portal, in English or"
    " Norwegian, open Reports, export the full list as CSV or Excel, and import that file."
)
OLD_FILE = _(
    "This is an older kind of settlement file, which lacks what Odoo needs. In the Vipps MobilePay"
    " portal, in English or Norwegian, open Reports, export the full list as CSV or Excel, and"
    " import that file."
)
MISSING_COLUMN = _(
    "The file has no column %(column)s. In the Vipps MobilePay portal, open Reports, export the"
    " full list with all columns as CSV or Excel, and import that file."
)
DOUBLE_COLUMN = _(
    "The file has two columns %(column)s. Import the file as the portal has exported it."
)
NO_ENTRIES = _("There are no entries in the file. Export a period with payments.")
NO_TYPE_KNOWN = _(
    "Odoo knows none of the types of entries in the file. Export it from the Vipps MobilePay portal"
    " in English or Norwegian."
)
CUT_OFF = _(
    "Row %(row)s has another number of columns than the first row: the file is damaged or was cut"
    " off. Export it again."
)
OTHER_CURRENCY = _(
    "Row %(row)s: this version does not know the currency in the column %(column)s as one of Vipps"
    " MobilePay."
)


class PortalEntry(NamedTuple):
    """A row: an entry of the funds of a ledger."""

    msn: str  # may be empty
    unit_name: str
    entry_type: str  # of `report.FUNDS_TYPES`, or the label
    psp_reference: str
    reference: str
    currency: str
    ledger_date: date
    time: datetime | None  # on the clocks of the market; without seconds if Excel saved the file
    amount: int  # in minor units
    balance: int | None  # after the entry
    fee: int | None  # of this capture; negative
    payout_number: str  # of the payout that covers the entry, or that it is; may be empty

    @property
    def raw(self):
        """Return the entry as it came, as values of JSON."""
        return self._replace(
            ledger_date=self.ledger_date.isoformat(), time=self.time and self.time.isoformat(),
        )._asdict()

    @property
    def ledger_number(self):
        """Return the id of the ledger, which only payouts and fees tell, or None."""
        match = self._match_ledger()
        return match and match[1]

    @property
    def own_payout_number(self):
        """Return the number of the payout that this entry is, or None."""
        if self.entry_type not in ('payout-scheduled', 'payout-aborted'):
            return None
        match = self._match_ledger()
        return match[2] if match else self.payout_number or None

    def _match_ledger(self):
        is_told = self.entry_type in LEDGER_TYPES
        return LEDGER_PATTERN.fullmatch(self.psp_reference) if is_told else None

    def dump(self):
        """Return the entry as a line of JSON, to read it with :meth:`load`.

        :rtype: str
        """
        return json.dumps(list(self.raw.values()), ensure_ascii=False)

    @classmethod
    def load(cls, line):
        """Return the entry of a line of :meth:`dump`.

        :rtype: PortalEntry
        """
        entry = cls(*json.loads(line))
        return entry._replace(
            ledger_date=date.fromisoformat(entry.ledger_date),
            time=entry.time and datetime.fromisoformat(entry.time),
        )


def _fold(text):
    return BLANKS.sub(' ', text.strip()).casefold()


# Excel takes the file for one in another encoding, unless it is told; then the names are garbled.
COLUMNS_BY_NAME = {
    _fold(text): column for column, names in COLUMNS.items() for name in names
    for text in (name, name.encode().decode('cp1252'))
}


@dataclass
class PortalUnit:
    """The entries of a sales unit in a file."""

    msn: str
    name: str
    currencies: set = field(default_factory=set)
    ledger_numbers: set = field(default_factory=set)
    first_date: date = date.max
    last_date: date = date.min
    lines: list = field(default_factory=list, repr=False)  # the entries in their order, dumped


def split_portal_file(file):
    """Return the sales units of a file. Its rows may be in any order.

    :param file: The file, binary and open for reading at any place.
    :rtype: list[PortalUnit]
    :raise UnreadableFile: If it is another file, or if a row of it cannot be read.
    """
    units = {}
    for entry in read_portal_file(file):
        unit = units.setdefault(entry.msn, PortalUnit(entry.msn, entry.unit_name))
        unit.currencies.add(entry.currency)
        if entry.ledger_number:
            unit.ledger_numbers.add(entry.ledger_number)
        unit.first_date = min(unit.first_date, entry.ledger_date)
        unit.last_date = max(unit.last_date, entry.ledger_date)
        unit.lines.append(_Place(
            entry.ledger_date, entry.time or datetime.max, entry.amount, entry.balance,
            entry.dump().encode(),
        ))
    for unit in units.values():
        if unit.lines[0][:2] > unit.lines[-1][:2]:  # The newest first: those of a second, too.
            unit.lines.reverse()
        unit.lines.sort(key=itemgetter(0, 1))
        days = {}
        for place in unit.lines:
            days.setdefault(place.day, []).append(place)
        balance, places = None, []
        for day in days.values():
            places += _put_in_chain(day, balance)
            balance = places[-1].balance
        unit.lines = [place.line for place in places]
    return list(units.values())


class _Place(NamedTuple):
    """The place of an entry among others."""

    day: date
    time: datetime
    amount: int
    balance: int | None
    line: bytes

    @property
    def before(self):
        return self.balance - self.amount


def _put_in_chain(places, balance):
    """Return places in an order in which each begins with the balance that the one before leaves,
    if there is one: this is a path along all edges of a graph whose nodes are the balances.

    :param int balance: The balance before them, or None.
    """
    if any(place.balance is None for place in places):
        return places
    left = {}
    for place in places[::-1]:
        left.setdefault(place.before, []).append(place)
    if balance not in left:
        starts = Counter(place.before for place in places)
        starts.subtract(place.balance for place in places)
        # It is begun once more than it is left. If there is none, the path ends where it begins.
        first = 0 if 0 in left else places[0].before
        balance = next((start for start, count in starts.items() if count > 0), first)
    chain, path = [], [None]
    while path:
        following = left.get(path[-1].balance if path[-1] else balance)
        if following:
            path.append(following.pop())
        else:
            chain.append(path.pop())
    chain = chain[-2::-1]
    is_whole = len(chain) == len(places) and all(
        place.balance == following.before for place, following in pairwise(chain)
    )
    return chain if is_whole else places


def read_portal_file(file):
    """Return an iterator over the entries of a file, in the order of its rows.

    :param file: The file, binary and open for reading at any place.
    :return: Of :class:`PortalEntry`.
    :raise UnreadableFile: If it is another file, or if a row of it cannot be read.
    """
    read = _find_reader(file)
    header, rows = _read_header(read), read()
    next(rows)
    columns = _find_columns(header)
    is_empty, is_known = True, False
    for number, cells in rows:
        if cells.count('') == len(cells):
            continue
        if len(cells) != len(header):
            raise UnreadableFile(CUT_OFF, row=number)
        entry = _read_entry(PortalRow(number, header, columns, cells))
        is_empty, is_known = False, is_known or entry.entry_type in FUNDS_TYPES
        yield entry
    if is_empty or not is_known:
        raise UnreadableFile(NO_ENTRIES if is_empty else NO_TYPE_KNOWN)


def _find_reader(file):
    """Return the way to read the file in which its first row names the columns."""
    best, names, readers = {}, set(), find_readers(file)
    for read in readers:
        try:
            header = _read_header(read)
        except UnreadableFile:
            if len(readers) == 1:
                raise
            continue
        columns = _find_columns(header)
        if columns.keys() >= set(REQUIRED_COLUMNS):
            return read
        names.update(map(_fold, header))
        best = max(best, columns, key=len)
    if not names.isdisjoint(OLD_COLUMNS):
        raise UnreadableFile(OLD_FILE)
    if len(best) < MIN_COLUMNS:
        raise UnreadableFile(OTHER_FILE)
    missing = next(column for column in REQUIRED_COLUMNS if column not in best)
    raise UnreadableFile(MISSING_COLUMN, column=" / ".join(COLUMNS[missing]))


def _read_header(read):
    _number, header = next(read(), (1, []))
    return [cell if isinstance(cell, str) else '' for cell in header]


def _find_columns(header):
    """Return the place of each column that is known, by its name."""
    columns = {}
    for place, cell in enumerate(header):
        column = COLUMNS_BY_NAME.get(_fold(cell))
        if column in columns:
            raise UnreadableFile(DOUBLE_COLUMN, column=cell)
        if column:
            columns[column] = place
    return columns


def _read_entry(row):
    currency = row.get_code('currency')
    if currency not in DECIMALS:
        raise row.refuse('currency', OTHER_CURRENCY)
    day = row.get_moment('ledger_date')
    if not day:
        raise row.refuse('ledger_date')
    return PortalEntry(
        msn=row.get_code('msn'),
        unit_name=row.get_text('unit_name'),
        entry_type=_find_type(row.get_code('type', is_required=True)),
        psp_reference=row.get_code('psp_reference', is_required=True),
        reference=row.get_text('reference'),
        currency=currency,
        ledger_date=day.date(),
        time=row.get_moment('time', with_time=True),
        amount=row.get_amount('amount', currency, is_required=True),
        balance=row.get_amount('balance', currency),
        fee=row.get_amount('fee', currency),
        payout_number=row.get_code('payout_number'),
    )


def _find_type(label):
    name = _fold(label)
    name = TYPES.get(name) or name.replace(' ', '-')
    return OLD_TYPES.get(name, name)
