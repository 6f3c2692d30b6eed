"""Customers scan the stickers of tills: each is asked once, for what that customer buys."""


from simulator.sales_units import NOK_UNIT
from tools.customer import ShopError

from .shop import COLLISIONS, at_once, wait_until
from .till import TillTest


class TestSticker(TillTest):

    expected_in_log = (*TillTest.expected_in_log, *COLLISIONS)

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.number = cls.make_sticker(cls.config)

    @classmethod
    def make_sticker(cls, config):
        """Make the sticker of a till; returns its number."""
        cls.rpc('pos.config', 'action_vipps_make_sticker', [config])
        till, = cls.rpc('pos.config', 'read', [config], ['vipps_sticker_number'])
        return till['vipps_sticker_number']

    def setUp(self):
        super().setUp()
        # Customers of the tests before are gone.
        self.stack.execute((
            "UPDATE vipps_webhook_event SET token_ciphertext = NULL, good_until = create_date"
            " WHERE name = 'CHECKED_IN' RETURNING id", [],
        ))

    def scan(self, number=None, **values):
        return self.control(
            'POST', 'check-ins', msn=NOK_UNIT.msn, qr_id=number or self.number, **values
        )['customerToken']

    def list(self, till=None):
        return (till or self.till).list_check_ins()

    def wait_for_customers(self, count=1, till=None):
        return wait_until(lambda: len(self.list(till)) == count and self.list(till))

    def question(self, order=None, till=None):
        """Press Sticker; returns the reference of the attempt."""
        till = till or self.till
        status = till.create(order or self.new_order(), flow='sticker')
        return status['reference']

    def start(self, reference, check_in=False, till=None):
        return (till or self.till).attempt('start', reference, False, check_in)

    def pay(self, order, reference):
        """Let the customer approve, once."""
        self.assertEqual(len(self.payments_of(reference)), 1)
        self.decide(reference)
        self.assert_state('paid', reference)
        self.till.finish(order)

    def sell_by_sticker(self):
        order = self.new_order()
        self.scan()
        self.wait_for_customers()
        reference = self.question(order)
        self.assertTrue(self.start(reference)['is_bound'])
        self.assertEqual(self.start(reference)['state'], 'waiting')
        self.pay(order, reference)
        return reference

    def test_the_till_knows_of_a_customer(self):
        self.scan()
        self.wait_for_customers()

    def test_a_sale(self):
        reference = self.sell_by_sticker()
        request = self.payment(reference)['request']
        self.assertEqual(request['userFlow'], 'PUSH_MESSAGE')

    def test_customers_of_two_tills_are_asked_by_their_own(self):
        config, = self.new_configs(1)
        number = self.make_sticker(config)
        other = self.open_till(config=config)
        self.scan()
        self.scan(number)
        check_in, = self.wait_for_customers()
        other_check_in, = self.wait_for_customers(till=other)
        self.assertNotEqual(check_in['id'], other_check_in['id'])
        order = self.new_order()
        reference = self.question(order)
        self.assertEqual(self.start(reference, other_check_in['id'])['state'], 'scan')
        self.start(reference)
        self.assertEqual(self.start(reference)['state'], 'waiting')
        self.assertEqual(len(self.list(other)), 1)
        self.pay(order, reference)
        self.close(other)

    def test_two_browsers_of_a_till_ask_a_customer_once(self):
        self.scan()
        check_in, = self.wait_for_customers()
        orders = [self.new_order(), self.new_order()]
        references = [self.question(order) for order in orders]

        def choose(reference):
            try:
                return self.start(reference, check_in['id']).get('is_bound')
            except ShopError:
                return None

        bound = at_once(*[lambda r=r: choose(r) for r in references])
        self.assertEqual(bound.count(True), 1, bound)
        winner = bound.index(True)
        self.assertEqual(self.start(references[winner])['state'], 'waiting')
        self.pay(orders[winner], references[winner])
        self.assertEqual(
            self.till.attempt('cancel', references[1 - winner])['state'], 'unpaid'
        )

    def race(self, condition, first):
        """Dismiss and ask a customer at once; one is stopped at its row until the other waits.

        :param str condition: Where the first one is stopped, in SQL.
        :param int first: 0 if that is the dismissal, 1 if it is the question.
        """
        order = self.new_order()
        self.scan()
        check_in, = self.wait_for_customers()
        reference = self.question(order)
        actions = [
            lambda: self.till.dismiss_check_in(check_in['id']),
            lambda: self.start(reference, check_in['id']),
        ]
        self.assertEqual(self.overtake(
            'vipps_webhook_event', f"NEW.id = {check_in['id']} AND {condition}",
            actions[first], actions[1 - first],
        ), [None, None])
        self.assertEqual(self.list(), [])
        (is_bound, is_dismissed), = self.stack.execute((
            "SELECT transaction_id IS NOT NULL, good_until < event_time + interval '15 minutes'"
            " FROM vipps_webhook_event WHERE id = %s", [check_in['id']],
        ))
        self.assertEqual((is_dismissed, is_bound), (not first, bool(first)))
        return order, reference, check_in['id']

    def assert_no_token_is_left(self):
        self.assertEqual(self.stack.execute((
            "SELECT count(token_ciphertext) FROM vipps_webhook_event WHERE name = 'CHECKED_IN'", [],
        )), [[0]])

    def test_a_customer_who_is_asked_at_the_same_moment_is_not_dismissed(self):
        order, reference, check_in = self.race("NEW.transaction_id IS NOT NULL", first=1)
        self.assertEqual(self.start(reference)['state'], 'waiting')
        self.till.dismiss_check_in(check_in)
        self.assert_no_token_is_left()
        self.pay(order, reference)

    def test_a_customer_who_is_dismissed_at_the_same_moment_is_not_asked(self):
        _order, reference, check_in = self.race("NEW.token_ciphertext IS NULL", first=0)
        self.assert_no_token_is_left()
        for chosen in (check_in, False):
            self.assertEqual(self.start(reference, chosen)['state'], 'scan')
        self.assertEqual(self.calls('create', reference), [])
        self.assertEqual(self.till.attempt('cancel', reference)['state'], 'unpaid')
        self.assert_state('unpaid', reference)

    def test_killed_before_the_customer_is_bound(self):
        order = self.new_order()
        self.scan()
        self.wait_for_customers()
        reference = self.question(order)
        self.kill_at(
            'vipps_webhook_event', 'NEW.transaction_id IS NOT NULL',
            lambda: self.start(reference),
        )
        self.wait_for_workers()
        self.assertEqual(len(self.list()), 1)
        self.assertTrue(self.start(reference)['is_bound'])
        self.assertEqual(self.start(reference)['state'], 'waiting')
        self.pay(order, reference)

    def test_killed_after_the_customer_was_asked(self):
        order = self.new_order()
        self.scan()
        self.wait_for_customers()
        reference = self.question(order)
        self.start(reference)
        self.kill_at(
            'payment_transaction',
            f"NEW.reference = '{reference}' AND NEW.vipps_payment_state = 'CREATED'",
            lambda: self.start(reference),
        )
        self.wait_for_workers()
        self.assertEqual(self.payment(reference)['state'], 'CREATED')
        self.assertEqual(self.list(), [])
        self.assertEqual(self.start(reference)['state'], 'waiting')
        self.pay(order, reference)

    def test_a_lost_event_asks_nobody_and_a_doubled_one_asks_once(self):
        self.fault('webhook', 'lost', times=1, reference=self.number)
        self.scan()
        self.fault('webhook', 'duplicate', times=1, reference=self.number)
        self.scan()
        self.wait_for_customers()
        wait_until(lambda: not self.control('GET', 'deliveries')['pending'])
        self.assertEqual(len(self.list()), 1)

    def test_a_forged_event_is_refused(self):
        self.scan(forged=True)
        wait_until(lambda: not self.control('GET', 'deliveries')['pending'])
        delivery = self.control('GET', 'deliveries')['deliveries'][-1]
        self.assertEqual(delivery['result'], 401)
        self.assertEqual(self.list(), [])
