"""The settlement of all sales units: their ledgers, and the movements on them."""

from datetime import date

from . import portal_file
from .ledger import FUNDS, SCHEDULES, TOPICS, Ledger
from .validation import BOOLEAN, array, integer, nullable, one_of, record, text, validate

_DATE = text(pattern='[0-9]{4}-[0-9]{2}-[0-9]{2}')
# What can be set of a ledger.
SETTINGS = {
    'cutoff': text(pattern='([01][0-9]|2[0-3]):[0-5][0-9]'),
    'fee_rate': integer(0),
    'fee_fixed': integer(0),
    'late_fees': BOOLEAN,
    'gross': BOOLEAN,
    'schedule': one_of(*SCHEDULES),
    'reserve': integer(0),
    'payout_text': text(),
    'next_payout': integer(1),
    'automatic': BOOLEAN,
    'access': BOOLEAN,
    'page_size': integer(1),
    'currency': text(3, 3),
    'ledger_id': text(1),
    'open_date': _DATE,
    'msns': array(text(), 1),
}
# An entry that is added by hand.
ENTRY = record(
    {'topic': one_of(*TOPICS), 'entryType': text(1), 'amount': integer()},
    {
        'pspReference': text(), 'reference': text(), 'recipientHandle': nullable(text()),
        'changes': {'type': 'object'},
    },
)
CLOSING = record({'days': integer(1, 1000), 'payout': nullable(BOOLEAN)})


class Settlement:
    """The ledgers. A sales unit has one as soon as it is needed, with the id `9<msn>`.

    The settings of a ledger:

    - `cutoff` (00:00): when a ledger date ends, on the clocks of the market
    - `fee_rate` (299), in hundredths of a percent, and `fee_fixed` (100): the fee of a capture
    - `late_fees`: fees count for the day after their capture
    - `gross`: fees are invoiced at the end of the month and not retained
    - `schedule` of payouts: `daily`, `weekly`, `monthly` or `never`
    - `reserve`: the balance that is never paid out
    - `payout_text`: the bank's text, with {number} and {msn}; `next_payout`: the next number
    - `automatic`: a date is closed when it is over; else only by :meth:`close`
    - `access`: whether the keys of the merchant reach the ledger
    - `page_size` (1000), of entries
    - `currency`, `ledger_id`; `open_date`: the first date (while there is no entry)
    - `msns`: all sales units that it settles for
    """

    def __init__(self, world):
        self._world = world
        self.ledgers = []
        self.ledgers_page_size = 100
        self.is_available = True  # unlike in the real test environment
        self.last_pages = {}  # (MSN, operation, ledger, topic) -> the last answer

    def publish(self, payment, event):
        """Take over an event of a payment."""
        if event['success']:
            now = self._world.clock.now()
            self.find(payment.unit.msn).book(payment.unit.msn, event, now)

    def find(self, msn):
        """Return the present ledger of a sales unit.

        :raise ValueError: When there is no such sales unit.
        """
        with self._world.lock:
            found = [ledger for ledger in self.ledgers if msn in ledger.msns]
            ledger = found[-1] if found else self.add_ledger(msn, f'9{msn}')
            ledger.settle(self._world.clock.now())
            return ledger

    def find_all(self, msn):
        """Return all ledgers that ever settled for a sales unit, the oldest first."""
        with self._world.lock:
            self.find(msn)
            return [ledger for ledger in self.ledgers if msn in ledger.msns]

    def add_ledger(self, msn, ledger_id):
        """Give a sales unit a new ledger; the entries so far stay in the present one."""
        with self._world.lock:
            unit = self._world.units.get(msn)
            if not unit:
                raise ValueError("there is no such sales unit")
            if any(ledger.ledger_id == ledger_id for ledger in self.ledgers):
                raise ValueError("there is such a ledger already")
            ledger = Ledger(ledger_id, [msn], {msn: unit.name}, unit.currency)
            ledger.start(ledger.date_of(self._world.clock.now()))
            self.ledgers.append(ledger)
            return ledger

    def configure(self, msn, **settings):
        """Change settings of the ledger of a sales unit.

        :raise Problem: When one is unknown or of the wrong type.
        :raise ValueError: When it does not fit.
        """
        with self._world.lock:
            ledger = self.find(msn)
            validate(record(optional=SETTINGS), settings)
            self._check(ledger, settings)
            open_date = settings.pop('open_date', None)
            for name, value in settings.items():
                setattr(ledger, name, value)
            # It is the present one of all that it settles for.
            self.ledgers.remove(ledger)
            self.ledgers.append(ledger)
            for other in ledger.msns:
                ledger.unit_names[other] = self._world.units[other].name
            if open_date:
                ledger.start(date.fromisoformat(open_date))
            return ledger

    def close(self, msn, days=1, payout=None):
        """Close the open date of the ledger of a sales unit, and as many more.

        :param bool payout: Whether the balance is paid out, if not as the settings say.
        :return: The payouts that were made.
        """
        with self._world.lock:
            validate(CLOSING, {'days': days, 'payout': payout})
            ledger = self.find(msn)
            made = len(ledger.payouts)
            for _day in range(days):
                ledger.close_date(payout)
            return ledger.payouts[made:]

    def abort_payout(self, msn, number):
        """Let the transfer of a payout fail; returns the payout."""
        with self._world.lock:
            for ledger in self.find_all(msn):
                if any(payout['number'] == number for payout in ledger.payouts):
                    return ledger.abort_payout(number, self._world.clock.now())
            raise ValueError("there is no such payout")

    def add_entry(self, msn, **entry):
        """Add an entry by hand, such as a correction, a top-up or one of another system.

        :param entry: `topic`, `entryType` and `amount`; if wanted `pspReference`, `reference`,
            `recipientHandle` (None for none), and `changes` with any other fields and values.
        """
        with self._world.lock:
            validate(ENTRY, entry)
            return self.find(msn).add(
                entry['topic'], entry['entryType'], entry['amount'], self._world.clock.now(),
                entry.get('pspReference'), entry.get('reference', ''),
                entry.get('recipientHandle', f'api:{msn}'), entry.get('changes'),
            )

    def dispute(self, msn, reference, won=False, psp_reference=None):
        """Let a customer dispute a capture, or let the merchant win that.

        :param str reference: The reference of the payment.
        :param bool won: Whether the money that was retained comes back.
        :param str psp_reference: The capture, if not the first one of the payment.
        """
        with self._world.lock:
            captures = [
                (ledger, entry) for ledger in self.find_all(msn) for entry in ledger.entries[FUNDS]
                if entry['entryType'] == 'capture' and entry['reference'] == reference
                and psp_reference in (None, entry['pspReference'])
            ]
            if not captures:
                raise ValueError("there is no such capture")
            ledger, capture = captures[0]
            kinds = [
                entry['entryType'] for entry in ledger.entries[FUNDS]
                if entry['pspReference'] == capture['pspReference']
            ]
            retained = kinds.count('retained-disputed-capture')
            is_retained = retained > kinds.count('returned-disputed-capture')
            if is_retained != won:
                raise ValueError("the capture is not disputed" if won else "it is disputed already")
            return ledger.add(
                FUNDS, 'returned-disputed-capture' if won else 'retained-disputed-capture',
                capture['amount'] if won else -capture['amount'], self._world.clock.now(),
                capture['pspReference'], reference, capture['recipientHandle'],
            )

    def export(self, msn, language='nb'):
        """Return the file of a sales unit that the portal exports, see :mod:`portal_file`."""
        with self._world.lock:
            return portal_file.export(self.find_all(msn), language)

    def describe(self, msn):
        """Return all that is known about the ledgers of a sales unit, but their entries."""
        return [{
            **{name: getattr(ledger, name) for name in SETTINGS if name != 'open_date'},
            'open_date': ledger.open_date.isoformat(),
            'closed_until': ledger.closed_until.isoformat(),
            'balances': {topic: ledger.balance(topic) for topic in TOPICS},
            'counts': {topic: len(ledger.entries[topic]) for topic in TOPICS},
            'payouts': ledger.payouts,
        } for ledger in self.find_all(msn)]

    def entries(self, msn, topic=FUNDS):
        """Return the entries of all ledgers of a sales unit, the oldest first."""
        with self._world.lock:
            return [
                dict(entry) for ledger in self.find_all(msn) for entry in ledger.entries[topic]
            ]

    def _check(self, ledger, settings):
        if set(settings.get('msns', ())) - self._world.units.keys():
            raise ValueError("there is no such sales unit")
        if 'open_date' in settings:
            date.fromisoformat(settings['open_date'])
            if any(ledger.entries.values()):
                raise ValueError("open_date can be set while there is no entry")
        if any(
            other.ledger_id == settings.get('ledger_id') for other in self.ledgers
            if other is not ledger
        ):
            raise ValueError("there is such a ledger already")
