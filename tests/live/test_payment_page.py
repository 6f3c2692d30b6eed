"""An invoice is paid once, whoever scans its code and whatever comes in between."""

from tools.invoice_purchase import post_invoice

from .invoices import InvoiceTest
from .shop import at_once, wait_until


class TestPaymentPage(InvoiceTest):

    def setUp(self):
        """Post and print an invoice."""
        super().setUp()
        self.invoice = post_invoice(self.stack)
        self.page = self.find_page(self.invoice)
        self.amount = round(self.read(self.invoice)['amount_total'] * 100)

    def state(self):
        """Return the state on the page, as the next one who scans sees it."""
        return self.new_browser().open(self.page).find(id='o_vipps_pay')['data-state']

    def approve_all(self):
        """Let all customers approve; returns for how many that was possible."""
        return sum(self.approve(reference) for reference in self.references(self.invoice))

    def test_two_phones_that_press_at_once_pay_once(self):
        at_once(*[lambda: self.press(self.page)] * 2)
        self.assertEqual(self.approve_all(), 1)
        self.assert_paid_once(self.invoice)
        self.assertEqual(self.state(), 'paid')

    def test_a_phone_that_approves_while_another_one_presses_pays_once(self):
        self.press(self.page)
        self.fault('cancel', 'approved')  # The first customer is faster.
        self.press(self.page)
        self.repair()
        self.assertEqual(self.approve_all(), 0)
        self.assert_paid_once(self.invoice)

    def test_a_customer_who_approves_what_the_bank_has_paid_is_charged_nothing(self):
        self.press(self.page)
        reference, = self.references(self.invoice)
        self.pay_by_bank(self.invoice)
        self.assertEqual(self.state(), 'paid')
        self.approve(reference)
        wait_until(lambda: self.sums(reference) == (0, self.amount) or (
            self.payment(reference)['state'] == 'TERMINATED'
        ))
        self.assert_paid_once(self.invoice, is_captured=False)
