# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).


from freezegun import freeze_time

from odoo import fields
from odoo.fields import Command
from odoo.tests import tagged

from .test_pos_attempt import SECOND, PosAttemptCommon


@tagged('post_install', '-at_install', 'vipps_alone')
class TestPosFollowing(PosAttemptCommon):
    """ How a till looks at an attempt, cancels it, and what becomes of what was paid. """

    #=== Looking ===#

    def test_however_many_look_at_a_payment_it_is_read_once_in_two_seconds(self):
        status = self._ask(self._prepare_ui_order())
        tx = self._get_attempt(status['reference'])
        other_cashier = self.cashier.copy({'login': 'vipps_other_cashier'})
        with freeze_time(fields.Datetime.now() + SECOND) as clock:
            for second in range(12):
                for user in (self.cashier, other_cashier, self.cashier):
                    self._call('vipps_get_attempt', status['reference'], user=user)
                reads = len(self._get_calls('get', tx))
                self.assertLessEqual(reads, second // 2 + 1)
                clock.tick(SECOND)
        self.assertEqual(reads, 6)

    def test_what_an_event_tells_of_is_read_at_once(self):
        status = self._ask(self._prepare_ui_order())
        self._call('vipps_get_attempt', status['reference'])
        self.simulator.approve(status['reference'])
        status = self._call('vipps_get_attempt', status['reference'])
        self.assertEqual(status['state'], 'waiting', "It was just read.")
        self._tell(status['reference'])
        status = self._call('vipps_get_attempt', status['reference'])
        self.assertEqual(status['state'], 'paid')

    def test_tills_are_told_by_the_bus_to_look_and_nothing_else(self):
        status = self._ask(self._prepare_ui_order(), flow='push', phone='98765432')
        channel = self.session._get_bus_channel_name()
        self._tell(status['reference'])
        self.assertFalse(self._get_messages(), "The till itself has just created it.")
        self.simulator.approve(status['reference'])
        self._tell(status['reference'])
        message = (channel, {'reference': status['reference']})
        self.assertEqual(self._get_messages(), [message])
        self._look(status['reference'])
        messages = self._get_messages()
        self.assertGreater(len(messages), 1)
        self.assertEqual(set(map(str, messages)), {str(message)})

    def test_events_of_other_payments_wake_no_till(self):
        tx = self._start()
        self._tell(tx.vipps_payment_reference)
        self.assertFalse(self._get_messages())

    def test_what_cannot_be_read_now_is_still_waited_for(self):
        status = self._ask(self._prepare_ui_order())
        self.simulator.fault('get', 'status', status=500, times=None)
        with self._without_pauses():
            self.assertEqual(self._look(status['reference'])['state'], 'waiting')
        self.simulator.clear_faults()
        self.simulator.approve(status['reference'])
        self.assertEqual(self._look(status['reference'])['state'], 'paid')

    def test_a_payment_over_another_amount_is_never_paid(self):
        ui_order = self._prepare_ui_order()
        status = self._ask(ui_order)
        self.simulator.approve(status['reference'])
        self.simulator.fault('get', 'tampered', value=100, times=None)
        with self.assertLogs('odoo.addons.mobilepay_vipps', 'WARNING'):
            status = self._look(status['reference'])
        self.assertEqual(status['state'], 'unpaid')
        self.assertIn("not right", status['message'])

    #=== Cancelling ===#

    def test_a_cashier_cancels_what_the_customer_has_not_approved(self):
        ui_order = self._prepare_ui_order()
        status = self._ask(ui_order)
        status = self._call('vipps_cancel_attempt', status['reference'])
        self.assertEqual((status['state'], status['qr']), ('unpaid', False))
        self.assertIn("Nothing has been charged", status['message'])
        self.assertEqual(self.simulator.payment(status['reference'])['state'], 'TERMINATED')
        status = self._ask_and_approve(ui_order, flow='push', phone='98765432')
        self.assertEqual(status['state'], 'paid')

    def test_an_approval_that_crosses_the_cancellation_is_paid(self):
        ui_order = self._prepare_ui_order()
        status = self._ask(ui_order)
        self.simulator.fault('cancel', 'approved')
        status = self._call('vipps_cancel_attempt', status['reference'])
        self.assertEqual((status['state'], status['is_captured']), ('paid', True))
        self.assertEqual(self._finish(ui_order).state, 'paid')

    def test_cancelling_what_is_paid_leaves_it_paid(self):
        status = self._ask_and_approve(self._prepare_ui_order())
        self.assertEqual(self._call('vipps_cancel_attempt', status['reference'])['state'], 'paid')
        self.assertFalse(self._get_calls('cancel'))

    def test_a_cancellation_whose_answer_is_lost_is_asked_for_until_it_is_known(self):
        for kind, state in (('lost_answer', 'unpaid'), ('lost', 'waiting')):
            with self.subTest(kind=kind), self._without_pauses():
                status = self._ask(self._prepare_ui_order())
                self.simulator.fault('cancel', kind, times=None)
                status = self._call('vipps_cancel_attempt', status['reference'])
                self.assertIn(status['state'], (state, 'waiting'))
                self.simulator.clear_faults()
                self.assertEqual(self._look(status['reference'])['state'], state)
                status = self._call('vipps_cancel_attempt', status['reference'])
                self.assertEqual(status['state'], 'unpaid')

    def test_what_is_cancelled_before_it_is_created_and_shows_up_afterwards_is_ended(self):
        for is_approved in (False, True):
            with self.subTest(is_approved=is_approved):
                ui_order = self._prepare_ui_order()
                status = self._create(ui_order)
                reference = status['reference']
                self.assertEqual(self._call('vipps_cancel_attempt', reference)['state'], 'unpaid')
                # It was on its way: what Odoo has rolled back here was sent all the same.
                tx = self._get_attempt(reference)
                self.env['vipps.api.client']._create_payment(
                    tx, tx._vipps_prepare_attempt_values(), 0
                )
                if is_approved:
                    self.simulator.approve(reference)
                self._tell(reference)
                self.env['vipps.task']._cron_sync_payments()
                self.env.invalidate_all()
                payment = self.simulator.payment(reference)
                self.assertEqual(payment['aggregate']['capturedAmount']['value'], 0)
                self.assertEqual(payment['aggregate']['cancelledAmount']['value'], 4500)
                status = self._call('vipps_get_attempt', reference)
                self.assertIn(status['state'], ('unpaid', 'returned'))
                self.assertEqual(self._ask_and_approve(ui_order)['state'], 'paid')

    def test_nobody_is_asked_to_pay_an_order_that_was_finished_in_the_meantime(self):
        ui_order = self._prepare_ui_order()
        status = self._create(ui_order)
        ui_order['data']['statement_ids'] = [
            Command.create(self._prepare_ui_payment(45, self.cash_method))
        ]
        self.assertEqual(self._finish(ui_order).state, 'paid')
        status = self._call('vipps_start_attempt', status['reference'])
        self.assertEqual(status['state'], 'unpaid')
        self.assertFalse(self._get_calls('create', self._get_attempt(status['reference'])))

    #=== Captures ===#

    def test_a_capture_that_fails_leaves_the_order_paid_and_is_made_by_the_job(self):
        for kind, values in (('refuse', {'code': '6260'}), ('status', {'status': 500})):
            with self.subTest(kind=kind), self._without_pauses():
                ui_order = self._prepare_ui_order()
                self.simulator.fault('capture', kind, times=None, **values)
                status = self._ask_and_approve(ui_order)
                tx = self._get_attempt(status['reference'])
                self.assertEqual((status['state'], status['is_captured']), ('paid', False))
                self.assertEqual(status['message'], "Charged automatically.")
                self.assertEqual(self._finish(ui_order).state, 'paid')
                self.simulator.clear_faults()
                self._run_job()
                self.assertEqual(tx.state, 'done')
                self.assertEqual(self._get_aggregate(tx)['captured'], 4500)

    def test_what_is_only_reserved_does_not_keep_the_session_open_and_is_left_to_somebody(self):
        for kind, values in (('refuse', {'code': '6260'}), ('status', {'status': 500})):
            with self.subTest(kind=kind), self._without_pauses():
                session = self._open_session(self.config) if self.session.state == 'closed' \
                    else self.session
                ui_order = self._prepare_ui_order(session=session)
                self.simulator.fault('capture', kind, times=None, **values)
                status = self._ask_and_approve(ui_order, session=session)
                self._finish(ui_order)
                self.assertTrue(self._close(session)['successful'])
                self.assertEqual(session.state, 'closed')
                activity, = session.activity_ids
                self.assertIn(status['reference'], activity.summary)
                self.assertIn("We retry automatically", activity.note)
                self.assertTrue(activity.user_id.has_group('base.group_system'))
                self.simulator.clear_faults()
                self._run_job()
                self.assertEqual(self._get_attempt(status['reference']).state, 'done')
                self.assertFalse(session.activity_ids)
