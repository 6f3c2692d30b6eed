"""The demo that the documentation promises, as somebody starts it who tries the addon."""

import json
import subprocess
import sys
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


class TestDemo(unittest.TestCase):

    def test_the_unattended_purchases_are_paid_captured_and_booked(self):
        result = subprocess.run(
            [sys.executable, ROOT / 'dev', 'demo', '--once', '--json'],
            cwd=ROOT, capture_output=True, text=True, timeout=600,
        )
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        demo = json.loads(result.stdout)
        self.assertTrue(demo['ok'], demo['error'])
        self.assertEqual(len(demo['purchases']), 3)
