"""The demo that the documentation promises, as somebody starts it who tries the addon."""

import json
import subprocess
import sys
import unittest
from collections import defaultdict
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
        self.assertEqual([bought['case'] for bought in demo['purchases']], [
            'without_return', 'without_webhooks', 'express', 'invoice', 'sticker',
            'without_full_capture',
        ])
        for bought in demo['purchases']:
            self.assertIn(
                "approved on the phone", [entry['step'] for entry in bought['timeline']]
            )
        # Each payment, the fees and the payout are in the books of the ledger, and the payout in
        # those of the bank: nothing is left in between.
        items = demo['payout']['journal_items']
        balances = defaultdict(float)
        for item in items:
            balances[item['account_id'][1]] += item['debit'] - item['credit']
        paid_out = next(
            step['amount'] for step in demo['payout']['timeline']
            if step['step'] == "day over, paid out"
        )
        left = {name: round(balance, 2) for name, balance in balances.items() if round(balance, 2)}
        self.assertIn(paid_out, left.values(), left)
        self.assertEqual(round(sum(left.values()), 2), 0)
        self.assertFalse([name for name in left if "suspense" in name.lower()], left)
