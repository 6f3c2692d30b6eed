import tempfile
import unittest
from pathlib import Path

from tools.lint_floors import RULES, findings


class TestFloors(unittest.TestCase):
    def find(self, **files):
        """Return what is found in files, given by their paths with `__` for a slash."""
        with tempfile.TemporaryDirectory() as folder:
            for name, text in files.items():
                path = Path(folder, f"{name.replace('__', '/')}.py")
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
            return [line for rule in RULES for line in findings(*rule, root=Path(folder))]

    def test_what_points_down_is_fine(self):
        self.assertEqual(self.find(
            protocol__client='from . import errors\nimport requests\n',
            models__api__client='from ...protocol.client import Client\n',
            models__till__pos_order='from ..api.client import VippsError\nfrom odoo import api\n',
            controllers__main='from .. import const\n',
        ), [])

    def test_what_points_up_or_past_the_door_is_found_in_each_form(self):
        for name, statement in (
            ('protocol__client', 'import odoo'),
            ('protocol__client', 'from odoo.tools import SQL'),
            ('models__provider__webhook', 'from ...controllers.main import VippsController'),
            ('models__till__pos_order', 'from ... import protocol'),
            ('models__till__pos_order', 'def read():\n    from ...protocol import errors'),
            ('wizards__guide', 'from ..protocol.errors import Refused'),
            ('controllers__main', 'from ..protocol import signature'),
        ):
            with self.subTest(name=name, statement=statement):
                found, = self.find(**{name: statement})
                self.assertIn(name.replace('__', '/'), found)
