"""The payout of what was bought, from the end of the day to the line on the bank statement."""

from simulator.sales_units import NOK_UNIT

from .cache import ADDON
from .console import Failure
from .steps import Steps, expect
from .waiting import wait_until

TITLE = "With a payout: the day ends, and what was captured reaches the bank"


class Payout(Steps):
    """The first payout of a shop, whose ledger is set up for it."""

    def __init__(self, stack):
        """Prepare to have the payments of a running stack paid out."""
        super().__init__(stack, TITLE)
        self.number = None
        self._payout = None

    def _steps(self):
        """Return the steps as pairs of name and method."""
        return [
            ("ledger set up", self._set_up),
            ("day over, paid out", self._close),
            ("entries matched", self._check_entries),
            ("on the bank statement", self._receive),
            ("payout in the bank", self._check_payout),
            ("books balance", self._check_books),
        ]

    def _set_up(self):
        """Find the ledger and choose its usual settings."""
        set_up_ledger(self.stack)
        return "Odoo: vipps.settlement.ledger", None

    def _close(self):
        """Let the day end, on which the balance is paid out."""
        answer = self.stack.control('POST', f'settlements/{NOK_UNIT.msn}/close', payout=True)
        payout, = answer['payouts']
        self.number = payout['number']
        return f"Simulator: payout {self.number}", payout['amount'] / 100

    def _check_entries(self):
        """Fetch the entries, and have all of them matched."""
        ledgers = self.stack.rpc('vipps.settlement.ledger', 'search', [])
        self.stack.rpc('vipps.settlement.ledger', 'action_fetch', ledgers)
        entries = wait_until(self._get_entries, lambda found: found and all(
            entry['state'] == 'matched' for entry in found
        ))
        self._payout, = self._read_payout()
        payments = sum(entry['amount'] for entry in entries if entry['category'] == 'payment')
        expect(round(payments, 2) == self._payout['payment_amount'], entries)
        return "Odoo: vipps.settlement.entry", self._payout['payment_amount']

    def _receive(self):
        """Import the line of the bank statement."""
        import_bank_lines(
            self.stack, self._payout['amount'], [self._payout['reference']],
            self._payout['ledger_date'],
        )
        return "Odoo: account.bank.statement.line", self._payout['amount']

    def _check_payout(self):
        """Have the payout matched with that line."""
        self._payout, = wait_until(
            self._read_payout, lambda found: found[0]['state'] == 'arrived'
        )
        return f"Odoo: payout {self.number}", self._payout['amount']

    def _check_books(self):
        """Check that no money is left at Vipps MobilePay, and none on its way."""
        ledger, = self.stack.rpc('vipps.settlement.ledger', 'search_read', [], ['book_balance'])
        expect(ledger['book_balance'] == 0, ledger)
        lines = [
            *(entry['statement_line_id'][0] for entry in self._get_entries()),
            self._payout['bank_line_id'][0],
        ]
        moves = [
            line['move_id'][0] for line in
            self.stack.rpc('account.bank.statement.line', 'read', lines, ['move_id'])
        ]
        self.entries = self._read_items(moves)
        debit, credit = (
            round(sum(item[side] for item in self.entries), 2) for side in ('debit', 'credit')
        )
        expect(self.entries and debit == credit, self.entries)
        return "Odoo: account.move.line", ledger['book_balance']

    def _get_entries(self):
        """Return the entries of the funds."""
        return self.stack.rpc(
            'vipps.settlement.entry', 'search_read', [('topic', '=', 'funds')],
            ['amount', 'category', 'state', 'reason', 'statement_line_id'], order='id',
        )

    def _read_payout(self):
        """Return the payout, in a list, if Odoo knows it."""
        return self.stack.rpc(
            'vipps.settlement.payout', 'search_read', [('number', '=', self.number)],
            ['amount', 'payment_amount', 'reference', 'ledger_date', 'state', 'bank_line_id'],
        )


def set_up_ledger(stack):
    """Have payouts booked as an administrator does: press Next in the guide up to its end of that.
    """
    provider = stack.rpc.reference(f'{ADDON}.payment_provider_vipps')
    guide = stack.rpc('payment.provider', 'action_vipps_open_guide', [provider])
    step = None
    while step != 'settlement':
        read, = stack.rpc(guide['res_model'], 'read', [guide['res_id']], ['step'])
        if read['step'] == step:
            raise Failure(f"The set-up guide does not go on after its step {step}.")
        step = read['step']
        stack.rpc(guide['res_model'], 'action_next', [guide['res_id']])


def import_bank_lines(stack, amount, texts, date):
    """Add lines with the same amount to the statement of the bank account, where payouts arrive."""
    provider = stack.rpc.reference(f'{ADDON}.payment_provider_vipps')
    read, = stack.rpc('payment.provider', 'read', [provider], ['journal_id'])
    stack.rpc('account.bank.statement.line', 'create', [{
        'journal_id': read['journal_id'][0], 'date': date, 'payment_ref': text, 'amount': amount,
    } for text in texts])
