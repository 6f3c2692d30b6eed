# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from datetime import timedelta
from unittest.mock import patch

from freezegun import freeze_time

from odoo import fields
from odoo.tests import tagged

from ...models.api.client import VippsError
from ...protocol import errors
from .payment_request_common import PaymentRequestCommon


@tagged('post_install', '-at_install')
class TestAppCode(PaymentRequestCommon):
    """ Codes of invoices that scan in the app: made, changed and deleted by the job. """

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls._move_to('https://shop.example.com')
        cls.vipps.vipps_code_in_app = True

    @classmethod
    def _move_to(cls, url):
        cls.env['ir.config_parameter'].set_param('web.base.url', url)

    def _run(self, days=0):
        self.env.flush_all()
        with freeze_time(fields.Datetime.now() + timedelta(days=days)):
            self.env['vipps.app.code']._cron_app_codes()
        self.env.invalidate_all()

    def _get_code(self, invoice):
        return self.env['vipps.app.code'].sudo().search([('move_id', '=', invoice.id)])

    def _get_redirects(self):
        """ Return where the codes at Vipps MobilePay lead. """
        return {
            code.qr_id: code.redirect_url
            for code in self.env['vipps.api.client']._connect(self.vipps.sudo()).list_redirect_qrs()
        }

    def test_code_is_made_with_the_invoice_and_printed(self):
        invoice = self._create_invoice()
        before = invoice._vipps_get_printed_code()
        self.assertNotIn("the app", before['hint'])  # Nobody waits for it.
        self._run()
        code = self._get_code(invoice)
        self.assertEqual(code.state, 'made')
        self.assertEqual(self._get_redirects(), {code.qr_id: before['url']})
        printed = invoice._vipps_get_printed_code()
        self.assertIn("with the app", printed['hint'])
        self.assertNotEqual(printed['image'], before['image'])
        self.assertEqual(printed['url'], before['url'])

    def test_code_follows_the_address_of_the_shop(self):
        invoice = self._create_invoice()
        self._run()
        self._move_to('https://new.example.com')
        self._run()
        target, = self._get_redirects().values()
        self.assertEqual(target, invoice._vipps_get_pay_url())
        self.assertTrue(target.startswith('https://new.example.com/'))

    def test_code_of_a_website_with_its_own_domain_is_made_once(self):
        self.company.website_id.domain = 'https://www.example.com'
        invoice = self._create_invoice()
        self._run()
        target, = self._get_redirects().values()
        self.assertEqual(target, invoice._vipps_get_pay_url())
        self.assertTrue(target.startswith('https://www.example.com/'))
        calls = len(self.simulator.exchanges)
        self._run()
        self.assertEqual(len(self.simulator.exchanges), calls)
        self.assertFalse(self.env['vipps.app.code']._find_due())

    def test_code_that_cannot_be_deleted_is_not_asked_for_again(self):
        invoice = self._create_invoice()
        self._run()
        invoice.button_draft()
        invoice.button_cancel()
        self.simulator.fault('delete_redirect_qr', 'status', status=400)
        self._run()
        self.assertEqual(self._get_code(invoice).state, 'refused')
        self.assertFalse(self.env['vipps.app.code']._find_due())

    def test_code_is_deleted_with_the_invoice_and_long_after_it_is_paid(self):
        deleted, cancelled, paid, open_one = (self._create_invoice() for _i in range(4))
        self._run()
        self.assertEqual(len(self._get_redirects()), 4)
        deleted.button_draft()
        deleted.with_context(force_delete=True).unlink()
        cancelled.button_draft()
        self._run()
        self.assertEqual(len(self._get_redirects()), 3)
        cancelled.button_cancel()
        self._pay_by_bank(paid, 249.5)
        self._run()
        self.assertEqual(len(self._get_redirects()), 2)
        self._run(days=40)
        self.assertEqual(list(self._get_redirects()), [self._get_code(open_one).qr_id])

    def test_lost_answers_and_outages_end_in_one_code(self):
        invoice = self._create_invoice()
        with self._without_pauses():
            self.simulator.fault('create_redirect_qr', 'lost_answer', times=None)
            self._run()
        self.assertEqual(self._get_code(invoice).state, 'wanted')
        self.simulator.clear_faults()
        self._run()
        self.assertEqual(self._get_code(invoice).state, 'made')
        self.assertEqual(len(self._get_redirects()), 1)

    def test_codes_that_always_fail_keep_no_other_waiting(self):
        failing = [self._create_invoice() for _i in range(4)]
        other = self._create_invoice()
        failing_ids = [self._get_code(invoice).qr_id for invoice in failing]
        self.env.flush_all()
        self.env.cr.execute(
            "UPDATE vipps_app_code SET write_date = write_date - interval '1 hour'"
        )
        client = type(self.env['vipps.api.client'])
        call = client._call

        def fail(records, provider, operation, **arguments):
            if arguments.get('qr_id') in failing_ids:
                raise VippsError("Something went wrong.", errors.NoAnswer(operation, '', True))
            return call(records, provider, operation, **arguments)

        with patch.object(client, '_call', fail):
            self._run()
            self._run()
        self.assertEqual(self._get_code(other).state, 'made')
        self.assertEqual(
            {self._get_code(invoice).state for invoice in failing}, {'wanted'},
        )

    def test_code_waits_for_keys_that_are_right(self):
        invoice = self._create_invoice()
        self.simulator.fault('create_redirect_qr', 'status', status=401, times=None)
        self._run()
        self.assertEqual(self._get_code(invoice).state, 'wanted')
        self.simulator.clear_faults()
        self._run()
        self.assertEqual(self._get_code(invoice).state, 'made')

    def test_address_that_no_code_can_open_is_left_to_the_camera(self):
        self._move_to('http://127.0.0.1')
        invoice = self._create_invoice()
        self._run()
        self.assertEqual(self._get_code(invoice).state, 'refused')
        self.assertFalse(self._get_redirects())
        self.assertTrue(invoice._vipps_get_printed_code())

    def test_nothing_is_made_where_it_is_switched_off(self):
        self.vipps.vipps_code_in_app = False
        self.assertFalse(self._get_code(self._create_invoice()))
        self.vipps.vipps_code_in_app = True
        self.partner.vipps_without_code = True
        invoice = self._create_invoice()
        self._run()
        self.assertFalse(invoice._vipps_get_printed_code())
