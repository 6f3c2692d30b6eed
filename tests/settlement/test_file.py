# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import base64
from datetime import date, timedelta

from odoo import fields
from odoo.exceptions import AccessError, UserError
from odoo.tests import tagged

from ...simulator.sales_units import NOK_UNIT
from .file_common import FileCommon

# What an entry is in the end, from wherever it comes.
IDENTITY = (
    'ledger_date', 'entry_type', 'amount', 'balance_before', 'balance_after', 'psp_reference',
    'reference', 'msn', 'time', 'fee_amount', 'net_amount', 'state', 'category',
)


@tagged('post_install', '-at_install')
class TestFile(FileCommon):
    """ Files from the portal: the same entries and books as by the API, once. """

    has_second_company = True

    def _refuse(self, content, text):
        files = self.env['vipps.settlement.file'].search([])
        with self.assertRaisesRegex(UserError, text) as caught, self.env.cr.savepoint():
            self._import(content)
        self.assertNotIn("Kari", str(caught.exception))
        self.assertEqual(self.env['vipps.settlement.file'].search([]), files)

    def _describe(self):
        """ Return the entries and the statement lines, however they came. """
        entries = self._get_entries()
        return (
            [tuple(entry[name] for name in IDENTITY) for entry in entries],
            sorted(
                (line.date, line.amount, line.payment_ref, line.is_reconciled)
                for line in entries.statement_line_id
            ),
            sorted(self.env['vipps.settlement.payout'].search([]).mapped(
                lambda payout: (payout.number, payout.amount, payout.payment_amount,
                                payout.refund_amount, payout.fee_amount)
            )),
        )

    def _check_all_is_booked(self, count=10):
        entries = self._get_entries()
        self.assertEqual(len(entries), count, entries.mapped('display_name'))
        self.assertEqual(set(entries.mapped('state')), {'matched'}, entries.mapped('reason'))
        self.assertEqual(entries.ledger_id.book_balance, 0)
        self.assertFalse(entries.ledger_id.booking_error)
        self.assertFalse(entries.ledger_id.gap)

    #=== The same in all ways ===#

    def test_api_file_and_both_end_in_the_same_entries_and_books(self):
        self._take_a_week()
        ledger = self._set_up()
        described = {}
        for name, steps in (
            ('api', [self._settle]),
            ('file', [self._without_access, self._import, self._settle]),
            ('file, then api', [self._without_access, self._import, self._settle,
                                self._with_access, self._settle]),
            ('api, then file', [self._settle, self._import, self._settle]),
            ('both at once', [self._import, self._import, self._settle, self._settle]),
        ):
            savepoint = self.env.cr.savepoint(flush=True)
            for step in steps:
                step()
            self.env.invalidate_all()
            described[name] = self._describe()
            self._check_all_is_booked(count=len(self.settlement.entries(NOK_UNIT.msn)))
            self.assertEqual(
                set(self.env['vipps.settlement.file'].search([]).mapped('state')) - {'done'}, set()
            )
            self._with_access()
            savepoint.rollback()
            savepoint.close(rollback=False)
            self.env.invalidate_all()
        self.assertFalse(self.env['vipps.settlement.entry'].search([('ledger_id', '=', ledger.id)]))
        for name, values in described.items():
            with self.subTest(name):
                self.assertEqual(values, described['api'])

    def test_overlapping_files_in_another_order(self):
        self._take_a_week()
        self._set_up()
        self._without_access()
        rows = self._read_rows()
        second_day = rows[-1][5]
        [late] = self._import(self._export(change=lambda rows: [
            row for row in rows if row[5] in ("Bokføringsdato", second_day)
        ]))
        self._settle()
        [all_rows] = self._import()
        self._settle()
        self.assertEqual((late.state, late.known_count), ('done', 0))
        self.assertEqual(all_rows.known_count, late.new_count)
        self.assertEqual(all_rows.new_count + late.new_count, all_rows.row_count)
        self.assertEqual(len(self._get_entries()), all_rows.row_count)

    def test_retained_fees_have_another_reference_in_files(self):
        self._take_a_week()
        self._set_up()
        self._settle()
        entries = self._get_entries()

        def change(rows):
            return [[cell.replace('-2', '-7') if 'Gebyrer' in row[6] and place == 16 else cell
                     for place, cell in enumerate(row)] for row in rows]

        self._import(self._export(change=change))
        self._settle()
        self.assertEqual(self._get_entries(), entries)

    def test_fees_of_files_give_way_to_those_of_the_api(self):
        self._configure(late_fees=True)
        self._sell(100)
        self.settlement.close(NOK_UNIT.msn, 2)
        self._set_up()
        self._without_access()
        self._import(self._export(change=lambda rows: [
            ["-1.23" if cell == "-3.99" else cell for cell in row] for row in rows
        ]))
        self._settle()
        capture = self._get_entries('capture')
        self.assertEqual((capture.fee_amount, capture.net_amount), (-1.23, 98.77))
        self._with_access()
        self._settle()
        self.assertEqual((capture.fee_amount, capture.net_amount), (-3.99, 96.01))

    #=== Opened and saved by Excel ===#

    def test_saved_files_have_the_same_entries(self):
        self._take_a_week()
        self._set_up()
        self._settle()
        entries = self._get_entries()
        for values in (
            {'language': 'en'}, {'delimiter': ';', 'encoding': 'cp1252'},
            {'delimiter': '\t', 'encoding': 'utf-16'},
            {'delimiter': ';', 'encoding': 'cp1252', 'change': self._save_by_excel},
            {'change': self._shuffle}, {'change': lambda rows: [rows[0], *rows[:0:-1]]},
        ):
            with self.subTest(**values):
                [file] = self._import(self._export(**values))
                self._settle()
                self.assertEqual((file.state, file.new_count), ('done', 0), file.result)
                self.assertEqual(file.known_count, len(entries))
        self.assertEqual(self._get_entries(), entries)

    def test_saved_files_come_first(self):
        self._take_a_week()
        self._set_up()
        for change in (self._save_by_excel, self._shuffle, lambda rows: [rows[0], *rows[:0:-1]]):
            with self.subTest(change=change):
                savepoint = self.env.cr.savepoint(flush=True)
                self._without_access()
                self._import(self._export(change=change))
                self._settle()
                self._check_all_is_booked(len(self._read_rows()) - 1)
                self._with_access()
                self._settle()
                self._check_all_is_booked(len(self._read_rows()) - 1)
                savepoint.rollback()
                savepoint.close(rollback=False)
                self.env.invalidate_all()

    def test_workbook(self):
        self._take_a_week()
        self._set_up()
        self._settle()
        [record] = self._import(self._export_workbook('en'), name="entries.xlsx")
        self._settle()
        self.assertEqual((record.new_count, record.known_count), (0, len(self._get_entries())))

    #=== Refused ===#

    def test_files_that_are_refused(self):
        self._take_a_week()
        self._set_up()
        for content, text in (
            (b"", "Choose the file"),
            (b"<SettlementReport/>", "not the list of entries"),
            (b"Oppgj\xc3\xb8rs-ID,Brutto\n", "older kind of settlement file"),
            (self._export(change=lambda rows: [[*row[:7], *row[8:]] for row in rows]),
             "no column Beløp / Amount"),
            (self._export(change=lambda rows: [*rows, [*rows[1][:7], "=1+1", *rows[1][8:]]]),
             "has a formula in the column Beløp"),
            (self._export(change=lambda rows: [
                rows[0], *([*row[:11], "DKK", *row[12:]] for row in rows[1:])
            ]), "are in DKK, and its ledger is in NOK"),
            (self._export(change=lambda rows: [
                rows[0], *([*row[:11], "USD", *row[12:]] for row in rows[1:])
            ]), "does not know the currency"),
            (self._export()[:-40], "damaged or was cut off"),
        ):
            with self.subTest(text=text):
                self._refuse(content, text)

    def test_no_dialog_without_a_file(self):
        for content in (None, False, "no base64 æ", "===="):
            with self.assertRaisesRegex(UserError, "Choose the file"):
                self.env['vipps.settlement.import'].with_user(self.bookkeeper).create({
                    'content': content,
                })

    #=== Sales units ===#

    def _make_other(self, rows, msn="999777", ledger="888"):
        """ Return rows as those of another sales unit. """
        return [
            [cell.replace(f'9{NOK_UNIT.msn}-', f'{ledger}-').replace(NOK_UNIT.msn, msn)
             for cell in row] for row in rows[1:]
        ]

    def test_a_ledger_without_access_is_made_from_its_file(self):
        self._take_a_week()
        [header, *rows] = self._read_rows()
        other = self._make_other([header, *rows])
        [file] = self._import(self._export(change=lambda rows: [header, *other]))
        ledger = file.ledger_id
        self.assertEqual((ledger.number, ledger.msn), ('888', '999777'))
        self.assertEqual((ledger.company_id, ledger.currency_id), (self.company, self.currency_nok))
        self.assertFalse(ledger.provider_id)
        self.assertIn("is not set up yet", file.result)
        self._settle()
        self.assertEqual(file.state, 'waiting')
        ledger._set_up()
        self.assertEqual(ledger.start_date, file.first_date)
        self._settle()
        self.assertEqual((file.state, file.new_count), ('done', len(other)), file.result)
        entries = self._get_entries()
        self.assertEqual(set(entries.mapped('msn')), {'999777'})
        self.assertEqual(ledger.book_balance, 0)
        self.assertEqual(ledger.funds_balance, 0)
        self.assertEqual(set(self._get_entries('capture').mapped('state')), {'matched'})
        self.assertFalse(self.env['vipps.settlement.entry'].search([('state', '=', 'new')]))

    def test_each_sales_unit_goes_to_its_ledger(self):
        self._take_a_week()
        ledger = self._set_up()
        self._without_access()
        files = self._import(self._export(change=lambda rows: [*rows, *self._make_other(rows)]))
        self.assertEqual(len(files), 2)
        own = files.filtered(lambda file: file.ledger_id == ledger)
        self.assertEqual((files - own).ledger_id.number, '888')
        self._settle()
        self.assertEqual(own.state, 'done')
        self._check_all_is_booked(own.row_count)

    def test_units_of_other_companies_are_left_out_by_name(self):
        self._take_a_week()
        self._set_up()
        other_company = self.company_data_2['company']
        self.env['vipps.settlement.ledger'].sudo().create({
            'number': '888', 'msn': '999777', 'company_id': other_company.id,
            'currency_id': self.currency_nok.id,
        })
        content = self._export(change=lambda rows: [*rows, *self._make_other(rows)])
        left_out = self._import(content).filtered(lambda file: file.state == 'skipped')
        self.assertFalse(left_out.ledger_id or left_out.sudo().content)
        self.assertRegex(left_out.result, "999777 .* belongs to another company")
        self.assertEqual(left_out.company_id, self.company)
        self._refuse(self._export(change=lambda rows: [rows[0], *self._make_other(rows)]),
                     "belongs to another company")
        # One who works in both imports all of it at once.
        self.bookkeeper.company_ids += other_company
        files = self._import(
            content, allowed_company_ids=(self.company | other_company).ids
        )
        self.assertEqual(files.company_id, self.company | other_company)
        self.assertEqual(set(files.mapped('state')), {'waiting'})

    def test_a_unit_that_nothing_tells_the_ledger_of(self):
        self._take_a_week()
        self._refuse(self._export(change=lambda rows: [
            rows[0], *(row for row in self._make_other(rows) if row[6] == "Belastning")
        ]), "these rows do not say which ledger is theirs")
        self._set_up()
        [file] = self._import(self._export(change=lambda rows: [
            rows[0], *(row for row in rows if row[6] == "Belastning")
        ]))
        self.assertEqual(file.ledger_id.number, f'9{NOK_UNIT.msn}')

    def test_a_unit_that_has_moved(self):
        self._take_a_week()
        self._set_up()
        self._refuse(self._export(change=lambda rows: [
            *rows[:-1], [cell.replace(f'9{NOK_UNIT.msn}-', '888-') for cell in rows[-1]],
        ]), "has moved to another ledger")

    #=== Storing ===#

    def test_unknown_types_keep_their_signs(self):
        self._take_a_week()
        self.settlement.add_entry(
            NOK_UNIT.msn, topic='funds', entryType='new-thing', amount=-700, pspReference='n1',
        )
        self._set_up()
        self._without_access()
        self._import(self._export(change=lambda rows: [
            ["Ny ting" if cell == "New thing" else cell for cell in row] for row in rows
        ]))
        self._settle()
        [entry] = self._get_entries('ny-ting')
        self.assertEqual((entry.amount, entry.state, entry.label), (-7, 'check', "Ny ting"))
        self._with_access()
        self._settle()
        self.assertEqual(len(self._get_entries()), len(self._read_rows()) - 1)

    def test_an_older_file_takes_the_opening_balance_back(self):
        # The first day is not paid out: the newer file begins with its balance.
        self.settlement.add_entry(
            NOK_UNIT.msn, topic='funds', entryType='correction', amount=5000, reference="first",
        )
        self.settlement.close(NOK_UNIT.msn, 1, payout=False)
        self.settlement.add_entry(
            NOK_UNIT.msn, topic='funds', entryType='correction', amount=700, reference="second",
        )
        ledger = self._set_up()
        self.vipps.state = 'disabled'
        self._import(self._export(change=lambda rows: [rows[0], rows[2]]))
        self._settle()
        self.assertEqual(self._get_entries().mapped('amount'), [50, 7])
        self._import()
        self._settle()
        self.assertEqual(self._get_entries().mapped('amount'), [50, -50, 50, 7])
        self.assertEqual(ledger.book_balance, 57)
        self.assertFalse(ledger.booking_error)

    def test_entries_before_the_first_day_are_counted(self):
        self._take_a_week()
        rows = self._read_rows()
        self._set_up(start_date=date.fromisoformat(rows[-1][5]))
        self._without_access()
        [file] = self._import()
        self._settle()
        early = sum(row[5] < rows[-1][5] for row in rows[1:])
        self.assertEqual((file.early_count, file.new_count), (early, len(rows) - 1 - early))
        self.assertIn(f"{early} are left out", file.result)

    def test_no_personal_data_is_stored(self):
        self._take_a_week()
        self._set_up()
        [file] = self._import()
        content = base64.b64decode(file.sudo().content).decode()
        self.assertIn("capture", content)
        for name in ("Kari", "XXXXX", "Ola"):
            self.assertNotIn(name, content)
        self._without_access()
        self._settle()
        self.assertFalse(file.sudo().content)
        self.env.flush_all()
        self.assertFalse(self.env['ir.attachment'].sudo().search([
            ('res_model', '=', 'vipps.settlement.file'), ('res_field', '!=', False),
        ]))
        for name in ("Kari", "XXXXX", "Ola"):
            self.assertNotIn(name, str(self._get_entries().mapped('raw')))

    def test_a_time_that_clocks_show_twice_is_not_guessed(self):
        convert = self.env['vipps.api.client']._to_utc
        nok, eur = self.currency_nok, self._prepare_currency('EUR')
        for currency, local, utc in (
            (nok, '2026-03-23 14:02:11', '2026-03-23 13:02:11'),
            (nok, '2026-07-23 14:02:11', '2026-07-23 12:02:11'),
            (eur, '2026-03-23 14:02:11', '2026-03-23 12:02:11'),
            (nok, '2026-10-25 02:30:00', None), (nok, '2026-10-25 01:59:59', '2026-10-24 23:59:59'),
            (nok, '2026-03-29 02:30:00', None), (nok, None, None),
        ):
            with self.subTest(local=local):
                moment = convert(local and fields.Datetime.to_datetime(local),
                                 currency)
                self.assertEqual(moment and str(moment), utc)

    def test_some_thousand_rows(self):
        rows = self._read_rows()
        row = dict.fromkeys(rows[0], '')
        made, balance, day = [], 0, date(2026, 3, 1)
        for number in range(3000):
            balance += 100 + number
            made.append({
                **row, "MSN/Vippsnummer": NOK_UNIT.msn, "Type": "Belastning", "Valuta": "NOK",
                "Bokføringsdato": str(day + timedelta(days=number // 150)),
                "Tidspunkt": f"{day + timedelta(days=number // 150)} 12:{number % 60:02}:00",
                "Beløp": f"{100 + number}.00", "Balanse": f"{balance}.00",
                "PSP-referanse": f"m{number}",
            })
        ledger = self._set_up(start_date=day)
        self._without_access()
        content = self._export(change=lambda rows: [rows[0], *(list(r.values()) for r in made)])
        [file] = self._import(content)
        while ledger._read_files() == 'done':
            self.env.flush_all()
        self.assertEqual((file.state, file.new_count), ('done', 3000))
        entries = self._get_entries()
        self.assertEqual(entries.mapped('psp_reference'), [f'm{n}' for n in range(3000)])
        self.assertFalse(ledger._find_gap(entries))

    #=== Rights ===#

    def test_accountants_import(self):
        self._take_a_week()
        self._set_up()
        for user in (self.accountant, self.salesman):
            with self.subTest(user=user.login), self.assertRaises(AccessError):
                self._import(user=user)
        [file] = self._import()
        self.env.flush_all()
        file.with_user(self.bookkeeper).action_read()
        self.env.invalidate_all()
        self.assertEqual(file.state, 'done')
        stranger = self._new_user(
            'vipps_file_stranger', 'base.group_user,account.group_account_user',
            self.company_data_2['company'],
        )
        with self.assertRaises(AccessError):
            file.with_user(stranger).action_read()
        with self.assertRaises(AccessError):
            file.with_user(self.bookkeeper).read(['content'])
