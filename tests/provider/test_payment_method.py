# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from lxml import html

from odoo.fields import Command
from odoo.tests import tagged

from odoo.addons.payment.tests.http_common import PaymentHttpCommon

from ..common import KEYS, VippsCommon

BRANDS = {'NOK': 'vipps', 'DKK': 'mobile_pay', 'EUR': 'mobile_pay'}


@tagged('post_install', '-at_install')
class TestPaymentMethod(VippsCommon, PaymentHttpCommon):
    """ Which tiles customers see, and which provider is behind them. """

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.currencies = {
            name: cls._prepare_currency(name) for name in ('NOK', 'DKK', 'EUR', 'SEK')
        }
        cls.customers = {
            code: cls.env['res.partner'].create({
                'name': f"Customer ({code})",
                'country_id': code and cls.env.ref(f'base.{code.lower()}').id,
            }) for code in ('NO', 'DK', 'FI', 'SE', 'DE', None)
        }
        cls.other = cls.dummy_provider
        cls.other.write({
            'state': 'disabled',
            'payment_method_ids': [Command.set(cls.method_mobile_pay.ids)],
            'available_currency_ids': [Command.clear()],
            'module_id': cls.vipps.module_id.id,  # It comes before the sequence in the order.
        })

    def _get_tiles(self, country, currency, amount=100.0):
        """ Return the code of the payment method and the provider of each tile on the page. """
        partner, currency = self.customers[country], self.currencies[currency]
        response = self._portal_pay(
            amount=amount, currency_id=currency.id, partner_id=partner.id,
            company_id=self.company.id,
            access_token=self._generate_test_access_token(partner.id, amount, currency.id),
        )
        self.assertEqual(response.status_code, 200)
        return [
            (
                radio.get('data-payment-method-code'),
                self.env['payment.provider'].browse(int(radio.get('data-provider-id'))),
            )
            for radio in html.fromstring(response.text).xpath("//input[@name='o_payment_radio']")
        ]

    #=== Alone ===#

    def test_customer_of_any_country_gets_one_tile_with_the_brand_of_the_currency(self):
        for country in self.customers:
            for currency, brand in BRANDS.items():
                with self.subTest(country=country, currency=currency):
                    self.assertEqual(self._get_tiles(country, currency), [(brand, self.vipps)])

    def test_currency_that_no_sales_unit_has_gets_no_tile(self):
        for country in self.customers:
            with self.subTest(country=country):
                self.assertEqual(self._get_tiles(country, 'SEK'), [])

    def test_countries_of_the_provider_still_count(self):
        self.vipps.available_country_ids = self.env.ref('base.no')
        self.assertEqual(self._get_tiles('NO', 'NOK'), [('vipps', self.vipps)])
        self.assertEqual(self._get_tiles('DE', 'NOK'), [])

    def test_brand_that_was_taken_from_the_provider_is_replaced_by_the_other_one(self):
        for removed, shown in (
            (self.method_mobile_pay, self.method_vipps), (self.method_vipps, self.method_mobile_pay)
        ):
            self.vipps.payment_method_ids = shown
            for currency in BRANDS:
                with self.subTest(removed=removed.code, currency=currency):
                    self.assertEqual(self._get_tiles('NO', currency), [(shown.code, self.vipps)])

    def test_brand_that_was_archived_is_replaced_by_the_other_one(self):
        self.method_vipps.active = False
        self.assertEqual(self._get_tiles('NO', 'NOK'), [('mobile_pay', self.vipps)])

    def test_provider_without_our_methods_is_not_offered(self):
        self.vipps.payment_method_ids = self.env.ref('payment.payment_method_card')
        self.assertEqual(self._get_tiles('NO', 'NOK'), [])

    def test_method_is_offered_neither_for_tokens_nor_for_express_checkout(self):
        for context in ({'force_tokenization': True}, {'is_express_checkout': True}):
            with self.subTest(**context):
                self.assertFalse(self.env['payment.method']._get_compatible_payment_methods(
                    self.vipps.ids, self.partner.id, currency_id=self.currency_nok.id, **context
                ))

    #=== Beside a provider that shares a method ===#

    def test_other_provider_keeps_the_rule_of_core_and_ours_does_not(self):
        self.other.state = 'test'
        self.vipps.sequence, self.other.sequence = 2, 1
        ours, others = self.vipps, self.other
        for country, currency, expected in (
            # Both have the method for these customers: the first one gets the tile.
            ('DK', 'DKK', {('mobile_pay', others)}),
            ('FI', 'EUR', {('mobile_pay', others)}),
            (None, 'EUR', {('mobile_pay', others)}),
            # Core does not offer the method in these countries.
            ('SE', 'DKK', {('mobile_pay', ours)}),
            ('DE', 'EUR', {('mobile_pay', ours)}),
            ('NO', 'EUR', {('mobile_pay', ours)}),
            ('SE', 'NOK', {('vipps', ours)}),
            ('NO', 'NOK', {('vipps', ours)}),
            # We have the method, but another brand for this currency.
            ('DK', 'NOK', {('vipps', ours), ('mobile_pay', others)}),
            (None, 'NOK', {('vipps', ours), ('mobile_pay', others)}),
            # We don't take this currency.
            ('DK', 'SEK', {('mobile_pay', others)}),
            ('SE', 'SEK', set()),
        ):
            with self.subTest(country=country, currency=currency):
                tiles = self._get_tiles(country, currency)
                self.assertEqual(set(tiles), expected)
                self.assertEqual(len(tiles), len(expected))

    def test_provider_that_comes_first_gets_the_tile_that_both_offer(self):
        self.other.state = 'test'
        for first, second in ((self.vipps, self.other), (self.other, self.vipps)):
            first.sequence, second.sequence = 1, 2
            self.assertEqual(self._get_tiles('DK', 'DKK'), [('mobile_pay', first)])

    def test_other_provider_gets_the_tile_of_an_amount_that_we_do_not_take(self):
        self.other.state = 'test'
        self.vipps.sequence, self.other.sequence = 1, 2
        self.assertEqual(
            self._get_tiles('DK', 'DKK', amount=700000.0), [('mobile_pay', self.other)]
        )

    def test_payment_forms_of_other_providers_are_those_of_core(self):
        self.other.state = 'test'
        self.vipps.state = 'disabled'
        for country, expected in (('DK', [('mobile_pay', self.other)]), ('SE', [])):
            with self.subTest(country=country):
                self.assertEqual(self._get_tiles(country, 'DKK'), expected)

    def test_two_providers_of_ours_get_the_tile_of_their_currency_each(self):
        danish = self.vipps.copy({**KEYS, 'state': 'test', 'is_published': True})
        danish.available_currency_ids = self.currencies['DKK']
        self.vipps.available_currency_ids = self.currencies['NOK']
        self.assertEqual(self._get_tiles('SE', 'DKK'), [('mobile_pay', danish)])
        self.assertEqual(self._get_tiles('SE', 'NOK'), [('vipps', self.vipps)])

    #=== Records of core ===#

    def test_payment_methods_of_core_are_not_edited(self):
        for method, name, countries, currencies in (
            (self.method_vipps, "Vipps", {'NO'}, {'NOK'}),
            (self.method_mobile_pay, "MobilePay", {'DK', 'FI'}, {'EUR', 'DKK', 'SEK', 'NOK'}),
        ):
            method = method.with_context(active_test=False)
            with self.subTest(method=name):
                self.assertEqual(method.name, name)
                self.assertEqual(set(method.supported_country_ids.mapped('code')), countries)
                self.assertEqual(set(method.supported_currency_ids.mapped('name')), currencies)
                self.assertEqual(method.support_refund, 'partial')
                self.assertTrue(method.is_primary)
                self.assertEqual(method.sequence, 1000)
        self.assertFalse(self.env['ir.model.data'].sudo().search([
            ('module', '=', 'mobilepay_vipps'), ('model', '=', 'payment.method'),
        ]))
