# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from lxml import etree

from odoo.fields import Datetime
from odoo.tests import Form, tagged

from ..staff_common import StaffCommon


@tagged('post_install', '-at_install')
class TestPaymentStatus(StaffCommon):
    """ The state and the history of payments, as staff read them on payments and orders. """

    def _get_status(self, tx):
        """ Return the status as the accountant reads it. """
        self.env.invalidate_all()
        return tx.with_user(self.accountant).vipps_status.replace('\N{NO-BREAK SPACE}', ' ')

    def _get_period(self, tx):
        dates = [
            Datetime.context_timestamp(tx.with_user(self.accountant), date)
            for date in (tx.vipps_guaranteed_until, tx.vipps_capture_deadline)
        ]
        return "It is guaranteed until {}, and can be captured until {}.".format(*(
            date.strftime('%B ') + f'{date.day}, {date.year}' for date in dates
        ))

    #=== State in plain words ===#

    def test_the_status_says_what_became_of_a_payment_in_whole_sentences(self):
        tx = self._start(amount=100)
        self.assertEqual(self._get_status(tx), "The customer has not approved the payment yet.")

        self._approve(tx)
        self._refresh(tx)
        until = self._get_period(tx)
        self.assertEqual(self._get_status(tx), f"Reserved: kr 100.00. {until}")

        self._do(tx, 'capture', 4000)
        self.assertEqual(
            self._get_status(tx),
            f"Captured kr 40.00 of kr 100.00. Reserved: kr 60.00. {until}",
        )
        self._do(tx, 'refund', 1000)
        self.assertEqual(
            self._get_status(tx),
            "Captured kr 40.00 of kr 100.00. Refunded kr 10.00 of kr 40.00. Reserved: kr 60.00."
            f" {until}",
        )
        self._do(tx, 'cancel')
        self.assertEqual(
            self._get_status(tx),
            "Captured kr 40.00 of kr 100.00. The rest was released."
            " Refunded kr 10.00 of kr 40.00.",
        )
        self._do(tx, 'refund', 3000)
        self.assertEqual(
            self._get_status(tx),
            "Captured kr 40.00 of kr 100.00. The rest was released."
            " Refunded kr 40.00: the customer got back everything.",
        )

    def test_the_status_of_a_payment_that_was_captured_in_full_says_so(self):
        tx = self._authorize(amount=100)
        self._do(tx, 'capture')
        self.assertEqual(self._get_status(tx), "Captured in full: kr 100.00")

    def test_the_status_says_why_nothing_was_charged(self):
        for operation, words in (
            ('decline', "cancelled the payment in the app"),
            ('expire', "did not approve the payment in time"),
            ('cancel', "cancelled before the customer approved it"),
        ):
            with self.subTest(operation=operation):
                tx = self._start()
                self._do(tx, operation)
                self.assertIn(words, self._get_status(tx))
                self.assertIn("Nothing was charged.", self._get_status(tx))
        tx = self._authorize()
        self._do(tx, 'cancel')
        self.assertEqual(
            self._get_status(tx), "The reservation was released. Nothing was charged."
        )

    def test_the_status_warns_of_a_deadline_that_has_passed(self):
        tx = self._authorize()
        tx.vipps_guaranteed_until = Datetime.subtract(Datetime.now(), days=1)
        self.assertIn("A capture can still succeed until", self._get_status(tx))
        self.assertIn("do not deliver before it is captured", self._get_status(tx))
        tx.vipps_capture_deadline = Datetime.subtract(Datetime.now(), days=1)
        self.assertIn("The last day of capture was", self._get_status(tx))
        self.assertIn("do not deliver before it is captured", self._get_status(tx))

    def test_the_status_says_that_a_payment_is_captured_by_its_deliveries(self):
        self.vipps.vipps_capture_mode = 'on_delivery'
        self.product.invoice_policy = 'delivery'
        _order, tx = self._authorize_order()
        status = self._get_status(tx)
        self.assertIn("Captured automatically on delivery.", status)
        self.assertIn("It is guaranteed until", status)
        self.assertNotIn("Capture it", status)

    def test_captures_releases_and_refunds_say_what_they_are_and_who_made_them(self):
        tx = self._authorize(amount=100)
        tx.with_user(self.accountant).sudo()._send_capture_request(amount_to_capture=40)
        self._do(tx, 'cancel')
        self._do(tx, 'refund', 1500)
        self.env.invalidate_all()
        capture_tx, release_tx = tx.child_transaction_ids.sorted('id')
        refund_tx = capture_tx.child_transaction_ids
        self.assertEqual(
            [self._get_status(child) for child in (capture_tx, release_tx, refund_tx)],
            [
                f"Captured kr 40.00 of payment {tx.reference}.",
                f"Released kr 60.00 of payment {tx.reference}. It is not charged.",
                f"Refunded kr 15.00 of payment {tx.reference}.",
            ],
        )
        self.assertEqual(
            (capture_tx | refund_tx).mapped('vipps_operator'),
            [self.accountant.name, "Vipps MobilePay portal"],
        )

    def test_an_accountant_sees_all_operations_on_the_form_of_the_payment(self):
        _order, tx = self._authorize_order(amount=100)
        self._do(tx, 'capture', 4000)
        self._do(tx, 'cancel')
        self._do(tx, 'refund', 1500)
        self.env.invalidate_all()
        view = self.env.ref('payment.payment_transaction_form')
        form = Form(tx.with_user(self.accountant), view)
        self.assertEqual(
            form.vipps_operation_ids[:],
            tx._vipps_get_captures() | tx._vipps_get_releases() | tx._vipps_get_refunds(),
        )
        self.assertIn("Refunded", form.vipps_timeline)
        capture_form = Form(tx._vipps_get_captures().with_user(self.accountant), view)
        self.assertEqual(capture_form.vipps_operation_ids[:], tx._vipps_get_refunds())

    #=== Timeline ===#

    def test_the_timeline_tells_what_happened_in_the_order_and_time_of_the_reader(self):
        tx = self._authorize(amount=100)
        self._do(tx, 'capture', 4000)
        self._do(tx, 'refund', 1000)
        tx.with_user(self.accountant).action_vipps_update()
        log = list(tx.vipps_event_log)
        rows = self._get_rows(tx.with_user(self.accountant).vipps_timeline)
        self.assertEqual(
            [row[1] for row in rows],
            ["Payment started", "Approved by the customer", "Captured", "Refunded"],
        )
        self.assertIn("40.00", rows[2][2])
        self.assertEqual([row[3] for row in rows], [event['psp_reference'] for event in log])
        self.assertEqual(tx.vipps_psp_reference, False, "Each capture has its own.")

        log[0]['time'] = '2026-01-05T23:30:00'
        tx.vipps_event_log = log
        rows = self._get_rows(tx.with_user(self.accountant).vipps_timeline)
        self.assertIn("01/06/2026", rows[0][0])
        self.assertIn("00:30:00", rows[0][0])

    def test_the_timeline_marks_what_did_not_succeed_and_shows_no_codes(self):
        tx = self._authorize()
        tx.vipps_event_log = [
            {'name': name, 'amount': 24950, 'time': '2026-01-05T12:00:00', 'success': success,
             'psp_reference': '<b>psp</b>'}
            for name, success in (('CAPTURED', False), ('CAPTURED', True), ('NEW_EVENT', True))
        ]
        timeline = tx.vipps_timeline
        names = [row[1] for row in self._get_rows(timeline)]
        self.assertEqual(
            names, ["Captured Did not succeed", "Captured", "Something else happened"]
        )
        self.assertNotIn('<b>', timeline)

    #=== Order ===#

    def test_several_payments_of_an_order_have_a_sentence_each_and_a_sum(self):
        order = self._create_order(price=100, user_id=self.salesman.id)
        txs = [self._start_order(order, amount=amount) for amount in (30, 70)]
        for tx in txs:
            self._approve(tx)
            self._refresh(tx)
        self._do(txs[0], 'capture')
        self.env.invalidate_all()
        order = order.with_user(self.salesman)
        self.assertEqual(
            (order.vipps_authorized_amount, order.vipps_captured_amount,
             order.vipps_remaining_amount),
            (100, 30, 70),
        )
        newest, oldest = order.vipps_status.splitlines()
        self.assertTrue(newest.startswith(txs[1].reference + ": Reserved"))
        self.assertTrue(oldest.startswith(txs[0].reference + ": Captured"))

    def test_payments_in_several_currencies_have_no_sum(self):
        order = self._create_order(price=100, user_id=self.salesman.id)
        txs = [self._start_order(order, amount=amount) for amount in (30, 70)]
        for tx in txs:
            self._approve(tx)
            self._refresh(tx)
        txs[1].currency_id = self.currency_dkk
        order = order.with_user(self.salesman)
        self.assertFalse(order.vipps_currency_id)
        self.assertEqual(order.vipps_authorized_amount, 0)
        self.assertEqual(len(order.vipps_status.splitlines()), 2)

    def test_the_order_says_where_the_link_in_the_app_leads(self):
        order, tx = self._authorize_order()
        for link, label in ((False, False), ('order', "Order"),
                            ('delivery', "Tracking of the delivery")):
            tx.vipps_app_link = link
            self.assertEqual(order.with_user(self.salesman).vipps_app_link, label)

    def test_a_difference_is_shown_on_the_order(self):
        order, tx = self._authorize_order()
        tx.vipps_difference = "Captured at Vipps MobilePay: 1, in Odoo: 2"
        self.assertIn(
            "Captured at Vipps MobilePay: 1", order.with_user(self.salesman).vipps_status
        )

    def test_the_form_of_an_order_shows_the_page_only_with_a_payment(self):
        order, _tx = self._authorize_order()
        Order = self.env['sale.order'].with_user(self.salesman)
        arch = etree.fromstring(Order.get_view(view_type='form')['arch'])
        page = arch.find('.//page[@name="vipps"]')
        self.assertEqual(page.get('invisible'), 'not vipps_status')
        with Form(order.with_user(self.salesman)) as form:
            self.assertTrue(form.vipps_status)
        with Form(self._create_order(user_id=self.salesman.id).with_user(self.salesman)) as form:
            self.assertFalse(form.vipps_status)
            self.assertFalse(form.vipps_timeline)

    def test_transactions_of_other_providers_show_nothing_of_ours(self):
        tx = self._create_transaction(
            'redirect', provider_id=self.dummy_provider.id, reference="Other", state='done',
            payment_method_id=self.payment_method.id,
        )
        tx = tx.with_user(self.accountant)
        self.assertFalse(tx.vipps_status)
        self.assertFalse(tx.vipps_is_refundable)
        form = Form(tx, view=self.env.ref('payment.payment_transaction_form'))
        self.assertFalse(form.vipps_status)
