# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from unittest.mock import patch

from odoo.fields import Command
from odoo.tests import HttpCase, tagged
from odoo.tests.common import ChromeBrowser

from ..app_tour import ABORT, APPROVE, clicking
from ..common import TransactionCommon, VippsCommon


@tagged('post_install', '-at_install', 'vipps_tour')
class TestCheckoutTours(VippsCommon, HttpCase):
    browser_size = '1366,768'

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.env['ir.config_parameter'].set_param('web.base.url', cls.base_url())
        cls.product.is_published = True
        cls.env['product.pricelist'].search([]).action_archive()
        cls.env['website'].search([]).write({
            'company_id': cls.company.id, 'add_to_cart_action': 'go_to_cart',
        })

    def test_customer_approves_in_the_app_and_is_thanked(self):
        self.vipps.vipps_capture_mode = 'automatic'
        self._start_tour('vipps_pay', APPROVE)
        self._follow_up()
        tx, = self._get_transactions()
        self.assertEqual(tx.state, 'done')
        self.assertEqual(tx.sale_order_ids.state, 'sale')
        aggregate = self.simulator.payment(tx.vipps_payment_reference)['aggregate']
        self.assertEqual(
            aggregate['capturedAmount']['value'], round(tx.sale_order_ids.amount_total * 100)
        )

    def test_customer_who_aborts_pays_again_with_one_click(self):
        self._start_tour('vipps_abort_then_pay', ABORT + APPROVE)
        self._follow_up()
        aborted_tx, paid_tx = self._get_transactions()
        self.assertEqual(aborted_tx.state, 'cancel')
        self.assertEqual(paid_tx.state, 'authorized')
        self.assertEqual(paid_tx.sale_order_ids, aborted_tx.sale_order_ids)
        self.assertEqual(paid_tx.sale_order_ids.state, 'sale')
        self.assertNotEqual(
            paid_tx.vipps_payment_reference, aborted_tx.vipps_payment_reference
        )

    def _get_transactions(self):
        self.env.invalidate_all()
        return self.env['payment.transaction'].search(
            [('provider_id', '=', self.vipps.id)], order='id'
        )

    def _start_tour(self, name, selectors):
        """ Run a tour at the size of the browser, whose window may be wider.

        :param str name: The name of the tour.
        :param list[str] selectors: What is clicked at Vipps MobilePay.
        :return: None
        """
        width, height = map(int, self.browser_size.split(','))
        navigate_to = ChromeBrowser.navigate_to

        def resize_and_navigate_to(browser, *args, **kwargs):
            browser._websocket_request('Emulation.setDeviceMetricsOverride', params={
                'width': width, 'height': height, 'deviceScaleFactor': 1, 'mobile': False,
            })
            return navigate_to(browser, *args, **kwargs)

        with (
            patch.object(ChromeBrowser, 'navigate_to', resize_and_navigate_to),
            clicking(self.simulator, selectors),
        ):
            self.start_tour('/shop', name)


class TestCheckoutToursOnPhone(TestCheckoutTours):
    browser_size = '375,667'


@tagged('post_install', '-at_install', 'vipps_tour')
class TestSettingsTour(VippsCommon, HttpCase):
    browser_size = '1366,768'

    def test_administrator_enters_keys_and_publishes(self):
        provider = self.vipps
        provider.write({
            'state': 'disabled',
            'is_published': False,
            'vipps_merchant_serial_number': False,
            'vipps_client_id': False,
            'vipps_client_secret': False,
            'vipps_subscription_key': False,
        })
        self.start_tour(
            f'/web#id={provider.id}&model=payment.provider&view_type=form', 'vipps_settings',
            login='accountman',
        )
        provider.invalidate_recordset()
        self.assertEqual(provider.state, 'test')
        self.assertTrue(provider.is_published)
        self.assertTrue(provider.vipps_webhook_id)
        self.assertTrue(provider.vipps_webhook_secret)


@tagged('post_install', '-at_install', 'vipps_tour')
class TestOperationTours(TransactionCommon, HttpCase):
    browser_size = '1366,768'

    def _start_on(self, record, tour, user):
        self.start_tour(
            f'/web#id={record.id}&model={record._name}&view_type=form', tour, login=user.login
        )
        self.env.invalidate_all()

    def _authorize_order(self, **values):
        order = self._create_order(**values)
        tx = self._start_order(order)
        self._approve(tx)
        self._refresh(tx)
        return tx

    def test_salesperson_captures_a_part_and_releases_the_rest(self):
        tx = self._authorize_order(user_id=self.salesman.id)
        self._start_on(tx.sale_order_ids, 'vipps_capture_then_void', self.salesman)
        aggregate = self._get_aggregate(tx)
        self.assertEqual((aggregate['captured'], aggregate['cancelled']), (10000, 14950))
        self.assertEqual(tx.sale_order_ids.amount_paid, 100)

    def test_accountant_refunds_a_payment(self):
        tx = self._authorize_order()
        self._capture(tx)
        self._start_on(tx.payment_id, 'vipps_refund_payment', self.accountant)
        self.assertEqual(self._get_aggregate(tx)['refunded'], 4950)
        self.assertEqual(tx._vipps_get_refunds().payment_id.state, 'posted')

    def test_accountant_refunds_a_credit_note_in_two_parts(self):
        invoice = self._create_invoice()
        tx = self._start_invoice(invoice)
        self._approve(tx)
        self._refresh(tx)
        self._capture(tx)
        credit_note = invoice._reverse_moves()
        credit_note.action_post()
        self._start_on(credit_note, 'vipps_refund_credit_note', self.accountant)
        self.assertEqual(self._get_aggregate(tx)['refunded'], 24950)
        self.assertEqual(len(self._get_calls('refund')), 2)
        self.assertFalse(credit_note.amount_residual)

    def test_warehouse_delivers_with_a_backorder(self):
        self.vipps.vipps_capture_mode = 'on_delivery'
        self.product.invoice_policy = 'delivery'
        tx = self._authorize_order(order_line=[Command.create({
            'product_id': self.product.id, 'price_unit': 100, 'product_uom_qty': 2,
            'tax_id': [Command.clear()],
        })])
        worker = self._new_user('vipps_warehouse', 'base.group_user,stock.group_stock_user')
        self._start_on(tx.sale_order_ids.picking_ids, 'vipps_backorder', worker)
        self._run_due()
        self.assertEqual(self._get_aggregate(tx)['captured'], 10000)
        self.assertEqual(tx.state, 'authorized')
