import subprocess
import tempfile
import unittest
from pathlib import Path

from tools.environment import lint_environment
from tools.lint import run_pylint

MANIFEST = """{
    'name': "An addon",
    'version': '17.0.1.0.0',
    'author': 'Vipps MobilePay for Odoo contributors',
    'license': 'LGPL-3',
    'depends': ['base'],
}
"""
MODEL = """from odoo import models


class {0}(models.Model):
    _inherit = 'sale.order'
"""


class TestPylint(unittest.TestCase):
    def test_files_are_read_as_parts_of_an_addon(self):
        # The one message of which there was none when the addon is a repository, as ours is.
        option = '--enable=consider-merging-classes-inherited'
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            subprocess.run(['git', 'init', '--quiet', folder], check=True)
            (root / 'README.md').write_text("# An addon\n")
            (root / '__manifest__.py').write_text(MANIFEST)
            (root / '__init__.py').write_text('from . import one\n')
            (root / 'one.py').write_text(MODEL.format('One'))
            environment = lint_environment()
            self.assertTrue(run_pylint(environment, root, option))
            (root / '__init__.py').write_text('from . import one\nfrom . import two\n')
            (root / 'two.py').write_text(MODEL.format('Two'))
            self.assertTrue(run_pylint(environment, root))
            self.assertFalse(run_pylint(environment, root, option))
