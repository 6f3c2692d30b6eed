# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo.exceptions import AccessError, UserError
from odoo.fields import Command
from odoo.tests import tagged
from odoo.tools import mute_logger

from ..pos_common import SYNCHRONIZATION, PosCommon


@tagged('post_install', '-at_install')
class TestPosCrossing(PosCommon):
    """ One order in several browsers, none of which knows what the others did. """

    def _replace_lines(self, ui_order, amount, method=None):
        """ Let a browser hold the order with a line of its own instead of those that it has lost.
        """
        ui_order['data']['statement_ids'] = [
            Command.create(self._prepare_ui_payment(amount, method))
        ]

    def _refund(self, order, amount):
        """ Return the refund order of a till, and the status of its refund. """
        ui_refund = self._prepare_ui_refund(order, amount)
        return ui_refund, self._ask(ui_refund, flow=False)

    def _get_refunded(self, order):
        return self._get_aggregate(order.payment_ids.vipps_transaction_id)['refunded']

    #=== Paying ===#

    def test_a_browser_that_does_not_know_of_a_payment_does_not_ask_for_it_again(self):
        ui_order = self._prepare_ui_order()
        reference = self._ask_and_approve(ui_order)['reference']
        self._replace_lines(ui_order, 45)
        with self.assertRaisesRegex(UserError, "is already paid or refunded with Vipps"):
            self._ask(ui_order)
        self._replace_lines(ui_order, 10)
        with self.assertRaisesRegex(UserError, "is left. Open the payments of the order again"):
            self._ask(ui_order)
        self.assertEqual(len(self._get_calls('create')), 1)
        self._call('vipps_undo_attempt', reference)
        self.assertEqual(self._ask(ui_order)['state'], 'waiting')

    def test_what_was_finished_without_a_connection_is_taken_with_what_it_left_out(self):
        ui_order = self._prepare_ui_order()
        reference = self._ask_and_approve(ui_order)['reference']
        self._replace_lines(ui_order, 45, self.cash_method)
        orders = self.env['pos.order'].with_user(self.cashier)
        orders.with_context(is_receipt_printed=True).create_from_ui([ui_order])
        self.assertIn(reference, self._close()['message'])
        self._call('vipps_undo_attempt', reference)
        self.assertTrue(self._close()['successful'])

    def test_a_payment_of_which_nobody_knows_whether_it_was_given_back_finishes_no_order(self):
        ui_order = self._prepare_ui_order()
        reference = self._ask_and_approve(ui_order)['reference']
        self.simulator.fault('refund', 'lost_answer', times=None)
        with self._without_pauses(), self.assertRaisesRegex(UserError, "Try again in a moment"):
            self._call('vipps_undo_attempt', reference)
        self.env.cr.postrollback.run()
        with self.assertRaises(UserError), mute_logger(SYNCHRONIZATION):
            self._finish(ui_order)
        self.assertEqual(self._look(reference)['state'], 'returned')

    def test_a_doubt_ends_with_a_look_that_finds_the_payment_as_it_was(self):
        ui_order = self._prepare_ui_order()
        reference = self._ask_and_approve(ui_order)['reference']
        self.simulator.fault('refund', 'lost', times=None)
        with self._without_pauses(), self.assertRaises(UserError):
            self._call('vipps_undo_attempt', reference)
        self.env.cr.postrollback.run()
        self.simulator.clear_faults()
        self.assertEqual(self._look(reference)['state'], 'paid')
        self.assertEqual(self._finish(ui_order).state, 'paid')

    def test_a_payment_of_which_a_part_was_given_back_is_not_put_into_its_order(self):
        ui_order = self._prepare_ui_order()
        status = self._ask_and_approve(ui_order)
        self.simulator.refund(status['reference'], 1000)
        self._get_attempt(status['reference'])._vipps_sync()
        left = self._look(status['reference'])
        self.assertEqual((left['state'], left['amount']), ('paid', 35))
        with self.assertRaisesRegex(UserError, "a part of the payment was refunded"):
            self._call('vipps_attach_attempt', status['reference'])
        order = self.env['pos.order'].browse(status['order_id'])
        self.assertEqual((order.state, len(order.picking_ids)), ('draft', 0))

    #=== Paying out ===#

    def test_nobody_takes_a_payment_out_of_its_finished_order_to_get_it_back(self):
        order = self._sell().with_user(self.cashier)
        reference = order.sudo().payment_ids.vipps_transaction_id.reference
        for exception, write in (
            (AccessError, lambda: order.payment_ids.write({'vipps_transaction_id': False})),
            (AccessError, lambda: order.payment_ids.write({'vipps_uuid': 'x'})),
            (UserError, lambda: order.write({'state': 'draft'})),
            (UserError, lambda: order.write({'state': 'cancel'})),
            (UserError, lambda: order.payment_ids.unlink()),
        ):
            with self.assertRaises(exception):
                write()
        with self.assertRaisesRegex(UserError, "Refund the order instead"):
            self._call('vipps_undo_attempt', reference)

    def test_no_more_is_refunded_than_the_refund_order_gives_back(self):
        order = self._sell(100)
        ui_refund = self._prepare_ui_refund(order, 10, payments=[self._prepare_ui_payment(-100)])
        with self.assertRaisesRegex(UserError, "is left to refund"):
            self._ask(ui_refund, flow=False)
        self.assertEqual(self._get_refunded(order), 0)

    def test_a_browser_that_does_not_know_of_a_refund_does_not_make_it_again(self):
        order = self._sell(100)
        ui_refund, status = self._refund(order, 10)
        lines = ui_refund['data']['statement_ids']
        self._replace_lines(ui_refund, -10)
        with self.assertRaisesRegex(UserError, "is already paid or refunded with Vipps"):
            self._ask(ui_refund, flow=False)
        self.assertEqual(self._get_refunded(order), 1000)
        ui_refund['data']['statement_ids'] = lines
        self.assertEqual(self._finish(ui_refund).state, 'paid')
        self.assertEqual(status['state'], 'refunded')

    def test_a_refund_that_was_dropped_and_made_all_the_same_is_not_made_again(self):
        order = self._sell(100)
        ui_refund = self._prepare_ui_refund(order, 10)
        self.simulator.fault('refund', 'lost_answer', times=None)
        with self._without_pauses():
            reference = self._ask(ui_refund, flow=False)['reference']
        self.simulator.clear_faults()
        self.simulator.fault('get', 'stale')
        self.assertEqual(self._call('vipps_cancel_attempt', reference)['state'], 'unpaid')
        self.assertEqual(self._ask(ui_refund, flow=False)['state'], 'refunded')
        self.assertEqual(self._get_refunded(order), 1000)

    def test_a_refund_whose_order_is_gone_is_booked_by_itself(self):
        order = self._sell()
        ui_refund, status = self._refund(order, 45)
        self._replace_lines(ui_refund, -45, self.cash_method)
        orders = self.env['pos.order'].with_user(self.cashier)
        orders.with_context(is_receipt_printed=True).create_from_ui([ui_refund])
        self.assertIn(status['reference'], self._close()['message'])
        for _i in range(2):
            status = self._call('vipps_attach_attempt', status['reference'])
            self.assertEqual((status['state'], status['is_attached']), ('refunded', True))
        payment = self._get_attempt(status['reference']).payment_id
        self.assertEqual((payment.payment_type, payment.amount), ('outbound', 45))
        self.assertTrue(self._close()['successful'])
        self.assertFalse(self._call('vipps_list_attempts'))
