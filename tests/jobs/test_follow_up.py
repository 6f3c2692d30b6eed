# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from datetime import timedelta
from unittest.mock import patch

from psycopg2 import IntegrityError

from odoo import fields
from odoo.exceptions import UserError
from odoo.tests import tagged
from odoo.tools import mute_logger

from ...models.jobs.task import KINDS
from ..http_common import CheckoutCommon

TASK_MODULE = 'odoo.addons.mobilepay_vipps.models.jobs.task'


@tagged('post_install', '-at_install')
class TestFollowUp(CheckoutCommon):
    """ What follows an approved payment neither hides it nor holds it up. """

    def setUp(self):
        super().setUp()
        self.enterContext(mute_logger(TASK_MODULE))

    def _fail(self, method, error, model='sale.order', records=None):
        """ Let a method of core fail, for some records or all. """
        model = type(self.env[model])
        original = getattr(model, method)

        def failing(this, *args, **kwargs):
            if records is None or this & records:
                raise error
            return original(this, *args, **kwargs)

        return patch.object(model, method, failing)

    def _get_order_activities(self, order):
        self.env.invalidate_all()
        return order.activity_ids.filtered('vipps_problem')

    def _make_due(self):
        self.env.flush_all()
        self.env.cr.execute("UPDATE vipps_task SET due = now() AT TIME ZONE 'UTC' - interval '1 s'")
        self.env.invalidate_all()

    #=== The order cannot be confirmed ===#

    def test_an_order_that_cannot_be_confirmed_hides_no_payment(self):
        for error in (
            UserError("No route found"), ValueError("unforeseen"), IntegrityError("unique"),
        ):
            for mode, state in (('manual', 'authorized'), ('automatic', 'done')):
                with self.subTest(error=error, mode=mode):
                    self.vipps.vipps_capture_mode = mode
                    self.authenticate(None, None)
                    tx = self._start_cart()
                    order = tx.sale_order_ids
                    order.user_id = self.salesman
                    self._approve(tx)
                    with self._fail('action_confirm', error):
                        self._return(tx)
                        self.assertEqual((tx.state, order.state), (state, 'draft'))
                        self.assertEqual(
                            self._get_aggregate(tx)['captured'], 24950 if mode == 'automatic' else 0
                        )
                        self.assertEqual(tx.vipps_authorized_amount, 249.5)
                        values = self._poll()
                        self.assertEqual(values['state'], state)
                        self.assertIn("approved", values['display_message'])
                        activity = self._get_order_activities(order)
                        self.assertEqual(activity.user_id, self.salesman)
                        self.assertEqual(activity.vipps_problem, f'confirmation:{tx.id}')
                        if mode == 'automatic':  # The books do not wait for the order.
                            self.assertEqual(tx.payment_id.state, 'posted')
                        self._follow_up()
                        self.assertEqual(len(self._get_order_activities(order)), 1)
                    self._follow_up()
                    self.assertEqual(order.state, 'sale')
                    self.assertFalse(self._get_order_activities(order))
                    self.assertFalse(self._get_tasks(tx))
                    self.assertEqual(tx.is_post_processed, mode == 'automatic')
                    self.assertEqual(
                        len(tx.payment_id), 1 if mode == 'automatic' else 0
                    )

    def _fail_to_confirm(self):
        """ Return a payment whose order cannot be confirmed, as people know. """
        order = self._create_order()
        tx = self._start_order(order)
        self._approve(tx)
        with self._fail('action_confirm', UserError("No route found")):
            self._refresh(tx)
        tx.provider_id._vipps_alert_administrator('follow_up', "Trouble", tx)
        self.assertTrue(self._get_order_activities(order))
        return tx

    def test_nobody_is_to_confirm_an_order_whose_payment_is_gone(self):
        def void(tx):
            tx.with_user(self.accountant).action_void()
            self.env['vipps.task']._cron_follow_up()

        def release_elsewhere(tx):
            self.simulator.cancel(tx.vipps_payment_reference)
            self._refresh(tx)

        def void_unseen(tx):
            """ Cancel it in a way that only the job sees. """
            tx._set_canceled()
            self.env.flush_all()
            self.env['vipps.task']._cron_follow_up()

        def capture_and_refund(tx):
            with self._fail('action_confirm', UserError("No route found")), \
                    mute_logger('odoo.addons.mobilepay_vipps.models.transaction.operations'):
                self._capture(tx)
                self._follow_up()
                self.assertTrue(self._get_order_activities(tx.sale_order_ids))
                self.simulator.refund(tx.vipps_payment_reference)
                self._refresh(tx)

        for end in (void, release_elsewhere, void_unseen, capture_and_refund):
            with self.subTest(end=end.__name__):
                tx = self._fail_to_confirm()
                order = tx.sale_order_ids
                end(tx)
                self.assertFalse(self._get_order_activities(order).filtered(
                    lambda a: a.vipps_problem.startswith('confirmation')
                ))
                self.assertNotIn(
                    f'follow_up:{tx.id}', self._get_activities().mapped('vipps_problem')
                )
                self.assertEqual(order.state, 'draft')
                notes = ' '.join(map(str, order.message_ids.mapped('body')))
                self.assertNotIn("The order is confirmed.", notes)

    def test_a_customer_is_not_asked_to_pay_an_order_again_that_is_not_confirmed_yet(self):
        order = self._create_order(require_payment=True, require_signature=False)
        tx = self._start_order(order)
        self.assertTrue(order._has_to_be_paid())
        self._approve(tx)
        with self._fail('action_confirm', UserError("No")):
            self._refresh(tx)
            self.assertFalse(order._has_to_be_paid())
        self.assertEqual(order.state, 'draft')

    def test_a_task_that_fails_waits_and_holds_up_no_other(self):
        orders = [self._create_order() for _i in range(2)]
        txs = [self._start_order(order) for order in orders]
        for tx in txs:
            self._approve(tx)
        with self._fail('action_confirm', UserError("No"), records=orders[0]):
            for tx in txs:
                tx._vipps_sync()
            self._follow_up()
        self.assertEqual([order.state for order in orders], ['draft', 'sale'])
        task = self._get_tasks(txs[0])
        self.assertEqual(task.tries, 1)
        self.assertGreater(task.due, fields.Datetime.now() + timedelta(seconds=50))
        self.env['vipps.task']._cron_follow_up()  # It is not due.
        self.assertEqual(task.tries, 1)
        _job, first_delay, last_delay = KINDS['confirm']
        self.assertLess(first_delay, last_delay)
        self._follow_up()
        self.assertEqual(orders[0].state, 'sale')

    def test_overrides_of_others_run_as_if_core_had_set_the_state(self):
        Transaction = type(self.env['payment.transaction'])
        seen, original = [], Transaction._set_authorized

        def set_authorized(records, *args, **kwargs):
            res = original(records, *args, **kwargs)
            seen.append((records.ids, records.sale_order_ids.state))
            return res

        order = self._create_order()
        tx = self._start_order(order)
        self._approve(tx)
        with patch.object(Transaction, '_set_authorized', set_authorized):
            tx._vipps_sync()
            self.assertEqual((tx.state, seen), ('authorized', []))
            for _i in range(2):
                self._follow_up()
        self.assertEqual(seen, [(tx.ids, 'sale')])

    def test_a_status_page_only_reports(self):
        self.vipps.vipps_capture_mode = 'automatic'
        tx = self._start_cart()
        self._approve(tx)
        with self._fail('_finalize_post_processing', AssertionError(), 'payment.transaction'), \
                self._fail('action_confirm', AssertionError()):
            values = self.make_jsonrpc_request('/payment/status/poll', {})
        self.env.invalidate_all()
        self.assertEqual(values['state'], 'done')
        self.assertTrue(values['vipps_is_confirming'])
        self.assertEqual((tx.sale_order_ids.state, tx.is_post_processed), ('draft', False))
        self.assertEqual(set(self._get_tasks(tx).mapped('kind')), {'confirm', 'book'})
        self._follow_up()
        values = self.make_jsonrpc_request('/payment/status/poll', {})
        self.assertNotIn('vipps_is_confirming', values)
        self.env.invalidate_all()
        self.assertEqual((tx.sale_order_ids.state, tx.is_post_processed), ('sale', True))

    #=== Everything captured is booked ===#

    def test_what_was_captured_is_booked_however_long_the_jobs_stood_still(self):
        self.vipps.vipps_capture_mode = 'automatic'
        for is_forgotten in (False, True):
            with self.subTest(is_forgotten=is_forgotten):
                tx = self._start()
                self._approve(tx)
                tx._vipps_sync()
                tx.last_state_change = fields.Datetime.now() - timedelta(days=5)
                if is_forgotten:
                    self._get_tasks(tx).unlink()
                self.assertEqual(self.vipps._vipps_count('unbooked')[0], 1)
                self.env['payment.transaction']._cron_vipps_compare_payments()
                self._run_due()
                self.assertTrue(tx.is_post_processed)
                self.assertEqual(tx.payment_id.state, 'posted')
                self.assertEqual(self.vipps._vipps_count('unbooked')[0], 0)

    def test_what_cannot_be_booked_for_any_reason_is_told_counted_and_booked_later(self):
        self.vipps.vipps_capture_mode = 'automatic'
        for error in (UserError("Locked"), ValueError("unforeseen"), IntegrityError("unique")):
            with self.subTest(error=error):
                tx = self._start()
                self._approve(tx)
                with self._fail('action_post', error, 'account.payment'), \
                        mute_logger('odoo.addons.mobilepay_vipps'):
                    self._refresh(tx)
                    self.assertFalse(tx.payment_id)
                    self.assertEqual(self.vipps._vipps_count('unbooked')[0], 1)
                    self.assertIn('bookings', self._get_activities().mapped('vipps_problem'))
                self._follow_up()
                self.assertEqual(tx.payment_id.state, 'posted')
                self.assertEqual(self.vipps._vipps_count('unbooked')[0], 0)
                self.vipps._vipps_watch_health()

    def test_the_job_of_core_leaves_payments_to_ours(self):
        self.vipps.vipps_capture_mode = 'automatic'
        tx = self._start()
        self._approve(tx)
        tx._vipps_sync()
        with self._fail('_finalize_post_processing', AssertionError(), 'payment.transaction'):
            self.env['payment.transaction']._cron_finalize_post_processing()
        self._follow_up()
        self.assertTrue(tx.is_post_processed)

    def test_a_task_of_before_the_clock_was_set_back_is_done(self):
        tx = self._start()
        self._approve(tx)
        tx._vipps_sync()
        task = self._get_tasks(tx)
        task.due = fields.Datetime.now() + timedelta(days=2)
        self.env['vipps.task']._cron_follow_up()
        self.assertFalse(task.exists())

    #=== Clock, stale answers ===#

    def test_customers_read_after_the_clock_was_set_back(self):
        tx = self._start()
        self._approve(tx)
        tx.vipps_last_read = fields.Datetime.now() + timedelta(hours=3)
        tx._vipps_sync_for_customer()
        self.assertEqual(tx.state, 'authorized')

    def test_the_job_reads_after_the_clock_was_set_back(self):
        tx = self._start()
        self._approve(tx)
        now = fields.Datetime.now()
        tx.vipps_last_read = self._get_tasks(tx, 'sync').due = now + timedelta(days=3)
        self.assertEqual(self._run_due(), [tx.vipps_payment_reference])
        self.assertEqual(tx.state, 'authorized')

    def test_a_release_counts_when_the_sums_say_so(self):
        order = self._create_order()
        tx = self._start_order(order)
        order._action_cancel()
        self._approve(tx)
        self.simulator.fault('cancel', 'stale', times=None)
        error = tx._vipps_try(tx._vipps_sync)
        self.assertTrue(error.is_unknown)
        self.assertEqual(len(self._get_calls('cancel', tx)), 1)
        self.assertEqual(tx.state, 'draft')
        self.simulator.clear_faults()
        tx._vipps_sync()
        self.assertEqual(tx.state, 'cancel')
        self.assertEqual(self._get_aggregate(tx)['cancelled'], 24950)

    def test_a_person_is_told_that_a_release_with_a_stale_answer_is_unknown(self):
        tx = self._authorize()
        self.simulator.fault('cancel', 'stale')
        with self.assertRaisesRegex(UserError, "not known whether"):
            tx.with_user(self.accountant).action_void()
        self.assertEqual(tx.state, 'authorized')
        self._refresh(tx)
        self.assertEqual(tx.state, 'cancel')

    #=== Attempts ===#

    def _press_again(self, order):
        return self._ask_refused(
            f'/shop/payment/transaction/{order.id}', self._prepare_order_params(order)
        )

    def test_no_second_payment_while_the_first_cannot_be_read(self):
        first = self._start_cart()
        order = first.sale_order_ids
        for operation in ('cancel', 'get'):
            self.simulator.fault(operation, 'status', status=500, times=None)
        self._approve(first)
        with self._without_pauses():
            sentence = self._press_again(order)
        self.assertIn("another payment method", sentence)
        self.assertEqual(len(self._get_calls('create')), 1)
        self.simulator.clear_faults()
        self._refresh(first)
        self.assertEqual((first.state, order.state), ('authorized', 'sale'))

    def test_an_attempt_that_may_have_been_created_is_cancelled_as_well(self):
        order = self._create_cart()
        self.simulator.fault('create', 'lost_answer', times=None)
        with self._without_pauses():
            self._ask(f'/shop/payment/transaction/{order.id}', self._prepare_order_params(order))
        self.env.invalidate_all()
        first = order.transaction_ids
        self.assertFalse(first.vipps_payment_state)
        self.simulator.clear_faults()
        second = self._start_checkout(
            f'/shop/payment/transaction/{order.id}', self._prepare_order_params(order)
        )
        self.env.invalidate_all()
        self.assertEqual(self._get_payment(first)['state'], 'TERMINATED')
        self.assertEqual(first.state, 'cancel')
        self.assertEqual(second.state, 'draft')

    def test_an_attempt_that_was_never_created_is_no_obstacle(self):
        order = self._create_cart()
        self.simulator.fault('create', 'lost', times=None)
        with self._without_pauses():
            self._ask(f'/shop/payment/transaction/{order.id}', self._prepare_order_params(order))
        self.simulator.clear_faults()
        self._start_checkout(
            f'/shop/payment/transaction/{order.id}', self._prepare_order_params(order)
        )
