# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from datetime import timedelta

from freezegun import freeze_time

from odoo import fields
from odoo.exceptions import AccessError, UserError
from odoo.tests import tagged

from .request_common import RequestCommon


@tagged('post_install', '-at_install')
class TestPaymentRequest(RequestCommon):
    """ Payment requests that accountants send. """

    #=== Mails ===#

    def test_nothing_is_sent_while_the_page_takes_nothing_of_customers(self):
        self.vipps.is_published = False
        invoice = self._create_invoice()
        wizard = self._open(invoice)
        self.assertFalse(wizard.can_send)
        self.assertIn("takes no payment", wizard.summary)
        self.assertEqual(self._scan(invoice, 503)[0], 'unavailable')

    def test_several_invoices_of_a_customer_are_one_mail_and_one_payment(self):
        invoices = self._create_invoice(100) | self._create_invoice(200)
        self._pay_by_bank(invoices[0], 40)
        request = self._send(invoices)
        self.assertEqual((request.invoice_ids, request.amount), (invoices, 260))
        mail = self._get_mail()
        for text in (*invoices.mapped('name'), "260.00", request._vipps_get_pay_route()):
            self.assertIn(text, mail)
        self.assertNotIn("Journal Entry", mail)
        state, text = self._scan(request)
        self.assertEqual(state, 'open')
        self.assertIn(invoices[1].name, text)
        self.assertNotIn(self.partner.name, text)
        self.vipps.vipps_capture_mode = 'automatic'
        tx = self._pay(request)
        self.assertEqual((tx.amount, tx.invoice_ids), (260, invoices))
        self.assertEqual(set(invoices.mapped('amount_residual')), {0})
        self.assertEqual(self._scan(request)[0], 'paid')

    def test_page_of_a_request_takes_what_is_left(self):
        invoices = self._create_invoice(100) | self._create_invoice(200)
        request = self._send(invoices)
        self._pay_by_bank(invoices[1], 200)
        tx = self._press(request)
        self.assertEqual((tx.amount, tx.invoice_ids), (100, invoices[0]))
        invoices.button_draft()
        self.assertEqual(self._scan(request, 409)[0], 'draft')
        invoices.button_cancel()
        self.assertEqual(self._scan(request, 410)[0], 'cancelled')

    def test_page_leaves_out_invoices_in_another_currency(self):
        invoices = self._create_invoice(100) | self._create_invoice(200)
        request = self._send(invoices)
        invoices[0].button_draft()
        invoices[0].currency_id = self.env.ref('base.EUR')
        invoices[0].action_post()
        tx = self._press(request)
        self.assertEqual((tx.amount, tx.invoice_ids), (200, invoices[1]))

    def test_page_of_a_request_leaves_out_what_was_credited_or_deleted(self):
        credited, deleted, left = invoices = self.env['account.move'].concat(
            *[self._create_invoice(amount) for amount in (100, 200, 300)]
        )
        request = self._send(invoices)
        self._credit(credited)
        deleted.button_draft()
        deleted.with_context(force_delete=True).unlink()
        self.assertNotIn("200.00", self._scan(request)[1])
        tx = self._press(request)
        self.assertEqual((tx.amount, tx.invoice_ids), (300, left))
        left.button_draft()
        left.with_context(force_delete=True).unlink()
        self.assertEqual(self._scan(request)[0], 'credited')

    def test_page_of_a_request_whose_invoices_were_deleted_says_so(self):
        invoice = self._create_invoice()
        request = self._send(invoice)
        invoice.button_draft()
        invoice.with_context(force_delete=True).unlink()
        self.assertEqual(self._scan(request, 410)[0], 'cancelled')

    def test_page_of_a_request_asks_for_what_is_due_first(self):
        invoices = self._create_installments() | self._create_invoice(50)
        request = self._send(invoices)
        self.assertEqual(request._vipps_get_offer()[1:], (1050, 450))
        self.vipps.vipps_capture_mode = 'automatic'
        self.assertEqual(self._pay(request, 'due').amount, 450)
        self.assertEqual(invoices.mapped('amount_residual'), [600, 0])
        self.assertEqual(request._vipps_get_offer()[1:], (600, 0))

    def test_many_customers_at_once_get_a_mail_each(self):
        invoices = self.env['account.move']
        for number in range(1, 21):
            invoice = self._create_invoice(number)
            invoice.button_draft()
            invoice.partner_id = self.partner.copy({
                'name': f"Customer {number}", 'email': f'customer{number}@example.com',
            })
            invoice.action_post()
            invoices |= invoice
        wizard = self._open(invoices)
        self.assertNotIn("Left out", wizard.summary)
        wizard.action_send()
        for invoice in invoices:
            request = invoice.sudo().vipps_request_ids
            self.assertEqual(
                (request.partner_id, request.amount, request.invoice_ids, request.state),
                (invoice.partner_id, invoice.amount_residual, invoice, 'sent'),
            )
            mail = self.env['mail.mail'].sudo().search([
                ('recipient_ids', 'in', request.partner_id.ids),
            ])
            self.assertEqual(len(mail), 1)
            self.assertEqual(mail.recipient_ids, request.partner_id)
            self.assertIn(request._vipps_get_pay_route(), mail.body_html)
            self.assertEqual(mail.body_html.count('/payment/vipps/pay/'), 1)

    def test_push_needs_an_agreement_for_the_present_number(self):
        self.assertEqual(self._send(self._create_invoice()).channel, 'mail')
        self._agree()
        self.assertTrue(self.partner.vipps_has_consent)
        self.partner.phone = '91 23 45 67'
        self.assertFalse(self.partner.vipps_has_consent)
        self.assertEqual(self._send(self._create_invoice()).channel, 'mail')
        self._agree()
        self.assertEqual(self._send(self._create_invoice()).channel, 'push')
        self.partner.with_user(self.accountant).action_vipps_withdraw_consent()
        self.assertEqual(self._send(self._create_invoice()).channel, 'mail')
        actions = self.env['vipps.audit.event'].sudo().search([
            ('partner_id', '=', self.partner.id), ('user_id', '=', self.accountant.id),
        ], order='id').mapped('action')
        self.assertEqual([action for action in actions if action.startswith('consent')], [
            'consent_given', 'consent_given', 'consent_withdrawn',
        ])
        self.assertEqual(actions.count('requested'), 4)

    def test_agreement_is_recorded_by_its_buttons_only(self):
        with self.assertRaises(AccessError):
            self.partner.with_user(self.accountant).vipps_consent = {'number': '4798765432'}
        with self.assertRaises(AccessError):
            self.partner.with_user(self.salesman).action_vipps_give_consent()
        self.partner.write({'phone': False, 'mobile': False})
        with self.assertRaises(UserError):
            self._agree()

    def test_agreement_is_exported_and_erased_with_personal_data(self):
        self._agree()
        manager = self._new_user(
            'vipps_manager', 'base.group_user,mobilepay_vipps.group_payment_manager',
        )
        wizard = self.env['vipps.personal.data'].with_user(manager).create({
            'partner_id': self.partner.id,
        })
        agreement = wizard._prepare_export()['agreed_to_push_messages']
        self.assertEqual(agreement['number'], '4798765432')
        self.assertEqual(agreement['user'], self.accountant.name)
        wizard.action_erase()
        self.assertFalse(self.partner.vipps_has_consent)
        self.assertFalse(self.partner.vipps_consent_date)

    #=== Limits ===#

    def test_what_cannot_be_sent_is_left_out_with_a_reason(self):
        paid, draft = self._create_invoice(), self._create_invoice()
        self._pay_by_bank(paid, 249.5)
        draft.button_draft()
        sent = self._create_invoice()
        self._send(sent)
        nobody = self._create_invoice()
        self.partner.copy({'email': False})
        wizard = self._open(paid | draft | sent)
        self.assertFalse(wizard.can_send)
        self.assertEqual(wizard.summary.count("Nothing is to be paid."), 2)
        self.assertIn("less than a day ago", wizard.summary)
        self.partner.email = False
        wizard = self._open(nobody)
        self.assertIn("no e-mail address", wizard.summary)
        self.assertFalse(wizard.can_send)
        wizard.action_send()
        self.assertFalse(nobody.sudo().vipps_request_ids)

    def test_nobody_is_asked_all_the_time(self):
        invoice = self._create_invoice()
        for days in range(7):
            with freeze_time(fields.Datetime.now() + timedelta(days=2 * days)):
                self._open(invoice).action_send()
        requests = invoice.sudo().vipps_request_ids.sorted('id')
        self.assertEqual(len(requests), 5)
        self.assertEqual(requests.mapped('is_reminder'), [False, True, True, True, True])

    def test_too_many_invoices_at_a_time_are_refused(self):
        invoices = self.env['account.move'].concat(*[self._create_invoice()] * 101)
        with self.assertRaisesRegex(UserError, "at most 100"):
            invoices.with_user(self.accountant).action_vipps_request_payment()

    def test_only_invoicing_sends(self):
        invoice = self._create_invoice()
        with self.assertRaises(AccessError):
            self._open(invoice, self.salesman)
        wizard = self._open(invoice)
        other = self._new_user('other_accountant', 'base.group_user,account.group_account_invoice')
        with self.assertRaises(AccessError):
            wizard.with_user(other).action_send()
