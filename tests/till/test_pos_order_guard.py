# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo.exceptions import UserError
from odoo.fields import Command
from odoo.tests import tagged
from odoo.tools import mute_logger

from ..pos_common import SYNCHRONIZATION, PosCommon


@tagged('post_install', '-at_install')
class TestPosOrderGuard(PosCommon):
    """ An order that is being paid or was paid is neither deleted, cancelled nor lowered below its
    payment, whoever tries. """

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.manager = cls._new_user(
            'vipps_pos_manager', 'base.group_user,point_of_sale.group_pos_manager',
        )

    def _ask_in_both_states(self, ui_order):
        """ Ask for an order, and yield while the customer is asked, and again when it is paid. """
        status = self._ask(ui_order)
        order = self.env['pos.order'].browse(status['order_id'])
        yield order, status
        self.simulator.approve(status['reference'])
        self.assertEqual(self._look(status['reference'])['state'], 'paid')
        yield order, status

    def _set_lines(self, ui_order, *amounts):
        """ Let a browser change what the order is for. """
        ui_order['data'].update(
            lines=[Command.create(self._prepare_ui_line(amount)) for amount in amounts],
            amount_total=sum(amounts),
        )

    #=== Deleted or cancelled ===#

    def test_no_way_to_cancel_or_delete_an_order_is_open(self):
        for order, status in self._ask_in_both_states(self._prepare_ui_order()):
            for user in (self.cashier, self.manager):
                own = order.with_user(user)
                for name, act in (
                    ('button', own.action_pos_order_cancel),
                    ('write', lambda own=own: own.write({'state': 'cancel'})),
                    ('field', lambda own=own: setattr(own, 'state', 'cancel')),
                    ('till', lambda own=own: own.remove_from_ui(own.ids)),
                    ('rename', lambda own=own: own.write({'pos_reference': 'Other'})),
                    ('deletion', own.sudo().unlink),
                ):
                    with self.subTest(user=user.login, name=name, status=status['state']), \
                            self.assertRaisesRegex(UserError, "cannot be deleted, cancelled"), \
                            self.env.cr.savepoint():
                        act()
                    self.env.invalidate_all()
                    self.assertEqual(order.state, 'draft')
        self._call('vipps_undo_attempt', status['reference'])
        order.with_user(self.cashier).action_pos_order_cancel()
        self.assertEqual(order.state, 'cancel')

    def test_a_refund_that_is_unknown_keeps_its_order(self):
        sold = self._sell()
        ui_refund = self._prepare_ui_refund(sold)
        order = self._save_draft(ui_refund)
        self._call('vipps_create_attempt', order.id, self._get_uuid(ui_refund), False)
        with self.assertRaisesRegex(UserError, "cannot be deleted, cancelled"):
            order.with_user(self.cashier).action_pos_order_cancel()

    def test_orders_without_open_payments_are_cancelled_as_ever(self):
        ui_order = self._prepare_ui_order()
        status = self._ask(ui_order)
        self.simulator.decline(status['reference'])
        self._look(status['reference'])
        order = self.env['pos.order'].browse(status['order_id']).with_user(self.cashier)
        order.remove_from_ui(order.ids)
        # `pos_self_order` keeps what it has cancelled.
        self.assertIn(order.exists().state, (False, 'cancel'))

    #=== Lowered ===#

    def test_no_draft_becomes_less_than_what_is_asked_for_or_paid(self):
        ui_order = self._prepare_ui_order(200, lines=[
            self._prepare_ui_line(120), self._prepare_ui_line(80),
        ])
        for order, status in self._ask_in_both_states(ui_order):
            self._set_lines(ui_order, 120)
            with self.subTest(status=status['state']):
                with self.assertRaisesRegex(UserError, "cannot become less than.*200"), \
                        mute_logger(SYNCHRONIZATION), self.env.cr.savepoint():
                    self._save_draft(ui_order)
                with self.assertRaisesRegex(UserError, "cannot become less than.*200"):
                    order.with_user(self.cashier).write({'amount_total': 199.99})
                # What only this module itself can say is not believed of a browser.
                with self.assertRaisesRegex(UserError, "cannot become less than.*200"):
                    order.with_user(self.cashier).with_context(vipps_finishing=True).write(
                        {'amount_total': 0}
                    )
            self.env.invalidate_all()
            self.assertEqual(order.amount_total, 200)
            self._set_lines(ui_order, 120, 80, 50)
            self._save_draft(ui_order)
            self.assertEqual(order.amount_total, 250)
            self._set_lines(ui_order, 120, 80)
            self._save_draft(ui_order)
            self.assertEqual(order.amount_total, 200)
        self.assertEqual(self._finish(ui_order).state, 'paid')

    def test_a_part_that_is_paid_may_be_all_that_is_left(self):
        ui_order = self._prepare_ui_order(100, payments=[self._prepare_ui_payment(60)])
        self._ask_and_approve(ui_order)
        self._set_lines(ui_order, 60)
        self._save_draft(ui_order)
        self._set_lines(ui_order, 59)
        with self.assertRaisesRegex(UserError, "cannot become less than"), \
                mute_logger(SYNCHRONIZATION), self.env.cr.savepoint():
            self._save_draft(ui_order)

    def test_an_order_that_is_finished_for_less_gives_change(self):
        ui_order = self._prepare_ui_order(200)
        self._ask_and_approve(ui_order)
        self._set_lines(ui_order, 120)
        ui_order['data']['amount_return'] = 80
        order = self._finish(ui_order)
        self.assertEqual((order.state, order.amount_total, order.amount_paid), ('paid', 120, 120))

    def test_a_refund_order_does_not_become_less_than_what_was_refunded(self):
        sold = self._sell(100)
        ui_refund = self._prepare_ui_refund(sold)
        self.assertEqual(self._ask(ui_refund, flow=False)['state'], 'refunded')
        self._set_lines(ui_refund, -40)
        with self.assertRaisesRegex(UserError, "cannot become less than"), \
                mute_logger(SYNCHRONIZATION), self.env.cr.savepoint():
            self._save_draft(ui_refund)

    #=== Emptied ===#

    def test_an_emptied_basket_ends_the_question(self):
        ui_order = self._prepare_ui_order()
        status = self._ask(ui_order)
        self._set_lines(ui_order)
        order = self._save_draft(ui_order)
        self.assertEqual(order.amount_total, 0)
        self.assertEqual(self.simulator.payment(status['reference'])['state'], 'TERMINATED')
        self.assertEqual(self._look(status['reference'])['state'], 'unpaid')

    def test_an_emptied_basket_that_was_approved_in_the_meantime_is_paid(self):
        ui_order = self._prepare_ui_order()
        status = self._ask(ui_order)
        self.simulator.approve(status['reference'])
        self._set_lines(ui_order)
        with self.assertRaisesRegex(UserError, "cannot become less than"), \
                mute_logger(SYNCHRONIZATION), self.env.cr.savepoint():
            self._save_draft(ui_order)
        self.assertEqual(self._look(status['reference'])['state'], 'paid')

    #=== Finished otherwise ===#

    def test_a_customer_is_not_asked_any_longer_for_what_was_paid_in_cash(self):
        ui_order = self._prepare_ui_order()
        status = self._ask(ui_order)
        ui_order['data']['statement_ids'] = [
            Command.create(self._prepare_ui_payment(45, self.cash_method))
        ]
        self.assertEqual(self._finish(ui_order).state, 'paid')
        self._run_job()
        self.assertEqual(self.simulator.payment(status['reference'])['state'], 'TERMINATED')
        self.assertEqual(self._look(status['reference'])['state'], 'unpaid')

    #=== Two orders of one number ===#

    def test_two_orders_of_one_number_have_each_their_own_payment(self):
        ui_order = self._prepare_ui_order()
        status = self._ask_and_approve(ui_order)
        first = self.env['pos.order'].browse(status['order_id'])
        ui_other = self._prepare_ui_order(80, payments=[
            self._prepare_ui_payment(80, self.cash_method)
        ])
        other = self._save_draft(ui_other)
        other.pos_reference = first.pos_reference
        ui_other['data']['name'] = first.pos_reference
        for name in (first.pos_reference, False):
            listed = self._call('vipps_list_attempts', name and [name], other.id)
            self.assertEqual(listed, [])
        self.assertEqual(self._finish(ui_other).state, 'paid')
        # The draft has lost its line.
        ui_order['data']['statement_ids'] = []
        self._save_draft(ui_order)
        status = self._call('vipps_attach_attempt', status['reference'])
        self.assertTrue(status['is_attached'])
        self.assertEqual((status['order_id'], first.state), (first.id, 'paid'))

    def test_an_order_of_the_number_of_a_paid_one_is_deleted(self):
        ui_order = self._prepare_ui_order()
        status = self._ask_and_approve(ui_order)
        other = self._save_draft(self._prepare_ui_order(80, payments=[]))
        other.pos_reference = ui_order['data']['name']
        other.with_user(self.cashier).remove_from_ui(other.ids)
        self.assertIn(other.exists().state, (False, 'cancel'))
        self.assertEqual(self._look(status['reference'])['state'], 'paid')

    def test_a_payment_whose_order_is_gone_goes_into_no_order_of_another_total(self):
        ui_order = self._prepare_ui_order()
        status = self._ask_and_approve(ui_order)
        self.env.cr.execute("DELETE FROM pos_payment WHERE pos_order_id = %s", [status['order_id']])
        self.env.cr.execute("DELETE FROM pos_order WHERE id = %s", [status['order_id']])
        self.env.invalidate_all()
        copies = self._save_draft(self._prepare_ui_order(80, payments=[]))
        copies.pos_reference = status['order']
        with self.assertRaisesRegex(UserError, "the order is gone"):
            self._call('vipps_attach_attempt', status['reference'])
        copy = self._save_draft(self._prepare_ui_order(45, payments=[]))
        copy.pos_reference = status['order']
        self.assertEqual(
            self._call('vipps_attach_attempt', status['reference'])['order_id'], copy.id
        )
        self.assertEqual(copy.state, 'paid')

    #=== What the receipt shows ===#

    def test_a_finished_order_has_no_line_of_what_was_given_back(self):
        ui_order = self._prepare_ui_order()
        status = self._ask_and_approve(ui_order)
        self._call('vipps_undo_attempt', status['reference'])
        line, = (command[2] for command in ui_order['data']['statement_ids'])
        line.update(amount=0, payment_status='reversed', ticket=status['ticket'])
        ui_order['data']['statement_ids'].append(Command.create(
            self._prepare_ui_payment(45, self.cash_method)
        ))
        order = self._sync(ui_order)
        self.assertEqual((order.state, order.payment_ids.payment_method_id), (
            'paid', self.cash_method,
        ))
        # The answer was lost, and the till sends it once more.
        ui_order['data']['server_id'] = False
        self.assertFalse(self._sync(ui_order))

    def test_an_order_that_is_opened_elsewhere_knows_the_payment_that_was_just_asked_for(self):
        ui_order = self._prepare_ui_order()
        status = self._ask(ui_order)
        order = self.env['pos.order'].browse(status['order_id']).with_user(self.cashier)
        line, = (command[2] for command in order.export_for_ui()[0]['statement_ids'])
        self.assertEqual(line['vipps_reference'], status['reference'])
        self.simulator.expire(status['reference'])
        self.assertEqual(
            self._look(line['vipps_reference'])['message'], "The time ran out. Nothing was charged."
        )
