# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import json

from lxml import html

from odoo.fields import Command
from odoo.http import root
from odoo.tests import tagged

from ... import const
from ...simulator.sales_units import DKK_UNIT
from .express_common import ExpressCommon


@tagged('post_install', '-at_install')
class TestExpressShops(ExpressCommon):
    """ Several websites, companies, languages and price lists; and products with variants. """

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.template = cls.product.product_tmpl_id

    def _visit(self, website):
        """ Have this browser be one that is on a website. """
        self.authenticate(None, None)
        self.session['force_website_id'] = website.id
        root.session_store.save(self.session)

    def _prepare_price(self, price):
        return Command.create({
            'applied_on': '1_product', 'product_tmpl_id': self.template.id,
            'compute_price': 'fixed', 'fixed_price': price,
        })

    def _finish(self, tx, option):
        """ Approve, let everything follow, and return the order. """
        self._approve_express(tx, option)
        self._refresh(tx)
        self._run_job()
        order = tx.sale_order_ids
        self.assertFalse(order.activity_ids.mapped('note'))
        self.assertEqual(order.state, 'sale')
        self.assertEqual(order.amount_total, tx.amount)
        return order

    def _create_danish_website(self):
        """ Return a website of a company in Denmark, with its own sales unit, language, price list
        and delivery method. """
        danish = self.env['res.lang']._activate_lang('da_DK')
        company = self.env['res.company'].create({
            'name': "Dansk Butik", 'currency_id': self.currency_dkk.id,
            'country_id': self.env.ref('base.dk').id,
        })
        self.env.user.company_ids += company
        website = self.env['website'].create({
            'name': "Dansk Butik", 'company_id': company.id, 'language_ids': danish.ids,
            'default_lang_id': danish.id, 'account_on_checkout': 'optional',
        })
        self.env['product.pricelist'].create({
            'name': "Danske priser", 'currency_id': self.currency_dkk.id, 'website_id': website.id,
            'company_id': company.id, 'selectable': True,
            'item_ids': [self._prepare_price(150)],
        })
        self.vipps.copy({
            'company_id': company.id, 'website_id': website.id, 'state': 'test',
            'is_published': True, 'allow_express_checkout': True, 'vipps_capture_mode': 'manual',
            'vipps_merchant_serial_number': DKK_UNIT.msn,
            'vipps_client_id': DKK_UNIT.client_id,
            'vipps_client_secret': DKK_UNIT.client_secret,
            'vipps_subscription_key': DKK_UNIT.subscription_key,
        })
        carrier = self._create_carrier(
            "Bike", 39, website_id=website.id, company_id=company.id,
            zip_prefix_ids=[Command.create({'name': '16'})],
        )
        carrier.with_context(lang='da_DK').name = "Cykelbud"
        return website

    def test_each_website_has_its_own_sales_unit_deliveries_prices_and_language(self):
        danish = self._create_danish_website()
        (self.home | self.parcel).website_id = self.website
        for website, address, unit, amount, deliveries, lang in (
            (danish, 'copenhagen', (DKK_UNIT.msn, 'DKK'), 150, {"Cykelbud": 39}, 'da_DK'),
            (self.website, 'home', (self.vipps.vipps_merchant_serial_number, 'NOK'), 200,
             {"Home delivery": 49, "Parcel shop": 29}, 'en_US'),
        ):
            with self.subTest(website.name):
                self._visit(website)
                self.url_open('/shop/cart')
                self.make_jsonrpc_request('/shop/cart/update_json', {
                    'product_id': self.product.id, 'add_qty': 1,
                })
                tx = self._start_express()
                request = self._get_payment(tx)['request']
                self.assertEqual(
                    (tx.provider_id.vipps_merchant_serial_number, request['amount']['currency']),
                    unit,
                )
                self.assertEqual((tx.amount, tx.partner_lang), (amount, lang))
                self.simulator.choose_address(tx.vipps_payment_reference, address)
                self.env.invalidate_all()
                options = tx.vipps_express_offer['options']
                self.assertEqual(
                    {option['name']: option['amount'] for option in options.values()}, deliveries,
                )
                order = self._finish(tx, next(iter(options)))
                self.assertEqual(order.website_id, website)
                self.assertEqual(order.company_id, website.company_id)
                self.assertEqual(order.partner_id.lang, lang)

    def test_branch_sells_with_the_sales_unit_and_the_taxes_of_its_parent(self):
        branch, sibling = self.env['res.company'].create([
            {'name': name, 'parent_id': self.company.id, 'country_id': self.country_norway.id}
            for name in ("A Branch", "Another Branch")
        ])
        self.env.cr.precommit.run()  # Loads the chart of accounts.
        self.env.user.company_ids += branch | sibling
        tax = self.env['account.tax'].create({
            'name': "VAT 25", 'amount': 25, 'company_id': self.company.id,
        })
        self.product.taxes_id = tax
        self.home.product_id.taxes_id = tax
        self.parcel.company_id = self.company  # Orders of branches cannot have it.
        self._create_carrier("Another's", 9, company_id=sibling.id)
        self._create_carrier("Own", 19, company_id=branch.id)
        self.website.company_id = branch
        self._visit(self.website)
        self._put_into_cart()
        tx = self._start_express()
        self.assertEqual((tx.amount, tx.provider_id), (250, self.vipps))
        options = tx.vipps_express_offer['options'].values()
        self.assertEqual({option['name']: option['amount'] for option in options}, {
            "Home delivery": 61.25, "Own": 19,
        })
        order = self._finish(tx, self._get_option(tx, self.home))
        self.assertEqual((order.company_id, order.amount_total), (branch, 311.25))
        self.assertEqual((tx.state, self._get_aggregate(tx)['captured']), ('done', 31125))

    def test_price_list_of_the_cart_stays_whoever_the_customer_is(self):
        pricelists = self.env['product.pricelist']
        members, everybody, _norway = pricelists.create([{
            'name': name, 'currency_id': self.currency_nok.id, 'selectable': True,
            'company_id': self.company.id, 'sequence': sequence, 'country_group_ids': groups,
            'item_ids': [self._prepare_price(price)],
        } for name, sequence, price, groups in (
            ("Members", 50, 120, []),
            ("Everybody", 51, 200, []),
            ("Norway", 1, 90, [Command.create({
                'name': "Norway", 'country_ids': [Command.set(self.country_norway.ids)],
            })]),
        )])
        self.home.write({
            'delivery_type': 'base_on_rule', 'price_rule_ids': [
                Command.create({'variable': 'price', 'operator': operator, 'max_value': 150,
                                'list_base_price': price})
                for operator, price in (('<', 77), ('>=', 11))
            ],
        })
        for is_members, amount, delivery in ((True, 120, 77), (False, 200, 11)):
            for is_own in (False, True):
                with self.subTest(is_members=is_members, is_own=is_own):
                    self._visit(self.website)
                    pricelist = members if is_members else everybody
                    self.env.flush_all()
                    self.url_open(f'/shop/change_pricelist/{pricelist.id}')
                    page = self._open_product() if is_own else None
                    if not is_own:
                        self._put_into_cart()
                    tx = self._start_express(page)
                    self.assertEqual(tx.amount, amount)
                    self.assertEqual(tx.sale_order_ids.pricelist_id, pricelist)
                    order = self._finish(tx, self._get_option(tx, self.home))
                    self.assertEqual(order.amount_total, amount + delivery)
                    self.assertEqual(order.pricelist_id, pricelist)

    #=== Variants ===#

    def _add_attribute(self, name, create_variant, extras, custom=()):
        """ Return the values of a new attribute of the product, by their names. """
        attribute = self.env['product.attribute'].create({
            'name': name, 'create_variant': create_variant, 'value_ids': [
                Command.create({'name': value, 'is_custom': value in custom}) for value in extras
            ],
        })
        line = self.env['product.template.attribute.line'].create({
            'product_tmpl_id': self.template.id, 'attribute_id': attribute.id,
            'value_ids': [Command.set(attribute.value_ids.ids)],
        })
        values = {value.name: value for value in line.product_template_value_ids}
        for value, extra in extras.items():
            values[value].price_extra = extra
        return values

    def test_variant_that_is_chosen_on_the_page_is_bought(self):
        template = self.template
        sizes = self._add_attribute("Size", 'always', {"M": 0, "L": 30})
        colors = self._add_attribute("Color", 'dynamic', {"Red": 0, "Blue": 7})
        wraps = self._add_attribute("Wrap", 'no_variant', {"None": 0, "Gift": 15})
        page = html.fromstring(self.url_open(template.website_url).text)
        for size, color, wrap, amount in (
            ("M", "Red", "None", 200), ("L", "Blue", "Gift", 252), ("L", "Blue", "None", 237),
        ):
            for is_made in (False, True):
                with self.subTest((size, color, wrap), is_made=is_made):
                    values = sizes[size] | colors[color]
                    made = template.product_variant_ids.filtered(
                        lambda p, v=values: p.product_template_attribute_value_ids == v
                    )
                    tx = self._start_express(page, product_id=str(is_made and made.id or 0), **{
                        f'ptal-{value.attribute_line_id.id}': str(value.id)
                        for value in values | wraps[wrap]
                    })
                    line = tx.sale_order_ids.order_line
                    self.assertEqual((line.product_template_attribute_value_ids, tx.amount), (
                        values, amount,
                    ))
                    self.assertEqual(line.product_no_variant_attribute_value_ids, wraps[wrap])
                    order = self._finish(tx, self._get_option(tx, self.home))
                    self.assertEqual(order.amount_total, amount + 49)
        self.assertEqual(len(template.product_variant_ids), 2)

    def test_words_of_the_customer_go_through_the_cart(self):
        page = self._open_product()
        names = self._add_attribute("Name", 'no_variant', {"None": 0, "Yours": 25}, ["Yours"])
        self.env.flush_all()
        self.assertFalse(self._find_button(self._open_product()))
        self.assertIn("to the cart", self._refuse_express(page, **{
            f'ptal-{names["Yours"].attribute_line_id.id}': str(names["Yours"].id),
        }))
        self.make_jsonrpc_request('/shop/cart/update_json', {
            'product_id': self.template.product_variant_id.id, 'add_qty': 1,
            'no_variant_attribute_values': json.dumps([{'value': names["Yours"].id}]),
            'product_custom_attribute_values': json.dumps([{
                'custom_product_template_attribute_value_id': names["Yours"].id,
                'custom_value': "Kari",
            }]),
        })
        tx = self._start_express()
        self.assertEqual(tx.amount, 225)
        order = self._finish(tx, self._get_option(tx, self.home))
        line = order.order_line.filtered(lambda line: not line.is_delivery)
        self.assertEqual(line.product_custom_attribute_value_ids.custom_value, "Kari")
        self.assertIn("Kari", line.name)
        self.assertEqual(
            {line['name'] for line in self._get_payment(tx)['request']['receipt']['orderLines']},
            {"Wool Sweater"},
        )

    def test_key_enter_buys_nothing(self):
        page = self._open_product()
        form = next(self._find_button(page)[0].iterancestors('form'))
        first = form.xpath('.//button[@type="submit"] | .//input[@type="submit"]')[0]
        inputs = {field.get('name'): field.get('value') for field in form.xpath('.//input[@name]')}
        route = first.get('formaction') or form.get('action')
        self.assertNotEqual(route, const.EXPRESS_ROUTE)
        self.url_open(route, data=inputs)
        self.assertFalse(self._get_calls('create'))
        self.assertTrue(self._open_cart().xpath('//a[contains(., "Wool Sweater")]'))
