"""Print progress on standard error; results go to standard output."""

import sys


class Failure(Exception):
    """Something a person can mend; its text is the one sentence to print."""


def say(text):
    """Print a line for the person, apart from the results on standard output."""
    print(text, file=sys.stderr, flush=True)


def tail(path, lines=15):
    """Return the last lines of a text file, to be shown below a failure."""
    text = path.read_text(encoding='utf-8', errors='replace') if path.exists() else ''
    return '\n'.join(text.splitlines()[-lines:])
