# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import time
from contextlib import closing, contextmanager
from datetime import timedelta

from freezegun import freeze_time

from odoo import fields
from odoo.exceptions import AccessError, UserError
from odoo.sql_db import db_connect
from odoo.tests import tagged

from ...models.provider.availability import (
    FIRST_PROBE_DELAY,
    LAST_PROBE_DELAY,
    MAX_FAILURES,
    PROBE_LOCK,
)
from ...patience import TILL_CREATE_SECONDS, WAITING_SECONDS, Patience
from ..http_common import CheckoutCommon
from ..pos_common import PosCommon

ONE_READ = WAITING_SECONDS + 1  # seconds; two of them take longer


class WaitingMixin:
    """ A Vipps MobilePay that hangs, and what was noted of it. """

    def _hang(self, *operations, seconds=30):
        for operation in operations:
            self.simulator.fault(operation, 'latency', times=None, seconds=seconds)

    def _note(self, outcome='no_answer', **values):
        """ Note a call of another worker, about another payment. """
        self.env['vipps.api.call']._store({
            'provider_id': self.vipps.id, 'environment': 'test', 'operation': 'get',
            'reference': f'other-{time.monotonic_ns()}', 'outcome': outcome, 'status': None,
            'code': None, 'trace_id': None, 'duration': 1, 'clock_offset': None,
            'create_date': fields.Datetime.now(), **values,
        })

    @contextmanager
    def _at_most(self, seconds):
        started = time.monotonic()
        yield
        self.assertLess(time.monotonic() - started, seconds)

    @contextmanager
    def _somebody_asks(self):
        """ Let another worker find out whether there is an answer again. """
        with closing(db_connect(self.cr.dbname).cursor()) as cr:
            cr.execute("SELECT pg_try_advisory_xact_lock(%s, %s)", [PROBE_LOCK, self.vipps.id])
            self.assertTrue(cr.fetchone()[0])
            yield


@tagged('post_install', '-at_install')
class TestWaitingTill(WaitingMixin, PosCommon):

    def setUp(self):
        super().setUp()
        self.till = self.session.with_user(self.cashier)

    def _ask_often(self, count=1):
        """ Return the references of attempts that customers were asked for. """
        return [self._ask(self._prepare_ui_order())['reference'] for _i in range(count)]

    def test_a_till_waits_for_one_read_at_most_whatever_it_does(self):
        reference, other = self._ask_often(2)
        self._hang('get', 'cancel')
        for do in (self.till.vipps_get_attempt, self.till.vipps_cancel_attempt):
            with self.subTest(do=do.__name__), self._at_most(ONE_READ):
                self.assertEqual(do(reference)['state'], 'waiting')
        self.simulator.clear_faults()
        self.simulator.approve(other)
        self.assertEqual(self.till.vipps_get_attempt(other)['state'], 'paid')
        self._hang('get', 'events', 'cancel')
        with self._at_most(ONE_READ), self.assertRaises(UserError):
            self.till.vipps_undo_attempt(other)

    def test_the_start_of_a_payment_takes_a_bit_longer_and_is_found_later(self):
        ui_order = self._prepare_ui_order()
        order = self._save_draft(ui_order)
        reference = self.till.vipps_create_attempt(
            order.id, self._get_uuid(ui_order), 'qr'
        )['reference']
        self._hang('create')
        with self._at_most(TILL_CREATE_SECONDS + 1):
            self.assertEqual(self.till.vipps_start_attempt(reference)['state'], 'unknown')
        self.simulator.clear_faults()
        status = self.till.vipps_get_attempt(reference, True)
        self.assertEqual(status['state'], 'waiting')
        self.assertTrue(status['qr'])

    def test_a_session_that_is_closed_asks_for_one_attempt_when_there_is_no_answer(self):
        self._ask_often(4)
        self._hang('get')
        calls = len(self._get_calls('get'))
        with self._at_most(ONE_READ):
            self.assertEqual(len(self.till.vipps_list_attempts()), 4)
        self.assertEqual(len(self._get_calls('get')), calls + 1)

    def test_a_session_that_is_closed_asks_for_all_attempts_when_there_are_answers(self):
        for reference in self._ask_often(3):
            self.simulator.decline(reference)
        self.assertFalse(self.till.vipps_list_attempts())

    def test_nobody_asks_while_it_is_known_that_there_is_no_answer(self):
        reference, = self._ask_often()
        now = fields.Datetime.now() + timedelta(minutes=1)
        calls = len(self._get_calls('get'))
        with freeze_time(now) as clock:
            self._note()
            clock.tick(FIRST_PROBE_DELAY - timedelta(seconds=1))
            self.assertEqual(self.till.vipps_get_attempt(reference)['state'], 'waiting')
            self.assertEqual(len(self._get_calls('get')), calls)
            clock.tick(timedelta(seconds=1))
            with self._somebody_asks():
                self.till.vipps_get_attempt(reference)
                self.till.vipps_cancel_attempt(reference)
            self.assertEqual(len(self._get_calls('get')), calls)
            self.assertFalse(self._get_calls('cancel'))
            self.till.vipps_get_attempt(reference)
            self.assertEqual(len(self._get_calls('get')), calls + 1)

    def test_the_pause_between_two_questions_grows_and_ends(self):
        now = fields.Datetime.now() + timedelta(minutes=1)
        patience = Patience(is_polling=True)
        with freeze_time(now) as clock:
            self._note()
            clock.tick(timedelta(minutes=10))
            self._note()
            clock.tick(LAST_PROBE_DELAY - timedelta(seconds=1))
            self.assertFalse(self.vipps._vipps_may_ask(patience))
            # Somebody who presses a button does not ask again and again.
            self.assertTrue(self.vipps._vipps_may_ask(Patience(is_polling=False)))
            clock.tick(timedelta(seconds=1))
            self.assertTrue(self.vipps._vipps_may_ask(patience))
            self._note()
            self.assertFalse(self.vipps._vipps_may_ask(patience))
            for outcome in ('success', 'refused'):
                self._note(outcome)
                self.assertTrue(self.vipps._vipps_may_ask(patience))

    def test_who_does_not_wait_for_long_takes_it_out_of_no_checkout(self):
        for _i in range(2 * MAX_FAILURES):
            self._note(is_impatient=True)
        self.assertFalse(self.vipps._vipps_get_pause_end())
        for _i in range(MAX_FAILURES):
            self._note()
        self.assertTrue(self.vipps._vipps_get_pause_end())

    def test_somebody_elses_work_on_a_payment_is_not_waited_for(self):
        reference, = self._ask_often()
        tx = self._get_tx(reference)
        self.assertTrue(tx._vipps_lock(wait=0.1))
        self.env.cr.execute("SHOW lock_timeout")
        self.assertEqual(self.env.cr.fetchone()[0], '0')
        # Another transaction cannot see what was made here: a row that is there for all.
        partner = self.env.ref('base.main_partner')
        query = "SELECT FROM res_partner WHERE id = %s FOR UPDATE"
        with closing(db_connect(self.cr.dbname).cursor()) as cr:
            cr.execute(query, [partner.id])

            def lock(*_args, **_options):
                self.env.cr.execute(query, [partner.id], log_exceptions=False)
                return True

            original = type(tx)._vipps_lock
            self.patch(type(tx), '_vipps_lock', lambda tx, wait=True: (
                wait and (lock() if wait is True else original(tx, wait))
            ))
            calls = len(self.simulator.exchanges)
            with self._at_most(ONE_READ):
                self.assertEqual(self.till.vipps_cancel_attempt(reference)['state'], 'waiting')
            self.assertEqual(len(self.simulator.exchanges), calls)

    def test_a_capture_that_hangs_holds_up_no_till_and_is_made_by_the_job(self):
        polled, cancelled = self._ask_often(2)
        self._hang('capture')
        for reference, do in (
            (polled, self.till.vipps_get_attempt), (cancelled, self.till.vipps_cancel_attempt),
        ):
            self.simulator.approve(reference)
            with self.subTest(do=do.__name__), self._at_most(ONE_READ):
                self.assertEqual(do(reference)['state'], 'paid')
        self.simulator.clear_faults()
        self._run_due()
        self.assertEqual(
            [self._get_tx(reference).state for reference in (polled, cancelled)], ['done'] * 2
        )

    def test_somebody_elses_work_on_a_payment_is_not_waited_for_by_managers_and_staff(self):
        reference, = self._ask_often()
        tx = self._get_tx(reference)
        self.patch(type(tx), '_vipps_lock', lambda tx, wait=True: isinstance(wait, bool))
        manager = self.session.with_user(self._new_user(
            'vipps_pos_manager', 'base.group_user,point_of_sale.group_pos_manager',
        ))
        self.simulator.approve(reference)
        self._refresh(tx)
        for do in (
            lambda: manager.vipps_book_attempt(reference),
            lambda: manager.vipps_give_up_attempt(reference),
            lambda: self.till.vipps_undo_attempt(reference),
            tx.action_vipps_update,
            tx._send_refund_request,
        ):
            with self.assertRaisesRegex(UserError, "Try again in a moment"):
                do()

    def test_a_text_that_cannot_be_one_of_ours_is_looked_for_by_nobody(self):
        for reference in ('a\0b', '\ud800', 'a\nb', None, 7, ['x'], {'x': 1}):
            with self.subTest(reference=ascii(reference)), self.assertRaises(AccessError):
                self.till.vipps_get_attempt(reference)
        self.assertEqual(self.till.vipps_list_attempts(['a\0b', '\ud800', 7]), [])

    def test_a_browser_cannot_say_how_long_it_waits(self):
        reference, = self._ask_often()
        for value in (1, True, 'x', {'is_over': True}):
            till = self.till.with_context(vipps_patience=value)
            self.assertEqual(till.vipps_get_attempt(reference)['state'], 'waiting')


@tagged('post_install', '-at_install')
class TestWaitingCustomer(WaitingMixin, CheckoutCommon):

    def test_a_customer_waits_for_one_read_at_most_on_each_page(self):
        tx = self._start_cart()
        self._approve(tx)
        self._hang('get', 'events', 'token')
        with self._at_most(ONE_READ):
            self.assertEqual(self._poll()['state'], 'draft')
        self._change_browser()
        with self._at_most(ONE_READ + 1):  # It is a whole page.
            self.assertEqual(self._get_result(self._return(tx))[0], 'waiting')

    def test_a_customer_with_an_earlier_attempt_that_hangs_is_soon_told_to_pay_in_another_way(self):
        first = self._start_cart()
        order = first.sale_order_ids
        self._hang('cancel', 'get')
        with self._at_most(ONE_READ + 1):
            sentence = self._ask_refused(
                f'/shop/payment/transaction/{order.id}', self._prepare_order_params(order)
            )
        self.assertIn("choose another payment method", sentence)
        self.assertEqual((first.state, len(self.simulator.payments)), ('draft', 1))

    def test_a_capture_that_hangs_is_left_to_the_job_and_not_tried_by_every_page(self):
        self.vipps.vipps_capture_mode = 'automatic'
        tx = self._start_cart()
        self._approve(tx)
        self._note(operation='capture')
        self._note('success')
        self.assertEqual(self._poll()['state'], 'authorized')
        self.assertFalse(self._get_calls('capture'))
        self._run_job()
        self.assertEqual(tx.state, 'done')

    def test_a_capture_is_waited_for_no_longer_than_a_read_and_then_made_by_the_job_at_once(self):
        self.vipps.vipps_capture_mode = 'automatic'
        for name in ('poll', 'return'):
            with self.subTest(name=name):
                self.env['vipps.api.call'].sudo().search([]).unlink()
                tx = self._start_cart()
                self._approve(tx)
                self._hang('capture')
                with self._at_most(ONE_READ + 1):
                    if name == 'poll':
                        self._poll()
                    else:
                        self._change_browser()
                        self._return(tx)
                self.assertEqual(tx.state, 'authorized')
                self.simulator.clear_faults()
                self._run_due()  # Although somebody has just looked at it.
                self.assertEqual(tx.state, 'done')
                self.assertEqual(self._get_aggregate(tx)['captured'], 24950)

    def test_one_waits_for_a_capture_and_the_others_leave_it_to_the_job(self):
        self.vipps.vipps_capture_mode = 'automatic'
        tx = self._start_cart()
        self._approve(tx)
        with self._somebody_asks():
            self.assertEqual(self._poll()['state'], 'authorized')
        self.assertFalse(self._get_calls('capture'))
        self._run_due()
        self.assertEqual(tx.state, 'done')

    def test_a_job_that_meets_a_capture_that_hangs_makes_it_without_the_documents(self):
        self.vipps.vipps_capture_mode = 'automatic'
        tx = self._start_cart()
        self._approve(tx)
        self._hang('capture')
        with self._at_most(2 * ONE_READ):
            tx._vipps_sync()
        self.assertEqual(tx.state, 'authorized')
        self.simulator.clear_faults()
        self._run_due()
        self.assertEqual(tx.state, 'done')

    def test_nobody_asks_for_a_customer_while_it_is_known_that_there_is_no_answer(self):
        tx = self._start_cart()
        self._approve(tx)
        self._note()
        calls = len(self.simulator.exchanges)
        self.assertEqual(self._poll()['state'], 'draft')
        self.assertEqual(self._return(tx).status_code, 303)
        self.assertEqual(len(self.simulator.exchanges), calls)
        self._note('success')
        self.assertEqual(self._poll()['state'], 'authorized')

    def test_what_is_read_for_staff_is_read_once_when_there_is_no_answer(self):
        txs = self._start() | self._start()
        self._hang('get')
        calls = len(self._get_calls('get'))
        with self._at_most(ONE_READ), self.assertRaises(UserError):
            txs.action_vipps_update()
        self.assertEqual(len(self._get_calls('get')), calls + 1)
