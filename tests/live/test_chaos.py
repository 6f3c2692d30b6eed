"""Many customers while anything may go wrong: in the end, both sides agree."""

import contextlib
import os
import random
from concurrent.futures import ThreadPoolExecutor

from tools.chaos import BAD_LUCK, Verdict, make_trouble

from .shop import LiveTest, wait_until

PAYMENTS = 30
CUSTOMERS = 4  # at the same time


class TestChaos(LiveTest):
    expected_in_log = (r'account_move_unique_name',)  # Two are booked at once: one of them later.

    def setUp(self):
        """Remember the state before, and choose the trouble; a seed repeats the choice."""
        super().setUp()
        self.seed = int(os.environ.get('VIPPS_TEST_SEED') or random.randrange(10 ** 6))
        self.verdict = Verdict(self.stack)

    def test_in_the_end_both_sides_agree(self):
        with self.subTest(VIPPS_TEST_SEED=self.seed):
            with ThreadPoolExecutor(CUSTOMERS) as pool:
                list(pool.map(self.live, range(PAYMENTS)))
            self.calm_down()
            self.check_everything()

    # What happens

    def live(self, number):
        """Buy as a customer who may leave at any time, with trouble on the way."""
        choose = random.Random(f'{self.seed} {number}')
        with contextlib.suppress(*BAD_LUCK):
            customer = self.new_customer()
            make_trouble(self.stack, choose)
            values = customer.press_pay()
            customer.follow(values)
            make_trouble(self.stack, choose)
            decision = choose.choices(('approve', 'decline', 'expire', None), (7, 1, 1, 1))[0]
            if decision:
                self.decide(values['reference'], decision)
            for _look in range(choose.randrange(4)):
                with contextlib.suppress(*BAD_LUCK):
                    choose.choice((
                        customer.ask_for_status,
                        lambda: customer.open(self.return_url(values['reference'])),
                        lambda: self.new_browser().open(self.return_url(values['reference'])),
                    ))()

    def calm_down(self):
        """Repair everything, let time pass, and let the jobs finish."""
        self.repair()
        self.wait_for_workers()
        self.verdict.let_time_pass()

        def settle():
            self.run_job('cron_sync_payments')
            self.run_job('cron_sync_payments')
            self.run_job('cron_follow_up')
            return not self.verdict.count_unfinished()

        wait_until(settle)

    def check_everything(self):
        """Compare both sides."""
        transactions, differences = self.verdict.compare()
        self.assertGreater(len(transactions), PAYMENTS / 3)
        self.assertEqual(differences, [])
        self.assertEqual(self.verdict.count_waiting_events(), 0)
        self.assertEqual(self.verdict.count_unbalanced(), 0)
