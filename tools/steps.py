"""Steps that are done one after the other, each with its time, its amount and its witness."""

import contextlib
import time

from .console import Failure
from .customer import ShopError


class Steps:
    """What is done with a running stack; each step adds to the timeline."""

    def __init__(self, stack, title):
        """Prepare the steps.

        :param Stack stack: The running stack.
        :param str title: What is done, for people: a name, and after a colon what it is.
        """
        self.stack = stack
        self.title = title
        self.kind = title.partition(':')[0]
        self.timeline = []
        self.entries = []  # the journal items in the end

    def run(self):
        """Do all steps, and let nothing go wrong any more at the end.

        :return: What is added to the timeline, as soon as each step is done.
        :rtype: Iterator[dict]
        :raise Failure: Names the step that failed, and why.
        """
        started = time.monotonic()
        try:
            for name, step in self._steps():
                try:
                    witness, amount = step()
                except (
                    AssertionError, LookupError, OSError, ValueError, ShopError, Failure
                ) as error:
                    raise Failure(
                        f"{self.kind}, the step \"{name}\" failed: {error}"
                    ) from error
                self.timeline.append({
                    'step': name, 'seconds': round(time.monotonic() - started, 2),
                    'amount': amount, 'witness': witness,
                })
                yield self.timeline[-1]
        finally:
            # What went wrong is said already, and a simulator that is gone loses nothing any more.
            with contextlib.suppress(OSError):
                self.stack.control('DELETE', 'faults')

    def _steps(self):
        """Return the steps as pairs of name and method."""
        raise NotImplementedError

    def _read_items(self, moves):
        """Return the items of journal entries, the oldest first."""
        return self.stack.rpc(
            'account.move.line', 'search_read', [('move_id', 'in', moves)],
            ['move_name', 'account_id', 'debit', 'credit', 'name'], order='id',
        )


def expect(condition, found):
    """Raise when a value differs from the expected one."""
    if not condition:
        raise AssertionError(f"found {found}")


def heading():
    """Return the headings of the columns of a timeline."""
    return f"{'Time':>9}  {'Step':<25} {'Amount':>12}  Seen in"


def row(entry):
    """Return an entry of a timeline as a line for people."""
    amount = f"{entry['amount']:.2f} NOK" if entry['amount'] is not None else ''
    return f"{entry['seconds']:7.2f} s  {entry['step']:<25} {amount:>12}  {entry['witness']}"


def show_entries(entries):
    """Return the lines in the books for people."""
    return '\n'.join(
        f"  {line['move_name']:<16} {line['account_id'][1]:<42.42}"
        f" {_show_amount(line['debit']):>10} {_show_amount(line['credit']):>10}".rstrip()
        for line in entries
    )


def _show_amount(amount):
    return f'{amount:.2f}' if amount else ''
