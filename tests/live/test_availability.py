"""Vipps MobilePay does not answer several times in a row: nobody is sent there until it does."""

from tools.customer import ShopError

from .shop import LiveTest, at_once, result_on, wait_until

CUSTOMERS = 5


class TestAvailability(LiveTest):
    expected_in_log = (r'odoo\.http: .* cannot take this payment right now',)

    def noted(self, outcome):
        """Return the calls of an outcome that were noted, the oldest first."""
        return self.rpc(
            'vipps.api.call', 'search_read',
            [('provider_id', '=', self.provider), ('outcome', '=', outcome)],
            ['operation', 'code', 'reference'], order='id',
        )

    def is_offered(self):
        """Return whether a customer can choose Vipps MobilePay."""
        page = self.new_customer().open('/shop/payment')
        return any(
            element.get('data-provider-code') == 'vipps' for _tag, element in page.elements
        )

    def audited(self):
        """Return the entries of the audit trail about the provider."""
        return [event['action'] for event in self.rpc(
            'vipps.audit.event', 'search_read',
            [('provider_id', '=', self.provider), ('action', 'in', ('paused', 'resumed'))],
            ['action'], order='id',
        )]

    def test_a_failure_is_noted_once_although_its_request_is_rolled_back(self):
        self.fault('create', 'refuse', 1, code='5070')
        with self.assertRaises(ShopError):
            self.new_customer().press_pay()
        call, = self.noted('refused')
        self.assertEqual((call['operation'], call['code']), ('create', '5070'))
        # There is no such transaction: it was rolled back.
        self.assertFalse(self.rpc('payment.transaction', 'search_count', [
            ('vipps_payment_reference', '=', call['reference']),
        ]))

    def test_an_api_that_does_not_answer_leaves_the_checkout_and_comes_back(self):
        customers = at_once(*[self.new_customer] * CUSTOMERS)
        _customer, reference = self.start_payment()
        before = self.audited()
        self.assertTrue(self.is_offered())
        self.break_api()

        def try_to_pay(customer):
            return result_on(customer.follow(customer.press_pay()))

        results = at_once(*[lambda customer=customer: try_to_pay(customer)
                            for customer in customers])
        self.assertEqual(results, ['unavailable'] * CUSTOMERS)

        def is_left_out():
            if self.is_offered():  # Two that failed at the same moment may count as one.
                try_to_pay(self.new_customer())
            return not self.is_offered()

        wait_until(is_left_out)
        self.assertEqual(self.new_customer().press_pay('custom')['provider_code'], 'custom')
        # Two that failed at the same moment may both have seen that it began.
        self.assertEqual(set(self.audited()[len(before):]), {'paused'})
        wait_until(lambda: [
            alert for alert in self.alerts() if "does not answer" in alert['summary']
        ])

        self.control('DELETE', 'faults')  # What is remembered stays.
        self.decide(reference)
        wait_until(lambda: self.transaction(reference)['is_post_processed'])
        self.assertTrue(self.is_offered())
        self.assertEqual(self.audited()[-1], 'resumed')
        wait_until(lambda: not [
            alert for alert in self.alerts() if "does not answer" in alert['summary']
        ])
