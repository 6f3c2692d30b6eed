"""Buying the cart with one press: address and delivery are chosen in the app."""

from .shop import LiveTest, at_once, result_on, wait_until
from .stopping_point import stopping_point

START = '/payment/vipps/express/start'
GOODS, DELIVERY, COURIER = 19900, 7900, 14900


class ExpressTest(LiveTest):
    """A customer who has something in the cart, and gives no address in the shop."""

    def press_buy_now(self, customer):
        """Press the button on the cart; returns the reference of the payment."""
        form = customer.open('/shop/cart').form(START)
        page = customer.open(form['action'], form['fields'])
        self.assertTrue(page.url.startswith(f'{self.stack.simulator_url}/landing'), page.text)
        return self.control('GET', 'payments')['payments'][-1]['reference']

    def start_express(self):
        """Return a customer on the landing page, and the reference of the payment."""
        customer = self.new_browser()
        customer.call('/shop/cart/update_json', product_id=self.product, add_qty=1)
        return customer, self.press_buy_now(customer)

    def choose_address(self, reference, name):
        """Choose an address in the app; returns the prices offered by the names of deliveries, or
        None if the customer reads that there are none."""
        payment = self.control('POST', f'payments/{reference}/address', name=name)
        question = payment['questions'][-1]
        return question['answer'] and question['status'] == 200 and {
            option['name']: option['amount']['value']
            for group in question['answer']['groups'] for option in group['options']
        }

    def find_option(self, reference, name):
        """Return the id of a delivery that was offered last."""
        groups = self.payment(reference)['questions'][-1]['answer']['groups']
        return next(
            option['id'] for group in groups for option in group['options']
            if option['name'] == name
        )

    def approve(self, reference, name="Parcel to your door"):
        """Approve in the app with a delivery."""
        option = self.find_option(reference, name)
        self.control('POST', f'payments/{reference}/approve', option=option)

    def read_order(self, reference):
        """Return the order, with its lines."""
        order_id, = self.transaction(reference)['sale_order_ids']
        order, = self.rpc('sale.order', 'read', [order_id], [
            'state', 'amount_total', 'partner_id', 'partner_shipping_id', 'carrier_id',
        ])
        order['lines'] = self.rpc(
            'sale.order.line', 'search_read', [('order_id', '=', order_id)],
            ['is_delivery', 'price_total'], order='id',
        )
        return order

    def assert_bought(self, reference, delivery=DELIVERY, city="Bergen"):
        """Check that all follows, and that the order has the one delivery that was approved."""
        self.assert_paid(reference)
        order = self.read_order(reference)
        self.assertEqual(
            [(line['is_delivery'], round(line['price_total'] * 100)) for line in order['lines']],
            [(False, GOODS), (True, delivery)],
        )
        self.assertEqual(round(order['amount_total'] * 100), GOODS + delivery)
        address, = self.rpc(
            'res.partner', 'read', [order['partner_shipping_id'][0]], ['name', 'city']
        )
        self.assertEqual((address['name'], address['city']), ("Kari Nordmann", city))
        self.assertEqual(len(self.calls('capture', reference)), 1)


class TestBuying(ExpressTest):

    def test_a_guest_chooses_address_and_delivery_in_the_app(self):
        customer, reference = self.start_express()
        self.assertEqual(self.choose_address(reference, 'home'), {
            "Parcel to your door": DELIVERY, "Courier today": COURIER,
        })
        self.assertEqual(self.choose_address(reference, 'work'), {"Parcel to your door": DELIVERY})
        self.choose_address(reference, 'home')
        self.approve(reference, "Courier today")
        customer.open(self.return_url(reference))
        self.assert_bought(reference, COURIER, "Oslo")
        status = self.read_status(customer)
        self.assertIn(self.order(reference)['name'], customer.open(status['landing_route']).text)

    def test_personal_data_are_not_logged_when_the_job_collides(self):
        _customer, reference = self.start_express()
        self.choose_address(reference, 'work')
        with stopping_point(self.stack, 'res_partner', "NEW.name = 'Kari Nordmann'") as job:
            self.approve(reference)
            job.wait()
            self.stack.execute((
                "UPDATE payment_transaction SET id = id WHERE reference = %s RETURNING id",
                [reference],
            ))
        self.assert_bought(reference)
        log = self.stack.log_path.read_bytes()[self.log_start:].decode()
        self.assertNotIn("Kari Nordmann", log)

    def test_return_webhook_and_job_at_once_complete_the_order_once(self):
        for _round in range(2):
            customer, reference = self.start_express()
            self.choose_address(reference, 'work')
            url = self.return_url(reference)
            at_once(
                lambda reference=reference: self.approve(reference),
                lambda customer=customer, url=url: customer.open(url),
                lambda url=url: self.new_browser().open(url),
                lambda: self.run_job('cron_sync_payments'),
            )
            self.assert_bought(reference)

    def test_addresses_at_once(self):
        _customer, reference = self.start_express()
        at_once(*(
            lambda name=name: self.choose_address(reference, name)
            for name in ('home', 'work', 'cabin', 'work')
        ))
        for question in self.payment(reference)['questions']:
            self.assertEqual(question['status'], 200)
        self.choose_address(reference, 'work')
        self.approve(reference)
        self.assert_bought(reference)

    def test_a_question_in_another_way(self):
        _customer, reference = self.start_express()
        for fault in (
            {'kind': 'camel'}, {'kind': 'token', 'token': 'bearer'}, {'kind': 'duplicate'},
        ):
            self.fault('shipping', times=1, **fault)
            self.assertEqual(
                self.choose_address(reference, 'work'), {"Parcel to your door": DELIVERY}
            )
        self.fault('approval', 'late_question', times=1)
        self.approve(reference)
        self.assertEqual(len(self.payment(reference)['questions']), 5)
        self.assert_bought(reference)


class TestForgedQuestions(ExpressTest):
    expected_in_log = (r'refused',)

    def test_a_question_without_the_token_is_answered_to_nobody(self):
        _customer, reference = self.start_express()
        for fault in ({'token': 'wrong'}, {'token': 'missing'}):
            self.fault('shipping', 'token', times=1, **fault)
            self.assertFalse(self.choose_address(reference, 'work'))
        self.fault('shipping', 'edited', times=1, changes={'reference': 'another-payment'})
        self.assertFalse(self.choose_address(reference, 'work'))
        self.choose_address(reference, 'work')
        self.approve(reference)
        self.assert_bought(reference)


class TestWithoutWebhooks(ExpressTest):

    def setUp(self):
        super().setUp()
        self.fault('webhook', 'lost')

    def test_the_return_alone_is_enough(self):
        _customer, reference = self.start_express()
        self.choose_address(reference, 'work')
        self.approve(reference)
        self.assertEqual(self.transaction(reference)['state'], 'draft')
        self.new_browser().open(self.return_url(reference))
        self.assert_bought(reference)

    def test_the_job_alone_is_enough(self):
        _customer, reference = self.start_express()
        self.choose_address(reference, 'work')
        self.approve(reference)
        self.run_job('cron_sync_payments')
        self.assert_bought(reference)


class TestAbandoned(ExpressTest):

    def test_the_cart_is_as_before(self):
        for decision in ('decline', 'expire'):
            with self.subTest(decision):
                customer, reference = self.start_express()
                self.choose_address(reference, 'home')
                before = self.read_order(reference)
                self.decide(reference, decision)
                customer.open(self.return_url(reference))
                wait_until(lambda: self.transaction(reference)['state'] == 'cancel')  # noqa: B023
                page = customer.open(self.return_url(reference))
                self.assertEqual(result_on(page), 'failed')
                self.assertEqual(self.read_order(reference), before)
                self.assertFalse(before['carrier_id'])
                self.assertEqual([line['is_delivery'] for line in before['lines']], [False])
                again = self.press_buy_now(customer)
                self.choose_address(again, 'work')
                self.approve(again)
                self.assert_bought(again)
                self.assert_nothing_booked(reference)

    def test_the_customer_goes_back_and_presses_again(self):
        customer, first = self.start_express()
        self.choose_address(first, 'home')
        second = self.press_buy_now(customer)
        wait_until(lambda: self.payment(first)['state'] == 'TERMINATED')
        self.choose_address(second, 'work')
        self.approve(second)
        self.assert_bought(second)
        self.assert_nothing_booked(first)


class TestKilled(ExpressTest):

    def test_a_worker_that_answers_a_question(self):
        for in_commit in (False, True):
            _customer, reference = self.start_express()
            self.kill_at(
                'payment_transaction', f"NEW.reference = '{reference}'",
                lambda: self.choose_address(reference, 'work'), in_commit,  # noqa: B023
            )
            self.assertIsNone(self.payment(reference)['questions'][0]['status'])
            self.wait_for_workers()
            self.assertEqual(
                self.choose_address(reference, 'work'), {"Parcel to your door": DELIVERY}
            )
            self.approve(reference)
            self.assert_bought(reference)

    def test_the_job_that_completes_the_order(self):
        for table, condition in (
            ('sale_order_line', "NEW.is_delivery AND NEW.create_date >= now() - interval '1 hour'"),
            ('payment_transaction', "NEW.vipps_is_express_complete"),
        ):
            for in_commit in (False, True):
                with self.subTest(table, in_commit=in_commit):
                    _customer, reference = self.start_express()
                    self.choose_address(reference, 'work')
                    self.kill_at(
                        table, condition, lambda: self.approve(reference),  # noqa: B023
                        in_commit, 'WorkerCron',
                    )
                    self.run_job('cron_sync_payments')
                    self.run_job('cron_follow_up')
                    self.assert_bought(reference)
