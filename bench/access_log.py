"""Read from Odoo's log what requests and jobs took."""

import re
from collections import Counter
from datetime import datetime, timezone

from tools.console import Failure

# The figures behind the status and the size: SQL queries, seconds in SQL and seconds beside it.
RECORD = re.compile(
    r'werkzeug: \S+ - - \[[^]]*\] "(?P<line>\S+ \S+)[^"]*" \d+ \S+ (?P<queries>\d+) '
    r'(?P<sql>[\d.]+) (?P<rest>[\d.]+)'
)
JOB = re.compile(
    r'^(?P<time>\S+ \S+),(?P<ms>\d{3}) (?P<pid>\d+) .* (?P<what>Starting job|Job done:)'
    r' `(?P<name>.*)`', re.MULTILINE,
)


def count_queries(path, line, start):
    """Return how many SQL queries the last such request needed.

    :param pathlib.Path path: The log.
    :param str line: How the request line begins, as `GET /shop`.
    :param int start: The size of the log when what is looked for began.
    :raise Failure: When there was no such request.
    """
    found = [
        match for match in RECORD.finditer(_read(path, start)) if match['line'].startswith(line)
    ]
    if not found:
        raise Failure(f"Odoo's log has no {line}.")
    return int(found[-1]['queries'])


def read_requests(path, start):
    """Return how long HTTP workers took for requests, as pairs of line and seconds.

    :param pathlib.Path path: The log.
    :param int start: The size of the log when what is looked for began.
    """
    return [
        (match['line'], float(match['sql']) + float(match['rest']))
        for match in RECORD.finditer(_read(path, start))
        if '/websocket' not in match['line']  # Another process answers those.
    ]


def read_jobs(path, since, until):
    """Return how many seconds jobs took between two times, by name, also those that still run.

    :param pathlib.Path path: The log.
    """
    found, running = Counter(), {}
    for match in JOB.finditer(_read(path, 0)):
        # Odoo writes in UTC.
        time = datetime.strptime(match['time'], '%Y-%m-%d %H:%M:%S').replace(tzinfo=timezone.utc)
        moment = time.timestamp() + int(match['ms']) / 1000
        job = match['pid'], match['name']
        if match['what'] == 'Starting job':
            running[job] = moment
        elif job in running:
            found[match['name']] += max(0, min(until, moment) - max(since, running.pop(job)))
    for (_pid, name), moment in running.items():
        found[name] += max(0, until - max(since, moment))
    return found


def _read(path, start):
    with path.open(encoding='utf-8', errors='replace') as log:
        log.seek(start)
        return log.read()
