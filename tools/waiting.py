"""Wait for the effects of processes: look again and again, with one generous bound."""

import time

from .console import Failure

PATIENCE = 180  # seconds until what happens in the background must have happened
NOTICE = 0.1  # seconds between two looks


def wait_until(look, is_good=bool, patience=PATIENCE, notice=NOTICE):
    """Return the value of `look` as soon as it is good: true, by default.

    :raise Failure: When it does not become so; shows what it was last.
    """
    deadline = time.monotonic() + patience
    while not is_good(found := look()):
        if time.monotonic() > deadline:
            raise Failure(f"still {found!r} after {patience} s")
        time.sleep(notice)
    return found
