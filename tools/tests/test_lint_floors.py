import tempfile
import unittest
from pathlib import Path

from tools import lint_floors

NO_EXCEPTIONS = {name: {} for name in lint_floors.EXCEPTIONS}


class LintCase(unittest.TestCase):
    def find(self, find, files, **options):
        """Return the findings in files, given by their paths with `__` for a slash."""
        with tempfile.TemporaryDirectory() as folder:
            for name, text in files.items():
                path = Path(folder, f"{name.replace('__', '/')}.py")
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
            return find(root=Path(folder), **options)


class TestImports(LintCase):
    def find_imports(self, **files):
        return self.find(
            lambda root: [
                line for rule in lint_floors.IMPORTS
                for line in lint_floors.find_imports(*rule, root=root)
            ], files,
        )

    def test_imports_that_point_down_are_fine(self):
        self.assertEqual(self.find_imports(
            protocol__client='from . import errors\nimport requests\n',
            models__api__client='from ...protocol.client import Client\nimport requests\n',
            models__till__pos_order='from ..api.client import VippsError\nfrom odoo import api\n',
            controllers__main='from .. import const\n',
        ), [])

    def test_imports_that_point_up_or_past_the_door_are_found_in_each_form(self):
        for name, statement in (
            ('protocol__client', 'import odoo'),
            ('protocol__client', 'from odoo.tools import SQL'),
            ('models__provider__webhook', 'from ...controllers.main import VippsController'),
            ('models__till__pos_order', 'from ... import protocol'),
            ('models__till__pos_order', 'def read():\n    from ...protocol import errors'),
            ('models__transaction__operation', 'import requests'),
            ('wizards__guide', 'from ..protocol.errors import Refused'),
            ('wizards__guide', 'from requests import post'),
            ('controllers__main', 'from ..protocol import signature'),
        ):
            with self.subTest(name=name, statement=statement):
                found, = self.find_imports(**{name: statement})
                self.assertIn(name.replace('__', '/'), found)


class TestContents(LintCase):
    def find_contents(self, exceptions=NO_EXCEPTIONS, **files):
        return self.find(lint_floors.find_contents, files, exceptions=exceptions)

    def test_calls_in_their_own_packages_are_fine(self):
        self.assertEqual(self.find_contents(
            const="URL = 'https://api.example.com'\n",
            models__jobs__task='cr.commit()\nregistry.cursor()\n',
            models__till__pos_order="class PosOrder:\n    _inherit = 'pos.order'\n",
            models__transaction__operation='\n'.join((
                '"""The till overrides this: https://example.com/pos and pos.order."""',
                'position = "Point of Sale"  # https://example.com/',
                'savepoint.rollback()',
                'text = "Enter an address that begins with https:// and works."',
            )),
            models__provider__webhook='\n' * 450,
            controllers__main="pos_session_id = 'pos.session'\n",
        ), [])

    def test_cursors_are_found_outside_of_the_jobs(self):
        for statement in (
            'self.env.cr.commit()', 'cr.rollback()', 'own_cr.commit()', 'self._cr.commit()',
            'with self.env.registry.cursor() as cr:\n    pass', 'db_connect(name)',
        ):
            for name in ('models__transaction__operation', 'wizards__guide', 'controllers__main'):
                with self.subTest(name=name, statement=statement):
                    found, = self.find_contents(**{name: statement})
                    self.assertIn(f"{name.replace('__', '/')}.py:1: only models/jobs/", found)

    def test_the_till_is_named_in_its_own_package_only(self):
        for statement in (
            "_inherit = 'pos.order'", 'order.pos_order_id', 'pos_order_id = 1',
            'def _vipps_pos_order(): pass', 'search(pos_order_id=1)', 'import pos_order',
            "values['vipps_pos_session_id']", 'class Pos: pass',
        ):
            for folder in ('transaction', 'provider', 'documents', 'jobs'):
                with self.subTest(folder=folder, statement=statement):
                    found, = self.find_contents(**{f'models__{folder}__file': statement})
                    self.assertIn('Point of Sale', found)

    def test_addresses_stand_in_one_place(self):
        for name in ('models__provider__webhook', 'wizards__guide', 'controllers__main'):
            with self.subTest(name):
                found, = self.find_contents(**{name: "url = f'https://api.vipps.no/{path}'\n"})
                self.assertIn('const.py', found)

    def test_files_of_models_are_short(self):
        found, = self.find_contents(models__provider__webhook='\n' * 451)
        self.assertEqual(found, 'models/provider/webhook.py: 451 lines, at most 450 are allowed')

    def test_exceptions_do_not_grow(self):
        name = 'models/provider/file.py'
        exceptions = {'cursor': {name: 1}, 'pos': {name: 1}, 'url': {name: 1},
                      'length': {name: 460}}
        text = "cr.commit()\npos = 1\nurl = 'https://example.com'\n"
        files = {'models__provider__file': text + '\n' * 457}
        self.assertEqual(self.find_contents(exceptions, **files), [])
        files = {'models__provider__file': text * 2 + '\n' * 455}
        self.assertEqual(len(self.find_contents(exceptions, **files)), 7)


class TestOverrides(LintCase):
    METHOD = (
        "class Tx(models.Model):\n    _inherit = 'payment.transaction'\n\n"
        "    def _vipps_sync(self):\n        {}\n"
    )

    def find_overrides(self, docstring, exceptions=NO_EXCEPTIONS):
        return self.find(lint_floors.find_new_overrides, {
            'models__transaction__sync': self.METHOD.format(docstring),
            'models__till__payment_transaction': self.METHOD.format('return super()'),
        }, exceptions=exceptions)

    def test_only_hooks_are_overridden(self):
        self.assertEqual(self.find_overrides('""" Hook for tills: read it. """'), [])
        found, = self.find_overrides('""" Read it. """')
        self.assertIn('payment.transaction._vipps_sync', found)

    def test_an_exception_is_known_by_its_name(self):
        exceptions = {'override': {'payment.transaction._vipps_sync'}}
        self.assertEqual(self.find_overrides('pass', exceptions), [])
