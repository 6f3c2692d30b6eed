# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import os

from odoo.fields import Command

from odoo.addons.account.tests.common import AccountTestInvoicingCommon
from odoo.addons.payment.tests.common import PaymentCommon

from ..simulator.sales_units import NOK_UNIT
from ..simulator.server import Simulator


class VippsCommon(PaymentCommon, AccountTestInvoicingCommon):
    """ A company in NOK whose provider talks to a simulator over HTTP. """

    @classmethod
    def setUpClass(cls):
        super().setUpClass()

        cls.simulator = Simulator(
            allow_loopback_http=True, record=os.environ.get('VIPPS_SIMULATOR_RECORD')
        )
        cls.simulator.__enter__()
        cls.addClassCleanup(cls.simulator.close)
        cls.env['ir.config_parameter'].set_param(
            'mobilepay_vipps.test_api_url', cls.simulator.url
        )
        cls.env['ir.config_parameter'].set_param('web.base.url', 'http://127.0.0.1')

        cls.currency_nok = cls._prepare_currency('NOK')
        cls.currency_dkk = cls._prepare_currency('DKK')
        cls.company.currency_id = cls.currency_nok
        cls.country_norway = cls.env.ref('base.no')
        cls.vipps = cls._prepare_provider('vipps', update_values={
            'vipps_merchant_serial_number': NOK_UNIT.msn,
            'vipps_client_id': NOK_UNIT.client_id,
            'vipps_client_secret': NOK_UNIT.client_secret,
            'vipps_subscription_key': NOK_UNIT.subscription_key,
            'is_published': True,
        })
        cls.method_vipps = cls.env.ref('payment.payment_method_vipps')
        cls.method_mobile_pay = cls.env.ref('payment.payment_method_mobile_pay')

        # Default values for `_create_transaction`.
        cls.provider = cls.vipps
        cls.payment_method_id = cls.method_vipps.id
        cls.currency = cls.currency_nok
        cls.amount = 249.5
        cls.reference = None
        cls.partner = cls.env['res.partner'].create({
            'name': "Kari Nordmann",
            'phone': '98 76 54 32',
            'country_id': cls.country_norway.id,
            'lang': 'en_US',
        })
        cls.product = cls.env['product.product'].create({
            'name': "Wool Sweater", 'list_price': 200, 'taxes_id': [Command.clear()],
        })

    def setUp(self):
        self.enable_reconcile_after_done_patcher = False  # We look at the books, too.
        super().setUp()
        self.addCleanup(self.simulator.reset)
        # Jobs and alerts have database transactions of their own.
        if not self.registry.in_test_mode():
            self.registry.enter_test_mode(self.cr)
            self.addCleanup(self.registry.leave_test_mode)

    def _create_order(self, price=249.5, **values):
        return self.env['sale.order'].create({
            'partner_id': self.partner.id,
            'currency_id': self.currency_nok.id,
            'order_line': [Command.create({
                'product_id': self.product.id, 'price_unit': price, 'tax_id': [Command.clear()],
            })],
            **values,
        })

    def _start(self, **values):
        """ Create a transaction, and its payment in the simulator. """
        tx = self._create_transaction('redirect', **values)
        tx._get_processing_values()
        return tx

    def _authorize(self, **values):
        """ Create a transaction that the customer approves in the app. """
        tx = self._start(**values)
        self.simulator.approve(tx.vipps_payment_reference)
        tx._vipps_refresh()
        return tx
