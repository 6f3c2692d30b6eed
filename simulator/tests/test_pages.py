import base64
import io
import re
from html import unescape

import requests
from PIL import Image

from .common import PUSH, QR, SimulatorCase

HOSTILE = '<script>alert("&\')</script>'
RECEIPT = {
    'orderLines': [
        {
            'name': f"Sweater {HOSTILE}", 'id': 'S1', 'totalAmount': 25950,
            'totalAmountExcludingTax': 25950, 'totalTaxAmount': 0, 'taxRate': 0,
            'unitInfo': {'unitPrice': 12975, 'quantity': '2'},
        },
        {
            'name': "Cap", 'id': 'C1', 'totalAmount': 1000, 'totalAmountExcludingTax': 1000,
            'totalTaxAmount': 0, 'taxRate': 0, 'isReturn': True,
        },
    ],
    'bottomLine': {'currency': 'NOK'},
}


class PagesCase(SimulatorCase):

    def setUp(self):
        super().setUp()
        self.browser = requests.Session()
        self.browser.trust_env = False
        self.addCleanup(self.browser.close)

    def open(self, path, **options):
        url = path if path.startswith('http') else self.simulator.url + path
        return self.browser.get(url, allow_redirects=False, timeout=10, **options)

    def post(self, path, **form):
        url = self.simulator.url + path
        return self.browser.post(url, data=form, allow_redirects=False, timeout=10)

    def start(self, **changes):
        """Create a payment; returns its reference and where the customer is sent."""
        payload = self.merchant.payload(**changes)
        answer = self.merchant.post_payment(payload).json()
        return payload['reference'], answer['redirectUrl']

    def state(self, reference):
        return self.simulator.payment(reference)['state']


class TestLandingPage(PagesCase):

    def test_shows_the_amount_and_the_merchant(self):
        _reference, url = self.start(
            receipt=RECEIPT, paymentDescription=f"Order {HOSTILE}",
            customer={'phoneNumber': '4798765432'},
        )
        page = self.open(url)
        self.assertTrue(url.startswith(f'{self.simulator.url}/landing?token='))
        self.assertEqual(page.headers['Content-Type'], 'text/html; charset=utf-8')
        self.assertNotIn(HOSTILE, page.text)
        text = unescape(page.text)
        for part in (
            "Simulated Shop Norway", "249.50 NOK", f"Order {HOSTILE}", f"2 × Sweater {HOSTILE}",
            "−10.00 NOK", 'value="4798765432"',
        ):
            self.assertIn(part, text)

    def test_follows_the_decision_to_the_return_url_as_it_was_given(self):
        for decide in (self.simulator.approve, self.simulator.decline, self.simulator.expire):
            reference, url = self.start()
            state_url = url.replace('/landing', '/landing/state')
            self.assertEqual(self.open(state_url).text, 'CREATED')
            decide(reference)
            self.assertNotEqual(self.open(state_url).text, 'CREATED')
            answer = self.open(url)
            self.assertEqual(answer.status_code, 303)
            self.assertEqual(
                answer.headers['Location'], 'https://shop.example.com/return?a=b%2Bc&d=%20'
            )

    def test_waits_for_the_app_once_the_number_is_known(self):
        reference, url = self.start()
        token = url.partition('token=')[2]
        answer = self.post('/landing', token=token, phone='+47 98 76 54 32')
        self.assertEqual(answer.status_code, 303)
        page = self.open(answer.headers['Location'])
        self.assertIn("approve in the app on 4798765432", page.text)
        self.assertEqual(self.state(reference), 'CREATED')

    def test_cancel_aborts(self):
        reference, url = self.start()
        self.post('/landing', token=url.partition('token=')[2], cancel='1')
        self.assertEqual(self.state(reference), 'ABORTED')

    def test_unknown_token(self):
        self.assertEqual(self.open('/landing?token=x').status_code, 404)
        self.assertEqual(self.open('/landing').status_code, 404)
        self.assertEqual(self.open('/landing/state?token=x').text, 'UNKNOWN')
        self.post('/landing', token='x', cancel='1')


class TestPhonePage(PagesCase):

    def test_shows_open_payments_with_escaped_texts(self):
        self.simulator.set_unit('123456', name=f"Shop {HOSTILE}")
        reference, _url = self.start(receipt=RECEIPT, paymentDescription=f"Order {HOSTILE}")
        page = self.open('/phone').text
        self.assertNotIn(HOSTILE, page)
        self.assertRegex(page, f'class="card o_sim_payment" data-reference="{reference}"')
        for part in (f"Shop {HOSTILE}", f"Order {HOSTILE}", "249.50 NOK", "2 × Sweater"):
            self.assertIn(part, unescape(page))
        for button in ('approve', 'decline', 'expire'):
            self.assertEqual(len(re.findall(f'<button[^>]* name="{button}"', page)), 1)

    def test_buttons_decide(self):
        for button, state in (
            ('approve', 'AUTHORIZED'), ('decline', 'ABORTED'), ('expire', 'EXPIRED'),
        ):
            reference, _url = self.start()
            answer = self.post('/phone', msn='123456', reference=reference, **{button: '1'})
            self.assertEqual(answer.status_code, 303)
            self.assertEqual(self.state(reference), state)
            page = self.open('/phone').text
            self.assertNotIn(f'o_sim_payment" data-reference="{reference}"', page)
            self.assertIn(f'o_sim_decided" data-reference="{reference}"', page)

    def test_shows_and_decides_the_payments_of_tills(self):
        push = {**PUSH, 'customer': {'phoneNumber': '4798765432'}}
        for changes, shown in ((QR, 'QR'), (push, '4798765432')):
            changes = {**changes, 'returnUrl': 'https://shop.example.com/'}  # Not used.
            reference = self.merchant.create(**changes)
            page = self.open('/phone').text
            self.assertIn(f'o_sim_payment" data-reference="{reference}"', page)
            self.assertIn(shown, page)
            self.post('/phone', msn='123456', reference=reference, approve='1')
            self.assertEqual(self.state(reference), 'AUTHORIZED')
            self.assertNotIn('o_sim_return', self.open('/phone').text)

    def test_deciding_twice_says_why_not(self):
        reference, _url = self.start()
        self.simulator.approve(reference)
        answer = self.post('/phone', msn='123456', reference=reference, approve='1')
        self.assertEqual(answer.status_code, 400)
        self.assertIn("already", answer.text)
        self.assertEqual(self.post('/phone', reference='x', approve='1').status_code, 404)

    def test_expired_payments_are_not_open(self):
        self.start()
        self.simulator.advance(600)
        self.assertIn('o_sim_no_payments', self.open('/').text)

    def test_pages_are_not_kept(self):
        self.assertEqual(self.open('/phone').headers['Cache-Control'], 'no-store')

    def test_other_paths(self):
        self.assertEqual(self.open('/nothing').status_code, 404)


class TestCodePage(PagesCase):

    def read_code(self):
        page = self.open('/code').text
        return unescape(re.search('<input[^>]* id="code" value="([^"]*)"', page)[1]), page

    def test_shows_a_code_that_can_be_used_until_it_is(self):
        self.assertIn('href="/code"', self.open('/phone').text)
        code, page = self.read_code()
        self.assertRegex(code, r'^https://qr\.vipps\.no/p/[\w-]{22}$')
        image = re.search('<img[^>]* src="data:image/svg\\+xml;base64,([^"]*)"', page)[1]
        self.assertIn(b'<svg', base64.b64decode(image))
        self.assertEqual(self.read_code()[0], code)
        self.merchant.create(**PUSH, customer={'personalQr': code})
        self.assertNotEqual(self.read_code()[0], code)


class TestQr(PagesCase):

    def start_qr(self, **qr_format):
        return self.start(**QR, qrFormat=qr_format or None)

    def test_svg_by_default(self):
        for qr_format in ({}, {'format': 'IMAGE/SVG+XML'}):
            _reference, url = self.start_qr(**qr_format)
            answer = self.open(url)
            self.assertEqual(answer.headers['Content-Type'], 'image/svg+xml')
            self.assertIn(b'<svg', answer.content)

    def test_png_of_the_size_asked_for(self):
        for qr_format, size in (({}, 1024), ({'size': 300}, 300)):
            _reference, url = self.start_qr(format='IMAGE/PNG', **qr_format)
            answer = self.open(url)
            self.assertEqual(answer.headers['Content-Type'], 'image/png')
            self.assertEqual(Image.open(io.BytesIO(answer.content)).size, (size, size))

    def test_target_url_leads_to_the_landing_page(self):
        reference, url = self.start_qr(format='TEXT/TARGETURL')
        self.assertEqual(self.open(url).status_code, 200)
        self.simulator.approve(reference)
        answer = self.open(url)
        self.assertEqual(answer.status_code, 200)
        self.assertIn("close this page", answer.text)

    def test_target_url_leads_nowhere_when_the_time_is_over(self):
        reference, url = self.start_qr(format='TEXT/TARGETURL')
        self.simulator.advance(600)
        answer = self.open(url)
        self.assertIn("close this page", answer.text)
        self.assertNotIn('<form', answer.text)
        self.assertEqual(self.state(reference), 'EXPIRED')

    def test_image_is_gone_when_the_payment_is_over(self):
        _reference, url = self.start_qr()
        self.simulator.advance(600)
        self.assertEqual(self.open(url).status_code, 404)

    def test_no_image_for_other_flows(self):
        _reference, url = self.start()
        self.assertEqual(self.open(url.replace('/landing', '/qr')).status_code, 404)
