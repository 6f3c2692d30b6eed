"""The job reminds each customer once, whoever else is at work and whatever kills it."""

from datetime import date, timedelta

from .invoices import RequestTest
from .shop import wait_until
from .stopping_point import collision_point

JOB = 'cron_remind'


class TestReminders(RequestTest):

    def setUp(self):
        """Have one reminder sent, a day after the request."""
        super().setUp()
        self.remind_after(1)
        self.addCleanup(self.remind_after, 0)

    def remind_after(self, count):
        """Set how many reminders are sent."""
        self.rpc('payment.provider', 'write', [self.provider], {
            'vipps_reminder_count': count, 'vipps_reminder_days': 1,
        })

    def requested(self, agrees=False):
        """Return an overdue invoice that a request was sent for yesterday, and its customer."""
        contact = self.new_contact(agrees)
        past = str(date.today() - timedelta(days=9))
        invoice = self.post(contact, invoice_date=past, invoice_date_due=past)
        self.send(invoice)
        if agrees:
            self.wait_for_push(invoice)
        self.let_a_day_pass(invoice)
        return invoice, contact

    def assert_reminded_once(self, invoice, contact):
        """Check that a customer got the request and one reminder, by mail."""
        self.assertEqual(
            [request['is_reminder'] for request in self.requests(invoice)], [False, True],
        )
        self.assertEqual(self.count_mails(contact), 2)

    def test_the_job_reminds_as_often_as_it_may(self):
        pushed, pushed_to = self.requested(agrees=True)
        mailed, mailed_to = self.requested()
        paid, paid_by = self.requested()
        first, = self.references(pushed)
        self.pay_by_bank(paid)
        for _run in range(3):
            self.run_job(JOB)
            self.let_a_day_pass(pushed, mailed, paid)
        self.assert_reminded_once(mailed, mailed_to)
        self.assertEqual((len(self.requests(paid)), self.count_mails(paid_by)), (1, 1))
        self.assertEqual((len(self.requests(pushed)), self.count_mails(pushed_to)), (2, 0))
        second = self.wait_for_push(pushed)
        self.assertEqual(
            {reference: self.payment(reference)['state'] for reference in (first, second)},
            {first: 'TERMINATED', second: 'CREATED'},
        )
        self.decide(second)
        self.assert_paid_once(pushed)

    def test_a_job_that_is_killed_reminds_nobody_twice(self):
        for in_commit in (False, True):
            with self.subTest(in_commit=in_commit):
                requested = [self.requested() for _customer in range(3)]
                self.kill_at(
                    'vipps_payment_request', f"NEW.partner_id = {requested[1][1]}",
                    lambda: self.start_job(JOB), in_commit, 'WorkerCron',
                )
                self.run_job(JOB)
                for invoice, contact in requested:
                    self.assert_reminded_once(invoice, contact)

    def test_a_job_that_collides_reminds_nobody_twice(self):
        requested = [self.requested() for _customer in range(2)]
        with collision_point(
            self.stack, 'vipps_payment_request', f"NEW.partner_id = {requested[0][1]}",
        ):
            self.run_job(JOB)
        for invoice, contact in requested:
            self.assert_reminded_once(invoice, contact)

    def test_the_job_and_a_person_at_once_remind_once(self):
        invoice, contact = self.requested()
        _job, said = self.overtake(
            'vipps_payment_request', f"NEW.partner_id = {contact}",
            lambda: self.start_job(JOB), self.open_dialog(invoice),
        )
        self.assertEqual(said, "Payment requests sent: 0.")
        wait_until(lambda: len(self.requests(invoice)) > 1)
        self.run_job(JOB)
        self.assert_reminded_once(invoice, contact)
