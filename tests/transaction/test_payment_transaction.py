# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from itertools import chain, combinations

from odoo.exceptions import AccessError, UserError
from odoo.tests import tagged
from odoo.tools import mute_logger

from ...protocol.payment import Payment
from ..common import TransactionCommon

TX_LOGGER = 'odoo.addons.mobilepay_vipps.models.transaction.difference'


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
            ('AUTHORIZED', 24950, 10000, 0, 0, 'authorized', 'AUTHORIZED'),
            ('AUTHORIZED', 24950, 10000, 14950, 0, 'done', 'CAPTURED'),
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
                            self._refresh(tx)
                        operate(operation)(tx)
                    self._refresh(tx)
                    self._refresh(tx)
                    self.assertEqual(tx.state, expected)

    def test_a_payment_that_is_open_keeps_the_order_a_cart(self):
        order = self._create_order()
        tx = self._start_order(order)
        self._refresh(tx)
        self.assertEqual((tx.state, order.state), ('draft', 'draft'))

    def test_a_payment_that_was_given_up_in_odoo_counts_when_it_is_approved_after_all(self):
        tx = self._start()
        tx._set_canceled("Given up")
        self._approve(tx)
        self._refresh(tx)
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
            ({'value': 100}, ("kr&nbsp;1.00", "kr&nbsp;249.50")),
            ({'currency': 'DKK'}, ("249.50 DKK", "kr&nbsp;249.50")),
        ):
            for captured in (False, True):
                with self.subTest(**tampering, captured=captured):
                    tx = self._start()
                    self._approve(tx)
                    if captured:
                        self.simulator.capture(tx.vipps_payment_reference)
                    self.simulator.fault('get', 'tampered', times=None, **tampering)
                    self._refresh(tx)
                    self._refresh(tx)
                    self.simulator.clear_faults()
                    self.assertEqual(tx.state, 'error')
                    activity, = (a for a in self._get_activities() if tx.reference in a.summary)
                    for value in shown:
                        self.assertIn(value, activity.note)
                    self.assertTrue(activity.user_id.has_group('base.group_system'))

    @mute_logger(TX_LOGGER)
    def test_amount_that_differs_after_it_was_paid_is_flagged_and_stays_paid(self):
        tx = self._authorize()
        self._capture(tx)
        self.simulator.fault('get', 'tampered', value=100)
        self._refresh(tx)
        self.assertEqual(tx.state, 'done')
        self.assertEqual(len(self._get_activities()), 1)

    def test_a_payment_captured_elsewhere_is_done_with_the_reference_of_its_settlement(self):
        tx = self._authorize()
        self.simulator.capture(tx.vipps_payment_reference)
        self._refresh(tx)
        self.assertEqual(tx.state, 'done')
        event = self._get_payment(tx)['events'][-1]
        self.assertEqual(event['name'], 'CAPTURED')
        self.assertEqual(tx.vipps_psp_reference, event['pspReference'])
        self.assertNotEqual(tx.provider_reference, event['pspReference'])

    def test_a_payment_captured_elsewhere_is_done_although_its_events_cannot_be_read(self):
        tx = self._authorize()
        self.simulator.capture(tx.vipps_payment_reference)
        self.simulator.fault('events', 'refuse', code='5090')
        self._refresh(tx)
        self.assertEqual(tx.state, 'done')

    def test_a_payment_released_elsewhere_is_cancelled(self):
        tx = self._authorize()
        self.simulator.cancel(tx.vipps_payment_reference)
        self._refresh(tx)
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
                self._refresh(tx)
                self.assertIn(words, tx.state_message)
                self.assertIn("Nothing has been charged", tx.state_message)

    def test_a_payment_that_is_not_found_is_looked_for_as_long_as_it_may_be_under_way(self):
        tx = self._create_transaction('redirect')
        with self.assertRaises(UserError):
            self._refresh(tx)
        self.assertEqual(tx.state, 'draft')

    def test_a_payment_that_is_never_found_is_cancelled(self):
        tx = self._create_transaction('redirect')
        self.env.cr.execute(
            "UPDATE payment_transaction SET create_date = create_date - interval '11 minutes'"
            " WHERE id = %s", [tx.id],
        )
        self.env.invalidate_all()
        self._refresh(tx)
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
            self._refresh(tx)
        self.assertEqual(tx.state, 'draft')

    def test_redirect_url_is_forgotten_as_soon_as_the_payment_is_decided(self):
        for operation in ('approve', 'decline', 'expire', 'cancel'):
            with self.subTest(operation=operation):
                tx = self._start()
                self.assertTrue(tx.vipps_redirect_url.startswith(self.simulator.url))
                getattr(self.simulator, operation)(tx.vipps_payment_reference)
                self._refresh(tx)
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
            self.env['payment.transaction'].with_user(self.accountant).create({
                'provider_id': self.vipps.id,
                'payment_method_id': self.method_vipps.id,
                'amount': 1,
                'currency_id': self.currency_nok.id,
                'partner_id': self.partner.id,
            })


@tagged('post_install', '-at_install')
class TestDocuments(TransactionCommon):
    """ What becomes of orders and invoices. """

    def test_an_approved_payment_confirms_the_order(self):
        order = self._create_order()
        tx = self._start_order(order)
        self._approve(tx)
        self._refresh(tx)
        self.assertEqual(order.state, 'sale')

    def test_a_captured_payment_is_posted_in_the_journal_of_the_provider(self):
        self.vipps.vipps_capture_mode = 'automatic'
        order = self._create_order()
        tx = self._start_order(order)
        self._approve(tx)
        self._refresh(tx)
        tx._finalize_post_processing()
        self.assertEqual(order.state, 'sale')
        self.assertEqual(tx.payment_id.state, 'posted')
        self.assertEqual(tx.payment_id.amount, 249.5)
        self.assertEqual(tx.payment_id.journal_id, self.vipps.journal_id)

    def test_a_captured_payment_is_reconciled_with_the_invoice(self):
        invoice = self._create_invoice()
        tx = self._start_invoice(invoice)
        self._approve(tx)
        self._refresh(tx)
        self._capture(tx)
        tx._finalize_post_processing()
        self.assertIn(invoice.payment_state, ('paid', 'in_payment'))
        self.assertFalse(invoice.amount_residual)
        self.assertEqual(tx.payment_id.reconciled_invoice_ids, invoice)

    def test_a_payment_that_was_not_approved_leaves_the_order_as_it_is(self):
        order = self._create_order()
        tx = self._start_order(order)
        self.simulator.decline(tx.vipps_payment_reference)
        self._refresh(tx)
        self.assertEqual(order.state, 'draft')
        self.assertFalse(tx.payment_id)
