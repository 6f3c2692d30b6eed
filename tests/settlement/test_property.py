# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import random
from contextlib import suppress
from datetime import timedelta

from odoo.exceptions import UserError
from odoo.tests import tagged

from .fetching_common import FetchingCommon
from .file_common import FileCommon
from .month import Month

SEEDS = range(2)
DAYS = 8
LAST = '1'  # The first entry of the next day: those before are closed.

# How the entries of the first days come, and those of the others.
WAYS = {
    'api': ('api', 'api'),
    'csv': ('csv', 'csv'),
    'xlsx': ('xlsx', 'xlsx'),
    'file, then api': ('csv', 'api'),
    'api, then file': ('api', 'xlsx'),
    'both': ('api csv xlsx', 'csv xlsx api'),
}

FAULTS = (
    {'kind': 'lost'}, {'kind': 'lost_answer'}, {'kind': 'truncated'}, {'kind': 'garbage'},
    {'kind': 'status', 'status': 500}, {'kind': 'status', 'status': 429},
    {'kind': 'status', 'status': 401}, {'kind': 'status', 'status': 404},
    {'kind': 'stale'}, {'kind': 'skipped'}, {'kind': 'shuffled'}, {'kind': 'tampered', 'value': 3},
    {'kind': 'tampered', 'currency': 'SEK'}, {'kind': 'edited', 'changes': {'items': None}},
)


@tagged('post_install', '-at_install')
class TestProperty(FileCommon, FetchingCommon):
    """ Any month, fetched with any faults, by API, file or both, ends in the same books. """

    def setUp(self):
        super().setUp()
        self.first_day = self.today

    #=== A month ===#

    def _start(self, mode):
        self.ledger = self._set_up(start_date=self.first_day, booking_mode=mode)

    def _go_through(self, seed, way):
        """ Let the entries of a month come in a way, while anything goes wrong. """
        self.taken, self.late = [], []
        self.chooser = random.Random(f'{seed} {way}')
        month = Month(self.settlement, seed, self._take)
        self._start('entry')
        first, last = (sources.split() for sources in WAYS[way])
        for day in range(DAYS):
            month.add_day()
            if self.chooser.random() < 0.5:
                self._have_come(self.chooser.choice(first if day < DAYS / 2 else last))
            self._book_late()
        self._post(1, pspReference=LAST)
        self.simulator.clear_faults()
        self._configure(access='api' in first + last)
        for source in first + last:
            if source != 'api':
                self._import_as(source)
        for _hour in range(2):
            self._settle_all()
        self._book_late(1)
        self._settle_all()

    def _have_come(self, source):
        """ Have entries come from the API or by a file. """
        self._configure(access=source == 'api')
        if source == 'api':
            self._fetch()
        else:
            self._import_days(source)

    def _fetch(self):
        """ Fetch and book while anything goes wrong. """
        chooser = self.chooser
        if chooser.random() < 0.7:
            for _fault in range(chooser.randrange(1, 4)):
                self.simulator.fault(
                    chooser.choice(('report_feed', 'report_feed', 'report_date')),
                    after=chooser.randrange(5), times=chooser.choice((1, 3)),
                    **chooser.choice(FAULTS),
                )
        self._settle_all()
        if chooser.random() < 0.3:
            day = self.first_day + timedelta(days=chooser.randrange(DAYS))
            # What is wrong with it, a person reads; then it is fetched.
            with suppress(UserError), self.env.cr.savepoint():
                self.ledger._check_day(day)

    def _import_days(self, source):
        """ Import and book some days, with those that were imported before, or without some. """
        days = sorted(self.chooser.randrange(DAYS) for _end in range(2))
        # What is wrong with it, a person reads; then it is exported and imported again.
        with suppress(UserError), self.env.cr.savepoint():
            self._import_as(source, *(
                str(self.first_day + timedelta(days=number)) for number in days
            ))
        self._settle_all()

    def _import_as(self, source, first='', last='9999'):
        """ Import days as the portal exports them, or as people save the file. """
        def change(rows):
            rows = [rows[0], *(row for row in rows[1:] if first <= row[5] <= last)]
            return save(rows)

        save = self.chooser.choice((
            list, list, self._save_by_excel, self._shuffle, lambda rows: [rows[0], *rows[:0:-1]],
        ))
        language = self.chooser.choice(('nb', 'en'))
        if source == 'xlsx':
            self._import(self._export_workbook(language, change), name="entries.xlsx")
        else:
            delimiter, encoding = self.chooser.choice(
                ((',', 'utf-8'), (';', 'cp1252'), ('\t', 'utf-16'))
            )
            content = self._export(language, delimiter, encoding, change)
            is_cut_off = last != '9999' and self.chooser.random() < 0.2
            self._import(content[:-25] if is_cut_off else content)

    def _settle_all(self):
        """ Run the job when nothing is due for payments. """
        with self._without_pauses():
            self._settle()

    #=== Payments ===#

    def _take(self, entry):
        """ Have most payments in the books, some of them later than their entries: the same ones
        in all ways. """
        fate = int(entry['pspReference']) % 10
        if fate < 8:
            self.taken.append(entry)
            tx = self._create(entry)
            if fate < 5:
                tx._create_payment()
            else:
                self.late.append(tx)

    def _create(self, entry):
        return self._create_transaction(
            'redirect', reference=f"S-{entry['pspReference']}", state='done',
            amount=entry['amount'] / 100,
            operation='refund' if entry['amount'] < 0 else 'online_redirect',
            vipps_psp_reference=entry['pspReference'],
        )

    def _book_late(self, share=0.3):
        """ Book some of the payments that are not in the books yet. """
        for tx in list(self.late):
            if self.chooser.random() < share:
                tx._create_payment()
                self.late.remove(tx)

    #=== Books ===#

    def _get_books(self):
        """ Return what the books and the payouts say, without numbers of Odoo. """
        return sorted(
            (str(entry.ledger_date), entry.psp_reference, entry.entry_type, entry.amount,
             entry.balance_after, entry.payout_id.number or '', entry.fee_amount,
             entry.move_line_id.account_id.code or '', entry.move_line_id.balance,
             str(entry.statement_line_id.date))
            for entry in self._get_entries()
            if entry.source != 'own' and entry.psp_reference != LAST
        )

    def _assert_same(self, books):
        """ Check that the books are these. """
        found = self._get_books()
        self.assertEqual(
            [row for row in found if row not in books], [row for row in books if row not in found],
        )
        self.assertEqual(len(found), len(books))

    def _check_accounts(self):
        """ Check that all accounts balance, and that of the ledger with what is stated. """
        entries, journal = self._get_entries(), self.ledger.journal_id
        lines = self.env['account.move.line'].search([('journal_id', '=', journal.id)])
        self.assertEqual(set(lines.mapped('parent_state')), {'posted'})
        self.assertEqual(lines.move_id.statement_line_id, entries.statement_line_id)
        self._assert_balanced()
        # Of the other accounts, each has what its entries say.
        sums = {}
        for entry in entries:
            account = entry.move_line_id.account_id
            sums[account] = sums.get(account, 0) - entry.amount
        sums[journal.default_account_id] = sum(
            entry.amount for entry in entries if entry.statement_line_id
        )
        booked = {
            account: balance for account, balance in lines._read_group(
                [('id', 'in', lines.ids)], ['account_id'], ['balance:sum'],
            )
        }
        for account in sums.keys() | booked.keys():
            if account:
                self.assertAlmostEqual(
                    booked.get(account, 0), sums.get(account, 0), 6, account.name
                )

    def _check_all_is_settled(self):
        """ Check that all is stored and booked, and ends at the balance that is stated. """
        entries = self._get_entries()
        self.assertFalse(self.ledger.gap or self.ledger.booking_error)
        self.assertFalse(entries.filtered(lambda entry: entry.state == 'new' and entry.amount))
        # If a file began in the middle, the balance before it was booked, and taken back.
        own = entries.filtered(lambda entry: entry.source == 'own')
        self.assertEqual(sum(own.mapped('amount')), 0, [
            (str(e.ledger_date), e.sequence, e.entry_type, e.amount, e.balance_before, e.state,
             e.source) for e in entries
        ])
        for balance in (self.ledger.book_balance, self.ledger.funds_balance):
            self.assertEqual(round(balance * 100), self._get_stated()[-1][3])
        self._check_payouts()
        matched = entries.filtered('payment_id')
        self.assertEqual(
            set(matched.mapped('state')) - {'matched'}, set(), matched.mapped('reason')
        )
        self.assertEqual(
            sorted(matched.mapped('psp_reference')),
            sorted(entry['pspReference'] for entry in self.taken),
        )
        self.assertTrue(all(matched.move_line_id.mapped('reconciled')))

    def _check_nothing_changes(self):
        books, lines = self._get_books(), self.env['account.move.line'].search([])
        self._import_as('csv')
        self._settle_all()
        self._assert_same(books)
        self.assertEqual(self.env['account.move.line'].search([]), lines)

    def _get_plain_books(self, seed):
        """ Return the books of a month in which nothing goes wrong, and which is fetched at once
        with a line for each day and type. """
        self.taken, self.late, self.chooser = [], [], random.Random(seed)
        month = Month(self.settlement, seed, self._take)
        for _day in range(DAYS):
            month.add_day()
        self._post(1, pspReference=LAST)
        self._book_late(1)
        self._start('day')
        self._settle_all()
        self._check_accounts()
        self.assertEqual(self._read(), self._get_stated())
        return self._get_books()

    def _start_anew(self):
        self.env.invalidate_all()
        self.simulator.reset()
        self.settlement = self.simulator.settlement

    def test_any_month_ends_in_the_same_books(self):
        for seed in SEEDS:
            with self.env.cr.savepoint() as savepoint:
                plain = self._get_plain_books(seed)
                savepoint.rollback()
            for way in WAYS:
                self._start_anew()
                with self.subTest(seed=seed, way=way), self.env.cr.savepoint() as savepoint:
                    try:
                        self._go_through(seed, way)
                        self._check_way(way, plain)
                    except AssertionError as error:
                        raise AssertionError(f"Seed {seed}, {way}: {error}") from None
                    savepoint.rollback()
            self._start_anew()

    def _check_way(self, way, plain):
        self._assert_same(plain)
        if 'api' in way or way == 'both':
            self._check_books(self.ledger)
        self._check_all_is_settled()
        self._check_accounts()
        self._check_nothing_changes()
