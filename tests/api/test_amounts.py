# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from urllib.parse import urlencode

from odoo.exceptions import UserError, ValidationError
from odoo.fields import Command
from odoo.tests import Form, tagged

from ..delivery_common import DeliveryCommon
from ..http_common import CheckoutCommon


class FineCurrencyCommon(DeliveryCommon):
    """ A shop whose currency has more decimals than the API. """

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.env.ref('product.decimal_price').digits = 4
        cls.currency_nok.rounding = 0.001
        cls.env['product.pricelist'].search([]).currency_id = cls.currency_nok


@tagged('post_install', '-at_install')
class TestPages(FineCurrencyCommon, CheckoutCommon):

    def _show(self, *documents):
        """ Return the texts of the pages on which documents can be paid. """
        amount = documents[0].amount_total
        pages = ['/shop/payment', *(document.get_portal_url() for document in documents)]
        pages.append('/payment/pay?' + urlencode({
            'amount': amount, 'currency_id': self.currency_nok.id, 'partner_id': self.partner.id,
            'access_token': self._generate_test_access_token(
                self.partner.id, amount, self.currency_nok.id
            ),
        }))
        answers = [self.url_open(page) for page in pages]
        self.assertEqual([answer.status_code for answer in answers], [200] * len(answers))
        return [answer.text for answer in answers]

    def _create_documents(self, price):
        self.product.taxes_id = [Command.clear()]
        self._create_cart().order_line.price_unit = price
        quotation = self._create_order(
            price=price, require_payment=True, require_signature=False, state='sent',
        )
        return quotation, self._create_invoice(price)

    def test_an_amount_with_too_many_decimals_hides_the_provider_and_nothing_else(self):
        offer = f'data-provider-id="{self.vipps.id}"'
        for price, is_offered in ((200.765, False), (200.76, True)):
            with self.subTest(price=price):
                documents = self._create_documents(price)
                for document in documents:
                    self.assertAlmostEqual(document.amount_total, price)
                for number, text in enumerate(self._show(*documents)):
                    self.assertEqual(offer in text, is_offered, number)

    def test_an_amount_with_too_many_decimals_that_is_asked_for_all_the_same_is_refused(self):
        sentence = self._ask_refused(
            '/payment/transaction', self._prepare_link_params(amount=200.765)
        )
        self.assertIn("cannot take this payment", sentence)
        self.assertFalse(self.simulator.payments)


@tagged('post_install', '-at_install')
class TestOperations(FineCurrencyCommon):

    def test_lines_with_more_decimals_are_in_a_receipt_that_adds_up(self):
        tx = self._start_order(self._create_order(order_line=[
            self._line(self.sweater, price=100.005), self._line(self.mittens, price=100.005),
        ]))
        request = self._get_payment(tx)['request']
        self.assertEqual(request['amount']['value'], 20001)
        self.assertEqual(
            sum((-1 if line.get('isReturn') else 1) * line['totalAmount']
                for line in request['receipt']['orderLines']), 20001,
        )

    def test_deliveries_are_captured_in_whole_units_and_the_last_one_takes_the_rest(self):
        tx = self._buy(self._line(self.sweater, 2, price=100.005))
        self.assertEqual(tx.amount, 200.01)
        self._deliver(tx.sale_order_ids, sweater=1)
        self.assertSums(tx, captured=10000, remaining=10001)
        self._deliver(tx.sale_order_ids)
        self.assertSums(tx, captured=20001, remaining=0)

    def test_people_read_a_sentence_when_they_enter_more_decimals(self):
        tx = self._buy(self._line(self.sweater, 2, price=100.005))
        with self.assertRaisesRegex(ValidationError, "no more than 2 decimals"):
            self._capture(tx, 100.005)
        with self.assertRaisesRegex(ValidationError, "at least"):
            tx._vipps_check_amount('capture', 0)
        self.assertFalse(self._get_calls('capture'))
        self._capture(tx, 100)
        with self.assertRaisesRegex(ValidationError, "no more than 2 decimals"):
            tx._vipps_get_captures().action_refund(amount_to_refund=50.005)
        self.assertFalse(self._get_calls('refund'))

    def test_a_till_reads_a_sentence(self):
        method = self.env['pos.payment.method'].create({
            'name': "Vipps", 'use_payment_terminal': 'vipps', 'company_id': self.company.id,
            'journal_id': self.company_data['default_journal_bank'].id,
            'vipps_provider_id': self.vipps.id,
        })
        with self.assertRaisesRegex(UserError, "at most two decimals"):
            method._vipps_check_usable(self.currency_nok, 200.765)
        method._vipps_check_usable(self.currency_nok, 200.76)


@tagged('post_install', '-at_install')
class TestManyParts(DeliveryCommon):
    """ Payments that were captured in parts before. """

    def test_the_third_part_is_captured_in_the_same_window_as_the_first(self):
        self.vipps.vipps_capture_mode = 'manual'
        tx = self._buy(self._line(self.sweater, 3))
        for captured in (100, 200, 300):
            action = tx.with_user(self.accountant).action_capture()
            with Form(self.env[action['res_model']].with_user(self.accountant).with_context(
                **action['context']
            )) as form:
                self.assertEqual(form.available_amount, 400 - captured)
                form.amount_to_capture = 100
            form.save().action_capture()
            self.env.invalidate_all()
            self.assertEqual(tx._vipps_get_captured_amount(), captured)

    def test_the_noise_of_a_sum_loses_no_unit(self):
        client = self.env['vipps.api.client']
        for amount, noise in ((2061.95, 4e-13), (0.29, 2e-16), (19.99, 4e-15), (0.07, 1e-9)):
            with self.subTest(amount=amount):
                for value in (amount, amount - noise, amount + noise):
                    self.assertEqual(client._round_down(value, self.currency_nok), amount)
        self.assertEqual(client._round_down(2061.949, self.currency_nok), 2061.94)

    def test_forms_show_documents_whose_payments_have_several_parts(self):
        self.vipps.vipps_capture_mode = 'manual'
        self.sweater.invoice_policy = 'order'
        tx = self._buy(self._line(self.sweater, 3))
        order = tx.sale_order_ids
        self._capture(tx, 100)
        self._capture(tx, 100)
        for amount in (30, 20):
            tx._vipps_get_captures()[0].action_refund(amount_to_refund=amount)
        order.user_id = self.salesman
        with Form(order.with_user(self.salesman)) as form:
            form.client_order_ref = "Red"
        invoice = order._create_invoices()
        invoice.action_post()
        credit_note = invoice._reverse_moves()
        credit_note.action_post()
        for move in (invoice, credit_note):
            with Form(move.with_user(self.accountant)) as form:
                form.ref = "Red"
            self.assertEqual(move.ref, "Red")


@tagged('post_install', '-at_install')
class TestCoarseCurrency(DeliveryCommon):
    """ A shop whose currency has less decimals than the API: there are no øre coins. """

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.currency_nok.rounding = 1
        cls.env['product.pricelist'].search([]).currency_id = cls.currency_nok

    def test_an_order_that_is_delivered_in_three_parts_is_captured_in_full(self):
        tx = self._buy(self._line(self.sweater, 3, 33.4))
        order = tx.sale_order_ids
        self.assertEqual(order.amount_total, 100)
        for captured in (3300, 6700, 10000):
            self._deliver(order, sweater=1)
            self.assertSums(tx, captured, 10000 - captured)
        self.assertEqual(len(tx.child_transaction_ids), 3)

    def test_what_is_captured_elsewhere_is_booked_once(self):
        self.vipps.vipps_capture_mode = 'manual'
        tx = self._buy(self._line(self.sweater, 2, 50))
        for _i in range(2):
            self.simulator.capture(tx.vipps_payment_reference, 3340)
            for _j in range(2):
                self._refresh(tx)
        self.assertEqual(tx.child_transaction_ids.mapped('amount'), [33, 33])
        self.assertTrue(tx.vipps_difference, "66.80 and 66 are not the same.")

    def test_no_more_than_whole_units_are_captured_of_what_others_left(self):
        tx = self._buy(self._line(self.sweater, 2, 50))
        self.assertEqual(
            self.env['vipps.api.client']._round_down(66.99, tx.currency_id), 66
        )
