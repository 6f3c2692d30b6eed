"""An invoice is paid once, whoever scans its code and whatever comes in between."""

import contextlib
from urllib.error import HTTPError

from tools.invoice_purchase import find_printed_page, post_invoice

from .shop import LiveTest, at_once, wait_until


class TestPaymentPage(LiveTest):

    def setUp(self):
        """Post and print an invoice."""
        super().setUp()
        self.invoice = post_invoice(self.stack)
        self.page = find_printed_page(self.stack, self.invoice)
        self.amount = round(self.read()['amount_total'] * 100)

    def read(self):
        """Return the invoice, as an accountant sees it."""
        invoice, = self.rpc(
            'account.move', 'read', [self.invoice], ['amount_total', 'amount_residual'],
        )
        return invoice

    def press(self):
        """Press the button of the page, on a phone of its own."""
        return self.new_browser().open(self.page, {'part': 'due'})

    def references(self):
        """Return the references of the payments for the invoice."""
        return [tx['reference'] for tx in self.rpc(
            'payment.transaction', 'search_read',
            [('invoice_ids', '=', self.invoice), ('source_transaction_id', '=', False)],
            ['reference'],
        )]

    def sums(self, reference):
        """Return what was captured, and what was released, in minor units."""
        aggregate = self.payment(reference)['aggregate']
        return aggregate['capturedAmount']['value'], aggregate['cancelledAmount']['value']

    def state(self):
        """Return the state on the page, as the next one who scans sees it."""
        return self.new_browser().open(self.page).find(id='o_vipps_pay')['data-state']

    def pay_by_bank(self):
        """Register a payment that arrived at the bank account."""
        context = {'active_model': 'account.move', 'active_ids': [self.invoice]}
        payment = self.rpc('account.payment.register', 'create', {}, context=context)
        self.rpc('account.payment.register', 'action_create_payments', [payment], context=context)
        self.assertEqual(self.read()['amount_residual'], 0)

    def assert_paid_once(self, captured):
        """Check that the invoice is paid, and how much of it by phone, with nothing reserved."""
        wait_until(lambda: self.state() == 'paid')
        payments = [self.payment(reference) for reference in self.references()]
        wait_until(lambda: not any(
            payment['state'] == 'AUTHORIZED' and sum(self.sums(payment['reference'])) == 0
            for payment in payments
        ))
        self.assertEqual(
            sum(self.sums(payment['reference'])[0] for payment in payments), captured
        )
        self.assertEqual(self.read()['amount_residual'], 0)

    def approve(self, reference):
        """Let the customer approve; returns whether that was possible."""
        with contextlib.suppress(HTTPError):
            self.decide(reference)
            return True
        return False

    def test_two_phones_that_press_at_once_pay_once(self):
        at_once(self.press, self.press)
        approved = [self.approve(reference) for reference in self.references()]
        self.assertEqual(approved.count(True), 1, approved)
        self.assert_paid_once(self.amount)

    def test_a_phone_that_approves_while_another_one_presses_pays_once(self):
        self.press()
        self.fault('cancel', 'approved')  # The first customer is faster.
        self.press()
        self.repair()
        self.assertFalse(any([self.approve(reference) for reference in self.references()]))
        self.assert_paid_once(self.amount)

    def test_a_customer_who_approves_what_the_bank_has_paid_is_charged_nothing(self):
        self.press()
        reference, = self.references()
        self.pay_by_bank()
        self.assertEqual(self.state(), 'paid')
        self.approve(reference)
        wait_until(lambda: self.sums(reference) == (0, self.amount) or (
            self.payment(reference)['state'] == 'TERMINATED'
        ))
        self.assert_paid_once(0)
