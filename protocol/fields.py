"""The fields of an object in an answer, each of which may be missing or of another type."""

import math
import re
from datetime import date

from .errors import UnreadableAnswer
from .payment import MAX_TEXT_LENGTH, parse_timestamp

MAX_AMOUNT = 2**53  # Balances can be more than a payment; floats are exact up to here.
DATE_PATTERN = re.compile(r'\d{4}-\d\d-\d\d', re.ASCII)
CURRENCY_PATTERN = re.compile(r'[A-Z]{3}')


class Fields:
    """Reads the fields of an object.

    Each method raises :class:`UnreadableAnswer` if the field is not as it has to be.
    """

    def __init__(self, data, place):
        """Take the parsed JSON.

        :param str place: The object in words, for errors.
        """
        if not isinstance(data, dict):
            raise UnreadableAnswer(f'{place} is no object')
        self._data = data
        self._place = place

    def get(self, name, kind):
        """Return a value of a type, and of no subtype."""
        value = self._data.get(name)
        # A bool is an int to Python, but not an amount.
        if type(value) is not kind:
            raise UnreadableAnswer(f'no {name} in {self._place}')
        return value

    def get_text(self, name, max_length=MAX_TEXT_LENGTH):
        """Return a text that is not empty, and that can be stored."""
        text = self.get(name, str)
        if not is_storable(text, max_length):
            raise UnreadableAnswer(f'a strange {name} in {self._place}')
        return text

    def get_text_or_none(self, name):
        """Return a text that may be missing."""
        return None if self._data.get(name) is None else self.get_text(name)

    def get_free_text(self, name):
        """Return a text that others wrote: it is cut and cleaned rather than refused."""
        text = '' if self._data.get(name) is None else self.get(name, str)
        return ''.join(c if c.isprintable() else ' ' for c in text)[:MAX_TEXT_LENGTH].strip()

    def get_flag(self, name):
        """Return a flag that may be left out when it is false."""
        return False if self._data.get(name) is None else self.get(name, bool)

    def get_cursor(self):
        """Return the place of the next page, a text of any length."""
        return self.get_text('cursor', max_length=math.inf)

    def get_cursor_or_none(self):
        """Return the place of the next page; it is missing or empty if there is none."""
        return self.get_cursor() if self._data.get('cursor') else None

    def get_amount(self, name):
        """Return a signed amount, in minor units."""
        amount = self.get(name, int)
        if abs(amount) > MAX_AMOUNT:
            raise UnreadableAnswer(f'a strange {name} in {self._place}')
        return amount

    def get_currency(self):
        """Return an ISO 4217 code."""
        currency = self.get('currency', str)
        if not CURRENCY_PATTERN.fullmatch(currency):
            raise UnreadableAnswer(f'a strange currency in {self._place}')
        return currency

    def get_moment(self, name):
        """Return a moment in UTC, without a time zone."""
        moment = parse_timestamp(self.get(name, str))
        if not moment:
            raise UnreadableAnswer(f'a strange {name} in {self._place}')
        return moment

    def get_date(self, name):
        """Return a date that may be missing."""
        if self._data.get(name) is None:
            return None
        day = _parse_date(self.get(name, str))
        if not day:
            raise UnreadableAnswer(f'a strange {name} in {self._place}')
        return day


def is_storable(value, max_length=MAX_TEXT_LENGTH):
    """Return whether a value is a text that is not empty, and that can be stored."""
    # Neither NUL nor half a surrogate pair is printable, and PostgreSQL takes neither.
    return isinstance(value, str) and 0 < len(value) <= max_length and value.isprintable()


def _parse_date(text):
    try:
        return date.fromisoformat(text) if DATE_PATTERN.fullmatch(text) else None
    except ValueError:
        return None
