"""Many tills of a shop at once: each customer pays once, and every till is told the truth."""

from .shop import at_once
from .till import CASHIERS, TillTest

TILLS = 20


class TestManyTills(TillTest):

    def test_twenty_tills_at_once_take_what_their_customers_pay(self):
        cashiers = [CASHIERS[number % 2] for number in range(TILLS)]
        tills = at_once(*[
            lambda config=config, login=login: self.open_till(config, login)
            for config, login in zip(self.new_configs(TILLS), cashiers, strict=True)
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
