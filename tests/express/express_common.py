# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from lxml import html

from odoo.fields import Command

from ..http_common import CheckoutCommon


class ExpressCommon(CheckoutCommon):
    """ A shop that sells goods with Express, and two delivery methods of fixed price. """

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.vipps.write({'allow_express_checkout': True, 'vipps_capture_mode': 'automatic'})
        cls.company.country_id = cls.country_norway
        cls.website.write({'account_on_checkout': 'optional', 'domain': False})
        cls.env['ir.config_parameter'].set_param('web.base.url', cls.base_url())
        cls.product.write({
            'type': 'consu', 'list_price': 200, 'is_published': True, 'website_published': True,
        })
        cls.env['delivery.carrier'].search([]).is_published = False
        cls.home = cls._create_carrier("Home delivery", 49)
        cls.parcel = cls._create_carrier("Parcel shop", 29, vipps_express_type='PICKUP_POINT')

    @classmethod
    def _create_carrier(cls, name, price, taxes=None, **values):
        return cls.env['delivery.carrier'].create({
            'name': name, 'fixed_price': price, 'is_published': True,
            'product_id': cls.env['product.product'].create({
                'name': name, 'type': 'service', 'list_price': price, 'sale_ok': False,
                'taxes_id': [Command.set(taxes.ids if taxes else [])],
            }).id,
            **values,
        })

    #=== The customer ===#

    def _put_into_cart(self, quantity=1, product=None):
        """ Return the cart of this browser, with a product of the shop. """
        self.url_open('/shop/cart')  # A session, and its token.
        self.make_jsonrpc_request('/shop/cart/update_json', {
            'product_id': (product or self.product).id, 'add_qty': quantity,
        })
        return self.env['sale.order'].search([
            ('website_id', '=', self.website.id), ('state', '=', 'draft'),
        ], order='id desc', limit=1)

    def _open_cart(self):
        self.env.flush_all()
        answer = self.url_open('/shop/cart')
        self.assertEqual(answer.status_code, 200)
        return html.fromstring(answer.text)

    def _open_product(self):
        answer = self.url_open(self.product.website_url)
        return html.fromstring(answer.text)

    def _find_button(self, page):
        return page.xpath('//button[@name="vipps_express"]')

    def _press(self, page=None, **values):
        """ Press the button of a page, by default of the cart, and return the answer. """
        page = self._open_cart() if page is None else page
        button, = self._find_button(page)
        self.env.flush_all()
        form = next(button.iterancestors('form'))
        inputs = {
            field.get('name'): field.get('value') for field in form.xpath('.//input[@name]')
            if field.get('type') != 'radio' or field.get('checked')
        }
        route = button.get('formaction') or form.get('action')
        return self.url_open(route, data={**inputs, **values}, allow_redirects=False)

    def _start_express(self, page=None, **values):
        """ Press the button, and return the transaction whose payment the browser is sent to. """
        answer = self._press(page, **values)
        self.env.invalidate_all()
        tx = self.env['payment.transaction'].sudo().search([], order='id desc', limit=1)
        self.assertEqual(answer.status_code, 303)
        self.assertEqual(answer.headers['Location'], tx.vipps_redirect_url)
        return tx

    def _refuse_express(self, page=None, **values):
        """ Press the button in vain, and return the sentence of the page. """
        answer = self._press(page, **values)
        self.assertEqual(answer.status_code, 200)
        page = html.fromstring(answer.text).get_element_by_id('o_vipps_express_refused')
        return page.text_content()

    def _approve_express(self, tx, option=None):
        """ Approve in the app, with the cheapest delivery if no other is chosen. """
        self.simulator.approve(tx.vipps_payment_reference, option)

    def _buy(self, carrier=None):
        """ Buy the cart of this browser with one press, up to the follow-up. """
        tx = self._start_express()
        option = carrier and self._get_option(tx, carrier)
        self._approve_express(tx, option)
        self._refresh(tx)
        return tx

    def _check_waiting(self, tx, amount, reason, is_captured=False):
        """ Check that the payment is reserved and its order is left to people, who know why. """
        order = tx.sale_order_ids
        self.env.invalidate_all()
        self.assertEqual((tx.state, tx.amount), ('authorized', amount))
        self.assertEqual(order.state, 'draft')
        aggregate = self._get_aggregate(tx)
        self.assertEqual(aggregate['authorized'], round(amount * 100))
        self.assertEqual((aggregate['captured'], aggregate['cancelled']), (0, 0))
        activity, = order.activity_ids
        self.assertEqual(activity.vipps_problem, f'express:{tx.id}')
        self.assertIn(reason, activity.note)
        self.assertIn(reason, tx.vipps_express_problem)
        self.assertIn(f"{amount:.2f}", activity.note)
        self.assertIn(f"{order.amount_total:.2f}", activity.note)
        self.assertEqual(tx._vipps_get_result(), 'contact')
        self._run_job()
        self.assertEqual(order.activity_ids, activity)
        return activity

    def _get_option(self, tx, carrier):
        """ Return the id of the option of a delivery method. """
        options = tx.vipps_express_offer['options']
        return next(key for key in options if options[key]['carrier'] == carrier.id)

    def _get_shipping(self, tx):
        return self._get_payment(tx)['request']['shipping']
