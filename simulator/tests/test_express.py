import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from ..customers import ADDRESSES
from ..express import NO_ANSWER, NO_DELIVERY
from ..problems import Problem
from .common import DKK_SHIPPING, EXPRESS, SimulatorCase, shipping_group
from .test_control import ControlCase
from .test_pages import HOSTILE, PagesCase

TOKEN = 'ae0cb90d91b4a84a'


class Shop:
    """A merchant that is asked how it delivers."""

    def __init__(self):
        self.questions = []  # the body and the headers of each
        self.answers = []  # status and body of the next; home delivery when there is none
        self.before_answer = lambda: None
        shop = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers['Content-Length']))
                shop.questions.append((json.loads(body), self.headers))
                shop.before_answer()
                status, answer = shop.answers.pop(0) if shop.answers else (
                    200, {'groups': [shipping_group()]}
                )
                content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                self.send_response(status)
                self.send_header('Content-Type', 'application/json;charset=UTF-8')
                self.send_header('Content-Length', str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *arguments):
                pass

        self._server = ThreadingHTTPServer(('127.0.0.1', 0), Handler)
        self._server.daemon_threads = True
        self.url = f'http://127.0.0.1:{self._server.server_port}/shipping/1'
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={'poll_interval': 0.02}, daemon=True
        )
        self._thread.start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def express(self):
        """Return the changes to a request that make the app ask this shop."""
        return {**EXPRESS, 'shipping': {'dynamicOptions': {
            'callbackUrl': self.url, 'callbackAuthorizationToken': TOKEN,
        }}}


class ExpressCase(SimulatorCase):

    def start_shop(self):
        shop = Shop()
        self.addCleanup(shop.close)
        return shop

    def read(self, reference):
        return self.merchant.get(reference).json()


class TestCreate(ExpressCase):

    def refuse(self, code=None, field=None, status=400, merchant=None, **changes):
        merchant = merchant or self.merchant
        answer = merchant.post_payment(merchant.payload(**{**EXPRESS, **changes}))
        self.assertRefused(answer, status, code, field)

    def refuse_groups(self, field, *groups):
        self.refuse(field=f'shipping.fixedOptions{field}', shipping={'fixedOptions': groups})

    def test_units_that_are_not_approved(self):
        self.simulator.set_unit(self.merchant.unit.msn, may_express=False)
        self.refuse('5020', status=403)
        self.merchant.create(profile={'scope': 'name email'})
        self.simulator.set_unit(self.merchant.unit.msn, may_express=True)
        self.merchant.create(**EXPRESS)

    def test_the_address_is_asked_for(self):
        self.refuse('4140', 'profile.scope', profile={'scope': 'name email'})
        self.refuse('4140', 'profile.scope', profile=None)

    def test_either_fixed_or_dynamic(self):
        dynamic = {'callbackUrl': 'https://shop.example.com/shipping'}
        self.refuse(field='shipping', shipping={})
        self.refuse(field='shipping', shipping={**EXPRESS['shipping'], 'dynamicOptions': dynamic})
        self.merchant.create(**{**EXPRESS, 'shipping': {'dynamicOptions': dynamic}})

    def test_groups(self):
        other = shipping_group('c2', brand='BRING')
        self.refuse_groups('')
        self.refuse_groups('[0].options', shipping_group(options=[]))
        self.refuse_groups('[1]', shipping_group(), shipping_group('c2'))
        self.refuse_groups('[1].options[0].id', shipping_group(), shipping_group(brand='BRING'))
        self.refuse_groups('[0].options[0].amount.currency', shipping_group(currency='DKK'))
        self.refuse_groups('', shipping_group(isDefault=True), {**other, 'isDefault': True})
        self.refuse_groups('[0].brand', shipping_group(brand='ACME'))
        self.refuse_groups('[0].type', shipping_group(type='BIKE'))
        self.refuse_groups('[0].price', shipping_group(price=1))
        self.refuse_groups('[0].options[0].name', shipping_group(options=[{
            **other['options'][0], 'name': '',
        }]))
        default = {**other['options'][0], 'isDefault': True}
        self.refuse_groups('', shipping_group(options=[default, {**default, 'id': 'c3'}]))
        self.merchant.create(**{**EXPRESS, 'shipping': {
            'fixedOptions': [shipping_group(isDefault=True, priority=1), other],
        }})

    def test_callback_urls(self):
        for url in (
            'http://shop.example.com/shipping', 'https://shop.example.com:8443/shipping',
            'https://10.0.0.1/shipping', 'shop.example.com', 'https://localhost/shipping',
        ):
            self.refuse('4090', 'shipping.dynamicOptions.callbackUrl', shipping={
                'dynamicOptions': {'callbackUrl': url},
            })
        for url in (
            'https://shop.example.com:8080/shipping', 'http://127.0.0.1:8069/shipping',
            'https://shop.example.com/shipping?a=b',
        ):
            self.merchant.create(**{**EXPRESS, 'shipping': {
                'dynamicOptions': {'callbackUrl': url},
            }})

    def test_tokens_and_countries(self):
        url = 'https://shop.example.com/shipping'
        for token in ('', 'a' * 51, 'Bearer x'):
            self.refuse(field='shipping.dynamicOptions.callbackAuthorizationToken', shipping={
                'dynamicOptions': {'callbackUrl': url, 'callbackAuthorizationToken': token},
            })
        for countries in ([], ['Norway'], ['no'], [47], 'NO'):
            answer = self.merchant.post_payment(self.merchant.payload(**{
                **EXPRESS, 'shipping': {**EXPRESS['shipping'], 'allowedCountries': countries},
            }))
            self.assertEqual(answer.status_code, 400)

    def test_legal_links(self):
        links = {
            'termsOfSaleUrl': 'https://shop.example.com/terms',
            'privacyPolicyUrl': 'https://shop.example.com/privacy',
        }
        self.merchant.create(**EXPRESS, merchantLegalLinks=links)
        self.refuse('4090', 'merchantLegalLinks.termsOfSaleUrl', merchantLegalLinks={
            **links, 'termsOfSaleUrl': 'http://shop.example.com/terms',
        })
        self.refuse(field='merchantLegalLinks.privacyPolicyUrl', merchantLegalLinks={
            'termsOfSaleUrl': links['termsOfSaleUrl'],
        })

    def test_the_line_of_the_delivery_in_a_receipt_does_not_count(self):
        def line(name, total, **changes):
            return {
                'name': name, 'id': name, 'totalAmount': total, 'totalAmountExcludingTax': total,
                'totalTaxAmount': 0, 'taxRate': 0, **changes,
            }
        for lines in (
            [line("Sweater", 24950)],
            [line("Sweater", 24950), line("Delivery", 0, isShipping=True)],
            [line("Sweater", 24950), line("Delivery", 9900, isShipping=True)],
        ):
            self.merchant.create(**EXPRESS, receipt={
                'orderLines': lines, 'bottomLine': {'currency': 'NOK'},
            })
        self.refuse(field='receipt.orderLines', receipt={
            'orderLines': [line("Sweater", 34850)], 'bottomLine': {'currency': 'NOK'},
        })

    def test_express_is_not_approved_without_the_app(self):
        reference = self.merchant.create(**EXPRESS)
        path = f'/epayment/v1/test/payments/{reference}/approve'
        customer = {'customer': {'phoneNumber': '4790000001'}}
        self.assertRefused(self.merchant.call('POST', path, customer), 400, '10060')
        self.assertEqual(self.read(reference)['state'], 'CREATED')


class TestFixed(ExpressCase):

    def test_the_delivery_is_added_to_the_amount(self):
        reference = self.merchant.create(**EXPRESS)
        self.assertNotIn('shippingDetails', self.read(reference))
        self.simulator.approve(reference)
        payment = self.read(reference)
        self.assertEqual(payment['amount']['value'], 24950)
        self.assertEqual(payment['aggregate']['authorizedAmount']['value'], 34850)
        self.assertEqual(payment['shippingDetails'], {
            'address': ADDRESSES['home'], 'shippingCost': 9900, 'shippingOptionId': 'c1',
            'shippingOptionName': "Home",
        })
        self.assertEqual(payment['userDetails']['firstName'], "Kari")
        self.assertEqual(self.merchant.events(reference).json()[-1]['amount']['value'], 34850)
        self.assertRefused(self.merchant.modify('capture', reference, 34851), 400, '6090')
        self.assertEqual(self.merchant.modify('capture', reference, 34850).status_code, 200)
        self.assertSums(reference, authorized=34850, captured=34850)

    def test_the_default_is_chosen_unless_the_customer_chooses(self):
        groups = [
            shipping_group(), shipping_group('c2', 5000, brand='BRING', isDefault=True),
            shipping_group('c3', 0, type='IN_STORE'),
        ]
        for option, chosen, authorized in ((None, 'c2', 29950), ('c3', 'c3', 24950)):
            reference = self.merchant.create(**{**EXPRESS, 'shipping': {'fixedOptions': groups}})
            self.simulator.approve(reference, option)
            self.assertEqual(self.read(reference)['shippingDetails']['shippingOptionId'], chosen)
            self.assertSums(reference, authorized=authorized)

    def test_a_delivery_that_is_not_offered_cannot_be_chosen(self):
        reference = self.merchant.create(**EXPRESS)
        with self.assertRaises(Problem):
            self.simulator.approve(reference, 'c9')
        self.assertEqual(self.read(reference)['state'], 'CREATED')

    def test_addresses_are_in_the_allowed_countries(self):
        reference = self.merchant.create(**EXPRESS)
        for name in ('stockholm', 'copenhagen'):
            with self.assertRaises(Problem):
                self.simulator.choose_address(reference, name)
        abroad = self.merchant.create(**{
            **EXPRESS, 'shipping': {**EXPRESS['shipping'], 'allowedCountries': ['SE']},
        })
        self.simulator.approve(abroad)
        self.assertEqual(
            self.read(abroad)['shippingDetails']['address'], ADDRESSES['stockholm']
        )

    def test_services_have_no_delivery(self):
        reference = self.merchant.authorized(profile={'scope': 'name email phoneNumber'})
        payment = self.read(reference)
        self.assertNotIn('shippingDetails', payment)
        self.assertEqual(payment['aggregate']['authorizedAmount']['value'], 24950)
        with self.assertRaises(Problem):
            self.simulator.choose_address(self.merchant.create(profile={'scope': 'name'}), 'home')

    def test_abandoned_payments_have_none_either(self):
        reference = self.merchant.create(**EXPRESS)
        self.simulator.choose_address(reference, 'work')
        self.simulator.advance(600)
        payment = self.read(reference)
        self.assertEqual(payment['state'], 'EXPIRED')
        self.assertNotIn('shippingDetails', payment)
        with self.assertRaises(Problem):
            self.simulator.choose_address(reference, 'home')

    def test_another_market(self):
        merchant = self.as_merchant(DKK_SHIPPING['unit'])
        reference = merchant.create(**{**EXPRESS, 'shipping': DKK_SHIPPING['shipping']})
        self.simulator.approve(reference)
        shipping = merchant.get(reference).json()['shippingDetails']
        self.assertEqual(shipping['address']['country'], 'DK')


class TestDynamic(ExpressCase):

    def setUp(self):
        super().setUp()
        self.shop = self.start_shop()
        self.reference = self.merchant.create(**self.shop.express())

    def choose(self, address='home'):
        return self.simulator.choose_address(self.reference, address)

    def refusal(self):
        return self.simulator._world.find_by_reference(self.reference).refusal

    def test_the_shop_is_asked_for_each_address(self):
        for name in ('home', 'work', 'home'):
            self.choose(name)
        self.shop.answers.append((200, {'groups': [shipping_group('c7', 12345)]}))
        self.choose('cabin')
        self.assertEqual([body['PostCode'] for body, _headers in self.shop.questions], [
            '0154', '5014', '0154', '9008',
        ])
        body, headers = self.shop.questions[1]
        self.assertEqual(body, {
            'reference': self.reference, 'AddressLine1': "Torgallmenningen 8",
            'AddressLine2': "c/o Fjord AS", 'City': "Bergen", 'PostCode': '5014', 'Country': 'NO',
        })
        self.assertIsNone(self.shop.questions[0][0]['AddressLine2'])
        self.assertEqual(headers['Authorization'], TOKEN)
        self.assertEqual(headers['Content-Type'], 'application/json;charset=UTF-8')
        self.simulator.approve(self.reference)
        shipping = self.read(self.reference)['shippingDetails']
        self.assertEqual(
            (shipping['shippingOptionId'], shipping['address']['city']), ('c7', "Tromsø")
        )
        self.assertSums(self.reference, authorized=24950 + 12345)

    def test_any_address(self):
        address = {
            'addressLine1': "Torg 1", 'addressLine2': "Torg 1", 'city': "", 'postCode': "",
            'country': 'NO',
        }
        self.choose(address)
        self.simulator.approve(self.reference)
        self.assertEqual(self.read(self.reference)['shippingDetails']['address'], address)

    def test_the_default_address_is_asked_for_at_the_approval(self):
        self.simulator.approve(self.reference)
        self.assertEqual(len(self.shop.questions), 1)
        self.assertSums(self.reference, authorized=34850)

    def test_an_address_that_the_shop_does_not_deliver_to(self):
        for answer in ((400, {'title': "No"}), (200, {'groups': []})):
            self.shop.answers.append(answer)
            self.choose()
            self.assertEqual(self.refusal(), NO_DELIVERY)
            with self.assertRaises(Problem):
                self.simulator.approve(self.reference)
        self.choose('work')
        self.assertEqual(self.refusal(), '')
        self.simulator.approve(self.reference)

    def test_answers_that_the_app_cannot_show(self):
        for answer in (
            (200, b'oops'), (200, []), (200, {'groups': [shipping_group(currency='EUR')]}),
            (200, {'groups': [shipping_group(), shipping_group('c2')]}), (500, {}), (302, {}),
            (200, {'groups': [shipping_group()], 'more': 1}),
        ):
            self.shop.answers.append(answer)
            payment = self.choose()
            self.assertEqual(self.refusal(), NO_ANSWER, answer)
            self.assertEqual(payment['questions'][-1]['status'], answer[0])
            with self.assertRaises(Problem):
                self.simulator.approve(self.reference)

    def test_the_shop_may_call_the_api_before_it_answers(self):
        self.shop.before_answer = lambda: self.merchant.get(self.reference)
        self.choose()
        self.assertEqual(self.refusal(), '')
        self.shop.before_answer = lambda: self.merchant.cancel(self.reference)
        self.choose()
        with self.assertRaises(Problem):
            self.simulator.approve(self.reference)

    def test_questions_in_other_ways(self):
        for fault, expected in (
            ({'kind': 'token', 'token': 'bearer'}, f'Bearer {TOKEN}'),
            ({'kind': 'token', 'token': 'missing'}, None),
            ({'kind': 'latency', 'seconds': 0}, TOKEN),
        ):
            self.simulator.fault('shipping', **fault)
            self.choose()
            self.assertEqual(self.shop.questions[-1][1]['Authorization'], expected)
        self.simulator.fault('shipping', 'token', token='wrong')
        self.choose()
        self.assertNotIn(self.shop.questions[-1][1]['Authorization'], (TOKEN, None))
        self.simulator.fault('shipping', 'camel')
        self.choose()
        self.assertEqual(self.shop.questions[-1][0].keys(), {
            'reference', 'addressLine1', 'addressLine2', 'city', 'postCode', 'country',
        })
        self.simulator.fault('shipping', 'edited', changes={
            'reference': 'another-payment', 'Country': None,
        })
        self.choose()
        body = self.shop.questions[-1][0]
        self.assertEqual(body['reference'], 'another-payment')
        self.assertNotIn('Country', body)

    def test_questions_that_do_not_arrive_or_arrive_twice(self):
        self.simulator.fault('shipping', 'lost')
        self.choose()
        self.assertEqual((self.refusal(), self.shop.questions), (NO_ANSWER, []))
        self.simulator.fault('shipping', 'duplicate')
        self.shop.answers += [(200, {'groups': [shipping_group('old')]})]
        self.choose()
        self.assertEqual(len(self.shop.questions), 2)
        self.simulator.approve(self.reference)
        self.assertEqual(self.read(self.reference)['shippingDetails']['shippingOptionId'], 'c1')

    def test_the_app_does_not_wait_for_ever(self):
        is_over = threading.Event()
        self.addCleanup(is_over.set)
        self.shop.before_answer = lambda: is_over.wait(5)
        self.simulator.fault('shipping', 'impatient', seconds=0.1)
        self.choose()
        self.assertEqual(self.refusal(), NO_ANSWER)

    def test_a_question_after_the_approval_changes_nothing(self):
        self.choose()
        self.simulator.fault('approval', 'late_question')
        self.shop.answers += [(200, {'groups': [shipping_group('late', 1)]})]
        self.simulator.approve(self.reference)
        self.assertEqual(len(self.shop.questions), 2)
        self.assertSums(self.reference, authorized=34850)

    def test_nobody_else_is_asked(self):
        shop = self.shop.express()['shipping']['dynamicOptions']
        reference = self.merchant.create(**{**EXPRESS, 'shipping': {
            'dynamicOptions': {**shop, 'callbackUrl': 'https://shop.example.com/shipping'},
        }})
        payment = self.simulator.choose_address(reference, 'home')
        self.assertIn("this machine only", payment['questions'][0]['reason'])


class TestApproval(ExpressCase):

    def test_what_is_told_can_differ_from_what_was_chosen(self):
        for changes, authorized in (
            ({'shippingOptionId': 'c9'}, 34850), ({'shippingCost': 5000}, 29950),
            ({'shippingCost': None}, 34850), ({'address': ADDRESSES['stockholm']}, 34850),
            ({'address': {'city': "Oslo"}}, 34850),
        ):
            reference = self.merchant.create(**EXPRESS)
            self.simulator.fault('approval', 'edited', changes=changes)
            self.simulator.approve(reference)
            shipping = self.read(reference)['shippingDetails']
            for name, value in changes.items():
                self.assertEqual(shipping.get(name), value)
            self.assertSums(reference, authorized=authorized)
            self.assertEqual(self.simulator.exchanges[-1]['fault'], 'edited')

    def test_details_can_be_in_one_place_only(self):
        receiver = self.start_receiver()
        self.merchant.register(receiver.url, ['epayments.payment.authorized.v1'])
        for kind, in_payment, in_event in (
            (None, True, True), ('only_get', True, False), ('only_event', False, True),
        ):
            reference = self.merchant.create(**EXPRESS)
            if kind:
                self.simulator.fault('approval', kind)
            self.simulator.approve(reference)
            event, payment = receiver.next(), self.read(reference)
            for name in ('shippingDetails', 'userDetails'):
                self.assertEqual((name in payment, name in event), (in_payment, in_event), kind)
            self.assertEqual(event['amount']['value'], 34850)

    def test_faults_are_checked(self):
        for kind, fields in (
            ('edited', {}), ('late', {'seconds': 1}), ('only_get', {'changes': {}}),
        ):
            with self.assertRaises(Problem):
                self.simulator.fault('approval', kind, **fields)
        for kind, fields in (('token', {}), ('token', {'token': 'x'}), ('impatient', {})):
            with self.assertRaises(Problem):
                self.simulator.fault('shipping', kind, **fields)


class TestControlOfExpress(ExpressCase, ControlCase):

    def test_the_customer_chooses(self):
        reference = self.merchant.create(**EXPRESS)
        path = f'payments/{reference}'
        self.control('POST', f'{path}/address', {'name': 'work'})
        for body in ({}, {'name': 'nowhere'}, {'name': 'home', 'city': "Oslo"}):
            self.control('POST', f'{path}/address', body, status=400)
        self.control('POST', f'{path}/approve', {'option': 'c9'}, status=400)
        self.control('POST', f'{path}/approve', {'choice': 'c1'}, status=400)
        payment = self.control('POST', f'{path}/approve', {'option': 'c1'})
        self.assertEqual(payment['shippingDetails']['address'], ADDRESSES['work'])
        self.control('POST', f'{path}/address', {'name': 'home'}, status=400)

    def test_an_address_as_the_api_writes_it(self):
        reference = self.merchant.create(**EXPRESS)
        address = {**ADDRESSES['home'], 'addressLine2': None, 'city': "Asker"}
        self.control('POST', f'payments/{reference}/address', address)
        payment = self.control('POST', f'payments/{reference}/approve')
        self.assertEqual(payment['shippingDetails']['address']['city'], "Asker")

    def test_the_shop_may_call_the_api_before_it_answers(self):
        shop = self.start_shop()
        for path, body in (('address', {'name': 'work'}), ('approve', {})):
            reference = self.merchant.create(**shop.express())
            shop.before_answer = lambda: self.merchant.get(reference)  # noqa: B023
            payment = self.control('POST', f'payments/{reference}/{path}', body)
            self.assertEqual(payment['questions'][0]['status'], 200)

    def test_tokens_of_callbacks_are_secrets(self):
        self.merchant.create(**{**EXPRESS, 'shipping': {'dynamicOptions': {
            'callbackUrl': 'http://127.0.0.1:1/', 'callbackAuthorizationToken': TOKEN,
        }}})
        self.assertEqual(self.control('GET', 'secrets')['callbackTokens'], [TOKEN])
        self.assertNotIn(TOKEN, str(self.control('GET', 'exchanges')))

    def test_units(self):
        unit = self.control('POST', 'units', {'msn': '123456', 'may_express': False})
        self.assertIs(unit['may_express'], False)


class TestPhoneOfExpress(ExpressCase, PagesCase):

    def post_to(self, reference, **form):
        return self.post('/phone', msn='123456', reference=reference, **form)

    def test_the_customer_chooses_and_approves(self):
        reference, _url = self.start(**{**EXPRESS, 'shipping': {'fixedOptions': [
            shipping_group(), shipping_group('c2', 0, type='IN_STORE', options=[{
                'id': 'c2', 'name': f"Shop {HOSTILE}", 'amount': {'currency': 'NOK', 'value': 0},
                'meta': "Storgata 1", 'estimatedDelivery': "Today",
            }]),
        ]}})
        page = self.open('/phone').text
        self.assertIn("Robert Levins gate 5, 0154 Oslo, NO", page)
        self.assertNotIn("Stockholm", page)
        self.assertNotIn('name="option"', page)
        self.assertNotIn('name="approve"', page)
        self.post_to(reference, choose='1', address='work')
        page = self.open('/phone').text
        self.assertNotIn(HOSTILE, page)
        for part in ('value="c2"', "Storgata 1", "Today", "Free", "99.00 NOK", "348.50 NOK"):
            self.assertIn(part, page)
        self.post_to(reference, approve='1', option='c2')
        shipping = self.simulator.payment(reference)['shippingDetails']
        self.assertEqual(shipping['shippingOptionId'], 'c2')
        self.assertEqual(shipping['address'], ADDRESSES['work'])
        self.assertIn('o_sim_delivery', self.open('/phone').text)

    def test_the_customer_reads_that_the_shop_cannot_deliver(self):
        shop = self.start_shop()
        shop.answers.append((400, {}))
        reference, url = self.start(**shop.express())
        shop.before_answer = lambda: self.merchant.get(reference)
        self.assertIn("address and delivery in the app", self.open(url).text)
        self.post_to(reference, choose='1', address='home')
        page = self.open('/phone').text
        self.assertIn(NO_DELIVERY, page)
        self.assertNotIn('name="approve"', page)
        self.assertEqual(self.post_to(reference, approve='1').status_code, 400)

    def test_the_terms_of_the_shop(self):
        self.start(**EXPRESS, merchantLegalLinks={
            'termsOfSaleUrl': 'https://shop.example.com/terms',
            'privacyPolicyUrl': 'https://shop.example.com/privacy',
        })
        page = self.open('/phone').text
        self.assertIn('href="https://shop.example.com/terms"', page)
        self.assertIn('href="https://shop.example.com/privacy"', page)
