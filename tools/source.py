"""Find Odoo 17.0: the folder or git directory named by `ODOO_SOURCE`, else a clone in the cache."""

import os
import subprocess
from pathlib import Path

from .cache import cache_dir, key_of, made_once
from .console import Failure, tail
from .processes import run_step

REPOSITORY = 'https://github.com/odoo/odoo'
BRANCH = '17.0'
REMEDY = "Set ODOO_SOURCE to an Odoo 17.0 folder or git directory."
# What a template database is made of; a change elsewhere needs no new one.
IRRELEVANT_FOLDERS = {'.git', '__pycache__', 'doc', 'debian', 'i18n', 'setup', 'static', 'tests'}


class Source:
    """An unpacked Odoo 17.0 tree, in the git layout or in the release layout."""

    def __init__(self, folder):
        """Check that the folder is an Odoo 17.0 tree.

        :raise Failure: When it is not.
        """
        self.folder = folder
        release = folder / 'odoo' / 'release.py'
        if not release.is_file() or 'version_info = (17, 0,' not in release.read_text():
            raise Failure(f"{folder} is not an Odoo 17.0 tree (odoo/release.py). {REMEDY}")
        layouts = [folder / 'addons', folder / 'odoo' / 'addons']  # of git and of a release
        self.addons = next((path for path in layouts if (path / 'payment').is_dir()), None)
        if not self.addons:
            raise Failure(f"{folder} has no addons. {REMEDY}")
        self.requirements = folder / 'requirements.txt'

    def key(self):
        """Return a short name that changes when a file that matters to a database changes."""
        seen = []
        folders = [self.folder]
        while folders:
            with os.scandir(folders.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        if entry.name not in IRRELEVANT_FOLDERS:
                            folders.append(entry.path)
                    elif entry.is_file():
                        stat = entry.stat()
                        seen.append((entry.path, stat.st_size, stat.st_mtime_ns))
        return key_of(sorted(seen))


def find_source():
    """Return the Odoo source to use, fetching it into the cache when needed.

    :raise Failure: When there is none; says what to do.
    """
    named = os.environ.get('ODOO_SOURCE')
    if not named:
        return Source(_clone())
    path = Path(named).expanduser().resolve()
    if not path.is_dir():
        raise Failure(f"ODOO_SOURCE={named} is not a folder. {REMEDY}")
    if (path / 'odoo' / 'release.py').is_file():
        return Source(path)
    return Source(_unpack(path))


def _clone():
    """Clone the official repository into the cache, once."""
    folder = cache_dir() / 'odoo' / f'clone-{BRANCH}'
    log = cache_dir() / 'odoo' / 'clone.log'
    with made_once(folder, 'Odoo source') as needed:
        if needed:
            log.unlink(missing_ok=True)
            code = run_step(
                f"Cloning Odoo {BRANCH} from {REPOSITORY}",
                ['git', 'clone', '--depth', '1', '--branch', BRANCH, REPOSITORY, folder / 'tree'],
                log, env={**os.environ, 'GIT_TERMINAL_PROMPT': '0'},
            )
            if code:
                reason = tail(log, 1)
                raise Failure(f"Odoo could not be cloned from {REPOSITORY} ({reason}). {REMEDY}")
    return folder / 'tree'


def _unpack(git_dir):
    """Unpack the tree at HEAD of a git directory without a work tree, once per commit."""
    # The directory may belong to somebody else; it was named on purpose.
    git = ['git', '-c', 'safe.directory=*', '-C', str(git_dir)]
    head = subprocess.run([*git, 'rev-parse', 'HEAD'], capture_output=True, text=True)
    if head.returncode:
        raise Failure(f"{git_dir} is neither an Odoo 17.0 tree nor a git directory. {REMEDY}")
    folder = cache_dir() / 'odoo' / head.stdout.strip()
    log = cache_dir() / 'odoo' / 'unpack.log'
    with made_once(folder, 'Odoo source') as needed:
        if needed:
            (folder / 'tree').mkdir()
            archive = [*git, 'archive', 'HEAD']
            with subprocess.Popen(archive, stdout=subprocess.PIPE) as packing:
                code = run_step(
                    f"Unpacking Odoo from {git_dir}", ['tar', '-x', '-C', folder / 'tree'], log,
                    stdin=packing.stdout,
                )
            if code or packing.returncode:
                raise Failure(f"HEAD of {git_dir} could not be unpacked. {REMEDY}")
    return folder / 'tree'
