"""However the shop learns of an approval: the order is paid, once."""

from tools.customer import ShopError

from .shop import LiveTest, at_once, result_on, wait_until


class TestReturn(LiveTest):

    def test_a_second_browser_without_cookies_reads_that_it_is_paid(self):
        _customer, reference = self.start_payment()
        self.decide(reference)
        page = self.new_browser().open(self.return_url(reference))
        self.assertEqual((page.status, result_on(page)), (200, 'paid'), page.text)
        self.assertIn(self.order(reference)['name'], page.text)
        self.assertIn('278.00', page.text)
        self.assert_paid(reference)
        again = self.new_browser().open(self.return_url(reference))
        self.assertEqual(result_on(again), 'paid')
        self.assert_paid(reference)

    def test_the_first_browser_ends_on_the_confirmation_of_the_order(self):
        customer, reference = self.start_payment()
        customer.decide(reference, 'approve')
        page = customer.open(self.return_url(reference))
        self.assertEqual(page.url, f'{self.stack.url}/payment/status')
        status = self.read_status(customer)
        self.assertEqual(status['state'], 'done')
        self.assertIn(self.order(reference)['name'], customer.open(status['landing_route']).text)
        self.assert_paid(reference)

    def test_a_changed_return_url_shows_and_changes_nothing(self):
        _customer, reference = self.start_payment()
        self.decide(reference, 'decline')
        url = self.return_url(reference)
        changed = url[:-1] + ('0' if url[-1] != '0' else '1')
        self.assertEqual(self.new_browser().open(changed).status, 404)

    def test_a_customer_who_declines_reads_so_and_pays_again(self):
        customer, first = self.start_payment()
        self.decide(first, 'decline')
        page = customer.open(self.return_url(first))
        self.assertEqual(result_on(page), 'failed')
        self.assertIn("Nothing has been charged", page.text)
        values = customer.press_pay()
        self.assertNotEqual(values['reference'], first)
        customer.follow(values)
        self.decide(values['reference'])
        customer.open(self.return_url(values['reference']))
        self.assert_paid(values['reference'])
        self.assert_nothing_booked(first)
        self.assertEqual(self.transaction(first)['state'], 'cancel')


class TestWithoutWebhooks(LiveTest):

    def setUp(self):
        super().setUp()
        self.fault('webhook', 'lost')

    def test_the_return_alone_is_enough(self):
        _customer, reference = self.start_payment()
        self.decide(reference)
        self.assertEqual(self.transaction(reference)['state'], 'draft')
        self.new_browser().open(self.return_url(reference))
        self.assert_paid(reference)

    def test_the_status_page_alone_is_enough(self):
        customer, reference = self.start_payment()
        self.assertEqual(customer.ask_for_status()['state'], 'draft')
        self.decide(reference)
        wait_until(lambda: customer.ask_for_status()['state'] == 'done')
        self.assert_paid(reference)

    def test_the_job_alone_is_enough(self):
        _customer, reference = self.start_payment()
        self.decide(reference)
        self.run_job('cron_sync_payments')
        self.assert_paid(reference)

    def test_the_job_sees_that_time_ran_out(self):
        customer, reference = self.start_payment()
        self.decide(reference, 'expire')
        self.run_job('cron_sync_payments')
        self.assertEqual(self.transaction(reference)['state'], 'cancel')
        status = customer.ask_for_status()
        self.assertEqual(result_on(customer.open(status['landing_route'])), 'failed')


class TestWebhookAlone(LiveTest):

    def test_a_customer_who_never_comes_back_has_paid_all_the_same(self):
        _customer, reference = self.start_payment()
        self.decide(reference)
        self.assert_paid(reference)

    def test_late_doubled_and_reordered_events_change_nothing(self):
        for kind, count in (('late', 3), ('duplicate', 6), ('reorder', 3)):
            with self.subTest(kind):
                self.fault('webhook', kind, **({'seconds': 1} if kind != 'duplicate' else {}))
                _customer, reference = self.start_payment()
                self.decide(reference)
                wait_until(lambda: len(self.accepted_events(reference)) == count)  # noqa: B023
                self.assert_paid(reference)
                self.repair()

    def accepted_events(self, reference):
        return [
            delivery for delivery in self.control('GET', 'deliveries')['deliveries']
            if delivery['reference'] == reference and delivery['accepted']
        ]


class TestRaces(LiveTest):
    # Core says so to the waiting page when the job is just booking the payment.
    expected_in_log = (r'Exception: retry',)

    def test_approval_returns_polls_and_job_at_the_same_moment_capture_and_book_once(self):
        for _round in range(3):
            customer, reference = self.start_payment()
            url = self.return_url(reference)
            others = [self.new_browser(), self.new_browser()]

            def poll(customer=customer):
                try:
                    customer.ask_for_status()
                except ShopError as error:
                    self.assertEqual(str(error), 'retry')

            at_once(
                lambda reference=reference: self.decide(reference),
                lambda customer=customer, url=url: customer.open(url),
                *(lambda other=other, url=url: other.open(url) for other in others),
                poll, poll,
                lambda: self.run_job('cron_sync_payments'),
            )
            self.assert_paid(reference)
            keys = {call['idempotency_key'] for call in self.calls('capture', reference)}
            self.assertEqual(len(keys), 1)
