# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from datetime import timedelta

from freezegun import freeze_time

from odoo import fields
from odoo.tests import tagged
from odoo.tools import mute_logger

from .request_common import RequestCommon


@tagged('post_install', '-at_install')
class TestPushMessage(RequestCommon):
    """ Payment requests that appear on the phone of a customer who agreed to that. """

    def setUp(self):
        super().setUp()
        self._agree()

    def _send_with_lost_answer(self, invoice):
        """ Return a request whose payment was created, which we do not know. """
        self.simulator.fault('create', 'lost_answer', times=None)
        with self._without_pauses():
            self._open(invoice).action_send()
            self._run_due()
        return invoice.sudo().vipps_request_ids

    def _repair(self):
        """ Let Vipps MobilePay answer again, and the job repeat its calls. """
        self.simulator.clear_faults()
        self._run_job()
        self.env.invalidate_all()

    def test_customer_who_agreed_gets_a_push_message_that_pays_the_invoice(self):
        invoice = self._create_invoice()
        invoice.payment_reference = '000012345678903'
        request = self._send(invoice)
        self.assertEqual((request.channel, request.state), ('push', 'sent'))
        tx = request.transaction_id
        sent = self._get_payment(tx)['request']
        self.assertEqual(sent['customer'], {'phoneNumber': '4798765432'})
        self.assertEqual(sent['customerInteraction'], 'CUSTOMER_NOT_PRESENT')
        self.assertIn(invoice.name, sent['paymentDescription'])
        self.assertEqual(sent['metadata'], {
            'document': invoice.name, 'payment_reference': '000012345678903',
        })
        line, = sent['receipt']['orderLines']
        self.assertIn('000012345678903', line['name'])
        self.assertEqual(line['totalAmount'], 24950)
        self.assertTrue(line['productUrl'].endswith(request._vipps_get_pay_route()))
        self.assertFalse(self._get_mail())
        self._approve(tx)
        self._refresh(tx)
        self.assertEqual((tx.state, tx.amount), ('done', 249.5))
        self.assertIn(invoice.payment_state, ('paid', 'in_payment'))

    def test_request_is_open_for_hours_and_then_over(self):
        tx = self._send(self._create_invoice()).transaction_id
        self.simulator.advance(20 * 3600)
        self._refresh(tx)
        self.assertEqual(tx.vipps_payment_state, 'CREATED')
        self.assertFalse(self._get_listed('open_1_hour'))
        self.simulator.advance(4 * 3600)
        self._refresh(tx)
        self.assertEqual((tx.state, tx.vipps_payment_state), ('cancel', 'EXPIRED'))
        self.assertFalse(self._get_mail())  # It was sent: nobody is bothered twice.

    def _get_listed(self, name):
        self.env.flush_all()
        with freeze_time(fields.Datetime.now() + timedelta(hours=2)):
            model, domain, _field = self.vipps._vipps_get_health_lists()[name]
            return self.env[model].sudo().search(domain)

    def test_unit_without_the_right_sends_a_mail_and_people_learn_of_it(self):
        self._allow_long_life(False)
        invoice = self._create_invoice()
        with mute_logger('odoo.addons.mobilepay_vipps.models.jobs.audit_event'):
            request = self._send(invoice)
        self.assertEqual((request.channel, request.state), ('mail', 'sent'))
        self.assertIn("open for long", request.reason)
        self.assertEqual(request.transaction_id.state, 'cancel')
        self.assertIn(request._vipps_get_pay_route(), self._get_mail())
        self.assertIn(
            "Payment requests of Vipps MobilePay are not sent as push messages",
            self._get_activities().mapped('summary'),
        )

    def test_each_refusal_of_a_long_life_ends_in_a_mail(self):
        for code in ('5050', '5080', '6110', '6120', '6130', '7010'):
            with self.subTest(code=code):
                self.simulator.fault('create', 'refuse', code=code)
                request = self._send(self._create_invoice())
                self.assertEqual((request.channel, request.state), ('mail', 'sent'))
                self.assertIn(request._vipps_get_pay_route(), self._get_mail())

    def test_phone_of_another_market_gets_the_message_or_a_mail(self):
        self.partner.mobile = '+45 20 12 34 56'
        self._agree()
        request = self._send(self._create_invoice())
        self.assertEqual((request.channel, request.state), ('push', 'sent'))
        sent = self._get_payment(request.transaction_id)['request']
        self.assertEqual(sent['customer'], {'phoneNumber': '4520123456'})
        # Nobody in the market of the sales unit has this number.
        self.simulator.fault('create', 'refuse', code='7010')
        request = self._send(self._create_invoice())
        self.assertEqual((request.channel, request.state), ('mail', 'sent'))
        self.assertNotIn('20123456', request.reason)
        self.assertIn(request._vipps_get_pay_route(), self._get_mail())

    def test_lost_answer_makes_one_payment(self):
        request = self._send_with_lost_answer(self._create_invoice())
        self.assertEqual(request.state, 'waiting')
        self._repair()
        payment, = self.simulator.payments
        self.assertEqual(payment['state'], 'CREATED')
        self.assertEqual(request.transaction_id.vipps_payment_state, 'CREATED')
        self.assertFalse(self._get_mail())

    def test_request_is_withdrawn_when_the_bank_pays(self):
        invoice = self._create_invoice()
        tx = self._send(invoice).transaction_id
        self._pay_by_bank(invoice, 249.5)
        self._follow_up()
        self.assertEqual(self._get_payment(tx)['state'], 'TERMINATED')

    def test_customer_who_pays_on_the_page_ends_the_request(self):
        invoice = self._create_invoice()
        tx = self._send(invoice).transaction_id
        self._press(invoice)
        self.assertEqual(self._get_payment(tx)['state'], 'TERMINATED')

    def test_invoice_that_is_paid_before_the_queue_comes_is_not_requested(self):
        invoice = self._create_invoice()
        self._open(invoice).action_send()
        self._pay_by_bank(invoice, 249.5)
        self._run_due()
        self._follow_up()
        self.assertFalse(self.simulator.payments)
        self.assertEqual(invoice.sudo().vipps_request_ids.state, 'dropped')
        self.assertFalse(self._get_mail())

    def test_request_is_withdrawn_when_the_invoice_becomes_somebody_elses(self):
        invoice = self._create_invoice()
        request = self._send(invoice)
        invoice.button_draft()
        invoice.partner_id = self.env['res.partner'].create({'name': "Somebody else"})
        invoice.action_post()
        self._follow_up()
        self.assertEqual(self._get_payment(request.transaction_id)['state'], 'TERMINATED')
        self.assertEqual(self._scan(request, 410)[0], 'cancelled')
        self.assertEqual(self._scan(invoice)[0], 'open')

    def test_reminder_takes_the_place_of_the_open_request(self):
        first = self._send(self._create_invoice())
        self._let_pause_pass(first)
        second = self._send(first.invoice_ids)
        self.assertEqual((second.channel, second.state), ('push', 'sent'))
        self.assertEqual(self._get_payment(first.transaction_id)['state'], 'TERMINATED')
        self.assertEqual(self._get_payment(second.transaction_id)['state'], 'CREATED')

    def test_reminder_waits_until_the_open_request_is_known(self):
        first = self._send(self._create_invoice())
        self._let_pause_pass(first)
        for operation in ('cancel', 'get'):
            self.simulator.fault(operation, 'lost', times=None)
        with self._without_pauses():
            second = self._send(first.invoice_ids)
        self.assertEqual((second.state, len(self.simulator.payments)), ('waiting', 1))
        self._repair()
        self.assertEqual(second.state, 'sent')
        self.assertEqual(self._get_payment(first.transaction_id)['state'], 'TERMINATED')

    def test_lost_answer_is_followed_by_no_mail(self):
        request = self._send_with_lost_answer(self._create_invoice())
        self.simulator.clear_faults()
        self.simulator.decline(request.transaction_id.vipps_payment_reference)
        self._run_job()
        self.env.invalidate_all()
        self.assertEqual((request.transaction_id.state, request.state), ('cancel', 'sent'))
        self.assertEqual(request.channel, 'push')
        self.assertFalse(self._get_mail())

    def test_invoice_that_is_paid_while_an_answer_is_lost_is_withdrawn(self):
        invoice = self._create_invoice()
        self._send_with_lost_answer(invoice)
        self._pay_by_bank(invoice, 249.5)
        self._repair()
        payment, = self.simulator.payments
        self.assertEqual(payment['state'], 'TERMINATED')

    def _let_pause_pass(self, request):
        self.env.flush_all()
        self.env.cr.execute(
            "UPDATE vipps_payment_request SET create_date = create_date - interval '2 days'"
            " WHERE id = %s", [request.id],
        )
        self.env.invalidate_all()
