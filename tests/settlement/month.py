# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import random

from ...simulator.sales_units import NOK_UNIT


class Month:
    """ Days of a sales unit, all chosen by a seed; amounts are in minor units. """

    def __init__(self, settlement, seed, note):
        """ Choose the settings of the ledger.

        :param settlement: The settlement of the simulator.
        :param int seed: The same one makes the same month.
        :param function note: Is called with each capture and refund.
        """
        self._settlement = settlement
        self._chooser = chooser = random.Random(seed)
        self._note = note
        self._payments = []  # The PSP reference, reference and amount of each capture.
        self._disputed, self._decided = [], []
        self._number = 0
        settlement.configure(
            NOK_UNIT.msn,
            automatic=False,
            schedule=chooser.choice(('daily', 'daily', 'weekly', 'never')),
            reserve=chooser.choice((0, 0, 5000)),
            gross=chooser.random() < 0.2,
            late_fees=chooser.random() < 0.5,
            cutoff=chooser.choice(('00:00', '04:00')),
            page_size=chooser.choice((1, 3, 7, 50)),
        )

    def add_day(self):
        """ Let anything happen on a day, and end it. """
        for _event in range(self._chooser.randrange(6)):
            self._chooser.choice((
                self._capture, self._capture, self._capture, self._refund, self._dispute,
                self._correct, self._abort,
            ))()
        self._settlement.close(NOK_UNIT.msn)

    def _add(self, entry_type, amount, topic='funds', **values):
        return self._settlement.add_entry(
            NOK_UNIT.msn, topic=topic, entryType=entry_type, amount=amount,
            **{'pspReference': str(self._chooser.randrange(10 ** 9, 10 ** 10)), **values},
        )

    def _capture(self):
        """ Capture a payment in one to three parts, of which some are alike. """
        self._number += 1
        amount = self._chooser.choice((100, 19900, self._chooser.randrange(1, 10 ** 6)))
        for _part in range(self._chooser.randrange(1, 4)):
            entry = self._add('capture', amount, reference=f'order-{self._number}')
            self._add(
                'capture-fee', -(amount // 40), topic='fees', reference=entry['reference'],
                pspReference=entry['pspReference'],
            )
            self._payments.append(entry)
            self._note(entry)

    def _refund(self):
        if self._payments:
            entry = self._chooser.choice(self._payments)
            self._note(self._add('refund', -entry['amount'], reference=entry['reference']))

    def _dispute(self):
        if self._disputed and self._chooser.random() < 0.5:
            entry = self._disputed.pop()
            self._decided.append(entry)
            name, sign = 'returned', 1
        elif self._payments:
            entry = self._chooser.choice(self._payments)
            if entry in self._disputed or entry in self._decided:
                return
            self._disputed.append(entry)
            name, sign = 'retained', -1
        else:
            return
        self._add(
            f'{name}-disputed-capture', sign * entry['amount'], reference=entry['reference'],
            pspReference=entry['pspReference'],
        )

    def _correct(self):
        entry_type = self._chooser.choice(('correction', 'top-up', 'credit-note', 'new-type'))
        self._add(entry_type, self._chooser.choice((-700, 0, 1, 700)))

    def _abort(self):
        open_payouts = [
            payout for ledger in self._settlement.describe(NOK_UNIT.msn)
            for payout in ledger['payouts'] if not payout['aborted']
        ]
        if open_payouts:
            self._settlement.abort_payout(NOK_UNIT.msn, open_payouts[-1]['number'])
