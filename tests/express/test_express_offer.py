# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from freezegun import freeze_time
from lxml import html

from odoo.fields import Command
from odoo.tests import tagged

from .express_common import ExpressCommon


@tagged('post_install', '-at_install')
class TestExpressOffer(ExpressCommon):
    """ Where the button is shown, and where not; the staff can read why. """

    def _is_offered(self):
        return bool(self._find_button(self._open_cart()))

    def _find_on_product(self):
        answer = self.url_open(self.product.website_url)
        self.assertEqual(answer.status_code, 200)
        return self._find_button(html.fromstring(answer.text))

    def _read_obstacle(self, order):
        self.env.invalidate_all()
        return order.with_user(self.salesman).vipps_express_obstacle

    #=== Places ===#

    def test_cart_has_a_button_with_a_name(self):
        order = self._put_into_cart()
        button, = self._find_button(self._open_cart())
        self.assertEqual(button.text_content().strip(), "Buy now with Vipps")
        self.assertEqual(button.get('type'), 'submit')
        self.assertFalse(self._read_obstacle(order))

    def test_empty_cart_has_none(self):
        self.assertFalse(self._is_offered())

    def test_cart_has_none_if_that_is_switched_off(self):
        self._put_into_cart()
        self.vipps.vipps_express_in_cart = False
        self.assertFalse(self._is_offered())
        self.assertTrue(self._find_on_product())

    def test_product_page_has_none_if_that_is_switched_off(self):
        self.assertTrue(self._find_on_product())
        self.vipps.vipps_express_on_product = False
        self.assertFalse(self._find_on_product())

    def test_button_is_beside_the_express_of_another_provider(self):
        self._put_into_cart()
        self.dummy_provider.write({
            'state': 'enabled', 'is_published': True, 'allow_express_checkout': True, 'sequence': 0,
        })
        self.assertTrue(self._is_offered())

    def test_other_website_has_none(self):
        self._put_into_cart()
        self.vipps.website_id = self.env['website'].create({'name': "Another shop"})
        self.assertFalse(self._is_offered())

    def test_brand_follows_the_market_and_the_date(self):
        for date, brand in (('2027-01-11', "MobilePay"), ('2027-01-12', "Vipps")):
            with freeze_time(date):
                self.assertEqual(self.vipps._vipps_get_express_brand(self.currency_dkk), brand)
                self.assertEqual(self.vipps._vipps_get_express_brand(self.currency_nok), "Vipps")

    #=== Obstacles ===#

    def test_express_that_is_switched_off_is_not_offered(self):
        order = self._put_into_cart()
        self.vipps.allow_express_checkout = False
        self.assertFalse(self._is_offered())
        self.assertFalse(self._find_on_product())
        self.assertIn("switched off", self._read_obstacle(order))

    def test_excluded_product_is_not_offered(self):
        order = self._put_into_cart()
        self.product.vipps_is_express_excluded = True
        self.assertFalse(self._is_offered())
        self.assertFalse(self._find_on_product())
        self.assertIn("Wool Sweater is excluded", self._read_obstacle(order))

    def test_product_of_an_excluded_category_is_not_offered(self):
        categories = self.env['product.public.category']
        parent = categories.create({'name': "Adults only"})
        child = categories.create({'name': "Wine", 'parent_id': parent.id})
        order = self._put_into_cart()
        self.product.public_categ_ids = child
        self.assertTrue(self._is_offered())
        self.vipps.vipps_express_excluded_category_ids = parent
        self.assertFalse(self._is_offered())
        self.assertIn("excluded", self._read_obstacle(order))

    def test_free_cart_is_not_offered(self):
        self.product.list_price = 0
        self.website.prevent_zero_price_sale = False
        order = self._put_into_cart()
        self.assertFalse(self._is_offered())
        self.assertIn("nothing to pay", self._read_obstacle(order))

    def test_goods_without_a_delivery_method_are_not_offered(self):
        order = self._put_into_cart()
        (self.home | self.parcel).is_published = False
        self.assertFalse(self._is_offered())
        self.assertIn("delivery method", self._read_obstacle(order))
        self.product.type = 'service'
        self.assertTrue(self._is_offered())

    def test_delivery_method_of_another_country_does_not_count(self):
        order = self._put_into_cart()
        (self.home | self.parcel).country_ids = self.env.ref('base.dk')
        self.assertFalse(self._is_offered())
        self.assertIn("delivery method", self._read_obstacle(order))

    def test_delivery_whose_price_is_known_later_is_left_out(self):
        self._put_into_cart()
        self.home.invoice_policy = 'real'
        options = self._start_express().vipps_express_offer['options']
        self.assertEqual({option['carrier'] for option in options.values()}, {self.parcel.id})

    def test_guest_is_not_offered_it_where_customers_have_to_log_in(self):
        order = self._put_into_cart()
        self.website.account_on_checkout = 'mandatory'
        self.assertFalse(self._is_offered())
        self.assertIn("log in", self._read_obstacle(order))

    def test_country_with_other_taxes_is_left_out(self):
        taxes = self.env['account.tax'].create([
            {'name': f"VAT {rate}", 'amount': rate, 'company_id': self.company.id}
            for rate in (25, 0)
        ])
        self.product.taxes_id = taxes[0]
        self.env['account.fiscal.position'].create({
            'name': "Abroad", 'auto_apply': True, 'company_id': self.company.id,
            'country_id': self.env.ref('base.se').id,
            'tax_ids': [Command.create({'tax_src_id': taxes[0].id, 'tax_dest_id': taxes[1].id})],
        })
        self.vipps.vipps_express_country_ids = self.country_norway | self.env.ref('base.se')
        order = self._put_into_cart()
        tx = self._start_express()
        self.assertEqual(self._get_shipping(tx)['allowedCountries'], ['NO'])
        self.vipps.vipps_express_country_ids = self.env.ref('base.se')
        self.assertFalse(self._is_offered())
        self.assertIn("taxes depend", self._read_obstacle(order))

    def test_country_whose_taxes_depend_on_the_postal_code_is_left_out(self):
        self.env['account.fiscal.position'].create({
            'name': "Svalbard", 'auto_apply': True, 'company_id': self.company.id,
            'country_id': self.country_norway.id, 'zip_from': '9170', 'zip_to': '9179',
        })
        order = self._put_into_cart()
        self.assertFalse(self._is_offered())
        self.assertIn("taxes depend", self._read_obstacle(order))

    def test_paid_order_is_not_offered(self):
        order = self._put_into_cart()
        self._create_transaction(
            'direct', sale_order_ids=[Command.set(order.ids)], state='authorized', reference="half",
            amount=100,
        )
        self.assertIn("Another payment", self._read_obstacle(order))

    def test_confirmed_order_has_no_reason(self):
        order = self._put_into_cart()
        order.action_confirm()
        self.assertFalse(self._read_obstacle(order))
