"""Many tills of a shop at once: each customer pays once, and every till is told the truth."""

from tools.till import Till

from .shop import at_once
from .till import CASHIERS, TillTest, get_cashier

TILLS = 20


class TestManyTills(TillTest):

    def test_twenty_tills_at_once_take_the_payments_of_their_customers(self):
        cashiers = [get_cashier(login) for login in CASHIERS]
        tills = at_once(*[
            lambda cashier=cashiers[number % 2], config=config: Till(cashier, config)
            for number, config in enumerate(self.new_configs(TILLS))
        ])

        def sell(till, amount):
            order = till.new_order(amount)
            till.add_payment(order)
            with till.listen() as bus:
                reference = till.ask(order)['reference']
                self.decide(reference)
                bus.wait_for(reference)
                self.assertEqual(self.look(reference, till)['state'], 'paid')
            till.finish(order)

        at_once(*[
            lambda till=till, amount=100 + number: sell(till, amount)
            for number, till in enumerate(tills)
        ])
        self.close(*tills)
