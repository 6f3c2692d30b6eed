# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from datetime import timedelta

from freezegun import freeze_time

from odoo import fields
from odoo.exceptions import UserError
from odoo.fields import Command
from odoo.tests import tagged
from odoo.tools import mute_logger

from ..pos_common import SYNCHRONIZATION, PosCommon


@tagged('post_install', '-at_install')
class TestPosRefund(PosCommon):
    """ Refunds at the till, each to the payment with which the products were paid. """

    def _create_refund(self, ui_refund, index=0, **kwargs):
        """ Save a refund order, and store a refund; nobody is asked yet. """
        order = self._save_draft(ui_refund)
        return self._call(
            'vipps_create_attempt', order.id, self._get_uuid(ui_refund, index), False, **kwargs
        )

    def _refund_order(self, order, amount=None, session=None, **kwargs):
        """ Return the finished order that gives products back. """
        ui_refund = self._prepare_ui_refund(order, amount, session=session, **kwargs)
        status = self._ask(ui_refund, flow=False, session=session)
        self.assertEqual((status['state'], status['message']), ('refunded', ''))
        return self._finish(ui_refund)

    def _get_refunded(self, order):
        return self._get_aggregate(self._get_paying_tx(order))['refunded']

    def _assert_refused(self, sentence, ui_refund, index=0):
        """ Ensure that a refund is refused with a sentence before it is stored. """
        count = self.env['payment.transaction'].sudo().search_count([])
        with self.assertRaisesRegex(UserError, sentence):
            self._create_refund(ui_refund, index)
        self.assertEqual(self.env['payment.transaction'].sudo().search_count([]), count)

    def _start_without_answer(self, reference, kind):
        """ Ask for a refund without getting an answer, and return the status. """
        self.simulator.fault('refund', kind, times=None)
        with self._without_pauses():
            status = self._call('vipps_start_attempt', reference)
        self.simulator.clear_faults()
        return status

    #=== How much ===#

    def test_what_a_till_does_is_recorded_with_the_cashier(self):
        order = self._sell()
        self._refund_order(order)
        events = self.env['vipps.audit.event'].sudo().search([
            ('reference', 'like', self._get_paying_tx(order).reference),
        ], order='id')
        self.assertEqual([(event.action, event.to_state) for event in events], [
            ('started', False), ('state_changed', 'authorized'),
            ('capture', False), ('capture', False), ('state_changed', 'done'),
            ('refund', False), ('refund', False), ('state_changed', 'done'),
        ])
        self.assertEqual(set(events.mapped('source')), {'till'})
        self.assertEqual(events.user_id, self.cashier)
        self.assertEqual(events[-1].amount, -45)

    def test_all_of_a_payment_is_refunded(self):
        order = self._sell()
        refund_order = self._refund_order(order)
        self.assertEqual((refund_order.state, refund_order.amount_total), ('paid', -45))
        self.assertEqual(self._get_refunded(order), 4500)
        refund_tx = self._get_paying_tx(refund_order)
        self.assertEqual((refund_tx.operation, refund_tx.amount), ('refund', -45))
        self.assertEqual(refund_tx.source_transaction_id, self._get_paying_tx(order))
        self.assertFalse(refund_tx.payment_id, "The session books it.")
        self.assertTrue(self._close()['successful'])

    def test_a_part_is_refunded_and_later_the_rest(self):
        order = self._sell()
        self._refund_order(order, 20)
        self.assertEqual(self._get_refunded(order), 2000)
        self._assert_refused("At most.*25.00", self._prepare_ui_refund(order, 30))
        self._refund_order(order, 25)
        self.assertEqual(self._get_refunded(order), 4500)
        self._assert_refused("refunded already", self._prepare_ui_refund(order, 1))

    def test_more_than_was_paid_is_not_refunded(self):
        order = self._sell()
        self._assert_refused("At most.*45.00", self._prepare_ui_refund(order, 45.01))
        self.assertEqual(self._get_refunded(order), 0)

    def test_the_ticket_of_a_refund_tells_the_reference_of_the_payment(self):
        order = self._sell()
        refund_order = self._refund_order(order)
        ticket = refund_order.payment_ids.ticket
        self.assertIn("Refunded", ticket)
        self.assertIn(self._get_paying_tx(order).vipps_payment_reference, ticket)

    def test_each_of_several_payments_is_refunded_with_a_line_of_its_own(self):
        ui_order = self._prepare_ui_order(
            payments=[self._prepare_ui_payment(20), self._prepare_ui_payment(25)]
        )
        self._ask_and_approve(ui_order)
        self._ask_and_approve(ui_order, index=1)
        order = self._finish(ui_order)
        self._assert_refused("At most.*25.00", self._prepare_ui_refund(order))
        ui_refund = self._prepare_ui_refund(order, payments=[
            self._prepare_ui_payment(-20), self._prepare_ui_payment(-25),
        ])
        # The larger line comes first: the other one is then left for the smaller payment.
        for index in (1, 0):
            self.assertEqual(self._ask(ui_refund, flow=False, index=index)['state'], 'refunded')
        self.assertEqual(self._finish(ui_refund).state, 'paid')
        self.assertEqual([
            self._get_aggregate(tx)['refunded']
            for tx in self._get_paying_tx(order).sorted('amount')
        ], [2000, 2500])

    def test_a_refund_is_paid_with_the_app_and_in_cash(self):
        order = self._sell()
        ui_refund = self._prepare_ui_refund(order, payments=[
            self._prepare_ui_payment(-30), self._prepare_ui_payment(-15, self.cash_method),
        ])
        self._ask(ui_refund, flow=False)
        self.assertEqual(self._finish(ui_refund).state, 'paid')
        self.assertEqual(self._get_refunded(order), 3000)

    def test_what_was_paid_in_another_way_is_refunded_in_that_way(self):
        order = self._finish(self._prepare_ui_order(
            payments=[self._prepare_ui_payment(45, self.cash_method)]
        ))
        self._assert_refused("the way they were paid", self._prepare_ui_refund(order))
        self._assert_refused("the way they were paid", self._prepare_ui_order(-45))

    #=== Where and when ===#

    def test_a_payment_is_refunded_at_another_till(self):
        order = self._sell()
        session = self._open_session(self._create_config(
            "Kiosk", payment_method_ids=[Command.set(self.pos_method.ids)]
        ))
        refund_order = self._refund_order(order, session=session)
        self.assertEqual(refund_order.config_id, session.config_id)
        self.assertEqual(self._get_paying_tx(refund_order).vipps_pos_config_id, session.config_id)
        self.assertEqual(self._get_refunded(order), 4500)
        self.assertTrue(self._close()['successful'])
        self.assertTrue(self._close(session)['successful'])

    def test_a_payment_is_refunded_in_another_session(self):
        order = self._sell()
        self.assertTrue(self._close()['successful'])
        self.assertEqual(order.state, 'done')
        self.simulator.advance(3 * 24 * 3600)
        session = self._open_session(self.config)
        refund_order = self._refund_order(order, session=session)
        self.assertEqual(refund_order.session_id, session)
        self.assertEqual(self._get_refunded(order), 4500)
        self.assertTrue(self._close(session)['successful'])

    #=== Not done at once ===#

    def test_a_refund_whose_answer_is_lost_is_done_once(self):
        for kind in ('lost', 'lost_answer', 'garbage'):
            with self.subTest(kind=kind):
                order = self._sell()
                ui_refund = self._prepare_ui_refund(order)
                reference = self._create_refund(ui_refund)['reference']
                status = self._start_without_answer(reference, kind)
                self.assertEqual(status['state'], 'unknown')
                self.assertEqual(self._create_refund(ui_refund)['reference'], reference)
                status = self._call('vipps_start_attempt', reference)
                self.assertEqual(status['state'], 'refunded')
                self.assertEqual(self._get_refunded(order), 4500)
                self.assertEqual(self._finish(ui_refund).state, 'paid')

    def test_a_refund_counts_when_the_sums_say_so(self):
        for is_job in (False, True):
            with self.subTest(is_job=is_job):
                order = self._sell()
                self._refund_order(order, 10)
                ui_refund = self._prepare_ui_refund(order, 20)
                reference = self._create_refund(ui_refund)['reference']
                status = self._start_without_answer(reference, 'stale')
                self.assertEqual(status['state'], 'unknown')
                tx = self._get_paying_tx(order)
                audited = self.env['vipps.audit.event'].sudo().search([
                    ('reference', '=', tx.reference), ('action', '=', 'refund'),
                ], order='id')
                self.assertEqual(audited.mapped('outcome'), ['asked', 'done', 'asked', 'unknown'])
                if is_job:
                    self._run_job()
                    self.assertEqual(self._get_attempt(reference).state, 'done')
                status = self._call('vipps_start_attempt', reference)
                self.assertEqual(status['state'], 'refunded')
                self.assertEqual(self._get_refunded(order), 3000)
                self.assertEqual(len(self._get_calls('refund', tx)), 2)
                self.assertEqual(self._finish(ui_refund).state, 'paid')

    def test_a_refund_whose_answer_is_lost_is_found_by_who_only_looks(self):
        for is_job in (False, True):
            with self.subTest(is_job=is_job):
                order = self._sell()
                ui_refund = self._prepare_ui_refund(order, 20)
                reference = self._create_refund(ui_refund)['reference']
                self._start_without_answer(reference, 'lost_answer')
                if is_job:
                    self._run_job()
                self._get_paying_tx(order).vipps_last_read = False
                status = self._call('vipps_get_attempt', reference)
                self.assertEqual(status['state'], 'refunded')
                self.assertEqual(len(self._get_paying_tx(order).child_transaction_ids), 1)
                self.assertEqual(self._finish(ui_refund).state, 'paid')

    def test_a_refund_whose_request_was_rolled_back_is_known_again_by_its_key(self):
        for is_told_first in (False, True):
            with self.subTest(is_told_first=is_told_first):
                order = self._sell()
                ui_refund = self._prepare_ui_refund(order)
                reference = self._create_refund(ui_refund)['reference']
                savepoint = self.env.cr.savepoint(flush=True)
                self._call('vipps_start_attempt', reference)
                savepoint.close(rollback=True)
                self.env.invalidate_all()
                self.assertEqual(self._get_attempt(reference).state, 'draft')
                if is_told_first:
                    self._run_job()
                    self.assertEqual(self._get_attempt(reference).state, 'done')
                status = self._call('vipps_start_attempt', reference)
                self.assertEqual(status['state'], 'refunded')
                self.assertEqual(self._get_refunded(order), 4500)
                self.assertEqual(len(self._get_paying_tx(order).child_transaction_ids), 1)
                self.assertEqual(self._finish(ui_refund).state, 'paid')

    def test_a_refund_that_is_refused_is_told_and_can_be_tried_again(self):
        order = self._sell()
        ui_refund = self._prepare_ui_refund(order)
        self.simulator.fault('refund', 'refuse', code='5100')
        status = self._ask(ui_refund, flow=False)
        self.assertEqual(status['state'], 'unpaid')
        self.assertIn("may not refund", status['message'])
        self.assertEqual(self._get_refunded(order), 0)
        with self.assertRaises(UserError), mute_logger(SYNCHRONIZATION):
            self._finish(ui_refund)
        again = self._ask(ui_refund, flow=False)
        self.assertEqual(again['state'], 'refunded')
        self.assertNotEqual(again['reference'], status['reference'])
        self.assertEqual(self._finish(ui_refund).state, 'paid')
        self.assertEqual(self._get_refunded(order), 4500)

    def test_a_refund_that_was_stored_and_never_started_ends_by_itself(self):
        order = self._sell()
        reference = self._create_refund(self._prepare_ui_refund(order))['reference']
        self.assertIn(reference, self._close()['message'])
        self._run_job()
        self.assertEqual(self._get_attempt(reference).state, 'draft', "It is just stored.")
        with freeze_time(fields.Datetime.now() + timedelta(minutes=11)):
            self._run_job()
        status = self._call('vipps_get_attempt', reference)
        self.assertEqual(status['state'], 'unpaid')
        self.assertIn("Nothing has been refunded", status['message'])
        self.assertFalse(self._call('vipps_list_attempts'))
        self.assertFalse(self._get_tasks(self._get_paying_tx(order), 'verify', 'sync', 'capture'))
        self.assertEqual(self._get_refunded(order), 0)

    def test_a_stored_refund_is_dropped_by_the_cashier(self):
        order = self._sell()
        ui_refund = self._prepare_ui_refund(order)
        reference = self._create_refund(ui_refund)['reference']
        self.assertEqual(self._call('vipps_cancel_attempt', reference)['state'], 'unpaid')
        self.assertEqual(self._call('vipps_start_attempt', reference)['state'], 'unpaid')
        self.assertEqual(self._get_refunded(order), 0)
        reference = self._create_refund(ui_refund)['reference']
        self._start_without_answer(reference, 'lost_answer')
        self.assertEqual(self._call('vipps_cancel_attempt', reference)['state'], 'refunded')

    def test_a_refund_of_which_it_is_unknown_whether_it_was_made_is_not_dropped(self):
        order = self._sell()
        reference = self._create_refund(self._prepare_ui_refund(order))['reference']
        self._start_without_answer(reference, 'lost_answer')
        self.simulator.fault('get', 'status', status=500, times=None)
        with self._without_pauses():
            status = self._call('vipps_cancel_attempt', reference)
        self.assertEqual(status['state'], 'unknown')

    def test_a_refund_is_put_into_its_draft_and_finishes_it(self):
        order = self._sell()
        ui_refund = self._prepare_ui_refund(order)
        reference = self._ask(ui_refund, flow=False)['reference']
        self.assertIn(reference, self._close()['message'])
        status = self._call('vipps_attach_attempt', reference)
        self.assertEqual((status['state'], status['is_attached']), ('refunded', True))
        self.assertEqual(self.env['pos.order'].browse(status['order_id']).state, 'paid')
        self.assertTrue(self._close()['successful'])

    def test_a_made_refund_is_not_deleted_with_its_draft(self):
        order = self._sell()
        status = self._ask(self._prepare_ui_refund(order), flow=False)
        with self.assertRaisesRegex(UserError, "cannot be deleted"):
            self.env['pos.order'].with_user(self.cashier).remove_from_ui([status['order_id']])

    #=== Others at the same time ===#

    def test_two_refunds_that_are_stored_at_once_are_not_more_than_was_paid(self):
        order = self._sell()
        ui_refunds = [self._prepare_ui_refund(order) for _i in range(2)]
        first, second = (self._create_refund(each)['reference'] for each in ui_refunds)
        self.assertEqual(self._call('vipps_start_attempt', second)['state'], 'refunded')
        status = self._call('vipps_start_attempt', first)
        self.assertEqual(status['state'], 'unpaid')
        self.assertIn("refunded in the meantime", status['message'])
        self.assertEqual(self._get_refunded(order), 4500)
        self.assertEqual(self._finish(ui_refunds[1]).state, 'paid')

    def test_a_refund_in_the_portal_is_not_taken_for_the_one_that_a_till_has_stored(self):
        order = self._sell()
        ui_refund = self._prepare_ui_refund(order, 20)
        reference = self._create_refund(ui_refund)['reference']
        self.simulator.refund(self._get_paying_tx(order).vipps_payment_reference, 1000)
        self._run_job()
        self.assertEqual(self._get_attempt(reference).state, 'draft')
        self.assertEqual(self._call('vipps_start_attempt', reference)['state'], 'refunded')
        self.assertEqual(self._get_refunded(order), 3000)
        self.assertEqual(len(self._get_paying_tx(order).child_transaction_ids), 2)

    def test_what_was_refunded_in_the_portal_is_not_refunded_again(self):
        order = self._sell()
        reference = self._create_refund(self._prepare_ui_refund(order, 30))['reference']
        self.simulator.refund(self._get_paying_tx(order).vipps_payment_reference, 4500)
        status = self._call('vipps_start_attempt', reference)
        self.assertEqual(status['state'], 'unpaid')
        self.assertEqual(self._get_refunded(order), 4500)

    def test_an_accountant_and_a_till_do_not_both_refund(self):
        order = self._sell()
        tx = self._get_paying_tx(order)
        action = tx.with_user(self.accountant).action_vipps_refund()
        wizard = self.env[action['res_model']].with_user(self.accountant).browse(action['res_id'])
        ui_refund = self._prepare_ui_refund(order, 30)
        reference = self._create_refund(ui_refund)['reference']
        wizard.action_refund()
        self.env.invalidate_all()
        status = self._call('vipps_start_attempt', reference)
        self.assertEqual(status['state'], 'unpaid')
        self.assertEqual(self._get_refunded(order), 4500)
        with self.assertRaises(UserError), mute_logger(SYNCHRONIZATION):
            self._finish(ui_refund)

    def test_an_accountant_decides_again_on_what_a_till_has_refunded(self):
        order = self._sell()
        action = self._get_paying_tx(order).with_user(self.accountant).action_vipps_refund()
        wizard = self.env[action['res_model']].with_user(self.accountant).browse(action['res_id'])
        self._refund_order(order, 30)
        with self.assertRaises(UserError):
            wizard.action_refund()
        self.assertEqual(self._get_refunded(order), 3000)

    def test_two_equal_refunds_of_one_payment_are_both_made(self):
        order = self._sell()
        self._refund_order(order, 20)
        self._refund_order(order, 20)
        self.assertEqual(self._get_refunded(order), 4000)

    #=== Captures ===#

    def test_what_is_only_reserved_is_captured_before_it_is_refunded(self):
        self.simulator.fault('capture', 'refuse', code='6260')
        order = self._sell()
        self.assertEqual(self._get_paying_tx(order).state, 'authorized')
        self._refund_order(order, 20)
        aggregate = self._get_aggregate(self._get_paying_tx(order))
        self.assertEqual((aggregate['captured'], aggregate['refunded']), (4500, 2000))

    def test_what_cannot_be_captured_now_is_refunded_later(self):
        self.simulator.fault('capture', 'refuse', code='6260', times=None)
        order = self._sell()
        ui_refund = self._prepare_ui_refund(order)
        status = self._ask(ui_refund, flow=False)
        self.assertEqual(status['state'], 'unpaid')
        self.assertIn("not captured yet", status['message'])
        self.simulator.clear_faults()
        self.assertEqual(self._ask(ui_refund, flow=False)['state'], 'refunded')
        self.assertEqual(self._finish(ui_refund).state, 'paid')
        self.assertEqual(self._get_refunded(order), 4500)

    #=== Settings ===#

    def test_a_provider_that_is_disabled_refunds_nothing(self):
        order = self._sell()
        ui_refund = self._prepare_ui_refund(order)
        reference = self._create_refund(ui_refund)['reference']
        self.vipps.state = 'disabled'
        with self.assertRaisesRegex(UserError, "switched off"):
            self._call('vipps_start_attempt', reference)
        self.assertEqual(self._call('vipps_cancel_attempt', reference)['state'], 'unpaid')
        self._assert_refused("switched off", ui_refund)
        self.assertEqual(self._get_refunded(order), 0)

    def test_a_provider_that_is_not_published_still_refunds(self):
        order = self._sell()
        self.vipps.is_published = False
        self._refund_order(order)
        self.assertEqual(self._get_refunded(order), 4500)
