# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo.exceptions import AccessError
from odoo.tests import tagged

from .payment_request_common import PaymentRequestCommon


@tagged('post_install', '-at_install')
class TestPrintedCode(PaymentRequestCommon):

    def _render(self, report, document):
        return self.env['ir.actions.report']._render_qweb_html(report, document.ids)[0].decode()

    def _render_invoice(self, invoice):
        return self._render('account.report_invoice', invoice)

    def _render_order(self, order):
        return self._render('sale.report_saleorder', order)

    def test_invoice_and_quotation_carry_their_address_and_no_redirect_url(self):
        invoice = self._create_invoice()
        self._press(invoice)
        text = self._render_invoice(invoice)
        self.assertIn(invoice._vipps_get_pay_route(), text)
        self.assertIn('data:image/png;base64', text)
        self.assertNotIn(self.simulator.url, text)
        self.assertNotIn(invoice.access_token, text)
        order = self._create_order(require_payment=True, require_signature=False)
        self.assertIn(order._vipps_get_pay_route(), self._render_order(order))

    def test_code_is_left_out_where_it_is_switched_off_or_of_no_use(self):
        invoice = self._create_invoice()
        order = self._create_order(require_payment=True, require_signature=False)
        route = invoice._vipps_get_pay_route()
        self.partner.vipps_without_code = True
        self.assertNotIn(route, self._render_invoice(invoice))
        self.partner.vipps_without_code = False
        self.vipps.write({'vipps_code_on_invoices': False, 'vipps_code_on_quotations': False})
        self.assertNotIn(route, self._render_invoice(invoice))
        self.assertNotIn(order._vipps_get_pay_route(), self._render_order(order))
        self.vipps.vipps_code_on_invoices = True
        self.assertIn(route, self._render_invoice(invoice))
        self._pay_by_bank(invoice, 249.5)
        self.assertNotIn(route, self._render_invoice(invoice))
        credit_note = self._create_invoice()._reverse_moves()
        credit_note.action_post()
        self.assertFalse(credit_note._vipps_get_printed_code())
        self.assertTrue(self._create_invoice()._vipps_get_printed_code())
        self.vipps.is_published = False  # The page would take nothing.
        self.assertFalse(self._create_invoice()._vipps_get_printed_code())
        self.vipps.write({'is_published': True, 'state': 'disabled'})
        self.assertFalse(self._create_invoice()._vipps_get_printed_code())

    def test_contact_of_a_company_follows_the_company(self):
        company = self.env['res.partner'].create({'name': "AS", 'is_company': True})
        self.partner.parent_id = company
        invoice = self._create_invoice()
        self.assertTrue(invoice._vipps_get_printed_code())
        company.vipps_without_code = True
        self.assertFalse(invoice._vipps_get_printed_code())

    def test_accountant_prints_the_code(self):
        invoice = self._create_invoice()
        code = invoice.with_user(self.accountant)._vipps_get_printed_code()
        self.assertTrue(code['url'].endswith(invoice._vipps_get_pay_route()))
        order = self._create_order(
            require_payment=True, require_signature=False, user_id=self.salesman.id,
        )
        self.assertTrue(order.with_user(self.salesman)._vipps_get_printed_code())

    def test_mail_to_the_customer_carries_the_link(self):
        invoice = self._create_invoice().with_context(mail_notify_force_send=False)
        layout = 'mail.mail_notification_layout_with_responsible_signature'
        for layout_xmlid in ('mail.mail_notification_layout', layout):
            message = invoice.message_post(
                body="Your invoice", partner_ids=self.partner.ids, subtype_xmlid='mail.mt_comment',
                email_layout_xmlid=layout_xmlid,
            )
            mail = self.env['mail.mail'].search([('mail_message_id', '=', message.id)], limit=1)
            self.assertIn(invoice._vipps_get_pay_route(), mail.body_html)
        note = invoice.message_post(
            body="For us", partner_ids=self.partner.ids, subtype_xmlid='mail.mt_note',
        )
        mail = self.env['mail.mail'].search([('mail_message_id', '=', note.id)], limit=1)
        self.assertNotIn(invoice._vipps_get_pay_route(), mail.body_html or '')

    def test_person_without_the_invoices_of_an_order_writes_to_the_customer(self):
        order = self._create_order(
            require_payment=True, require_signature=False, user_id=self.salesman.id,
        )
        order.action_confirm()
        order.order_line.qty_delivered = 1
        invoice = order._create_invoices()
        invoice.invoice_user_id = self.accountant
        invoice.action_post()
        self.env.invalidate_all()
        with self.assertRaises(AccessError):
            invoice.with_user(self.salesman).read(['state'])
        message = order.with_user(self.salesman).message_post(
            body="Your order", partner_ids=self.partner.ids, subtype_xmlid='mail.mt_comment',
        )
        self.assertIn(self.partner, message.notified_partner_ids)

    def test_notification_about_no_document_carries_no_code(self):
        message = self.env['sale.order'].message_notify(
            subject="Done", body="Done", partner_ids=self.partner.ids,
        )
        self.assertIn(self.partner, message.notified_partner_ids)
