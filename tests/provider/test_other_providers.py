# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import json
from contextlib import contextmanager

from lxml import html

from odoo.exceptions import UserError
from odoo.fields import Command
from odoo.tests import tagged
from odoo.tools.safe_eval import safe_eval

from ...protocol import signature
from ...simulator.sales_units import NOK_UNIT
from ..http_common import CheckoutCommon


@tagged('post_install', '-at_install')
class TestOtherProviders(CheckoutCommon):
    """ Vipps MobilePay is one of several ways to pay, and can be taken away at any time. """

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.method_other = cls.env.ref('payment.payment_method_unknown')
        cls.dummy_provider.write({
            'name': "Bank Card", 'available_currency_ids': [Command.link(cls.currency_nok.id)],
        })
        cls.vipps.action_vipps_set_up_webhooks()
        cls.manager = cls._new_user(
            'vipps_sales_accountant',
            'sales_team.group_sale_salesman_all_leads,account.group_account_invoice',
        )

    #=== Helpers ===#

    @contextmanager
    def _taken_away(self, how):
        """ Take the provider away while something happens. """
        methods = self.method_vipps + self.method_mobile_pay
        record, values, before = {
            'unpublished': (self.vipps, {'is_published': False}, {'is_published': True}),
            'disabled': (self.vipps, {'state': 'disabled'}, {'state': 'test'}),
            'too expensive': (self.vipps, {'maximum_amount': 1}, {'maximum_amount': 0}),
            'method archived': (methods, {'active': False}, {'active': True}),
            'method removed': (
                self.vipps, {'payment_method_ids': [Command.clear()]},
                {'payment_method_ids': [Command.set(methods.ids)]},
            ),
        }[how]
        record.write(values)
        try:
            yield
        finally:
            record.write(before)
            methods.active = True

    def _for_each_way(self, check, *left_out):
        """ Call a function with a transaction whose customer is in the app, once for each way to
        take the provider away at that moment. """
        for how in (
            'unpublished', 'disabled', 'too expensive', 'method archived', 'method removed',
        ):
            if how not in left_out:
                self.authenticate(None, None)
                tx = self._start_cart()
                with self.subTest(how=how), self._taken_away(how):
                    check(tx)

    def _deliver_events(self, tx):
        """ Send what happened to a payment, as Vipps MobilePay does, and have the inbox drained.
        """
        for event in self._get_payment(tx)['events']:
            body = json.dumps({'msn': NOK_UNIT.msn, **event}).encode()
            headers = signature.sign(
                self.vipps._vipps_get_secret('vipps_webhook_secret'), self.vipps.vipps_webhook_url,
                body,
            )
            del headers['Host']
            self.assertEqual(self.opener.post(
                f'{self.base_url()}/payment/vipps/webhook/{self.vipps.id}', data=body, timeout=30,
                headers={'Content-Type': 'application/json', **headers},
            ).status_code, 200)
        self.env['vipps.task']._cron_sync_payments()
        self.env.invalidate_all()

    def _create_orders(self, count):
        return [self._create_order(user_id=self.salesman.id) for _number in range(count)]

    def _pay_otherwise(self, order, state='done', name='other'):
        tx = self._create_transaction(
            'redirect', provider_id=self.dummy_provider.id, amount=order.amount_total,
            payment_method_id=self.method_other.id, reference=f'{name}-{order.id}',
            sale_order_ids=[Command.set(order.ids)], partner_id=order.partner_id.id,
        )
        getattr(tx, f'_set_{state}')()
        return tx

    #=== Choosing ===#

    def test_the_customer_sees_all_providers_and_none_is_chosen(self):
        self._create_cart()
        page = html.fromstring(self.url_open('/shop/checkout?express=1').text)
        options = page.xpath('//input[@name="o_payment_radio"]')
        self.assertLessEqual(
            {self.vipps.id, self.dummy_provider.id},
            {int(option.get('data-provider-id')) for option in options},
        )
        self.assertFalse([option for option in options if option.get('checked')])

    #=== Taken away while the customer is in the app ===#

    def test_who_comes_back_is_told_that_it_is_paid(self):
        def check(tx):
            self._approve(tx)
            self.assertEqual(self._return(tx).status_code, 303)
            self.assertEqual(self._poll()['state'], 'authorized')
            self.assertEqual(tx.sale_order_ids.state, 'sale')
            self._change_browser()
            result, page = self._get_result(self._return(tx))
            self.assertEqual(result, 'authorized')
            self.assertIn(tx.sale_order_ids.name, page.text_content())

        self._for_each_way(check)

    def test_who_declines_is_told_so_and_can_choose_another_way(self):
        def check(tx):
            self.simulator.decline(tx.vipps_payment_reference)
            result, page = self._get_result(self._return(tx))
            self.assertEqual(result, 'failed')
            self.assertEqual(self._get_link(page, "Try Again"), '/shop/payment')

        self._for_each_way(check)

    def test_events_confirm_the_order_of_who_never_comes_back(self):
        def check(tx):
            self._approve(tx)
            self._deliver_events(tx)
            self._follow_up()
            self.assertEqual((tx.state, tx.sale_order_ids.state), ('authorized', 'sale'))

        self._for_each_way(check)

    def test_the_job_confirms_the_order_when_no_event_comes(self):
        def check(tx):
            self._approve(tx)
            self._run_job()
            self.assertEqual((tx.state, tx.sale_order_ids.state), ('authorized', 'sale'))

        self._for_each_way(check)

    def test_what_is_captured_automatically_still_is(self):
        self.vipps.vipps_capture_mode = 'automatic'

        def check(tx):
            self._approve(tx)
            self._deliver_events(tx)
            tx._finalize_post_processing()  # As the job of core does.
            self.assertEqual((tx.state, tx.payment_id.state), ('done', 'posted'))

        self._for_each_way(check, 'disabled')

    def test_what_is_reserved_is_captured_and_refunded(self):
        def check(tx):
            self._approve(tx)
            self._refresh(tx)
            self._capture(tx, user=self.accountant)
            self.assertEqual((tx.state, tx.payment_id.state), ('done', 'posted'))
            self._refund(tx.payment_id, 100, self.accountant)
            self.assertEqual(self._get_aggregate(tx)['refunded'], 10000)

        self._for_each_way(check, 'disabled')

    def test_while_disabled_staff_cannot_operate_but_the_portal_is_followed(self):
        self.assertTrue(self.vipps.journal_id)  # Core chooses it when somebody looks at it.
        tx = self._start_cart()
        self._approve(tx)
        self._deliver_events(tx)
        with self._taken_away('disabled'):
            # As later releases of Odoo do when all providers are disabled.
            self.env.ref('payment.cron_post_process_payment_tx').sudo().active = False
            with self.assertRaisesRegex(UserError, "disabled"):
                self._capture(tx, user=self.accountant)
            self.simulator.capture(tx.vipps_payment_reference, 24950)
            self._deliver_events(tx)
            self._run_due()
            self.assertEqual((tx.state, tx.payment_id.state), ('done', 'posted'))
            self.simulator.refund(tx.vipps_payment_reference, 5000)
            self._deliver_events(tx)
            self._run_due()
            refund = tx.child_transaction_ids
            self.assertEqual((refund.amount, refund.payment_id.state), (-50, 'posted'))

    def test_what_waited_while_disabled_is_captured_afterwards(self):
        self.vipps.vipps_capture_mode = 'automatic'
        tx = self._start_cart()
        self._approve(tx)
        with self._taken_away('disabled'):
            self._deliver_events(tx)
            self.assertEqual(tx.state, 'authorized')
        self._capture(tx, user=self.accountant)
        self.assertEqual(tx.state, 'done')

    def test_who_is_not_offered_it_anymore_reads_what_to_do(self):
        def check(tx):
            order = tx.sale_order_ids
            sentence = self._ask_refused(
                f'/shop/payment/transaction/{order.id}', self._prepare_order_params(order)
            )
            self.assertIn("choose another payment method", sentence)
            self.assertEqual(self._get_payment(tx)['state'], 'CREATED')

        self._for_each_way(check, 'method archived', 'method removed')

    #=== Paid with another provider meanwhile ===#

    def test_who_has_paid_otherwise_meanwhile_pays_once_and_reads_so(self):
        tx = self._start_cart()
        self._pay_otherwise(tx.sale_order_ids)
        self._approve(tx)
        result, _page = self._get_result(self._return(tx))
        self.assertEqual(result, 'paid_otherwise')
        self.assertEqual(tx.state, 'cancel')
        aggregate = self._get_aggregate(tx)
        self.assertEqual((aggregate['cancelled'], aggregate['captured']), (24950, 0))

    def test_a_payment_that_another_provider_has_not_got_yet_holds_nobody_up(self):
        tx = self._start_cart()
        self._pay_otherwise(tx.sale_order_ids, 'pending')
        self._approve(tx)
        self._return(tx)
        self.assertEqual(tx.state, 'authorized')

    #=== Which provider has paid ===#

    def test_an_order_leads_to_its_payments_whichever_provider_took_them(self):
        order, other_order = self._create_orders(2)
        txs = self._start_order(order) | self._pay_otherwise(order)
        self._start_order(other_order)
        self.salesman.groups_id |= self.env.ref('sales_team.group_sale_salesman_all_leads')
        button = 'mobilepay_vipps.action_order_transactions'
        action = self.env.ref(button)
        for user, is_shown in ((self.salesman, False), (self.manager, True)):
            arch = order.with_user(user).get_view(view_type='form')['arch']
            self.assertEqual(f'name="{action.id}"' in arch, is_shown)
        domain = safe_eval(action.domain, {'active_id': order.id})
        self.assertEqual(self.env['payment.transaction'].with_user(self.manager).search(
            domain
        ), txs.sorted('id', reverse=True))
