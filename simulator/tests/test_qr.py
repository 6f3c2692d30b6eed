import io
import json

import requests
from PIL import Image

from ..sales_units import DKK_UNIT, NOK_UNIT
from .common import PUSH, SimulatorCase

STICKERS, REDIRECTS = '/qr/v1/merchant-callback', '/qr/v1/merchant-redirect'
PAGE = 'https://shop.example.com/pay?id=1'
EVENT = 'user.checked-in.v1'


class QrCase(SimulatorCase):

    def assertProblem(self, answer, status, *fields):
        """Check that an answer is a problem as this API writes it, about these fields."""
        self.assertEqual(answer.status_code, status, answer.text)
        self.assertLessEqual({'title', 'detail', 'instance'}, answer.json().keys())
        params = answer.json().get('invalidParams', [])
        self.assertEqual([param['name'] for param in params], list(fields))

    def put(self, qr_id='till-1', location="Till 1", merchant=None, folder='', **body):
        return (merchant or self.merchant).call(
            'PUT', f'{STICKERS}{folder}/{qr_id}', {'locationDescription': location, **body}
        )

    def read(self, qr_id='till-1', query='', merchant=None):
        return (merchant or self.merchant).call('GET', f'{STICKERS}/{qr_id}{query}')

    def fetch_image(self, url):
        return requests.get(url, timeout=10)


class TestSticker(QrCase):

    def test_made_changed_listed_and_deleted(self):
        answer = self.put()
        self.assertEqual((answer.status_code, answer.content), (200, b''))
        first = self.read().json()
        self.assertEqual(self.put(location="Renamed").status_code, 200)
        sticker = self.read().json()
        self.assertEqual(sticker['locationDescription'], "Renamed")
        self.assertEqual(sticker['qrContent'], first['qrContent'])
        self.assertEqual(
            [item['merchantQrId'] for item in self.merchant.call('GET', STICKERS).json()],
            ['till-1'],
        )
        self.assertEqual(self.merchant.call('DELETE', f'{STICKERS}/till-1').status_code, 200)
        self.assertProblem(self.read(), 404)
        self.assertProblem(self.merchant.call('DELETE', f'{STICKERS}/till-1'), 404)

    def test_both_spellings_of_the_picture(self):
        self.put()
        for query in ('?QrImageFormat=PNG&QrImageSize=300', '?qrImageFormat=PNG&qrImageSize=300'):
            image = self.fetch_image(self.read(query=query).json()['qrImageUrl'])
            self.assertEqual(Image.open(io.BytesIO(image.content)).size, (300, 300))
        image = self.fetch_image(self.read().json()['qrImageUrl'])
        self.assertEqual(image.headers['Content-Type'], 'image/svg+xml')
        for query, field in (
            ('?QrImageFormat=GIF', 'QrImageFormat'), ('?QrImageSize=99', 'QrImageSize'),
            ('?QrImageSize=2001', 'QrImageSize'), ('?QrImageSize=x', 'QrImageSize'),
            ('?size=300', 'size'),
        ):
            self.assertProblem(self.read(query=query), 400, field)

    def test_wrong_requests(self):
        self.assertProblem(self.put(location="x" * 37), 400, 'locationDescription')
        self.assertProblem(self.put(category='SHOP'), 400, 'category')

    def test_stickers_of_other_units_cannot_be_seen(self):
        other = self.as_merchant(DKK_UNIT)
        self.put()
        self.assertProblem(self.read(merchant=other), 404)
        self.assertProblem(self.put(merchant=other), 403)
        self.assertEqual(other.call('GET', STICKERS).json(), [])

    def test_old_stickers_are_taken_over_once(self):
        other = self.as_merchant(DKK_UNIT)
        for _number in range(2):
            self.assertEqual(self.put('beacon7', folder='/mobilepay').status_code, 200)
        answer = self.put('beacon7', folder='/mobilepay', merchant=other)
        self.assertEqual((answer.status_code, answer.json()), (409, {'id': 'beacon7'}))
        self.assertEqual(self.read('beacon7').json()['merchantQrId'], 'beacon7')

    def test_units_without_the_right(self):
        self.simulator.set_unit(NOK_UNIT.msn, may_have_stickers=False)
        self.assertProblem(self.put(), 403)
        self.assertProblem(self.merchant.call('GET', STICKERS), 403)


class TestRedirect(QrCase):

    def create(self, merchant=None, accept='image/png', size='300', **body):
        body = {'id': 'poster 1', 'redirectUrl': PAGE, **body}
        return (merchant or self.merchant).call(
            'POST', REDIRECTS, body, Accept=accept, Size=size
        )

    def call(self, method, body=None, qr_id='poster 1', **changes):
        return self.merchant.call(
            method, f'{REDIRECTS}/{qr_id}', body, **{'Accept': 'image/png', **changes}
        )

    def test_made_changed_listed_and_deleted(self):
        code = self.create().json()
        self.assertEqual(code['expiresIn'], -1)
        image = self.fetch_image(code['url'])
        self.assertEqual(Image.open(io.BytesIO(image.content)).size, (300, 300))
        answer = self.create()
        self.assertEqual((answer.status_code, answer.json()), (409, {'id': 'poster 1'}))
        content = self.call('GET', Accept='text/targetUrl').json()['url']
        self.assertEqual(self.call('PUT', {'redirectUrl': f'{PAGE}2'}).status_code, 200)
        self.assertEqual(self.call('GET').json()['redirectUrl'], f'{PAGE}2')
        self.assertEqual(self.call('GET', Accept='text/targetUrl').json()['url'], content)
        listed = self.merchant.call('GET', REDIRECTS, Accept='image/png').json()
        self.assertEqual([code['id'] for code in listed], ['poster 1'])
        self.assertEqual(self.call('DELETE').status_code, 200)
        for method, body in (('GET', None), ('PUT', {'redirectUrl': PAGE}), ('DELETE', None)):
            self.assertProblem(self.call(method, body), 404)
        self.create()
        self.assertNotEqual(self.call('GET', Accept='text/targetUrl').json()['url'], content)
        url = f'{self.simulator.url}/control/redirects'
        known, = requests.get(url, timeout=10).json()['redirects']
        self.assertEqual((known['qr_id'], known['url']), ('poster 1', PAGE))

    def test_a_code_expires(self):
        self.assertEqual(self.create(ttl=300).json()['expiresIn'], 300)
        self.simulator.advance(299)
        self.assertEqual(self.call('GET').status_code, 200)
        self.simulator.advance(1)
        self.assertProblem(self.call('GET'), 404)
        self.assertEqual(self.create().status_code, 200)

    def test_wrong_requests(self):
        for field, values in {
            'id': ('', 'x' * 129, 'a/b', 'a~b'),
            'redirectUrl': ('http://example.com', 'https://example.com/~a', 'https://a/b;c',
                            'https://a/b,c'),
            'ttl': (299, 2**31),
        }.items():
            for value in values:
                with self.subTest(field=field, value=value):
                    self.assertProblem(self.create(**{field: value}), 400, field)
        self.assertProblem(self.create(accept='image/gif'), 400, 'Accept')
        self.assertProblem(self.create(size='99'), 400, 'Size')

    def test_codes_of_other_units_cannot_be_seen(self):
        self.create()
        other = self.as_merchant(DKK_UNIT)
        self.assertEqual(other.call('GET', REDIRECTS, Accept='image/png').json(), [])
        self.assertEqual(self.create(merchant=other).status_code, 200)


class TestCheckIn(QrCase):

    def setUp(self):
        super().setUp()
        self.put()
        self.receiver = self.start_receiver()
        self.merchant.register(self.receiver.url, [EVENT])

    def pay(self, token, merchant=None, **changes):
        merchant = merchant or self.merchant
        return merchant.post_payment(merchant.payload(**{
            **PUSH, 'customer': {'customerToken': token}, **changes,
        }))

    def test_the_event(self):
        token = self.simulator.check_in('till-1')
        event = self.receiver.next()
        self.assertRegex(event.pop('initiatedAt'), r'T\d\d:\d\d:\d\d\.\d{7}Z$')
        self.assertEqual(event, {
            'customerToken': token, 'merchantQrId': 'till-1', 'msn': NOK_UNIT.msn,
        })
        self.simulator.check_in('unknown', old_name=True)
        event = self.receiver.next()
        self.assertEqual(event['merchantSerialNumber'], NOK_UNIT.msn)
        self.assertNotIn('msn', event)

    def test_an_event_is_sent_once(self):
        self.receiver.statuses = [500]
        self.simulator.check_in('till-1')
        self.assertTrue(self.simulator.wait_for_deliveries())
        self.assertEqual([d['accepted'] for d in self.simulator.deliveries], [False])
        self.simulator.fault('webhook', 'duplicate', reference='till-1')
        self.simulator.check_in('till-1')
        self.assertTrue(self.simulator.wait_for_deliveries())
        self.assertEqual(len(self.simulator.deliveries), 3)

    def test_a_forged_event_has_another_signature(self):
        headers = []
        for forged in (False, True):
            self.simulator.check_in('till-1', forged=forged)
            headers.append(self.receiver.received.get(timeout=10)[1]['Authorization'])
        self.assertNotEqual(*headers)

    def test_a_token_is_good_once_for_a_quarter_of_an_hour(self):
        token = self.simulator.check_in('till-1')
        self.assertEqual(self.pay(token).status_code, 201)
        late = self.simulator.check_in('till-1')
        self.simulator.advance(15 * 60)
        for bad in (token, late, 'unknown', self.simulator.check_in('till-1', age=900)):
            self.assertRefused(self.pay(bad), 400, '4050', 'customer.customerToken')
        other = self.as_merchant(DKK_UNIT)
        self.assertRefused(self.pay(self.simulator.check_in('till-1'), other), 400, '4050')

    def test_units_that_may_not_push_send_the_customer_to_the_app(self):
        self.simulator.set_unit(NOK_UNIT.msn, may_push=False)
        token = self.simulator.check_in('till-1', phone='4798765432')
        self.assertRefused(self.pay(token), 403, '5080')
        answer = self.pay(token, userFlow='WEB_REDIRECT', returnUrl='https://shop.example.com')
        self.assertEqual(answer.status_code, 201, answer.text)
        self.assertIn('redirectUrl', answer.json())

    def test_tokens_are_not_recorded(self):
        token = self.simulator.check_in('till-1')
        self.pay(token)
        self.assertNotIn(token, json.dumps(self.simulator.exchanges))

    def test_the_phone_scans_what_there_is(self):
        page = requests.get(f'{self.simulator.url}/phone', timeout=10).text
        self.assertIn("Sticker: Till 1", page)
        scan = {'msn': NOK_UNIT.msn, 'qr_id': 'till-1'}
        answer = requests.post(f'{self.simulator.url}/phone/scan', data=scan, timeout=10)
        self.assertEqual(answer.status_code, 200)
        self.assertEqual(self.receiver.next()['merchantQrId'], 'till-1')
        for changes, status in (({'qr_id': 'gone'}, 404), ({'msn': DKK_UNIT.msn}, 404)):
            answer = requests.post(
                f'{self.simulator.url}/phone/scan', data={**scan, **changes}, timeout=10
            )
            self.assertEqual(answer.status_code, status)

    def test_the_phone_says_that_the_shop_cannot_be_reached(self):
        other = self.as_merchant(DKK_UNIT)
        self.put('other', merchant=other)
        answer = requests.post(
            f'{self.simulator.url}/phone/scan', timeout=10,
            data={'msn': DKK_UNIT.msn, 'qr_id': 'other'},
        )
        self.assertEqual(answer.status_code, 409)

    def test_the_control_endpoint(self):
        url = f'{self.simulator.url}/control'
        stickers = requests.get(f'{url}/stickers', timeout=10).json()['stickers']
        self.assertEqual(stickers[0]['qr_id'], 'till-1')
        for body, status in (
            ({'msn': NOK_UNIT.msn, 'qr_id': 'till-1', 'phone': '4798765432'}, 200),
            ({'msn': '999999', 'qr_id': 'till-1'}, 400),
            ({'msn': NOK_UNIT.msn, 'qr_id': 'till-1', 'old': True}, 400),
        ):
            self.assertEqual(
                requests.post(f'{url}/check-ins', json=body, timeout=10).status_code, status
            )
