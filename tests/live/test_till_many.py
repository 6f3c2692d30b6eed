"""Many tills of a shop at once: each customer pays once, and every till is told the truth."""

import time

from tools.till import Till

from .shop import at_once
from .till import CASHIERS, TillTest

TILLS = 20


class TestManyTills(TillTest):

    def test_twenty_tills_at_once_take_what_their_customers_pay(self):
        method, = self.rpc(
            'pos.payment.method', 'search', [('use_payment_terminal', '=', 'vipps')]
        )
        configs = self.rpc('pos.config', 'create', [
            {'name': f"Till {number + 1}", 'payment_method_ids': [(6, 0, [method])]}
            for number in range(TILLS)
        ])
        tills = [
            Till(self.stack, CASHIERS[number % 2], config) for number, config in enumerate(configs)
        ]

        def sell(till, amount):
            order = till.new_order(amount)
            till.add_payment(order)
            with till.listen() as bus:
                reference = till.ask(order)['reference']
                self.decide(reference)
                bus.wait_for(reference)
                self.assertEqual(self.look(reference, till)['state'], 'paid')
            till.finish(order)

        started = time.monotonic()
        at_once(*[
            lambda till=till, amount=100 + number: sell(till, amount)
            for number, till in enumerate(tills)
        ])
        print(f"{TILLS} tills took a payment each in {time.monotonic() - started:.1f} s")
        for till in tills:
            self.close(till)
