"""The people of the shop in town, and the checks that both sides agree after closing."""

import functools
from urllib.error import HTTPError

from tools.chaos import BOOKED_BY_TILLS
from tools.customer import ShopError
from tools.till import Cashier, Till, create_configs

from .shop import LiveTest, get_stack, wait_until

OPEN = ('unknown', 'waiting')
CASHIERS = ('nora', 'emil')

# The payments that have to do with a session, each with what finished orders were paid with it.
SOLD = """
    WITH RECURSIVE part AS (
        SELECT id, reference, vipps_pos_session_id, payment_id
          FROM payment_transaction
         WHERE vipps_pos_config_id IS NOT NULL AND source_transaction_id IS NULL
         UNION ALL
        SELECT tx.id, part.reference, tx.vipps_pos_session_id, tx.payment_id
          FROM payment_transaction tx JOIN part ON tx.source_transaction_id = part.id
    )
    SELECT part.reference,
           round(COALESCE(sum(payment.amount) FILTER (
               WHERE pos_order.state NOT IN ('draft', 'cancel')
           ), 0) * 100)::int,
           count(part.payment_id)
      FROM part
      LEFT JOIN pos_payment payment ON payment.vipps_transaction_id = part.id
      LEFT JOIN pos_order ON pos_order.id = payment.pos_order_id
     GROUP BY part.reference
    HAVING bool_or(part.vipps_pos_session_id = ANY(%s))
"""

# What finished orders of sessions were paid with Vipps MobilePay.
TAKEN = """
    SELECT pos_order.session_id, round(sum(payment.amount) * 100)::int
      FROM pos_payment payment
      JOIN pos_order ON pos_order.id = payment.pos_order_id
      JOIN pos_payment_method method ON method.id = payment.payment_method_id
     WHERE pos_order.session_id = ANY(%s) AND pos_order.state NOT IN ('draft', 'cancel')
       AND method.use_payment_terminal = 'vipps'
     GROUP BY pos_order.session_id
"""


@functools.cache
def get_cashier(login):
    """Return the browser of a cashier, which stays logged in."""
    return Cashier(get_stack(), login)


class TillTest(LiveTest):
    """A till that is closed after the tests of the class: then all has to be in order."""

    expected_in_log = (r'odoo\.http: ',)  # What cashiers are told when something cannot be done.

    @classmethod
    def setUpClass(cls):
        """Let a cashier open a till."""
        super().setUpClass()
        cls.config, = cls.new_configs(1)
        cls.till = cls.open_till()
        cls.addClassCleanup(lambda: cls().close(cls.till))

    @classmethod
    def new_configs(cls, count):
        """Return new tills that take nothing but Vipps MobilePay."""
        return create_configs(cls.rpc, count)

    @classmethod
    def open_till(cls, login=CASHIERS[0], config=None):
        """Return another tab with a till, by default that of the class."""
        return Till(get_cashier(login), config or cls.config)

    # Sales

    def new_order(self, amount=199):
        """Return an order that is to be paid with Vipps MobilePay."""
        order = self.till.new_order(amount)
        self.till.add_payment(order)
        return order

    def ask(self, order=None, **how):
        """Ask the customer for a payment, by default of a new order; returns its reference."""
        status = self.till.ask(order or self.new_order(), **how)
        self.assertEqual(status['state'], 'waiting', status)
        return status['reference']

    def sell(self, amount=199):
        """Return an order that is paid and finished, and the reference of its payment."""
        order = self.new_order(amount)
        reference = self.ask(order)
        self.decide(reference)
        self.assert_state('paid', reference)
        self.till.finish(order)
        return order, reference

    def refusal(self, action):
        """Do something that may be refused; returns the sentence that says why, or None."""
        try:
            action()
        except ShopError as error:
            return str(error)
        return None

    def overtake(self, table, condition, first, second):
        """Do two things as `LiveTest.overtake` does; returns the refusals of both."""
        return super().overtake(
            table, condition, lambda: self.refusal(first), lambda: self.refusal(second),
        )

    def drafts(self, till):
        """Return the ids of the orders of a session that are not finished."""
        return self.rpc('pos.order', 'search', [
            ('session_id', '=', till.session), ('state', '=', 'draft'),
        ])

    # The truth

    def look(self, reference, till=None):
        """Poll until a payment is decided; returns the status."""
        def ask():
            status = (till or self.till).attempt('get', reference)
            return status['state'] not in OPEN and status

        return wait_until(ask)

    def assert_state(self, state, reference, till=None):
        """Check the final state of a payment, and that Vipps MobilePay agrees."""
        status = self.look(reference, till)
        self.assertEqual(status['state'], state, status)
        self.assert_true(status)

    def assert_true(self, status):
        """Check that a payment was charged if it is said to be paid, and else is not and never can
        be."""
        reference, state = status['reference'], status['state']
        self.assertIn(state, ('paid', 'unpaid', 'returned'))
        kept = self.payment(reference)['amount']['value'] if state == 'paid' else 0
        wait_until(lambda: self.kept(reference) == kept)

    def kept(self, reference):
        """Return the amount charged and not refunded, or None while that is not decided."""
        try:
            payment = self.payment(reference)
        except HTTPError as error:
            self.assertEqual(error.code, 404)
            return 0  # It was never asked for.
        sums = {
            name: payment['aggregate'][f'{name}Amount']['value']
            for name in ('authorized', 'captured', 'cancelled', 'refunded')
        }
        is_open = sums['authorized'] > sums['captured'] + sums['cancelled']
        return None if is_open or payment['state'] == 'CREATED' else (
            sums['captured'] - sums['refunded']
        )

    # The end of the day

    def close(self, *tills):
        """Close sessions, and check that sold, charged and booked amounts are equal, each counted
        once."""
        sessions = [till.session for till in tills]
        for till in tills:
            self.assertEqual(till.list_attempts(), [])
            session, = self.rpc('pos.session', 'read', [till.session], ['state'])
            if session['state'] != 'closed':
                till.call('pos.order', 'remove_from_ui', self.drafts(till))
                answer = till.close()
                self.assertTrue(answer['successful'], answer)
        for reference, amount, payments in self.stack.execute((SOLD, [sessions])):
            self.assertEqual((reference, self.kept(reference)), (reference, amount))
            self.assertEqual((reference, payments), (reference, 0))
        taken = self.stack.execute((TAKEN, [sessions]))
        booked = self.stack.execute((BOOKED_BY_TILLS, [sessions]))
        self.assertEqual(
            sorted(map(tuple, booked)),
            sorted((session, amount) for session, amount in taken if amount),
        )
