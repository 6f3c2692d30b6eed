"""Everything `./dev` keeps between two runs, outside the tree, and the locks around it."""

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
from pathlib import Path

from .console import say

ROOT = Path(__file__).resolve().parent.parent
ADDON = 'mobilepay_vipps'


def cache_dir():
    """Return the folder that holds everything made here; `VIPPS_DEV_CACHE` moves it."""
    override = os.environ.get('VIPPS_DEV_CACHE')
    if override:
        return Path(override).expanduser().resolve()
    return Path(os.environ.get('XDG_CACHE_HOME') or '~/.cache').expanduser().resolve() / ADDON


def key_of(*parts):
    """Return a short name that changes when any of the JSON-like parts changes."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:12]


@contextlib.contextmanager
def locked(name):
    """Hold the lock of that name among all `./dev` of this cache, saying so when it has to wait."""
    path = cache_dir() / 'locks' / f'{name}.lock'
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open('w') as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"Waiting for another ./dev to finish with {name} ...")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def made_once(path, name):
    """Guard the making of a folder so that it is complete or absent, never half made.

    Yields True when the caller has to make it (then it is empty), False when it is there. What an
    earlier run left unfinished is removed first.
    """
    complete = path / '.complete'
    if complete.exists():
        yield False
        return
    with locked(name):
        if complete.exists():
            yield False
            return
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir(parents=True)
        yield True
        complete.touch()


def addons_path():
    """Return a folder that holds this checkout under its technical name, whichever name its folder
    has."""
    folder = cache_dir() / 'addons' / key_of(ROOT)
    link = folder / ADDON
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        link.symlink_to(ROOT, target_is_directory=True)
    return folder
