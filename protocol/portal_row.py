"""The cells of a row in a file from the portal of Vipps MobilePay, as it is or saved by Excel."""

import re
from datetime import datetime, timedelta

from .amount import to_minor
from .errors import _
from .fields import MAX_AMOUNT, is_storable
from .payment import MAX_TEXT_LENGTH
from .table import Formula, UnreadableFile

BLANKS = re.compile(r'\s+')  # Those that do not break lines, too.
# Groups of thousands are apart by a blank, or by the point or comma that is not the decimal one.
AMOUNT_PATTERN = re.compile(
    r'[+-]?(?:\d+(?:[.,]\d\d?)?|\d{1,3}(?: \d{3})+(?:[.,]\d\d?)?'
    r'|\d{1,3}(?:\.\d{3})+,\d\d?|\d{1,3}(?:,\d{3})+\.\d\d?)', re.ASCII
)
DECIMALS_PATTERN = re.compile(r'[.,](\d\d?)$', re.ASCII)
DATE_PATTERN = re.compile(
    r'(?:(\d{4})-(\d\d?)-(\d\d?)|(\d\d?)[.-](\d\d?)[.-](\d{4}))'
    r'(?:[ T](\d\d?)[:.](\d\d)(?:[:.](\d\d))?)?', re.ASCII
)
# Excel counts days from here, and writes long numbers in this way.
FIRST_DAY = datetime(1899, 12, 30)
SHORTENED_PATTERN = re.compile(r'\d([.,]\d+)?E\+\d+', re.ASCII | re.IGNORECASE)
MAX_EXACT_NUMBER = 10**15
FORMULA_MARKS = ('=', '+', '@')

FORMULA = _(
    "Row %(row)s has a formula in the column %(column)s. Import the file as the portal has exported"
    " it, without changes."
)
SHORTENED = _(
    "Row %(row)s: Excel has shortened the number in the column %(column)s when the file was saved,"
    " and its last digits are lost. Import the file as the portal has exported it, without opening"
    " it in Excel."
)
WRONG_CELL = _(
    "Row %(row)s: Odoo cannot read the value in the column %(column)s. Import the file as the"
    " portal has exported it, without changes."
)


class PortalRow:
    """Reads the cells of a row. Each method raises :class:`UnreadableFile` if a cell is not as it
    has to be."""

    def __init__(self, number, header, columns, cells):
        self._number = number
        self._header = header
        self._columns = columns
        self._cells = cells

    def refuse(self, column, sentence=WRONG_CELL):
        """Return the error of a cell. It does not say what is in there."""
        return UnreadableFile(
            sentence, row=self._number, column=self._header[self._columns[column]]
        )

    def get_code(self, column, is_required=False):
        """Return a text that programs made, empty if the column is missing or empty."""
        code = self._get_written(column)
        if is_required and not code or code and not is_storable(code):
            raise self.refuse(column)
        return code

    def get_text(self, column):
        """Return a text that others wrote: it is cut and cleaned rather than refused."""
        text = ''.join(c if c.isprintable() else ' ' for c in self._get_written(column))
        return text[:MAX_TEXT_LENGTH].strip()

    def get_amount(self, column, currency, is_required=False):
        """Return an amount in minor units, None if the column is missing or empty."""
        cell = self._get(column)
        if cell == '' and not is_required:
            return None
        if isinstance(cell, str):
            cell = BLANKS.sub(' ', cell).replace('\u2212', '-')
            if not AMOUNT_PATTERN.fullmatch(cell):
                raise self.refuse(column)
            whole, _point, part = DECIMALS_PATTERN.sub(r'|\1', cell).partition('|')
            cell = f"{re.sub('[ .,]', '', whole)}.{part or 0}"
        try:
            amount = to_minor(cell, currency)
        except ValueError:
            raise self.refuse(column) from None
        if abs(amount) > MAX_AMOUNT:
            raise self.refuse(column)
        return amount

    def get_moment(self, column, with_time=False):
        """Return a moment, None if it is missing, or if a time is and should not be."""
        cell = self._get(column)
        if cell == '':
            return None
        try:
            if not isinstance(cell, str):
                return FIRST_DAY + timedelta(seconds=round(cell * 86400))
            match = DATE_PATTERN.fullmatch(cell)
            if not match:
                raise ValueError
            *groups, hour, minute, second = match.groups()
            year, month, day = groups[:3] if groups[0] else reversed(groups[3:])
            moment = datetime(*map(int, (year, month, day, hour or 0, minute or 0, second or 0)))
        except (ValueError, OverflowError):
            raise self.refuse(column) from None
        return None if with_time and hour is None else moment

    def _get_written(self, column):
        """Return a text, also of a number in XLSX."""
        cell = self._get(column)
        if isinstance(cell, str):
            if SHORTENED_PATTERN.fullmatch(cell):
                raise self.refuse(column, SHORTENED)
            if cell.startswith(FORMULA_MARKS):
                raise self.refuse(column, FORMULA)
            return cell
        if not abs(cell) < MAX_EXACT_NUMBER:
            raise self.refuse(column, SHORTENED)
        if cell != int(cell):
            raise self.refuse(column)
        return str(int(cell))

    def _get(self, column):
        place = self._columns.get(column)
        cell = '' if place is None else self._cells[place]
        if cell is Formula or isinstance(cell, str) and cell.startswith('='):
            raise self.refuse(column, FORMULA)
        return cell
