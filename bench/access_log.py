"""Read the SQL queries of a request from Odoo's access log."""

import re

from tools.console import Failure

# The figures behind the status and the size: SQL queries, seconds in SQL and seconds beside it.
RECORD = re.compile(
    r'werkzeug: \S+ - - \[[^]]*\] "(?P<line>\S+ \S+)[^"]*" \d+ \S+ (?P<queries>\d+) '
)


def count_queries(path, line, start):
    """Return how many SQL queries the last such request needed.

    :param pathlib.Path path: The log.
    :param str line: How the request line begins, as `GET /shop`.
    :param int start: The size of the log when what is looked for began.
    :raise Failure: When there was no such request.
    """
    with path.open(encoding='utf-8', errors='replace') as log:
        log.seek(start)
        found = [
            match for match in RECORD.finditer(log.read()) if match['line'].startswith(line)
        ]
    if not found:
        raise Failure(f"Odoo's log has no {line}.")
    return int(found[-1]['queries'])
