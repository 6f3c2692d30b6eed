"""`./dev clean`: remove everything that was made and cached, here and on a server of others."""

import shutil

from . import postgres
from .cache import cache_dir
from .console import Failure
from .environment import Environment
from .run import runs_under_way


def clean_cache():
    """Remove the cache, and print its size; returns the exit code.

    :raise Failure: When something still uses it.
    """
    under_way = runs_under_way()
    if under_way:
        raise Failure(f"Another ./dev is at work: stop it first. ({', '.join(under_way)})")
    if postgres.external():
        _drop_databases()
    for folder in {cache_dir(), postgres.home()}:
        if folder.exists():
            shutil.rmtree(folder)
            print(f"Removed {folder}")
        else:
            print(f"Nothing to remove in {folder}")
    return 0


def _drop_databases():
    """Drop our databases from the server that the `PG*` variables name."""
    pythons = sorted((cache_dir() / 'python').glob('odoo-*'))
    if not pythons:
        return
    server = postgres.Server(Environment(pythons[0]).python, {})
    # The names of our folders tell ours from those of somebody else's cache.
    keys = [path.name.removeprefix('templates-') for path in postgres.home().glob('templates-*')]
    runs = [path.name for kind in ('kept', 'runs') for path in (cache_dir() / kind).glob('*')]
    for name, in server.execute("SELECT datname FROM pg_database WHERE datname LIKE 'vipps%'"):
        if any(key in name for key in [*keys, *runs]):
            server.drop(name)
            print(f"Removed the database {name}")
