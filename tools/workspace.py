"""Provide commands with an Odoo, an environment, a PostgreSQL server and prepared databases."""

import contextlib
import json
import shutil
from pathlib import Path

from . import postgres
from .cache import ROOT, cache_dir, key_of, locked, made_once
from .environment import Environment, odoo_environment
from .odoo import Odoo
from .run import Run, abandoned_runs, new_run
from .source import Source, find_source

BASE = 'base'  # the modules the addon builds upon, and those that its tests need
SHOP = 'shop'  # the same, as a Norwegian webshop with a till
ALONE = 'alone'  # only the modules the addon builds upon
# What shops have beside it, and what changes how orders are delivered, paid or confirmed.
NEIGHBOURS = [
    'sale_management', 'pos_sale', 'pos_restaurant', 'pos_self_order', 'pos_loyalty', 'pos_hr',
    'sale_loyalty', 'sale_mrp', 'stock_dropshipping', 'sale_async_emails',
]
FOUNDATION = [
    'payment', 'account_payment', 'sale', 'website_sale', 'sale_stock', 'point_of_sale',
]
MODULES = [*FOUNDATION, *NEIGHBOURS]
SHOP_SCRIPT = ROOT / 'tools' / 'scripts' / 'shop.py'
READY = 'ready'  # the file that says a database can be used again
RECIPE = 1  # to be raised when the way the databases are made changes


class Workspace:
    """A running server with template databases, and a folder for the copies of one run."""

    def __init__(self, source, environment, server, templates, run):
        """Put the parts together; see `open_workspace`."""
        self.source = source
        self.environment = environment
        self.server = server
        self.templates = templates
        self.run = run

    def odoo(self, name, template, **settings):
        """Return an Odoo over a copy of a template, made now unless a kept run has a ready one."""
        database = self.run.database_prefix + name
        folder = self.run.folder / name
        ready = (folder / READY).exists()
        if not ready:
            self.server.drop(database)
            shutil.rmtree(folder, ignore_errors=True)
        odoo = Odoo(self.source, self.environment, self.server, database, folder, **settings)
        if not ready:
            original = self.templates.database(template)
            self.server.create(database, original)
            odoo.copy_filestore(self.templates.folder(template) / 'data', original)
        return odoo

    def to_json(self):
        """Return the values with which another process of this run opens the workspace."""
        return json.dumps({
            'source': str(self.source.folder),
            'environment': str(self.environment.folder),
            'server': self.server.variables,
            'key': self.templates.key,
            'run': self.run.name,
        })

    @classmethod
    def from_json(cls, text):
        """Return the workspace that another process of this run has opened."""
        parts = json.loads(text)
        environment = Environment(Path(parts['environment']))
        return cls(
            Source(Path(parts['source'])), environment,
            postgres.Server(environment.python, parts['server']), Templates(parts['key']),
            Run(parts['run']),
        )


class Templates:
    """The databases that are copied, one of each kind, on a server or in a cluster of their own."""

    def __init__(self, key):
        """Name the databases made from the ingredients behind `key`."""
        self.key = key
        self.recipes = {BASE: key, SHOP: key_of(SHOP_SCRIPT.read_text()), ALONE: key}
        self.home = postgres.home() / f'templates-{key}'
        self.cluster = self.home / 'cluster' / 'data'

    def folder(self, kind):
        """Return the folder of the stored files of a kind."""
        return self.home / kind

    def database(self, kind):
        """Return the name of the database of a kind."""
        return f'vipps_{kind}_{self.key}'

    def missing(self, kinds):
        """Return the kinds that have to be made, each after the one it is made from."""
        wanted = [BASE, *(kind for kind in (SHOP, ALONE) if kind in kinds)]
        return [kind for kind in wanted if not self._is_made(kind)]

    def _is_made(self, kind):
        """Return whether the database of a kind is there, made by the present recipe."""
        complete = self.folder(kind) / '.complete'
        return complete.exists() and complete.read_text() == self.recipes[kind]

    def make(self, kind, source, environment, server):
        """Make the database of a kind on a running server."""
        shutil.rmtree(self.folder(kind), ignore_errors=True)
        odoo = Odoo(source, environment, server, self.database(kind), self.folder(kind))
        log = cache_dir() / 'logs' / f'template-{kind}-{self.key}.log'
        log.unlink(missing_ok=True)
        server.drop(odoo.database)
        if kind == BASE:
            server.create(odoo.database, 'template0')
            odoo.install("Installing the modules of Odoo that shops have", MODULES, log)
        elif kind == ALONE:
            server.create(odoo.database, 'template0')
            odoo.install("Installing the modules of Odoo we build upon", FOUNDATION, log)
        else:
            server.create(odoo.database, self.database(BASE))
            odoo.copy_filestore(self.folder(BASE) / 'data', self.database(BASE))
            odoo.install("Installing the Norwegian accounts", ['l10n_no'], log)
            odoo.script("Setting up a Norwegian shop", SHOP_SCRIPT, log)
        (self.folder(kind) / '.complete').write_text(self.recipes[kind])


@contextlib.contextmanager
def open_workspace(*kinds, kept=''):
    """Open a workspace whose databases of these kinds are ready to be copied.

    :param str kept: The name of a workspace whose databases survive it.
    :raise Failure: With a sentence that says what is missing.
    """
    source = find_source()
    environment = odoo_environment(source)
    with contextlib.ExitStack() as stack:
        # What was made with another Odoo, other libraries or another shop is left alone, not used.
        ingredients = [_recipe(source, environment), SHOP_SCRIPT.read_text(), str(ROOT)]
        name = kept and f'{kept}_{key_of(ingredients)}'
        run = stack.enter_context(new_run(name))
        if postgres.external():
            opened = _open_external(source, environment, run, kinds, stack)
        else:
            opened = _open_embedded(source, environment, run, kinds, stack)
        yield opened


def _recipe(source, environment):
    """Return the content that the template databases depend on, independent of its location."""
    return [RECIPE, MODULES, source.key(), environment.key]


def _open_external(source, environment, run, kinds, stack):
    """Use the server named by the `PG*` variables."""
    server = postgres.Server(environment.python, {})
    version = server.execute('SHOW server_version')
    templates = Templates(key_of(_recipe(source, environment), version, str(cache_dir())))
    present = {name for name, in server.execute('SELECT datname FROM pg_database')}
    for kind in (BASE, SHOP, ALONE):
        if templates.database(kind) not in present:
            shutil.rmtree(templates.folder(kind), ignore_errors=True)
    for old in abandoned_runs():
        _drop_databases(server, old)
        old.discard()
    with locked(f'template databases {templates.key}'):
        for kind in templates.missing(kinds):
            templates.make(kind, source, environment, server)
    if not run.kept:
        stack.callback(_drop_databases, server, run)
    return Workspace(source, environment, server, templates, run)


def _drop_databases(server, run):
    """Drop the databases of a run."""
    names = server.execute(
        ('SELECT datname FROM pg_database WHERE starts_with(datname, %s)', [run.database_prefix])
    )
    for name, in names:
        server.drop(name)


def _open_embedded(source, environment, run, kinds, stack):
    """Run a copy of the cluster with the template databases: no two runs share a server."""
    bin_dir = postgres.binaries(environment.python)
    templates = Templates(key_of(_recipe(source, environment), postgres.WHEEL))
    for old in abandoned_runs():
        old.discard()
    with locked(f'template databases {templates.key}'):
        missing = templates.missing(kinds)
        if missing:
            _make_in_cluster(templates, missing, source, environment, bin_dir)
        if not run.cluster.exists():
            postgres.copy_cluster(templates.cluster, run.cluster)
    server = stack.enter_context(postgres.running_cluster(
        bin_dir, run.cluster, run.logs / 'postgresql.log', environment.python, durable=run.kept,
    ))
    return Workspace(source, environment, server, templates, run)


def _make_in_cluster(templates, kinds, source, environment, bin_dir):
    """Make template databases in the cluster they are copied from."""
    with made_once(templates.cluster.parent, 'PostgreSQL cluster') as needed:
        if needed:
            postgres.create_cluster(bin_dir, templates.cluster)
    log = cache_dir() / 'logs' / 'template-postgresql.log'
    with postgres.running_cluster(bin_dir, templates.cluster, log, environment.python) as server:
        for kind in kinds:
            templates.make(kind, source, environment, server)
