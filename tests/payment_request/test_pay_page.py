# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from datetime import timedelta
from unittest.mock import patch

from odoo import fields
from odoo.tests import tagged
from odoo.tools import mute_logger

from ... import const
from .payment_request_common import PaymentRequestCommon


@tagged('post_install', '-at_install')
class TestPayPage(PaymentRequestCommon):

    #=== What is left to pay ===#

    def test_page_shows_what_the_paper_shows_and_starts_nothing(self):
        invoice = self._create_invoice()
        state, text = self._scan(invoice)
        self.assertEqual(state, 'open')
        for shown in (invoice.name, invoice.payment_reference, "249.50", self.company.name):
            self.assertIn(shown, text)
        for hidden in (self.partner.name, self.partner.email, "Storgata", "98 76 54 32"):
            self.assertNotIn(hidden, text)
        self.assertFalse(invoice.transaction_ids)

    def test_one_press_leads_to_the_app_and_pays_the_invoice(self):
        invoice = self._create_invoice()
        self.vipps.vipps_capture_mode = 'automatic'
        tx = self._pay(invoice)
        self.assertEqual((tx.state, tx.amount, tx.invoice_ids), ('done', 249.5, invoice))
        self.assertIn(invoice.payment_state, ('paid', 'in_payment'))
        self.assertEqual(self._scan(invoice)[0], 'paid')

    def test_payer_is_neither_shown_nor_asked_for_personal_data(self):
        self.vipps.write({'vipps_collect_user_info': True, 'vipps_scope_name': True})
        tx = self._press(self._create_invoice())
        request = self._get_payment(tx)['request']
        self.assertNotIn('customer', request)
        self.assertNotIn('profile', request)

    def test_reserved_invoice_is_not_paid_again(self):
        self.vipps.vipps_capture_mode = 'manual'
        invoice = self._create_invoice()
        tx = self._pay(invoice)
        self.assertEqual(tx.state, 'authorized')
        state, text = self._scan(invoice)
        self.assertEqual(state, 'reserved')
        self.assertIn("do not pay again", text)
        self._read_page(invoice._vipps_get_pay_route(), data={'part': 'all'})
        self.assertEqual(len(invoice.transaction_ids), 1)

    def test_invoice_that_the_bank_paid_between_print_and_scan_is_paid(self):
        invoice = self._create_invoice()
        route = invoice._vipps_get_pay_route()
        self._pay_by_bank(invoice, 249.5)
        self.assertEqual(self._read_page(route)[0], 'paid')
        self.url_open(route, data={'part': 'all'}, allow_redirects=False)
        self.assertFalse(invoice.transaction_ids)

    def test_part_paid_invoice_asks_for_the_rest(self):
        invoice = self._create_invoice()
        self._pay_by_bank(invoice, 100)
        state, text = self._scan(invoice)
        self.assertEqual(state, 'open')
        self.assertIn("149.50", text)
        self.assertIn("Paid or credited", text)
        self.assertEqual(self._press(invoice).amount, 149.5)

    def test_overdue_invoice_says_so(self):
        invoice = self._create_invoice()
        self.assertNotIn("overdue", self._scan(invoice)[1])
        self._let_be_overdue(invoice)
        self.assertIn("overdue", self._scan(invoice)[1])

    def test_installments_ask_for_the_part_that_is_due(self):
        self.vipps.vipps_capture_mode = 'automatic'
        invoice = self._create_installments()
        _state, text = self._scan(invoice)
        self.assertIn("400.00", text)
        self.assertIn("1,000.00", text)
        self.assertEqual(self._pay(invoice, 'due').amount, 400)
        self.assertEqual(invoice._vipps_get_offer()[1:], (600, 300))
        self.assertEqual(self._pay(invoice, 'due').amount, 300)
        self.assertEqual(self._press(invoice).amount, 300)

    def test_reserved_installment_is_followed_by_the_next_one(self):
        self.vipps.vipps_capture_mode = 'manual'
        invoice = self._create_installments()
        self.assertEqual(self._pay(invoice, 'due').amount, 400)
        self.assertEqual(invoice._vipps_get_offer(), ('open', 600, 300))

    #=== What cannot be paid ===#

    def test_cancelled_draft_and_credited_invoices_say_so(self):
        invoice = self._create_invoice()
        invoice.button_draft()
        self.assertEqual(self._scan(invoice, 409)[0], 'draft')
        invoice.button_cancel()
        self.assertEqual(self._scan(invoice, 410)[0], 'cancelled')
        invoice = self._create_invoice()
        self._credit(invoice)
        self.assertEqual(invoice.payment_state, 'reversed')
        self.assertEqual(self._scan(invoice)[0], 'credited')

    def test_deleted_invoice_and_wrong_codes_look_the_same(self):
        invoice = self._create_invoice()
        route = invoice._vipps_get_pay_route()
        other_route = self._create_invoice()._vipps_get_pay_route()
        name, _dash, signature = route.partition('-')
        wrong = [
            f'{name}-{"0" * 20}', f'{other_route.partition("-")[0]}-{signature}',
            f'{const.PAY_ROUTE}/x1-{"0" * 20}', f'{const.PAY_ROUTE}/æ', f'{name}-{signature[:-1]}',
        ]
        pages = {self._read_page(one, 404) for one in wrong}
        invoice.button_draft()
        invoice.with_context(force_delete=True).unlink()
        pages.add(self._read_page(route, 404))
        (state, text), = pages
        self.assertEqual(state, 'unknown')
        self.assertIn("ask the sender", text)

    def test_invoice_without_a_token_has_no_page(self):
        invoice = self._create_invoice()
        route = invoice._vipps_get_pay_route()
        invoice.access_token = False
        self._read_page(route, 404)

    @mute_logger('odoo.addons.mobilepay_vipps.models.jobs.rate_limit')
    def test_guessing_is_limited(self):
        route = f'{const.PAY_ROUTE}/i1-{"0" * 20}'
        with patch.object(const, 'MAX_REFUSALS_PER_ADDRESS', 2):
            statuses = [self.url_open(route).status_code for _i in range(3)]
        self.assertEqual(statuses, [404, 404, 429])

    @mute_logger('odoo.addons.mobilepay_vipps.models.jobs.rate_limit')
    def test_starting_is_limited(self):
        invoice = self._create_invoice()
        with patch.object(const, 'MAX_STARTS_PER_DOCUMENT', 1):
            self._press(invoice)
            state, text = self._read_page(invoice._vipps_get_pay_route(), 429, data={'part': 'all'})
        self.assertEqual(state, 'open')
        self.assertIn("tried too often", text)
        self.assertEqual(len(invoice.transaction_ids), 1)

    def test_other_currency_other_company_and_no_provider_say_so(self):
        invoice = self._create_invoice()
        self.env.ref('base.USD').active = True
        invoice.button_draft()
        invoice.currency_id = self.env.ref('base.USD')
        invoice.action_post()
        self.assertEqual(self._scan(invoice, 409)[0], 'currency')
        invoice = self._create_invoice()
        self.vipps.state = 'disabled'
        state, text = self._scan(invoice, 503)
        self.assertEqual(state, 'unavailable')
        self.assertIn("in another way", text)
        other_company = self.env['res.company'].create({'name': "Another Company"})
        self.vipps.write({'state': 'test', 'company_id': other_company.id})
        self.assertEqual(self._scan(invoice, 503)[0], 'unavailable')

    def test_refused_payment_leaves_nothing_and_says_so(self):
        invoice = self._create_invoice()
        self.simulator.fault('create', 'refuse', code='5070')
        with mute_logger('odoo.addons.mobilepay_vipps.models.transaction.checkout'):
            state, text = self._read_page(invoice._vipps_get_pay_route(), 409, data={'part': 'all'})
        self.assertEqual(state, 'open')
        self.assertIn("Nothing has been charged", text)
        self.env.invalidate_all()
        self.assertFalse(invoice.transaction_ids)

    def test_customer_who_aborts_comes_back_to_the_page_and_not_to_the_portal(self):
        invoice = self._create_invoice()
        tx = self._press(invoice)
        self.simulator.decline(tx.vipps_payment_reference)
        result, page = self._get_result(self._return(tx))
        self.assertEqual(result, 'failed')
        self.assertEqual(self._get_link(page, "Try Again"), invoice._vipps_get_pay_route())
        self.assertNotIn(invoice.access_token, self.url_open(self._get_return_url(tx)).text)

    def test_second_press_takes_the_place_of_the_first_one(self):
        invoice = self._create_invoice()
        first, second = self._press(invoice), self._press(invoice)
        self.assertEqual(self._get_payment(first)['state'], 'TERMINATED')
        self.assertEqual(self._get_payment(second)['state'], 'CREATED')

    #=== Quotations ===#

    def _create_quotation(self, **values):
        return self._create_order(
            1000, require_payment=True, require_signature=False, state='sent', **values
        )

    def test_quotation_is_accepted_by_paying_the_prepayment(self):
        self.vipps.vipps_capture_mode = 'automatic'
        order = self._create_quotation(prepayment_percent=0.25)
        self.assertIn("250.00", self._scan(order)[1])
        self.assertEqual(self._pay(order, 'due').amount, 250)
        self.assertEqual(order.state, 'sale')
        self.assertEqual(order._vipps_get_offer(), ('open', 750, 0))

    def test_quotations_that_cannot_be_accepted_say_so(self):
        order = self._create_quotation()
        order.validity_date = fields.Date.today() - timedelta(days=1)
        self.assertEqual(self._scan(order, 410)[0], 'expired')
        order.write({'validity_date': False, 'require_signature': True})
        self.assertEqual(self._scan(order, 409)[0], 'unsigned')
        order.write({'require_signature': False, 'require_payment': False})
        self.assertEqual(self._scan(order, 409)[0], 'draft')
        order.action_confirm()
        self.assertEqual(self._scan(order)[0], 'open')
        order._create_invoices().action_post()
        self.assertEqual(self._scan(order, 409)[0], 'invoiced')
        order._action_cancel()
        self.assertEqual(self._scan(order, 410)[0], 'cancelled')
