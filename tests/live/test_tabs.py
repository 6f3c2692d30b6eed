"""The same order in two tabs: the money is taken once, and both tabs say why."""

from .shop import LiveTest, at_once, wait_until


class TestTwoTabs(LiveTest):

    def start_twice(self):
        """Press *Pay now* in two tabs at the same moment; returns the customer and references."""
        customer = self.new_customer()
        tabs = at_once(*[lambda: customer.press_pay()] * 2)
        return customer, [values['reference'] for values in tabs]

    def states(self, references):
        return sorted(self.payment(reference)['state'] for reference in references)

    def test_the_attempt_in_one_tab_ends_the_attempt_in_the_other(self):
        for _round in range(3):
            _customer, references = self.start_twice()
            self.assertEqual(self.states(references), ['CREATED', 'TERMINATED'])
            for reference in references:
                if self.payment(reference)['state'] == 'CREATED':
                    self.decide(reference)
                    self.assert_paid(reference)
                else:
                    self.assert_nothing_booked(reference)
                    self.assertEqual(self.transaction(reference)['state'], 'cancel')

    def test_of_two_payments_approved_at_the_same_moment_one_is_taken_and_one_released(self):
        for _round in range(3):
            self.fault('cancel', 'refuse', None, code='6250')  # The customer is busy with it.
            customer, references = self.start_twice()
            self.assertEqual(self.states(references), ['CREATED', 'CREATED'])
            self.repair()
            urls = [self.return_url(reference) for reference in references]
            other = self.new_browser()
            at_once(
                *(lambda reference=reference: self.decide(reference) for reference in references),
                lambda urls=urls, customer=customer: customer.open(urls[0]),
                lambda urls=urls, other=other: other.open(urls[1]),
            )
            wait_until(lambda references=references: {'done', 'cancel'} == {
                self.transaction(reference)['state'] for reference in references
            })
            for reference in references:
                if self.transaction(reference)['state'] == 'done':
                    self.assert_paid(reference)
                else:
                    self.assert_released(reference)

    def assert_released(self, reference):
        """Check that the second payment was never captured, and that everybody can read so."""
        payment = self.payment(reference)
        self.assertEqual(
            [event['name'] for event in payment['events']], ['CREATED', 'AUTHORIZED', 'CANCELLED']
        )
        self.assertEqual(payment['aggregate']['cancelledAmount'], payment['amount'])
        self.assert_nothing_booked(reference)
        page = self.new_browser().open(self.return_url(reference))
        self.assertIn("second payment", page.text)
        order_id, = self.transaction(reference)['sale_order_ids']
        messages = self.rpc(
            'mail.message', 'search_read',
            [('model', '=', 'sale.order'), ('res_id', '=', order_id)], ['body'],
        )
        self.assertTrue(
            [m for m in messages if reference in m['body'] and "second payment" in m['body']],
            messages,
        )
