# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from unittest.mock import patch

from odoo.exceptions import ValidationError
from odoo.tests import tagged

from ... import patience
from ...protocol import client
from ...simulator.sales_units import NOK_UNIT
from ..common import TransactionCommon
from ..http_common import CheckoutCommon


@tagged('post_install', '-at_install')
class TestTrouble(CheckoutCommon):
    """ What customers meet when Vipps MobilePay does not do what was asked for. """

    def _try_again(self, page):
        form, = page.xpath('.//form[.//button[normalize-space()="Try Again"]]')
        answer = self.url_open(
            form.get('action'), data=dict(form.form_values()), allow_redirects=False
        )
        self.env.invalidate_all()
        return answer

    def test_who_gets_no_answer_reads_a_sentence_and_finds_the_same_payment_by_trying_again(self):
        for operation, kind, values, expected_payments in (
            ('token', 'lost', {}, 0),
            ('create', 'lost', {}, 0),
            ('create', 'lost_answer', {}, 1),
            ('create', 'status', {'status': 503}, 0),
            ('create', 'garbage', {}, 1),
            ('create', 'truncated', {}, 1),
            ('create', 'latency', {'seconds': 1}, 1),
        ):
            with self.subTest(operation=operation, kind=kind), \
                    self._without_pauses(), \
                    patch.dict(client._tokens._entries, clear=True):
                self.simulator.reset()
                order = self._create_cart()
                self.simulator.fault(operation, kind, times=None, **values)
                with patch.dict(patience.LONGER_SECONDS, create=0.3):
                    processing_values = self._ask(
                        f'/shop/payment/transaction/{order.id}', self._prepare_order_params(order)
                    )
                    result, page = self._get_result(self._post_form(processing_values))
                self.assertEqual(result, 'unavailable')
                self.assertIn("does not answer right now", page.text_content())
                link = self._get_link(page, "Choose Another Payment Method")
                self.assertEqual(link, '/shop/payment')
                self.assertEqual(len(self.simulator.payments), expected_payments)
                tx = self._get_tx(processing_values['reference'])
                self.assertEqual((tx.state, order.state), ('draft', 'draft'))

                self.simulator.clear_faults()
                answer = self._try_again(page)
                self.assertEqual(answer.status_code, 303)
                self.assertEqual(answer.headers['Location'], tx.vipps_redirect_url)
                payment, = self.simulator.payments
                self.assertEqual(payment['reference'], tx.vipps_payment_reference)
                self.assertEqual(len({c['idempotency_key'] for c in self._get_calls('create')}), 1)

    def test_trying_again_in_vain_says_so_again(self):
        self.simulator.fault('create', 'lost', times=None)
        with self._without_pauses():
            values = self._ask('/payment/transaction', self._prepare_link_params())
            _result, page = self._get_result(self._post_form(values))
            answer = self._try_again(page)
        self.assertEqual(self._get_result(answer)[0], 'unavailable')

    def test_trying_again_what_is_refused_leads_to_another_payment_method(self):
        self.simulator.fault('create', 'lost', times=None)
        order = self._create_cart()
        with self._without_pauses():
            values = self._ask(
                f'/shop/payment/transaction/{order.id}', self._prepare_order_params(order)
            )
            _result, page = self._get_result(self._post_form(values))
        self.simulator.clear_faults()
        self.simulator.fault('create', 'refuse', code='5070')
        result, page = self._get_result(self._try_again(page))
        self.assertEqual(result, 'failed')
        self.assertIn("choose another payment method", page.text_content())
        self.assertEqual(self._get_link(page, "Try Again"), '/shop/payment')

    def test_trying_again_what_is_paid_meanwhile_creates_no_payment(self):
        self.simulator.fault('create', 'lost', times=None)
        order = self._create_cart()
        with self._without_pauses():
            values = self._ask(
                f'/shop/payment/transaction/{order.id}', self._prepare_order_params(order)
            )
            _result, page = self._get_result(self._post_form(values))
        self.simulator.clear_faults()
        other = self._start_order(order)
        self._approve(other)
        self._refresh(other)
        _result, page = self._get_result(self._try_again(page))
        self.assertIn("already paid", page.text_content())
        self.assertEqual(len(self.simulator.payments), 1)

    def test_a_payment_whose_answer_was_lost_is_not_paid_twice(self):
        order = self._create_cart()
        with self._without_pauses():
            self.simulator.fault('create', 'lost_answer', times=None)
            values = self._ask(
                f'/shop/payment/transaction/{order.id}', self._prepare_order_params(order)
            )
        self.simulator.clear_faults()
        self._run_job()
        tx = self._get_tx(values['reference'])
        self.assertEqual(tx.vipps_payment_state, 'CREATED')
        self.assertEqual(len(self.simulator.payments), 1)

    def test_a_payment_is_made_without_the_details_that_are_refused(self):
        for field, part in (
            ('receipt.orderLines[0].name', 'receipt'),
            ('receipt.bottomLine.currency', 'receipt'),
            ('metadata.document', 'metadata'),
            ('customer.phoneNumber', 'customer'),
        ):
            with self.subTest(field=field):
                self.simulator.reset()
                self.vipps.activity_ids.unlink()
                self.simulator.fault('create', 'invalid', times=None, field=field)
                tx = self._start_cart()
                request = self._get_payment(tx)['request']
                self.assertNotIn(part, request)
                self.assertEqual(
                    len({'receipt', 'metadata', 'customer'} & request.keys()), 2, "The rest is sent"
                )
                self.assertEqual(len({c['idempotency_key'] for c in self._get_calls('create')}), 2)
                notes = [str(activity.note) for activity in self._get_activities()]
                if part == 'customer':
                    self.assertEqual(notes, [], "The phone number is the customer's")
                else:
                    self.assertEqual(len(notes), 1)
                    self.assertIn(field, notes[0])
                    self.assertIn(tx.reference, notes[0])

    def test_a_payment_is_made_with_its_reference_when_its_description_is_refused(self):
        self.simulator.fault('create', 'invalid', field='paymentDescription')
        tx = self._start_cart()
        self.assertEqual(self._get_payment(tx)['request']['paymentDescription'], tx.reference)
        self.assertIn('paymentDescription', self._get_activities().note)

    def test_who_is_refused_reads_a_sentence_without_codes(self):
        for code in ('5040', '5070', '4090'):
            with self.subTest(code=code):
                self.simulator.fault('create', 'refuse', code=code)
                sentence = self._ask_refused('/payment/transaction', self._prepare_link_params())
                self.assertIn("cannot take this payment right now", sentence)
                self.assertIn("Nothing has been charged", sentence)
                self.assertNotIn(code, sentence)


@tagged('post_install', '-at_install')
class TestRefusedCheckout(TransactionCommon):
    """ What the administrator is told when customers cannot pay. """

    def _start_refused(self, **values):
        """ Start to pay in vain, without the savepoint of `assertRaises`, which would undo what is
        committed by itself. """
        try:
            self._start(**values)
        except ValidationError as error:
            return str(error)
        self.fail("The payment was not refused.")

    def test_a_currency_that_the_sales_unit_does_not_take_is_told_to_an_administrator_once(self):
        for _i in range(2):
            sentence = self._start_refused(currency_id=self.currency_dkk.id)
            self.assertIn("choose another payment method", sentence)
            self.assertNotIn("sales unit", sentence)
        self.assertEqual(len(self._get_activities()), 1)
        self.assertIn("currency", self._get_activities().note)
        self.assertTrue(self._get_activities().user_id.has_group('base.group_system'))

    def test_what_a_payment_cannot_be_made_without_is_refused_and_named(self):
        self.simulator.fault('create', 'invalid', times=None, field='amount.value')
        self.assertIn("cannot take this payment right now", self._start_refused())
        self.assertEqual(len(self._get_calls('create')), 1)
        self.assertIn('amount.value', self._get_activities().note)

    def test_an_administrator_is_told_in_another_language_than_the_customer(self):
        self.env['res.lang']._activate_lang('nb_NO')
        self.env['res.lang']._activate_lang('da_DK')
        self.vipps._vipps_get_administrator().lang = 'nb_NO'
        self.env = self.env(context={**self.env.context, 'lang': 'da_DK'})
        self.vipps = self.vipps.with_env(self.env)
        self.env.flush_all()
        self.assertIn("Vælg", self._start_refused(currency_id=self.currency_dkk.id))
        activity = self._get_activities()
        self.assertEqual(activity.summary, "Kunder kan ikke betale med Vipps MobilePay")
        self.assertIn("salgsenheten", activity.note)

    def test_a_sales_unit_that_is_not_active_is_told_to_an_administrator_once(self):
        self.simulator.set_unit(NOK_UNIT.msn, active=False)
        for _i in range(2):
            self._start_refused()
        self.assertEqual(len(self._get_activities()), 1)

    def test_keys_that_are_missing_are_told_to_an_administrator(self):
        self.env.flush_all()
        self.env.cr.execute(
            "UPDATE payment_provider SET vipps_client_secret_ciphertext = NULL WHERE id = %s",
            [self.vipps.id],
        )
        self.env.invalidate_all()
        sentence = self._start_refused()
        self.assertNotIn("keys", sentence)
        self.assertIn("keys", self._get_activities().note)
        self.assertFalse(self.simulator.exchanges)

    def test_an_amount_that_is_too_small_is_not_told_to_an_administrator(self):
        self.simulator.fault('create', 'refuse', code='6010')
        self._start_refused()
        self.assertFalse(self._get_activities())
