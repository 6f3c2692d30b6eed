import functools
import json
import types
import unittest
import urllib.request

from simulator.server import Simulator
from tools.console import Failure
from tools.odoo import free_port
from tools.payout import Payout
from tools.purchase import RETURN, WEBHOOKS, Purchase, as_json, summary
from tools.stack import Stack
from tools.steps import heading, row, show_entries


class TestPurchase(unittest.TestCase):
    def setUp(self):
        self.simulator = Simulator()
        self.simulator.start()
        self.addCleanup(self.simulator.close)

    def purchase(self, case, simulator_url=None):
        """Return a purchase from a shop that does not answer."""
        stack = types.SimpleNamespace(
            url=f'http://127.0.0.1:{free_port()}',
            simulator_url=simulator_url or self.simulator.url,
        )
        stack.control = functools.partial(Stack.control, stack)
        return Purchase(stack, case)

    def faults(self):
        with urllib.request.urlopen(f'{self.simulator.url}/control/faults') as answer:
            return json.load(answer)['faults']

    def test_webhooks_are_lost_until_the_purchase_ends(self):
        purchase = self.purchase(WEBHOOKS)
        steps = purchase.run()
        self.assertEqual(next(steps)['witness'], "Simulator: faults")
        self.assertEqual(
            self.faults(), [{'operation': 'webhook', 'kind': 'lost', 'times': None}]
        )
        with self.assertRaisesRegex(Failure, 'Without webhooks, the step "put into the cart"'):
            next(steps)
        self.assertEqual(self.faults(), [])

    def test_the_step_that_fails_is_named(self):
        with self.assertRaisesRegex(Failure, 'Without the return, the step "put into the cart"'):
            list(self.purchase(RETURN).run())

    def test_a_simulator_that_is_gone_is_a_failed_step(self):
        purchase = self.purchase(WEBHOOKS, f'http://127.0.0.1:{free_port()}')
        with self.assertRaisesRegex(Failure, 'the step "webhooks cut off" failed: .*refused'):
            list(purchase.run())

    def test_output_for_programs(self):
        purchase = self.purchase(WEBHOOKS)
        failure = None
        try:
            list(purchase.run())
        except Failure as error:
            failure = error
        told = json.loads(as_json([purchase], None, failure))
        self.assertEqual((told['ok'], told['error'], told['currency']), (
            False, str(failure), 'NOK',
        ))
        bought, = told['purchases']
        self.assertEqual((bought['case'], bought['reference']), ('without_webhooks', None))
        self.assertEqual([entry['step'] for entry in bought['timeline']], ["webhooks cut off"])
        self.assertIsNone(told['payout'])
        payout = Payout(purchase.stack)
        payout.number = '2000001'
        told = json.loads(as_json([], payout, None))
        self.assertIs(told['ok'], True)
        self.assertEqual(
            told['payout'], {'number': '2000001', 'timeline': [], 'journal_items': []}
        )

    def test_output_for_people_is_aligned(self):
        entry = {'step': "captured", 'seconds': 1.5, 'amount': 428.5, 'witness': "Simulator"}
        lines = [row(entry), row({**entry, 'step': "back", 'seconds': 12.25, 'amount': None})]
        self.assertEqual(lines[0], "   1.50 s  captured                    428.50 NOK  Simulator")
        self.assertEqual(lines[0].index("Simulator"), lines[1].index("Simulator"))
        headings = heading()
        self.assertEqual(headings.index("Step"), lines[0].index("captured"))
        self.assertEqual(headings.index("Seen in"), lines[0].index("Simulator"))
        for title, value in (("Time", "1.50 s"), ("Amount", "428.50 NOK")):
            self.assertEqual(
                headings.index(title) + len(title), lines[0].index(value) + len(value),
            )

    def test_lines_in_the_books_end_without_blanks(self):
        line = {'move_name': "PBNK1/2026/00001", 'account_id': [7, "Bank"], 'debit': 0, 'credit': 5}
        shown = show_entries([line, {**line, 'debit': 5, 'credit': 0}]).splitlines()
        self.assertEqual(shown, [text.rstrip() for text in shown])
        self.assertEqual([text.split()[-1] for text in shown], ['5.00', '5.00'])

    def test_closing_line_for_people(self):
        purchases = [self.purchase(case) for case in (RETURN, WEBHOOKS)]
        for number, purchase in enumerate(purchases):
            purchase.reference = f'AB2CD-{number}'
        self.assertEqual(
            summary(purchases), "All as expected, booked and paid out: AB2CD-0, AB2CD-1",
        )
