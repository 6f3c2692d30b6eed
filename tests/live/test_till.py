"""The till knows of an approval at once, and asks Vipps MobilePay no more than it may."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

from .shop import wait_until
from .till import OPEN, TillTest

TABS = 5
POLLING_INTERVAL = 2  # seconds


class TestKnowing(TillTest):

    def test_an_approval_reaches_the_till_without_polling(self):
        order = self.new_order()
        with self.till.listen() as bus:
            reference = self.ask(order)
            self.till.calls.clear()
            self.decide(reference)
            status = {'state': 'waiting'}
            while status['state'] in OPEN:
                bus.wait_for(reference)
                status = self.till.attempt('get', reference)
            self.assertEqual(status['state'], 'paid')
            self.assertLessEqual(len(self.till.calls), len(bus.payloads))
            self.till.finish(order)
        # What is told to browsers is nothing but where to look.
        self.assertEqual({tuple(payload.items()) for payload in bus.payloads}, {
            (('reference', reference),),
        })

    def test_five_tabs_that_poll_ask_no_more_than_one(self):
        self.fault('webhook', 'lost')
        order = self.new_order()
        reference = self.ask(order)
        tabs = [self.open_till() for _tab in range(TABS)]
        with ThreadPoolExecutor(TABS) as pool:
            polling = [pool.submit(self.look, reference, tab) for tab in tabs]
            wait_until(lambda: len(self.calls('get', reference)) >= 4)
            self.decide(reference)
            self.assertEqual({future.result()['state'] for future in polling}, {'paid'})
        times = [datetime.fromisoformat(c['time'][:23]) for c in self.calls('get', reference)]
        seconds = (times[-1] - times[0]).total_seconds()
        # On a busy machine they are on their way for different times; five would ask much more.
        self.assertLessEqual((len(times) - 2) * POLLING_INTERVAL, 2 * seconds)
        self.till.finish(order)
