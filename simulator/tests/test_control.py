import json
import signal
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import requests

from ..sales_units import DKK_UNIT, NOK_UNIT
from ..server import Simulator
from .common import PUSH, QR, Merchant, SimulatorCase


class ControlCase(SimulatorCase):

    def control(self, method, path, body=None, status=200):
        answer = self.merchant.session.request(
            method, f'{self.simulator.url}/control/{path}', json=body, timeout=10
        )
        self.assertEqual(answer.status_code, status, answer.text)
        return answer.json()


class TestControl(ControlCase):

    def test_payments(self):
        reference = self.merchant.authorized()
        payments = self.control('GET', 'payments')['payments']
        self.assertEqual([payment['reference'] for payment in payments], [reference])
        payment = self.control('GET', f'payments/{reference}')
        self.assertEqual(payment, self.simulator.payment(reference))
        self.assertEqual(payment['state'], 'AUTHORIZED')
        self.assertEqual([e['name'] for e in payment['events']], ['CREATED', 'AUTHORIZED'])
        self.control('GET', 'payments/unknown-1', status=404)

    def test_customer_decides(self):
        for decision, state in (
            ('approve', 'AUTHORIZED'), ('decline', 'ABORTED'), ('expire', 'EXPIRED'),
        ):
            for flow in ({}, QR, {**PUSH, 'customer': {'phoneNumber': '4798765432'}}):
                path = f'payments/{self.merchant.create(**flow)}/{decision}'
                self.assertEqual(self.control('POST', path)['state'], state)
                self.assertIn('error', self.control('POST', path, status=400))

    def test_a_page_of_another_origin_decides(self):
        for decision, state in (
            ('approve', 'AUTHORIZED'), ('decline', 'ABORTED'), ('expire', 'EXPIRED'),
        ):
            for body in (None, '{}'):
                reference = self.merchant.create()
                # What a browser sends for fetch(url, {method: "POST", mode: "no-cors", body}).
                answer = self.merchant.session.post(
                    f'{self.simulator.url}/control/payments/{reference}/{decision}', data=body,
                    timeout=10, headers={
                        'Origin': 'http://127.0.0.1:8069', 'Sec-Fetch-Mode': 'no-cors',
                        **({'Content-Type': 'text/plain;charset=UTF-8'} if body else {}),
                    },
                )
                self.assertEqual(answer.status_code, 200, answer.text)
                self.assertEqual(self.simulator.payment(reference)['state'], state)

    def test_codes_of_customers(self):
        code = self.control('POST', 'codes', {'phone': '4798765432'})['code']
        reference = self.merchant.create(**PUSH, customer={'personalQr': code})
        self.assertIn('4798765432', requests.get(f'{self.simulator.url}/phone', timeout=10).text)
        self.assertEqual(self.control('GET', f'payments/{reference}')['state'], 'CREATED')
        self.assertNotEqual(self.control('POST', 'codes')['code'], code)
        for body in ({'phone': '98765432'}, {'phone': None}, {'code': 'x'}):
            self.control('POST', 'codes', body, status=400)

    def test_customers_that_do_not_exist(self):
        body = {'phone': '4798765432', 'known': False}
        push = self.merchant.payload(**PUSH, customer={'phoneNumber': '4798765432'})
        self.assertEqual(self.control('POST', 'customers', body), body)
        self.assertRefused(self.merchant.post_payment(push), 400, '7010')
        self.control('POST', 'customers', {**body, 'known': True})
        self.assertEqual(self.merchant.post_payment(push).status_code, 201)
        for body in ({}, {'phone': '4798765432'}, {'phone': 'x', 'known': False}):
            self.control('POST', 'customers', body, status=400)

    def test_payments_are_made_in_bulk(self):
        references = [f'bulk-{number:04}' for number in range(3)]
        body = {
            'msn': self.merchant.unit.msn, 'references': references, 'approved': True,
            'request': self.merchant.payload(reference=None),
        }
        self.assertEqual(self.control('POST', 'payments', body), {'count': 3})
        for reference in references:
            self.assertEqual(self.merchant.get(reference).json()['state'], 'AUTHORIZED')
        self.control('POST', 'payments', body, status=409)
        body.update(references=['bulk-open'], approved=False)
        self.control('POST', 'payments', body)
        self.assertEqual(self.merchant.get('bulk-open').json()['state'], 'CREATED')
        for wrong in (
            {'msn': '999999'}, {'request': 'x'}, {'request': {}}, {'references': ['short']},
            {'approved': 1}, {'more': 1},
        ):
            self.control('POST', 'payments', {**body, 'references': ['bulk-more'], **wrong}, 400)

    def test_merchant_operates_in_the_portal(self):
        reference = self.merchant.authorized()
        path = f'payments/{reference}'
        self.control('POST', f'{path}/capture', {'amount': 20000})
        refused = self.control('POST', f'{path}/capture', {'amount': 20000}, status=400)
        self.assertEqual(refused['problem']['extraDetails'][0]['reason'], '6090')
        self.control('POST', f'{path}/refund', {'amount': 5000})
        self.control('POST', f'{path}/refund')
        self.control('POST', f'{path}/cancel')
        self.assertSums(reference, authorized=24950, captured=20000, refunded=20000, cancelled=4950)
        for body in ({'amount': 1.5}, {'amount': -1}, {'amount': 0}, {'sum': 1}):
            self.control('POST', f'{path}/capture', body, status=400)

    def test_same_reference_at_two_sales_units(self):
        reference = self.merchant.create()
        self.as_merchant(DKK_UNIT).create(reference=reference)
        self.control('GET', f'payments/{reference}', status=400)
        payment = self.control('POST', f'payments/{reference}/approve?msn={DKK_UNIT.msn}')
        self.assertEqual((payment['msn'], payment['state']), (DKK_UNIT.msn, 'AUTHORIZED'))

    def test_faults(self):
        fault = {'operation': 'get', 'kind': 'status', 'status': 503, 'times': 2}
        self.assertEqual(self.control('POST', 'faults', fault), {'faults': [fault]})
        reference = self.merchant.create()
        self.assertEqual(self.merchant.get(reference).status_code, 503)
        self.assertEqual(self.control('GET', 'faults')['faults'], [{**fault, 'times': 1}])
        self.assertEqual(self.control('DELETE', 'faults'), {'faults': []})
        self.assertEqual(self.merchant.get(reference).status_code, 200)
        answer = self.control('POST', 'faults', {**fault, 'kind': 'explode'}, status=400)
        self.assertEqual(answer['problem']['extraDetails'][0]['name'], 'kind')
        for body in ({**fault, 'x': 1}, [], {}, 'x'):
            self.assertIn('error', self.control('POST', 'faults', body, status=400))

    def test_clock(self):
        reference = self.merchant.create()
        self.control('POST', 'clock', {'advance': 600})
        self.assertEqual(self.merchant.get(reference).json()['state'], 'EXPIRED')
        for value in (-1, '1', True, None):
            self.control('POST', 'clock', {'advance': value}, status=400)

    def test_units(self):
        units = self.control('GET', 'units')['units']
        self.assertEqual([unit['msn'] for unit in units], ['123456', '234567', '345678'])
        for secret in ('client_secret', 'subscription_key'):
            self.assertNotIn(secret, json.dumps(units))
        changed = self.control('POST', 'units', {'msn': '123456', 'active': False})
        self.assertIs(changed['active'], False)
        self.assertEqual(self.merchant.get('12345678').status_code, 403)
        new = {
            'msn': '456789', 'name': "Another", 'currency': 'NOK', 'client_id': 'id',
            'client_secret': 'secret',
            'subscription_key': 'one', 'secondary_subscription_key': 'two',
        }
        self.control('POST', 'units', new)
        unit = self.simulator._world.units['456789']
        self.as_merchant(unit).create()
        for body in (
            {'msn': '123456', 'activ': False}, {'msn': '123456', 'active': 1}, {'active': True},
            {'msn': '567890', 'name': "Incomplete"},
        ):
            self.control('POST', 'units', body, status=400)
        self.simulator.reset()
        self.assertEqual(len(self.control('GET', 'units')['units']), 3)

    def test_rate_limits(self):
        self.control('POST', 'rate-limits', {'enabled': True})
        reference = self.merchant.create()
        statuses = [self.merchant.cancel(reference).status_code for _number in range(6)]
        self.assertEqual(statuses[-1], 429)
        self.control('POST', 'rate-limits', {'enabled': 'yes'}, status=400)

    def test_revoked_tokens_are_good_no_more(self):
        reference = self.merchant.create()
        self.control('POST', 'tokens/revoke')
        self.assertEqual(self.merchant.get(reference).status_code, 401)
        self.merchant.token = self.merchant.fetch_token().json()['access_token']
        self.assertEqual(self.merchant.get(reference).status_code, 200)

    def test_secrets_that_were_given_out(self):
        answer = self.merchant.post_payment(self.merchant.payload()).json()
        webhook = self.merchant.register('http://127.0.0.1:9/hook').json()
        code = self.control('POST', 'codes')['code']
        self.merchant.create(**PUSH, customer={'personalQr': code})
        secrets = self.control('GET', 'secrets')
        self.assertEqual(secrets['personalCodes'], [code])
        self.assertIn(self.merchant.token, secrets['accessTokens'])
        self.assertEqual(list(secrets['webhookSecrets'].values()), [webhook['secret']])
        self.assertTrue(answer['redirectUrl'].endswith(f"={secrets['landingTokens'][0]}"))

    def test_deliveries(self):
        self.merchant.register('https://shop.example.com/hook')
        self.merchant.create()
        self.assertEqual(self.control('GET', 'deliveries')['pending'], 1)

    def test_reset_forgets(self):
        reference = self.merchant.create()
        self.merchant.register('https://shop.example.com/hook')
        self.simulator.advance(100)
        self.control('POST', 'reset')
        self.assertEqual(self.simulator.payments, [])
        self.assertEqual(self.simulator.exchanges, [])
        webhooks = self.merchant.call('GET', '/webhooks/v1/webhooks').json()['webhooks']
        self.assertEqual(webhooks, [])
        self.merchant.create(reference=reference)

    def test_unknown_control_endpoints(self):
        self.control('GET', 'nothing', status=404)
        self.control('DELETE', 'payments', status=404)


class TestJournal(ControlCase):

    def test_lists_callers_requests_and_answers(self):
        reference = self.merchant.create()
        self.simulator.approve(reference)
        self.merchant.modify('capture', reference, 100, key='capture-key')
        journal = self.control('GET', 'exchanges')
        self.assertEqual(journal['count'], 3)
        self.assertEqual(
            [(e['operation'], e['method'], e['status']) for e in journal['exchanges']],
            [('token', 'POST', 200), ('create', 'POST', 201), ('capture', 'POST', 200)],
        )
        capture = self.simulator.exchanges[2]
        self.assertEqual(capture, journal['exchanges'][2])
        self.assertEqual(capture['path'], f'/epayment/v1/payments/{reference}/capture')
        self.assertEqual(
            (capture['msn'], capture['idempotency_key'], capture['reference'], capture['number']),
            ('123456', 'capture-key', reference, 3),
        )
        self.assertEqual(capture['body']['modificationAmount']['value'], 100)
        self.assertEqual(capture['answer']['aggregate']['capturedAmount']['value'], 100)
        self.assertEqual(capture['headers']['Vipps-System-Name'], 'test')

    def test_notes_calls_whose_answer_was_lost_and_those_that_never_arrived(self):
        reference = self.merchant.create()
        for kind, status in (('lost_answer', 200), ('lost', None)):
            self.simulator.fault('get', kind)
            with self.assertRaises(requests.ConnectionError):
                self.merchant.get(reference)
            exchange = self.simulator.exchanges[-1]
            self.assertEqual((exchange['status'], exchange['fault']), (status, kind))

    def test_bodies_that_are_no_json_are_noted_as_text(self):
        self.merchant.call('POST', '/epayment/v1/payments', b'{oops', 'key')
        self.assertEqual(self.simulator.exchanges[-1]['body'], '{oops')

    def test_has_no_secrets(self):
        with tempfile.TemporaryDirectory() as folder:
            record = Path(folder) / 'record.jsonl'
            with Simulator(allow_loopback_http=True, record=record) as simulator:
                receiver = self.start_receiver()
                merchant = Merchant(simulator)
                secret = merchant.register(receiver.url).json()['secret']
                merchant.create()
                code = simulator.make_code()
                merchant.create(**PUSH, customer={'personalQr': code})
                self.assertTrue(simulator.wait_for_deliveries())
                signature = receiver.received.get(timeout=10)[1]['Authorization']
                journal = json.dumps(simulator.exchanges) + requests.get(
                    f'{simulator.url}/control/exchanges', timeout=10
                ).text
                merchant.session.close()
            recorded = record.read_text()
        self.assertIn('/epayment/v1/payments', journal)
        self.assertIn('"type": "webhook"', recorded)
        for text in (
            secret, signature, code, merchant.token, NOK_UNIT.client_id, NOK_UNIT.client_secret,
            NOK_UNIT.subscription_key,
        ):
            self.assertNotIn(text, journal)
            self.assertNotIn(text, recorded)

    def test_records_into_a_folder_with_a_file_of_its_own(self):
        with tempfile.TemporaryDirectory() as folder:
            for _number in range(2):
                with Simulator(record=folder) as simulator:
                    Merchant(simulator).session.close()
            files = list(Path(folder).glob('*.jsonl'))
            self.assertEqual([len(file.read_text().splitlines()) for file in files], [1, 1])


class TestCommand(unittest.TestCase):

    def run_command(self, *arguments):
        process = subprocess.Popen(
            [sys.executable, '-m', 'simulator', *arguments], stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2],
            # Where tests run in the background, it is ignored.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        return process

    def test_prints_its_address_answers_and_stops(self):
        with tempfile.NamedTemporaryFile() as record:
            process = self.run_command(
                '--port', '0', '--allow-loopback-http', '--record', record.name,
                '--time-factor', '60',
            )
            line = process.stdout.readline()
            self.assertRegex(line, r'^Simulator listening on http://127\.0\.0\.1:\d+$')
            url = line.split()[-1]
            clock = requests.get(f'{url}/control/clock', timeout=10).json()
            self.assertEqual(clock['factor'], 60)
            process.send_signal(signal.SIGINT)
            self.assertEqual(process.wait(10), 0)
            self.assertEqual(process.stderr.read(), '')

    def test_only_this_machine_may_reach_it(self):
        process = self.run_command('--host', '0.0.0.0', '--port', '0')
        self.assertEqual(process.wait(10), 2)
        self.assertIn("must be a loopback address", process.stderr.read())
