"""A payment that differs from the request is never taken as paid, and is reported once."""

from .shop import LiveTest, result_on, wait_until


class TestDifferences(LiveTest):
    expected_in_log = (r'step=compared reference=\S+ .*outcome=different',)

    def test_an_amount_or_a_currency_that_differs_is_flagged_once(self):
        for tampering in ({'value': 27700}, {'currency': 'SEK'}):
            with self.subTest(**tampering):
                _customer, reference = self.start_payment()
                self.fault('get', 'tampered', reference=reference, **tampering)
                self.decide(reference)
                wait_until(lambda: self.transaction(reference)['state'] == 'error')  # noqa: B023
                for _time in range(2):
                    page = self.new_browser().open(self.return_url(reference))
                    self.assertEqual(result_on(page), 'unclear')
                    self.assertEqual(self.send_event(self.event_body(reference, 'CREATED')), 200)
                    self.compare(reference)
                self.assertEqual(len([
                    alert for alert in self.alerts() if reference in alert['summary']
                ]), 1)
                self.assertEqual(self.transaction(reference)['state'], 'error')
                self.assertNotEqual(self.order(reference)['state'], 'sale')
                self.assert_nothing_booked(reference)
                self.repair()

    def compare(self, reference):
        """Have a payment compared, as every night."""
        self.schedule('compare', reference)
        self.run_job('cron_sync_payments')
