import threading
from concurrent.futures import ThreadPoolExecutor

from .common import SimulatorCase

THREADS = 12


class TestConcurrency(SimulatorCase):

    def at_once(self, function):
        """Call a function in many threads at the same moment; returns the answers."""
        barrier = threading.Barrier(THREADS)

        def run(number):
            barrier.wait(10)
            return function(number)

        with ThreadPoolExecutor(THREADS) as pool:
            return list(pool.map(run, range(THREADS)))

    def test_captures_never_exceed_the_reservation(self):
        reference = self.merchant.authorized(amount={'currency': 'NOK', 'value': 1000})
        answers = self.at_once(lambda number: self.merchant.modify('capture', reference, 300))
        self.assertEqual(sum(answer.status_code == 200 for answer in answers), 3)
        self.assertSums(reference, authorized=1000, captured=900)

    def test_same_key_at_once_happens_once(self):
        payload = self.merchant.payload()
        answers = self.at_once(lambda number: self.merchant.post_payment(payload, 'key'))
        self.assertEqual({answer.status_code for answer in answers}, {201})
        self.assertEqual(len({answer.text for answer in answers}), 1)
        self.assertEqual(len(self.simulator.payments), 1)

    def test_either_approved_or_terminated(self):
        for _number in range(10):
            reference = self.merchant.create()

            def decide(number, reference=reference):
                if number % 2:
                    return self.merchant.cancel(reference, cancelTransactionOnly=True).status_code
                path = f'/epayment/v1/test/payments/{reference}/approve'
                return self.merchant.call(
                    'POST', path, {'customer': {'phoneNumber': '4798765432'}}
                ).status_code

            statuses = self.at_once(decide)
            self.assertEqual(statuses.count(200), 1)
            self.assertEqual(len(self.merchant.events(reference).json()), 2)
