# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from datetime import timedelta

from lxml import html

from odoo import fields
from odoo.fields import Command

from ..http_common import CheckoutCommon


class PaymentRequestCommon(CheckoutCommon):
    """ A customer who holds a document with the address of its payment page. """

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.vipps.write({'vipps_code_on_invoices': True, 'vipps_code_on_quotations': True})

    def _read_page(self, route, status=200, **kwargs):
        """ Return the state on a payment page, and the page. """
        answer = self.url_open(route, allow_redirects=False, **kwargs)
        self.assertEqual(answer.status_code, status)
        page = html.fromstring(answer.text).get_element_by_id('o_vipps_pay')
        return page.get('data-state'), ' '.join(page.text_content().split())

    def _scan(self, document, status=200):
        return self._read_page(document._vipps_get_pay_route(), status)

    def _press(self, document, part='all'):
        """ Press the button on the page, and return the transaction. """
        answer = self.url_open(
            document._vipps_get_pay_route(), data={'part': part}, allow_redirects=False
        )
        self.assertEqual(answer.status_code, 303, answer.text[-3000:])
        self.env.invalidate_all()
        tx = self.env['payment.transaction'].sudo().search([], order='id desc', limit=1)
        self.assertEqual(answer.headers['Location'], tx.vipps_redirect_url)
        return tx

    def _pay(self, document, part='all'):
        """ Pay on the page, and let the jobs do the rest. """
        tx = self._press(document, part)
        self._approve(tx)
        self._refresh(tx)
        self.env.invalidate_all()
        return tx

    def _pay_by_bank(self, invoice, amount):
        """ Register a payment that arrived at the bank account. """
        self.env['account.payment.register'].with_context(
            active_model='account.move', active_ids=invoice.ids,
        ).create({
            'amount': amount, 'journal_id': self.company_data['default_journal_bank'].id,
        }).action_create_payments()

    def _credit(self, invoice):
        """ Credit all of an invoice. """
        self.env['account.move.reversal'].with_context(
            active_model='account.move', active_ids=invoice.ids,
        ).create({'journal_id': invoice.journal_id.id}).refund_moves()
        invoice.reversal_move_id.action_post()

    def _create_installments(self, amount=1000):
        """ Return an invoice that is paid in three parts, of which the first one is due. """
        term = self.env['account.payment.term'].create({
            'name': "Three parts",
            'line_ids': [
                Command.create({'value': 'percent', 'value_amount': 40, 'nb_days': 0}),
                Command.create({'value': 'percent', 'value_amount': 30, 'nb_days': 30}),
                Command.create({'value': 'percent', 'value_amount': 30, 'nb_days': 60}),
            ],
        })
        invoice = self._create_invoice(amount)
        invoice.button_draft()
        invoice.invoice_payment_term_id = term
        invoice.action_post()
        return invoice

    def _let_be_overdue(self, invoice):
        invoice.button_draft()
        invoice.write({
            'invoice_payment_term_id': False,
            'invoice_date_due': fields.Date.today() - timedelta(days=3),
        })
        invoice.invoice_date = fields.Date.today() - timedelta(days=20)
        invoice.action_post()
