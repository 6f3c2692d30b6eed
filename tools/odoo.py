"""Run Odoo: one command line for installing, testing, scripting and serving."""

import json
import os
import shutil
import socket

from .cache import ROOT, addons_path
from .console import Failure, tail
from .odoo_log import problems
from .processes import Child, run_step

RUNNER = ROOT / 'tools' / 'runner_odoo.py'
DEFAULTS = {
    'http_interface': '127.0.0.1',
    'list_db': False,
    'max_cron_threads': 0,
    'workers': 0,
    'without_demo': 'all',
    'limit_time_real': 600,  # A busy machine is no reason to kill a worker.
    'limit_time_cpu': 600,
}


class Odoo:
    """One Odoo over one database: source, environment, server, database and settings."""

    def __init__(self, source, environment, server, database, folder, **settings):
        """Describe an Odoo; nothing is started.

        :param pathlib.Path folder: Holds its settings, its data and the filestore.
        :param settings: Entries of the settings file beyond `DEFAULTS`.
        """
        self.source = source
        self.environment = environment
        self.server = server
        self.database = database
        self.folder = folder
        self.data_dir = folder / 'data'
        self.data_dir.mkdir(parents=True, exist_ok=True)
        self.configuration = folder / 'odoo.conf'
        self.configure(**settings)

    def configure(self, **settings):
        """Write the settings file."""
        options = {
            **DEFAULTS,
            'addons_path': f'{self.source.addons},{addons_path()}',
            'data_dir': self.data_dir,
            'db_name': self.database,
            'dbfilter': f'^{self.database}$',
            'screenshots': self.folder / 'screenshots',
            **settings,
        }
        lines = ''.join(f'{name} = {value}\n' for name, value in options.items())
        self.configuration.write_text(f'[options]\n{lines}')

    def command(self, *arguments, subcommand=()):
        """Return the command line of an `odoo-bin` with these arguments."""
        return [
            self.environment.python, RUNNER, self.source.folder, *subcommand,
            '-c', self.configuration, *arguments,
        ]

    def variables(self, **more):
        """Return the environment variables of such a process."""
        return {**self.environment.variables(), **self.server.variables, **more}

    def install(self, title, modules, log_path, option='-i'):
        """Install modules, or update them with the option `-u`, and stop.

        :raise Failure: When that fails, or leaves a warning in the log.
        """
        code = run_step(
            title, self.command(option, ','.join(modules), '--stop-after-init', '--no-http'),
            log_path, env=self.variables(),
        )
        self._check(title, code, log_path)

    def script(self, title, path, log_path, **parameters):
        """Run a Python file with `env` and `PARAMETERS` defined, as superuser; it commits itself.

        :raise Failure: When that fails, or leaves a warning in the log.
        """
        text = f'PARAMETERS = {json.loads(json.dumps(parameters))!r}\n{path.read_text()}'
        script = self.folder / path.name
        script.write_text(text)
        with script.open() as stdin:
            code = run_step(
                title, self.command('--no-http', subcommand=['shell']), log_path,
                env=self.variables(), stdin=stdin,
            )
        self._check(title, code, log_path)

    def _check(self, title, code, log_path):
        """Raise when a step ended badly or left warnings."""
        found = problems(log_path)
        if code or found:
            shown = '\n'.join(found) or tail(log_path)
            raise Failure(f"{shown}\n{title} failed; the whole log is in {log_path}.")

    def serve(self, log_path, programs=None):
        """Start serving with the settings; returns the process.

        :param pathlib.Path programs: A folder that comes first on the PATH, if any.
        """
        variables = self.variables()
        if programs:
            variables['PATH'] = f'{programs}{os.pathsep}{variables["PATH"]}'
        return Child(self.command(), log_path, env=variables)

    def copy_filestore(self, data_dir, database):
        """Take over the stored files of another database."""
        files = data_dir / 'filestore' / database
        if files.exists():
            shutil.copytree(files, self.data_dir / 'filestore' / self.database)


def free_port():
    """Return a port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]
