"""Make Python environments: Odoo's pins, wheels where they exist, nothing that needs a compiler."""

import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

from .cache import cache_dir, key_of, made_once
from .console import Failure, say, tail
from .processes import run_step

# What our tests need beside Odoo's own requirements, and what the addon asks for.
TEST_REQUIREMENTS = [
    'hypothesis==6.112.1',
    'jsonschema==4.23.0',
    'PyYAML==6.0.2',
    'websocket-client==1.8.0',  # Odoo runs no tour without it.
]
# When there is no Odoo: enough for the protocol, the simulator and their tests.
PROTOCOL_REQUIREMENTS = [
    'requests==2.31.0', 'Werkzeug==2.2.2', 'Jinja2==3.1.2', 'MarkupSafe==2.1.5',
    'cryptography==42.0.8', 'qrcode==7.3.1', 'Pillow==10.4.0', 'setuptools<80',
    *TEST_REQUIREMENTS,
]
# What loads a shop: at home in no environment of Odoo, whose gevent is older.
LOAD_REQUIREMENTS = ['locust==2.32.4', 'websocket-client==1.8.0', 'setuptools<80']
LINT_REQUIREMENTS = ['ruff==0.6.9', 'pylint-odoo==9.3.22', 'lxml==5.3.0', 'setuptools<80']
RECIPE = 2  # to be raised when the way an environment is made changes

# Only for LDAP log-ins and for Windows; the first has no wheels.
UNNEEDED = {'python-ldap', 'pypiwin32', 'rl-renderpm'}
# pip brings the only complete parser of requirement lines that is there anyway.
EVALUATE = """
import sys
from pip._vendor.packaging.requirements import Requirement
for line in sys.stdin:
    line = line.split('#')[0].strip()
    if line:
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate():
            requirement.marker = None
            print(requirement)
"""


class Environment:
    """A virtual environment in the cache."""

    def __init__(self, folder):
        """Describe the environment in that folder; nothing is made."""
        self.folder = folder
        self.python = folder / 'bin' / 'python'
        self.key = folder.name

    def variables(self):
        """Return the environment variables of a process that uses this environment."""
        kept = {
            name: value for name, value in os.environ.items()
            if name not in ('PYTHONPATH', 'PYTHONHOME', 'PYTHONDONTWRITEBYTECODE', 'VIRTUAL_ENV')
        }
        return {
            **kept,
            'PATH': f"{self.folder / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
            # Compiled files belong neither into Odoo's tree nor into ours.
            'PYTHONPYCACHEPREFIX': str(cache_dir() / 'bytecode'),
            'HYPOTHESIS_STORAGE_DIRECTORY': str(cache_dir() / 'hypothesis'),
            'PYTHONUNBUFFERED': '1',
        }


def odoo_environment(source):
    """Return the environment that runs the given Odoo source and all our tests."""
    pinned = source.requirements.read_text()
    return _make('odoo', [pinned, TEST_REQUIREMENTS], lambda folder: _install_odoo(folder, pinned))


def protocol_environment():
    """Return an environment without Odoo, for the protocol, the simulator and their tests."""
    return _make(
        'protocol', PROTOCOL_REQUIREMENTS,
        lambda folder: _install(folder, "Installing the test dependencies", PROTOCOL_REQUIREMENTS),
    )


def lint_environment():
    """Return the environment with the lint tools."""
    return _make(
        'lint', LINT_REQUIREMENTS,
        lambda folder: _install(folder, "Installing the lint tools", LINT_REQUIREMENTS),
    )


def load_environment():
    """Return the environment with the load generator, which is not Odoo's: see `bench.load`."""
    return _make(
        'load', LOAD_REQUIREMENTS,
        lambda folder: _install(folder, "Installing the load generator", LOAD_REQUIREMENTS),
    )


def _make(kind, ingredients, install):
    """Make a virtual environment unless it is there; its name contains a hash of its content."""
    interpreter = os.path.realpath(getattr(sys, '_base_executable', None) or sys.executable)
    key = key_of(RECIPE, ingredients, sys.version, interpreter)
    folder = cache_dir() / 'python' / f'{kind}-{key}'
    with made_once(folder, f'{kind} environment') as needed:
        if needed:
            made = subprocess.run([interpreter, '-m', 'venv', folder], capture_output=True)
            if made.returncode:
                raise Failure(
                    f"{interpreter} cannot make virtual environments: install its venv and "
                    "ensurepip modules (Debian and Ubuntu: the package python3-venv)."
                )
            install(folder)
    return Environment(folder)


def _pip(folder, *arguments):
    """Return a pip command line of the environment in that folder."""
    return [
        folder / 'bin' / 'python', '-m', 'pip', '--disable-pip-version-check', '--no-input',
        *arguments,
    ]


def _install(folder, title, requirements, *options):
    """Install requirements into the environment in that folder.

    :raise Failure: When pip does; shows what it said last.
    """
    log = folder / 'pip.log'
    code = run_step(
        title, _pip(folder, 'install', '--prefer-binary', *options, *requirements), log,
        env=_without_compiler(),
    )
    if code:
        raise Failure(f"{tail(log)}\n{title} failed; the whole output is in {log}.")


def _without_compiler():
    """Return variables that make a package which wants to compile fail at once."""
    return {**os.environ, 'CC': 'false', 'CXX': 'false'}


def _install_odoo(folder, pinned):
    """Install Odoo's requirements and ours into the environment in that folder."""
    # Old source packages still use what setuptools 80 removed, and Odoo imports pkg_resources; the
    # one that came with Python may be too old to find the libraries of the evented server.
    _install(
        folder, "Preparing the Python environment", ['setuptools==79.0.1', 'wheel'], '--upgrade'
    )
    evaluated = subprocess.run(
        [folder / 'bin' / 'python', '-c', EVALUATE], input=pinned, capture_output=True, text=True,
        check=True,
    )
    requirements = adapted(evaluated.stdout.splitlines())
    say("Looking for wheels of Odoo's requirements ...")
    wheels = folder / 'wheels'
    with ThreadPoolExecutor(4) as pool:
        chosen = list(pool.map(lambda line: _obtainable(folder, wheels, line), requirements))
    for wanted, taken in zip(requirements, chosen, strict=True):
        if wanted != taken:
            say(f"  {wanted} has no wheel for this Python and needs a compiler: taking {taken}")
    _install(
        folder, "Installing Odoo's requirements", [*chosen, *TEST_REQUIREMENTS],
        '--no-build-isolation', '--find-links', wheels,
    )


def adapted(requirements):
    """Return the requirement lines (without markers), with replacements for those that need a
    compiler."""
    names = {_name(line) for line in requirements}
    result = []
    for line in requirements:
        name = _name(line)
        if name in UNNEEDED or (name == 'greenlet' and 'gevent' not in names):
            continue
        if name == 'psycopg2':
            line = line.replace('psycopg2', 'psycopg2-binary', 1)
        result.append(line)
    if 'gevent' not in names:
        result.append('gevent')  # The evented server needs it, its pin goes with greenlet's.
    return result


def _name(requirement):
    """Return the normalised project name of a requirement line."""
    return re.match(r'[\w.-]+', requirement)[0].lower().replace('_', '-')


def _obtainable(folder, wheels, requirement):
    """Return the requirement when a wheel is there or can be made without compiler, else newer."""
    options = ['--no-deps', '--find-links', wheels]
    attempts = [
        ['download', '--only-binary', ':all:', '--dest', wheels],
        ['wheel', '--no-build-isolation', '--wheel-dir', wheels],
    ]
    for attempt in attempts:
        result = subprocess.run(
            _pip(folder, *attempt, *options, requirement), capture_output=True,
            env=_without_compiler(), stdin=subprocess.DEVNULL,
        )
        if result.returncode == 0:
            return requirement
    return requirement.replace('==', '>=').replace('.*', '')
