"""A worker that is killed at any step loses nothing, and nothing happens twice."""

from .shop import LiveTest, result_on, wait_until

AUTHORIZED = ['name', '=', 'AUTHORIZED']

# The steps of applying what was read: what is about to be written, and whether that is committed.
STEPS = {
    'between reading and applying': ('authorized', False),
    'between capturing and applying': ('done', False),
    'after the commit': ('done', True),
}


class TestIntake(LiveTest):

    def kill_when_told(self, reference, in_commit):
        self.kill_at(
            'vipps_webhook_event',
            f"NEW.reference = '{reference}' AND NEW.name = 'AUTHORIZED'",
            lambda: self.decide(reference), in_commit,
        )

    def assert_told_again(self, reference):
        wait_until(lambda: [
            delivery['accepted'] for delivery in self.deliveries(reference)
        ] == [False, True])
        self.assertEqual(len(self.inbox(['reference', '=', reference], AUTHORIZED)), 1)

    def test_an_event_that_was_not_stored_is_sent_again(self):
        _customer, reference = self.start_payment()
        self.kill_when_told(reference, in_commit=False)
        self.assert_told_again(reference)
        self.assert_paid(reference)

    def test_an_event_that_was_stored_without_an_answer_is_stored_once(self):
        _customer, reference = self.start_payment()
        self.kill_when_told(reference, in_commit=True)
        self.assertEqual(len(self.inbox(['reference', '=', reference], AUTHORIZED)), 1)
        self.assert_told_again(reference)
        self.run_job('cron_sync_payments')
        self.assert_paid(reference)


class TestApplying(LiveTest):

    def kill_at_each_step(self, look, kind):
        """Kill who looks at a payment at each step, and then have nothing but jobs.

        :param function look: Lets somebody look at the payment with the given reference, now.
        :param str kind: The kind of worker that it is.
        """
        for name, (state, in_commit) in STEPS.items():
            with self.subTest(name):
                _customer, reference = self.start_payment()
                self.kill_at(
                    'payment_transaction',
                    f"NEW.reference = '{reference}' AND NEW.state = '{state}'",
                    lambda: look(reference), in_commit, kind,  # noqa: B023
                )
                self.assertEqual(
                    self.transaction(reference)['state'], 'done' if in_commit else 'draft'
                )
                yield reference
                self.assert_paid(reference)
                self.assertEqual(len(self.calls('capture', reference)), 1)

    def test_the_job_of_the_inbox_is_killed(self):
        for _reference in self.kill_at_each_step(self.decide, 'WorkerCron'):
            self.run_job('cron_sync_payments')

    def test_the_job_of_open_payments_is_killed(self):
        self.fault('webhook', 'lost')

        def look(reference):
            self.decide(reference)
            self.start_job('cron_sync_payments')

        for _reference in self.kill_at_each_step(look, 'WorkerCron'):
            self.run_job('cron_sync_payments')

    def test_the_worker_of_a_customer_who_comes_back_is_killed(self):
        self.fault('webhook', 'lost')

        def look(reference):
            self.decide(reference)
            self.new_browser().open(self.return_url(reference))

        for reference in self.kill_at_each_step(look, 'WorkerHTTP'):
            # Not only because nobody asks again so soon.
            self.run_job('cron_sync_payments')
            page = self.new_browser().open(self.return_url(reference))
            self.assertEqual(result_on(page), 'paid')


class TestCheckout(LiveTest):

    def kill_checkout(self, in_commit):
        """Kill the worker after it created the payment; returns the customer and the payment."""
        customer = self.new_customer()
        before = {payment['reference'] for payment in self.control('GET', 'payments')['payments']}
        self.kill_at(
            'payment_transaction',
            f"NEW.vipps_payment_state = 'CREATED' AND NEW.id > {self.last_transaction()}",
            customer.start_payment, in_commit,
        )
        after = {payment['reference'] for payment in self.control('GET', 'payments')['payments']}
        created, = after - before
        return customer, created

    def pay_again(self, customer):
        """Press *Pay now* once more, and pay; returns the reference."""
        values = customer.press_pay()
        page = customer.follow(values)
        self.assertTrue(page.url.startswith(f'{self.stack.simulator_url}/landing'), page.text)
        self.decide(values['reference'])
        self.assert_paid(values['reference'])
        return values['reference']

    def test_a_payment_that_nobody_knows_of_is_never_seen_by_the_customer(self):
        customer, lost = self.kill_checkout(in_commit=False)
        self.assertEqual(
            self.rpc('payment.transaction', 'search_count', [('reference', '=', lost)]), 0
        )
        self.pay_again(customer)
        self.decide(lost, 'expire')
        wait_until(lambda: self.deliveries(lost, 'EXPIRED'))
        self.assertEqual(self.payment(lost)['state'], 'EXPIRED')

    def test_a_payment_whose_answer_never_came_is_ended_by_the_next_one(self):
        customer, first = self.kill_checkout(in_commit=True)
        self.assertEqual(self.transaction(first)['state'], 'draft')
        self.assertNotEqual(self.pay_again(customer), first)
        self.assertEqual(self.payment(first)['state'], 'TERMINATED')
        self.assertEqual(self.transaction(first)['state'], 'cancel')
        self.assert_nothing_booked(first)


class TestWholeOdoo(LiveTest):

    def test_payments_while_odoo_was_dead_are_caught_up(self):
        references = [self.start_told_payment() for _payment in range(2)]
        self.decide(references[0])
        with self.stack.odoo_down():
            self.decide(references[1])
            wait_until(lambda: self.deliveries(references[1]))
        self.control('POST', 'clock', advance=180)  # That is when it is sent again.
        for reference in references:
            self.assert_paid(reference)
