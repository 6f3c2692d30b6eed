# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from datetime import timedelta

from odoo import fields
from odoo.exceptions import AccessError, UserError
from odoo.fields import Command
from odoo.tests import new_test_user, tagged

from ..common import TransactionCommon


@tagged('post_install', '-at_install')
class TestOperationInput(TransactionCommon):
    """ What cannot be done is said in a sentence, and changes nothing anywhere. """

    def _assert_refused(self, tx, function, message=r'[A-Z].{20,}'):
        """ Call something that is refused, as a request that fails and ends. """
        moved = self._get_payment(tx)['events']
        parts = tx.child_transaction_ids
        payments = self.env['account.payment'].search([])
        state = tx.state
        with self.assertRaisesRegex(UserError, message) as error, self.env.cr.savepoint():
            function()
        self.assertNotRegex(str(error.exception), 'Traceback|None|nan|ErrorCode')
        self.env.cr.postrollback.run()
        self.env.invalidate_all()
        self.assertEqual(self._get_payment(tx)['events'], moved)
        self.assertEqual(tx.child_transaction_ids, parts)
        self.assertEqual(self.env['account.payment'].search([]), payments)
        self.assertEqual(tx.state, state)

    def _get_operations(self, tx):
        """ Return each way to ask for an amount, with whom it is asked as. """
        user_tx = tx.with_user(self.accountant)
        capture_tx = tx._vipps_get_captures()
        return {
            'capture': user_tx._send_capture_request,
            'capture window': lambda amount: self._capture(tx, amount, user=self.accountant),
            'refund': capture_tx.with_user(self.accountant).action_refund,
            'refund of all captures': user_tx._send_refund_request,
            'refund window': lambda amount: self._refund(
                capture_tx.payment_id, amount, user=self.accountant
            ),
            'void': user_tx._send_void_request,
        }

    def test_amounts_that_are_none(self):
        tx = self._authorize()
        self._capture(tx, 100)
        for name, operate in self._get_operations(tx).items():
            for amount in (0, -1, 0.004, -0.004):
                with self.subTest(operation=name, amount=amount):
                    self._assert_refused(tx, lambda o=operate, a=amount: o(a))

    def test_amounts_that_are_no_numbers(self):
        tx = self._authorize()
        self._capture(tx, 100)
        for name, operate in self._get_operations(tx).items():
            if 'window' in name:
                continue
            for amount in (float('nan'), float('inf'), '10', [], False):
                with self.subTest(operation=name, amount=amount):
                    self._assert_refused(tx, lambda o=operate, a=amount: o(a))

    def test_amounts_above_what_is_left(self):
        tx = self._authorize()
        self._capture(tx, 100)
        for name, operate in self._get_operations(tx).items():
            for amount in (149.51, 1e12):
                with self.subTest(operation=name, amount=amount):
                    self._assert_refused(tx, lambda o=operate, a=amount: o(a))

    def test_amounts_with_too_many_decimals(self):
        tx = self._authorize()
        self._capture(tx, 100)
        for name, operate in self._get_operations(tx).items():
            if 'window' in name:  # Its field rounds.
                continue
            with self.subTest(operation=name):
                self._assert_refused(tx, lambda o=operate: o(10.005), "decimals")

    def test_a_part_of_the_rest_cannot_be_released(self):
        tx = self._authorize()
        self._assert_refused(tx, lambda: tx._send_void_request(amount_to_void=100), "all that is")

    def test_capture_of_what_was_released(self):
        tx = self._authorize()
        tx.action_void()
        self._assert_refused(tx, tx._send_capture_request, "released")
        self._assert_refused(tx, lambda: tx._send_capture_request(10), "released")

    def test_capture_of_what_expired(self):
        tx = self._authorize()
        self.simulator.advance(181 * 24 * 3600)
        self._assert_refused(tx, tx._send_capture_request)
        self._run_job()
        self.assertEqual(tx.state, 'cancel')
        self._assert_refused(tx, tx._send_capture_request, "released")

    def test_capture_before_the_approval(self):
        tx = self._start()
        self._assert_refused(tx, tx._send_capture_request, "not approved")

    def test_refund_before_the_capture_is_offered_as_a_release(self):
        tx = self._authorize()
        self._assert_refused(tx, tx.with_user(self.accountant).action_refund, "[Rr]elease")
        self._assert_refused(tx, tx._send_refund_request, "[Rr]elease")

    def test_refund_after_the_window(self):
        tx = self._authorize()
        self._capture(tx)
        self.simulator.advance(366 * 24 * 3600)
        self._assert_refused(tx, tx.with_user(self.accountant).action_refund, "more than a year")

    def test_refund_of_what_is_refunded(self):
        tx = self._authorize()
        self._capture(tx)
        tx.with_user(self.accountant).action_refund()
        self._assert_refused(tx, tx.with_user(self.accountant).action_refund, "refunded already")

    def test_a_unit_that_may_not_capture_in_parts(self):
        tx = self._authorize()
        self.simulator.set_unit(
            self.vipps.vipps_merchant_serial_number, may_capture_partially=False
        )
        self._assert_refused(tx, lambda: self._capture(tx, 100), "full amount")

    def test_more_than_the_reservation_is_refused_in_plain_words(self):
        tx = self._authorize()
        self._capture(tx, 100)
        with self.assertRaisesRegex(UserError, "^Only .* is still reserved"):
            self.env['payment.capture.wizard'].with_user(self.accountant).create({
                'transaction_ids': [Command.set(tx.ids)], 'amount_to_capture': tx.amount,
            })

    def test_two_windows_that_are_open_at_once(self):
        tx = self._authorize()
        self._capture(tx, 100)
        for open_window, operate, amount_field in (
            (lambda: self.env['payment.capture.wizard'].with_user(self.accountant).create({
                'transaction_ids': [Command.set(tx.ids)], 'amount_to_capture': 50,
            }), 'action_capture', 'amount_to_capture'),
            (lambda: self.env['payment.refund.wizard'].with_user(self.accountant).create({
                'payment_id': tx._vipps_get_captures()[0].payment_id.id, 'amount_to_refund': 30,
            }), 'action_refund', 'amount_to_refund'),
        ):
            with self.subTest(operate=operate):
                first, second, third = open_window(), open_window(), open_window()
                getattr(first, operate)()
                self.env.invalidate_all()
                self._assert_refused(tx, getattr(second, operate), "is done already")
                # Nor does a second click on the first one.
                self._assert_refused(tx, getattr(first, operate), "is done already")
                third.write({amount_field: 1})
                self._assert_refused(tx, getattr(third, operate), "since you opened")

    def test_what_was_done_elsewhere_is_decided_on_again(self):
        for operation in ('capture', 'refund', 'cancel'):
            with self.subTest(operation=operation):
                tx = self._authorize()
                self._capture(tx, 100)
                window = self.env['payment.capture.wizard'].create({
                    'transaction_ids': [Command.set(tx.ids)], 'amount_to_capture': 50,
                })
                amount = () if operation == 'cancel' else (1000,)
                getattr(self.simulator, operation)(tx.vipps_payment_reference, *amount)
                self._assert_refused(tx, window.action_capture, "has changed")
                self._run_job()
                self.assertFalse(tx.vipps_difference)

    def test_disabled_provider(self):
        tx = self._authorize()
        self._capture(tx, 100)
        self.vipps.state = 'disabled'
        calls = self.simulator.exchanges
        operations = self._get_operations(tx)
        for name, operate in operations.items():
            with self.subTest(operation=name):
                self._assert_refused(tx, lambda o=operate: o(10), "disabled")
        self.assertEqual(self.simulator.exchanges, calls)
        self.simulator.refund(tx.vipps_payment_reference, 1000)
        tx._vipps_sync()  # Reading and events go on.
        self.assertEqual(tx._vipps_get_refunded_amount(), 10)

    def test_books_that_cannot_take_it(self):
        tx = self._authorize()
        self._capture(tx, 100)
        journal = self.vipps.journal_id
        self._get_operations(tx)
        capture_tx = tx._vipps_get_captures()

        def lock():
            self.company.fiscalyear_lock_date = fields.Date.today() + timedelta(days=1)

        for name, spoil, message in (
            ("journal", journal.action_archive, "journal"), ("period", lock, "locked"),
        ):
            with self.subTest(name=name), self.env.cr.savepoint() as savepoint:
                spoil()
                calls = self._get_calls('capture') + self._get_calls('refund')
                self._assert_refused(tx, lambda: tx._send_capture_request(10), message)
                self._assert_refused(tx, lambda: capture_tx.action_refund(10), message)
                self.assertEqual(self._get_calls('capture') + self._get_calls('refund'), calls)
                savepoint.rollback()
                self.env.invalidate_all()

    def test_who_may_not_write_the_document_captures_nothing(self):
        order = self._create_order(user_id=self.salesman.id)
        tx = self._start_order(order)
        self._approve(tx)
        self._refresh(tx)
        other = self._new_user(
            'vipps_other_salesman', 'base.group_user,sales_team.group_sale_salesman',
        )
        nobody = new_test_user(self.env, 'vipps_nobody', 'base.group_user')
        Wizard = self.env['payment.capture.wizard']
        for user in (other, nobody):
            with self.subTest(user=user.login), self.assertRaises(AccessError):
                Wizard.with_user(user).create({
                    'transaction_ids': [Command.set(tx.ids)],
                }).action_capture()
            with self.subTest(user=user.login), self.assertRaises(AccessError):
                Wizard.with_user(user).new({
                    'transaction_ids': [Command.set(tx.ids)],
                }).mapped('authorized_amount')
        self.assertFalse(self._get_calls('capture'))

        wizard = Wizard.with_user(self.salesman).create({'transaction_ids': [Command.set(tx.ids)]})
        wizard.with_user(self.salesman).action_capture()
        self.assertEqual(tx.state, 'done')

    def test_replayed_request_finds_its_operation_done(self):
        """ What was done and rolled back is not done again, and is told to be done. """
        tx = self._authorize()
        self._capture(tx, 100)
        capture_tx = tx._vipps_get_captures()
        for name, operate, get_amount in (
            ('capture', lambda: tx._send_capture_request(50), tx._vipps_get_captured_amount),
            ('refund', lambda: capture_tx._send_refund_request(30), tx._vipps_get_refunded_amount),
            ('cancel', tx._send_void_request, tx._vipps_get_released_amount),
        ):
            with self.subTest(operation=name):
                before = get_amount()
                with self.env.cr.savepoint() as savepoint:
                    operate()
                    after = get_amount()
                    savepoint.rollback()
                self.env.invalidate_all()
                self.assertEqual(get_amount(), before)
                calls = self._get_calls(name)
                self.assertTrue(operate())
                self.assertEqual(get_amount(), after)
                self.assertEqual(self._get_calls(name), calls)
                self.assertFalse(tx.vipps_difference)

    def test_replayed_window_finds_both_of_its_operations_done(self):
        tx = self._authorize()
        window = self.env['payment.capture.wizard'].create({
            'transaction_ids': [Command.set(tx.ids)], 'amount_to_capture': 100,
            'void_remaining_amount': True,
        })
        with self.env.cr.savepoint() as savepoint:
            window.action_capture()
            savepoint.rollback()
        self.env.invalidate_all()
        self.assertEqual(tx.state, 'authorized')
        calls = self._get_calls('capture') + self._get_calls('cancel')
        window.action_capture()
        self.assertEqual(tx.state, 'done')
        self.assertEqual(
            (tx._vipps_get_captured_amount(), tx._vipps_get_released_amount()), (100, 149.5)
        )
        self.assertEqual(self._get_calls('capture') + self._get_calls('cancel'), calls)

    def test_refund_that_was_rolled_back_is_booked_on_the_capture_it_was_made_for(self):
        tx = self._authorize()
        self._capture(tx, 100)
        self._capture(tx)
        capture_tx = tx._vipps_get_captures()[1]
        for is_found_by_job in (False, True):
            with self.subTest(is_found_by_job=is_found_by_job):
                before = tx._vipps_get_refunds()
                with self._roll_back():
                    capture_tx._send_refund_request(amount_to_refund=50)
                if is_found_by_job:
                    self._run_due()
                else:
                    capture_tx._send_refund_request(amount_to_refund=50)
                refund_tx = tx._vipps_get_refunds() - before
                self.assertEqual(refund_tx.source_transaction_id, capture_tx)
        self.assertEqual(self._get_aggregate(tx)['refunded'], 10000)

    def test_operation_of_somebody_who_was_killed_is_read_by_the_job(self):
        tx = self._authorize()
        with self._roll_back():
            tx._send_capture_request(amount_to_capture=100)
        self.assertFalse(tx._vipps_get_captured_amount())
        self.assertTrue(self._get_tasks(tx, 'verify'))
        self._run_due()
        self.assertEqual(tx._vipps_get_captured_amount(), 100)

    def test_salesperson_captures_although_the_order_is_invoiced(self):
        order = self._create_order(user_id=self.salesman.id)
        order.order_line.product_id.invoice_policy = 'order'
        tx = self._start_order(order)
        self._approve(tx)
        self._refresh(tx)
        order._create_invoices().action_post()
        self.assertTrue(tx.invoice_ids)
        self._capture_in_window(
            order.with_user(self.salesman).payment_action_capture(), 100, user=self.salesman
        )
        self.assertEqual(self._get_aggregate(tx)['captured'], 10000)
