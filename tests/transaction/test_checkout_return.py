# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from unittest.mock import patch
from urllib.parse import parse_qs, urlencode, urlsplit

from odoo.exceptions import UserError
from odoo.tests import new_test_user, tagged
from odoo.tools import config, mute_logger

from ..http_common import CheckoutCommon


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

    @mute_logger('odoo.addons.mobilepay_vipps.models.jobs.task')
    def test_the_return_shows_the_money_before_and_without_the_confirmation(self):
        self.vipps.vipps_capture_mode = 'automatic'
        tx = self._start_cart()
        self._approve(tx)
        self._change_browser()
        order, url = tx.sale_order_ids, self._get_return_url(tx)
        Order = type(order)
        with patch.object(Order, 'action_confirm', side_effect=UserError("No")) as confirm:
            result, page = self._get_result(self.url_open(url))
            confirm.assert_not_called()  # The state of the money is committed with this answer.
            self.assertEqual(result, 'paid')
            self.assertIn("Thank you", page.text_content())
            self.env.invalidate_all()
            self.assertEqual((tx.state, order.state), ('done', 'draft'))
            self.assertEqual(self._get_aggregate(tx)['captured'], 24950)
            self._follow_up()
            confirm.assert_called()
            self.assertEqual((tx.state, order.state), ('done', 'draft'))
            self.assertEqual(self._get_result(self.url_open(url))[0], 'paid')
        self._follow_up()
        self.assertEqual(order.state, 'sale')

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
                self.assertEqual(self._get_link(page, "Try Again"), '/shop/payment')
                self.assertEqual(order.state, 'draft')
                cart = self.url_open('/shop/cart')
                self.assertIn(self.product.name, cart.text)

    def test_who_did_not_pay_reads_why_in_their_language(self):
        language = self.env['res.lang']._activate_lang('nb_NO')
        self.env['ir.module.module']._load_module_terms(['mobilepay_vipps'], [language.code])
        self.website.write({'language_ids': language.ids, 'default_lang_id': language.id})
        self.partner.lang = language.code
        tx = self._start_cart()
        self.simulator.decline(tx.vipps_payment_reference)
        _result, page = self._get_result(self._return(tx))
        self.assertIn(
            "Betalingen ble kansellert i appen. Ingenting er belastet.", page.text_content()
        )
        self.assertTrue(self._get_link(page, "Prøv igjen"))

    def test_who_comes_with_the_address_of_the_page_alone_does_not_get_the_order(self):
        invoice = self._create_invoice()
        for tx, document in (
            (self._start_cart(), None),
            (self._start_order(self._create_order()), None),
            (self._start_invoice(invoice), invoice),
        ):
            document = document or tx.sale_order_ids
            document._portal_ensure_token()
            self.simulator.decline(tx.vipps_payment_reference)
            for with_session in (True, False):
                with self.subTest(document=document, with_session=with_session):
                    self._change_browser(with_session)
                    answer = self.url_open(tx._vipps_get_return_route(), allow_redirects=False)
                    result, page = self._get_result(answer)
                    self.assertEqual(result, 'failed')
                    self.assertEqual(self._get_link(page, "Go to the Shop"), '/shop')
                    self.assertIn("go back to the browser", page.text_content())
                    self.assertNotIn(document.access_token, answer.text)

    def test_a_customer_who_is_logged_in_gets_the_own_order(self):
        order = self._create_order(website_id=self.website.id)
        tx = self._start_order(order)
        self.simulator.decline(tx.vipps_payment_reference)
        for login, partner, link in (
            ('kari', self.partner, "Try Again"),
            ('ola', self.env['res.partner'].create({'name': "Ola"}), "Go to the Shop"),
        ):
            new_test_user(self.env, f'vipps_{login}', 'base.group_portal', partner_id=partner.id)
            self.authenticate(f'vipps_{login}', f'vipps_{login}')
            _result, page = self._get_result(self.url_open(tx._vipps_get_return_route()))
            self.assertTrue(self._get_link(page, link))

    def test_nobody_keeps_or_learns_the_address_of_the_page(self):
        tx = self._start_cart()
        self._approve(tx)
        answers = [self._return(tx)]
        self.assertEqual(answers[0].status_code, 303)
        self._change_browser()
        answers.append(self._return(tx))
        answers.append(self.url_open('/payment/vipps/redirect', data={}, allow_redirects=False))
        for answer in answers:
            self.assertIn('no-store', answer.headers['Cache-Control'])
            self.assertEqual(answer.headers['Referrer-Policy'], 'no-referrer')

    def test_who_opens_the_way_to_the_payment_anew_finds_the_shop(self):
        self._start_cart()
        for query in ('', '?reference=x', '?retry=1'):
            answer = self.url_open(f'/payment/vipps/redirect{query}', allow_redirects=False)
            self.assertEqual(answer.status_code, 303)
            self.assertEqual(urlsplit(answer.headers['Location']).path, '/shop')

    def test_only_our_own_websites_are_returned_to(self):
        self.env['website'].create({'name': "Other", 'domain': 'https://other-shop.example.com'})
        own = urlsplit(self.base_url()).hostname
        for host, expected in (
            (None, own),
            ('evil.example', '127.0.0.1'),
            ('evil.example:443', '127.0.0.1'),
            ('other-shop.example.com.evil.example', '127.0.0.1'),
            ('other-shop.example.com@evil.example', '127.0.0.1'),
            ('other-shop.example.com', 'other-shop.example.com'),
        ):
            with self.subTest(host=host), patch.dict(config.options, {'proxy_mode': True}):
                headers = {'X-Forwarded-Host': host, 'X-Forwarded-Proto': 'https'} if host else {}
                order = self._create_order()
                params = self._prepare_order_params(order)
                values = self.opener.post(
                    f'{self.base_url()}/my/orders/{order.id}/transaction', headers=headers,
                    json={'jsonrpc': '2.0', 'id': 0, 'params': params}, timeout=30,
                ).json()['result']
                tx = self._get_tx(values['reference'])
                self.assertEqual(urlsplit(self._get_return_url(tx)).hostname, expected)
                self.assertFalse(urlsplit(tx._vipps_get_retry_url(False)).netloc)

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
                _result, page = self._get_result(self._return(tx))
                answer = self.url_open(self._get_link(page, "Try Again"))
                self.assertEqual(answer.status_code, 200)
                self.assertIn('name="o_payment_radio"', answer.text)

    def test_a_customer_who_went_on_in_another_window_is_sent_there(self):
        order = self._create_cart()
        tx, later_tx = (self._start_checkout(
            f'/shop/payment/transaction/{order.id}', self._prepare_order_params(order)
        ) for _i in range(2))
        result, page = self._get_result(self._return(tx))
        self.assertEqual(result, 'failed')
        self.assertIn("in another window", page.text_content())
        self.simulator.decline(later_tx.vipps_payment_reference)
        self._refresh(later_tx)
        self.assertNotIn(
            "in another window", self._get_result(self._return(tx))[1].text_content()
        )

    def test_paying_again_is_another_payment(self):
        first = self._start_cart()
        order = first.sale_order_ids
        self.simulator.decline(first.vipps_payment_reference)
        self._return(first)
        second = self._start_checkout(
            f'/shop/payment/transaction/{order.id}', self._prepare_order_params(order)
        )
        self.assertNotEqual(second.vipps_payment_reference, first.vipps_payment_reference)
        keys = {call['idempotency_key'] for call in self._get_calls('create')}
        self.assertEqual(len(keys), 2)
        self._approve(second)
        self._return(second)
        self.assertEqual(order.state, 'sale')

    def test_who_paid_otherwise_is_not_invited_to_pay_again(self):
        first = self._start_cart()
        self.simulator.decline(first.vipps_payment_reference)
        self._return(first)
        second = self._start_order(first.sale_order_ids)
        self._approve(second)
        self._refresh(second)
        result, page = self._get_result(self._return(first))
        self.assertEqual(result, 'paid_otherwise')
        self.assertNotIn("Try Again", page.text_content())

    def test_the_status_page_sends_who_did_not_pay_to_the_page_that_says_why(self):
        tx = self._start_cart()
        self.simulator.decline(tx.vipps_payment_reference)
        values = self._poll()
        self.assertEqual(values['state'], 'cancel')
        result, _page = self._get_result(self.url_open(values['landing_route']))
        self.assertEqual(result, 'failed')

    @mute_logger('odoo.addons.mobilepay_vipps.models.transaction.difference')
    def test_an_amount_that_differs_is_not_said_to_be_paid(self):
        tx = self._start_cart()
        self._approve(tx)
        self.simulator.fault('get', 'tampered', times=None, value=100)
        self._change_browser()
        result, page = self._get_result(self._return(tx))
        self.assertEqual(result, 'unclear')
        self.assertNotIn("Thank you", page.text_content())
        self.assertNotIn("Try Again", page.text_content())
        self.assertIn("do not pay again", page.text_content())
        self.assertEqual(tx.sale_order_ids.state, 'draft')

    def test_the_result_is_read_in_vain_and_waited_for(self):
        tx = self._start_cart()
        self._approve(tx)
        self.simulator.fault('get', 'lost', times=None)
        self._change_browser()
        with self._without_pauses():
            answer = self._return(tx)
        self.assertEqual(self._get_result(answer)[0], 'waiting')
