"""Vipps MobilePay or the database is gone for a while; everything is caught up."""

from .shop import LiveTest, at_once, wait_until

HOUR = 3600  # seconds


class TestApi(LiveTest):

    def test_everything_is_paid_after_an_hour_without_the_api(self):
        (_c, told), (_c, untold), (_c, late), (_c, undecided) = at_once(*[self.start_payment] * 4)
        references = [told, untold, late]
        self.fault('webhook', 'lost', reference=untold)
        self.break_api()
        for reference in (told, untold):
            self.decide(reference)
        wait_until(lambda: [e for e in self.inbox(*self.approvals_of(told)) if e['error']])
        self.decide(late)  # An event is taken, although nothing can be read.
        wait_until(lambda: self.inbox(*self.approvals_of(late)))
        accepted, *_later = wait_until(lambda: self.deliveries(late))  # It is noted a bit later.
        self.assertTrue(accepted['accepted'])
        self.control('POST', 'clock', advance=HOUR)
        self.run_job('cron_sync_payments')
        for reference in references:
            self.assertEqual(self.transaction(reference)['state'], 'draft')
        self.repair()
        self.run_job('cron_sync_payments')
        self.run_job('cron_sync_payments')
        for reference in references:
            self.assert_paid(reference)
        wait_until(lambda: self.transaction(undecided)['state'] == 'cancel')
        self.assert_nothing_booked(undecided)
        all_of_them = ['reference', 'in', [*references, undecided]]
        wait_until(lambda: not self.inbox(all_of_them, ['state', '!=', 'processed']))

    def approvals_of(self, reference):
        return ['reference', '=', reference], ['name', '=', 'AUTHORIZED']


class TestDatabase(LiveTest):
    # Each process finds out connection by connection that the server was gone.
    expected_in_log = (
        r'server closed the connection unexpectedly|terminating connection'
        r'|connection already closed',
    )

    def test_payments_while_the_database_was_down_are_caught_up(self):
        before, meanwhile, after = at_once(*[self.start_told_payment] * 3)
        self.decide(before)
        with self.stack.database_down():
            self.decide(meanwhile)
            wait_until(lambda: self.deliveries(meanwhile))
            self.assertFalse(self.deliveries(meanwhile)[0]['accepted'])
        # Each process has to find out that its connections are gone.
        wait_until(lambda: all(self.new_browser().open('/shop').status == 200 for _i in range(8)))
        wait_until(lambda: self.stack.workers('WorkerCron'))
        self.overlook_log()
        self.decide(after)
        self.control('POST', 'clock', advance=180)  # That is when it is sent again.
        wait_until(lambda: self.deliveries(meanwhile)[-1]['accepted'])
        # By itself, the worker looks again within a minute when it did not hear that it should.
        self.run_job('cron_sync_payments')
        for reference in (before, meanwhile, after):
            self.assert_paid(reference)
