# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo.tests import tagged

from ..jobs.test_webhook import WebhookCommon
from .express_common import ExpressCommon


@tagged('post_install', '-at_install')
class TestExpressEvent(ExpressCommon, WebhookCommon):
    """ The delivery is in the event of the approval only. """

    def setUp(self):
        # Events are sent by the tests, one by one.
        self.env['ir.config_parameter'].set_param('web.base.url', 'http://127.0.0.1')
        super().setUp()
        self._put_into_cart()
        self.tx = self._start_express()

    def _approve_by_event(self, *faults):
        """ Approve with the home delivery, and return the body of the event. """
        for fault in faults:
            self.simulator.fault('approval', fault)
        self._approve_express(self.tx, self._get_option(self.tx, self.home))
        payment = self.simulator._world.find_by_reference(self.tx.vipps_payment_reference)
        return payment.webhook_event(payment.events[-1])

    def test_order_is_confirmed_when_only_the_event_has_the_delivery(self):
        self.assertEqual(self._post(self._approve_by_event('only_event')), 200)
        self.assertEqual(
            self._get_inbox().express_choice['address']['street'], "Robert Levins gate 5"
        )
        self._refresh(self.tx)
        self._run_job()
        order = self.tx.sale_order_ids
        self.assertEqual((order.state, order.amount_total), ('sale', 249))
        self.assertEqual(order.partner_shipping_id.street, "Robert Levins gate 5")
        self.assertEqual(self._get_aggregate(self.tx)['captured'], 24900)
        self.assertFalse(self._get_inbox().express_choice, "The address is kept in one place.")

    def test_event_that_comes_after_the_reading_completes_the_order(self):
        body = self._approve_by_event('only_event')
        self._refresh(self.tx)
        self.assertEqual(self.tx.sale_order_ids.state, 'draft')
        self._post(body)
        self._refresh(self.tx)
        self._run_job()
        self.assertEqual(self.tx.sale_order_ids.state, 'sale')

    def test_what_the_payment_says_counts(self):
        body = self._approve_by_event()
        body['shippingDetails'] = {**body['shippingDetails'], 'shippingOptionId': 'other'}
        self._post(body)
        self._refresh(self.tx)
        self._run_job()
        self.assertEqual(self.tx.sale_order_ids.state, 'sale')
        self.assertFalse(self._get_inbox().express_choice)

    def test_events_of_known_and_of_other_payments_keep_no_address(self):
        body = self._approve_by_event()
        self._refresh(self.tx)
        self._post(body)
        self.assertFalse(self._get_inbox().express_choice)
        self._post({**body, 'reference': 'another-payment', 'pspReference': 'other'})
        self.assertFalse(any(self._get_inbox().mapped('express_choice')))

    def test_customer_who_is_forgotten_leaves_no_address(self):
        body = self._approve_by_event('only_event')
        self._post(body)
        self.tx._vipps_forget()
        self.assertFalse(self._get_inbox().express_choice)
        self._post({**body, 'pspReference': 'other'})
        self.assertFalse(any(self._get_inbox().mapped('express_choice')))
