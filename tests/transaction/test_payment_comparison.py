# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import re
from datetime import timedelta
from unittest.mock import patch

from freezegun import freeze_time

from odoo import fields
from odoo.exceptions import AccessError, UserError
from odoo.tests import tagged
from odoo.tools import mute_logger
from odoo.tools.safe_eval import safe_eval

from ...models.transaction.difference import SETTLED_STATES
from ..common import KEYS, TransactionCommon

TX_LOGGER = 'odoo.addons.mobilepay_vipps.models.transaction.difference'


@tagged('post_install', '-at_install')
class TestPaymentComparison(TransactionCommon):
    """ Odoo and Vipps MobilePay say the same, or somebody is told. """

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.administrator = cls._new_user('vipps_administrator', 'base.group_system')

    def _compare(self):
        """ Run the nightly job and what it starts, and return the references that were read. """
        self._schedule()
        return self._run_due()

    def _schedule(self):
        self.env.flush_all()
        self.env['payment.transaction']._cron_vipps_compare_payments()

    def _press_button(self):
        """ Have all payments of the provider compared, and return the references read. """
        self.vipps.with_user(self.administrator).action_vipps_compare_payments()
        return self._run_due()

    def _get_scheduled(self):
        self.env.invalidate_all()
        return self.env['vipps.task'].search([('kind', '=', 'compare')]).transaction_id

    def _set(self, tx, **values):
        """ Let a transaction be as another time left it. """
        self.env.flush_all()
        for name, value in values.items():
            self.env.cr.execute(
                f"UPDATE payment_transaction SET {name} = %s WHERE id = %s", [value, tx.id]
            )
        self.env.invalidate_all()

    def _prepare(self, payment_state, state='done', days=0, **values):
        """ Return a transaction whose state changed some days ago. """
        tx = self._create_transaction('redirect', **values)
        self._set(
            tx, vipps_payment_state=payment_state, state=state,
            last_state_change=fields.Datetime.now() - timedelta(days=days),
        )
        return tx

    def _mark_as_captured(self, tx):
        """ Let Odoo take for captured what Vipps MobilePay does not know to be. """
        tx._set_done()
        tx.vipps_psp_reference = 'fake-psp'

    def _get_alerts(self):
        return self._get_activities().filtered(lambda a: "differ" in a.summary)

    #=== What is compared ===#

    def test_what_is_reserved_or_changed_lately_is_compared_every_night(self):
        other_provider = self.vipps.copy({**KEYS, 'state': 'test'})
        expected = self._prepare('AUTHORIZED', 'authorized', days=170)
        expected += self._prepare('AUTHORIZED', 'error', days=15)
        expected += self._prepare('CAPTURED', days=13)
        expected += self._prepare('CREATED', 'draft')
        expected += self._prepare(None, 'draft')
        expected += self._prepare('CREATED', 'cancel')
        expected += self._prepare('CAPTURED', provider_id=other_provider.id)
        self._prepare('CAPTURED', days=15)
        self._prepare('CREATED', 'cancel', days=15)
        self._prepare(None, 'draft', days=15)
        self._schedule()
        self.assertEqual(self._get_scheduled(), expected.sorted('id', reverse=True))

    def test_what_can_still_be_refunded_is_compared_every_month(self):
        now = fields.Datetime.now()
        txs = [self._prepare('CAPTURED', days=40) for _i in range(3)]
        for tx, days, age in zip(txs, (31, 29, 31), (40, 40, 366), strict=True):
            self._set(
                tx, vipps_last_read=now - timedelta(days=days),
                create_date=now - timedelta(days=age),
            )
        self._schedule()
        self.assertEqual(self._get_scheduled(), txs[0])

    def test_what_differs_is_compared_until_it_agrees(self):
        tx = self._prepare('REFUNDED', days=40)
        self._set(tx, vipps_difference="Something")
        self._schedule()
        self.assertEqual(self._get_scheduled(), tx)

    def test_what_nothing_can_happen_to_anymore_is_not_compared(self):
        for payment_state in SETTLED_STATES:
            self._prepare(payment_state, 'cancel')
        self._schedule()
        self.assertFalse(self._get_scheduled())

    def test_what_is_no_payment_of_ours_is_not_compared(self):
        tx = self._prepare('REFUNDED')
        tx._create_child_transaction(100)
        tx._create_child_transaction(100, is_refund=True)
        self._create_transaction(
            'redirect', provider_id=self.dummy_provider.id, reference="Other", state='done'
        )
        self._schedule()
        self.assertFalse(self._get_scheduled())

    def test_what_there_are_no_keys_for_is_not_compared(self):
        other_provider = self.vipps.copy({**KEYS, 'state': 'test'})
        self._prepare('AUTHORIZED', 'authorized', provider_id=other_provider.id)
        other_provider.write({'state': 'disabled', 'vipps_client_secret': False})
        self._schedule()
        self.assertFalse(self._get_scheduled())

    def test_payments_of_a_former_sales_unit_are_not_compared(self):
        for values in (
            {'vipps_merchant_serial_number': '654321'}, {'vipps_environment': 'production'},
        ):
            with self.subTest(**values):
                self._set(self._prepare('AUTHORIZED', 'authorized'), **values)
                self._schedule()
                self.assertFalse(self._get_scheduled())

    def test_payments_of_a_disabled_provider_are_compared(self):
        tx = self._authorize()
        self.simulator.capture(tx.vipps_payment_reference)
        self.vipps.state = 'disabled'
        self._compare()
        self.assertEqual(tx.state, 'done')

    def test_button_has_all_payments_of_the_provider_compared(self):
        other_provider = self.vipps.copy({**KEYS, 'state': 'test'})
        expected = self._prepare('AUTHORIZED', 'authorized', days=170)
        expected += self._prepare('CAPTURED', days=300)
        expected += self._prepare('CREATED', 'draft', days=300)
        expected += self._prepare(None, 'cancel', days=300)
        self._prepare('REFUNDED')
        self._prepare('CAPTURED', provider_id=other_provider.id)
        notification = self.vipps.with_user(self.administrator).action_vipps_compare_payments()
        self.assertEqual(self._get_scheduled(), expected.sorted('id', reverse=True))
        self.assertIn("4", notification['params']['message'])

    def test_button_is_for_administrators_only(self):
        self._let_everybody_read_providers()
        self._prepare('CAPTURED')
        for user in (self.accountant, self.salesman, self.portal_user, self.public_user):
            for provider in (self.vipps, self.vipps.browse()):
                with self.subTest(user=user.id), self.assertRaises(AccessError):
                    provider.with_user(user).action_vipps_compare_payments()
        self.assertFalse(self._get_scheduled())

    def test_job_that_compares_is_woken(self):
        self._authorize()
        cron = self.env.ref('mobilepay_vipps.cron_sync_payments')
        Trigger = self.env['ir.cron.trigger'].sudo()
        for schedule in (self._schedule,
                         self.vipps.with_user(self.administrator).action_vipps_compare_payments):
            self.env['vipps.task'].sudo().search([]).unlink()
            self.env.cr.flush()  # As at the end of a request: each wakes the job once.
            triggers = Trigger.search_count([('cron_id', '=', cron.id)])
            schedule()
            self.assertEqual(Trigger.search_count([('cron_id', '=', cron.id)]), triggers + 1)

    #=== What comes of it ===#

    def test_each_payment_is_read_once_and_converged_to(self):
        txs = [self._authorize() for _i in range(3)]
        references = [tx.vipps_payment_reference for tx in txs]
        self.simulator.capture(references[0])
        self.simulator.cancel(references[1])
        self.assertEqual(sorted(self._compare()), sorted(references))
        self.assertEqual([tx.state for tx in txs], ['done', 'cancel', 'authorized'])
        self.assertFalse(any(tx.vipps_difference for tx in txs))
        self.assertFalse(self._get_scheduled())
        self.assertFalse(self._get_activities())
        self.assertFalse(self._run_due())

    def test_what_odoo_cannot_mend_is_told_in_amounts(self):
        refunded_tx, captured_tx = self._authorize(), self._authorize()
        self._capture(refunded_tx)
        refunded_tx._create_child_transaction(100, is_refund=True)._set_done()
        self._mark_as_captured(captured_tx)
        self._compare()
        self.assertEqual((refunded_tx.state, captured_tx.state), ('done', 'done'))
        for tx, differences in (
            (refunded_tx, [("Refunded", '0.00', '100.00')]),
            (captured_tx, [("Reserved", '249.50', '0.00'), ("Captured", '0.00', '249.50')]),
        ):
            found = re.findall(
                r"(\w+) at Vipps MobilePay: \D*([\d.]+)\D*, in Odoo: \D*(\d+\.\d\d)",
                tx.vipps_difference,
            )
            self.assertEqual(found, differences)
        alert, = self._get_alerts()
        self.assertTrue(alert.user_id.has_group('base.group_system'))
        found = self.env['payment.transaction'].search(
            safe_eval(self.env.ref('mobilepay_vipps.action_vipps_difference').domain)
        )
        self.assertEqual(found, captured_tx + refunded_tx)

    def test_difference_that_is_mended_is_not_shown_anymore(self):
        tx = self._authorize()
        self._mark_as_captured(tx)
        self._compare()
        self.assertTrue(tx.vipps_difference)
        self.simulator.capture(tx.vipps_payment_reference)
        self._compare()
        self.assertEqual((tx.state, tx.vipps_difference), ('done', False))

    def test_difference_that_was_told_is_not_told_again(self):
        tx = self._authorize()
        self._mark_as_captured(tx)
        self._compare()
        self._get_alerts().action_done()
        for _night in range(2):
            self.assertTrue(self._compare())
        self.assertFalse(self._get_alerts())
        self.assertTrue(tx.vipps_difference)

    def test_payment_that_vipps_mobilepay_does_not_know_is_a_difference_until_it_does(self):
        tx = self._authorize()
        self.simulator.fault('get', 'refuse', code='5090')
        self._compare()
        self.assertEqual(tx.state, 'authorized')
        self.assertEqual(tx.vipps_difference, "Vipps MobilePay does not know this payment")
        self.assertEqual(len(self._get_alerts()), 1)
        self._compare()
        self.assertFalse(tx.vipps_difference)

    @mute_logger(TX_LOGGER)
    def test_wrong_amount_is_flagged_once_however_often_it_is_compared(self):
        tx = self._start()
        self._approve(tx)
        self.simulator.fault('get', 'tampered', times=None, value=100)
        self._refresh(tx)
        self.assertEqual(tx.state, 'error')
        self.assertIn("249.50", tx.vipps_difference)
        alert, = self._get_alerts()
        self.assertTrue(self._compare())
        self.assertEqual(self._get_alerts(), alert)
        alert.action_done()
        self.assertTrue(self._compare())
        self.assertFalse(self._get_alerts())
        self.assertTrue(tx.vipps_difference)

    def test_no_difference_makes_odoo_go_back(self):
        for operations, state, expected in (
            ([], 'authorized', "Reserved"), ([], 'done', "Captured"),
            (['approve'], 'done', "Captured"), (['approve', 'cancel'], 'done', "Captured"),
            (['decline'], 'done', "Captured"), ([], 'cancel', None),
        ):
            with self.subTest(operations=operations, state=state):
                tx = self._start()
                for operation in operations:
                    getattr(self.simulator, operation)(tx.vipps_payment_reference)
                self._set(tx, state=state)
                self._get_tasks(tx, 'sync').unlink()
                self.assertIn(tx.vipps_payment_reference, self._compare())
                self.assertEqual(tx.state, state)
                if expected:
                    self.assertIn(f"{expected} at Vipps MobilePay", tx.vipps_difference)
                else:
                    self.assertFalse(tx.vipps_difference)

    def test_accountant_reads_the_difference_and_cannot_write_it(self):
        tx = self._authorize()
        self._mark_as_captured(tx)
        self._compare()
        tx = tx.with_user(self.accountant)
        self.assertIn("Captured", tx.read(['vipps_difference'])[0]['vipps_difference'])
        with self.assertRaises(AccessError):
            tx.vipps_difference = False

    #=== Trouble ===#

    def test_without_an_answer_it_is_compared_again_ten_minutes_later(self):
        tx = self._authorize()
        self.simulator.capture(tx.vipps_payment_reference)
        self.simulator.fault('get', 'status', status=503, times=None)
        with self._without_pauses(), freeze_time(fields.Datetime.now()) as clock:
            self._compare()
            self.assertEqual(self._get_delay(tx, 'compare'), timedelta(minutes=10))
            self.assertFalse(tx.vipps_difference)
            self.simulator.clear_faults()
            self.assertFalse(self._run_due(), "It is not read before its time.")
            clock.tick(timedelta(minutes=10))
            self.assertTrue(self._run_due())
        self.assertEqual(tx.state, 'done')
        self.assertFalse(self._get_activities())

    def test_the_time_that_vipps_mobilepay_asks_for_is_waited(self):
        tx = self._authorize()
        self.simulator.fault('get', 'status', status=429, retry_after=1800)
        with freeze_time(fields.Datetime.now()):
            self._compare()
            self.assertEqual(self._get_delay(tx, 'compare'), timedelta(minutes=30))

    def test_what_somebody_has_to_mend_first_is_told_and_left_until_the_next_night(self):
        tx = self._authorize()
        self.simulator.fault('get', 'status', status=403)
        self._compare()
        self.assertFalse(self._get_tasks(tx, 'compare'))
        activity, = self._get_activities()
        self.assertEqual(activity.summary, "Payments cannot be compared with Vipps MobilePay")
        self.assertFalse(tx.vipps_difference)

    def test_open_payments_are_left_to_the_job_that_reads_them(self):
        self._start()
        self._schedule()
        self.assertFalse(self._get_scheduled())

    def test_payment_that_somebody_else_works_on_is_compared_later(self):
        tx = self._authorize()
        with patch.object(type(tx), '_vipps_lock', lambda tx, wait=True: False):
            self.assertFalse(self._compare())
        self.assertTrue(self._get_tasks(tx, 'compare'))

    @mute_logger('odoo.addons.mobilepay_vipps.models.transaction.sync')
    def test_payment_that_cannot_be_compared_does_not_hold_up_others(self):
        bad_tx, good_tx = self._authorize(), self._authorize()
        self.simulator.capture(good_tx.vipps_payment_reference)
        describe = type(bad_tx)._vipps_describe_difference

        def fail_for_one(tx, payment):
            if tx.id == bad_tx.id:
                raise ZeroDivisionError("fake-detail")
            return describe(tx, payment)

        with patch.object(type(bad_tx), '_vipps_describe_difference', fail_for_one):
            self._compare()
        self.assertEqual(good_tx.state, 'done')

    #=== Restored backups ===#

    def test_restored_backup_is_mended_and_posts_one_payment(self):
        for state, payment_state, is_read in (
            ('draft', None, False), ('draft', 'CREATED', True),
            ('cancel', 'CREATED', False), ('authorized', 'AUTHORIZED', False),
        ):
            with self.subTest(state=state, payment_state=payment_state):
                order = self._create_order()
                tx = self._start_order(order)
                self._approve(tx)
                self.simulator.capture(tx.vipps_payment_reference)
                self._set(
                    tx, state=state, vipps_payment_state=payment_state, vipps_last_read=None,
                    last_state_change=fields.Datetime.now() - timedelta(days=30),
                )
                self._get_tasks(tx, 'sync').unlink()
                if is_read:
                    self.env['vipps.task']._schedule(tx, 'sync')
                self.assertIn(tx.vipps_payment_reference, self._press_button())
                self.assertEqual((tx.state, tx.vipps_difference), ('done', False))
                tx._finalize_post_processing()
                self._press_button()
                self.assertEqual(self.env['account.payment'].search_count([
                    ('payment_transaction_id', '=', tx.id), ('state', '=', 'posted'),
                ]), 1)
                self.assertEqual(order.state, 'sale')

    #=== Change of environment ===#

    @mute_logger(TX_LOGGER)
    def test_environment_is_not_changed_while_money_of_a_wrong_payment_is_reserved(self):
        tx = self._start()
        self._approve(tx)
        self.simulator.fault('get', 'tampered', times=None, value=100)
        self._refresh(tx)
        self.assertEqual(tx.state, 'error')
        with self.assertRaisesRegex(UserError, tx.reference):
            self.vipps.state = 'enabled'
        self.simulator.clear_faults()
        self.simulator.cancel(tx.vipps_payment_reference)
        self._refresh(tx)
        self.vipps.state = 'enabled'
        self.assertEqual(self.vipps.vipps_environment, 'production')
