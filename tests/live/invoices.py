"""Invoices: their customers, what pays them, and the checks that they are paid once."""

import contextlib
from urllib.error import HTTPError

from tools.invoice_purchase import find_printed_page, post_invoice

from .shop import NOK_UNIT, LiveTest, wait_until


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


class RequestTest(InvoiceTest):
    """Two accountants who send payment requests, for a sales unit that may push them."""

    @classmethod
    def setUpClass(cls):
        """Let requests be pushed."""
        super().setUpClass()
        cls.kari, cls.ola = (cls.hire(login) for login in ('kari', 'ola'))
        cls.allow_pushing(True)
        cls.addClassCleanup(cls.allow_pushing, False)

    @classmethod
    def allow_pushing(cls, is_allowed):
        """Let the sales unit push payments that are open for long, or not."""
        cls.control('POST', 'units', msn=NOK_UNIT.msn, may_live_long=is_allowed)
        cls.rpc('payment.provider', 'write', [cls.provider], {'vipps_push_requests': is_allowed})

    def new_contact(self, agrees=True):
        """Return a contact with phone and mail, who agrees to push messages or does not."""
        contact = self.rpc('res.partner', 'create', {
            'name': "Sigrid Dahl", 'mobile': '+47 98 76 54 32', 'email': 'sigrid@example.com',
        })
        if agrees:
            self.kari('res.partner', 'action_vipps_give_consent', [contact])
        return contact

    def post(self, contact, **values):
        """Post an invoice of a contact; returns its id."""
        return post_invoice(self.stack, partner_id=contact, **values)

    def open_dialog(self, invoice, who=None):
        """Open the dialog that sends; returns a function that presses its button, and returns the
        sentence that it says."""
        who = who or self.kari
        action = who('account.move', 'action_vipps_request_payment', [invoice])

        def send():
            return who(action['res_model'], 'action_send', [action['res_id']])['params']['message']

        return send

    def send(self, invoice, who=None):
        """Send a payment request, or a reminder."""
        self.assertEqual(self.open_dialog(invoice, who)(), "Payment requests sent: 1.")

    def let_a_day_pass(self, *invoices):
        """Let the requests for invoices be older than they are."""
        for invoice in invoices:
            self.stack.execute((
                "UPDATE vipps_payment_request SET create_date = create_date - interval '25 hours'"
                " WHERE id IN (SELECT vipps_payment_request_id FROM vipps_payment_request_move_rel"
                " WHERE account_move_id = %s)", [invoice],
            ))

    def requests(self, invoice):
        """Return the payment requests for an invoice, the oldest first."""
        return self.rpc(
            'vipps.payment.request', 'search_read', [('invoice_ids', '=', invoice)],
            ['state', 'channel', 'is_reminder', 'transaction_id'], order='id',
        )

    def count_mails(self, contact):
        """Return how many mails to a contact are sent, or wait to be."""
        return self.rpc('mail.mail', 'search_count', [('recipient_ids', '=', contact)])

    def wait_for_push(self, invoice):
        """Wait until the last request for an invoice is on the phone; returns the reference of its
        payment."""
        request = wait_until(
            lambda: self.requests(invoice)[-1], lambda request: request['state'] == 'sent',
        )
        self.assertEqual(request['channel'], 'push')
        reference, = self.rpc(
            'payment.transaction', 'read', [request['transaction_id'][0]], ['reference'],
        )
        return reference['reference']
