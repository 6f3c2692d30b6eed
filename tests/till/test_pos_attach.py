# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo.exceptions import UserError
from odoo.fields import Command
from odoo.tests import tagged
from odoo.tools import mute_logger

from ..pos_common import SYNCHRONIZATION, PosCommon
from .test_pos_sync import NOT_PAID


@tagged('post_install', '-at_install')
class TestPosAttach(PosCommon):
    """ How a payment without a finished order is put into its order, or undone. """

    #=== Attaching ===#

    def test_a_paid_payment_is_put_into_its_draft_and_finishes_it(self):
        ui_order = self._prepare_ui_order()
        reference = self._ask_and_approve(ui_order)['reference']
        for _i in range(2):
            status = self._call('vipps_attach_attempt', reference)
            self.assertEqual((status['state'], status['is_attached']), ('paid', True))
        order = self.env['pos.order'].browse(status['order_id'])
        self.assertEqual((order.state, order.amount_paid), ('paid', 45))
        self.assertEqual(order.payment_ids.payment_status, 'done')
        self.assertFalse(self._finish(ui_order))
        self.assertFalse(self._call('vipps_list_attempts'))
        self.assertTrue(self._close()['successful'])

    def test_a_paid_payment_is_put_into_a_draft_whose_line_was_removed(self):
        ui_order = self._prepare_ui_order()
        reference = self._ask_and_approve(ui_order)['reference']
        ui_order['data']['statement_ids'] = []
        self._save_draft(ui_order)
        status = self._call('vipps_attach_attempt', reference)
        self.assertTrue(status['is_attached'])
        order = self.env['pos.order'].browse(status['order_id'])
        self.assertEqual((order.state, order.payment_ids.amount), ('paid', 45))

    def test_a_payment_of_a_part_is_put_into_its_draft_which_waits_for_the_rest(self):
        ui_order = self._prepare_ui_order(100, payments=[self._prepare_ui_payment(60)])
        reference = self._ask_and_approve(ui_order)['reference']
        status = self._call('vipps_attach_attempt', reference)
        self.assertFalse(status['is_attached'])
        order = self.env['pos.order'].browse(status['order_id'])
        self.assertEqual((order.state, order.amount_paid), ('draft', 60))
        ui_order['data']['statement_ids'].append(Command.create(
            self._prepare_ui_payment(40, self.cash_method)
        ))
        self.assertEqual(self._finish(ui_order).state, 'paid')

    def test_what_is_not_paid_is_not_put_into_an_order(self):
        status = self._ask(self._prepare_ui_order())
        with self.assertRaisesRegex(UserError, "neither paid nor refunded"):
            self._call('vipps_attach_attempt', status['reference'])

    #=== Undoing ===#

    def test_what_is_paid_is_given_back_before_the_order_is_finished(self):
        for is_captured in (True, False):
            with self.subTest(is_captured=is_captured):
                if not is_captured:
                    self.simulator.fault('capture', 'refuse', code='6260', times=None)
                ui_order = self._prepare_ui_order()
                status = self._ask_and_approve(ui_order)
                self.assertEqual(status['is_captured'], is_captured)
                for _i in range(2):
                    status = self._call('vipps_undo_attempt', status['reference'])
                    self.assertEqual(status['state'], 'returned')
                aggregate = self._get_aggregate(self._get_attempt(status['reference']))
                self.assertEqual(aggregate['refunded' if is_captured else 'cancelled'], 4500)
                self.assertEqual(aggregate['captured'], 4500 if is_captured else 0)
                with self.assertRaisesRegex(UserError, NOT_PAID), mute_logger(SYNCHRONIZATION):
                    self._finish(ui_order)
                self.simulator.clear_faults()
                self.assertEqual(self._ask_and_approve(ui_order)['state'], 'paid')
                self.assertEqual(self._finish(ui_order).state, 'paid')
        self.assertTrue(self._close()['successful'])

    def test_what_belongs_to_a_finished_order_is_not_undone(self):
        order = self._sell()
        with self.assertRaisesRegex(UserError, "Refund the order instead"):
            self._call('vipps_undo_attempt', order.payment_ids.vipps_transaction_id.reference)
        tx = order.payment_ids.vipps_transaction_id
        self.assertEqual(self._get_aggregate(tx)['refunded'], 0)

    def test_an_undoing_without_an_answer_is_said_to_be_unknown_and_is_done_once(self):
        for kind in ('lost', 'lost_answer'):
            with self.subTest(kind=kind), self._without_pauses():
                # Tills do not look while Vipps MobilePay is known not to answer.
                self.env['vipps.api.call'].sudo().search([]).unlink()
                reference = self._ask_and_approve(self._prepare_ui_order())['reference']
                self.simulator.fault('refund', kind, times=None)
                with self.assertRaisesRegex(UserError, "Try again in a moment"):
                    self._call('vipps_undo_attempt', reference)
                self.simulator.clear_faults()
                self.env.cr.postrollback.run()
                status = self._call('vipps_undo_attempt', reference)
                self.assertEqual(status['state'], 'returned')
                aggregate = self._get_aggregate(self._get_attempt(reference))
                self.assertEqual(aggregate['refunded'], 4500)
