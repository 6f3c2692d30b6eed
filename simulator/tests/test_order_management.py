from ..sales_units import DKK_UNIT
from .common import SimulatorCase

URL = 'https://shop.example.com/my/orders/7?access_token=a-b_c&x=%20'


class TestOrderManagement(SimulatorCase):

    def put(self, reference, name='ORDER_CONFIRMATION', url=URL, **more):
        body = {'category': name, 'orderDetailsUrl': url, **more}
        return self.merchant.call(
            'PUT', f'/order-management/v2/ecom/categories/{reference}', body
        )

    def assertRefusedFor(self, field, answer):
        self.assertEqual(answer.status_code, 400, answer.text)
        self.assertEqual([param['name'] for param in answer.json()['invalidParams']], [field])

    def test_the_latest_link_is_the_one_that_is_shown(self):
        reference = self.merchant.authorized()
        self.assertIsNone(self.simulator.payment(reference)['category'])
        for name, url in (
            ('ORDER_CONFIRMATION', URL), ('DELIVERY', 'http://127.0.0.1:8069/track/1'),
        ):
            answer = self.put(reference, name, url)
            self.assertEqual(answer.status_code, 200)
            self.assertIsInstance(answer.json(), str)
            self.assertEqual(
                self.simulator.payment(reference)['category'],
                {'category': name, 'orderDetailsUrl': url},
            )

    def test_nothing_else_happens_to_the_payment(self):
        reference = self.merchant.authorized()
        before = self.simulator.payment(reference)
        self.put(reference)
        self.assertEqual({**self.simulator.payment(reference), 'category': None}, before)

    def test_the_phone_shows_it(self):
        reference = self.merchant.authorized()
        self.put(reference)
        page = self.merchant.session.get(f'{self.simulator.url}/phone', timeout=10).text
        self.assertIn('data-category="ORDER_CONFIRMATION"', page)
        self.assertIn(URL.replace('&', '&amp;'), page)

    def test_wrong_requests_are_refused(self):
        reference = self.merchant.authorized()
        self.assertRefusedFor('category', self.put(reference, 'order'))
        self.assertRefusedFor('size', self.put(reference, size=1))
        self.assertRefusedFor('orderDetailsUrl', self.put(reference, url=''))
        for url in (
            'http://shop.example.com/', 'shop://order', 'https://', 'https://a@example.com/',
            'https://example.com/a b', 'https://example.com/a;b', 'https://example.com/[a]',
        ):
            self.assertRefusedFor('orderDetailsUrl', self.put(reference, url=url))
        self.assertIsNone(self.simulator.payment(reference)['category'])

    def test_only_the_own_payments_have_links(self):
        self.assertEqual(self.put('unknown-1').status_code, 404)
        other = self.as_merchant(DKK_UNIT).authorized()
        self.assertEqual(self.put(other).status_code, 404)
        self.assertEqual(self.put('odd_reference').status_code, 400)

    def test_faults(self):
        reference = self.merchant.authorized()
        self.simulator.fault('category', 'status', status=500)
        self.assertEqual(self.put(reference).status_code, 500)
        self.assertIsNone(self.simulator.payment(reference)['category'])
        self.assertEqual(self.put(reference).status_code, 200)
