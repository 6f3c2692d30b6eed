"""The codes that scan in the app follow their invoices, however often the QR API is away."""

from simulator.qr import OPERATIONS
from tools.invoice_purchase import post_invoice

from .invoices import InvoiceTest
from .shop import wait_until

JOB = 'cron_app_codes'
ADDRESS = 'https://shop.example.com'  # Codes lead to no address of this machine.


class TestAppCodes(InvoiceTest):

    @classmethod
    def setUpClass(cls):
        """Have codes made, for a shop that customers can open."""
        super().setUpClass()
        cls.switch(ADDRESS, True)
        cls.addClassCleanup(cls.switch, cls.stack.url, False)

    @classmethod
    def switch(cls, address, is_on):
        """Set the address of the shop, and whether codes are made."""
        cls.rpc('ir.config_parameter', 'set_param', 'web.base.url', address)
        cls.rpc('payment.provider', 'write', [cls.provider], {'vipps_code_in_app': is_on})

    def post(self):
        """Post an invoice; returns its id, and that of its code."""
        invoice = post_invoice(self.stack)
        (code,), = self.stack.execute((
            "SELECT qr_id FROM vipps_app_code WHERE move_id = %s", [invoice],
        ))
        return invoice, code

    def cancel(self, invoice):
        """Cancel an invoice."""
        self.rpc('account.move', 'button_draft', [invoice])
        self.rpc('account.move', 'button_cancel', [invoice])

    def redirects(self, *codes):
        """Return the pages that codes open, as far as Vipps MobilePay knows them."""
        known = self.control('GET', 'redirects')['redirects']
        return [code['url'] for code in known if code['qr_id'] in codes]

    def states(self, *codes):
        """Return the states of codes in Odoo, as far as they are there."""
        return [state for state, in self.stack.execute((
            "SELECT state FROM vipps_app_code WHERE qr_id = ANY(%s) ORDER BY id", [list(codes)],
        ))]

    def break_codes(self):
        """Let no call about codes arrive until that is repaired."""
        for operation in OPERATIONS:
            self.fault(operation, 'lost')

    def assert_made(self, code, address=ADDRESS):
        """Check that a code is there, once."""
        wait_until(lambda: self.states(code) == ['made'])
        self.assertEqual(self.redirects(code), [f'{address}/payment/vipps/pay/{code}'])

    def assert_gone(self, code):
        """Check that a code is on neither side."""
        self.assertEqual((self.redirects(code), self.states(code)), ([], []))

    def test_a_code_is_made_changed_and_deleted_with_its_invoice(self):
        invoice, code = self.post()
        self.assert_made(code)
        moved = 'https://new.example.com'
        self.switch(moved, True)
        self.run_job(JOB)
        self.assert_made(code, moved)
        self.switch(ADDRESS, True)
        self.run_job(JOB)
        self.assert_made(code)
        self.cancel(invoice)
        self.run_job(JOB)
        self.assert_gone(code)

    def test_codes_wait_for_an_api_that_is_away(self):
        self.break_codes()
        _invoice, code = self.post()
        cancelled, other = self.post()
        wait_until(lambda: self.calls('create_redirect_qr'))
        self.run_job(JOB)
        self.cancel(cancelled)
        self.run_job(JOB)
        self.assertEqual(self.redirects(code, other), [])
        self.assertEqual(set(self.states(code, other)), {'wanted'})
        self.repair()
        self.run_job(JOB)
        self.assert_made(code)
        self.assert_gone(other)

    def test_an_answer_that_is_lost_makes_one_code(self):
        self.fault('create_redirect_qr', 'lost_answer')
        invoice, code = self.post()
        wait_until(lambda: self.redirects(code))
        self.repair()
        self.run_job(JOB)
        self.assert_made(code)
        self.cancel(invoice)
        self.fault('delete_redirect_qr', 'lost_answer')
        self.run_job(JOB)
        wait_until(lambda: not self.redirects(code))
        self.repair()
        self.run_job(JOB)
        self.assert_gone(code)

    def test_a_worker_that_is_killed_makes_one_code(self):
        for in_commit in (False, True):
            with self.subTest(in_commit=in_commit):
                codes = []
                self.kill_at(
                    'vipps_app_code', "NEW.state = 'made'",
                    lambda: codes.append(self.post()[1]), in_commit,  # noqa: B023
                    'WorkerCron',
                )
                self.run_job(JOB)
                self.assert_made(codes[0])
