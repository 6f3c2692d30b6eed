# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from datetime import date, timedelta

from psycopg2 import IntegrityError

from odoo.fields import Command
from odoo.tests import tagged
from odoo.tools import mute_logger

from ...models.settlement import file as settlement_file
from ...simulator.sales_units import NOK_UNIT
from .file_common import FileCommon


@tagged('post_install', '-at_install')
class TestBadInput(FileCommon):
    """ What people change between the fetching and the booking of entries, and large files. """

    def _fetch_only(self, change=None):
        """ Fetch the entries, have something change, and book them. """
        journal = self.ledger.journal_id
        journal.active = False
        self._settle(days=1)
        self.assertEqual(self._get_entries('capture').state, 'new')
        if change:
            change()
        journal.active = True
        self._settle()
        return self._get_entries('capture')

    def _check_settled(self):
        """ Check that all is booked once and matched. """
        self.assertFalse(self.ledger.booking_error)
        entries = self._get_entries()
        self.assertEqual(set(entries.mapped('state')), {'matched'}, entries.mapped('reason'))
        self.assertEqual(len(entries.statement_line_id), len(entries))
        self.assertEqual(self.ledger.book_balance, 0)
        self._assert_balanced()
        lines = self.env['account.move.line'].search([])
        self._look_again()
        self.assertEqual(self.env['account.move.line'].search([]), lines)

    #=== Journals and accounts ===#

    def test_each_account_that_cannot_be_used_is_said(self):
        self.ledger = self._set_up()
        self._sell(100)
        journal, company = self.ledger.journal_id, self.company
        self.ledger.opening_account_id = opening = (
            self.company_data['default_account_revenue'].copy({'code': '409998'})
        )
        transfer, suspense = company.transfer_account_id, journal.suspense_account_id
        unused, closed = "no longer in use", "does not allow reconciliation"
        for record, values, text in (
            (journal.default_account_id, {'deprecated': True}, unused),
            (suspense, {'deprecated': True}, unused),
            (journal, {'suspense_account_id': False}, unused),
            (self.ledger.fee_account_id, {'deprecated': True}, unused),
            (self.ledger, {'fee_account_id': False}, unused),
            (self.ledger.dispute_account_id, {'deprecated': True}, unused),
            (transfer, {'deprecated': True}, unused),
            (transfer, {'reconcile': False}, closed),
            (company, {'transfer_account_id': False}, unused),
            (opening, {'deprecated': True}, unused),
        ):
            with self.subTest(record=record, values=values):
                before = {name: record[name] for name in values}
                record.write(values)
                self._settle()
                self.assertIn(text, self.ledger.booking_error)
                self.assertEqual(self._get_entries('capture').state, 'new')
                record.write(before)
                self.env.flush_all()
        self._settle(days=1)
        self._check_settled()

    def test_journals_and_accounts_that_are_used_are_not_deleted(self):
        self.ledger = self._set_up()
        self._sell(100)
        account = self.ledger.fee_account_id.copy({'code': '777798'})
        self.ledger.fee_account_id = account
        for record in (self.ledger.journal_id, account, self.ledger.dispute_account_id):
            with (
                self.subTest(record=record), mute_logger('odoo.sql_db'),
                self.assertRaises(IntegrityError), self.env.cr.savepoint(),
            ):
                record.unlink()
            self.env.invalidate_all()
        self._settle(days=1)
        self._check_settled()

    #=== Between fetching and booking ===#

    def test_a_period_that_is_locked_after_the_entries_came(self):
        self.ledger = self._set_up()
        tx = self._sell(100)
        day = self.settlement.find(NOK_UNIT.msn).open_date
        entry = self._fetch_only(lambda: self.company.write({'fiscalyear_lock_date': day}))
        self.assertEqual(entry.ledger_date, day)
        self.assertEqual(
            set(self._get_entries().statement_line_id.mapped('date')), {day + timedelta(days=1)}
        )
        self.assertTrue(tx.payment_id.is_matched)
        self._check_settled()

    def test_a_payment_that_is_reset_to_draft_after_its_entry_came(self):
        self.ledger = self._set_up()
        payment = self._sell(100).payment_id
        entry = self._fetch_only(payment.action_draft)
        self.assertEqual(entry.state, 'waiting')
        self.assertIn("Post it", entry.reason)
        payment.action_post()
        self._look_again()
        self.assertTrue(payment.is_matched)
        self._check_settled()

    def test_a_payment_that_is_deleted_after_its_entry_came(self):
        self.ledger = self._set_up()
        payment = self._sell(100).payment_id

        def delete():
            payment.action_draft()
            payment.unlink()

        entry = self._fetch_only(delete)
        self.assertEqual(entry.state, 'check')
        self.assertIn("was deleted. Book the amount by hand, and press Done", entry.reason)
        self.assertEqual(entry.statement_line_id.amount, 100)
        self._look_again()
        self.assertEqual(entry.state, 'check')
        self.assertEqual(self.ledger.book_balance, 0)

    def test_a_line_that_a_person_matches_while_its_entry_waits(self):
        self.ledger = self._set_up()
        payment = self._sell(100).payment_id
        entry = self._fetch_only(payment.action_draft)
        line = entry.statement_line_id
        line.action_undo_reconciliation()
        suspense = line._seek_for_lines()[1]
        line.move_id.with_context(
            skip_account_move_synchronization=True, force_delete=True,
        ).write({'line_ids': [Command.delete(suspense.id), Command.create({
            'account_id': self.company_data['default_account_revenue'].id,
            'name': "By hand", 'balance': -100,
        })]})
        self._look_again()
        self.assertEqual((entry.state, entry.reason), ('done', False))
        payment.action_post()
        self._look_again()
        self.assertEqual(entry.state, 'done')
        self.assertFalse(payment.is_matched)
        self.assertEqual(line.move_id.line_ids.mapped('name')[-1], "By hand")

    #=== Large files ===#

    def test_a_file_of_200_000_rows_is_read_in_pieces(self):
        count = 200_000
        header = self._read_rows()[0]
        places = [header.index(name) for name in (
            "MSN/Vippsnummer", "Type", "Valuta", "Bokføringsdato", "Tidspunkt", "Beløp", "Balanse",
            "PSP-referanse",
        )]
        first, rows = date(2026, 3, 1), [header]
        for number in range(count):
            day, row = first + timedelta(days=number // 8000), [''] * len(header)
            for place, cell in zip(places, (
                NOK_UNIT.msn, "Belastning", "NOK", str(day), f"{day} 12:00:00", "1.00",
                f"{number + 1}.00", f"m{number}",
            ), strict=True):
                row[place] = cell
            rows.append(row)
        self.ledger = self._set_up(start_date=first)
        self._without_access()
        [file] = self._import(self._export(change=lambda _rows: rows))
        self.assertEqual(file.row_count, count)
        for piece in range(1, 4):
            self.assertEqual(self.ledger._read_files(), 'done')
            self.assertEqual(file.new_count, piece * settlement_file.READING_LIMIT)
        self.assertIn(f"{file.new_count} of {count} rows are read", file.result)
        # The last ones, as if the others had been read.
        lines = file.sudo()._open_content().read().splitlines(keepends=True)
        left = 100
        file.position = sum(map(len, lines[:-left]))
        file.new_count = count - left
        self.assertEqual(self.ledger._read_files(), 'done')
        self.assertEqual((file.state, file.new_count), ('done', count))
        self.assertEqual(self._get_entries()[-1].psp_reference, f"m{count - 1}")
