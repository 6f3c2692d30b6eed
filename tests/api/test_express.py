# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo.tests import tagged

from ...models.api.client import VippsError
from ..common import TransactionCommon

HOME = {'id': '7-9900', 'name': "Home", 'amount': 99, 'type': 'HOME_DELIVERY', 'brand': 'POSTEN'}
SHOP = {'id': '8-0', 'name': "Shop", 'amount': 0.0, 'type': 'IN_STORE', 'brand': 'OTHER'}
TERMS, PRIVACY = 'https://shop.example.com/terms', 'https://shop.example.com/privacy'
TOKEN = 'ae0cb90d91b4a84a'


@tagged('post_install', '-at_install')
class TestExpressDoor(TransactionCommon):
    """ What goes through the door in Express, and comes back. """

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.client = cls.env['vipps.api.client']

    def _create_express(self, **values):
        """ Create a payment at Vipps MobilePay with the values of Express. """
        tx = self._create_transaction('redirect')
        tx.vipps_scopes = 'name address'
        prepared = tx._vipps_prepare_payment_values()
        self.client._create_payment(tx, {**prepared, **values}, 0)
        return tx

    def test_options_go_out_in_minor_units_and_come_back_in_major_ones(self):
        tx = self._create_express(
            shipping={'options': [HOME, SHOP], 'countries': ['NO', 'SE']},
            legal_links=(TERMS, PRIVACY),
        )
        request = self._get_payment(tx)['request']
        self.assertEqual(request['amount']['value'], 24950)
        self.assertEqual(request['merchantLegalLinks'], {
            'termsOfSaleUrl': TERMS, 'privacyPolicyUrl': PRIVACY,
        })
        self.assertEqual(request['shipping']['allowedCountries'], ['NO', 'SE'])
        self.assertEqual(
            [
                (group['type'], option['id'], option['amount'])
                for group in request['shipping']['fixedOptions'] for option in group['options']
            ],
            [
                ('HOME_DELIVERY', '7-9900', {'currency': 'NOK', 'value': 9900}),
                ('IN_STORE', '8-0', {'currency': 'NOK', 'value': 0}),
            ],
        )
        self.simulator.approve(tx.vipps_payment_reference, '7-9900')
        payment = self.client._call_for(tx, 'get')
        self.assertEqual(self.client._to_major(payment.shipping.cost, self.currency_nok), 99)
        self.assertEqual((payment.shipping.option_id, payment.authorized), ('7-9900', 34850))
        self.assertEqual(payment.shipping.address.postal_code, '0154')

    def test_the_address_of_the_question_goes_out_with_its_token(self):
        url = 'http://127.0.0.1/payment/vipps/express'
        tx = self._create_express(shipping={'callback_url': url, 'token': TOKEN})
        self.assertEqual(self._get_payment(tx)['request']['shipping'], {
            'dynamicOptions': {'callbackUrl': url, 'callbackAuthorizationToken': TOKEN},
        })

    def test_nothing_to_deliver(self):
        for values in ({}, {'shipping': None}, {'shipping': {}}):
            request = self._get_payment(self._create_express(**values))['request']
            self.assertNotIn('shipping', request)
            self.assertNotIn('merchantLegalLinks', request)

    def test_the_answer_to_a_question(self):
        # A price that is computed may have more decimals than the API.
        answer = self.client._prepare_shipping_answer(
            [{**HOME, 'amount': 98.996}], self.currency_nok
        )
        option, = answer['groups'][0]['options']
        self.assertEqual(option['amount'], {'currency': 'NOK', 'value': 9900})
        for options in ([HOME, HOME], [{**HOME, 'amount': -1}]):
            with self.assertRaises(ValueError):
                self.client._prepare_shipping_answer(options, self.currency_nok)

    def test_a_question(self):
        question = self.client._parse_address_request({
            'reference': 'AB2CD-S00042-XYZ234', 'Country': 'NO', 'PostCode': '0154',
        })
        self.assertEqual((question.country, question.postal_code), ('NO', '0154'))
        with self.assertRaises(ValueError):
            self.client._parse_address_request({'Country': 'NO'})
        self.assertTrue(self.client._is_shipping_token(f'Bearer {TOKEN}', TOKEN))
        self.assertFalse(self.client._is_shipping_token(None, TOKEN))

    def test_a_sales_unit_that_is_not_approved(self):
        self.simulator.set_unit(self.vipps.vipps_merchant_serial_number, may_express=False)
        with self.assertRaises(VippsError) as caught:
            self._create_express(shipping={'options': [HOME]})
        self.assertEqual(caught.exception.code, '5020')
        self.assertIn("not approved for Express", str(caught.exception))
