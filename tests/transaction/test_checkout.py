# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import json
from unittest.mock import patch
from urllib.parse import parse_qs, urlsplit

import requests
from freezegun import freeze_time
from lxml import html

from odoo import fields
from odoo.fields import Command
from odoo.tests import tagged
from odoo.tools import mute_logger

from ...simulator.sales_units import NOK_UNIT
from ..http_common import CheckoutCommon


@tagged('post_install', '-at_install', 'vipps_alone')
class TestCheckout(CheckoutCommon):
    """ Paying through the routes of shop, quotation, invoice and payment link. """

    def _assert_pays(self, route, params):
        self.vipps.vipps_capture_mode = 'automatic'
        tx = self._start_checkout(route, params)
        self.assertTrue(tx.vipps_redirect_url.startswith(f'{self.simulator.url}/landing?token='))
        self.assertEqual(requests.get(tx.vipps_redirect_url, timeout=10).status_code, 200)
        self._approve(tx)

        answer = self._return(tx)
        self.assertEqual(answer.status_code, 303)
        self.assertEqual(urlsplit(answer.headers['Location']).path, '/payment/status')
        values = self._poll()
        self.assertEqual((values['state'], values['provider_code']), ('done', 'vipps'))
        self.assertEqual(self._get_aggregate(tx)['captured'], 24950)
        self.assertTrue(tx.is_post_processed)
        self.assertEqual(tx.payment_id.state, 'posted')
        return tx, values

    def test_the_order_of_a_shop_is_paid(self):
        order = self._create_cart()
        form = self.url_open('/shop/checkout?express=1')  # As the button of the cart does.
        self.assertIn(f'data-provider-id="{self.vipps.id}"', form.text)
        _tx, values = self._assert_pays(
            f'/shop/payment/transaction/{order.id}',
            self._prepare_order_params(order, landing_route='/shop/payment/validate'),
        )
        self.assertEqual(order.state, 'sale')
        page = self.url_open(values['landing_route'])
        self.assertEqual(urlsplit(page.url).path, '/shop/confirmation')
        self.assertIn(order.name, page.text)

    def test_a_customer_of_the_shop_reads_that_the_amount_is_reserved(self):
        order = self._create_cart()
        self.url_open('/shop/checkout?express=1')  # As the button of the cart does.
        tx = self._start_checkout(
            f'/shop/payment/transaction/{order.id}',
            self._prepare_order_params(order, landing_route='/shop/payment/validate'),
        )
        self._approve(tx)
        self._return(tx)
        page = html.fromstring(self.url_open(self._poll()['landing_route']).content)
        status, = page.xpath("//div[hasclass('oe_website_sale_tx_status')]")
        self.assertIn("it is charged when we deliver", status.text_content())
        chosen = page.xpath("//h4[.='Payment Information']/following-sibling::table[1]//td")[0]
        self.assertEqual(chosen.text_content().strip(), self.method_vipps.name)

    def test_the_status_page_has_our_title_and_heading_for_our_payments_only(self):
        tx = self._start_cart()
        for provider, title, heading in (
            (self.vipps, "Our Title", "Please wait"), (self.dummy_provider, "Payment Status", None),
        ):
            tx.provider_id = provider
            with self.subTest(provider=provider.code), patch(
                'odoo.addons.mobilepay_vipps.controllers.post_processing._',
                return_value="Our Title",
            ):
                page = html.fromstring(self.url_open('/payment/status').content)
                self.assertIn(title, page.findtext('.//title'))
                values = self.make_jsonrpc_request('/payment/status/poll', {})
                self.assertEqual(values.get('vipps_heading'), heading)

    def test_a_payment_with_another_provider_is_shown_as_ever(self):
        order = self._create_order()
        tx = self._create_transaction('direct', sale_order_ids=[Command.set(order.ids)])
        tx.provider_id = self.dummy_provider
        self.dummy_provider.support_manual_capture = 'full_only'
        tx._set_authorized()
        status = self.env['ir.qweb']._render('website_sale.payment_confirmation_status', {
            'order': order, 'order_tracking_info': {}, 'json': json,
        })
        self.assertIn("authorized", html.fromstring(status).text_content())

    def test_a_quotation_is_paid(self):
        order = self._create_order()
        self._assert_pays(
            f'/my/orders/{order.id}/transaction', self._prepare_order_params(order)
        )
        self.assertEqual(order.state, 'sale')

    def test_an_invoice_is_paid(self):
        invoice = self._create_invoice()
        self._assert_pays(f'/invoice/transaction/{invoice.id}', self._prepare_params(
            access_token=invoice._portal_ensure_token(), amount=invoice.amount_residual,
        ))
        self.assertIn(invoice.payment_state, ('paid', 'in_payment'))

    def test_a_payment_link_is_paid(self):
        tx, _values = self._assert_pays(
            '/payment/transaction', self._prepare_link_params(reference_prefix='Donation 7')
        )
        self.assertIn('-Donation-7-', tx.reference)

    def test_the_url_of_the_payment_is_neither_in_the_form_nor_in_the_log(self):
        with self.assertLogs(None, 'DEBUG') as log, mute_logger('odoo.sql_db'):
            values = self._ask('/payment/transaction', self._prepare_link_params())
            self._post_form(values)
        url = self._get_tx(values['reference']).vipps_redirect_url
        token = parse_qs(urlsplit(url).query)['token'][0]
        self.assertNotIn(token, str(values))
        for line in log.output:
            self.assertNotIn(token, line)

    def test_another_browser_is_not_sent_to_the_payment(self):
        tx = self._start_cart()
        for with_session in (True, False):
            with self.subTest(with_session=with_session):
                self._change_browser(with_session)
                answer = self.url_open(
                    '/payment/vipps/redirect', data={'reference': tx.reference},
                    allow_redirects=False,
                )
                self.assertEqual(answer.status_code, 303)
                self.assertEqual(urlsplit(answer.headers['Location']).path, '/payment/status')

    def test_the_form_of_a_payment_that_is_decided_leads_to_its_result(self):
        values = self._ask('/payment/transaction', self._prepare_link_params())
        tx = self._get_tx(values['reference'])
        self.simulator.decline(tx.vipps_payment_reference)
        self._refresh(tx)
        answer = self._post_form(values)
        self.assertEqual(answer.status_code, 303)
        self.assertEqual(urlsplit(answer.headers['Location']).path, '/payment/vipps/return')

    def test_a_zero_total_never_reaches_vipps_mobilepay(self):
        order = self._create_order(0)
        for route, params in (
            ('/payment/transaction', self._prepare_link_params(0)),
            (f'/my/orders/{order.id}/transaction', self._prepare_order_params(order)),
        ):
            with self.subTest(route=route):
                sentence = self._ask_refused(route, params)
                self.assertIn("choose another payment method", sentence)
        self.assertFalse(self.simulator.exchanges)

    def test_an_amount_outside_of_the_limits_never_reaches_vipps_mobilepay(self):
        for amount in (0.99, 650000.01, -5.0):
            with self.subTest(amount=amount):
                sentence = self._ask_refused(
                    '/payment/transaction', self._prepare_link_params(amount)
                )
                self.assertIn("choose another payment method", sentence)
        self.assertFalse(self.simulator.exchanges)

    def test_a_currency_that_is_not_supported_never_reaches_vipps_mobilepay(self):
        self._ask_refused(
            '/payment/transaction', self._prepare_link_params(currency=self.currency_usd)
        )
        self.assertFalse(self.simulator.exchanges)

    def test_a_provider_that_is_not_offered_never_reaches_vipps_mobilepay(self):
        for values in ({'is_published': False}, {'maximum_amount': 100}, {'state': 'disabled'}):
            with self.subTest(**values):
                self.vipps.write({'state': 'test', 'is_published': True, 'maximum_amount': 0})
                self.vipps.write(values)
                self._ask_refused('/payment/transaction', self._prepare_link_params())
        self.assertFalse(self.simulator.exchanges)

    def test_the_provider_of_another_company_is_not_used_for_an_order(self):
        company = self.env['res.company'].create({'name': "Another company"})
        provider = self._prepare_provider('vipps', company, {
            'vipps_merchant_serial_number': NOK_UNIT.msn,
            'vipps_client_id': NOK_UNIT.client_id,
            'vipps_client_secret': NOK_UNIT.client_secret,
            'vipps_subscription_key': NOK_UNIT.subscription_key,
            'is_published': True,
        })
        order = self._create_order()
        self._ask_refused(
            f'/my/orders/{order.id}/transaction',
            self._prepare_order_params(order, provider_id=provider.id),
        )
        self.assertFalse(self.simulator.exchanges)

    def test_the_direct_flow_creates_no_payment(self):
        order = self._create_cart()
        values = self._ask(
            f'/shop/payment/transaction/{order.id}',
            self._prepare_order_params(order, flow='direct'),
        )
        self.assertNotIn('redirect_form_html', values)
        self.assertEqual(self._poll()['state'], 'draft')
        self.assertFalse(self.simulator.payments)
        self.assertEqual(order.state, 'draft')


@tagged('post_install', '-at_install')
class TestStatusPoll(CheckoutCommon):

    def test_the_open_payment_is_read_at_most_once_every_two_seconds(self):
        tx = self._start_cart()
        with freeze_time(fields.Datetime.now()) as clock:
            reads = []
            for seconds in (0, 0, 1, 1, 1, 0, 1, 1, 1):
                clock.tick(seconds)
                self._poll()
                reads.append(len(self._get_calls('get', tx)))
        self.assertEqual(reads, [1, 1, 1, 1, 2, 2, 2, 2, 3])

    def test_all_browsers_together_read_at_most_once_every_two_seconds(self):
        tx = self._start_cart()
        with freeze_time(fields.Datetime.now()):
            self._poll()
            self._return(tx)
            self._change_browser()
            self._return(tx)
        self.assertEqual(len(self._get_calls('get', tx)), 1)

    def test_the_poll_shows_the_result(self):
        tx = self._start_cart()
        self.assertEqual(self._poll()['state'], 'draft')
        self._approve(tx)
        with freeze_time(fields.Datetime.now()) as clock:
            clock.tick(3)
            self.assertEqual(self._poll()['state'], 'authorized')

    def test_the_poll_speaks_the_language_of_the_page_and_not_of_the_browser(self):
        self.website.language_ids += self.env['res.lang']._activate_lang('da_DK')
        self._start_cart()
        english = self._poll()['display_message']
        self.opener.cookies['frontend_lang'] = 'da_DK'
        self.opener.headers['Accept-Language'] = 'en-US'
        danish = self._poll()['display_message']
        self.assertIn("your payment", english)
        self.assertIn("betaling", danish)

    def test_a_payment_that_is_decided_is_not_read_again(self):
        tx = self._start_cart()
        self._approve(tx)
        self._poll()
        with freeze_time(fields.Datetime.now()) as clock:
            clock.tick(60)
            self._poll()
        self.assertEqual(len(self._get_calls('get', tx)), 1)

    def test_a_payment_that_cannot_be_read_leaves_the_poll_working(self):
        self._start_cart()
        self.simulator.fault('get', 'lost', times=None)
        with self._without_pauses():
            self.assertEqual(self._poll()['state'], 'draft')

    def test_the_transactions_of_other_providers_are_left_alone(self):
        values = self._ask('/payment/transaction', self._prepare_link_params(
            currency=self.currency_euro, provider_id=self.dummy_provider.id,
            payment_method_id=self.env.ref('payment.payment_method_unknown').id,
        ))
        self.assertEqual(values['provider_code'], 'none')
        self.assertEqual(self._poll()['state'], 'draft')
        self.assertFalse(self.simulator.exchanges)
