# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from datetime import timedelta
from unittest.mock import patch

from odoo import fields
from odoo.exceptions import UserError
from odoo.tests import tagged

from ...models.settlement import fetching
from ...simulator.sales_units import NOK_UNIT
from .fetching_common import FetchingCommon

# What goes wrong with a page, whether the run does without it, and what a person reads.
BROKEN_PAGES = [
    ({'kind': 'stale'}, True, ''),
    ({'kind': 'shuffled'}, True, ''),
    ({'kind': 'skipped'}, False, 'missing or wrong'),
    ({'kind': 'tampered', 'value': 1}, False, 'missing or wrong'),
    ({'kind': 'tampered', 'currency': 'DKK'}, False, 'another currency'),
    ({'kind': 'edited', 'changes': {'items': None}}, False, 'does not answer'),
    ({'kind': 'edited', 'changes': {'cursor': None}}, False, 'does not answer'),
    ({'kind': 'lost', 'times': 3}, False, 'does not answer'),
    ({'kind': 'truncated', 'times': 3}, False, 'does not answer'),
    ({'kind': 'garbage', 'times': 3}, False, 'does not answer'),
    ({'kind': 'status', 'status': 500, 'times': 3}, False, 'does not answer'),
    ({'kind': 'status', 'status': 429, 'times': 3}, False, ''),
    ({'kind': 'status', 'status': 401, 'times': 2}, False, ''),
    ({'kind': 'status', 'status': 403}, False, ''),
    ({'kind': 'status', 'status': 404}, False, 'no access'),
    ({'kind': 'status', 'status': 400}, False, ''),
]


@tagged('post_install', '-at_install')
class TestFetching(FetchingCommon):
    """ The pages of a ledger, whatever is wrong with them. """

    def test_all_pages_are_fetched_and_then_asked_for_every_hour(self):
        self._configure(page_size=3)
        self._add_days(3)
        ledger = self._set_up()
        self._settle()
        self._check_books(ledger)
        self.assertEqual(ledger.funds_balance, 0)
        asked = self._count_asked()
        self._post(100)
        self._run_settlement()
        self.assertEqual(self._count_asked(), asked)
        ledger.sudo().fetch_at -= fetching.FETCH_PERIOD
        self._run_settlement()
        self.assertEqual(self._count_asked(), asked + 2)
        self.assertEqual(ledger.funds_balance, 1)
        self._post(200)
        self._press(ledger.with_user(self.bookkeeper), 'action_fetch')
        self.assertEqual(ledger.funds_balance, 3)
        self._check_books(ledger)

    def test_broken_pages_lose_nothing(self):
        self._configure(page_size=3)
        ledger = self._set_up()
        for fault, is_harmless, sentence in BROKEN_PAGES:
            for after in (0, 1):
                with self.subTest(fault, after=after):
                    self._add_days(1)
                    before, stated = self._read(), self._get_stated()
                    self.simulator.fault('report_feed', after=after, **fault)
                    with self._without_pauses():
                        self._settle()
                    stored = self._read()
                    self.assertEqual(stored, stated[:len(stored)])
                    if is_harmless:
                        self._check_books(ledger)
                        continue
                    self.assertEqual(len(stored), len(before) + 3 * after)
                    problems = ledger._list_problems()
                    self.assertEqual(len(problems), 1)
                    self.assertIn(sentence, problems[0])
                    self.assertEqual(
                        ledger.has_access, fault.get('status') not in (403, 404)
                    )
                    self.assertGreater(
                        ledger.fetch_at, fields.Datetime.now() + timedelta(minutes=49)
                    )
                    self.simulator.clear_faults()
                    self._settle()
                    self._check_books(ledger)

    def test_an_account_without_an_end_is_left_for_an_hour(self):
        ledger = self._set_up()
        self.simulator.fault('report_feed', 'edited', times=20, changes={
            'tryLater': False, 'cursor': 'elsewhere',
        })
        self._settle()
        self.assertLess(self._count_asked(), 4)
        self.assertTrue(ledger.fetch_at)

    def test_types_and_fields_that_are_not_known_are_kept(self):
        ledger = self._set_up()
        self._leave_the_contract()
        self._post(500, entry_type='moon-tax', changes={
            'phase': {'name': "full"}, 'message': "secret", 'recipientHandle': None,
        })
        self._settle()
        entry = self._get_entries()
        self.assertEqual((entry.label, entry.state, entry.msn), ("Moon tax", 'check', ledger.msn))
        self.assertEqual(entry.raw['phase'], {})
        self.assertNotIn('message', entry.raw)
        self._check_books(ledger)

    def test_entries_of_old_years_need_no_date(self):
        today = self.today
        self._leave_the_contract()
        old = {'ledgerDate': None, 'time': '2021-05-01T10:00:00Z'}
        self._post(100, -100, changes=old)
        ledger = self._set_up(start_date=today - timedelta(days=9))
        self._settle()
        self.assertFalse(self._get_entries())
        self.assertFalse(ledger._list_problems())
        self._post(300, changes={'ledgerDate': None})
        self._settle()
        self.assertIn("has no date", ledger.fetch_error)
        self.assertFalse(self._get_entries())

    def test_an_amount_that_stays_wrong_is_for_a_person(self):
        """ One that is missing, and one that does not fit its own balances, in the middle and at
        the end of a page. """
        self._configure(page_size=4)
        ledger = self._set_up()
        self._post(1000)
        self._post(2000, changes={'balanceBefore': 1500, 'balanceAfter': 3500})
        self._post(3000)
        self._post(4000, changes={'balanceAfter': 9999})
        self._post(5000)
        for gap in (500, -501):
            self._settle()
            problems = {problem['key'] for problem in self.vipps._vipps_get_problems()}
            self.assertIn('settlement_gap', problems | {
                'settlement_gap' for key in problems if key == 'settlement_booking'
            })
            self.assertEqual(len(ledger._list_problems()), 1, gap)
            self._press(ledger, 'action_go_on')
        self.assertFalse(ledger._list_problems())
        fillers = self._get_entries('gap')
        self.assertEqual(fillers.mapped('amount'), [5, -5.01])
        self.assertEqual(set(fillers.mapped('state')), {'check'})
        self._check_books(ledger)
        self.assertEqual(ledger.book_balance, 149.99)
        self._settle()
        self.assertEqual(self._get_entries('gap'), fillers)

    def test_the_first_entry_of_a_ledger_cannot_be_missing(self):
        ledger = self._set_up()
        self._post(1000, 2000)
        self.simulator.fault('report_feed', 'skipped')
        self._settle()
        self.assertTrue(ledger.gap)
        self._settle()
        self._check_books(ledger)

    def test_an_entry_between_two_pages(self):
        self._configure(page_size=2)
        ledger = self._set_up()
        self._post(1, 2)
        self.simulator.fault('report_feed', 'status', status=503, times=3, after=1)
        with self._without_pauses():
            self._settle()
        self._post(3, -4)
        self._settle(days=1)
        self._post(5)
        self._settle()
        self._check_books(ledger)


@tagged('post_install', '-at_install')
class TestAccess(FetchingCommon):
    """ Providers, keys and ledgers that come and go. """

    def _get_problem_keys(self, provider=None):
        return {problem['key'] for problem in (provider or self.vipps)._vipps_get_problems()}

    def test_keys_without_access(self):
        ledger = self._set_up()
        self._add_days(1)
        self._configure(access=False)
        self._settle()
        self.assertFalse(ledger.has_access)
        self.assertIn('settlement_access', self._get_problem_keys())
        with self.assertRaises(UserError):
            self.vipps._vipps_find_ledgers()
        self._configure(access=True)
        self._settle()
        self.assertNotIn('settlement_access', self._get_problem_keys())
        self._check_books(ledger)

    def test_the_test_environment_has_no_settlements(self):
        self.settlement.is_available = False
        with self.assertRaisesRegex(UserError, "test environment"):
            self.vipps._vipps_find_ledgers()
        self.settlement.is_available = True
        ledger = self._set_up()
        self.settlement.is_available = False
        self._settle()
        self.assertTrue(ledger.fetch_error)

    def test_what_is_never_read_is_a_problem(self):
        ledger = self._set_up()
        self.simulator.fault('report_feed', 'status', status=401, times=None)
        self._settle()
        self.assertNotIn('settlement_late', self._get_problem_keys())
        self.env.cr.execute(
            "UPDATE vipps_settlement_ledger SET create_date = create_date - interval '2 days'"
        )
        ledger.invalidate_recordset()
        self.assertIn('settlement_late', self._get_problem_keys())

    def test_calls_do_not_say_whether_customers_can_pay(self):
        self._set_up()
        call, noted = self.env['vipps.api.call'], []
        self.simulator.fault('report_feed', 'status', status=503, times=None)
        with self._without_pauses(), patch.object(
            type(call), '_store_later', lambda self, values: noted.append(values)
        ):
            for _run in range(4):
                self._settle()
        self.assertEqual([values['operation'] for values in noted], ['feed'] * 4)
        for values in noted:
            self.assertEqual(values['outcome'], 'no_answer')
            self.assertEqual(call._count(values, None), (None, None))

    def test_another_provider_takes_the_place_of_one_that_is_disabled(self):
        ledger = self._set_up()
        self._add_days(1)
        self._settle()
        other = self.vipps.copy({'name': "Other"})
        other.write({
            'state': 'test', 'vipps_merchant_serial_number': NOK_UNIT.msn,
            'vipps_client_id': NOK_UNIT.client_id, 'vipps_client_secret': NOK_UNIT.client_secret,
            'vipps_subscription_key': NOK_UNIT.subscription_key,
        })
        self._settle()
        self.assertEqual(self.env['vipps.settlement.ledger'].search([]), ledger)
        self.assertEqual(ledger.provider_id, self.vipps)
        self.vipps.state = 'disabled'
        self._add_days(1)
        self._settle()
        self.assertEqual(ledger.provider_id, other)
        self._check_books(ledger)

        other.state = 'disabled'
        self._settle()
        self.assertIn("disabled", ledger.fetch_error)
        with self.assertRaisesRegex(UserError, "disabled"):
            ledger._check_day(self.today)

    def test_a_sales_unit_that_moves_to_another_ledger(self):
        ledger = self._set_up()
        self._add_days(1)
        self._settle()
        entries = self._get_entries()
        self.settlement.add_ledger(NOK_UNIT.msn, 'new')
        self._configure(automatic=False)
        self._add_days(1)
        self._settle()
        new = self.env['vipps.settlement.ledger'].search([]) - ledger
        self.assertEqual((new.number, new.provider_id), ('new', self.vipps))
        self.assertEqual(self._get_entries(), entries)
        self.assertIn('settlement_ledger', self._get_problem_keys())
        new._set_up()
        self.assertNotEqual(new.journal_id, ledger.journal_id)
        self._settle()
        self.assertEqual(self._get_entries().ledger_id, ledger | new)
        self.assertEqual(self._read(), self._get_stated())
        self.assertFalse((ledger | new)._list_problems())
        self._check_payouts()

    def test_several_sales_units_in_one_ledger(self):
        self.simulator.set_unit('999999', **{
            name: value for name, value in vars(NOK_UNIT).items() if name != 'msn'
        })
        self._configure(msns=[NOK_UNIT.msn, '999999'])
        self._post(100)
        self._post(200, recipientHandle='api:999999')
        self._post(300, recipientHandle=None)
        ledger = self._set_up()
        self._settle(days=1)
        captures = self._get_entries('capture')
        self.assertEqual(captures.mapped('msn'), [NOK_UNIT.msn, '999999', NOK_UNIT.msn])
        self._check_books(ledger)


@tagged('post_install', '-at_install')
class TestFirstDay(FetchingCommon):
    """ A ledger that is read from any day on. """

    def setUp(self):
        super().setUp()
        self.first_day = self.today

    def _get_day(self, days):
        return self.first_day + timedelta(days=days)

    def test_a_first_day_in_the_future_is_moved_earlier(self):
        ledger = self._set_up(start_date=self._get_day(30))
        self._add_days(2)
        self._settle()
        self.assertFalse(self._get_entries())
        ledger.start_date = self._get_day(0)
        self._settle()
        self._check_books(ledger)

    def test_earlier_days_are_added_in_the_middle_of_a_ledger(self):
        """ Each time with money that was at Vipps MobilePay before. """
        self._configure(schedule='never')
        for _day in range(3):
            self._post(1000, -300)
            self.settlement.close(NOK_UNIT.msn)
        ledger = self._set_up(start_date=self._get_day(2))
        self._settle()
        self.assertEqual(self._get_entries('opening-balance').mapped('amount'), [14])
        self.assertEqual(ledger.book_balance, 21)
        for days, openings in ((1, [7, -14, 14]), (0, [-7, 7, -14, 14])):
            ledger.start_date = self._get_day(days)
            self._settle()
            self.assertEqual(self._get_entries('opening-balance').mapped('amount'), openings)
            self.assertEqual(ledger.book_balance, 21)
            self.assertFalse(ledger._list_problems())
        self._check_books(ledger)
        self.settlement.close(NOK_UNIT.msn, payout=True)
        self._settle()
        self._check_books(ledger)

    def test_earlier_days_of_a_payout_are_part_of_its_statement(self):
        for is_last in (False, False, True):
            self._post(1000, -300)
            self.settlement.close(NOK_UNIT.msn, payout=is_last)
        ledger = self._set_up(start_date=self._get_day(1))
        self._settle()
        self._check_payouts()
        ledger.start_date = self._get_day(0)
        self._settle()
        self.assertEqual(len(self.env['vipps.settlement.payout'].search([])), 1)
        self._check_books(ledger)

    def test_an_opening_balance_is_part_of_the_first_of_several_payouts(self):
        for is_paid in (False, True, True):
            self._post(1000, -300)
            self.settlement.close(NOK_UNIT.msn, payout=is_paid)
        ledger = self._set_up(start_date=self._get_day(1))
        self._settle()
        self._check_payouts()
        ledger.start_date = self._get_day(0)
        self._settle()
        self._check_books(ledger)

    def test_days_with_entries_are_not_taken_away(self):
        ledger = self._set_up(start_date=self._get_day(0))
        self._add_days(1)
        self._settle()
        for day in (self._get_day(1), False):
            with self.assertRaisesRegex(UserError, "There are entries from"):
                ledger.start_date = day


@tagged('post_install', '-at_install')
class TestTurns(FetchingCommon):
    """ Payments first, and nobody waits for the ledger of somebody else. """

    def setUp(self):
        super().setUp()
        self._configure(page_size=1)

    def _count_triggers(self):
        job = self.env.ref('mobilepay_vipps.cron_settle')
        return self.env['ir.cron.trigger'].search_count([('cron_id', '=', job.id)])

    def test_the_job_makes_room_for_payments_after_each_step(self):
        tx = self._authorize()
        ledger = self._set_up()
        self._post(1, 2, 3, 4)
        self.env['vipps.task']._schedule(tx, 'sync')
        count = self._count_triggers()
        for pages in range(1, 5):
            self._run_settlement()
            self.assertEqual(len(self._get_entries()), pages)
            self.assertGreater(self._count_triggers(), count)
        self._press(ledger, 'action_fetch')  # A person need not make room.
        self._check_books(ledger)

    def test_a_run_has_an_end(self):
        ledger = self._set_up()
        self._post(1, 2, 3)
        count = self._count_triggers()
        with patch.object(fetching, 'RUN_SECONDS', -1):
            self._run_settlement()
        self.assertEqual(len(self._get_entries()), 1)
        self.assertGreater(self._count_triggers(), count)
        with patch.object(fetching, 'PERSON_SECONDS', -1):
            action = self._press(ledger, 'action_fetch')
        self.assertIn("Look again in a minute", action['params']['message'])
        self._settle()
        self._check_books(ledger)

    def test_a_ledger_without_an_answer_comes_last(self):
        old = self._set_up()
        self.settlement.add_ledger(NOK_UNIT.msn, 'new')
        self.vipps._vipps_find_ledgers()
        new = self.env['vipps.settlement.ledger'].search([]) - old
        new._set_up()
        self.simulator.fault('report_feed', 'status', status=503, times=3)
        with self._without_pauses():
            self._settle()
        self.assertTrue(old.fetch_error)
        self.assertFalse(new.fetch_error)
        asked = self._count_asked()
        self._settle()
        paths = [call['path'] for call in self._get_calls('report_feed')[asked:]]
        self.assertEqual([path.split('/')[4] for path in paths], [
            new.number, new.number, old.number, old.number,
        ])

    def test_an_error_of_one_ledger_keeps_nothing_from_the_others(self):
        old = self._set_up()
        self.settlement.add_ledger(NOK_UNIT.msn, 'new')
        self._configure(automatic=False)
        self.vipps._vipps_find_ledgers()
        new = self.env['vipps.settlement.ledger'].search([]) - old
        new._set_up()
        self._post(7)
        Ledger, do_step = type(old), type(old)._do_step

        def fail(ledger, *args):
            if ledger == old:
                raise ValueError("broken")
            return do_step(ledger, *args)

        with patch.object(Ledger, '_do_step', fail), self.assertLogs(fetching._logger, 'ERROR'):
            self._settle()
        self.assertEqual(self._get_entries().ledger_id, new)
