# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import json
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from unittest.mock import patch

from freezegun import freeze_time
from lxml import html

from odoo import fields
from odoo.tests import tagged
from odoo.tools import config, mute_logger

from ... import const
from ...models.jobs.rate_limit import MAX_CONCURRENT
from ...protocol import signature
from ..http_common import CheckoutCommon

LOGGER = 'odoo.addons.mobilepay_vipps.models.jobs.rate_limit'
ADDRESS = 'address 127.0.0.1'


@tagged('post_install', '-at_install')
class TestRateLimit(CheckoutCommon):
    """ How often payments can be started, and how often somebody is told that he is nobody. """

    def setUp(self):
        super().setUp()
        self.order = self._create_order()
        with ExitStack() as stack:
            stack.enter_context(mute_logger(LOGGER))
            self.addCleanup(stack.pop_all().close)

    #=== Helpers ===#

    def _fill(self, name, left=0):
        """ Let so many requests have been made that only `left` are admitted. """
        limits = {
            'document': const.MAX_STARTS_PER_DOCUMENT,
            'partner': const.MAX_STARTS_PER_PARTNER,
            'address': const.MAX_STARTS_PER_ADDRESS,
            'provider': const.MAX_STARTS_PER_PROVIDER,
            'refused': const.MAX_REFUSALS_PER_ADDRESS,
            'refusals': const.MAX_REFUSALS_PER_PROVIDER,
        }
        self._fill_times(name, limits[name.split()[0]] - left)

    def _count_requests(self):
        return self.env['vipps.request'].sudo().search_count([])

    def _fill_times(self, name, count):
        requests = self.env['vipps.request'].sudo()
        self.env.cr.execute(
            "INSERT INTO vipps_request (key, moment) SELECT %s, %s FROM generate_series(1, %s)",
            [requests._hash(name), fields.Datetime.now(), count],
        )

    def _start_from(self, address):
        with self._behind_a_proxy():
            return self._start_payment(**{
                'X-Forwarded-For': address, 'X-Forwarded-Host': 'shop.example.com',
            })

    def _post_start(self, route, params, **headers):
        """ Start a payment as the payment form does, whatever comes of it. """
        return self.opener.post(
            self.base_url() + route, json={'jsonrpc': '2.0', 'id': 7, 'params': params},
            headers=headers, timeout=30,
        )

    def _start_payment(self, order=None, **headers):
        order = order or self.order
        return self._post_start(
            f'/my/orders/{order.id}/transaction', self._prepare_order_params(order), **headers
        )

    def _count_transactions(self):
        return self.env['payment.transaction'].search_count([('provider_id', '=', self.vipps.id)])

    def _assert_limited(self, answer):
        self.assertEqual(answer.status_code, 429)
        self.assertGreater(int(answer.headers['Retry-After']), 0)
        error = answer.json()['error']
        self.assertEqual(answer.json()['id'], 7)
        self.assertIn("try again in 10 min", error['data']['message'])
        self.assertFalse(error['data']['debug'])

    def _assert_started(self, answer):
        self.assertEqual(answer.status_code, 200)
        self.assertIn('result', answer.json())

    @contextmanager
    def _behind_a_proxy(self):
        with patch.dict(config.options, {'proxy_mode': True}):
            yield

    #=== Starting payments ===#

    def test_an_order_is_paid_for_at_most_ten_times_in_ten_minutes(self):
        for _time in range(const.MAX_STARTS_PER_DOCUMENT):
            self._assert_started(self._start_payment())
        transactions, calls = self._count_transactions(), len(self.simulator.exchanges)
        self._assert_limited(self._start_payment())
        self.assertEqual(self._count_transactions(), transactions)
        self.assertEqual(len(self.simulator.exchanges), calls)

        with freeze_time(fields.Datetime.now() + const.REQUEST_PERIOD + timedelta(seconds=1)):
            self._assert_started(self._start_payment())

    def test_who_is_refused_still_sees_the_payment_before(self):
        tx = self._start_cart()
        self._fill(f'document {tx.sale_order_ids}')
        self._assert_limited(self._post_start(
            f'/shop/payment/transaction/{tx.sale_order_ids.id}',
            self._prepare_order_params(tx.sale_order_ids),
        ))
        self._approve(tx)
        self.assertEqual(self._poll()['state'], 'authorized')

    def test_the_limits_hold_on_every_page(self):
        cart = self._create_cart()
        invoice = self._create_invoice()
        donation = self._prepare_params(
            currency_id=self.currency_nok.id, partner_id=self.partner.id,
            partner_details={
                'name': "Kari", 'email': 'kari@example.com',
                'country_id': self.country_norway.id,
            },
            donation_comment='', donation_recipient_email='shop@example.com',
            access_token=self._generate_test_access_token(
                self.partner.id, self.amount, self.currency_nok.id
            ),
        )
        self._fill(ADDRESS)
        transactions = self._count_transactions()
        for route, params in (
            ('/payment/transaction', self._prepare_link_params()),
            (f'/shop/payment/transaction/{cart.id}', self._prepare_order_params(cart)),
            (f'/my/orders/{self.order.id}/transaction', self._prepare_order_params(self.order)),
            (f'/invoice/transaction/{invoice.id}', self._prepare_params(
                access_token=invoice._portal_ensure_token(), amount=invoice.amount_residual,
            )),
            ('/donation/transaction/1', donation),
        ):
            with self.subTest(route=route):
                self._assert_limited(self._post_start(route, params))
        self.assertEqual(self._count_transactions(), transactions)

    def test_a_document_is_limited_whoever_pays_and_others_are_not(self):
        invoice = self._create_invoice()
        self._fill(f'document {self.order}')
        self._fill(f'document {invoice}')
        self._assert_limited(self._start_payment(**{'X-Forwarded-For': '203.0.113.9'}))
        self._assert_limited(self._post_start(
            f'/invoice/transaction/{invoice.id}', self._prepare_params(
                access_token=invoice._portal_ensure_token(), amount=invoice.amount_residual,
            )
        ))
        self._assert_started(self._start_payment(self._create_order()))

    def test_a_partner_is_limited_over_all_documents_and_links(self):
        self._fill(f'partner {self.partner.id}', left=1)
        self._assert_started(self._start_payment())
        self._assert_limited(self._start_payment(self._create_order()))
        self._assert_limited(
            self._post_start('/payment/transaction', self._prepare_link_params())
        )
        other = self._create_order(partner_id=self.partner.copy().id)
        self._assert_started(self._start_payment(other))

    def test_public_customers_are_not_one_customer(self):
        public = self.env.ref('base.public_user').sudo().partner_id
        self._fill(f'partner {public.id}')
        self._assert_started(self._post_start('/payment/transaction', self._prepare_params(
            currency_id=self.currency_nok.id, partner_id=public.id,
            access_token=self._generate_test_access_token(
                public.id, self.amount, self.currency_nok.id
            ),
        )))

    def test_the_page_that_tries_again_is_limited(self):
        self.simulator.fault('create', 'lost', times=None)
        with self._without_pauses():
            values = self._post_start(
                f'/my/orders/{self.order.id}/transaction',
                self._prepare_order_params(self.order),
            ).json()['result']
        self.simulator.clear_faults()
        self._fill(f'document {self.order}')
        calls = len(self.simulator.exchanges)
        data = {'reference': values['reference'], 'retry': '1'}
        answer = self.url_open('/payment/vipps/redirect', data=data, allow_redirects=False)
        self.assertEqual(answer.status_code, 429)
        self.assertGreater(int(answer.headers['Retry-After']), 0)
        page = html.fromstring(answer.text).get_element_by_id('o_vipps_payment_result')
        self.assertEqual(page.get('data-result'), 'limited')
        self.assertIn("try again in 10 min", page.text_content())
        self.assertTrue(page.xpath('.//button[normalize-space()="Try Again"]'))
        self.assertEqual(len(self.simulator.exchanges), calls)

        with freeze_time(fields.Datetime.now() + const.REQUEST_PERIOD + timedelta(seconds=1)):
            answer = self.url_open('/payment/vipps/redirect', data=data, allow_redirects=False)
        self.assertEqual(
            answer.headers['Location'], self._get_tx(values['reference']).vipps_redirect_url
        )

    def test_other_providers_are_not_limited(self):
        self._fill(ADDRESS)
        self._fill(f'partner {self.partner.id}')
        requests = self._count_requests()
        values = self._ask('/payment/transaction', self._prepare_link_params(
            currency=self.currency_euro, provider_id=self.dummy_provider.id,
            payment_method_id=self.env.ref('payment.payment_method_unknown').id,
        ))
        self.assertEqual(values['provider_code'], 'none')
        self.assertEqual(self._count_requests(), requests)

    def test_reading_a_payment_is_not_limited(self):
        tx = self._start_cart()
        self._fill(ADDRESS)
        self._fill(f'document {tx.sale_order_ids}')
        self._approve(tx)
        self.assertEqual(self._return(tx).status_code, 303)
        self.assertEqual(self._poll()['state'], 'authorized')

    #=== Addresses ===#

    def test_without_proxy_mode_nobody_chooses_the_own_address(self):
        self._fill(ADDRESS)
        self._assert_limited(self._start_payment(**{
            'X-Forwarded-For': '203.0.113.9', 'X-Forwarded-Host': 'shop.example.com',
        }))

    def test_with_proxy_mode_the_proxy_tells_the_address(self):
        self._fill('address 203.0.113.9')
        self._fill(ADDRESS)
        for told, is_limited in (
            ('203.0.113.9', True),
            ('198.51.100.1, 203.0.113.9', True),  # What is before it, the client has made up.
            ('203.0.113.9:50123', True),
            ('::ffff:203.0.113.9', True),
            ('203.0.113.10', False),
            ('203.0.113.9, 203.0.113.10', False),
        ):
            with self.subTest(told=told), self._behind_a_proxy():
                answer = self._start_payment(**{
                    'X-Forwarded-For': told, 'X-Forwarded-Host': 'shop.example.com',
                })
                (self._assert_limited if is_limited else self._assert_started)(answer)

    def test_of_ipv6_the_network_of_a_customer_is_counted(self):
        self._fill('address 2001:db8:1:2::/64')
        for told, is_limited in (
            ('2001:db8:1:2::1', True),
            ('[2001:db8:1:2:aaaa::9]:50123', True),
            ('2001:db8:1:3::1', False),
        ):
            with self.subTest(told=told), self._behind_a_proxy():
                answer = self._start_payment(**{
                    'X-Forwarded-For': told, 'X-Forwarded-Host': 'shop.example.com',
                })
                (self._assert_limited if is_limited else self._assert_started)(answer)

    def test_a_household_and_a_company_have_one_limit_for_all_their_networks(self):
        for name, count, inside, outside in (
            ('address 2001:db8:1:100::/56', 2 * const.MAX_STARTS_PER_ADDRESS,
             '2001:db8:1:1ff::1', '2001:db8:1:200::1'),
            ('address 2001:db8:2::/48', 4 * const.MAX_STARTS_PER_ADDRESS,
             '2001:db8:2:ffff::1', '2001:db8:3::1'),
        ):
            with self.subTest(name=name):
                self._fill_times(name, count - 1)
                self._assert_started(self._start_from(inside))
                self._assert_limited(self._start_from(inside))
                self._assert_started(self._start_from(outside))

    def test_a_provider_is_limited_wherever_they_come_from(self):
        self._fill(f'provider {self.vipps.id}', left=1)
        self._assert_started(self._start_from('203.0.113.1'))
        with self.assertLogs(LOGGER, 'WARNING') as log:
            self._assert_limited(self._start_from('203.0.113.2'))
        self.assertIn("(provider)", log.output[0])

    def test_a_request_is_counted_by_one_query(self):
        requests = self.env['vipps.request'].sudo()
        limits = {'address 203.0.113.1': 300, 'partner 1': 20, 'document x': 10}
        requests._hash('x')  # The key of the database is read once.
        for count in range(10):
            # As close to a limit as this, it is counted alone.
            is_close = count >= 10 - MAX_CONCURRENT
            before = self.env.cr.sql_log_count
            self.assertEqual(
                requests._count(limits, MAX_CONCURRENT)[:2], (not is_close, 0)
            )
            self.assertEqual(self.env.cr.sql_log_count - before, 1)
            self.assertEqual(self._count_requests(), 3 * (count + (not is_close)))
            if is_close:
                self.assertEqual(requests._count(limits)[:2], (True, 0))
        for margin in (MAX_CONCURRENT, 0):
            is_counted, wait, kind = requests._count(limits, margin)
            self.assertEqual((is_counted, bool(wait), kind), (False, True, 'document'))
        self.assertEqual(self._count_requests(), 30)

    def test_nobody_reads_from_the_rows_who_has_asked(self):
        self._start_payment()
        self.env.cr.execute("SELECT vipps_request::text FROM vipps_request")
        rows = self.env.cr.fetchall()
        self.assertEqual(len(rows), 4)
        for row, in rows:
            self.assertNotIn('127.0.0.1', row)
            self.assertNotIn('partner', row)

    def test_rows_are_removed_when_they_are_not_counted_anymore(self):
        self._fill(ADDRESS)
        self.env['vipps.request']._gc_requests()
        self.assertEqual(self._count_requests(), const.MAX_STARTS_PER_ADDRESS)
        with freeze_time(fields.Datetime.now() + const.REQUEST_PERIOD + timedelta(seconds=1)):
            self.env['vipps.request']._gc_requests()
        self.assertFalse(self._count_requests())

    #=== The webhook ===#

    def _post_event(self, is_signed):
        tx = self._start()
        event, = self._get_payment(tx)['events']
        body = json.dumps({'msn': self.vipps.vipps_merchant_serial_number, **event}).encode()
        headers = signature.sign(
            self.vipps._vipps_get_secret('vipps_webhook_secret') if is_signed else 'wrong',
            self.vipps.vipps_webhook_url, body,
        )
        del headers['Host']
        return self.opener.post(
            f'{self.base_url()}/payment/vipps/webhook/{self.vipps.id}', data=body, timeout=30,
            headers={'Content-Type': 'application/json', **headers},
        )

    def test_who_was_refused_too_often_by_the_webhook_is_told_so_and_leaves_nothing(self):
        self.vipps.action_vipps_set_up_webhooks()
        self._fill('refused 127.0.0.1', left=2)
        self.assertEqual(self._post_event(False).status_code, 401)
        self.assertEqual(self._post_event(False).status_code, 401)
        self.assertEqual(self._post_event(False).status_code, 429)
        requests = self._count_requests()
        answer = self._post_event(False)
        self.assertEqual(answer.status_code, 429)
        self.assertGreater(int(answer.headers['Retry-After']), 0)
        self.assertEqual(self._count_requests(), requests)
        self.assertFalse(self.env['vipps.webhook.event'].search([]))

    def test_a_good_signature_always_passes(self):
        self.vipps.action_vipps_set_up_webhooks()
        self._fill('refused 127.0.0.1')
        self._fill(ADDRESS)
        self.assertEqual(self._post_event(False).status_code, 429)
        self.assertEqual(self._post_event(True).status_code, 200)
        self.assertTrue(self.env['vipps.webhook.event'].search([]))

    def test_who_looks_for_providers_or_comes_with_wrong_tokens_is_limited(self):
        self.vipps.action_vipps_set_up_webhooks()
        url = f'{self.base_url()}/payment/vipps/webhook/'
        paths = [f'{url}{number}' for number in (self.vipps.id, self.vipps.id + 1000, 10 ** 30)]
        self._fill('refused 127.0.0.1', left=3)
        answers = [self.opener.post(path, data=b'{}', timeout=30) for path in paths]
        self.assertEqual({(a.status_code, a.text) for a in answers}, {(401, answers[0].text)})
        answers = [self.opener.post(path, data=b'{}', timeout=30) for path in paths]
        self.assertEqual([a.status_code for a in answers], [429] * 3)
        tx = self._start_cart()
        wrong = self._get_return_url(tx)[:-1] + 'x'
        self.assertEqual(self.url_open(wrong).status_code, 429)
        self.assertEqual(self._return(tx).status_code, 303)
        self.env['vipps.request'].sudo().search([]).unlink()
        self.assertEqual(self.url_open(wrong).status_code, 404)

    def test_refusals_are_limited_for_a_provider_wherever_they_come_from(self):
        self.vipps.action_vipps_set_up_webhooks()
        self._fill(f'refusals {self.vipps.id}')
        self.assertEqual(self._post_event(False).status_code, 429)
        self.assertEqual(self._post_event(True).status_code, 200)

    def test_who_tries_monitoring_tokens_is_told_so(self):
        self._fill('refused 127.0.0.1', left=1)
        for status in (401, 429, 429):
            answer = self.url_open(
                '/payment/vipps/health', headers={'Authorization': 'Bearer no-such-token'}
            )
            self.assertEqual(answer.status_code, status)
            self.assertNotIn('company', answer.text)

    def test_refused_requests_do_not_keep_customers_from_paying(self):
        self._fill('refused 127.0.0.1')
        self._assert_started(self._start_payment())

    #=== Reporting ===#

    def test_it_is_reported_once_in_a_period(self):
        self.vipps.action_vipps_set_up_webhooks()
        self._fill('refused 127.0.0.1')
        with self.assertLogs(LOGGER, 'WARNING') as log:
            for _time in range(3):
                self.assertEqual(self._post_event(False).status_code, 429)
        self.assertEqual(len(log.output), 1)
        events = self.env['vipps.audit.event'].sudo().search([('action', '=', 'limited')])
        self.assertEqual((len(events), events.provider_id), (1, self.vipps))
