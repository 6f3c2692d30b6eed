"""The folder of one run of `./dev`, which ends with it, and its logs, which are kept a while."""

import contextlib
import fcntl
import os
import shutil
import time

from . import postgres
from .cache import cache_dir

KEPT_LOGS = 10


class Run:
    """Where one run of `./dev` puts its files; databases of it start with `database_prefix`."""

    def __init__(self, name):
        """Describe the run of that name; nothing is made."""
        self.name = name
        self.folder = cache_dir() / 'runs' / name
        self.logs = cache_dir() / 'logs' / name
        self.cluster = postgres.home() / 'runs' / name
        self.database_prefix = f'vipps_{name}_'

    def discard(self):
        """Remove what the run left, except its logs."""
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.rmtree(self.cluster, ignore_errors=True)


@contextlib.contextmanager
def new_run():
    """Make the folders of a run, locked while it lives, and remove them at its end."""
    run = Run(f"{time.strftime('%m%d%H%M%S')}_{os.getpid()}")
    run.folder.mkdir(parents=True)
    run.logs.mkdir(parents=True)
    run.cluster.parent.mkdir(parents=True, exist_ok=True)
    _forget_old_logs(run.logs.parent)
    with (run.folder / 'lock').open('w') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            yield run
        finally:
            run.discard()


def abandoned_runs():
    """Return the runs whose process ended without tidying up."""
    locks = (cache_dir() / 'runs').glob('*/lock')
    return [Run(path.parent.name) for path in locks if _is_free(path)]


def _is_free(path):
    """Return whether nobody holds the lock."""
    with path.open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def _forget_old_logs(folder):
    """Remove the logs of all runs but the latest."""
    runs = sorted(path for path in folder.iterdir() if path.is_dir())
    for path in runs[:-KEPT_LOGS]:
        shutil.rmtree(path, ignore_errors=True)
