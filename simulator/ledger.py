"""A ledger: the money that payments leave at Vipps MobilePay until it is paid out."""

import secrets
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone

from .clock import timestamp

FUNDS, FEES = TOPICS = ('funds', 'fees')
ONE_DAY = timedelta(days=1)
# How far the clocks of a market are ahead of UTC in winter, in hours.
WINTER_OFFSETS = {'NOK': 1, 'DKK': 1, 'EUR': 2}
# How many days after the ledger date the money is in the bank, weekends aside.
BANK_DAYS = {'NOK': 2, 'DKK': 1, 'EUR': 1}
CLOSING_SECONDS = 600  # after the end of a ledger date
SCHEDULES = ('daily', 'weekly', 'monthly', 'never')


@dataclass
class Ledger:
    """One ledger with its two accounts. Amounts are integers in minor units, and signed.

    It settles for the sales units `msns`. The rest are settings, see :class:`Settlement`.
    """

    ledger_id: str
    msns: list
    unit_names: dict
    currency: str
    open_date: date = date(2000, 1, 1)
    cutoff: str = '00:00'
    fee_rate: int = 299
    fee_fixed: int = 100
    late_fees: bool = False
    gross: bool = False
    schedule: str = 'daily'
    reserve: int = 0
    payout_text: str = ''
    next_payout: int = 2000001
    automatic: bool = True
    access: bool = True
    page_size: int = 1000
    entries: dict = field(default_factory=lambda: {topic: [] for topic in TOPICS})
    payouts: list = field(default_factory=list)

    def __post_init__(self):
        self._late_fees = []
        self._references_of_days = 0
        self.start(self.open_date)

    def start(self, open_date):
        """Begin with a date; those before it are closed and empty."""
        self.open_date = open_date
        self.closed_until = open_date - ONE_DAY

    @property
    def winter_offset(self):
        """How far the clocks of the market are ahead of UTC in winter."""
        return timedelta(hours=WINTER_OFFSETS.get(self.currency, 1))

    def balance(self, topic):
        """Return the balance of an account."""
        entries = self.entries[topic]
        return entries[-1]['balanceAfter'] if entries else 0

    def is_open(self, day):
        """Return whether entries can still come for a date: until it is paid out, or empty."""
        return day > self.closed_until

    def date_of(self, moment):
        """Return the ledger date of a moment, which ends at the cutoff, not at midnight."""
        return (self.local(datetime.fromtimestamp(moment, timezone.utc)) - self._cutoff).date()

    def local(self, moment):
        """Return a moment on the clocks of the market."""
        return moment + _offset(moment, self.winter_offset)

    def end_of(self, day):
        """Return when a ledger date ends, in seconds since the epoch."""
        local = datetime.combine(day + ONE_DAY, datetime.min.time(), timezone.utc) + self._cutoff
        summer = local - self.winter_offset - timedelta(hours=1)
        winter = local - self.winter_offset
        is_summer = _offset(summer, self.winter_offset) != self.winter_offset
        return (summer if is_summer else winter).timestamp()

    def settle(self, now):
        """Close the dates that are over."""
        while self.automatic and now >= self.end_of(self.open_date):
            self.close_date()

    def add(self, topic, entry_type, amount, moment, psp_reference=None, reference='',
            handle=None, changes=None):
        """Append an entry to an account.

        :param float moment: When it happened; moved to the open date if it did not happen then.
        :param dict changes: Other fields and values, such as those that are not known.
        :return: The entry.
        """
        balance = self.balance(topic)
        days = (self.open_date - self.date_of(moment)).days
        entry = {
            'pspReference': psp_reference or str(10 ** 9 + secrets.randbelow(9 * 10 ** 9)),
            'time': timestamp(moment + days * ONE_DAY.total_seconds()),
            'ledgerDate': self.open_date.isoformat(),
            'entryType': entry_type,
            'reference': reference,
            'currency': self.currency,
            'amount': amount,
            'balanceBefore': balance,
            'balanceAfter': balance + amount,
            'recipientHandle': handle,
            **(changes or {}),
        }
        self.entries[topic].append(entry)
        return entry

    def book(self, msn, event, moment):
        """Append the entries of the event of a payment, and of its fee."""
        amount, handle = event['amount']['value'], f'api:{msn}'
        keys = event['pspReference'], event['reference'], handle
        if event['name'] == 'REFUNDED':
            self.add(FUNDS, 'refund', -amount, moment, *keys)
        if event['name'] == 'CAPTURED':
            self.add(FUNDS, 'capture', amount, moment, *keys)
            fee = self.fee_fixed + (amount * self.fee_rate + 5000) // 10000
            if fee and self.late_fees:
                self._late_fees.append((-fee, *keys))
            elif fee:
                self.add(FEES, 'capture-fee', -fee, moment, *keys)

    def close_date(self, payout=None):
        """End the open date: settle the fees, pay out, and open the next one.

        :param bool payout: Whether the balance is paid out, if not as the settings say.
        """
        day, moment = self.open_date, self.end_of(self.open_date) + CLOSING_SECONDS
        fees = self.balance(FEES)
        if fees and not self.gross:
            retained = f'{self.ledger_id}-{day:%Y%m%d}'
            self._add_late(FUNDS, 'fees-retained', fees, moment, retained)
            self._add_late(FEES, 'fees-retained', -fees, moment, self._make_reference())
        elif fees and (day + ONE_DAY).day == 1:
            self._add_late(FEES, 'fees-invoiced', -fees, moment, self._make_reference())
        is_due = self._is_payout_day(day) if payout is None else payout
        if is_due and self.balance(FUNDS) > self.reserve:
            self._pay_out(moment)
        if not self.balance(FUNDS) or is_due and self.balance(FUNDS) > 0:
            self.closed_until = day
        self.open_date = day + ONE_DAY
        late_fees, self._late_fees = self._late_fees, []
        for amount, *keys in late_fees:
            self.add(FEES, 'capture-fee', amount, moment, *keys)

    def abort_payout(self, number, moment):
        """Take a payout back, as when the transfer fails.

        :raise ValueError: When there is no such payout, or when it is aborted already.
        """
        payout = next((p for p in self.payouts if p['number'] == number), None)
        if not payout or payout['aborted']:
            raise ValueError("there is no such payout, or not any more")
        payout['aborted'] = True
        self.add(
            FUNDS, 'payout-aborted', payout['amount'], moment, payout['pspReference'],
            payout['reference'],
        )
        return payout

    @property
    def _cutoff(self):
        hours, minutes = self.cutoff.split(':')
        return timedelta(hours=int(hours), minutes=int(minutes))

    def _is_payout_day(self, day):
        """Return whether the balance at the end of a day is paid out: weeks end on Sundays."""
        return {
            'daily': True, 'weekly': day.weekday() == 6, 'monthly': (day + ONE_DAY).day == 1,
            'never': False,
        }[self.schedule]

    def _pay_out(self, moment):
        amount = self.balance(FUNDS) - self.reserve
        number, self.next_payout = str(self.next_payout), self.next_payout + 1
        entry = self._add_late(
            FUNDS, 'payout-scheduled', -amount, moment, f'{self.ledger_id}-{number}',
            self._write_bank_text(number),
        )
        self.payouts.append({
            'number': number, 'amount': amount, 'currency': self.currency,
            'ledgerId': self.ledger_id, 'msn': self.msns[0], 'ledgerDate': entry['ledgerDate'],
            'bankDate': self._get_bank_date(self.open_date).isoformat(),
            'pspReference': entry['pspReference'], 'reference': entry['reference'],
            'aborted': False,
        })

    def _add_late(self, topic, entry_type, amount, moment, *keys):
        """Append an entry of the open date that is made when that is over."""
        return self.add(
            topic, entry_type, amount, moment, *keys, changes={'time': timestamp(moment)}
        )

    def _write_bank_text(self, number):
        norwegian, other = 'Utb. {number} Vippsnr {msn}', '02{msn:0>8}001{day:%d%m%y}0'
        text = self.payout_text or (norwegian if self.currency == 'NOK' else other)
        return text.format(number=number, msn=self.msns[0], day=self.open_date)

    def _get_bank_date(self, day):
        left = BANK_DAYS.get(self.currency, 1)
        while left:
            day += ONE_DAY
            left -= day.weekday() < 5
        return day

    def _make_reference(self):
        self._references_of_days += 1
        return f'{self.ledger_id}-{3000000 + self._references_of_days}'


def _offset(moment, winter_offset):
    """Return how far the clocks are ahead of UTC: an hour more from the last Sunday of March, at
    1:00 UTC, to that of October. So no data of time zones are needed."""
    start, end = (_last_sunday(moment.year, month) for month in (3, 10))
    return winter_offset + timedelta(hours=start <= moment < end)


def _last_sunday(year, month):
    day = datetime(year, month, 31, 1, tzinfo=timezone.utc)
    return day - timedelta(days=(day.weekday() + 1) % 7)
