import base64
import json

from ..sales_units import DKK_UNIT, NOK_UNIT
from .common import SYSTEM_HEADERS, SimulatorCase


class TestAccessToken(SimulatorCase):

    def test_token_has_the_documented_fields_and_all_are_strings(self):
        token = self.merchant.fetch_token().json()
        self.assertEqual(set(token), {
            'token_type', 'expires_in', 'ext_expires_in', 'expires_on', 'not_before', 'resource',
            'access_token',
        })
        self.assertEqual({type(value) for value in token.values()}, {str})
        self.assertEqual((token['token_type'], token['expires_in']), ('Bearer', '3600'))
        self.assertGreater(len(token['access_token']), 1000)

    def test_wrong_or_missing_client_id_and_secret_are_refused(self):
        for name in ('client_id', 'client_secret'):
            self.assertRefused(self.merchant.fetch_token(**{name: 'wrong'}), 401)
            self.assertRefused(self.merchant.fetch_token(**{name: None}), 400, field=name)

    def test_subscription_key_must_be_known_and_of_the_same_sales_unit(self):
        for key in ('wrong', None, DKK_UNIT.subscription_key):
            answer = self.merchant.fetch_token(Ocp_Apim_Subscription_Key=key)
            self.assertEqual(answer.status_code, 401)
            self.assertIn('subscription key', answer.json()['message'])

    def test_secondary_subscription_key_is_as_good_as_the_primary(self):
        key = NOK_UNIT.secondary_subscription_key
        self.assertEqual(
            self.merchant.fetch_token(Ocp_Apim_Subscription_Key=key).status_code, 200
        )
        reference = self.merchant.create()
        answer = self.merchant.get(reference, Ocp_Apim_Subscription_Key=key)
        self.assertEqual(answer.status_code, 200)

    def test_token_expires_after_an_hour(self):
        reference = self.merchant.create()
        self.simulator.advance(3599)
        self.assertEqual(self.merchant.get(reference).status_code, 200)
        self.simulator.advance(1)
        self.assertEqual(self.merchant.get(reference).status_code, 401)

    def test_token_survives_a_reset(self):
        self.simulator.reset()
        self.merchant.create()


class TestCaller(SimulatorCase):

    def setUp(self):
        super().setUp()
        self.reference = self.merchant.create()

    def get(self, **changes):
        return self.merchant.get(self.reference, **changes)

    def test_token_must_be_ours_and_introduced_as_bearer(self):
        head, claims, signature = self.merchant.token.split('.')
        forged = base64.urlsafe_b64encode(
            json.dumps({'msn': NOK_UNIT.msn, 'exp': 9999999999}).encode()
        ).decode()
        for header in (
            None, self.merchant.token, f'bearer {self.merchant.token}', 'Bearer', 'Bearer æ',
            'Bearer x.y.z', f'Bearer {head}.{forged}.{signature}',
        ):
            with self.subTest(header=header and header[:20]):
                header = header and header.encode()
                self.assertEqual(self.get(Authorization=header).status_code, 401)

    def test_subscription_key_is_checked_by_the_gateway(self):
        for key in (None, 'wrong', DKK_UNIT.subscription_key):
            answer = self.get(Ocp_Apim_Subscription_Key=key)
            self.assertEqual(answer.status_code, 401)
            self.assertEqual(set(answer.json()), {'statusCode', 'message'})

    def test_keys_of_one_sales_unit_do_not_open_another(self):
        self.assertRefused(self.get(Merchant_Serial_Number=DKK_UNIT.msn), 401)
        danish = self.as_merchant(DKK_UNIT)
        self.assertRefused(danish.get(self.reference), 404, '5090')
        self.assertEqual(danish.get(
            self.reference, Authorization=f'Bearer {self.merchant.token}'
        ).status_code, 401)

    def test_merchant_serial_number_must_be_there_and_be_one(self):
        for msn in (None, 'abc', '123', '12345678901'):
            answer = self.get(Merchant_Serial_Number=msn)
            self.assertRefused(answer, 400, field='Merchant-Serial-Number')

    def test_every_call_says_which_system_it_is(self):
        for name in SYSTEM_HEADERS:
            for value in (None, '', 'x' * 31):
                with self.subTest(name=name, value=value):
                    self.assertRefused(self.get(**{name: value}), 400, field=name)
                    self.assertRefused(self.merchant.fetch_token(**{name: value}), 400, field=name)

    def test_sales_unit_without_the_product_is_forbidden(self):
        self.simulator.set_unit(NOK_UNIT.msn, active=False)
        self.assertRefused(self.get(), 403)
        self.assertRefused(self.merchant.call('GET', '/webhooks/v1/webhooks'), 403)

    def test_bodies_are_json_and_say_so(self):
        for content_type in (None, 'text/plain', 'application/x-www-form-urlencoded'):
            answer = self.merchant.call(
                'POST', '/epayment/v1/payments', self.merchant.payload(), 'key',
                Content_Type=content_type,
            )
            self.assertRefused(answer, 400, field='Content-Type')
        answer = self.merchant.call(
            'POST', '/epayment/v1/payments', self.merchant.payload(), 'key',
            Content_Type='application/json; charset=utf-8',
        )
        self.assertEqual(answer.status_code, 201)

    def test_bodies_that_are_no_json_are_refused(self):
        for number, body in enumerate((
            b'', b'{', b'{"a": NaN}', b'{"a": 1, "a": 1}', b'\xff', b'[' * 100000,
        )):
            answer = self.merchant.call('POST', '/epayment/v1/payments', body, f'key-{number}')
            self.assertRefused(answer, 400, field='body')

    def test_an_unknown_path_is_not_found(self):
        for method, path in (
            ('GET', '/epayment/v1/payment'), ('DELETE', '/epayment/v1/payments/12345678'),
            ('GET', '/accesstoken/get'), ('POST', '/epayment/v1/payments/12345678/approve'),
        ):
            self.assertEqual(self.merchant.call(method, path).status_code, 404)


class TestRateLimits(SimulatorCase):

    def setUp(self):
        super().setUp()
        self.reference = self.merchant.authorized()

    def test_no_limits_unless_switched_on(self):
        for _number in range(130):
            self.assertEqual(self.merchant.get(self.reference).status_code, 200)

    def test_five_captures_a_minute_for_each_payment(self):
        self.simulator.limit_rates()
        other = self.merchant.authorized()
        for _number in range(5):
            self.assertEqual(self.merchant.modify('capture', self.reference, 1).status_code, 200)
        answer = self.merchant.modify('capture', self.reference, 1)
        self.assertEqual((answer.status_code, answer.headers['Retry-After']), (429, '61'))
        self.assertEqual(self.merchant.modify('capture', other, 1).status_code, 200)
        self.simulator.advance(61)
        self.assertEqual(self.merchant.modify('capture', self.reference, 1).status_code, 200)
        self.assertSums(self.reference, authorized=24950, captured=6)

    def test_120_reads_a_minute_for_each_subscription_key(self):
        self.simulator.limit_rates()
        for _number in range(120):
            self.assertEqual(self.merchant.get(self.reference).status_code, 200)
        self.assertEqual(self.merchant.get(self.reference).status_code, 429)
        self.assertEqual(self.merchant.get(
            self.reference, Ocp_Apim_Subscription_Key=NOK_UNIT.secondary_subscription_key
        ).status_code, 200)
        self.assertEqual(self.merchant.events(self.reference).status_code, 200)
