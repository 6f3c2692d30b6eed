import os
import subprocess
import tempfile
import unittest
from pathlib import Path
from unittest.mock import patch

from tools.cache import made_once
from tools.console import Failure
from tools.customer import Page
from tools.environment import adapted
from tools.run import abandoned_runs, new_run, runs_under_way
from tools.source import Source, find_source

RELEASE = 'version_info = (17, 0, 0, FINAL, 0, "")\n'


class TestSource(unittest.TestCase):
    def make_tree(self, folder, addons, release=RELEASE):
        tree = Path(folder)
        (tree / 'odoo').mkdir(parents=True)
        (tree / 'odoo' / 'release.py').write_text(release)
        (tree / addons / 'payment').mkdir(parents=True)
        return tree

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        variables = patch.dict(os.environ, {'VIPPS_DEV_CACHE': str(self.folder / 'cache')})
        variables.start()
        self.addCleanup(variables.stop)

    def test_both_layouts_are_known(self):
        for addons in ('addons', 'odoo/addons'):
            with self.subTest(addons), tempfile.TemporaryDirectory() as folder:
                tree = self.make_tree(folder, addons)
                self.assertEqual(Source(tree).addons, tree / addons)

    def test_another_version_is_refused(self):
        tree = self.make_tree(self.folder / 'tree', 'addons', RELEASE.replace('17', '16'))
        with self.assertRaisesRegex(Failure, "not an Odoo 17.0 tree.*ODOO_SOURCE"):
            Source(tree)

    def test_a_bare_git_directory_is_unpacked_once_per_commit(self):
        tree = self.make_tree(self.folder / 'tree', 'addons')
        (tree / 'addons' / 'payment' / 'x').touch()
        git = ['git', '-C', tree, '-c', 'user.name=x', '-c', 'user.email=x@example.com']
        for command in (['init', '-q'], ['add', '.'], ['commit', '-qm', "Add Odoo"]):
            subprocess.run([*git, *command], check=True)
        bare = self.folder / 'bare.git'
        subprocess.run(['git', 'clone', '-q', '--bare', tree, bare], check=True)
        with patch.dict(os.environ, {'ODOO_SOURCE': str(bare)}):
            first = find_source()
            self.assertTrue((first.addons / 'payment' / 'x').exists())
            self.assertEqual(find_source().folder, first.folder)

    def test_a_folder_without_odoo_is_explained(self):
        with patch.dict(os.environ, {'ODOO_SOURCE': str(self.folder)}):
            with self.assertRaisesRegex(Failure, "neither an Odoo 17.0 tree nor a git directory"):
                find_source()

    def test_the_key_changes_with_the_content_of_a_database(self):
        tree = self.make_tree(self.folder / 'tree', 'addons')
        before = Source(tree).key()
        (tree / 'addons' / 'payment' / 'static').mkdir()
        (tree / 'addons' / 'payment' / 'static' / 'x.js').touch()
        self.assertEqual(Source(tree).key(), before)
        (tree / 'addons' / 'payment' / 'x.py').touch()
        self.assertNotEqual(Source(tree).key(), before)


class TestCache(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        variables = patch.dict(os.environ, {'VIPPS_DEV_CACHE': str(self.folder)})
        variables.start()
        self.addCleanup(variables.stop)

    def test_a_half_made_folder_is_made_again(self):
        path = self.folder / 'thing'
        with self.assertRaises(ValueError), made_once(path, 'thing') as needed:
            self.assertTrue(needed)
            (path / 'half').touch()
            raise ValueError
        with made_once(path, 'thing') as needed:
            self.assertTrue(needed)
            self.assertFalse((path / 'half').exists())
        with made_once(path, 'thing') as needed:
            self.assertFalse(needed)

    def test_a_run_is_abandoned_only_when_its_process_is_gone(self):
        with patch('tools.postgres.home', return_value=self.folder), new_run() as run:
            self.assertEqual(abandoned_runs(), [])
            dead = run.folder.with_name('dead')
            dead.mkdir()
            (dead / 'lock').touch()
            self.assertEqual([found.name for found in abandoned_runs()], ['dead'])
            self.assertEqual(runs_under_way(), [run.name])
        self.assertFalse(run.folder.exists())


class TestRequirements(unittest.TestCase):
    def test_nothing_is_left_that_needs_a_compiler(self):
        self.assertEqual(
            adapted(['psycopg2==2.9.5', 'python-ldap==3.4.0', 'gevent==22.1', 'greenlet==2.0']),
            ['psycopg2-binary==2.9.5', 'gevent==22.1', 'greenlet==2.0'],
        )

    def test_a_pinned_greenlet_goes_with_a_pinned_gevent_only(self):
        self.assertEqual(
            adapted(['greenlet==2.0.2', 'psycopg2-binary']), ['psycopg2-binary', 'gevent'],
        )


class TestPage(unittest.TestCase):
    def test_forms_and_elements_are_found(self):
        page = Page('http://shop/a', 200, """
            <form action="/pay"><input name="token" value="x"/><input type="submit"/></form>
            <input data-provider-code="vipps" data-provider-id="7"/>
        """)
        self.assertEqual(page.form('/pay')['fields'], {'token': 'x'})
        self.assertEqual(page.find(data_provider_code='vipps')['data-provider-id'], '7')
        with self.assertRaises(LookupError):
            page.form('/pay', token='y')
