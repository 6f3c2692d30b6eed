# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo.exceptions import RedirectWarning, UserError
from odoo.fields import Command
from odoo.tests import tagged
from odoo.tools import mute_logger

from ..pos_common import SYNCHRONIZATION, PosCommon

NOT_PAID = "is not paid with Vipps"


@tagged('post_install', '-at_install')
class TestPosSync(PosCommon):
    """ What the server makes of the orders that browsers send. """

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.manager = cls._new_user(
            'vipps_pos_manager', 'base.group_user,point_of_sale.group_pos_manager',
        )

    def _open_other_till(self, **values):
        """ Return the session of another till, which takes Vipps only. """
        config = self._create_config(
            "Kiosk", payment_method_ids=[Command.set(self.pos_method.ids)], **values
        )
        return self._open_session(config)

    def _assert_not_finished(self, ui_order):
        """ Ensure that the server does not take an order for paid, whatever the browser says. """
        with self.assertRaisesRegex(UserError, NOT_PAID), mute_logger(SYNCHRONIZATION):
            self._finish(ui_order)
        self.env.invalidate_all()
        orders = self.env['pos.order'].search([('pos_reference', '=', ui_order['data']['name'])])
        self.assertFalse(orders.filtered(
            lambda o: o.state != 'draft' and o.id == ui_order['data'].get('server_id')
        ))

    #=== Forged ===#

    def test_a_line_without_any_attempt_pays_nothing(self):
        for uuid in ('made-up', False, None, 0, 7, ['x'], {'x': 1}, 'x' * 5000):
            with self.subTest(uuid=uuid):
                self._assert_not_finished(self._prepare_ui_order(payments=[
                    self._prepare_ui_payment(45, vipps_uuid=uuid)
                ]))

    def test_an_attempt_that_is_not_paid_pays_nothing(self):
        ui_order = self._prepare_ui_order()
        status = self._ask(ui_order)
        self._assert_not_finished(ui_order)
        self.simulator.decline(status['reference'])
        self._look(status['reference'])
        self._assert_not_finished(ui_order)

    def test_a_payment_pays_what_was_paid_and_nothing_else(self):
        ui_order = self._prepare_ui_order()
        self._ask_and_approve(ui_order)
        uuid = self._get_uuid(ui_order)
        for amount in (100, 45.01, 44.99, 1, -45, 0):
            with self.subTest(amount=amount):
                payments = [self._prepare_ui_payment(amount, vipps_uuid=uuid)]
                if not amount:
                    payments.append(self._prepare_ui_payment(45, self.cash_method))
                self._assert_not_finished(self._prepare_ui_order(
                    amount or 45, payments=payments, name=ui_order['data']['name'],
                    server_id=ui_order['data']['server_id'],
                ))
        self.assertEqual(self._finish(ui_order).state, 'paid')

    def test_a_payment_of_another_order_pays_nothing(self):
        ui_order = self._prepare_ui_order()
        self._ask_and_approve(ui_order)
        other = self._prepare_ui_order(payments=[
            self._prepare_ui_payment(45, vipps_uuid=self._get_uuid(ui_order))
        ])
        self._assert_not_finished(other)
        self.assertEqual(self._finish(ui_order).state, 'paid')
        self._assert_not_finished(other)

    def test_a_payment_with_one_method_pays_nothing_with_another_one(self):
        journal = self.pos_method.journal_id.copy({'code': 'VTIL2'})
        method = self.pos_method.copy({'name': "Vipps 2", 'journal_id': journal.id})
        self.config.with_context(
            bypass_payment_method_ids_forbidden_change=True
        ).payment_method_ids |= method
        ui_order = self._prepare_ui_order()
        self._ask_and_approve(ui_order)
        payment, = (command[2] for command in ui_order['data']['statement_ids'])
        payment['payment_method_id'] = method.id
        self._assert_not_finished(ui_order)
        payment['payment_method_id'] = self.pos_method.id
        self.assertEqual(self._finish(ui_order).state, 'paid')

    def test_a_payment_pays_once_in_the_same_order(self):
        ui_order = self._prepare_ui_order(90, payments=[
            self._prepare_ui_payment(45), self._prepare_ui_payment(45),
        ])
        self._ask_and_approve(ui_order)
        payments = [command[2] for command in ui_order['data']['statement_ids']]
        payments[1]['vipps_uuid'] = payments[0]['vipps_uuid']
        self._assert_not_finished(ui_order)

    def test_a_payment_pays_one_of_two_orders_with_the_same_name(self):
        ui_order = self._prepare_ui_order()
        self._ask_and_approve(ui_order)
        self.assertEqual(self._finish(ui_order).state, 'paid')
        self._assert_not_finished(self._prepare_ui_order(
            lines=[self._prepare_ui_line(20), self._prepare_ui_line(25)],
            payments=[self._prepare_ui_payment(45, vipps_uuid=self._get_uuid(ui_order))],
            name=ui_order['data']['name'],
        ))

    def test_a_payment_at_one_till_pays_nothing_at_another_one(self):
        ui_order = self._prepare_ui_order()
        status = self._ask_and_approve(ui_order)
        other = self._prepare_ui_order(
            payments=[self._prepare_ui_payment(45, vipps_uuid=self._get_uuid(ui_order))],
            session=self._open_other_till(),
            name=ui_order['data']['name'],
            server_id=False,
        )
        draft = self.env['pos.order'].browse(status['order_id'])
        # Odoo would take the one for the other, and nobody may rename it.
        with self.assertRaisesRegex(UserError, "is paying or has paid"):
            draft.with_user(self.cashier).pos_reference = 'Hidden'
        self.env.cr.execute(
            "UPDATE pos_order SET pos_reference = 'Hidden' WHERE id = %s", [draft.id]
        )
        self.env.invalidate_all()
        self._assert_not_finished(other)
        self.env.cr.execute(
            "UPDATE pos_order SET pos_reference = %s WHERE id = %s",
            [ui_order['data']['name'], draft.id],
        )
        self.env.invalidate_all()
        self.assertEqual(self._finish(ui_order).state, 'paid')

    def test_a_till_that_shares_its_orders_finishes_what_another_one_has_taken(self):
        session = self._open_other_till(trusted_config_ids=[Command.set(self.config.ids)])
        ui_order = self._prepare_ui_order()
        status = self._ask_and_approve(ui_order)
        listed = self._call(
            'vipps_list_attempts', [ui_order['data']['name']], session=session
        )
        self.assertEqual([each['reference'] for each in listed], [status['reference']])
        ui_order['data']['pos_session_id'] = session.id
        order = self._finish(ui_order)
        self.assertEqual((order.state, order.config_id), ('paid', session.config_id))
        self.assertTrue(self._close()['successful'])
        self.assertTrue(self._close(session)['successful'])

    def test_a_refund_that_was_not_made_is_not_claimed(self):
        order = self._sell()
        ui_refund = self._prepare_ui_refund(order)
        self._assert_not_finished(ui_refund)
        self._save_draft(ui_refund)
        self._assert_not_finished(ui_refund)
        ui_refund['data']['statement_ids'][0][2]['vipps_uuid'] = order.payment_ids.vipps_uuid
        self._assert_not_finished(ui_refund)

    def test_a_line_that_is_still_pending_does_not_finish_an_order(self):
        ui_order = self._prepare_ui_order()
        with self.assertRaisesRegex(UserError, NOT_PAID), mute_logger(SYNCHRONIZATION):
            self._sync(ui_order)
        self._ask_and_approve(ui_order)
        self.assertEqual(self._sync(ui_order).state, 'paid')

    def _prepare_claims(self, user, tx, draft, cash_order, sold):
        """ Return ways to claim that a draft or a finished order was paid with Vipps. """
        orders = self.env['pos.order'].with_user(user)
        payments = self.env['pos.payment'].with_user(user)
        draft_payment, cash_payment, sold_payment = (
            payments.browse(order.payment_ids.id) for order in (draft, cash_order, sold)
        )
        draft, sold = orders.browse(draft.id), orders.browse(sold.id)
        values = {'amount': 45, 'payment_method_id': self.pos_method.id}
        return {
            'link of a new one': lambda: payments.create({
                **values, 'pos_order_id': draft.id, 'vipps_transaction_id': tx.id,
            }),
            'link': lambda: draft_payment.write({'vipps_transaction_id': tx.id}),
            'link of a finished one': lambda: sold_payment.write({'vipps_transaction_id': tx.id}),
            'action': lambda: draft.action_pos_order_paid(),
            'action with a status': lambda: (
                draft_payment.write({'payment_status': 'done', 'transaction_id': 'x'}),
                draft.write({'amount_paid': 45}),
                draft.action_pos_order_paid(),
            ),
            'state': lambda: draft.write({'state': 'paid'}),
            'last state': lambda: draft.write({'state': 'done'}),
            'invoice': lambda: draft.write({'state': 'invoiced'}),
            'payment of a finished order': lambda: payments.create({
                **values, 'pos_order_id': cash_order.id,
            }),
            'other method': lambda: cash_payment.write({'payment_method_id': self.pos_method.id}),
            'other order': lambda: draft_payment.write({'pos_order_id': cash_order.id}),
            'other amount': lambda: sold_payment.write({'amount': 100}),
            'paid one to another order': lambda: sold_payment.write({'pos_order_id': draft.id}),
            'paid one in cash': lambda: sold_payment.write({
                'payment_method_id': self.cash_method.id,
            }),
            'deletion of a paid one': lambda: sold_payment.unlink(),
            'deletion of a paid order': lambda: sold.unlink(),
        }

    def test_nobody_claims_a_payment_by_writing_to_the_records(self):
        ui_order = self._prepare_ui_order()
        tx = self._get_attempt(self._ask_and_approve(ui_order)['reference'])
        sold = self._sell()
        cash_order = self._finish(self._prepare_ui_order(
            payments=[self._prepare_ui_payment(45, self.cash_method)]
        ))
        draft = self._save_draft(self._prepare_ui_order())
        for user in (self.cashier, self.manager):
            claims = self._prepare_claims(user, tx, draft, cash_order, sold)
            for name, claim in claims.items():
                with self.subTest(user=user.login, name=name), self.assertRaises(UserError):
                    claim()
                    self.env.flush_all()
        self.env.invalidate_all()
        self.assertEqual(draft.state, 'draft')
        self.assertEqual(cash_order.payment_ids.payment_method_id, self.cash_method)
        self.assertEqual(self._finish(ui_order).state, 'paid')

    def test_no_payment_is_claimed_in_the_back_office(self):
        order = self._save_draft(self._prepare_ui_order())
        order.payment_ids.unlink()
        wizard = self.env['pos.make.payment'].with_user(self.manager).with_context(
            active_id=order.id
        ).create({'amount': 45, 'payment_method_id': self.pos_method.id})
        with self.assertRaisesRegex(UserError, "at the till"):
            wizard.check()
        self.env.invalidate_all()
        self.assertEqual(order.state, 'draft')
        self.assertFalse(order.payment_ids)
        wizard.payment_method_id = self.cash_method
        wizard.check()
        self.assertEqual(order.state, 'paid')

    #=== Orders that come and go ===#

    def test_an_order_is_paid_with_the_app_and_in_cash(self):
        ui_order = self._prepare_ui_order(100, payments=[
            self._prepare_ui_payment(60), self._prepare_ui_payment(40, self.cash_method),
        ])
        self.assertEqual(self._ask_and_approve(ui_order)['amount'], 60)
        order = self._finish(ui_order)
        self.assertEqual((order.state, order.amount_paid), ('paid', 100))

    def test_an_order_with_change_is_paid_with_the_app_and_in_cash(self):
        ui_order = self._prepare_ui_order(100, payments=[self._prepare_ui_payment(60)])
        self.assertEqual(self._ask_and_approve(ui_order)['state'], 'paid')
        ui_order['data']['statement_ids'].append(Command.create(
            self._prepare_ui_payment(50, self.cash_method)
        ))
        ui_order['data']['amount_return'] = 10
        self.assertEqual(self._finish(ui_order).state, 'paid')

    def test_cash_instead_of_an_open_payment_releases_what_is_approved_afterwards(self):
        for is_read_by_job in (False, True):
            with self.subTest(is_read_by_job=is_read_by_job):
                ui_order = self._prepare_ui_order()
                reference = self._ask(ui_order)['reference']
                ui_order['data']['statement_ids'] = [Command.create(
                    self._prepare_ui_payment(45, self.cash_method)
                )]
                self.assertEqual(self._finish(ui_order).state, 'paid')
                self.assertEqual(self.session.vipps_unsettled_count, 0)
                self.simulator.approve(reference)
                if is_read_by_job:
                    self._run_job()
                status = self._look(reference)
                self.assertIn(status['state'], ('unpaid', 'returned'))
                self.assertEqual(self._get_aggregate(self._get_attempt(reference)), {
                    'authorized': 4500, 'captured': 0, 'cancelled': 4500, 'refunded': 0,
                })
        self.assertTrue(self._close()['successful'])

    def test_an_order_is_not_finished_with_cash_as_long_as_the_customer_has_paid_it(self):
        ui_order = self._prepare_ui_order()
        reference = self._ask_and_approve(ui_order)['reference']
        ui_order['data']['statement_ids'] = [Command.create(self._prepare_ui_payment(
            45, self.cash_method, vipps_uuid=self._get_uuid(ui_order),
        ))]
        with self.assertRaisesRegex(UserError, "missing here"), mute_logger(SYNCHRONIZATION):
            self._finish(ui_order)
        listed = self._call('vipps_list_attempts')
        self.assertEqual([status['reference'] for status in listed], [reference])
        self.assertIn(reference, self._close()['message'])
        self.assertEqual(self._call('vipps_undo_attempt', reference)['state'], 'returned')
        self.assertEqual(self._finish(ui_order).state, 'paid')
        self.assertTrue(self._close()['successful'])

    def test_an_order_that_somebody_is_paying_or_has_paid_is_not_deleted(self):
        ui_order = self._prepare_ui_order()
        status = self._ask(ui_order)
        orders = self.env['pos.order'].with_user(self.cashier)
        for _state in ('waiting', 'paid'):
            with self.assertRaises(UserError) as refusal:
                orders.remove_from_ui([status['order_id']])
            self.assertIn("cannot be deleted", str(refusal.exception))
            if self._look(status['reference'])['state'] == 'waiting':
                self.simulator.approve(status['reference'])
                self._look(status['reference'])
        self._call('vipps_undo_attempt', status['reference'])
        orders.remove_from_ui([status['order_id']])
        # `pos_self_order` cancels what others delete.
        self.assertIn(orders.browse(status['order_id']).exists().state, (False, 'cancel'))
        self.assertTrue(self._close()['successful'])

    def test_a_draft_that_is_saved_again_and_again_keeps_its_payment(self):
        ui_order = self._prepare_ui_order()
        reference = self._ask(ui_order)['reference']
        tx = self._get_attempt(reference)
        order = self.env['pos.order']
        for _i in range(3):
            payment = order.payment_ids
            order = self._save_draft(ui_order)
            self.assertFalse(payment.exists())
            self.assertEqual(order.payment_ids.vipps_transaction_id, tx)
        self.simulator.approve(reference)
        self._look(reference)
        order = self._save_draft(ui_order)
        self.assertEqual(order.payment_ids.vipps_transaction_id, tx)
        line, = (command[2] for command in order.with_user(
            self.cashier
        ).export_for_ui()[0]['statement_ids'])
        self.assertEqual(
            (line['vipps_uuid'], line['vipps_reference']), (self._get_uuid(ui_order), reference)
        )
        self.assertEqual(self._finish(ui_order).state, 'paid')

    def test_a_till_that_looks_for_online_payments_keeps_an_order_that_is_being_paid(self):
        ui_order = self._prepare_ui_order()
        reference = self._ask(ui_order)['reference']
        order = self._save_draft(ui_order).with_user(self.cashier)
        self.assertNotIn('deleted', order.get_and_set_online_payments_data(0))
        self.env.invalidate_all()
        self.simulator.approve(reference)
        status = self._look(reference)
        self.assertEqual((status['state'], status['order_id']), ('paid', order.id))
        self.assertFalse(self._close()['successful'])
        order = self._finish(ui_order)
        self.assertEqual(order.state, 'paid')
        self.assertEqual(order.payment_ids.vipps_transaction_id.reference, reference)
        self.assertTrue(self._close()['successful'])

    def test_an_order_that_comes_after_the_session_lands_in_a_rescue_session_with_its_payment(self):
        ui_order = self._prepare_ui_order()
        status = self._ask_and_approve(ui_order)
        self.session.sudo().state = 'closing_control'
        with mute_logger(SYNCHRONIZATION):
            order = self._finish(ui_order)
        self.assertTrue(order.session_id.rescue)
        self.assertEqual(order.state, 'paid')
        self.assertEqual(order.payment_ids.vipps_transaction_id.reference, status['reference'])
        self.session.sudo().state = 'opened'
        self.assertTrue(self._close()['successful'])
        order.session_id.with_user(self.manager).action_pos_session_closing_control()
        self.assertEqual(order.session_id.state, 'closed')

    def test_a_rescue_session_with_an_unsettled_payment_is_not_closed(self):
        ui_order = self._prepare_ui_order()
        self.session.sudo().state = 'closing_control'
        with mute_logger(SYNCHRONIZATION):
            rescue_session = self._save_draft(ui_order).session_id
        self.assertTrue(rescue_session.rescue)
        ui_order['data']['pos_session_id'] = rescue_session.id
        reference = self._ask_and_approve(ui_order, session=rescue_session)['reference']
        for user in (self.cashier, self.manager):
            with self.assertRaisesRegex(RedirectWarning, reference):
                rescue_session.with_user(user).action_pos_session_closing_control()
            self.assertEqual(rescue_session.state, 'opened')
        self._call('vipps_attach_attempt', reference, session=rescue_session)
        rescue_session.with_user(self.manager).action_pos_session_closing_control()
        self.assertEqual(rescue_session.state, 'closed')

    def test_the_same_order_in_two_tabs_is_finished_once(self):
        ui_order = self._prepare_ui_order()
        self._ask_and_approve(ui_order)
        other_tab = {**ui_order, 'data': dict(ui_order['data'])}
        order = self._finish(ui_order)
        self.assertEqual(order.state, 'paid')
        self.assertFalse(self._finish(other_tab), "Odoo has it already.")
        orders = self.env['pos.order'].search([('pos_reference', '=', order.pos_reference)])
        self.assertEqual(orders, order)
        self.assertEqual(len(order.payment_ids), 1)
