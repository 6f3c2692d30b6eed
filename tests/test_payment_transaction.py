# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from datetime import timedelta
from itertools import chain, combinations
from unittest.mock import patch

from odoo import fields
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.fields import Command
from odoo.tests import new_test_user, tagged
from odoo.tools import mute_logger

from ..protocol import client
from ..protocol.payment import Payment
from .common import VippsCommon

TX_LOGGER = 'odoo.addons.mobilepay_vipps.models.payment_transaction'


class TransactionCommon(VippsCommon):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.accountant = new_test_user(
            cls.env, 'vipps_accountant', 'base.group_user,account.group_account_invoice',
            company_id=cls.company.id, company_ids=[Command.set(cls.company.ids)],
        )
        cls.salesman = new_test_user(
            cls.env, 'vipps_salesman', 'base.group_user,sales_team.group_sale_salesman',
            company_id=cls.company.id, company_ids=[Command.set(cls.company.ids)],
        )

    def _payment(self, tx):
        """ Return the payment of a transaction as Vipps MobilePay knows it. """
        return self.simulator.payment(tx.vipps_payment_reference)

    def _aggregate(self, tx):
        aggregate = self._payment(tx)['aggregate']
        return {
            name.removesuffix('Amount'): amount['value'] for name, amount in aggregate.items()
        }

    def _calls(self, operation, tx=None):
        return [
            exchange for exchange in self.simulator.exchanges
            if exchange['operation'] == operation
            and (not tx or exchange['reference'] == tx.vipps_payment_reference)
        ]

    def _activities(self):
        self.env.invalidate_all()
        return self.vipps.activity_ids

    def _start_order(self, order, amount=None, **values):
        return self._start(
            amount=amount or order.amount_total, sale_order_ids=[Command.set(order.ids)], **values
        )

    def _create_invoice(self, amount=249.5):
        invoice = self.env['account.move'].create({
            'move_type': 'out_invoice',
            'partner_id': self.partner.id,
            'currency_id': self.currency_nok.id,
            'invoice_line_ids': [Command.create({
                'product_id': self.product.id, 'price_unit': amount, 'tax_ids': [Command.clear()],
            })],
        })
        invoice.action_post()
        return invoice

    def _start_invoice(self, invoice, amount=None):
        return self._start(
            amount=amount or invoice.amount_residual, invoice_ids=[Command.set(invoice.ids)]
        )

    def _start_twice(self, start):
        """ Return two open payments of the same document.

        The first one cannot be cancelled for the second one, as the customer is busy with it in the
        app.
        """
        first = start()
        self.simulator.fault('cancel', 'refuse', code='6250', times=None)
        second = start()
        self.simulator.clear_faults()
        self.assertEqual([self._payment(tx)['state'] for tx in (first, second)], ['CREATED'] * 2)
        return first, second

    def _without_pauses(self):
        """ Let the client try again at once what got no answer. """
        return patch.object(client, 'FIRST_PAUSE_SECONDS', 0)

    def _approve(self, tx):
        self.simulator.approve(tx.vipps_payment_reference)

    def _run_job(self):
        """ Run the job that reads open payments when all of them are due. """
        self.env.flush_all()
        self.env.cr.execute("""
            UPDATE payment_transaction
               SET vipps_next_read = now() AT TIME ZONE 'UTC' - interval '1 second'
             WHERE vipps_next_read IS NOT NULL
        """)
        self.env['payment.transaction']._cron_vipps_read_open_payments()
        self.env.invalidate_all()


@tagged('post_install', '-at_install')
class TestConverging(TransactionCommon):

    def _read(self, tx, state, authorized=0, captured=0, cancelled=0, refunded=0):
        """ Apply a payment as the API may describe it, in minor units. """
        amount = 24950
        money = {
            f'{name}Amount': {'currency': 'NOK', 'value': value} for name, value in (
                ('authorized', authorized), ('captured', captured), ('cancelled', cancelled),
                ('refunded', refunded),
            )
        }
        answer = {
            'aggregate': money,
            'amount': {'currency': 'NOK', 'value': amount},
            'state': state,
            'paymentMethod': {'type': 'WALLET'},
            'profile': {},
            'pspReference': '1234567890',
            'reference': tx.vipps_payment_reference,
        }
        tx._handle_notification_data('vipps', {'payment': Payment.parse(answer)})

    def test_every_payment_leads_to_one_state_however_often_it_is_read(self):
        for state, authorized, captured, cancelled, refunded, expected, payment_state in (
            ('CREATED', 0, 0, 0, 0, 'draft', 'CREATED'),
            ('AUTHORIZED', 24950, 0, 0, 0, 'authorized', 'AUTHORIZED'),
            ('AUTHORIZED', 24950, 24950, 0, 0, 'done', 'CAPTURED'),
            ('AUTHORIZED', 24950, 24950, 0, 1000, 'done', 'CAPTURED'),
            ('AUTHORIZED', 24950, 24950, 0, 24950, 'done', 'REFUNDED'),
            ('AUTHORIZED', 24950, 0, 24950, 0, 'cancel', 'CANCELLED'),
            ('AUTHORIZED', 24950, 10000, 0, 0, 'authorized', None),
            ('AUTHORIZED', 24950, 10000, 14950, 0, 'authorized', None),
            ('ABORTED', 0, 0, 0, 0, 'cancel', 'ABORTED'),
            ('EXPIRED', 0, 0, 0, 0, 'cancel', 'EXPIRED'),
            ('TERMINATED', 0, 0, 24950, 0, 'cancel', 'TERMINATED'),
        ):
            with self.subTest(
                state=state, captured=captured, cancelled=cancelled, refunded=refunded
            ):
                order = self._create_order()
                tx = self._start_order(order)
                self._read(tx, state, authorized, captured, cancelled, refunded)
                self.assertEqual(tx.state, expected)
                if payment_state:
                    self.assertEqual(tx.vipps_payment_state, payment_state)
                messages = order.message_ids
                self._read(tx, state, authorized, captured, cancelled, refunded)
                self.assertEqual(tx.state, expected)
                self.assertEqual(order.message_ids, messages, "Reading again says nothing new.")

    def test_the_result_does_not_depend_on_when_the_payment_was_read(self):
        def operate(operation):
            return lambda tx: getattr(self.simulator, operation)(tx.vipps_payment_reference)

        for expected, operations in (
            ('authorized', ['approve']),
            ('done', ['approve', 'capture']),
            ('done', ['approve', 'capture', 'refund']),
            ('cancel', ['approve', 'cancel']),
            ('cancel', ['decline']),
            ('cancel', ['expire']),
            ('cancel', ['cancel']),
        ):
            moments = range(len(operations))
            for read_at in chain.from_iterable(
                combinations(moments, count) for count in range(len(operations) + 1)
            ):
                with self.subTest(operations=operations, read_at=read_at):
                    tx = self._start()
                    for moment, operation in enumerate(operations):
                        if moment in read_at:
                            tx._vipps_refresh()
                        operate(operation)(tx)
                    tx._vipps_refresh()
                    tx._vipps_refresh()
                    self.assertEqual(tx.state, expected)

    def test_a_payment_that_is_open_keeps_the_order_a_cart(self):
        order = self._create_order()
        tx = self._start_order(order)
        tx._vipps_refresh()
        self.assertEqual((tx.state, order.state), ('draft', 'draft'))

    def test_a_payment_that_was_given_up_in_odoo_counts_when_it_is_approved_after_all(self):
        tx = self._start()
        tx._set_canceled("Given up")
        self._approve(tx)
        tx._vipps_refresh()
        self.assertEqual(tx.state, 'authorized')

    def test_a_state_that_we_do_not_know_yet_changes_nothing(self):
        for state in ('PAUSED', 'CAPTURED'):
            with self.subTest(state=state):
                tx = self._start()
                url = tx.vipps_redirect_url
                self._read(tx, state, 24950, 24950)
                self.assertEqual(tx.state, 'draft')
                self.assertEqual(tx.vipps_redirect_url, url)

    def test_less_reserved_than_asked_for_is_not_approved(self):
        tx = self._start()
        with mute_logger(TX_LOGGER):
            self._read(tx, 'AUTHORIZED', authorized=100)
        self.assertNotIn(tx.state, ('authorized', 'done'))

    @mute_logger(TX_LOGGER)
    def test_amount_or_currency_that_differs_is_never_done_and_flagged_with_both_values(self):
        for tampering, shown in (
            ({'value': 100}, ("1.0", "249.50")), ({'currency': 'DKK'}, ("DKK", "249.50")),
        ):
            for captured in (False, True):
                with self.subTest(**tampering, captured=captured):
                    tx = self._start()
                    self._approve(tx)
                    if captured:
                        self.simulator.capture(tx.vipps_payment_reference)
                    self.simulator.fault('get', 'tampered', times=None, **tampering)
                    tx._vipps_refresh()
                    tx._vipps_refresh()
                    self.simulator.clear_faults()
                    self.assertEqual(tx.state, 'error')
                    activity = self._activities().filtered(lambda a: tx.reference in a.summary)
                    self.assertEqual(len(activity), 1)
                    for value in shown:
                        self.assertIn(value, activity.note)
                    self.assertTrue(activity.user_id.has_group('base.group_system'))

    @mute_logger(TX_LOGGER)
    def test_amount_that_differs_after_it_was_paid_is_flagged_and_stays_paid(self):
        tx = self._authorize()
        tx.action_capture()
        self.simulator.fault('get', 'tampered', value=100)
        tx._vipps_refresh()
        self.assertEqual(tx.state, 'done')
        self.assertEqual(len(self._activities()), 1)

    def test_a_payment_captured_elsewhere_is_done_with_the_reference_of_its_settlement(self):
        tx = self._authorize()
        self.simulator.capture(tx.vipps_payment_reference)
        tx._vipps_refresh()
        self.assertEqual(tx.state, 'done')
        event = self._payment(tx)['events'][-1]
        self.assertEqual(event['name'], 'CAPTURED')
        self.assertEqual(tx.vipps_psp_reference, event['pspReference'])
        self.assertNotEqual(tx.provider_reference, event['pspReference'])

    def test_a_payment_captured_elsewhere_is_done_although_its_events_cannot_be_read(self):
        tx = self._authorize()
        self.simulator.capture(tx.vipps_payment_reference)
        self.simulator.fault('events', 'refuse', code='5090')
        tx._vipps_refresh()
        self.assertEqual(tx.state, 'done')

    def test_a_payment_released_elsewhere_is_cancelled(self):
        tx = self._authorize()
        self.simulator.cancel(tx.vipps_payment_reference)
        tx._vipps_refresh()
        self.assertEqual(tx.state, 'cancel')
        self.assertIn("released", tx.state_message)

    def test_each_end_is_told_in_words(self):
        for operation, words in (
            ('decline', "cancelled in the app"), ('expire', "not approved in time"),
            ('cancel', "was cancelled"),
        ):
            with self.subTest(operation=operation):
                tx = self._start()
                getattr(self.simulator, operation)(tx.vipps_payment_reference)
                tx._vipps_refresh()
                self.assertIn(words, tx.state_message)
                self.assertIn("Nothing has been charged", tx.state_message)

    def test_a_payment_that_is_not_found_is_looked_for_as_long_as_it_may_be_under_way(self):
        tx = self._create_transaction('redirect')
        with self.assertRaises(UserError):
            tx._vipps_refresh()
        self.assertEqual(tx.state, 'draft')

    def test_a_payment_that_is_never_found_is_cancelled(self):
        tx = self._create_transaction('redirect')
        self.env.cr.execute(
            "UPDATE payment_transaction SET create_date = create_date - interval '11 minutes'"
            " WHERE id = %s", [tx.id],
        )
        self.env.invalidate_all()
        tx._vipps_refresh()
        self.assertEqual(tx.state, 'cancel')

    def test_a_payment_that_was_created_is_not_cancelled_when_it_is_not_found(self):
        tx = self._start()
        self.env.cr.execute(
            "UPDATE payment_transaction SET create_date = create_date - interval '11 minutes'"
            " WHERE id = %s", [tx.id],
        )
        self.env.invalidate_all()
        self.simulator.fault('get', 'refuse', code='5090')
        with self.assertRaises(UserError):
            tx._vipps_refresh()
        self.assertEqual(tx.state, 'draft')

    def test_redirect_url_is_forgotten_as_soon_as_the_payment_is_decided(self):
        for operation in ('approve', 'decline', 'expire', 'cancel'):
            with self.subTest(operation=operation):
                tx = self._start()
                self.assertTrue(tx.vipps_redirect_url.startswith(self.simulator.url))
                getattr(self.simulator, operation)(tx.vipps_payment_reference)
                tx._vipps_refresh()
                self.assertFalse(tx.vipps_redirect_url)

    def test_redirect_url_cannot_be_read_nor_searched_by_an_accountant(self):
        tx = self._start().with_user(self.accountant)
        self.assertEqual(tx.read(['reference'])[0]['reference'], tx.reference)
        with self.assertRaises(AccessError):
            tx.read(['vipps_redirect_url'])
        with self.assertRaises(AccessError):
            tx.search([('vipps_redirect_url', '!=', False)])

    def test_an_accountant_can_neither_write_nor_create_a_transaction(self):
        tx = self._start().with_user(self.accountant)
        with self.assertRaises(AccessError):
            tx.write({'state': 'done'})
        with self.assertRaises(AccessError):
            self._create_transaction('redirect', sudo=False, state='done')
            self.env['payment.transaction'].with_user(self.accountant).create({
                'provider_id': self.vipps.id,
                'payment_method_id': self.method_vipps.id,
                'amount': 1,
                'currency_id': self.currency_nok.id,
                'partner_id': self.partner.id,
            })


@tagged('post_install', '-at_install')
class TestCaptureAndVoid(TransactionCommon):

    def _set_automatic(self):
        self.vipps.vipps_capture_mode = 'automatic'

    def test_a_payment_stays_reserved_when_it_is_captured_manually(self):
        tx = self._authorize()
        self.assertEqual(tx.state, 'authorized')
        self.assertFalse(self._calls('capture'))

    def test_a_payment_is_captured_in_full_at_once_when_it_is_captured_automatically(self):
        self._set_automatic()
        tx = self._authorize()
        self.assertEqual(tx.state, 'done')
        self.assertEqual(self._aggregate(tx)['captured'], 24950)

    def test_an_automatic_capture_that_was_refused_is_tried_again_and_told_to_somebody(self):
        self._set_automatic()
        self.simulator.fault('capture', 'refuse', code='6100')
        tx = self._authorize()
        self.assertEqual(tx.state, 'authorized')
        self.assertIn(tx.reference, self._activities().summary)

        self._run_job()
        self.assertEqual(tx.state, 'done')
        refused, accepted = self._calls('capture')
        self.assertNotEqual(refused['idempotency_key'], accepted['idempotency_key'])
        self.assertEqual(self._aggregate(tx)['captured'], 24950)

    def test_an_automatic_capture_that_is_to_be_tried_again_keeps_its_key(self):
        self._set_automatic()
        self.simulator.fault('capture', 'refuse', code='6280')
        tx = self._authorize()
        self.assertEqual(tx.state, 'authorized')
        self.assertFalse(self._activities())

        self._run_job()
        self.assertEqual(tx.state, 'done')
        self.assertEqual(len({call['idempotency_key'] for call in self._calls('capture')}), 1)

    def test_an_automatic_capture_whose_answers_are_lost_happens_once(self):
        self._set_automatic()
        with self._without_pauses():
            self.simulator.fault('capture', 'lost_answer', times=None)
            tx = self._authorize()
            self.assertEqual(tx.state, 'authorized')
            self.simulator.clear_faults()
        self._run_job()
        self.assertEqual(tx.state, 'done')
        self.assertEqual(self._aggregate(tx)['captured'], 24950)
        events = [event['name'] for event in self._payment(tx)['events']]
        self.assertEqual(events.count('CAPTURED'), 1)

    def test_an_automatic_capture_that_never_arrived_is_repeated_with_the_same_key(self):
        self._set_automatic()
        with self._without_pauses():
            self.simulator.fault('capture', 'lost', times=None)
            tx = self._authorize()
            self.assertEqual(tx.state, 'authorized')
            self.assertFalse(self._activities())
            self.simulator.clear_faults()
        self._run_job()
        self.assertEqual(tx.state, 'done')
        self.assertEqual(len({call['idempotency_key'] for call in self._calls('capture')}), 1)
        self.assertEqual(self._aggregate(tx)['captured'], 24950)

    def test_nothing_is_captured_automatically_while_the_provider_is_disabled(self):
        self._set_automatic()
        tx = self._start()
        self._approve(tx)
        self.vipps.state = 'disabled'
        tx._vipps_refresh()
        self.assertEqual(tx.state, 'authorized')
        self.assertFalse(self._calls('capture'))

    def test_an_accountant_captures_from_the_transaction(self):
        tx = self._authorize()
        tx.with_user(self.accountant).action_capture()
        self.assertEqual(tx.state, 'done')
        self.assertEqual(self._aggregate(tx)['captured'], 24950)

    def test_an_accountant_voids_from_the_transaction(self):
        tx = self._authorize()
        tx.with_user(self.accountant).action_void()
        self.assertEqual(tx.state, 'cancel')
        self.assertEqual(self._aggregate(tx)['cancelled'], 24950)

    def test_staff_capture_from_the_order(self):
        for user in (self.accountant, self.salesman):
            with self.subTest(user=user.login):
                order = self._create_order(user_id=user.id)
                tx = self._start_order(order)
                self._approve(tx)
                tx._vipps_refresh()
                order.with_user(user).payment_action_capture()
                self.assertEqual(tx.state, 'done')

    def test_staff_void_from_the_order(self):
        for user in (self.accountant, self.salesman):
            with self.subTest(user=user.login):
                order = self._create_order(user_id=user.id)
                tx = self._start_order(order)
                self._approve(tx)
                tx._vipps_refresh()
                order.with_user(user).payment_action_void()
                self.assertEqual(tx.state, 'cancel')

    def test_an_accountant_captures_from_the_invoice(self):
        invoice = self._create_invoice()
        tx = self._start_invoice(invoice)
        self._approve(tx)
        tx._vipps_refresh()
        invoice.with_user(self.accountant).payment_action_capture()
        self.assertEqual(tx.state, 'done')

    def test_portal_users_cannot_capture_nor_void(self):
        tx = self._authorize().with_user(self.portal_user)
        for method in (tx.action_capture, tx.action_void):
            with self.assertRaises(AccessError):
                method()
        self.assertFalse(self._calls('capture') + self._calls('cancel'))

    def test_capturing_what_was_captured_elsewhere_finds_it_done(self):
        tx = self._authorize()
        self.simulator.capture(tx.vipps_payment_reference)
        tx.action_capture()
        self.assertEqual(tx.state, 'done')
        self.assertFalse(self._calls('capture'))

    def test_voiding_what_was_captured_elsewhere_releases_nothing(self):
        tx = self._authorize()
        self.simulator.capture(tx.vipps_payment_reference)
        tx.action_void()
        self.assertEqual(tx.state, 'done')
        self.assertEqual(self._aggregate(tx)['cancelled'], 0)

    def test_a_refused_operation_is_told_in_a_sentence_without_codes(self):
        tx = self._authorize()
        for operation, method, code in (
            ('capture', tx.action_capture, '6100'), ('cancel', tx.action_void, '6030'),
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
                tx.action_capture()
            self.assertIn("not known", str(error.exception))
            self.simulator.clear_faults()
        tx.action_capture()
        self.assertEqual(tx.state, 'done')
        self.assertEqual(len({call['idempotency_key'] for call in self._calls('capture')}), 1)

    def test_an_operation_whose_answer_was_lost_is_found_done(self):
        tx = self._authorize()
        with self._without_pauses():
            self.simulator.fault('capture', 'lost_answer', times=None)
            with self.assertRaises(ValidationError):
                tx.action_capture()
            self.simulator.clear_faults()
        calls = self._calls('capture')
        tx.action_capture()
        self.assertEqual(tx.state, 'done')
        self.assertEqual(self._calls('capture'), calls, "It is read, not repeated.")

    def test_a_capture_after_a_definite_refusal_has_a_new_key(self):
        tx = self._authorize()
        self.simulator.fault('capture', 'refuse', code='6100')
        with self.assertRaises(ValidationError):
            tx.action_capture()
        self.env.cr.postrollback.run()  # As at the end of the failed request.
        self.env.invalidate_all()
        tx.action_capture()
        self.assertEqual(tx.state, 'done')
        refused, accepted = self._calls('capture')
        self.assertNotEqual(refused['idempotency_key'], accepted['idempotency_key'])

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


@tagged('post_install', '-at_install')
class TestSecondPayment(TransactionCommon):

    def _assert_released(self, tx, document):
        self.assertEqual(tx.state, 'cancel')
        self.assertEqual(self._aggregate(tx)['cancelled'], self._aggregate(tx)['authorized'])
        self.assertFalse(self._calls('capture', tx))
        self.assertIn("second payment", tx.state_message)
        self.assertTrue(document.message_ids.filtered(
            lambda m: tx.reference in m.body and "second payment" in m.body
        ))

    def test_an_open_attempt_is_cancelled_when_the_next_one_starts(self):
        order = self._create_order()
        first = self._start_order(order)
        second = self._start_order(order)
        self.assertEqual(self._payment(first)['state'], 'TERMINATED')
        self.assertEqual(first.state, 'cancel')
        self.assertEqual(self._payment(second)['state'], 'CREATED')
        self.assertNotEqual(first.vipps_payment_reference, second.vipps_payment_reference)
        self.assertEqual(self._calls('cancel')[0]['body'], {'cancelTransactionOnly': True})

    def test_open_attempts_that_do_not_exceed_the_order_stay_open(self):
        order = self._create_order(1000)
        first = self._start_order(order, 400)
        second = self._start_order(order, 600)
        for tx in (first, second):
            self.assertEqual(self._payment(tx)['state'], 'CREATED')
            self._approve(tx)
            tx._vipps_refresh()
        self.assertEqual((first + second).mapped('state'), ['authorized', 'authorized'])

    def test_open_attempts_that_do_not_exceed_the_invoice_stay_open(self):
        invoice = self._create_invoice(1000)
        first = self._start_invoice(invoice, 400)
        second = self._start_invoice(invoice, 600)
        for tx in (first, second):
            self.assertEqual(self._payment(tx)['state'], 'CREATED')
            self._approve(tx)
            tx._vipps_refresh()
        self.assertEqual((first + second).mapped('state'), ['authorized', 'authorized'])

    def test_an_attempt_that_was_approved_meanwhile_is_paid_and_no_other_one_starts(self):
        order = self._create_order()
        first = self._start_order(order)
        self._approve(first)
        with self.assertRaises(ValidationError):
            self._start_order(order)
        self.assertEqual(self._aggregate(first)['authorized'], 24950)
        self.assertEqual(len(self.simulator.payments), 1)

    def test_no_attempt_starts_for_an_order_that_is_paid(self):
        order = self._create_order()
        first = self._start_order(order)
        self._approve(first)
        first._vipps_refresh()
        with self.assertRaises(ValidationError):
            self._start_order(order)
        self.assertEqual(len(self.simulator.payments), 1)

    def test_the_second_payment_of_an_order_is_released_at_once(self):
        order = self._create_order()
        for capture_mode in ('manual', 'automatic'):
            with self.subTest(capture_mode=capture_mode):
                self.vipps.vipps_capture_mode = capture_mode
                order = self._create_order()
                first, second = self._start_twice(lambda: self._start_order(order))
                self._approve(first)
                self._approve(second)
                first._vipps_refresh()
                second._vipps_refresh()
                self.assertIn(first.state, ('authorized', 'done'))
                self._assert_released(second, order)

    def test_the_payment_that_was_read_first_counts(self):
        order = self._create_order()
        first, second = self._start_twice(lambda: self._start_order(order))
        self._approve(first)
        self._approve(second)
        second._vipps_refresh()
        first._vipps_refresh()
        self.assertEqual(second.state, 'authorized')
        self._assert_released(first, order)

    def test_a_payment_of_an_order_that_another_provider_was_paid_for_is_released(self):
        order = self._create_order()
        tx = self._start_order(order)
        other = self._create_transaction(
            'redirect', provider_id=self.dummy_provider.id, amount=order.amount_total,
            payment_method_id=self.env.ref('payment.payment_method_unknown').id,
            reference='other', sale_order_ids=[Command.set(order.ids)],
        )
        other._set_done()
        self._approve(tx)
        tx._vipps_refresh()
        self._assert_released(tx, order)

    def test_the_second_payment_of_an_invoice_is_released_at_once(self):
        for is_posted in (False, True):
            with self.subTest(is_posted=is_posted):
                invoice = self._create_invoice()
                first, second = self._start_twice(lambda: self._start_invoice(invoice))
                self._approve(first)
                first._vipps_refresh()
                first.action_capture()
                if is_posted:
                    first._finalize_post_processing()
                    self.assertFalse(invoice.amount_residual)
                self._approve(second)
                second._vipps_refresh()
                self._assert_released(second, invoice)

    def test_a_payment_that_exceeds_what_is_left_of_an_invoice_is_released(self):
        invoice = self._create_invoice(1000)
        first, second = self._start_twice(lambda: self._start_invoice(invoice, 600))
        self._approve(first)
        first._vipps_refresh()
        first.action_capture()
        first._finalize_post_processing()
        self.assertEqual(invoice.amount_residual, 400)
        self._approve(second)
        second._vipps_refresh()
        self._assert_released(second, invoice)

    def test_the_last_part_of_an_invoice_is_not_released(self):
        invoice = self._create_invoice(1000)
        first = self._start_invoice(invoice, 400)
        self._approve(first)
        first._vipps_refresh()
        first.action_capture()
        first._finalize_post_processing()
        second = self._start_invoice(invoice, 600)
        self._approve(second)
        second._vipps_refresh()
        self.assertEqual(second.state, 'authorized')

    def test_a_payment_after_a_refund_is_not_released(self):
        order = self._create_order()
        first = self._start_order(order)
        self._approve(first)
        first._vipps_refresh()
        first.action_capture()
        first._create_child_transaction(first.amount, is_refund=True)._set_done()
        second = self._start_order(order)
        self._approve(second)
        second._vipps_refresh()
        self.assertEqual(second.state, 'authorized')

    def test_a_second_payment_that_cannot_be_released_now_is_released_later(self):
        order = self._create_order()
        first, second = self._start_twice(lambda: self._start_order(order))
        self._approve(first)
        first._vipps_refresh()
        self._approve(second)
        self.simulator.fault('cancel', 'refuse', code='6250')
        second._vipps_refresh_for_customer()
        self.assertEqual(second.state, 'draft')
        self._run_job()
        self._assert_released(second, order)


@tagged('post_install', '-at_install')
class TestOpenPayments(TransactionCommon):
    """ The job that reads open payments. """

    def test_an_approved_payment_is_found_without_webhook_and_without_customer(self):
        tx = self._start()
        self._approve(tx)
        self._run_job()
        self.assertEqual(tx.state, 'authorized')

    def test_a_payment_is_not_read_before_it_is_due(self):
        self._start()
        self.env.flush_all()
        self.env['payment.transaction']._cron_vipps_read_open_payments()
        self.assertFalse(self._calls('get'))

    def test_a_payment_is_read_in_growing_intervals(self):
        tx = self._start()
        delays = []
        for _i in range(9):
            self._run_job()
            delays.append(round((tx.vipps_next_read - fields.Datetime.now()) / timedelta(minutes=1)))
        self.assertEqual(delays, sorted(delays))
        self.assertLess(delays[0], 5)
        self.assertEqual(delays[-1], 60)

    def test_a_payment_that_is_decided_is_not_read_again(self):
        for operation in ('approve', 'decline', 'expire', 'cancel'):
            with self.subTest(operation=operation):
                tx = self._start()
                getattr(self.simulator, operation)(tx.vipps_payment_reference)
                self._run_job()
                self._run_job()
                self.assertEqual(len(self._calls('get', tx)), 1)

    def test_a_payment_that_cannot_be_read_does_not_hold_up_the_others(self):
        txs = [self._start() for _i in range(3)]
        for tx in txs:
            self._approve(tx)
        self.simulator.fault(
            'get', 'refuse', code='5090', reference=txs[0].vipps_payment_reference
        )
        self._run_job()
        self.assertEqual([tx.state for tx in txs], ['draft', 'authorized', 'authorized'])
        self._run_job()
        self.assertEqual(txs[0].state, 'authorized')

    def test_an_order_that_cannot_be_confirmed_does_not_hold_up_the_others(self):
        orders = [self._create_order() for _i in range(2)]
        txs = [self._start_order(order) for order in orders]
        for tx in txs:
            self._approve(tx)
        action_confirm = type(orders[0]).action_confirm

        def confirm(records):
            if records == orders[0]:
                raise ValueError("something unforeseen")
            return action_confirm(records)

        with patch.object(type(orders[0]), 'action_confirm', confirm), \
                self.assertLogs(TX_LOGGER, 'ERROR'):
            self._run_job()
        self.assertEqual([tx.state for tx in txs], ['draft', 'authorized'])
        self.assertTrue(txs[0].vipps_next_read)
        self._run_job()
        self.assertEqual(orders[0].state, 'sale')


@tagged('post_install', '-at_install')
class TestDocuments(TransactionCommon):
    """ What becomes of orders and invoices. """

    def test_an_approved_payment_confirms_the_order(self):
        order = self._create_order()
        tx = self._start_order(order)
        self._approve(tx)
        tx._vipps_refresh()
        self.assertEqual(order.state, 'sale')

    def test_a_captured_payment_confirms_the_order_and_is_posted_in_the_journal_of_the_provider(self):
        self.vipps.vipps_capture_mode = 'automatic'
        order = self._create_order()
        tx = self._start_order(order)
        self._approve(tx)
        tx._vipps_refresh()
        tx._finalize_post_processing()
        self.assertEqual(order.state, 'sale')
        self.assertEqual(tx.payment_id.state, 'posted')
        self.assertEqual(tx.payment_id.amount, 249.5)
        self.assertEqual(tx.payment_id.journal_id, self.vipps.journal_id)

    def test_a_captured_payment_is_reconciled_with_the_invoice(self):
        invoice = self._create_invoice()
        tx = self._start_invoice(invoice)
        self._approve(tx)
        tx._vipps_refresh()
        tx.action_capture()
        tx._finalize_post_processing()
        self.assertIn(invoice.payment_state, ('paid', 'in_payment'))
        self.assertFalse(invoice.amount_residual)
        self.assertEqual(tx.payment_id.reconciled_invoice_ids, invoice)

    def test_a_payment_that_was_not_approved_leaves_the_order_as_it_is(self):
        order = self._create_order()
        tx = self._start_order(order)
        self.simulator.decline(tx.vipps_payment_reference)
        tx._vipps_refresh()
        self.assertEqual(order.state, 'draft')
        self.assertFalse(tx.payment_id)
