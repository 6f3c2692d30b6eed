import contextlib
import io
import unittest

from simulator.sales_units import NOK_UNIT
from simulator.server import Simulator
from tools import smoke


class TestSmoke(unittest.TestCase):
    def setUp(self):
        """Have a second simulator be the test environment."""
        self.simulator = Simulator().start()
        self.addCleanup(self.simulator.close)
        self.variables = {
            'VIPPS_API_URL': self.simulator.url,
            'VIPPS_CLIENT_ID': NOK_UNIT.client_id,
            'VIPPS_CLIENT_SECRET': NOK_UNIT.client_secret,
            'VIPPS_SUBSCRIPTION_KEY': NOK_UNIT.subscription_key,
            'VIPPS_MERCHANT_SERIAL_NUMBER': NOK_UNIT.msn,
            'VIPPS_PHONE': '4798765432',
        }

    def run_smoke(self, **changes):
        """Return the exit code and the lines that are printed; no secret is among them."""
        variables = {**self.variables, **changes}
        with contextlib.redirect_stdout(io.StringIO()) as output:
            code = smoke.run(variables)
        for name in smoke.VARIABLES:
            if variables[name]:
                self.assertNotIn(variables[name], output.getvalue())
        return code, output.getvalue().splitlines()

    def test_a_simulator_answers_as_the_simulator(self):
        code, lines = self.run_smoke()
        self.assertEqual(code, 0, lines)
        self.assertEqual([line.split()[:2] for line in lines], [
            ['token', '200'], ['webhooks', '200'], ['create', '201'], ['approve', '200'],
            ['read', '200'], ['capture', '200'], ['refund', '200'], ['cancel', '200'],
            ['events', '200'],
        ])
        payment, = self.simulator.payments
        sums = {name: amount['value'] for name, amount in payment['aggregate'].items()}
        self.assertEqual(sums, {
            'authorizedAmount': 1000, 'capturedAmount': 600, 'refundedAmount': 200,
            'cancelledAmount': 400,
        })

    def test_the_first_difference_ends_it_and_is_told(self):
        for fault, words in (
            ({'changes': {'news': "A secret"}}, 'answer.news is not known to the simulator'),
            ({'changes': {'pspReference': None}}, 'answer.pspReference is missing'),
            ({'changes': {'pspReference': 1}}, "answer.pspReference is 'int', at the simulator"),
            ({'changes': {'state': 'ABORTED'}}, "answer.state is 'ABORTED', at the simulator"),
            ({'kind': 'tampered', 'value': 7}, 'answer.amount.value is 7, at the simulator 1000'),
            ({'kind': 'refuse', 'code': '5090'}, 'the status is 404, at the simulator 200'),
            ({'kind': 'garbage'}, "answer is 'not JSON', at the simulator an object"),
        ):
            with self.subTest(words):
                self.simulator.fault('get', **{'kind': 'edited', 'times': None, **fault})
                code, lines = self.run_smoke()
                self.simulator.clear_faults()
                self.assertEqual(code, 1)
                self.assertEqual(lines[4].split()[0], 'read')
                self.assertIn(words, '\n'.join(lines[5:]))
                self.assertNotIn("A secret", '\n'.join(lines))

    def test_nothing_stays_reserved_after_a_difference(self):
        self.simulator.fault('capture', 'refuse', code='6090')
        self.assertEqual(self.run_smoke()[0], 1)
        payment, = self.simulator.payments
        self.assertEqual(payment['aggregate']['cancelledAmount']['value'], 1000)

    def test_wrong_keys_are_seen_at_once(self):
        code, lines = self.run_smoke(VIPPS_CLIENT_SECRET='of-somebody-else')
        self.assertEqual(code, 1)
        self.assertEqual(lines[0].split()[:2], ['token', '401'])

    def test_nothing_is_sent_without_keys_or_to_production(self):
        for name, value in (
            ('VIPPS_CLIENT_SECRET', ''), ('VIPPS_API_URL', 'https://api.vipps.no'),
            ('VIPPS_API_URL', 'http://apitest.vipps.no'), ('VIPPS_CURRENCY', 'SEK'),
        ):
            with self.subTest(name=name, value=value):
                code, lines = self.run_smoke(**{name: value})
                self.assertEqual(code, 2)
                self.assertIn(name, '\n'.join(lines))
        self.assertEqual(self.simulator.exchanges, [])
