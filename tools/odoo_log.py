"""Find unexpected lines in Odoo's log."""

import re

from .cache import ADDON, addons_path

RECORD = re.compile(
    r'^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} \d+ '
    r'(?P<level>[A-Z]+) \S+ (?P<logger>\S+): (?P<message>.*)'
)
BAD_LEVELS = {'WARNING', 'ERROR', 'CRITICAL'}
# How Odoo's test framework reports a failed test, which is counted as such.
TEST_REPORTS = re.compile(
    r'odoo\.tests\.result: |odoo\.modules\.loading: At least one test failed'
    r'|\S+\.tests\.\S+: (FAIL|ERROR): '
)

# Chromium opens connections that it does not use; Odoo ends them in tests, and only there.
UNUSED_CONNECTION = re.compile(r'werkzeug: \S+ - - \[[^]]*\] Request timed out: TimeoutError')


def problems(path, start=0):
    """Return the unexpected records of a log file, each with the lines that belong to it.

    :param int start: The size of the file when what is looked for began.
    """
    records = []
    with path.open(encoding='utf-8', errors='replace') as lines:
        lines.seek(start)
        for line in lines:
            match = RECORD.match(line)
            if match:
                records.append((match, [line.rstrip('\n')]))
            elif records:
                records[-1][1].append(line.rstrip('\n'))
    texts = ((match, '\n'.join(lines)) for match, lines in records)
    return [_shortened(text) for match, text in texts if _is_unexpected(match, text)]


def _shortened(text):
    """Return a record without the middle of a long traceback."""
    lines = text.splitlines()
    return text if len(lines) <= 16 else '\n'.join([*lines[:3], '  ...', *lines[-12:]])


def _is_unexpected(match, text):
    """Return whether a record is a warning or worse that nothing explains."""
    if match['level'] not in BAD_LEVELS:
        return False
    # Python's warnings about Odoo and its libraries are theirs; Odoo adds the call stack, so that
    # what our code causes names a file of the addon.
    if match['logger'] == 'py.warnings' and f'{addons_path() / ADDON}/' not in text:
        return False
    message = f"{match['logger']}: {match['message']}"
    return not (TEST_REPORTS.match(message) or UNUSED_CONNECTION.match(message))
