"""Whether workers grow with the payments they have seen."""

import itertools
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tools.console import Failure, say
from tools.customer import Customer

from .figures import Row

PAYMENTS, STEP = 20_000, 2_000
FIRST = 2_000  # by then everything is loaded that is loaded once
RETURNS = 20  # that customers make meanwhile, in each step
PRIVATE = re.compile(r'^Private_\w+:\s+(\d+) kB', re.MULTILINE)


def measure(shop):
    """Process the events of many payments while customers come back, and measure the growth of the
    workers."""
    returned = [shop.new_customer().press_pay()['reference'] for _number in range(RETURNS)]
    urls = itertools.cycle([
        shop.control('GET', f'payments/{reference}')['request']['returnUrl']
        for reference in returned
    ])
    workers = {
        kind: shop.stack.workers(kind) for kind in ('WorkerHTTP', 'WorkerCron')
    }
    samples = {}
    with shop.webhooks_lost():
        for count in range(STEP, PAYMENTS + 1, STEP):
            references = shop.copies.add(STEP, with_orders=False, approved=True)
            with ThreadPoolExecutor(2) as pool:
                list(pool.map(shop.send_event, references))
                list(pool.map(
                    lambda url: Customer(shop.stack.url, shop.stack.simulator_url).open(url),
                    itertools.islice(urls, RETURNS),
                ))
            shop.wait_for_empty_inbox()
            shop.check_done(references)
            samples[count] = {
                kind: sum(map(private_memory, pids)) for kind, pids in workers.items()
            }
            say(f"  {count} payments: " + ", ".join(
                f"{kind} {size:.1f} MiB" for kind, size in samples[count].items()
            ))
    if workers != {kind: shop.stack.workers(kind) for kind in workers}:
        raise Failure("Workers were replaced meanwhile.")
    rows = []
    for kind, name in (('WorkerHTTP', "HTTP workers"), ('WorkerCron', "Cron worker")):
        first, last = samples[FIRST][kind], samples[PAYMENTS][kind]
        rows.append(Row(
            f'{name}: private memory after {PAYMENTS} payments', f'{last:.1f} MiB',
            f'after {FIRST}: {first:.1f} MiB', last / first, "at most 1.02", last <= 1.02 * first,
        ))
    return rows


def private_memory(pid):
    """Return the memory that a process shares with no other, in MiB."""
    sizes = PRIVATE.findall(Path(f'/proc/{pid}/smaps_rollup').read_text())
    return sum(map(int, sizes)) / 1024
