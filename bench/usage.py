"""What the processes of a shop need of the machine."""

from collections import Counter

import psutil

from .phases import BUS, CRON, DATABASE, HTTP


def cpu_seconds(shop, generator):
    """Return the CPU seconds of each process so far, by its kind and its id.

    :param bench.shop.Shop shop: The shop.
    :param int generator: The process id of what loads it.
    """
    stack, odoo = shop.stack, psutil.Process(shop.stack.pid('odoo'))
    processes = {
        HTTP: stack.workers('WorkerHTTP'),
        CRON: stack.workers('WorkerCron'),
        BUS: [child.pid for child in odoo.children() if 'gevent' in child.cmdline()],
        "Simulator": [stack.pid('simulator')],
        "Proxy": [stack.pid('front')],
        "Generator": [generator],
    }
    return {
        **{(kind, pid): _seconds(pid) for kind, pids in processes.items() for pid in pids},
        (DATABASE, None): _database_seconds(shop.connection.info.backend_pid),
    }


def difference(before, after):
    """Return the CPU seconds between two times, by kind: of all processes, and of the busiest if
    that is known."""
    found = Counter()
    busiest = Counter()
    for (kind, pid), seconds in after.items():
        taken = seconds - before.get((kind, pid), 0)
        found[kind] += taken
        if pid:
            busiest[kind] = max(busiest[kind], taken)
    return found, busiest


def _seconds(pid, with_ended=False):
    """Return the seconds of a process, with those of its children that have ended if wanted."""
    try:
        times = psutil.Process(pid).cpu_times()
    except psutil.NoSuchProcess:
        return 0
    ended = times.children_user + times.children_system if with_ended else 0
    return times.user + times.system + ended


def _database_seconds(backend):
    """Return the seconds of the server that a process belongs to; 0 if it is somewhere else."""
    if not psutil.pid_exists(backend) or 'postgres' not in psutil.Process(backend).name():
        return 0
    server = psutil.Process(backend).parent()
    return _seconds(server.pid, with_ended=True) + sum(
        _seconds(child.pid) for child in server.children()
    )
