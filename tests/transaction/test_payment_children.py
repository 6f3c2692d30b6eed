# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from unittest.mock import patch

from odoo.exceptions import ValidationError
from odoo.tests import tagged

from ...simulator.payment import Payment
from ..common import TransactionCommon


@tagged('post_install', '-at_install')
class TestPaymentChildren(TransactionCommon):
    """ Whatever happens to the money of a payment, and wherever, has its transaction. """

    def _get_moves(self, tx):
        """ Return what Odoo holds of a payment: (what, amount, pspReference). """
        self.env.invalidate_all()
        return sorted(
            [('CAPTURED', t.amount, t.vipps_psp_reference) for t in tx._vipps_get_captures()]
            + [('CANCELLED', t.amount, t.vipps_psp_reference) for t in tx._vipps_get_releases()]
            + [('REFUNDED', -t.amount, t.vipps_psp_reference) for t in tx._vipps_get_refunds()]
        )

    def _assert_agrees(self, tx):
        """ Compare with what Vipps MobilePay knows, event by event. """
        events = sorted(
            (event['name'], event['amount']['value'] / 100, event['pspReference'])
            for event in self._get_payment(tx)['events']
            if event['name'] in ('CAPTURED', 'CANCELLED', 'REFUNDED')
        )
        self.assertEqual(self._get_moves(tx), events)
        self.assertFalse(tx.vipps_difference)
        aggregate = self._get_aggregate(tx)
        self.assertEqual(
            [
                tx.vipps_authorized_amount, tx.vipps_captured_amount, tx.vipps_refunded_amount,
                tx.vipps_remaining_amount,
            ],
            [amount / 100 for amount in (
                aggregate['authorized'], aggregate['captured'], aggregate['refunded'],
                aggregate['authorized'] - aggregate['captured'] - aggregate['cancelled'],
            )],
        )

    def _get_payments(self, tx):
        """ Return the posted payments of the books, as signed amounts. """
        txs = tx._vipps_get_captures() | tx._vipps_get_refunds()
        for move_tx in (txs | tx).filtered(lambda t: t.state == 'done' and not t.is_post_processed):
            move_tx._finalize_post_processing()
        payments = (tx | txs).payment_id
        self.assertEqual(set(payments.mapped('state')), {'posted'})
        return sorted(
            payment.amount if payment.payment_type == 'inbound' else -payment.amount
            for payment in payments
        )

    #=== In Odoo ===#

    def test_payment_that_is_captured_in_parts(self):
        tx = self._authorize()
        self._capture(tx, 49.5)
        self.assertEqual(tx.state, 'authorized')
        self._assert_agrees(tx)
        self._capture(tx, 100)
        self._capture(tx)
        self.assertEqual(tx.state, 'done')
        self._assert_agrees(tx)
        self.assertEqual(self._get_payments(tx), [49.5, 100, 100])

    def test_an_operation_that_failed_does_not_lend_its_reference_to_one_that_took_effect(self):
        tx = self._authorize()
        for name, operate in (
            ('capture', lambda: self._capture(tx, 100)),
            ('refund', lambda: self._refund(tx._vipps_get_captures().payment_id, 100)),
        ):
            with self.subTest(name=name):
                self.simulator.fault(name, 'failed', code='6200' if name == 'capture' else '6210')
                with self._roll_back(), self.assertRaises(ValidationError):
                    operate()
                operate()
                events = [
                    event for event in self._get_payment(tx)['events']
                    if event['name'] == {'capture': 'CAPTURED', 'refund': 'REFUNDED'}[name]
                ]
                self.assertEqual([event['success'] for event in events], [False, True])
                part = tx._vipps_get_captures() if name == 'capture' else tx._vipps_get_refunds()
                self.assertEqual(part.vipps_psp_reference, events[1]['pspReference'])

    def test_an_operation_that_failed_does_not_lend_its_reference_to_one_of_the_portal(self):
        tx = self._authorize()
        for name, code, operate, operate_in_portal, get_parts in (
            ('capture', '6200', lambda: self._capture(tx, 100), self.simulator.capture,
             tx._vipps_get_captures),
            ('refund', '6210', lambda: self._refund(tx._vipps_get_captures().payment_id, 100),
             self.simulator.refund, tx._vipps_get_refunds),
        ):
            with self.subTest(name=name):
                self.simulator.fault(name, 'failed', code=code)
                with self.assertRaises(ValidationError):
                    operate()
                operate_in_portal(tx.vipps_payment_reference, 10000)
                self._refresh(tx)
                failed, succeeded = self._get_payment(tx)['events'][-2:]
                self.assertFalse(failed['success'])
                self.assertEqual(get_parts().vipps_psp_reference, succeeded['pspReference'])

    def test_rest_that_is_released_after_a_capture(self):
        tx = self._authorize()
        self._capture(tx, 49.5)
        tx.with_user(self.accountant).action_void()
        self.assertEqual(tx.state, 'done')
        self._assert_agrees(tx)
        self.assertEqual(self._get_payments(tx), [49.5])

    def test_capture_and_release_in_one_window(self):
        tx = self._authorize()
        self._capture(tx, 49.5, user=self.accountant, void_remaining_amount=True)
        self.assertEqual(tx.state, 'done')
        self._assert_agrees(tx)

    def test_payment_that_is_released_in_full_has_no_child(self):
        tx = self._authorize()
        tx.action_void()
        self.assertEqual(tx.state, 'cancel')
        self.assertFalse(tx.child_transaction_ids)
        self._assert_agrees(tx)

    def test_refund_from_the_payment_in_the_books(self):
        tx = self._authorize()
        self._capture(tx)
        self._refund(tx.payment_id, 49.5, user=self.accountant)
        self._refund(tx.payment_id, user=self.accountant)
        self._assert_agrees(tx)
        self.assertEqual(self._get_payments(tx), [-200, -49.5, 249.5])
        self.assertEqual(tx.vipps_payment_state, 'REFUNDED')
        self.env.invalidate_all()
        self.assertFalse(tx.payment_id.amount_available_for_refund)

    def test_refund_of_one_of_several_captures(self):
        tx = self._authorize()
        self._capture(tx, 49.5)
        self._capture(tx, 100)
        capture_tx = tx._vipps_get_captures()[1]
        self._refund(capture_tx.payment_id, 30, user=self.accountant)
        self._assert_agrees(tx)
        refund_tx = tx._vipps_get_refunds()
        self.assertEqual(refund_tx.source_transaction_id, capture_tx)
        self.assertEqual(refund_tx.payment_id.source_payment_id, capture_tx.payment_id)
        self.env.invalidate_all()
        self.assertEqual(capture_tx.payment_id.amount_available_for_refund, 70)

    def test_refund_of_a_payment_that_was_captured_in_parts_takes_from_the_oldest_first(self):
        tx = self._authorize()
        self._capture(tx, 49.5)
        self._capture(tx)
        tx.with_user(self.accountant).action_refund(60)
        self.assertEqual(tx._vipps_get_refunds().mapped('amount'), [-49.5, -10.5])
        self.assertEqual(len(self._get_calls('refund')), 1)
        self.assertEqual(self._get_aggregate(tx)['refunded'], 6000)
        self.assertFalse(tx.vipps_difference)

    def test_the_operator_gets_the_transaction_of_the_operation(self):
        tx = self._authorize()
        capture_tx = tx._send_capture_request(amount_to_capture=49.5)
        self.assertEqual((capture_tx.amount, capture_tx.state), (49.5, 'done'))
        refund_tx = capture_tx._send_refund_request(amount_to_refund=10)
        self.assertEqual((refund_tx.amount, refund_tx.state), (-10, 'done'))
        void_tx = tx._send_void_request()
        self.assertEqual((void_tx.amount, void_tx.state), (200, 'cancel'))

    #=== In the portal of Vipps MobilePay ===#

    def test_operations_in_the_portal_become_children(self):
        tx = self._authorize()
        reference = tx.vipps_payment_reference
        for operate, state in (
            (lambda: self.simulator.capture(reference, 4950), 'authorized'),
            (lambda: self.simulator.capture(reference, 10000), 'authorized'),
            (lambda: self.simulator.refund(reference, 1000), 'authorized'),
            (lambda: self.simulator.cancel(reference), 'done'),
            (lambda: self.simulator.refund(reference), 'done'),
        ):
            operate()
            self._refresh(tx)
            tx._vipps_sync()  # It does not matter how often it is learned.
            self.assertEqual(tx.state, state)
            self.assertFalse(tx.vipps_difference)
            self.assertEqual(
                self._get_aggregate(tx)['refunded'], tx._vipps_get_held_amounts()['REFUNDED']
            )
        self.assertEqual(self._get_payments(tx), [-100, -39.5, -10, 49.5, 100])

    def test_everything_that_happened_meanwhile_is_learned_at_once(self):
        tx = self._start()
        reference = tx.vipps_payment_reference
        self._approve(tx)
        self.simulator.capture(reference, 4950)
        self.simulator.refund(reference, 1000)
        self.simulator.capture(reference, 5000)
        self.simulator.cancel(reference)
        self._refresh(tx)
        self.assertEqual(tx.state, 'done')
        self._assert_agrees(tx)
        self.assertEqual(self._get_payments(tx), [-10, 49.5, 50])

    def test_payment_that_was_captured_in_parts_before_it_was_learned(self):
        order = self._create_order()
        tx = self._start_order(order)
        self._approve(tx)
        self.simulator.capture(tx.vipps_payment_reference, 4950)
        self.simulator.capture(tx.vipps_payment_reference)
        self._refresh(tx)
        self.assertEqual((tx.state, order.state), ('done', 'sale'))
        self._assert_agrees(tx)

    def test_reservation_that_expired_is_released(self):
        tx = self._authorize()
        self._capture(tx, 49.5)
        self.simulator.advance(181 * 24 * 3600)
        self._refresh(tx)
        self.assertEqual(tx.state, 'done')
        self._assert_agrees(tx)

    def test_sums_are_booked_although_the_log_lags_behind(self):
        tx = self._authorize()
        self._capture(tx, 49.5)
        self.simulator.capture(tx.vipps_payment_reference, 5000)
        events = self._get_payment(tx)['events']
        self.simulator.fault('events', 'stale')
        self._refresh(tx)
        self.assertEqual(tx._vipps_get_captured_amount(), 99.5)
        self._refresh(tx)
        self._assert_agrees(tx)
        self.assertEqual(self._get_payment(tx)['events'], events)

    def test_nothing_is_booked_in_parts_that_are_not_known(self):
        tx = self._authorize()
        self.simulator.capture(tx.vipps_payment_reference, 4950)
        self.simulator.capture(tx.vipps_payment_reference, 5000)
        with self._without_pauses():
            self.simulator.fault('events', 'status', times=None, status=500)
            self.assertTrue(tx._vipps_try(tx._vipps_sync))
            self.simulator.clear_faults()
        self.assertFalse(tx._vipps_get_captured_amount())
        self._refresh(tx)
        self._assert_agrees(tx)

    def test_own_operation_is_booked_although_the_log_cannot_be_read(self):
        tx = self._authorize()
        with self._without_pauses():
            self.simulator.fault('events', 'status', times=None, status=500)
            self._capture(tx, 49.5)
            self.simulator.clear_faults()
        capture_tx = tx._vipps_get_captures()
        self.assertEqual((capture_tx.amount, capture_tx.vipps_psp_reference), (49.5, False))
        self._refresh(tx)
        self._assert_agrees(tx)

    def test_what_is_missing_in_the_log_is_read_soon(self):
        tx = self._authorize()
        with self._without_pauses():
            self.simulator.fault('events', 'status', times=None, status=500)
            tx.action_void()
            self.assertEqual((tx.state, tx.vipps_psp_reference), ('cancel', False))
            self._run_due()
            self.assertTrue(self._get_tasks(tx, 'verify', 'sync', 'capture'))
            self.simulator.clear_faults()
        self._run_job()
        self.assertTrue(tx.vipps_psp_reference)
        self.assertFalse(self._get_tasks(tx, 'verify', 'sync', 'capture'))
        self._assert_agrees(tx)

    def test_own_capture_is_told_apart_from_an_equal_one_in_the_portal(self):
        tx = self._authorize()
        self._capture(tx, 50)
        self.simulator.capture(tx.vipps_payment_reference, 5000)
        self._refresh(tx)
        self._capture(tx, 50)
        self._assert_agrees(tx)
        keys = {
            event['pspReference']: event.get('idempotencyKey')
            for event in self._get_payment(tx)['events']
        }
        for capture_tx in tx._vipps_get_captures():
            self.assertEqual(
                capture_tx.vipps_idempotency_key or None, keys[capture_tx.vipps_psp_reference]
            )

    def test_refund_over_several_captures_gets_its_reference_when_the_log_has_caught_up(self):
        tx = self._authorize()
        self._capture(tx, 100)
        self._capture(tx)
        self.simulator.refund(tx.vipps_payment_reference, 15000)
        self.simulator.fault('events', 'stale')
        self._refresh(tx)
        refund_txs = tx._vipps_get_refunds()
        self.assertEqual(refund_txs.mapped('vipps_psp_reference'), [False, False])
        self._refresh(tx)
        refund = next(e for e in self._get_payment(tx)['events'] if e['name'] == 'REFUNDED')
        self.assertEqual(
            refund_txs.mapped('vipps_psp_reference'), [refund['pspReference']] * 2
        )

    def test_event_log_is_kept_for_people(self):
        tx = self._authorize()
        self._capture(tx, 49.5)
        self.assertEqual(
            [(event['name'], event['amount']) for event in tx.vipps_event_log],
            [('CREATED', 24950), ('AUTHORIZED', 24950), ('CAPTURED', 4950)],
        )

    def test_the_end_of_the_guarantee_is_not_the_last_day_of_capture(self):
        tx = self._authorize()
        self.assertGreater(tx.vipps_guaranteed_until, tx.create_date)
        self.assertEqual((tx.vipps_capture_deadline - tx.create_date).days, 180)
        self.assertLess(tx.vipps_guaranteed_until, tx.vipps_capture_deadline)

    def test_a_guarantee_that_is_longer_than_what_is_usual_moves_the_last_day(self):
        self.vipps.vipps_reservation_days = 1
        tx = self._authorize()
        self.assertEqual(tx.vipps_capture_deadline, tx.vipps_guaranteed_until)

    def test_the_last_day_of_capture_is_the_one_of_the_market(self):
        for days, expected in ((0, 180), (30, 30)):
            with self.subTest(days=days):
                self.vipps.vipps_reservation_days = days
                with patch.object(Payment, '_known_after_approval', lambda *_arguments: {}):
                    tx = self._authorize()
                self.assertEqual((tx.vipps_capture_deadline - tx.create_date).days, expected)
