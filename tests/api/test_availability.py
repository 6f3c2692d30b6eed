# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import contextlib
from datetime import timedelta

from freezegun import freeze_time

from odoo import fields
from odoo.exceptions import UserError
from odoo.tests import new_test_user, tagged
from odoo.tools import mute_logger

from ...models.api.api_call import PENDING_KEY
from ...models.provider.availability import MAX_FAILURES
from ...models.till.payment_provider import AVAILABILITY_MESSAGE
from ..common import KEYS
from ..pos_common import PosCommon


@tagged('post_install', '-at_install')
class TestAvailability(PosCommon):
    """ What is noted of calls, and what follows when they fail. """

    def _end_request(self, is_committed=True):
        """ Do what Odoo does with our hooks at the end of a database transaction. """
        cr = self.env.cr
        hooks = cr.postcommit if is_committed else cr.postrollback
        own = [hook for hook in hooks._funcs if 'after_transaction' in hook.__qualname__]
        for callbacks in (cr.postcommit, cr.postrollback):
            for hook in [h for h in callbacks._funcs if 'after_transaction' in h.__qualname__]:
                callbacks._funcs.remove(hook)
        cr.postcommit.data.pop(PENDING_KEY, None)
        for hook in own:
            hook()
        self.env.invalidate_all()
        return len(own)

    def _get_calls_noted(self):
        return self.env['vipps.api.call'].search([('provider_id', '=', self.vipps.id)])

    def _read(self, tx, is_committed=True):
        """ Read a payment in a request of its own. """
        with contextlib.suppress(UserError), self._without_pauses():
            self.env['vipps.api.client']._call_for(tx, 'get')
        self._end_request(is_committed)

    def _fail(self, times=MAX_FAILURES, kind='lost', **values):
        """ Let calls about several payments fail. """
        txs = [self._start_quietly() for _i in range(2)]
        self.simulator.fault('get', kind, times=None, **values)
        for number in range(times):
            self._read(txs[number % 2])
        return txs

    def _start_quietly(self):
        tx = self._start()
        self._end_request()
        return tx

    def _is_offered(self):
        return self.vipps in self.env['payment.provider'].sudo()._get_compatible_providers(
            self.company.id, self.partner.id, 100, currency_id=self.currency_nok.id,
        )

    def _get_messages(self):
        return [
            message for message in self.env['bus.bus'].sudo().search([]).mapped('message')
            if AVAILABILITY_MESSAGE in message
        ]

    #=== What is noted ===#

    def test_a_failure_is_noted_once_whether_its_request_is_committed_or_rolled_back(self):
        tx = self._start_quietly()
        self.simulator.fault('get', 'status', times=None, status=503)
        for is_committed in (True, False):
            before = self._get_calls_noted()
            self._read(tx, is_committed)
            call = self._get_calls_noted() - before
            self.assertEqual(len(call), 1)
            self.assertEqual(
                (call.operation, call.outcome, call.status, call.environment, call.reference),
                ('get', 'no_answer', 503, 'test', tx.vipps_payment_reference),
            )
            self.assertFalse(self._end_request())

    def test_what_is_refused_is_an_answer_and_says_what_it_means(self):
        tx = self._authorize(amount=100)
        self._end_request()
        self.simulator.fault('capture', 'refuse', times=1, code='6140')
        with self.assertRaises(UserError):
            self.env['vipps.api.client']._call_for(
                tx, 'capture', amount=50, idempotency_key='key-1'
            )
        self._end_request(is_committed=False)
        call = self._get_calls_noted()[:1]
        self.assertEqual((call.outcome, call.code, call.failure_count), ('refused', '6140', 0))
        self.assertIn("can only capture the full amount", call.meaning)
        self.assertTrue(call.trace_id)
        self.assertLess(abs(call.clock_offset), 5)

    def test_success_is_noted_every_five_minutes_and_at_once_after_a_failure(self):
        tx = self._start_quietly()
        self._read(tx)
        self._read(tx)
        self.assertEqual(self._get_calls_noted().mapped('outcome'), ['success'])
        with freeze_time(fields.Datetime.now() + timedelta(minutes=6)):
            self._read(tx)
            self.assertEqual(self._get_calls_noted().mapped('outcome'), ['success'] * 2)
            self.simulator.fault('get', 'lost', times=3)
            self._read(tx)
            self._read(tx)
            self.assertEqual(
                self._get_calls_noted().mapped('outcome'),
                ['success', 'no_answer', 'success', 'success'],
            )

    def test_success_after_a_failure_in_the_same_request_is_noted_behind_it(self):
        tx = self._start_quietly()
        self.simulator.fault('get', 'lost', times=3)
        with self._without_pauses(), contextlib.suppress(UserError):
            self.env['vipps.api.client']._call_for(tx, 'get')
        self.env['vipps.api.client']._call_for(tx, 'get')
        self.env['vipps.api.client']._call_for(tx, 'get')
        self._end_request()
        self.assertEqual(
            self._get_calls_noted().mapped('outcome'), ['success', 'no_answer', 'success']
        )

    def test_success_of_another_provider_in_the_same_request_hides_no_success(self):
        other = self.vipps.copy({**KEYS, 'state': 'test', 'is_published': True})
        self._fail()
        calls = self.env['vipps.api.call']
        calls._note(other, 'get')
        calls._note(self.vipps, 'get')
        self._end_request()
        self.assertEqual(self._get_calls_noted()[:1].outcome, 'success')

    def test_nothing_fails_when_a_call_cannot_be_noted(self):
        tx = self._start_quietly()
        self.simulator.fault('get', 'lost', times=None)
        with mute_logger('odoo.sql_db'), self._without_pauses(), contextlib.suppress(UserError):
            self.env['vipps.api.client']._call_for(tx, 'get')
        pending = self.env.cr.postcommit.data[PENDING_KEY]
        pending[0]['duration'] = 2 ** 40  # The database refuses this.
        before = self._get_calls_noted()
        with mute_logger('odoo.sql_db'), self.assertLogs(
            'odoo.addons.mobilepay_vipps.models.jobs.own_transaction', 'ERROR'
        ):
            self._end_request()
        self.assertEqual(self._get_calls_noted(), before)

    def test_calls_are_removed_when_they_are_old_and_those_of_others_stay(self):
        self._fail(2)
        other = self.vipps.copy({**KEYS, 'state': 'test'})
        self.env['vipps.api.call']._note(other, 'get', tx=self.env['payment.transaction'])
        self._end_request()
        calls = self.env['vipps.api.call'].search([])
        self.assertEqual(calls.provider_id, self.vipps | other)
        now = fields.Datetime.now()
        self.env['vipps.api.call']._vipps_purge(self.vipps, now - timedelta(hours=1))
        self.assertEqual(calls.exists(), calls)
        self.env['vipps.api.call']._vipps_purge(self.vipps, now + timedelta(seconds=1))
        self.assertEqual(calls.exists().provider_id, other)

    #=== What follows ===#

    def test_five_failures_in_a_row_take_the_provider_out_of_the_checkout_and_success_back(self):
        tx, _other_tx = self._fail(MAX_FAILURES - 1)
        self.assertTrue(self._is_offered())
        self._read(tx)
        self.assertFalse(self._is_offered())
        self.simulator.clear_faults()
        self._read(tx)
        self.assertTrue(self._is_offered())

    def test_keys_that_are_refused_take_the_provider_out_of_the_checkout(self):
        self._fail(kind='status', status=401)
        self.assertEqual(self._get_calls_noted()[0].outcome, 'unauthorized')
        self.assertFalse(self._is_offered())

    def test_refusals_and_payments_that_are_not_ready_keep_the_provider_in_the_checkout(self):
        txs = self._fail(kind='status', status=429)
        self.simulator.clear_faults()
        self.simulator.fault('get', 'status', times=None, status=404)
        for tx in txs * MAX_FAILURES:
            self._read(tx)
        self.assertEqual(set(self._get_calls_noted().mapped('outcome')), {'success', 'refused'})
        self.assertTrue(self._is_offered())

    def test_one_payment_that_fails_for_ever_keeps_nobody_else_from_paying(self):
        tx = self._start_quietly()
        self.simulator.fault('get', 'lost', times=None)
        for _i in range(2 * MAX_FAILURES):
            self._read(tx)
        self.assertTrue(self._is_offered())

    def test_keys_that_are_only_tried_out_change_nothing(self):
        self.vipps.vipps_client_secret = 'wrong-secret'
        for _i in range(MAX_FAILURES):
            with self.assertRaises(UserError):
                self.vipps.action_vipps_test_connection()
            self._end_request(is_committed=False)
        self.assertEqual(
            self._get_calls_noted().filtered(lambda c: c.outcome == 'unauthorized')
            .mapped('failure_count'), [0] * MAX_FAILURES,
        )
        self.assertTrue(self._is_offered())

    def test_the_interval_grows_and_is_counted_from_the_last_failure(self):
        now = fields.Datetime.now()
        with freeze_time(now) as clock:
            tx, other_tx = self._fail()
            intervals = []
            for _i in range(8):
                end = self.vipps._vipps_get_pause_end()
                intervals.append((end - fields.Datetime.now()).total_seconds() / 60)
                self.assertFalse(self._is_offered())
                clock.move_to(end)
                self.assertTrue(self._is_offered())  # The next call decides.
                self._read(other_tx)
                tx, other_tx = other_tx, tx
        self.assertEqual(intervals, [1, 1, 2, 4, 8, 16, 30, 30])

    def test_tills_and_the_audit_trail_are_told_once_of_the_beginning_and_of_the_end(self):
        self.env['bus.bus'].sudo().search([]).unlink()
        tx, _other_tx = self._fail(MAX_FAILURES + 2)
        message, = self._get_messages()
        self.assertIn(f'"method_ids":[{self.pos_method.id}]', message.replace(' ', ''))
        self.assertIn('"is_available":false', message.replace(' ', ''))
        self.simulator.clear_faults()
        self._read(tx)
        self._read(tx)
        self.assertEqual(len(self._get_messages()), 2)
        self.assertIn('"is_available":true', self._get_messages()[-1].replace(' ', ''))
        events = self.env['vipps.audit.event'].sudo().search(
            [('provider_id', '=', self.vipps.id), ('action', 'in', ('paused', 'resumed'))],
            order='id',
        )
        self.assertEqual(events.mapped('action'), ['paused', 'resumed'])

    def test_other_environment_starts_anew(self):
        self._fail()
        self.assertFalse(self._is_offered())
        self.env['payment.transaction'].sudo().search([
            ('provider_id', '=', self.vipps.id),
        ]).write({'state': 'cancel', 'vipps_payment_state': 'EXPIRED'})
        self.vipps.state = 'enabled'
        self.assertTrue(self._is_offered())

    def test_the_cashier_learns_nothing_but_that_it_does_not_answer(self):
        self._fail()
        with self.assertRaises(UserError):
            self.env['vipps.api.call'].with_user(self.cashier).search([])
        manager = new_test_user(
            self.env, 'vipps_manager', 'base.group_user,mobilepay_vipps.group_payment_manager',
            company_id=self.company.id, company_ids=[(6, 0, self.company.ids)],
        )
        calls = self.env['vipps.api.call'].with_user(manager).search([])
        self.assertEqual(calls.provider_id, self.vipps)
        self.assertTrue(calls.read())
        for operate in (calls.unlink, lambda: calls.write({'code': '1'}), calls[0].copy):
            with self.assertRaises(UserError):
                operate()
