# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from unittest.mock import patch

from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import tagged

from ..common import TransactionCommon


@tagged('post_install', '-at_install')
class TestPaymentOperation(TransactionCommon):

    def _set_automatic(self):
        self.vipps.vipps_capture_mode = 'automatic'

    def test_a_payment_stays_reserved_when_it_is_captured_manually(self):
        tx = self._authorize()
        self.assertEqual(tx.state, 'authorized')
        self.assertFalse(self._get_calls('capture'))

    def test_a_payment_is_captured_in_full_at_once_when_it_is_captured_automatically(self):
        self._set_automatic()
        tx = self._authorize()
        self.assertEqual(tx.state, 'done')
        self.assertEqual(self._get_aggregate(tx)['captured'], 24950)

    def test_an_automatic_capture_that_was_refused_is_tried_again_and_told_to_somebody(self):
        self._set_automatic()
        self.simulator.fault('capture', 'refuse', code='6100')
        tx = self._authorize()
        self.assertEqual(tx.state, 'authorized')
        self.assertIn(tx.reference, self._get_activities().summary)

        self._run_job()
        self.assertEqual(tx.state, 'done')
        refused, accepted = self._get_calls('capture')
        self.assertNotEqual(refused['idempotency_key'], accepted['idempotency_key'])
        self.assertEqual(self._get_aggregate(tx)['captured'], 24950)

    def test_an_automatic_capture_that_is_to_be_tried_again_keeps_its_key(self):
        self._set_automatic()
        self.simulator.fault('capture', 'refuse', code='6280')
        tx = self._authorize()
        self.assertEqual(tx.state, 'authorized')
        self.assertFalse(self._get_activities())

        self._run_job()
        self.assertEqual(tx.state, 'done')
        self.assertEqual(len({call['idempotency_key'] for call in self._get_calls('capture')}), 1)

    def test_an_automatic_capture_whose_answers_are_lost_happens_once(self):
        self._set_automatic()
        with self._without_pauses():
            self.simulator.fault('capture', 'lost_answer', times=None)
            tx = self._authorize()
            self.assertEqual(tx.state, 'authorized')
            self.simulator.clear_faults()
        self._run_job()
        self.assertEqual(tx.state, 'done')
        self.assertEqual(self._get_aggregate(tx)['captured'], 24950)
        events = [event['name'] for event in self._get_payment(tx)['events']]
        self.assertEqual(events.count('CAPTURED'), 1)

    def test_an_automatic_capture_that_never_arrived_is_repeated_with_the_same_key(self):
        self._set_automatic()
        with self._without_pauses():
            self.simulator.fault('capture', 'lost', times=None)
            tx = self._authorize()
            self.assertEqual(tx.state, 'authorized')
            self.assertFalse(self._get_activities())
            self.simulator.clear_faults()
        self._run_job()
        self.assertEqual(tx.state, 'done')
        self.assertEqual(len({call['idempotency_key'] for call in self._get_calls('capture')}), 1)
        self.assertEqual(self._get_aggregate(tx)['captured'], 24950)

    def test_nothing_is_captured_automatically_while_the_provider_is_disabled(self):
        self._set_automatic()
        tx = self._start()
        self._approve(tx)
        self.vipps.state = 'disabled'
        self._refresh(tx)
        self.assertEqual(tx.state, 'authorized')
        self.assertFalse(self._get_calls('capture'))

    def test_an_accountant_captures_from_the_transaction(self):
        tx = self._authorize()
        self._capture(tx, user=self.accountant)
        self.assertEqual(tx.state, 'done')
        self.assertEqual(self._get_aggregate(tx)['captured'], 24950)

    def test_an_accountant_voids_from_the_transaction(self):
        tx = self._authorize()
        tx.with_user(self.accountant).action_void()
        self.assertEqual(tx.state, 'cancel')
        self.assertEqual(self._get_aggregate(tx)['cancelled'], 24950)

    def test_staff_capture_from_the_order(self):
        for user in (self.accountant, self.salesman):
            with self.subTest(user=user.login):
                order = self._create_order(user_id=user.id)
                tx = self._start_order(order)
                self._approve(tx)
                self._refresh(tx)
                self._capture_in_window(
                    order.with_user(user).payment_action_capture(), user=user
                )
                self.assertEqual(tx.state, 'done')

    def test_staff_void_from_the_order(self):
        for user in (self.accountant, self.salesman):
            with self.subTest(user=user.login):
                order = self._create_order(user_id=user.id)
                tx = self._start_order(order)
                self._approve(tx)
                self._refresh(tx)
                order.with_user(user).payment_action_void()
                self.assertEqual(tx.state, 'cancel')

    def test_an_accountant_captures_from_the_invoice(self):
        invoice = self._create_invoice()
        tx = self._start_invoice(invoice)
        self._approve(tx)
        self._refresh(tx)
        self._capture_in_window(
            invoice.with_user(self.accountant).payment_action_capture(), user=self.accountant
        )
        self.assertEqual(tx.state, 'done')

    def test_portal_users_cannot_capture_nor_void(self):
        tx = self._authorize().with_user(self.portal_user)
        for method in (tx.action_capture, tx.action_void):
            with self.assertRaises(AccessError):
                method()
        self.assertFalse(self._get_calls('capture') + self._get_calls('cancel'))

    def test_capturing_what_was_captured_elsewhere_captures_nothing(self):
        tx = self._authorize()
        self.simulator.capture(tx.vipps_payment_reference)
        with self._roll_back(), self.assertRaisesRegex(ValidationError, "has changed.*249.50"):
            self._capture(tx)
        self.env.cr.postrollback.run()  # As at the end of the failed request.
        self._run_due()
        self.assertEqual(tx.state, 'done')
        self.assertFalse(self._get_calls('capture'))

    def test_a_payment_is_read_once_before_it_is_captured_in_the_window(self):
        tx = self._authorize()
        calls = len(self.simulator.exchanges)
        self._capture(tx, 100)
        self.assertEqual(
            [call['operation'] for call in self.simulator.exchanges[calls:]],
            ['get', 'capture', 'events'],
        )

    def test_voiding_what_was_captured_elsewhere_releases_nothing(self):
        tx = self._authorize()
        self.simulator.capture(tx.vipps_payment_reference)
        with self.assertRaisesRegex(ValidationError, "249.50"), self.env.cr.savepoint():
            tx.action_void()
        self.env.cr.postrollback.run()  # As at the end of the failed request.
        self.env.invalidate_all()
        self._run_job()
        self.assertEqual(tx.state, 'done')
        self.assertEqual(self._get_aggregate(tx)['cancelled'], 0)

    def test_a_refused_operation_is_told_in_a_sentence_without_codes(self):
        tx = self._authorize()
        for operation, method, code in (
            ('capture', lambda: self._capture(tx), '6100'), ('cancel', tx.action_void, '6030'),
        ):
            with self.subTest(operation=operation):
                self.simulator.fault(operation, 'refuse', code=code)
                with self.assertRaises(ValidationError) as error:
                    method()
                sentence = str(error.exception)
                self.assertRegex(sentence, r'\AVipps MobilePay: [A-Z].{20,}')
                self.assertNotIn(code, sentence)
                self.assertEqual(tx.state, 'authorized')

    def test_an_operation_without_answer_is_said_to_be_unknown_and_repeated_with_the_same_key(self):
        tx = self._authorize()
        with self._without_pauses():
            self.simulator.fault('capture', 'lost', times=None)
            with self.assertRaises(ValidationError) as error:
                self._capture(tx)
            self.assertIn("not known", str(error.exception))
            self.simulator.clear_faults()
        self._capture(tx)
        self.assertEqual(tx.state, 'done')
        self.assertEqual(len({call['idempotency_key'] for call in self._get_calls('capture')}), 1)

    def test_an_operation_whose_answer_was_lost_is_found_done(self):
        tx = self._authorize()
        with self._without_pauses():
            self.simulator.fault('capture', 'lost_answer', times=None)
            with self.assertRaises(ValidationError):
                self._capture(tx)
            self.simulator.clear_faults()
        calls = self._get_calls('capture')
        self._capture(tx)
        self.assertEqual(tx.state, 'done')
        self.assertEqual(self._get_calls('capture'), calls, "It is read, not repeated.")

    def test_a_capture_after_a_definite_refusal_has_a_new_key(self):
        tx = self._authorize()
        self.simulator.fault('capture', 'refuse', code='6100')
        with self._roll_back(), self.assertRaises(ValidationError):
            self._capture(tx)
        self._capture(tx)
        self.assertEqual(tx.state, 'done')
        refused, accepted = self._get_calls('capture')
        self.assertNotEqual(refused['idempotency_key'], accepted['idempotency_key'])

    def test_a_refusal_does_not_change_the_keys_of_other_operations(self):
        tx = self._authorize()
        with self._without_pauses():
            self.simulator.fault('capture', 'lost', times=None)
            with self._roll_back(), self.assertRaisesRegex(ValidationError, "not known"):
                self._capture(tx, 100)
            self.simulator.clear_faults()
        self.simulator.fault('capture', 'refuse', code='6100')
        with self._roll_back(), self.assertRaises(ValidationError):
            self._capture(tx, 50)
        with self._roll_back(), self.assertRaises(ValidationError):  # Nothing is sent.
            tx._send_capture_request(1000)
        calls = len(self._get_calls('capture'))
        self._capture(tx, 100)
        keys = [call['idempotency_key'] for call in self._get_calls('capture')]
        self.assertEqual(len(keys), calls + 1)
        self.assertEqual(keys[-1], keys[0], "Its first request may still arrive.")

    def test_operations_are_refused_while_the_provider_is_disabled(self):
        tx = self._authorize()
        self.vipps.state = 'disabled'
        calls = self.simulator.exchanges
        for method in (tx.action_capture, tx.action_void):
            with self.assertRaises(UserError):
                method()
        self.assertEqual(self.simulator.exchanges, calls)

    def test_payments_are_read_while_the_provider_is_disabled(self):
        tx = self._start()
        self.vipps.state = 'disabled'
        self._approve(tx)
        self._run_job()
        self.assertEqual(tx.state, 'authorized')

    def test_the_capture_mode_is_the_one_that_the_payment_was_started_with(self):
        tx = self._authorize()
        self._set_automatic()
        tx._vipps_sync_for_customer()
        self._refresh(tx)
        self.assertEqual((tx.state, self._get_calls('capture')), ('authorized', []))

    def test_voiding_a_payment_whose_automatic_capture_failed_does_not_capture_it(self):
        self._set_automatic()
        self.simulator.fault('capture', 'refuse', code='6260')
        tx = self._authorize()
        tx.with_user(self.accountant).action_void()
        self.assertEqual(tx.state, 'cancel')
        self.assertEqual(self._get_aggregate(tx)['captured'], 0)
        self.assertEqual(self._get_aggregate(tx)['cancelled'], 24950)

    def test_an_operation_that_was_rolled_back_is_read_by_the_job(self):
        tx = self._authorize()
        with self._without_pauses():
            self.simulator.fault('capture', 'lost_answer', times=None)
            with self.assertRaises(ValidationError), self.env.cr.savepoint():
                self._capture(tx)
            self.simulator.clear_faults()
        self.env.cr.postrollback.run()
        self.env.invalidate_all()
        self.assertEqual(self._run_due(), [tx.vipps_payment_reference])
        self.assertEqual(tx.state, 'done')
        self.assertFalse(self._get_tasks(tx, 'verify', 'sync', 'capture'))

    def test_an_answer_that_says_nothing_was_captured_is_no_success(self):
        tx = self._authorize()
        api_client = type(self.env['vipps.api.client'])
        call_for = api_client._call_for

        def read_only(client, tx, operation, **arguments):
            if operation == 'capture':
                operation, arguments = 'get', {}
            return call_for(client, tx, operation, **arguments)

        with patch.object(api_client, '_call_for', read_only), self.assertRaisesRegex(
            ValidationError, "not known"
        ):
            self._capture(tx)
        self.assertEqual(tx.state, 'authorized')

    def test_the_settlement_reference_is_the_one_of_the_capture(self):
        tx = self._authorize()
        self._capture(tx)
        capture = next(e for e in self._get_payment(tx)['events'] if e['name'] == 'CAPTURED')
        self.assertEqual(tx.vipps_psp_reference, capture['pspReference'])
        self.assertNotEqual(tx.vipps_psp_reference, tx.provider_reference)
