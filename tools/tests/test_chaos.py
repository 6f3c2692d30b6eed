import unittest

from simulator.faults import Faults
from tools.chaos import FAULTS, differences

REFERENCE = 'acme-shop-0001'


def payment(state='AUTHORIZED', authorized=100, captured=100, refunded=0, cancelled=0, captures=1):
    return {
        'state': state,
        'events': [{'name': 'CREATED'}] + [{'name': 'CAPTURED'}] * captures,
        'aggregate': {
            f'{name}Amount': {'value': value} for name, value in (
                ('authorized', authorized), ('captured', captured), ('refunded', refunded),
                ('cancelled', cancelled),
            )
        },
    }


class TestFaults(unittest.TestCase):
    def test_the_simulator_knows_them(self):
        faults = Faults()
        for fault in FAULTS:
            faults.add(**fault)


class TestDifferences(unittest.TestCase):
    def find(self, theirs, state='done', captured=100, refunded=0, booked=100, unposted=0,
             unconfirmed=0, is_till=False):
        return list(differences(
            REFERENCE, state, captured, refunded, booked, unposted, unconfirmed, is_till, theirs,
        ))

    def test_equal_sides_agree(self):
        nothing = {'captured': 0, 'booked': 0}
        self.assertEqual(self.find(payment()), [])
        self.assertEqual(self.find(payment(refunded=40), refunded=40, booked=60), [])
        self.assertEqual(self.find(payment(), booked=0, is_till=True), [])
        self.assertEqual(self.find(None, 'cancel', **nothing, unconfirmed=1), [])
        released = payment(captured=0, cancelled=100, captures=0)
        self.assertEqual(self.find(released, 'cancel', **nothing), [])

    def test_each_difference_is_told(self):
        for theirs, changes, words in (
            (payment(captured=60, cancelled=40), {}, "not (60, 0)"),
            (payment(refunded=40), {}, "not (100, 40)"),
            (None, {}, "not (0, 0)"),
            (payment(), {'state': 'cancel'}, "but 100 is captured"),
            (payment(captured=0, captures=0), {'captured': 0, 'booked': 0, 'state': 'cancel'},
             "100 is still reserved"),
            (payment(captures=2), {}, "captured 2 times"),
            (payment(), {'booked': 0}, "0 is booked"),
            (payment(), {'is_till': True}, "100 is booked"),
            (payment(), {'unposted': 1}, "1 payments are drafts"),
            (payment(), {'unconfirmed': 1}, "1 orders are not confirmed"),
        ):
            with self.subTest(words):
                self.assertIn(words, ' '.join(self.find(theirs, **changes)))
