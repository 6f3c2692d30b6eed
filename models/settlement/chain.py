# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from collections import defaultdict
from datetime import datetime

from odoo import _, models
from odoo.exceptions import UserError
from odoo.tools import format_amount, format_date

from .entry import TOPICS
from .fetching import FAILED


class VippsSettlementLedger(models.Model):
    """ The chain of balances: each entry begins with the balance that the one before it leaves. """
    _inherit = 'vipps.settlement.ledger'

    #=== BUSINESS METHODS - GAPS ===#

    def _find_gap(self, entries, balance=None, is_page=False):
        """ Return the first place where the balances of entries do not fit together.

        :param entries: Records, or values, in their order.
        :param float balance: The balance before them, if it is known.
        :param bool is_page: Whether the last one, too, has to fit its own balances: else the next
                             ones show that.
        :return: None, or its `position`, and the `values` of an entry that fills it.
        :rtype: dict | None
        """
        compare = self.currency_id.compare_amounts
        for position, entry in enumerate(entries):
            if not entry['has_balance']:
                balance = None
                continue
            if balance is not None and compare(balance, entry['balance_before']):
                return self._prepare_gap(position, entry, balance, entry['balance_before'])
            balance = self._get_balance_after(entry)
        if is_page and balance is not None and compare(balance, entry['balance_after']):
            return self._prepare_gap(len(entries), entry, balance, entry['balance_after'])
        return None

    def _get_balance_after(self, entry):
        """ Return the balance that an entry leaves, for what follows it. """
        return entry['balance_before'] + entry['amount']

    def _prepare_gap(self, position, entry, expected, found):
        return {
            'position': position,
            'values': {
                'psp_reference': f"gap-{entry['psp_reference']}",
                'entry_type': 'gap',
                'source': 'own',
                'time': entry['time'],
                'ledger_date': entry['ledger_date'],
                'reference': entry['psp_reference'],
                'amount': self.currency_id.round(found - expected),
                'has_balance': True,
                'balance_before': expected,
                'balance_after': found,
            },
        }

    def _describe_gap(self, gap):
        """ Return a sentence about a gap, without what to do. """
        values = gap['values']
        return _(
            "At the entry %(reference)s of %(date)s, the balance should be %(expected)s, and Vipps"
            " MobilePay states %(found)s: an entry is missing or wrong.",
            reference=values['reference'], date=format_date(self.env, values['ledger_date']),
            expected=format_amount(self.env, values['balance_before'], self.currency_id),
            found=format_amount(self.env, values['balance_after'], self.currency_id),
        )

    def _go_on(self):
        """ Store an entry that fills the gap, where it is, so that what follows is booked.

        :raise UserError: If somebody else works on the ledger.
        """
        ledger = self._in_company()
        ledger._check_free()
        shown = ledger.gap
        if shown:
            # A person has decided on this gap only.
            for topic in TOPICS:
                if ledger._fetch(topic) == FAILED:
                    if ledger.gap == shown:
                        ledger._fetch(topic, may_have_gap=True)
                    break
            return
        entries = ledger._get_unbooked_entries()
        gap = ledger._find_gap(entries, ledger._get_booked_balance(entries))
        if gap:
            ledger._store('funds', 'own', [gap['values']])

    def _check_free(self):
        if not self._lock():
            raise UserError(_(
                "The entries are being fetched or booked at this moment. Try again in a minute."
            ))

    #=== BUSINESS METHODS - ORDER ===#

    def _put_in_chain(self, entries, balance=None, late=()):
        """ Return entries in an order in which each begins with the balance that the one before it
        leaves, as far as there is one and all have balances.

        :param entries: Records, or values, in the order that they have so far.
        :param float balance: The balance before them, if it is known.
        :param late: Others that came later, and whose place is to be found.
        :rtype: list
        """
        if not all(entry['has_balance'] for entry in (*entries, *late)):
            return [*entries, *late]
        chain = self._insert(entries, late)
        if self._find_gap(chain, balance):
            walk = self._walk(chain, balance)
            if not self._find_gap(walk, balance):
                return walk
        return chain

    def _insert(self, entries, late):
        """ Return entries with the late ones in the gaps between them; the rest come before what
        follows them, or last. """
        left, chain, balance = list(late), [], None
        for entry in entries:
            while left and balance is not None and balance != self._to_units(
                entry['balance_before']
            ):
                fitting = next((
                    other for other in left if self._to_units(other['balance_before']) == balance
                ), None)
                if fitting is None:
                    break
                left.remove(fitting)
                chain.append(fitting)
                balance = self._to_units(self._get_balance_after(fitting))
            chain.append(entry)
            balance = self._to_units(self._get_balance_after(entry))
        if left and chain:
            left = self._walk(left)
            end = self._to_units(self._get_balance_after(left[-1]))
            place = next((
                place for place in range(len(chain) - 1, 0, -1)
                if self._to_units(chain[place]['balance_before']) == end
            ), len(chain))
            return chain[:place] + left + chain[place:]
        return chain + left

    def _walk(self, entries, balance=None):
        """ Return entries as a walk from balance to balance that takes each of them once, the
        earliest first where there is a choice. It is complete if there is such a walk. """
        nexts, surplus = defaultdict(list), defaultdict(int)
        by_time = sorted(entries, key=lambda entry: entry['time'] or datetime.max)
        for entry in reversed(by_time):
            before = self._to_units(entry['balance_before'])
            nexts[before].append(entry)
            surplus[before] += 1
            surplus[self._to_units(self._get_balance_after(entry))] -= 1
        if balance is None:
            starts = [place for place, count in surplus.items() if count > 0]
            start = starts[0] if starts else self._to_units(by_time[0]['balance_before'])
        else:
            start = self._to_units(balance)
        path, walk = [(start, None)], []
        while path:
            place, entry = path[-1]
            if nexts[place]:
                following = nexts[place].pop()
                path.append((self._to_units(self._get_balance_after(following)), following))
            else:
                walk.append(entry)
                path.pop()
        walk = walk[-2::-1]
        return walk if len(walk) == len(entries) else list(entries)

    def _to_units(self, amount):
        """ Return an amount in whole units of its currency, which can be compared. """
        return round(amount / self.currency_id.rounding)
