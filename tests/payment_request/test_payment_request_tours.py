# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo.tests import tagged

from ..app_tour import APPROVE, clicking
from ..pos_tour_common import PosTourCommon


@tagged('post_install', '-at_install', 'vipps_tour')
class TestPaymentRequestTours(PosTourCommon):
    """ A customer with a phone, and the people who send the invoices. """

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.env['ir.config_parameter'].set_param('web.base.url', cls.base_url())
        cls.env['website'].search([]).company_id = cls.company
        cls.vipps.write({'vipps_capture_mode': 'automatic', 'vipps_code_on_invoices': True})
        cls.partner.email = 'kari@example.com'

    def _pay_on_phone(self, document, tour):
        """ Open the page as the camera of a phone does, and approve at Vipps MobilePay. """
        route = document._vipps_get_pay_route()
        with clicking(self.simulator, APPROVE):
            self._start_page(route, tour, self.env['res.users'], '375,667')
        self._follow_up()

    def test_customer_scans_and_pays_an_invoice(self):
        invoice = self._create_invoice()
        self._pay_on_phone(invoice, 'vipps_pay_invoice')
        self.assertFalse(invoice.amount_residual)

    def test_customer_gives_an_amount(self):
        page = self.env['vipps.payment.page'].sudo().create({
            'name': "Animal shelter", 'description': "Thank you for your help.",
            'company_id': self.company.id, 'currency_id': self.currency_nok.id,
            'partner_id': self.partner.id, 'product_id': self.env['product.product'].create({
                'name': "Donation", 'type': 'service', 'taxes_id': False,
            }).id,
        })
        self._pay_on_phone(page, 'vipps_give')
        tx = page.transaction_ids
        self.assertEqual((tx.state, tx.amount), ('done', 75))

    def test_customer_pays_all_that_is_due_in_the_portal(self):
        customer = self._new_user('vipps_customer', 'base.group_portal')
        customer.partner_id = self.partner
        invoices = self._create_invoice() | self._create_invoice()
        with clicking(self.simulator, APPROVE):
            self._start_page('/my/invoices', 'vipps_pay_all_that_is_due', customer, '800,600')
        self._follow_up()
        self.assertEqual(invoices.mapped('amount_residual'), [0, 0])
        self.assertEqual(len(invoices.transaction_ids), 1)

    def test_accountant_sends_a_payment_request(self):
        invoice = self._create_invoice()
        self._start_page(
            f'/web#id={invoice.id}&model=account.move&view_type=form', 'vipps_request_payment',
            self._new_user('vipps_biller', 'base.group_user,account.group_account_invoice'),
            '1366,768',
        )
        self.assertEqual(invoice.sudo().vipps_request_ids.state, 'sent')
