# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from datetime import timedelta
from urllib.parse import urlsplit

from lxml import html

from odoo import fields
from odoo.fields import Command
from odoo.tests import tagged
from odoo.tools import mute_logger

from ... import const
from .payment_request_common import PaymentRequestCommon


@tagged('post_install', '-at_install')
class TestPortal(PaymentRequestCommon):
    """ A customer in the portal who pays all that is due. """

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.customer = cls._new_user('vipps_customer', 'base.group_portal')
        cls.customer.partner_id = cls.partner

    def setUp(self):
        super().setUp()
        self.authenticate(self.customer.login, self.customer.login)

    def _get_list(self):
        answer = self.url_open('/my/invoices')
        self.assertEqual(answer.status_code, 200)
        return html.fromstring(answer.text)

    def _get_buttons(self):
        """ Return the text and the address of each button. """
        return [
            (' '.join(link.text_content().split()), link.get('href'))
            for link in self._get_list().xpath("//div[@name='vipps_pay_due']//a")
        ]

    def _get_route(self):
        (_label, route), = self._get_buttons()
        return route

    def _press_button(self, route, part):
        """ Return the answer to the button on the page. """
        page = html.fromstring(self.url_open(route).text).get_element_by_id('o_vipps_pay')
        token, = page.xpath(".//input[@name='csrf_token']/@value")
        return self.url_open(
            route, data={'part': part, 'csrf_token': token}, allow_redirects=False
        )

    def _choose(self, route, part='due'):
        """ Press a button on the page, and return the transaction. """
        answer = self._press_button(route, part)
        self.assertEqual(answer.status_code, 303, answer.text[-3000:])
        self.env.invalidate_all()
        tx = self.env['payment.transaction'].sudo().search([], order='id desc', limit=1)
        self.assertEqual(answer.headers['Location'], tx.vipps_redirect_url)
        return tx

    def _assert_leads_back(self, route):
        answer = self.url_open(route, allow_redirects=False)
        self.assertEqual(answer.status_code, 303)
        self.assertEqual(urlsplit(answer.headers['Location']).path, '/my/invoices')

    def _create_due_later(self, amount):
        invoice = self._create_invoice(amount)
        invoice.button_draft()
        invoice.write({
            'invoice_payment_term_id': False,
            'invoice_date_due': fields.Date.today() + timedelta(days=30),
        })
        invoice.action_post()
        return invoice

    #=== What is due ===#

    def test_one_press_pays_all_that_is_due_and_nothing_else(self):
        self.vipps.vipps_capture_mode = 'automatic'
        later = self._create_due_later(77)
        due, part_paid, overdue = (self._create_invoice(amount) for amount in (10, 200, 30))
        self._pay_by_bank(part_paid, 150)
        self._let_be_overdue(overdue)
        paid, cancelled, credited, draft = (self._create_invoice(1000) for _i in range(4))
        self._pay_by_bank(paid, 1000)
        (cancelled | draft).button_draft()
        cancelled.button_cancel()
        self._credit(credited)
        (label, route), = self._get_buttons()
        self.assertRegex(label, r"^Pay all that is due with Vipps: \D*90\.00\D*$")
        state, text = self._read_page(route)
        self.assertEqual(state, 'open')
        for move in due | part_paid | overdue | later:
            self.assertIn(move.name, text)
        for move in paid | credited:
            self.assertNotIn(move.name, text)
        tx = self._choose(route)
        self.assertEqual((tx.amount, tx.partner_id), (90, self.partner))
        self._approve(tx)
        self._refresh(tx)
        self.env.invalidate_all()
        self.assertEqual(
            [move.amount_residual for move in (due, part_paid, overdue, later)], [0, 0, 0, 77],
        )
        self.assertFalse(self._get_buttons())
        self._assert_leads_back(route)

    def test_all_can_be_paid_before_it_is_due(self):
        invoices = self._create_due_later(77) | self._create_invoice(10)
        tx = self._choose(self._get_route(), 'all')
        self.assertEqual((tx.amount, tx.invoice_ids), (87, invoices))

    def test_nothing_is_offered_while_nothing_is_due(self):
        self.assertFalse(self._get_buttons())
        self._create_due_later(77)
        self.assertFalse(self._get_buttons())

    def test_installments_are_paid_when_they_are_due(self):
        self.vipps.vipps_capture_mode = 'automatic'
        invoices = self._create_installments() | self._create_invoice(50)
        route = self._get_route()
        tx = self._choose(route)
        self.assertEqual(tx.amount, 450)
        self._approve(tx)
        self._refresh(tx)
        self.env.invalidate_all()
        self.assertEqual(invoices.mapped('amount_residual'), [600, 0])
        self.assertFalse(self._get_buttons())

    def test_reserved_payment_is_not_asked_for_again(self):
        self.vipps.vipps_capture_mode = 'manual'
        self._create_invoice(10)
        self._create_invoice(20)
        route = self._get_route()
        tx = self._choose(route)
        self._approve(tx)
        self._return(tx)
        self.assertEqual(tx.state, 'authorized')
        self.assertFalse(self._get_buttons())
        self._assert_leads_back(route)

    def test_customer_who_aborts_comes_back_to_the_page(self):
        self._create_invoice(10)
        route = self._get_route()
        tx = self._choose(route)
        self.simulator.decline(tx.vipps_payment_reference)
        result, page = self._get_result(self._return(tx))
        self.assertEqual(result, 'failed')
        self.assertEqual(self._get_link(page, "Try Again"), route)

    def test_refused_payment_leaves_nothing_and_says_so(self):
        invoice = self._create_invoice(10)
        route = self._get_route()
        self.simulator.fault('create', 'refuse', code='5070')
        with mute_logger('odoo.addons.mobilepay_vipps.models.transaction.checkout'):
            answer = self._press_button(route, 'due')
        self.assertEqual(answer.status_code, 409)
        self.assertIn("Nothing has been charged", answer.text)
        self.assertIn(invoice.name, answer.text)
        self.env.invalidate_all()
        self.assertFalse(invoice.transaction_ids)

    def test_invoice_that_the_bank_pays_meanwhile_is_not_paid_again(self):
        first, second = self._create_invoice(10), self._create_invoice(20)
        route = self._get_route()
        self._pay_by_bank(first, 10)
        tx = self._choose(route)
        self.assertEqual((tx.amount, tx.invoice_ids), (20, second))
        self._pay_by_bank(second, 20)
        self._assert_leads_back(route)

    #=== Whom it is offered to ===#

    def test_colleagues_pay_for_their_company_and_nobody_else(self):
        company = self.env['res.partner'].create({'name': "AS", 'is_company': True})
        self.partner.parent_id = company
        colleague = self._new_user('vipps_colleague', 'base.group_portal')
        colleague.partner_id.parent_id = company
        stranger = self._new_user('vipps_stranger', 'base.group_portal')
        invoice = self._create_invoice(10)
        route = self._get_route()
        self.authenticate(colleague.login, colleague.login)
        self.assertEqual(self._get_route(), route)
        self.assertEqual(self._choose(route).invoice_ids, invoice)
        self.authenticate(stranger.login, stranger.login)
        self.assertFalse(self._get_buttons())
        self._assert_leads_back(route)
        # Who follows an invoice of others may see it, and is not asked to pay it.
        invoice.message_subscribe(stranger.partner_id.ids)
        self.assertIn(invoice.name, self._get_list().text_content())
        self.assertFalse(self._get_buttons())
        self._assert_leads_back(route)
        own = self._create_invoice(20)
        own.button_draft()
        own.partner_id = stranger.partner_id
        own.action_post()
        text = self._read_page(self._get_route())[1]
        self.assertIn(own.name, text)
        self.assertNotIn(invoice.name, text)
        self.assertEqual(self._choose(route).invoice_ids, own)
        self.authenticate(None, None)
        answer = self.url_open(route, allow_redirects=False)
        self.assertIn('/web/login', answer.headers['Location'])

    def test_payment_is_started_by_the_button_only(self):
        self._create_invoice(10)
        route = self._get_route()
        with mute_logger('odoo.http'):
            answer = self.url_open(route, data={'part': 'due'}, allow_redirects=False)
        self.assertEqual(answer.status_code, 400)
        self.assertFalse(self.simulator.payments)

    def test_payer_is_not_asked_for_personal_data(self):
        self.vipps.write({'vipps_collect_user_info': True, 'vipps_scope_name': True})
        self._create_invoice(10)
        request = self._get_payment(self._choose(self._get_route()))['request']
        self.assertNotIn('customer', request)
        self.assertNotIn('profile', request)

    def test_employee_without_access_to_invoices_sees_the_portal(self):
        self.authenticate(self.internal_user.login, self.internal_user.login)
        self.internal_user.partner_id.parent_id = self.partner.parent_id
        self.assertFalse(self._get_buttons())

    #=== Where it is offered ===#

    def test_each_currency_is_paid_on_its_own(self):
        self._create_invoice(10)
        in_kroner, in_euro = self._create_invoice(20), self._create_invoice(30)
        in_euro.button_draft()
        in_euro.currency_id = self.currency_euro
        in_euro.action_post()
        in_dollars = self._create_invoice(40)
        in_dollars.button_draft()
        in_dollars.currency_id = self.currency_usd
        in_dollars.action_post()
        (kroner_label, kroner_route), (euro_label, euro_route) = self._get_buttons()
        self.assertRegex(kroner_label, r"Vipps: \D*30\.00")
        self.assertIn("MobilePay: ", euro_label)
        self.assertIn("one currency", self._get_list().text_content())
        self.assertIn(in_euro.name, self._read_page(euro_route)[1])
        self.assertNotIn(in_euro.name, self._read_page(kroner_route)[1])
        tx = self._choose(kroner_route)
        self.assertEqual((tx.amount, tx.currency_id), (30, self.currency_nok))
        self.assertIn(in_kroner, tx.invoice_ids)
        usd_route = f'{const.PORTAL_PAY_ROUTE}/{self.company.id}/{self.currency_usd.id}'
        self._assert_leads_back(usd_route)

    def test_nothing_is_offered_that_cannot_be_paid(self):
        self._create_invoice(10)
        route = self._get_route()
        self.vipps.is_published = False
        self.assertFalse(self._get_buttons())
        self._assert_leads_back(route)
        self.vipps.write({'is_published': True, 'state': 'disabled'})
        self.assertFalse(self._get_buttons())
        self._assert_leads_back(route)


@tagged('post_install', '-at_install')
class TestPortalOfCompanies(PaymentRequestCommon):
    """ A customer of two companies. """
    has_second_company = True

    def test_portal_takes_the_invoices_of_the_company_that_it_lists(self):
        other_company = self.company_data_2['company']
        customer = self._new_user('vipps_customer', 'base.group_portal')
        customer.partner_id = self.partner
        customer.company_ids |= other_company
        own = self._create_invoice(10)
        other = self.env['account.move'].with_company(other_company).create({
            'move_type': 'out_invoice', 'partner_id': self.partner.id,
            'currency_id': self.currency_nok.id,
            'invoice_line_ids': [Command.create({
                'name': "Other", 'price_unit': 500, 'tax_ids': [Command.clear()],
            })],
        })
        other.action_post()
        self.authenticate(customer.login, customer.login)
        page = html.fromstring(self.url_open('/my/invoices').text)
        link, = page.xpath("//div[@name='vipps_pay_due']//a")
        self.assertIn("10.00", link.text_content())
        text = self._read_page(link.get('href'))[1]
        self.assertIn(own.name, text)
        self.assertNotIn("500.00", text)
        route = f'{const.PORTAL_PAY_ROUTE}/{other_company.id}/{self.currency_nok.id}'
        answer = self.url_open(route, allow_redirects=False)
        self.assertEqual(urlsplit(answer.headers['Location']).path, '/my/invoices')
