"""The folder of one run of `./dev`, which ends with it, and its logs, which are kept a while."""

import contextlib
import fcntl
import os
import shutil
import time

from . import postgres
from .cache import cache_dir
from .console import Failure

KEPT_LOGS = 10


class Run:
    """Where one run of `./dev` puts its files; databases of it start with `database_prefix`."""

    def __init__(self, name, kept=False):
        """Describe the run of that name; nothing is made.

        :param bool kept: Whether its files outlive it, for the next run of that name.
        """
        kind = 'kept' if kept else 'runs'
        self.name = name
        self.kept = kept
        self.folder = cache_dir() / kind / name
        self.logs = cache_dir() / 'logs' / name
        self.cluster = postgres.home() / kind / name
        self.database_prefix = f'vipps_{name}_'

    def discard(self):
        """Remove the files of the run, except its logs."""
        shutil.rmtree(self.folder, ignore_errors=True)
        for folder in self.cluster.parent.glob(f'{self.name}*'):
            shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def new_run(kept=''):
    """Make the folders of a run, locked while it lives, and remove them at its end.

    :param str kept: The name of a run whose folders are kept, and of which there can be only one.
    :raise Failure: When that one is under way.
    """
    run = Run(kept or f"{time.strftime('%m%d%H%M%S')}_{os.getpid()}", kept=bool(kept))
    for folder in (run.folder, run.logs, run.cluster.parent):
        folder.mkdir(parents=True, exist_ok=True)
    _forget_old_logs(run.logs.parent)
    with (run.folder / 'lock').open('w') as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Failure("The demo runs already: stop it first.") from None
        try:
            yield run
        finally:
            if not kept:
                run.discard()


def abandoned_runs():
    """Return the runs whose process ended without tidying up."""
    locks = (cache_dir() / 'runs').glob('*/lock')
    return [Run(path.parent.name) for path in locks if _is_free(path)]


def runs_under_way():
    """Return the names of the runs that live."""
    locks = cache_dir().glob('*/*/lock')
    return [path.parent.name for path in locks if not _is_free(path)]


def _is_free(path):
    """Return whether nobody holds the lock."""
    with path.open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def _forget_old_logs(folder):
    """Remove the logs of all runs but the latest and those that are under way."""
    runs = sorted(path for path in folder.iterdir() if path.is_dir())
    for path in runs[:-KEPT_LOGS]:
        if not Run(path.name).folder.exists():
            shutil.rmtree(path, ignore_errors=True)
