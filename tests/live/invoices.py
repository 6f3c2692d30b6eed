"""Invoices: their customers, what pays them, and the checks that they are paid once."""

import contextlib
from urllib.error import HTTPError

from tools.invoice_purchase import find_printed_page

from .shop import LiveTest, wait_until


class InvoiceTest(LiveTest):
    """Invoices that customers pay on their pages or phones, or by bank."""

    def read(self, invoice):
        """Return an invoice, as an accountant sees it."""
        found, = self.rpc('account.move', 'read', [invoice], [
            'name', 'amount_total', 'amount_residual', 'payment_state',
        ])
        return found

    def find_page(self, invoice):
        """Return the address that is printed on an invoice."""
        return find_printed_page(self.stack, invoice)

    def press(self, page):
        """Press the button of a page, on a phone of its own."""
        return self.new_browser().open(page, {'part': 'due'})

    def references(self, invoice):
        """Return the references of the payments for an invoice."""
        return [tx['reference'] for tx in self.rpc(
            'payment.transaction', 'search_read',
            [('invoice_ids', '=', invoice), ('source_transaction_id', '=', False)],
            ['reference'],
        )]

    def sums(self, reference):
        """Return what was captured, and what was released, in minor units."""
        aggregate = self.payment(reference)['aggregate']
        return aggregate['capturedAmount']['value'], aggregate['cancelledAmount']['value']

    def pay_by_bank(self, invoice):
        """Register a payment that arrived at the bank account."""
        context = {'active_model': 'account.move', 'active_ids': [invoice]}
        payment = self.rpc('account.payment.register', 'create', {}, context=context)
        self.rpc('account.payment.register', 'action_create_payments', [payment], context=context)
        self.assertEqual(self.read(invoice)['amount_residual'], 0)

    def approve(self, reference):
        """Let the customer approve; returns whether that was possible."""
        with contextlib.suppress(HTTPError):
            self.decide(reference)
            return True
        return False

    def assert_paid_once(self, invoice, is_captured=True):
        """Check that an invoice is paid, by one capture or without any, with nothing reserved."""
        wait_until(lambda: self.read(invoice)['payment_state'] in ('in_payment', 'paid'))
        payments = [self.payment(reference) for reference in self.references(invoice)]
        wait_until(lambda: not any(
            payment['state'] == 'AUTHORIZED' and sum(self.sums(payment['reference'])) == 0
            for payment in payments
        ))
        total = round(self.read(invoice)['amount_total'] * 100)
        self.assertEqual(
            [captured for payment in payments
             if (captured := self.sums(payment['reference'])[0])],
            [total] if is_captured else [],
        )
        self.assertEqual(self.read(invoice)['amount_residual'], 0)
