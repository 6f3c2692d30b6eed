"""Vipps MobilePay does not answer, or not in time: nobody pays twice, and nobody is stuck."""

from .shop import LiveTest, at_once, not_held_up, result_on, wait_until


class TestCreation(LiveTest):

    def assert_one_payment(self, reference):
        self.assertEqual([p['reference'] for p in self.payments_of(reference)], [reference])

    def read_that_it_does_not_answer(self, customer):
        """Press *Pay now*; returns the page that says so, and the reference."""
        values = customer.press_pay()
        page = customer.follow(values)
        self.assertEqual((page.status, result_on(page)), (200, 'unavailable'))
        self.assertIn("does not answer right now", page.text)
        self.assertIn("Nothing has been charged", page.text)
        return page, values['reference']

    def try_again(self, customer, page):
        """Press *Try Again*; returns the page that it leads to."""
        return customer.open(
            '/payment/vipps/redirect', page.form('/payment/vipps/redirect', retry='1')['fields']
        )

    def assert_payable(self, customer, page, reference):
        """Check that the customer is on the landing page of the only payment, and let them pay."""
        self.assertTrue(page.url.startswith(f'{self.stack.simulator_url}/landing'), page.text)
        self.assert_one_payment(reference)
        self.decide(reference)
        customer.open(page.url)
        self.assert_paid(reference)

    def test_an_answer_that_was_lost_once_is_asked_for_again(self):
        customer = self.new_customer()
        self.fault('create', 'lost_answer', 1)
        values = customer.press_pay()
        self.assertEqual(len(self.calls('create', values['reference'])), 2)
        self.assert_payable(customer, customer.follow(values), values['reference'])

    def test_the_payment_of_a_lost_answer_is_found_by_trying_again(self):
        customer = self.new_customer()
        self.fault('create', 'lost_answer')
        page, reference = self.read_that_it_does_not_answer(customer)
        page = self.try_again(customer, page)
        self.assertEqual(result_on(page), 'unavailable')
        keys = [call['idempotency_key'] for call in self.calls('create', reference)]
        self.assertEqual((len(keys), len(set(keys))), (6, 1))
        self.repair()
        self.assert_payable(customer, self.try_again(customer, page), reference)

    def test_a_payment_that_was_never_created_is_created_by_trying_again(self):
        for fault in ({'kind': 'lost'}, {'kind': 'status', 'status': 503}):
            with self.subTest(**fault):
                customer = self.new_customer()
                self.fault('create', **fault)
                page, reference = self.read_that_it_does_not_answer(customer)
                self.repair()
                self.assert_payable(customer, self.try_again(customer, page), reference)

    def test_an_answer_that_is_nonsense_is_an_answer_that_was_lost(self):
        for kind in ('garbage', 'truncated'):
            with self.subTest(kind):
                customer = self.new_customer()
                self.fault('create', kind)
                page, reference = self.read_that_it_does_not_answer(customer)
                self.repair()
                self.assert_payable(customer, self.try_again(customer, page), reference)

    def test_an_api_that_hangs_holds_nobody_for_long(self):
        other = self.new_customer()
        self.fault('create', 'latency', seconds=60)

        def wait_for_payment():
            self.forget_failures()
            customer = self.new_customer()
            return customer, *self.read_that_it_does_not_answer(customer)

        (customer, page, reference), shop = not_held_up(
            wait_for_payment, lambda: other.open('/shop'),
        )
        self.assertEqual(shop.status, 200)
        self.repair()
        self.assert_payable(customer, self.try_again(customer, page), reference)

    def test_a_customer_without_patience_pays_otherwise(self):
        customer = self.new_customer()
        for operation in ('token', 'create', 'get'):
            self.fault(operation, 'status', status=503)
        page, reference = self.read_that_it_does_not_answer(customer)
        self.assertTrue(page.find(href='/shop/payment'))
        other = customer.press_pay('custom')
        self.assertIn('/payment/custom/process', other['redirect_form_html'])
        self.assertEqual(self.transaction(reference)['state'], 'draft')


class TestReading(LiveTest):

    def test_an_approval_that_cannot_be_read_is_read_later(self):
        customer, reference = self.start_payment()
        self.fault('get', 'status', status=503)
        self.decide(reference)
        page, = not_held_up(lambda: self.new_browser().open(self.return_url(reference)))
        self.assertEqual(result_on(page), 'waiting')
        self.assertEqual(customer.ask_for_status()['state'], 'draft')
        self.repair()
        self.run_job('cron_sync_payments')
        self.assert_paid(reference)


class TestAutomaticCapture(LiveTest):

    def assert_reserved(self, reference):
        self.new_browser().open(self.return_url(reference))
        # The job may have been faster, and be at work.
        wait_until(lambda: self.transaction(reference)['state'] == 'authorized')
        wait_until(lambda: self.order(reference)['state'] == 'sale')
        self.assertEqual(self.account_payments(reference), [])

    def test_a_capture_whose_answer_was_lost_is_not_done_twice(self):
        self.fault('webhook', 'lost')
        _customer, reference = self.start_payment()
        self.fault('capture', 'lost_answer')
        self.decide(reference)
        self.new_browser().open(self.return_url(reference))  # The job reads it again at once.
        self.repair()
        self.run_job('cron_sync_payments')
        self.assert_paid(reference)
        self.assertEqual(
            len({call['idempotency_key'] for call in self.calls('capture', reference)}), 1
        )

    def test_a_capture_that_was_refused_is_a_new_one_when_tried_again(self):
        self.fault('webhook', 'lost')
        _customer, reference = self.start_payment()
        self.fault('capture', 'refuse', 1, code='6140')
        self.decide(reference)
        self.assert_reserved(reference)
        self.repair()
        self.run_job('cron_sync_payments')
        self.assert_paid(reference)
        keys = [call['idempotency_key'] for call in self.calls('capture', reference)]
        self.assertEqual((len(keys), len(set(keys))), (2, 2))

    def test_an_api_that_is_down_between_approval_and_capture_is_waited_for(self):
        _customer, reference = self.start_payment()
        self.fault('capture', 'status', status=503)
        self.decide(reference)
        self.assert_reserved(reference)
        self.run_job('cron_sync_payments')
        self.assert_nothing_booked(reference)
        self.repair()
        self.run_job('cron_sync_payments')
        self.assert_paid(reference)

    def test_a_worker_that_is_killed_while_it_captures_leaves_nothing_half_done(self):
        _customer, reference = self.start_payment()
        self.fault('capture', 'latency', seconds=60)
        self.decide(reference)
        wait_until(lambda: self.calls('capture', reference))
        for worker in self.stack.workers('WorkerCron'):
            self.stack.kill_worker(worker)
        self.repair()
        self.assertEqual(self.transaction(reference)['state'], 'draft')
        self.run_job('cron_sync_payments')
        self.assert_paid(reference)


class TestAccessToken(LiveTest):

    def test_many_customers_go_on_after_the_token_was_revoked(self):
        customers = at_once(*[self.new_customer] * 6)
        before = len(self.calls('token'))
        self.control('POST', 'tokens/revoke')
        started = at_once(*(customer.start_payment for customer in customers))
        for customer, values in zip(customers, started, strict=True):
            page = customer.follow(values)
            self.assertTrue(page.url.startswith(f'{self.stack.simulator_url}/landing'), page.text)
        # One for each of the two processes that serve customers, and one for the job's.
        self.assertIn(len(self.calls('token')) - before, (1, 2, 3))

    def test_a_token_that_is_revoked_between_two_reads_is_replaced(self):
        _customer, reference = self.start_payment()
        self.control('POST', 'tokens/revoke')
        self.decide(reference)
        self.assert_paid(reference)
