# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo.tests import tagged

from ..checklist_common import ChecklistCommon
from .payment_request_common import PaymentRequestCommon


@tagged('post_install', '-at_install')
class TestRequestChecklist(ChecklistCommon, PaymentRequestCommon):
    """ What the go-live checklist says of codes on documents, and of payment requests. """

    def test_codes_on_paper_need_an_address_that_lasts(self):
        parameters = self.env['ir.config_parameter']
        self.website.domain = False
        parameters.set_param('web.base.url', 'http://shop.example')
        self._assert_missing('code_address', "http://shop.example")
        parameters.set_param('web.base.url', 'https://shop.example')
        self._assert_set_up('code_address')
        self.vipps.is_published = False
        self._assert_missing('code_address', "published")

    def test_payments_of_codes_and_requests_are_seen(self):
        rows = self._read()
        self.assertEqual(self._get_cells('code_paid', rows), ["Not seen yet"] * 2)
        self.assertNotIn('request_pushed', rows)
        self._assert_seen(self._pay(self._create_invoice(100)), 'code_paid')
        self.vipps.vipps_push_requests = True
        self.assertEqual(self._get_cells('request_pushed'), ["Not seen yet"] * 2)
        self.vipps.write({'vipps_code_on_invoices': False, 'vipps_code_on_quotations': False})
        self.assertNotIn('code_paid', self._read())
