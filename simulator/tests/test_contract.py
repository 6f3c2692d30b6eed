import contextlib
import copy
import io
import json
import tempfile
import unittest
from pathlib import Path

from .. import contract, qr, request_bodies
from ..server import Simulator
from ..specs import find_specs
from ..validation import Validator
from .common import EXPRESS, PUSH, QR, Merchant, Receiver, shipping_group
from .test_create import RECEIPT
from .test_express import Shop

SPECS = find_specs()


class TestClosing(unittest.TestCase):

    def check(self, schema, value):
        return Validator(contract.close(schema)).is_valid(value)

    def test_unknown_properties_are_refused_at_every_level(self):
        schema = {
            'type': 'object',
            'properties': {'inner': {'type': 'array', 'items': {
                'type': 'object', 'properties': {'a': {'type': 'integer'}},
            }}},
        }
        self.assertTrue(self.check(schema, {'inner': [{'a': 1}]}))
        self.assertFalse(self.check(schema, {'inner': [], 'b': 1}))
        self.assertFalse(self.check(schema, {'inner': [{'a': 1, 'b': 1}]}))

    def test_maps_stay_open(self):
        schema = {'type': 'object', 'additionalProperties': {'type': 'string'}}
        self.assertTrue(self.check(schema, {'any': 'text'}))
        self.assertFalse(self.check(schema, {'any': 1}))

    def test_nullable(self):
        schema = {'type': 'string', 'enum': ['a'], 'nullable': True}
        self.assertTrue(self.check(schema, None))
        self.assertFalse(self.check(schema, 'b'))

    def test_integers_are_written_as_such(self):
        self.assertTrue(self.check({'type': 'integer'}, 1))
        for value in (1.0, True):
            self.assertFalse(self.check({'type': 'integer'}, value))

    def test_properties_may_be_called_like_keywords(self):
        schema = {'type': 'object', 'properties': {'example': {'type': 'string'}}}
        self.assertTrue(self.check(schema, {'example': 'x'}))


class TestContract(unittest.TestCase):
    """The simulator's exchanges follow the OpenAPI files."""

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = Path(folder.name)
        cls.specifications = contract.load(SPECS)
        record = cls.folder / 'talk.jsonl'
        with Simulator(allow_loopback_http=True, record=record) as simulator:
            cls.talk(simulator)
        cls.entries = [json.loads(line) for line in record.read_text().splitlines()]

    @classmethod
    def talk(cls, simulator):
        """Have everything said once that can be said: all operations, answers and events."""
        receiver = Receiver()
        cls.addClassCleanup(receiver.close)
        merchant = Merchant(simulator)
        cls.addClassCleanup(merchant.session.close)
        webhook = merchant.register(receiver.url).json()
        merchant.call('GET', '/webhooks/v1/webhooks')

        reference = merchant.create(
            receipt=RECEIPT, metadata={'a': 'b'}, customer={'phoneNumber': '4798765432'},
            profile={'scope': 'name address email phoneNumber birthDate'}, minimumUserAge=18,
        )
        merchant.get(reference)
        token = simulator._world.find_by_reference(reference).token
        merchant.call('POST', f'/epayment/v1/test/payments/{reference}/approve', {'token': token})
        merchant.modify('capture', reference, 10000)
        merchant.modify('capture', reference, 10 ** 6)
        merchant.modify('refund', reference, 5000)
        merchant.cancel(reference, cancelTransactionOnly=False)
        merchant.cancel(reference)
        merchant.get(reference)
        merchant.events(reference)
        for scheme in ('https', 'http'):
            merchant.call('PUT', f'/order-management/v2/ecom/categories/{reference}', {
                'category': 'ORDER_CONFIRMATION', 'orderDetailsUrl': f'{scheme}://example.com/order',
            })

        shared = merchant.authorized(profile={'scope': 'name address email phoneNumber birthDate'})
        sub = merchant.get(shared).json()['profile']['sub']
        for changes in ({}, {'Ocp_Apim_Subscription_Key': None}, {'Authorization': 'Bearer wrong'}):
            merchant.call('GET', f'/vipps-userinfo-api/userinfo/{sub}', **changes)
        merchant.call('GET', '/vipps-userinfo-api/userinfo/unknown')

        cls.talk_of_settlement(simulator, merchant)
        cls.talk_of_codes(simulator, merchant, receiver)
        merchant.cancel(merchant.create())
        simulator.decline(merchant.create())
        simulator.expire(merchant.create(**QR, qrFormat={'format': 'IMAGE/PNG', 'size': 300}))
        cls.talk_at_till(simulator, merchant)
        cls.talk_of_express(simulator, merchant)
        merchant.get('unknown-reference')
        merchant.get(reference, Authorization='Bearer wrong')
        merchant.get(reference, Ocp_Apim_Subscription_Key='wrong')
        payload = merchant.payload()
        merchant.post_payment(payload, 'key')
        merchant.post_payment({**payload, 'paymentDescription': "Another"}, 'key')
        for status in (423, 429, 503):
            simulator.fault('get', 'status', status=status)
            merchant.get(reference)
        assert simulator.wait_for_deliveries()
        merchant.call('DELETE', f"/webhooks/v1/webhooks/{webhook['id']}")
        merchant.call('DELETE', f"/webhooks/v1/webhooks/{webhook['id']}")

    @classmethod
    def talk_of_settlement(cls, simulator, merchant):
        msn, day = merchant.unit.msn, simulator.settlement.find(merchant.unit.msn).open_date
        simulator.settlement.close(msn)
        simulator.settlement.configure(msn, page_size=2)
        merchant.call('GET', f'/settlement/v1/ledgers?settlesForRecipientHandles=api:{msn}')
        for topic in ('funds', 'fees'):
            account = f'/report/v2/ledgers/9{msn}/{topic}'
            cursor = merchant.call('GET', f'{account}/feed').json()['cursor']
            merchant.call('GET', f'{account}/feed?cursor={cursor}')
            merchant.call('GET', f'{account}/dates/{day}')
            merchant.call('GET', f'{account}/feed?cursor=wrong')
        merchant.call('GET', '/report/v2/ledgers/1/funds/feed')
        merchant.call('GET', '/report/v2/ledgers/1/funds/feed', Authorization='Bearer wrong')
        simulator.settlement.is_available = False
        merchant.call('GET', '/settlement/v1/ledgers')
        simulator.settlement.is_available = True

    @classmethod
    def talk_of_codes(cls, simulator, merchant, receiver):
        stickers, redirects = '/qr/v1/merchant-callback', '/qr/v1/merchant-redirect'
        place = {'locationDescription': "Till 1"}
        merchant.register(receiver.url, ['user.checked-in.v1'])
        merchant.call('PUT', f'{stickers}/till-1', place)
        merchant.call('PUT', f'{stickers}/till-1', {'locationDescription': "x" * 36})
        merchant.call('PUT', f'{stickers}/mobilepay/beacon', place)
        simulator._world.codes.stickers['1234', 'taken'] = simulator.stickers[0]
        merchant.call('PUT', f'{stickers}/mobilepay/taken', place)
        for query in ('', '?QrImageFormat=PNG&QrImageSize=300', '?qrImageFormat=SVG'):
            merchant.call('GET', f'{stickers}/till-1{query}')
        merchant.call('GET', stickers)
        for old_name in (False, True):
            simulator.check_in('till-1', old_name=old_name)
        for _number in range(2):
            merchant.call('DELETE', f'{stickers}/till-1')
        image = {'Accept': 'image/png', 'Size': '300'}
        page = {'redirectUrl': 'https://example.com/pay'}
        for ttl in (None, 300):
            merchant.call('POST', redirects, {'id': 'poster', 'ttl': ttl, **page}, **image)
        merchant.call('GET', redirects, **image)
        merchant.call('GET', f'{redirects}/poster', Accept='text/targetUrl')
        merchant.call('PUT', f'{redirects}/poster', page, **image)
        for _number in range(2):
            merchant.call('DELETE', f'{redirects}/poster')

    @classmethod
    def talk_of_express(cls, simulator, merchant):
        links = {
            'termsOfSaleUrl': 'https://shop.example.com/terms',
            'privacyPolicyUrl': 'https://shop.example.com/privacy',
        }
        shop = Shop()
        cls.addClassCleanup(shop.close)
        for changes in (EXPRESS, shop.express()):
            changes = {**changes, 'shipping': {**changes['shipping'], 'allowedCountries': ['NO']}}
            reference = merchant.create(**changes, merchantLegalLinks=links)
            for name in ('work', 'cabin'):
                simulator.choose_address(reference, name)
            simulator.approve(reference)
            merchant.get(reference)
        simulator.fault('approval', 'edited', changes={'address': {}})
        merchant.get(merchant.authorized(**EXPRESS))
        for answer in ((400, {}), (404, {})):
            shop.answers.append(answer)
            simulator.choose_address(merchant.create(**shop.express()), 'home')
        simulator.fault('shipping', 'camel')
        simulator.choose_address(merchant.create(**shop.express()), 'home')
        simulator.set_unit(merchant.unit.msn, may_express=False)
        merchant.post_payment(merchant.payload(**EXPRESS))

    @classmethod
    def talk_at_till(cls, simulator, merchant):
        till = {'posId': 'Shop', 'tipAmount': 500, 'paymentSources': {'cash': 300, 'card': 200}}
        merchant.create(**QR, qrFormat={'format': 'TEXT/TARGETURL'}, receipt={
            **RECEIPT, 'bottomLine': {**RECEIPT['bottomLine'], **till},
        })
        merchant.create(**PUSH, customer={'phoneNumber': '4798765432'})
        payload = merchant.payload(**PUSH, customer={'personalQr': simulator.make_code()})
        merchant.post_payment(payload)
        merchant.get(payload['reference'])
        simulator.fault('cancel', 'approved')
        merchant.cancel(payload['reference'], cancelTransactionOnly=True)
        merchant.post_payment({**payload, 'reference': 'used-code'})
        simulator.set_customer('4798765432', False)
        merchant.post_payment(merchant.payload(**PUSH, customer={'phoneNumber': '4798765432'}))
        simulator.set_unit(merchant.unit.msn, may_push=False)
        merchant.post_payment(payload)

    def find(self, **values):
        return copy.deepcopy(next(
            entry for entry in self.entries
            if all(entry.get(name) == value for name, value in values.items())
        ))

    def check(self, entry):
        return contract.check(self.specifications, entry)

    def test_everything_said_follows_the_specification(self):
        operations = {entry.get('operation') for entry in self.entries}
        self.assertLessEqual({
            'token', 'create', 'get', 'events', 'capture', 'refund', 'cancel', 'force_approve',
            'category', 'register_webhook', 'list_webhooks', 'delete_webhook', 'ledgers',
            'report_feed', 'report_date', *qr.OPERATIONS,
        }, operations)
        self.assertEqual(
            {e['body'].get('name') for e in self.entries if e['type'] == 'webhook'},
            {'CREATED', 'AUTHORIZED', 'CAPTURED', 'REFUNDED', 'CANCELLED', 'TERMINATED', 'ABORTED',
             'EXPIRED', None},
        )
        for entry in self.entries:
            with self.subTest(operation=entry.get('operation'), status=entry.get('status')):
                self.assertEqual(self.check(entry), [])

    def test_our_own_schemas_refuse_all_that_the_official_ones_refuse(self):
        payments = '/epayment/v1/payments'
        for schema, api, method, path in (
            (request_bodies.CREATE, 'epayment', 'POST', payments),
            (request_bodies.MODIFY, 'epayment', 'POST', f'{payments}/x/capture'),
            (request_bodies.MODIFY, 'epayment', 'POST', f'{payments}/x/refund'),
            (request_bodies.CANCEL, 'epayment', 'POST', f'{payments}/x/cancel'),
            (request_bodies.APPROVE, 'epayment', 'POST', '/epayment/v1/test/payments/x/approve'),
            (request_bodies.CATEGORY, 'order-management', 'PUT',
             '/order-management/v2/ecom/categories/x'),
            (request_bodies.PUT_STICKER, 'qr', 'PUT', '/qr/v1/merchant-callback/x'),
            (request_bodies.REDIRECT, 'qr', 'POST', '/qr/v1/merchant-redirect'),
            (request_bodies.UPDATE_REDIRECT, 'qr', 'PUT', '/qr/v1/merchant-redirect/x'),
            (request_bodies.REGISTER_WEBHOOK, 'webhooks', 'POST', '/webhooks/v1/webhooks'),
        ):
            with self.subTest(path=path):
                specification = self.specifications[api]
                operation, _arguments = specification.find(method, path)
                official = contract._first_schema(operation['requestBody'])
                self.assertEqual(list(self.laxities(schema, official, specification)), [])

    def flatten(self, schema, specification):
        """Return a schema with the fields and limits of its parts in it."""
        flat = dict(specification._resolve(schema))
        for part in [*flat.get('allOf', ()), *flat.get('oneOf', ())]:
            part = specification._resolve(part)
            properties = {**flat.get('properties', {}), **part.get('properties', {})}
            flat = {**part, 'required': (), **flat, 'properties': properties}
        return flat

    def laxities(self, schema, official, specification, path='body'):
        """Yield the values that one of our schemas takes and the official one does not."""
        if not schema:
            return  # Anything: refused in another place.
        schema, official = (self.flatten(each, specification) for each in (schema, official))
        for kinds, sign in (('minimum minLength minItems', 1),
                            ('maximum maxLength maxItems maxProperties', -1)):
            for kind in kinds.split():
                if kind in official and (
                    kind not in schema or sign * schema[kind] < sign * official[kind]
                ):
                    yield f'{path}: {kind} {official[kind]}'
        if 'pattern' in official and 'pattern' not in schema:
            yield f'{path}: pattern'
        if 'null' in schema['type'] and not official.get('nullable'):
            yield f'{path}: null'
        for kind, missing in (
            ('required', {*official.get('required', ())} - {*schema.get('required', ())}),
            ('enum', {*schema.get('enum', ("anything",))} - {*official.get('enum', ()), None}),
        ):
            if kind in official and missing:
                yield f'{path}: {kind} {missing}'
        for name, part in schema.get('properties', {}).items():
            known = official.get('properties', {})
            if name in known:
                yield from self.laxities(part, known[name], specification, f'{path}.{name}')
            else:
                yield f'{path}.{name} is not known'
        if 'items' in schema:
            yield from self.laxities(schema['items'], official['items'], specification, path + '[]')

    def test_wrong_requests_are_noticed(self):
        for change in (
            lambda entry: entry['body'].update(orderId='1'),
            lambda entry: entry['body'].pop('amount'),
            lambda entry: entry['body']['amount'].update(value=100.0),
            lambda entry: entry['body']['receipt']['orderLines'][0].update(price=1),
            lambda entry: entry['body']['customer'].update(customerToken='x'),
            lambda entry: entry['body'].update(reference='INV/2024/0007'),
            lambda entry: entry['headers'].pop('Merchant-Serial-Number'),
            lambda entry: entry['headers'].update({'Idempotency-Key': 'x' * 51}),
            lambda entry: entry['headers'].update({'Vipps-System-Name': 'x' * 31}),
            lambda entry: entry.update(path='/epayment/v2/payments'),
            lambda entry: entry['body'].update(customerInteraction='PRESENT'),
            lambda entry: entry['body'].update(qrFormat={'format': 'TEXT'}),
            lambda entry: entry['body']['receipt']['bottomLine'].update(tip=1),
            lambda entry: entry.update(body=None),
        ):
            entry = self.find(operation='create', status=201)
            change(entry)
            self.assertEqual(len(self.check(entry)), 1, self.check(entry))

    def test_wrong_links_are_noticed(self):
        for change in (
            lambda entry: entry['body'].update(category='order'),
            lambda entry: entry['body'].update(url='x'),
            lambda entry: entry.update(path='/order-management/v2/epayment/categories/abcdefgh'),
            lambda entry: entry.update(answer={}),
        ):
            entry = self.find(operation='category', status=200)
            change(entry)
            self.assertEqual(len(self.check(entry)), 1, self.check(entry))

    def test_wrong_reports_are_noticed(self):
        for change in (
            lambda entry: entry['query'].update(page='2'),
            lambda entry: entry['answer'].update(more=1),
            lambda entry: entry['answer'].update(tryLater='true'),
            lambda entry: entry['answer']['items'][0].update(amount='100'),
            lambda entry: entry['answer']['items'][0].update(fee=1),
            lambda entry: entry.update(path='/report/v2/ledgers/1/funds/dates/today'),
            lambda entry: entry.update(path='/report/v2/ledgers/1/money/dates/2026-11-01'),
            lambda entry: entry.update(path='/report/v1/ledgers/1/funds/dates/2026-11-01'),
        ):
            entry = self.find(operation='report_date', status=200)
            change(entry)
            self.assertEqual(len(self.check(entry)), 1, self.check(entry))

    def test_wrong_requests_of_codes_are_noticed(self):
        for operation, change in (
            ('get_sticker', lambda entry: entry['query'].update(size='300')),
            ('get_sticker', lambda entry: entry['query'].update(QrImageSize='50')),
            ('get_sticker', lambda entry: entry['answer'].update(url='x')),
            ('put_sticker', lambda entry: entry['body'].update(category='IN_STORE')),
            ('create_redirect_qr', lambda entry: entry['headers'].pop('Accept')),
            ('create_redirect_qr', lambda entry: entry['headers'].update(Size='50')),
            ('create_redirect_qr', lambda entry: entry['body'].update(redirectUrl='https://a/~')),
        ):
            entry = self.find(operation=operation, status=200)
            change(entry)
            self.assertEqual(len(self.check(entry)), 1, self.check(entry))
        entry = next(
            copy.deepcopy(entry) for entry in self.entries
            if entry['type'] == 'webhook' and 'customerToken' in entry['body']
        )
        entry['body']['name'] = 'CHECKED_IN'
        self.assertEqual(len(self.check(entry)), 1)

    def test_wrong_answers_are_noticed(self):
        for status, change in (
            (200, lambda entry: entry['answer'].update(extra=1)),
            (200, lambda entry: entry['answer']['aggregate'].pop('capturedAmount')),
            (200, lambda entry: entry['answer'].update(state='CAPTURED')),
            (200, lambda entry: entry.update(status=202)),
            (404, lambda entry: entry['answer'].pop('traceId')),
            (404, lambda entry: entry['answer'].update(code='5090')),
            (503, lambda entry: entry.update(answer='oops')),
        ):
            entry = self.find(operation='get', status=status)
            change(entry)
            self.assertEqual(len(self.check(entry)), 1, self.check(entry))

    def test_wrong_events_are_noticed(self):
        for change in (
            lambda body: body.update(name='epayments.payment.captured.v1'),
            lambda body: body.update(merchantSerialNumber='123456'),
            lambda body: body.pop('msn'),
        ):
            entry = self.find(type='webhook')
            change(entry['body'])
            self.assertEqual(len(self.check(entry)), 1, self.check(entry))

    def test_wrong_questions_and_answers_to_them_are_noticed(self):
        for change in (
            lambda entry: entry['body'].pop('Country'),
            lambda entry: entry['body'].update(country='NO'),
            lambda entry: entry['answer'].update(more=1),
            lambda entry: entry['answer']['groups'][0].pop('brand'),
            lambda entry: entry['answer']['groups'][0]['options'][0].update(amount=9900),
            lambda entry: entry.update(status=500),
        ):
            entry = self.find(type='question', status=200, fault=None)
            change(entry)
            self.assertEqual(len(self.check(entry)), 1, self.check(entry))

    def test_wrong_deliveries_are_noticed(self):
        for change in (
            lambda body: body['shipping'].update(currency='NOK'),
            lambda body: body['shipping']['fixedOptions'].append(shipping_group(brand='ACME')),
            lambda body: body['shipping'].update(allowedCountries='NO'),
            lambda body: body['merchantLegalLinks'].update(terms='x'),
        ):
            entry = next(copy.deepcopy(entry) for entry in self.entries if (
                entry.get('status') == 201 and 'fixedOptions' in entry['body'].get('shipping', {})
                and 'merchantLegalLinks' in entry['body']
            ))
            change(entry['body'])
            self.assertEqual(len(self.check(entry)), 1, self.check(entry))

    def run_command(self, *arguments):
        with contextlib.redirect_stdout(io.StringIO()) as output:
            code = contract.main(['--specs', str(SPECS), *map(str, arguments)])
        return code, output.getvalue()

    def test_command_reads_folders_and_files(self):
        for path in (self.folder, self.folder / 'talk.jsonl'):
            code, output = self.run_command(path)
            self.assertEqual(code, 0, output)
            self.assertIn(f'{len(self.entries)} exchanges and deliveries, 0 violations', output)

    def test_command_names_violations_and_fails(self):
        entry = self.find(operation='create', status=201)
        entry['body']['orderId'] = '1'
        with tempfile.NamedTemporaryFile('w', suffix='.jsonl') as file:
            file.write(json.dumps(entry))
            file.flush()
            code, output = self.run_command(file.name)
        self.assertEqual(code, 1)
        self.assertIn('POST /epayment/v1/payments: body', output)
        self.assertIn('orderId', output)

    def test_nothing_recorded_is_a_failure(self):
        with tempfile.TemporaryDirectory() as folder:
            self.assertEqual(self.run_command(folder)[0], 1)


def load_tests(loader, tests, pattern):
    """Leave out the tests that need the OpenAPI files if there are none: `./dev test` reports it.
    """
    return tests if SPECS else loader.loadTestsFromTestCase(TestClosing)
