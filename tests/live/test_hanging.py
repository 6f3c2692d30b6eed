"""The follow-up of a payment hangs: money moves on, and nothing is done twice."""

from .mail_server import MailServer
from .shop import LiveTest, wait_until

MAILS = 'sale_async_emails.cron'  # the job that renders mails
QUEUE = 'mail.ir_cron_mail_scheduler_action'  # core's job that sends them


class HangingTest(LiveTest):
    """A shop whose renderer of documents can hang, with Odoo's two cron workers."""

    expected_in_log = (
        # There is no mail server.
        r'odoo\.addons\.(base\.models\.ir_mail_server|mail\.models\.mail_mail)',
    )

    def setUp(self):
        super().setUp()
        self.addCleanup(self.let_go)
        self.let_go()
        # In a new database all jobs are due at once.
        self.stack.execute("UPDATE ir_cron SET nextcall = nextcall + interval '1 day'"
                           " WHERE interval_type <> 'minutes'")

    def let_go(self):
        """Let new documents neither hang nor fail; those that hang go on hanging."""
        for name in ('hang', 'fail', 'hanging'):
            (self.stack.programs / name).unlink(missing_ok=True)

    def kill_workers(self):
        """Kill the workers that hang, as Odoo does when their time is over."""
        killed = self.stack.workers('WorkerCron')
        for worker in killed:
            self.stack.kill_worker(worker)
        wait_until(lambda: len({*self.stack.workers('WorkerCron')} - {*killed}) == 2)

    def count_hanging(self):
        """Return how many renderers were told to hang."""
        path = self.stack.programs / 'hanging'
        return len(path.read_text().split()) if path.exists() else 0

    def hang(self):
        """Let the next document hang, and pay; returns the reference as soon as it hangs."""
        (self.stack.programs / 'hang').touch()
        reference = self.start_told_payment()
        self.decide(reference)
        self.assert_settled(reference)
        wait_until(self.count_hanging)
        return reference

    def assert_settled(self, reference):
        """Check that a payment is captured and its order confirmed."""
        wait_until(lambda: self.payment(reference)['aggregate']['capturedAmount']['value'])
        wait_until(lambda: self.transaction(reference)['state'] == 'done')
        wait_until(lambda: self.order(reference)['state'] == 'sale')

    def mails(self, reference):
        """Return the mails about the order and its invoices that have documents."""
        order_id, = self.transaction(reference)['sale_order_ids']
        invoices = self.rpc('sale.order', 'read', [order_id], ['invoice_ids'])[0]['invoice_ids']
        return self.rpc('mail.message', 'search_read', [
            ('subject', '!=', False), ('attachment_ids', '!=', False),
            '|', '&', ('model', '=', 'sale.order'), ('res_id', '=', order_id),
            '&', ('model', '=', 'account.move'), ('res_id', 'in', invoices),
        ], ['subject', 'model'])

    def check(self, mails):
        """Pay while a document hangs, and check the mails after that has ended."""
        first = self.hang()
        second = self.start_told_payment()
        self.decide(second)
        self.assert_settled(second)
        self.assertEqual(self.count_hanging(), 1)  # No second worker hangs.
        self.assertEqual(self.mails(first), [])
        self.let_go()
        self.kill_workers()

        self.run_job(MAILS)
        wait_until(lambda: len(self.mails(second)) == mails)
        self.run_job(MAILS)
        wait_until(lambda: len(self.mails(first)) == mails)
        self.run_job(MAILS)
        for reference in (first, second):
            self.assert_paid(reference)
            self.assertEqual(len(self.mails(reference)), mails)


class TestHangingConfirmation(HangingTest):

    def test_a_confirmation_that_hangs_holds_up_no_money(self):
        self.check(mails=1)

    def test_a_confirmation_that_fails_is_sent_later(self):
        self.expected_in_log += (
            r'models\.jobs\.task: step=order_mail', r'wkhtmltopdf', r'ir_actions_report',
        )
        (self.stack.programs / 'fail').touch()
        reference = self.start_told_payment()
        self.decide(reference)
        self.assert_settled(reference)
        self.assert_paid(reference)
        self.let_go()
        self.run_job(MAILS)
        wait_until(lambda: self.mails(reference))
        self.assertEqual(len(self.mails(reference)), 1)


class TestHangingInvoice(HangingTest):

    def test_an_invoice_that_hangs_holds_up_no_money(self):
        template = self.rpc.reference('account.email_template_edi_invoice')
        for name, value in (
            ('sale.automatic_invoice', 'True'),
            ('sale.default_invoice_email_template', str(template)),
        ):
            before = self.rpc('ir.config_parameter', 'get_param', name)
            self.rpc('ir.config_parameter', 'set_param', name, value)
            self.addCleanup(self.rpc, 'ir.config_parameter', 'set_param', name, before)
        self.check(mails=2)


class TestHangingMailServer(HangingTest):

    def setUp(self):
        """Send mails to a server that takes connections and says nothing."""
        super().setUp()
        self.server = MailServer()
        self.addCleanup(self.server.close)
        mail_server = self.rpc('ir.mail_server', 'create', {
            'name': "Hangs", 'smtp_host': '127.0.0.1', 'smtp_port': self.server.port,
        })
        self.addCleanup(self.rpc, 'ir.mail_server', 'unlink', [mail_server])
        # As in a shop that sends mails.
        self.queue = self.rpc.reference(QUEUE)
        self.rpc('mail.mail', 'cancel', self.rpc('mail.mail', 'search', [
            ('state', '=', 'outgoing'),
        ]))
        self.rpc('ir.cron', 'write', [self.queue], {'active': True})
        self.addCleanup(self.rpc, 'ir.cron', 'write', [self.queue], {'active': False})

    def pay(self):
        """Pay by the webhook alone while somebody waits for the server; returns the reference."""
        reference = self.start_told_payment()
        self.decide(reference)
        self.assert_settled(reference)
        return reference

    def queue_mail(self):
        """Have another mail wait to be sent."""
        self.rpc('mail.mail', 'create', {
            'subject': "News", 'email_to': 'ingrid.berg@example.com', 'body_html': "News",
        })

    def count_sent(self, reference):
        """Return how many mails about an order the server took."""
        name = self.order(reference)['name']
        return len([mail for mail in self.server.mails if name in mail['Subject']])

    def send_queue(self):
        """Have all mails rendered and sent that wait."""
        self.run_job(MAILS)
        self.queue_mail()
        self.run_job(QUEUE)

    def test_a_mail_server_that_hangs_holds_up_no_money_and_no_page(self):
        first = self.pay()
        wait_until(lambda: self.server.waiting)
        self.queue_mail()
        self.start_job(QUEUE)
        second = self.pay()
        # Without an event, the customer's own requests do it all.
        self.fault('webhook', 'lost')
        customer, third = self.start_payment()
        self.decide(third)
        page = customer.open(self.return_url(third))
        self.assertEqual(page.status, 200)
        self.assertEqual(self.read_status(customer)['state'], 'done')
        self.assert_settled(third)
        self.assertEqual(max(self.server.waiting), 1)  # Nobody else waits for it.
        self.assertEqual(self.server.mails, [])

        self.kill_workers()
        self.server.is_answering.set()
        references = (first, second, third)
        self.send_queue()
        wait_until(lambda: all(self.count_sent(reference) for reference in references))
        self.send_queue()
        for reference in references:
            self.assert_paid(reference)
            self.assertEqual(len(self.mails(reference)), 1)
            self.assertEqual(self.count_sent(reference), 1)
