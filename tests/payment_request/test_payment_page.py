# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo.exceptions import AccessError, ValidationError
from odoo.tests import tagged
from odoo.tools import mute_logger

from .payment_request_common import PaymentRequestCommon


@tagged('post_install', '-at_install')
class TestPaymentPage(PaymentRequestCommon):
    """ Donations, and other amounts that the payer enters. """

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.donors = cls.env['res.partner'].create({'name': "Donors"})
        cls.purpose = cls.env['product.product'].create({
            'name': "Donation", 'type': 'service', 'taxes_id': False,
            'property_account_income_id': cls.company_data['default_account_revenue'].id,
        })
        cls.page = cls.env['vipps.payment.page'].sudo().create({
            'name': "Animal shelter", 'description': "Thank you for your help.",
            'company_id': cls.company.id, 'currency_id': cls.currency_nok.id,
            'product_id': cls.purpose.id, 'partner_id': cls.donors.id,
            'min_amount': 20, 'max_amount': 5000, 'suggested_amounts': "50 100",
        })

    def _give(self, **data):
        answer = self.url_open(
            self.page._vipps_get_pay_route(), data=data, allow_redirects=False,
        )
        self.assertEqual(answer.status_code, 303, answer.text[-2000:])
        self.env.invalidate_all()
        return self.env['payment.transaction'].sudo().search([], order='id desc', limit=1)

    def test_entered_amount_is_paid_and_booked_by_its_purpose(self):
        state, text = self._scan(self.page)
        self.assertEqual(state, 'open')
        for shown in ("Animal shelter", "Thank you for your help.", "50", "100"):
            self.assertIn(shown, text)
        self.assertNotIn("Donors", text)
        tx = self._give(amount="123,50")
        request = self._get_payment(tx)['request']
        self.assertEqual(request['amount']['value'], 12350)
        self.assertIn("Animal shelter", request['paymentDescription'])
        self.assertNotIn('customer', request)
        self._approve(tx)
        self._refresh(tx)
        self._follow_up()
        self.assertEqual((tx.state, tx.payment_id.amount), ('done', 123.5))
        invoice = tx.invoice_ids
        self.assertEqual((invoice.move_type, invoice.partner_id), ('out_invoice', self.donors))
        self.assertEqual(invoice.invoice_line_ids.product_id, self.purpose)
        self.assertEqual(
            invoice.invoice_line_ids.account_id, self.company_data['default_account_revenue'],
        )
        self.assertEqual((invoice.amount_total, invoice.amount_residual), (123.5, 0))
        self.assertEqual(self.page.paid_amount, 123.5)

    def test_suggested_amount_is_one_press(self):
        self.assertEqual(self._give(part='100').amount, 100)

    def test_other_amounts_are_refused_with_the_limits(self):
        for amount in ('19.99', '5000.01', '-50', '0', '', 'abc', 'nan', 'inf', '1e9', '١٢'):
            with self.subTest(amount=amount):
                state, text = self._read_page(
                    self.page._vipps_get_pay_route(), 400, data={'amount': amount},
                )
                self.assertEqual(state, 'open')
                self.assertIn("Enter an amount from", text)
        self.assertFalse(self.simulator.payments)

    def test_many_payers_do_not_limit_each_other(self):
        for _i in range(21):
            self._give(part='50')

    def test_invoice_that_cannot_be_made_leaves_the_payment_booked_and_is_made_later(self):
        tx = self._give(part='50')
        self._approve(tx)
        self.purpose.property_account_income_id.deprecated = True
        with mute_logger('odoo.addons.mobilepay_vipps.models.jobs.task'):
            self._refresh(tx)
            self._follow_up()
        self.assertEqual(tx.payment_id.state, 'posted')
        self.assertFalse(tx.invoice_ids)
        self.assertTrue(self._get_activities())
        self.purpose.property_account_income_id.deprecated = False
        self._follow_up()
        self.assertEqual(tx.invoice_ids.amount_residual, 0)
        self.assertTrue(tx.invoice_ids)

    def test_invoice_is_the_amount_that_was_paid_whatever_the_taxes_are(self):
        tax = self.env['account.tax'].create({
            'name': "25%", 'amount': 25, 'company_id': self.company.id, 'price_include': False,
            'type_tax_use': 'sale',
        })
        self.purpose.property_account_income_id.tax_ids = tax
        tx = self._give(part='50')
        self._approve(tx)
        self._refresh(tx)
        self._follow_up()
        self.assertEqual((tx.invoice_ids.amount_total, tx.invoice_ids.amount_residual), (50, 0))
        self.purpose.taxes_id = tax
        tx = self._give(part='100')
        self._approve(tx)
        with mute_logger('odoo.addons.mobilepay_vipps.models.jobs.task'):
            self._refresh(tx)
            self._follow_up()
        self.assertFalse(tx.invoice_ids)
        self.assertTrue(self._get_activities())
        tax.price_include = True
        self._follow_up()
        self.assertEqual(tx.invoice_ids.amount_total, 100)

    def test_closed_page_says_so(self):
        self.page.active = False
        self.assertEqual(self._scan(self.page, 410)[0], 'closed')
        self.page.active = True
        self.vipps.state = 'disabled'
        self.assertEqual(self._scan(self.page, 503)[0], 'unavailable')

    def test_pages_that_make_no_sense_are_refused(self):
        for values in (
            {'min_amount': 0}, {'min_amount': 6000}, {'suggested_amounts': "10"},
            {'suggested_amounts': "50, x"}, {'suggested_amounts': "50 51 52 53 54 55 56"},
        ):
            with self.subTest(values=values), self.assertRaises(ValidationError):
                self.page.write(values)
        tax = self.env['account.tax'].create({
            'name': "25%", 'amount': 25, 'company_id': self.company.id, 'price_include': False,
        })
        with self.assertRaises(ValidationError):
            self.env['vipps.payment.page'].sudo().create({
                'name': "x", 'product_id': self.env['product.product'].create({
                    'name': "Taxed", 'taxes_id': tax.ids,
                }).id, 'partner_id': self.donors.id, 'company_id': self.company.id,
            })

    def test_only_managers_of_invoicing_change_pages(self):
        page = self.page.with_user(self.accountant)
        self.assertTrue(page.url.endswith(self.page._vipps_get_pay_route()))
        with self.assertRaises(AccessError):
            page.name = "Mine"
        with self.assertRaises(AccessError):
            self.page.with_user(self.salesman).read(['name'])
