# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from lxml import html

from odoo.tests import HttpCase
from odoo.tests.common import Opener
from odoo.tools import mute_logger

from .common import TransactionCommon


class CheckoutCommon(TransactionCommon, HttpCase):
    """ A public customer with a browser that keeps cookies. """

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.website = cls.env['website'].get_current_website()
        cls.website.company_id = cls.company
        cls.env['product.pricelist'].search([]).currency_id = cls.currency_nok
        cls.product.write({'type': 'service', 'list_price': cls.amount})
        cls.partner.write({
            'email': 'kari.nordmann@example.com', 'street': "Storgata 17", 'zip': '0184',
            'city': "Oslo",
        })

    def setUp(self):
        super().setUp()
        self.authenticate(None, None)

    #=== The customer ===#

    def _create_cart(self):
        """ Return an order that is the cart of this browser. """
        order = self._create_order(website_id=self.website.id)
        order._portal_ensure_token()
        self.url_open(f'/shop/cart?access_token={order.access_token}&revive=squash')
        return order

    def _prepare_params(self, **params):
        """ Return the values that the payment form sends for any document. """
        return {
            'provider_id': self.vipps.id,
            'payment_method_id': self.method_vipps.id,
            'token_id': None,
            'amount': self.amount,
            'flow': 'redirect',
            'tokenization_requested': False,
            'landing_route': '/my/home',
            **params,
        }

    def _prepare_order_params(self, order, **params):
        return self._prepare_params(**{
            'access_token': order._portal_ensure_token(), 'amount': order.amount_total, **params
        })

    def _prepare_link_params(self, amount=None, currency=None, **params):
        amount = self.amount if amount is None else amount
        currency = currency or self.currency_nok
        return self._prepare_params(
            amount=amount, currency_id=currency.id, partner_id=self.partner.id,
            access_token=self._generate_test_access_token(self.partner.id, amount, currency.id),
            **params,
        )

    def _ask(self, route, params):
        """ Return the processing values that the payment form gets for a transaction. """
        return self.make_jsonrpc_request(route, params)

    def _ask_refused(self, route, params):
        """ Return the sentence that the payment form shows when it gets no transaction. """
        with mute_logger('odoo.http'):
            answer = self.opener.post(
                self.base_url() + route, json={'jsonrpc': '2.0', 'id': 0, 'params': params},
                timeout=12,
            ).json()
        return answer['error']['data']['message']

    def _post_form(self, processing_values):
        """ Submit the redirect form as the browser does. """
        form = self._extract_values_from_html_form(processing_values['redirect_form_html'])
        self.assertEqual(form['method'], 'post')
        return self.url_open(form['action'], data=form['inputs'], allow_redirects=False)

    def _start_checkout(self, route, params):
        """ Start to pay and return the transaction. """
        values = self._ask(route, params)
        answer = self._post_form(values)
        tx = self._get_tx(values['reference'])
        self.assertEqual(answer.status_code, 303)
        self.assertEqual(answer.headers['Location'], tx.vipps_redirect_url)
        return tx

    def _start_cart(self):
        order = self._create_cart()
        return self._start_checkout(
            f'/shop/payment/transaction/{order.id}', self._prepare_order_params(order)
        )

    def _poll(self):
        """ Ask how it went as the status page does; then the job runs. """
        values = self.make_jsonrpc_request('/payment/status/poll', {})
        self._follow_up()
        return values

    def _get_return_url(self, tx):
        return self._get_payment(tx)['request']['returnUrl']

    def _return(self, tx):
        """ Come back from the app; then the job runs. """
        answer = self.url_open(self._get_return_url(tx), allow_redirects=False)
        self._follow_up()
        return answer

    def _change_browser(self, with_session=False):
        if with_session:
            self.authenticate(None, None)
        else:
            self.opener = Opener(self.cr)

    def _get_result(self, answer):
        """ Return the result on the page that the customer ends on. """
        self.assertEqual(answer.status_code, 200)
        page = html.fromstring(answer.text).get_element_by_id('o_vipps_payment_result')
        return page.get('data-result'), page

    def _get_link(self, page, text):
        return page.xpath(f'.//a[normalize-space()="{text}"]/@href')[0]
