"""A shop as it runs for real: PostgreSQL, the simulator, Odoo with workers, one address."""

import contextlib
import json
import os
import re
import signal
import time
import urllib.error
import urllib.request

from simulator.sales_units import NOK_UNIT

from .cache import ADDON, ROOT, key_of
from .console import Failure, say, tail
from .odoo import free_port
from .postgres import external, start_server
from .processes import Child, parent_of
from .rpc import Rpc
from .waiting import PATIENCE
from .workspace import READY, SHOP

START_TIMEOUT = 120
# The files whose change asks for an update of the addon, and the folders that are no part of it.
SOURCES = {'.csv', '.js', '.po', '.py', '.scss', '.sql', '.xml'}
ASIDE = {'bench', 'simulator', 'tests', 'tools'}
WORKER = re.compile(r'Worker (?P<kind>WorkerHTTP|WorkerCron) \((?P<pid>\d+)\) alive')


class Stack:
    """The processes of a shop over a database of its own, taking payments from the simulator."""

    def __init__(self, workspace, name='stack', ports=None):
        """Describe a stack; see `start`.

        :param str name: Of its database and its logs, one word.
        :param dict ports: The ports of `odoo` and `simulator`, when they matter.
        """
        ports = ports or {'odoo': free_port(), 'simulator': free_port()}
        self.workspace = workspace
        self.url = f'http://127.0.0.1:{ports["odoo"]}'
        self.simulator_url = f'http://127.0.0.1:{ports["simulator"]}'
        self.ports = {**ports, 'http': free_port(), 'websocket': free_port()}
        self.logs = workspace.run.logs
        self.log_path = self.logs / f'{name}-odoo.log'
        self.name = name
        self.odoo = workspace.odoo(
            name, SHOP, http_port=self.ports['http'], gevent_port=self.ports['websocket'],
            workers=2, max_cron_threads=2,
        )
        self.rpc = Rpc(self.url, self.odoo.database)
        self.programs = None  # a folder whose programs take the place of those of the machine
        self._children = {}

    def start(self):
        """Start everything, with the provider ready to take payments in NOK."""
        self.install()
        self.start_simulator()
        self._children['front'] = Child(
            [self.workspace.environment.python, '-m', 'tools.front', str(self.ports['odoo']),
             str(self.ports['http']), str(self.ports['websocket'])],
            self.logs / f'{self.name}-front.log', cwd=ROOT,
        )
        self.start_odoo()
        self._configure()
        return self

    def install(self):
        """Install the addon, or update it when its files changed; returns the Odoo it is in."""
        ready = self.odoo.folder / READY
        files = sorted(
            path for path in ROOT.rglob('*')
            if path.suffix in SOURCES and path.relative_to(ROOT).parts[0] not in ASIDE
        )
        version = key_of([[str(path), path.read_text()] for path in files])
        log = self.logs / f'{self.name}-install.log'
        if not ready.exists():
            self.odoo.install("Installing the addon", [ADDON], log)
        elif ready.read_text() != version:
            self.odoo.install("Updating the addon", [ADDON], log, option='-u')
        ready.write_text(version)
        return self.odoo

    def stop(self):
        """Stop everything that was started, the last one first."""
        say("Stopping ...")
        while self._children:
            _name, child = self._children.popitem()
            child.stop()

    def __enter__(self):
        """Start, and leave nothing behind when that fails."""
        try:
            return self.start()
        except BaseException:
            self.stop()
            raise

    def __exit__(self, *_exception):
        """Stop."""
        self.stop()

    def alive(self):
        """Return whether everything that was started still runs."""
        return all(child.alive() for child in self._children.values())

    def start_simulator(self):
        """Start the simulator, which knows nothing of an earlier one's payments."""
        record = os.environ.get('VIPPS_SIMULATOR_RECORD')
        recorded = ['--record', os.path.join(record, f'{self.name}.jsonl')] if record else []
        self._children['simulator'] = Child(
            [self.workspace.environment.python, '-m', 'simulator', '--allow-loopback-http',
             '--port', str(self.ports['simulator']), *recorded],
            self.logs / f'{self.name}-simulator.log', cwd=ROOT,
        )
        self._wait_for(f'{self.simulator_url}/control/payments', 'simulator')

    def start_odoo(self):
        """Start Odoo's workers and wait until they answer."""
        self._children['odoo'] = self.odoo.serve(self.log_path, self.programs)
        for port in (self.ports['odoo'], self.ports['websocket']):
            self._wait_for(f'http://127.0.0.1:{port}/web/health', 'odoo')

    def stop_odoo(self):
        """Stop Odoo as an administrator does."""
        self._children.pop('odoo').stop()

    @contextlib.contextmanager
    def odoo_down(self):
        """End all of Odoo at once, as when the machine loses power; start it again at the end."""
        self._children.pop('odoo').kill()
        try:
            yield
        finally:
            self.start_odoo()

    @contextlib.contextmanager
    def database_down(self):
        """Let PostgreSQL crash, and start it again at the end.

        A server that others use, too, only ends the connections to the shop's database and takes
        no new ones.
        """
        server, database = self.workspace.server, self.odoo.database
        if external():
            server.close(database)
            try:
                yield
            finally:
                server.reopen(database)
            return
        command = server.crash()
        try:
            yield
        finally:
            self._children.pop('postgresql', None)
            restarted = start_server(command, self.logs / f'{self.name}-postgresql.log')
            self._children = {'postgresql': restarted, **self._children}  # It is stopped last.

    def pid(self, name):
        """Return the process id of `odoo`, the `simulator` or the `front`."""
        return self._children[name].pid

    def workers(self, kind='WorkerHTTP'):
        """Return the process ids of the workers that live, of `WorkerHTTP` or `WorkerCron`."""
        log = self.log_path.read_text(errors='replace')
        # An id can be used again, by another worker or by a thread of one: the last line counts.
        started = {int(match['pid']): match['kind'] for match in WORKER.finditer(log)}
        return [
            pid for pid, started_as in started.items()
            if started_as == kind and parent_of(pid) == self.pid('odoo')
        ]

    def kill_worker(self, pid):
        """Kill a worker without a chance to tidy up; Odoo starts another one."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)

    def execute(self, *statements):
        """Execute SQL in the database of the shop; returns the rows of the last statement."""
        return self.workspace.server.execute(*statements, database=self.odoo.database)

    def control(self, method, path, **body):
        """Call the simulator's control endpoint; returns the answer, decoded.

        :param str path: What follows `/control/`.
        """
        request = urllib.request.Request(
            f'{self.simulator_url}/control/{path}', json.dumps(body).encode(), method=method,
        )
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return json.load(answer)

    def _wait_for(self, url, name):
        """Wait until a process answers.

        :raise Failure: When it ends, or does not in time.
        """
        child = self._children[name]
        deadline = time.monotonic() + START_TIMEOUT
        while time.monotonic() < deadline and child.alive():
            with contextlib.suppress(OSError, urllib.error.URLError):
                with urllib.request.urlopen(url, timeout=10):
                    return
            time.sleep(0.1)
        log = self.logs / f'{self.name}-{name}.log'
        raise Failure(f"{tail(log)}\nThe {name} did not start; its whole log is in {log}.")

    def _configure(self):
        """Point Odoo at the simulator, and have the webhook registered there."""
        parameters = {
            f'{ADDON}.test_api_url': self.simulator_url,
            'web.base.url': self.url,
        }
        for name, value in parameters.items():
            self.rpc('ir.config_parameter', 'set_param', name, value)
        provider = self.rpc.reference(f'{ADDON}.payment_provider_vipps')
        keys = {
            'vipps_client_id': NOK_UNIT.client_id,
            'vipps_client_secret': NOK_UNIT.client_secret,
            'vipps_subscription_key': NOK_UNIT.subscription_key,
        }
        # A shop that is kept has them already, and they cannot be written again.
        known, = self.rpc('payment.provider', 'read', [provider], list(keys))
        self.rpc('payment.provider', 'write', [provider], {
            **{name: key for name, key in keys.items() if not known[name]},
            'vipps_merchant_serial_number': NOK_UNIT.msn,
            'vipps_capture_mode': 'automatic',
            'vipps_code_on_invoices': True,
            'vipps_code_on_quotations': True,
            'allow_express_checkout': True,
            'state': 'test',
            'is_published': True,
        })
        self.rpc('payment.provider', 'action_vipps_set_up_webhooks', [provider])
        # A shop that is kept has it already, and maybe a session that is open.
        methods = self.rpc('pos.payment.method', 'search', [
            ('name', '=', "Vipps"), ('use_payment_terminal', '=', False),
        ])
        self.rpc('pos.payment.method', 'write', methods, {'use_payment_terminal': 'vipps'})
