# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from unittest.mock import patch
from urllib.parse import parse_qs, urlencode, urlsplit

import requests
from freezegun import freeze_time
from lxml import html

from odoo import fields
from odoo.exceptions import ValidationError
from odoo.fields import Command
from odoo.tests import HttpCase, tagged
from odoo.tests.common import Opener
from odoo.tools import mute_logger

from ..protocol import client
from ..simulator.sales_units import NOK_UNIT
from .test_payment_transaction import TransactionCommon


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
        """ Return what the payment form sends, whatever is paid. """
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
        """ Do what the browser does with the redirect form. """
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
        values = self.make_jsonrpc_request('/payment/status/poll', {})
        self.env.invalidate_all()
        return values

    def _get_return_url(self, tx):
        return self._payment(tx)['request']['returnUrl']

    def _return(self, tx):
        """ Come back from the app. """
        answer = self.url_open(self._get_return_url(tx), allow_redirects=False)
        self.env.invalidate_all()
        return answer

    def _change_browser(self, with_session=False):
        if with_session:
            self.authenticate(None, None)
        else:
            self.opener = Opener(self.cr)

    def _get_result(self, answer):
        """ Return what the page that the customer ends on says. """
        self.assertEqual(answer.status_code, 200)
        page = html.fromstring(answer.text).get_element_by_id('o_vipps_payment_result')
        return page.get('data-result'), page

    def _get_link(self, page, text):
        return page.xpath(f'.//a[normalize-space()="{text}"]/@href')[0]


@tagged('post_install', '-at_install')
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
        self.assertEqual(self._aggregate(tx)['captured'], 24950)
        self.assertTrue(tx.is_post_processed)
        self.assertEqual(tx.payment_id.state, 'posted')
        return tx, values

    def test_the_order_of_a_shop_is_paid(self):
        order = self._create_cart()
        form = self.url_open('/shop/confirm_order')  # It leads to the payment form.
        self.assertIn(f'data-provider-id="{self.vipps.id}"', form.text)
        _tx, values = self._assert_pays(
            f'/shop/payment/transaction/{order.id}',
            self._prepare_order_params(order, landing_route='/shop/payment/validate'),
        )
        self.assertEqual(order.state, 'sale')
        page = self.url_open(values['landing_route'])
        self.assertEqual(urlsplit(page.url).path, '/shop/confirmation')
        self.assertIn(order.name, page.text)

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
        tx._vipps_refresh()
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
class TestReturn(CheckoutCommon):
    """ Coming back, in whatever browser. """

    def test_another_browser_shows_that_the_order_is_paid(self):
        for capture_mode, result in (('automatic', 'paid'), ('manual', 'authorized')):
            for with_session in (True, False):
                with self.subTest(capture_mode=capture_mode, with_session=with_session):
                    self.vipps.vipps_capture_mode = capture_mode
                    self.authenticate(None, None)
                    tx = self._start_cart()
                    self._approve(tx)
                    self._change_browser(with_session)
                    for _i in range(2):  # It may be opened twice.
                        answer = self._return(tx)
                        shown, page = self._get_result(answer)
                        self.assertEqual(shown, result)
                        self.assertIn(tx.sale_order_ids.name, page.text_content())
                        self.assertIn("249.50", page.text_content())
                    self.assertEqual(tx.sale_order_ids.state, 'sale')

    def test_a_payment_that_is_not_decided_is_waited_for(self):
        tx = self._start_cart()
        self._change_browser()
        answer = self._return(tx)
        self.assertEqual(self._get_result(answer)[0], 'waiting')
        self.assertIn('http-equiv="refresh"', answer.text)
        self.assertEqual(tx.state, 'draft')

    def test_a_return_url_that_was_forged_changes_nothing(self):
        tx, other_tx = self._start_cart(), self._start_cart()
        self._approve(tx)
        calls = self.simulator.exchanges
        params = {
            name: values[0]
            for name, values in parse_qs(urlsplit(self._get_return_url(tx)).query).items()
        }
        token = params['access_token']
        for forged in (
            {},
            {'reference': tx.reference},
            {'access_token': token},
            {'reference': tx.reference, 'access_token': ''},
            {'reference': tx.reference, 'access_token': 'é' * 64},
            {'reference': tx.reference, 'access_token': token[:-1]},
            {'reference': tx.reference, 'access_token': token.swapcase()},
            {'reference': other_tx.reference, 'access_token': token},
            {'reference': tx.reference.lower(), 'access_token': token},
            {'reference': 'unknown', 'access_token': token},
            {'reference': f'{tx.reference}\0', 'access_token': token},
        ):
            with self.subTest(**forged):
                answer = self.url_open('/payment/vipps/return?' + urlencode(forged))
                self.assertEqual(answer.status_code, 404)
        self.assertEqual(self.simulator.exchanges, calls)
        self.env.invalidate_all()
        self.assertEqual(tx.state, 'draft')

    def test_the_return_url_of_another_provider_is_not_found(self):
        tx = self._create_transaction(
            'redirect', provider_id=self.dummy_provider.id, reference='other',
            payment_method_id=self.env.ref('payment.payment_method_unknown').id,
        )
        url = tx._vipps_get_return_route()
        self.assertEqual(self.url_open(url).status_code, 404)

    def test_who_did_not_pay_reads_why_and_finds_the_cart_as_it_was(self):
        for operation, words in (
            ('decline', "cancelled in the app"), ('expire', "not approved in time"),
        ):
            with self.subTest(operation=operation):
                tx = self._start_cart()
                order = tx.sale_order_ids
                getattr(self.simulator, operation)(tx.vipps_payment_reference)
                result, page = self._get_result(self._return(tx))
                self.assertEqual(result, 'failed')
                self.assertIn(words, page.text_content())
                self.assertEqual(self._get_link(page, "Pay Again"), '/shop/payment')
                self.assertEqual(order.state, 'draft')
                cart = self.url_open('/shop/cart')
                self.assertIn(self.product.name, cart.text)

    def test_who_did_not_pay_finds_the_cart_in_another_browser_too(self):
        tx = self._start_cart()
        self.simulator.decline(tx.vipps_payment_reference)
        self._change_browser(with_session=True)
        result, page = self._get_result(self._return(tx))
        self.assertEqual(result, 'failed')
        cart = self.url_open(self._get_link(page, "Pay Again"))
        self.assertEqual(urlsplit(cart.url).path, '/shop/cart')
        self.assertIn(self.product.name, cart.text)

    def test_who_did_not_pay_an_invoice_or_a_link_finds_the_page_to_pay_it(self):
        invoice = self._create_invoice()
        for route, params in (
            (f'/invoice/transaction/{invoice.id}', self._prepare_params(
                access_token=invoice._portal_ensure_token(), amount=invoice.amount_residual,
            )),
            ('/payment/transaction', self._prepare_link_params()),
        ):
            with self.subTest(route=route):
                tx = self._start_checkout(route, params)
                self.simulator.decline(tx.vipps_payment_reference)
                self._change_browser(with_session=True)
                _result, page = self._get_result(self._return(tx))
                answer = self.url_open(self._get_link(page, "Pay Again"))
                self.assertEqual(answer.status_code, 200)
                self.assertIn('name="o_payment_radio"', answer.text)

    def test_paying_again_is_another_payment(self):
        first = self._start_cart()
        order = first.sale_order_ids
        self.simulator.decline(first.vipps_payment_reference)
        self._return(first)
        second = self._start_checkout(
            f'/shop/payment/transaction/{order.id}', self._prepare_order_params(order)
        )
        self.assertNotEqual(second.vipps_payment_reference, first.vipps_payment_reference)
        keys = {call['idempotency_key'] for call in self._calls('create')}
        self.assertEqual(len(keys), 2)
        self._approve(second)
        self._return(second)
        self.assertEqual(order.state, 'sale')

    def test_the_status_page_sends_who_did_not_pay_to_the_page_that_says_why(self):
        tx = self._start_cart()
        self.simulator.decline(tx.vipps_payment_reference)
        values = self._poll()
        self.assertEqual(values['state'], 'cancel')
        result, _page = self._get_result(self.url_open(values['landing_route']))
        self.assertEqual(result, 'failed')

    @mute_logger('odoo.addons.mobilepay_vipps.models.payment_transaction')
    def test_an_amount_that_differs_is_not_said_to_be_paid(self):
        tx = self._start_cart()
        self._approve(tx)
        self.simulator.fault('get', 'tampered', times=None, value=100)
        self._change_browser()
        result, page = self._get_result(self._return(tx))
        self.assertEqual(result, 'failed')
        self.assertNotIn("Thank you", page.text_content())
        self.assertEqual(tx.sale_order_ids.state, 'draft')

    def test_the_result_is_read_in_vain_and_waited_for(self):
        tx = self._start_cart()
        self._approve(tx)
        self.simulator.fault('get', 'lost', times=None)
        self._change_browser()
        with patch.object(client, 'FIRST_PAUSE_SECONDS', 0):
            answer = self._return(tx)
        self.assertEqual(self._get_result(answer)[0], 'waiting')


@tagged('post_install', '-at_install')
class TestStatusPoll(CheckoutCommon):

    def test_the_open_payment_is_read_at_most_once_every_two_seconds(self):
        tx = self._start_cart()
        with freeze_time(fields.Datetime.now()) as clock:
            reads = []
            for seconds in (0, 0, 1, 1, 1, 0, 1, 1, 1):
                clock.tick(seconds)
                self._poll()
                reads.append(len(self._calls('get', tx)))
        self.assertEqual(reads, [1, 1, 1, 1, 2, 2, 2, 2, 3])

    def test_all_browsers_together_read_at_most_once_every_two_seconds(self):
        tx = self._start_cart()
        with freeze_time(fields.Datetime.now()):
            self._poll()
            self._return(tx)
            self._change_browser()
            self._return(tx)
        self.assertEqual(len(self._calls('get', tx)), 1)

    def test_the_poll_shows_the_result(self):
        tx = self._start_cart()
        self.assertEqual(self._poll()['state'], 'draft')
        self._approve(tx)
        with freeze_time(fields.Datetime.now()) as clock:
            clock.tick(3)
            self.assertEqual(self._poll()['state'], 'authorized')

    def test_a_payment_that_is_decided_is_not_read_again(self):
        tx = self._start_cart()
        self._approve(tx)
        self._poll()
        with freeze_time(fields.Datetime.now()) as clock:
            clock.tick(60)
            self._poll()
        self.assertEqual(len(self._calls('get', tx)), 1)

    def test_a_payment_that_cannot_be_read_leaves_the_poll_working(self):
        self._start_cart()
        self.simulator.fault('get', 'lost', times=None)
        with patch.object(client, 'FIRST_PAUSE_SECONDS', 0):
            self.assertEqual(self._poll()['state'], 'draft')

    def test_the_transactions_of_other_providers_are_left_alone(self):
        values = self._ask('/payment/transaction', self._prepare_link_params(
            currency=self.currency_euro, provider_id=self.dummy_provider.id,
            payment_method_id=self.env.ref('payment.payment_method_unknown').id,
        ))
        self.assertEqual(values['provider_code'], 'none')
        self.assertEqual(self._poll()['state'], 'draft')
        self.assertFalse(self.simulator.exchanges)


@tagged('post_install', '-at_install')
class TestTrouble(CheckoutCommon):
    """ What customers meet when Vipps MobilePay does not do what was asked for. """

    def _try_again(self, page):
        form, = page.xpath('.//form[.//button[normalize-space()="Try Again"]]')
        answer = self.url_open(
            form.get('action'), data=dict(form.form_values()), allow_redirects=False
        )
        self.env.invalidate_all()
        return answer

    def test_who_gets_no_answer_reads_a_sentence_and_finds_the_same_payment_by_trying_again(self):
        for operation, kind, values, expected_payments in (
            ('token', 'lost', {}, 0),
            ('create', 'lost', {}, 0),
            ('create', 'lost_answer', {}, 1),
            ('create', 'status', {'status': 503}, 0),
            ('create', 'garbage', {}, 1),
            ('create', 'truncated', {}, 1),
            ('create', 'latency', {'seconds': 1}, 1),
        ):
            with self.subTest(operation=operation, kind=kind), \
                    patch.object(client, 'FIRST_PAUSE_SECONDS', 0), \
                    patch.object(client, 'READ_SECONDS', 0.3), \
                    patch.dict(client._tokens._entries, clear=True):
                self.simulator.reset()
                order = self._create_cart()
                self.simulator.fault(operation, kind, times=None, **values)
                processing_values = self._ask(
                    f'/shop/payment/transaction/{order.id}', self._prepare_order_params(order)
                )
                result, page = self._get_result(self._post_form(processing_values))
                self.assertEqual(result, 'unavailable')
                self.assertIn("does not answer right now", page.text_content())
                link = self._get_link(page, "Choose Another Payment Method")
                self.assertEqual(link, '/shop/payment')
                self.assertEqual(len(self.simulator.payments), expected_payments)
                tx = self._get_tx(processing_values['reference'])
                self.assertEqual((tx.state, order.state), ('draft', 'draft'))

                self.simulator.clear_faults()
                answer = self._try_again(page)
                self.assertEqual(answer.status_code, 303)
                self.assertEqual(answer.headers['Location'], tx.vipps_redirect_url)
                payment, = self.simulator.payments
                self.assertEqual(payment['reference'], tx.vipps_payment_reference)
                self.assertEqual(len({c['idempotency_key'] for c in self._calls('create')}), 1)

    def test_trying_again_in_vain_says_so_again(self):
        self.simulator.fault('create', 'lost', times=None)
        with patch.object(client, 'FIRST_PAUSE_SECONDS', 0):
            values = self._ask('/payment/transaction', self._prepare_link_params())
            _result, page = self._get_result(self._post_form(values))
            answer = self._try_again(page)
        self.assertEqual(self._get_result(answer)[0], 'unavailable')

    def test_trying_again_what_is_refused_leads_to_another_payment_method(self):
        self.simulator.fault('create', 'lost', times=None)
        order = self._create_cart()
        with patch.object(client, 'FIRST_PAUSE_SECONDS', 0):
            values = self._ask(
                f'/shop/payment/transaction/{order.id}', self._prepare_order_params(order)
            )
            _result, page = self._get_result(self._post_form(values))
        self.simulator.clear_faults()
        self.simulator.fault('create', 'refuse', code='5070')
        result, page = self._get_result(self._try_again(page))
        self.assertEqual(result, 'failed')
        self.assertIn("choose another payment method", page.text_content())
        self.assertEqual(self._get_link(page, "Pay Again"), '/shop/payment')

    def test_trying_again_what_is_paid_meanwhile_creates_no_payment(self):
        self.simulator.fault('create', 'lost', times=None)
        order = self._create_cart()
        with patch.object(client, 'FIRST_PAUSE_SECONDS', 0):
            values = self._ask(
                f'/shop/payment/transaction/{order.id}', self._prepare_order_params(order)
            )
            _result, page = self._get_result(self._post_form(values))
        self.simulator.clear_faults()
        other = self._start_order(order)
        self._approve(other)
        other._vipps_refresh()
        _result, page = self._get_result(self._try_again(page))
        self.assertIn("already paid", page.text_content())
        self.assertEqual(len(self.simulator.payments), 1)

    def test_a_payment_whose_answer_was_lost_is_not_paid_twice(self):
        order = self._create_cart()
        with patch.object(client, 'FIRST_PAUSE_SECONDS', 0):
            self.simulator.fault('create', 'lost_answer', times=None)
            values = self._ask(
                f'/shop/payment/transaction/{order.id}', self._prepare_order_params(order)
            )
        self.simulator.clear_faults()
        self._run_job()
        tx = self._get_tx(values['reference'])
        self.assertEqual(tx.vipps_payment_state, 'CREATED')
        self.assertEqual(len(self.simulator.payments), 1)

    def test_who_is_refused_reads_a_sentence_without_codes(self):
        for code in ('5040', '5070', '4090'):
            with self.subTest(code=code):
                self.simulator.fault('create', 'refuse', code=code)
                sentence = self._ask_refused('/payment/transaction', self._prepare_link_params())
                self.assertIn("cannot take this payment right now", sentence)
                self.assertIn("Nothing has been charged", sentence)
                self.assertNotIn(code, sentence)


@tagged('post_install', '-at_install')
class TestRefusedCheckout(TransactionCommon):
    """ What the administrator is told when customers cannot pay. """

    def _start_refused(self, **values):
        """ Start to pay in vain, without the savepoint of `assertRaises`, which would undo what is
        committed by itself. """
        try:
            self._start(**values)
        except ValidationError as error:
            return str(error)
        self.fail("The payment was not refused.")

    def test_a_currency_that_is_not_the_one_of_the_sales_unit_is_told_to_an_administrator_once(self):
        for _i in range(2):
            sentence = self._start_refused(currency_id=self.currency_dkk.id)
            self.assertIn("choose another payment method", sentence)
            self.assertNotIn("sales unit", sentence)
        self.assertEqual(len(self._activities()), 1)
        self.assertIn("currency", self._activities().note)
        self.assertTrue(self._activities().user_id.has_group('base.group_system'))

    def test_a_sales_unit_that_is_not_active_is_told_to_an_administrator_once(self):
        self.simulator.set_unit(NOK_UNIT.msn, active=False)
        for _i in range(2):
            self._start_refused()
        self.assertEqual(len(self._activities()), 1)

    def test_keys_that_are_missing_are_told_to_an_administrator(self):
        tx = self._create_transaction('redirect')
        self.vipps.write({'state': 'disabled', 'vipps_client_secret': False})
        with self.assertRaises(ValidationError):
            tx._get_processing_values()
        self.assertFalse(self.simulator.exchanges)

    def test_an_amount_that_is_too_small_is_not_told_to_an_administrator(self):
        self.simulator.fault('create', 'refuse', code='6010')
        self._start_refused()
        self.assertFalse(self._activities())
