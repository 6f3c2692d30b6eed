"""A payment that is not what was asked for is never taken as paid, and is told of once."""

from .shop import LiveTest, result_on, wait_until


class TestDifferences(LiveTest):
    expected_in_log = (r'was read with reference \S+ and amount',)

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
        self.stack.execute((
            "UPDATE payment_transaction SET vipps_next_comparison = now() WHERE reference = %s",
            [reference],
        ))
        self.run_job('cron_read_open_payments')

    def test_what_was_done_in_the_portal_is_found_by_the_nightly_comparison(self):
        references = [self.start_payment()[1] for _payment in range(2)]
        for reference in references:
            self.decide(reference)
            self.assert_paid(reference)
        self.fault('webhook', 'lost')
        self.control('POST', f'payments/{references[0]}/refund', amount=100)
        self.run_job('cron_compare_payments')
        self.run_job('cron_read_open_payments')
        wait_until(lambda: self.difference(references[0]))
        self.assertIn("Refunded", self.difference(references[0]))
        self.assertFalse(self.difference(references[1]))

    def difference(self, reference):
        found, = self.rpc(
            'payment.transaction', 'search_read', [('reference', '=', reference)],
            ['vipps_difference'],
        )
        return found['vipps_difference']
