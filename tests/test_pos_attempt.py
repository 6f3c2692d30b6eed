# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo.exceptions import UserError
from odoo.tests import tagged
from odoo.tools import mute_logger

from .pos_common import SYNCHRONIZATION, PosCommon


@tagged('post_install', '-at_install')
class TestPosAttempt(PosCommon):

    def test_a_customer_who_scans_the_qr_code_pays_the_order_and_is_charged_at_once(self):
        ui_order = self._prepare_ui_order()
        status = self._ask(ui_order)
        self.assertEqual(status['state'], 'waiting')
        self.assertTrue(status['qr'].startswith('data:image/svg+xml;base64,'))
        self.simulator.approve(status['reference'])
        status = self._look(status['reference'])
        self.assertEqual((status['state'], status['is_captured']), ('paid', True))
        self.assertFalse(status['is_attached'])
        order = self._finish(ui_order)
        tx = self._get_attempt(status['reference'])
        self.assertEqual((order.state, order.payment_ids.vipps_transaction_id), ('paid', tx))
        self.assertEqual(self._get_aggregate(tx)['captured'], 4500)
        self.assertFalse(tx.payment_id)

    def test_an_order_is_not_paid_because_a_browser_says_so(self):
        ui_order = self._prepare_ui_order()
        status = self._ask(ui_order)
        with self.assertRaises(UserError), mute_logger(SYNCHRONIZATION):
            self._finish(ui_order)
        self.assertEqual(self._call('vipps_cancel_attempt', status['reference'])['state'], 'unpaid')

    def test_a_session_with_an_open_payment_is_not_closed(self):
        ui_order = self._prepare_ui_order()
        status = self._ask(ui_order)
        answer = self._close()
        self.assertFalse(answer['successful'])
        self.assertEqual(answer['vipps_attempts'][0]['reference'], status['reference'])

    def test_a_refund_goes_to_the_payment_of_the_order(self):
        order = self._sell()
        tx = order.payment_ids.vipps_transaction_id
        ui_refund = self._prepare_ui_refund(order, 20)
        status = self._ask(ui_refund, flow=False)
        self.assertEqual((status['state'], status['amount']), ('refunded', -20))
        self.assertEqual(self._get_aggregate(tx)['refunded'], 2000)
        refund_order = self._finish(ui_refund)
        self.assertEqual(refund_order.state, 'paid')
        self.assertTrue(self._close()['successful'])
