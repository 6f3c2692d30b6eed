"""Workers that are killed while they fetch, import and book settlements, several at once, and an
API that hangs."""

import base64
import csv
import io
from functools import partial

from simulator.sales_units import NOK_UNIT
from tools.payout import set_up_ledger
from tools.rpc import Rpc

from .shop import LiveTest, at_once, not_held_up, wait_until

PAGE_SIZE, COUNT = 5, 12
FIRST_PAGE = sum(range(1000, 1000 + PAGE_SIZE))  # in minor units

ENTRIES = "SELECT topic, psp_reference, round(amount * 100)::int FROM vipps_settlement_entry"

# What is written in a step of the job, in the middle of the work.
STEPS = {
    'a page': ('vipps_settlement_entry', "NEW.reference = '{name}-7'"),
    'the place after a page': (
        'vipps_settlement_ledger', "round(NEW.funds_balance * 100) = {balance}",
    ),
    'a statement line': ('account_bank_statement_line', "NEW.payment_ref LIKE '%{name}-7 %'"),
}
# As many rows of a file are read in one database transaction.
PIECE = 500
FILE_STEPS = {
    'an entry of the second piece': ('vipps_settlement_entry', "NEW.reference = '{name}-7'"),
    'the place after the first piece': (
        'vipps_settlement_file', f"NEW.new_count + NEW.known_count = {PIECE}",
    ),
}


class SettlementTest(LiveTest):
    """A shop whose ledger is set up."""

    expected_in_log = (r'odoo\.sql_db: ',)  # Who collides starts anew.

    @classmethod
    def setUpClass(cls):
        """Set up the ledger of the shop, all of whose entries are of other systems from now on."""
        super().setUpClass()
        cls.settle(page_size=PAGE_SIZE)
        # Another class may have done it, and the job may have found the ledger.
        if not cls.rpc('vipps.settlement.ledger', 'search_count', [('journal_id', '!=', False)]):
            set_up_ledger(cls.stack)
        cls.ledger, = cls.rpc('vipps.settlement.ledger', 'search', [])

    @classmethod
    def settle(cls, path='', **values):
        """Ask the simulator for something about the ledger."""
        return cls.control('POST', f'settlements/{NOK_UNIT.msn}{path}', **values)

    def add_entries(self, name, count=COUNT):
        """Add payments and fees at the simulator."""
        self.settle('/entries', entries=[
            entry for number in range(count) for entry in (
                {'topic': 'funds', 'entryType': 'capture', 'amount': 1000 + number,
                 'reference': f'{name}-{number}'},
                {'topic': 'fees', 'entryType': 'capture-fee', 'amount': -number - 1,
                 'reference': f'{name}-{number}'},
            )
        ])

    def start(self):
        """Have the job run that fetches and books."""
        self.stack.execute("UPDATE vipps_settlement_ledger SET fetch_at = NULL")
        return self.start_job('cron_settle')

    def read_ledger(self):
        """Return the ledger as Odoo has it."""
        read, = self.rpc('vipps.settlement.ledger', 'read', [self.ledger], [
            'funds_balance', 'fees_balance', 'book_balance', 'fetch_error', 'gap', 'booking_error',
        ])
        return read

    def assert_settled(self):
        """Check that all is fetched once and booked once."""
        stated = [
            [topic, entry['pspReference'], entry['amount']] for topic in ('funds', 'fees')
            for entry in self.control('GET', f'settlements/{NOK_UNIT.msn}/{topic}')['entries']
        ]

        def is_settled():
            left = self.rpc('vipps.settlement.entry', 'search_count', [('state', '=', 'new')])
            return not left and len(self.stack.execute(ENTRIES)) >= len(stated)

        wait_until(is_settled)
        self.assertEqual(sorted(self.stack.execute(ENTRIES)), sorted(stated))
        balance = sum(amount for topic, _reference, amount in stated if topic == 'funds')
        ledger = self.read_ledger()
        self.assertEqual(round(ledger['book_balance'] * 100), balance)
        self.assertEqual(round(ledger['funds_balance'] * 100), balance)
        self.assertFalse(ledger['fetch_error'] or ledger['gap'] or ledger['booking_error'])
        (lines,), = self.stack.execute(
            "SELECT count(*) FROM account_bank_statement_line WHERE id IN"
            " (SELECT statement_line_id FROM vipps_settlement_entry)"
        )
        (all_lines,), = self.stack.execute((
            "SELECT count(*) FROM account_bank_statement_line line"
            " JOIN account_move move ON move.id = line.move_id"
            " JOIN vipps_settlement_ledger ledger ON ledger.journal_id = move.journal_id"
            " WHERE ledger.id = %s", [self.ledger],
        ))
        self.assertEqual(lines, all_lines)


class TestSettlement(SettlementTest):

    def test_a_worker_is_killed_at_each_step(self):
        for number, (name, (table, condition)) in enumerate(STEPS.items()):
            for in_commit in (False, True):
                with self.subTest(name, in_commit=in_commit):
                    order = f'killed-{number}-{int(in_commit)}'
                    balance = round(self.read_ledger()['funds_balance'] * 100) + FIRST_PAGE
                    self.add_entries(order)
                    self.kill_at(
                        table, condition.format(name=order, balance=balance), self.start,
                        in_commit, 'WorkerCron',
                    )
                    self.start()
                    self.assert_settled()

    def test_a_job_and_two_people_at_once(self):
        self.add_entries('together', 40)

        def press():
            return self.rpc('vipps.settlement.ledger', 'action_fetch', [self.ledger])

        at_once(self.start, press, press)
        self.assert_settled()
        self.settle('/close', payout=True)
        at_once(self.start, press, self.start)
        self.assert_settled()

    def pay(self):
        """Have a payment captured, and its order confirmed."""
        reference = self.start_told_payment()
        self.decide(reference)
        wait_until(lambda: self.payment(reference)['aggregate']['capturedAmount']['value'])
        wait_until(lambda: self.transaction(reference)['state'] == 'done')
        wait_until(lambda: self.order(reference)['state'] == 'sale')
        return reference

    def count_pages(self):
        """Return how many pages were asked for."""
        return len(self.calls('report_feed'))

    def test_an_api_that_hangs_holds_up_no_payment(self):
        self.add_entries('hanging')
        self.fault('report_feed', 'latency', seconds=60)

        def pay_meanwhile():
            asked = self.count_pages()
            self.start()
            wait_until(lambda: self.count_pages() > asked)
            return self.pay()

        reference, = not_held_up(pay_meanwhile)
        self.assert_paid(reference)
        wait_until(lambda: self.read_ledger()['fetch_error'])
        self.repair()
        # It asks again when it is time to, and not whenever the job runs.
        asked = self.count_pages()
        self.run_job('cron_settle')
        self.assertEqual(self.count_pages(), asked)
        self.start()
        self.assert_settled()


class TestSettlementFiles(SettlementTest):

    expected_in_log = (*SettlementTest.expected_in_log, r'odoo\.http: ')

    def setUp(self):
        """Let the file be the only way to the entries, and hire an accountant."""
        super().setUp()
        self.addCleanup(self.settle, access=True, page_size=PAGE_SIZE)
        self.settle(access=False, page_size=PIECE)
        self.accountant = self.hire('ida')

    def hire(self, login):
        """Return the calls of an accountant."""
        if not self.rpc('res.users', 'search', [('login', '=', login)]):
            groups = [self.rpc.reference(name) for name in (
                'base.group_user', 'account.group_account_user',
            )]
            self.rpc('res.users', 'create', {
                'name': login.capitalize(), 'login': login, 'password': login,
                'groups_id': [(6, 0, groups)],
            }, context={'no_reset_password': True})
        return Rpc(self.stack.url, self.stack.odoo.database, login, login)

    def export(self, name):
        """Return the file of the portal, with the entries of a name only."""
        text = self.control('GET', f'settlements/{NOK_UNIT.msn}/file')['csv']
        header, *rows = csv.reader(io.StringIO(text))
        file = io.StringIO()
        place = header.index("Ordre-ID/Referanse")
        csv.writer(file).writerows([
            header, *(row for row in rows if row[place].startswith(f'{name}-')),
        ])
        return base64.b64encode(file.getvalue().encode()).decode()

    def upload(self, who, content):
        """Import a file with the dialog; returns its id."""
        dialog = who('vipps.settlement.import', 'create', {
            'name': "entries.csv", 'content': content,
        })
        (read,) = who('vipps.settlement.import', 'read', [dialog], ['file_ids'])
        file, = read['file_ids']
        return file

    def find_last_file(self):
        """Return the id of the newest file, in a list."""
        return self.accountant('vipps.settlement.file', 'search', [], limit=1)

    def read_files(self, files):
        """Return the files as an accountant sees them."""
        return self.accountant('vipps.settlement.file', 'read', files, [
            'state', 'row_count', 'new_count', 'known_count', 'result',
        ])

    def wait_for_files(self, *files):
        """Wait until the files are read, and return them."""
        return wait_until(
            lambda: self.read_files(files),
            lambda found: all(file['state'] == 'done' for file in found),
        )

    def fetch_too(self):
        """Let the API say the same, and check that all is there once."""
        self.settle(access=True)
        self.start()
        self.assert_settled()

    def test_two_people_import_the_same_file_at_the_same_moment(self):
        people = [self.accountant, self.hire('lars')]
        for number in range(3):
            name = f'both{number}'
            self.add_entries(name)
            files = at_once(*[partial(self.upload, who, self.export(name)) for who in people])
            at_once(self.start, *[
                partial(who, 'vipps.settlement.file', 'action_read', [file])
                for who, file in zip(people, files, strict=True)
            ])
            first, second = sorted(
                self.wait_for_files(*files), key=lambda file: file['known_count']
            )
            self.assertEqual((first['new_count'], first['known_count']), (COUNT, 0))
            self.assertEqual((second['new_count'], second['known_count']), (0, COUNT))
            self.assertEqual(
                second['result'], f"0 entries are new, and {COUNT} were known before."
            )
        self.fetch_too()

    def test_a_worker_is_killed_while_a_file_is_read(self):
        for number, (step, (table, condition)) in enumerate(FILE_STEPS.items()):
            for in_commit in (False, True):
                with self.subTest(step, in_commit=in_commit):
                    name = f'file{number}{int(in_commit)}'
                    # Those without an amount are not booked.
                    self.settle('/entries', entries=[{
                        'topic': 'funds', 'entryType': 'correction', 'amount': 0,
                        'reference': f'{name}-0',
                    }] * PIECE)
                    self.add_entries(name)
                    self.kill_at(
                        table, condition.format(name=name),
                        partial(self.upload, self.accountant, self.export(name)),
                        in_commit, 'WorkerCron',
                    )
                    self.start()
                    read, = self.wait_for_files(*self.find_last_file())
                    self.assertEqual(read['row_count'], PIECE + COUNT)
                    self.assertEqual((read['new_count'], read['known_count']), (PIECE + COUNT, 0))
        self.fetch_too()
