"""A payment request is one payment on one phone, whoever sends it and whatever gets lost."""

from .invoices import RequestTest
from .shop import wait_until

HOURS = 3  # A payment of the shop would be over after ten minutes.


class TestRequest(RequestTest):

    def setUp(self):
        """Post an invoice of a new customer."""
        super().setUp()
        self.contact = self.new_contact()
        self.invoice = self.post(self.contact)

    def wait_for_end(self, reference):
        """Wait until the customer can no longer approve a payment, or it is released."""
        amount = self.payment(reference)['amount']['value']
        wait_until(lambda: self.payment(reference)['state'] == 'TERMINATED' or (
            self.sums(reference) == (0, amount)
        ))

    def assert_one_payment(self, reference):
        """Check that Vipps MobilePay has one payment for the invoice, and nobody got a mail."""
        self.assertEqual([p['reference'] for p in self.payments_of(reference)], [reference])
        self.assertEqual(self.count_mails(self.contact), 0)


class TestApproved(TestRequest):

    def test_a_request_that_is_approved_hours_later_pays_the_invoice(self):
        self.send(self.invoice)
        reference = self.wait_for_push(self.invoice)
        self.control('POST', 'clock', advance=HOURS * 3600)
        self.assertEqual(self.payment(reference)['state'], 'CREATED')
        self.decide(reference)
        self.assert_paid_once(self.invoice)
        self.assert_one_payment(reference)
        booked, = self.account_payments(reference)
        self.assertEqual(booked['state'], 'posted')
        self.assertEqual(round(booked['amount'] * 100), self.payment(reference)['amount']['value'])

    def test_approving_while_somebody_presses_on_the_paper_pays_once(self):
        page = self.find_page(self.invoice)
        self.send(self.invoice)
        reference = self.wait_for_push(self.invoice)
        self.fault('cancel', 'approved')  # The phone is faster.
        self.press(page)
        self.repair()
        self.assertFalse(any(self.approve(other) for other in self.references(self.invoice)))
        self.assert_paid_once(self.invoice)
        self.assertTrue(self.sums(reference)[0])


class TestLost(TestRequest):

    def test_an_answer_that_is_lost_makes_one_payment(self):
        self.fault('webhook', 'lost')
        self.fault('create', 'lost_answer')
        self.send(self.invoice)
        reference, = self.references(self.invoice)
        wait_until(lambda: self.calls('create', reference))
        self.repair()
        self.run_job('cron_sync_payments')
        self.assertEqual(self.wait_for_push(self.invoice), reference)
        self.assert_one_payment(reference)
        self.decide(reference)
        self.assert_paid_once(self.invoice)

    def test_a_worker_that_is_killed_after_it_sent_makes_one_payment(self):
        self.fault('webhook', 'lost')
        for in_commit in (False, True):
            with self.subTest(in_commit=in_commit):
                contact = self.new_contact()
                invoice = self.post(contact)
                self.kill_at(
                    'payment_transaction',
                    f"NEW.vipps_payment_state = 'CREATED' AND NEW.id > {self.last_transaction()}",
                    lambda: self.send(invoice), in_commit, 'WorkerCron',  # noqa: B023
                )
                self.run_job('cron_sync_payments')
                reference = self.wait_for_push(invoice)
                self.assert_one_payment(reference)
                self.assertEqual(len(self.calls('create', reference)), 1)


class TestTwoPeople(TestRequest):
    expected_in_log = (r'odoo\.http: ',)  # What the second one is told.

    def send_at_once(self, contact, invoice):
        """Let two people send; one is stopped until the other one has to wait."""
        said = self.overtake(
            'vipps_payment_request', f"NEW.partner_id = {contact}",
            *(self.open_dialog(invoice, who) for who in (self.kari, self.ola)),
        )
        self.assertEqual(said, ["Payment requests sent: 1.", "Payment requests sent: 0."])

    def test_two_people_who_push_at_once_push_one_request(self):
        for count in (1, 2):  # A request, and a reminder.
            self.send_at_once(self.contact, self.invoice)
            reference = self.wait_for_push(self.invoice)
            self.assertEqual(len(self.requests(self.invoice)), count)
            self.assertEqual(len(self.payments_of(reference)), count)
            self.let_a_day_pass(self.invoice)
        self.decide(reference)
        self.assert_paid_once(self.invoice)
        self.assertEqual(self.count_mails(self.contact), 0)

    def test_two_people_who_mail_at_once_send_one_mail(self):
        contact = self.new_contact(agrees=False)
        invoice = self.post(contact)
        for count in (1, 2):
            self.send_at_once(contact, invoice)
            self.assertEqual(len(self.requests(invoice)), count)
            self.assertEqual(self.count_mails(contact), count)
            self.let_a_day_pass(invoice)


class TestPaidByBank(TestRequest):

    def test_a_request_that_is_open_is_cancelled(self):
        self.send(self.invoice)
        reference = self.wait_for_push(self.invoice)
        self.pay_by_bank(self.invoice)
        wait_until(lambda: self.payment(reference)['state'] == 'TERMINATED')
        wait_until(lambda: self.transaction(reference)['state'] == 'cancel')
        self.assertFalse(self.approve(reference))
        self.assert_paid_once(self.invoice, is_captured=False)

    def test_a_request_that_is_being_sent_is_cancelled(self):
        self.fault('create', 'latency', 1, seconds=3)
        self.send(self.invoice)
        reference, = self.references(self.invoice)
        wait_until(lambda: self.calls('create', reference))
        self.pay_by_bank(self.invoice)
        self.wait_for_end(reference)
        self.assert_paid_once(self.invoice, is_captured=False)
        self.assert_one_payment(reference)

    def test_a_customer_who_approves_at_that_moment_gets_the_money_back(self):
        self.send(self.invoice)
        reference = self.wait_for_push(self.invoice)
        self.fault('cancel', 'approved', 1)
        self.pay_by_bank(self.invoice)
        self.wait_for_end(reference)
        self.assertEqual(self.payment(reference)['state'], 'AUTHORIZED')
        self.assert_paid_once(self.invoice, is_captured=False)
