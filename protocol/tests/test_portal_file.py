import io
import random
import unittest
import zipfile
from datetime import date, datetime
from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st

from .. import portal_file, portal_row, table
from ..portal_file import PortalEntry
from ..table import BROKEN, OLD_EXCEL, UnreadableFile
from .portal_rows import (
    AMOUNTS,
    DATES,
    ENGLISH,
    ENTRIES,
    NORWEGIAN,
    ROWS,
    TYPES,
    change,
    read,
    save_by_excel,
    write,
)
from .xlsx import Raw, make_xlsx


class TestReading(unittest.TestCase):

    def test_csv_in_both_languages(self):
        self.assertEqual(read(write()), ENTRIES)
        rows = [[TYPES.get(cell, cell) for cell in row] for row in ROWS]
        self.assertEqual(read(write(rows, ENGLISH)), ENTRIES)

    def test_ledger_and_payout_are_told_by_the_reference(self):
        self.assertEqual(
            [(entry.ledger_number, entry.own_payout_number) for entry in read(write())],
            [(None, None), ('460017', None), ('460017', '2000167')],
        )
        payout = ENTRIES[2]._replace(psp_reference='01H7W7Q6Y5R-3G58CTAZX0MHKV2')
        self.assertEqual((payout.ledger_number, payout.own_payout_number), (None, '2000167'))
        capture = ENTRIES[0]._replace(psp_reference='123-456')
        self.assertEqual((capture.ledger_number, capture.own_payout_number), (None, None))

    def test_no_personal_data_is_kept(self):
        content = write()
        for entry in read(content):
            for text in ("Kari", "XXXXX", "Ola"):
                self.assertNotIn(text, str(entry))
                self.assertNotIn(text, entry.dump())

    def test_columns_in_any_order_and_others_and_fewer(self):
        places = list(range(len(NORWEGIAN)))
        random.Random(3).shuffle(places)
        rows = [[row[place] for place in places] + ["new"] for row in ROWS]
        header = [NORWEGIAN[place] for place in places] + ["Ny kolonne"]
        self.assertEqual(read(write(rows, header)), ENTRIES)
        required = [
            NORWEGIAN.index(name) for column in portal_file.REQUIRED_COLUMNS
            for name in portal_file.COLUMNS[column] if name in NORWEGIAN
        ]
        rows = [[row[place] for place in required] for row in ROWS]
        self.assertEqual(read(write(rows, [NORWEGIAN[place] for place in required])), [
            entry._replace(
                msn='', unit_name='', reference='', time=None, balance=None, fee=None,
                payout_number='',
            ) for entry in ENTRIES
        ])

    def test_encodings(self):
        for encoding in ('utf-8', 'utf-8-sig', 'utf-16', 'cp1252', 'cp850', 'mac-roman'):
            for end in ('\r\n', '\n', '\r'):
                with self.subTest(encoding=encoding, end=end):
                    self.assertEqual(read(write(encoding=encoding, end=end)), ENTRIES)

    def test_names_that_an_old_encoding_lacks(self):
        content = write(change(unit_name="Butikk \u0141")).replace("\u0141".encode(), b'\x81')
        entries = read(content.decode('utf-8', 'surrogateescape').encode(
            'cp1252', 'surrogateescape'
        ))
        self.assertEqual(len(entries), 3)

    def test_english_headers_in_an_old_encoding(self):
        rows = [[TYPES.get(cell, cell) for cell in row] for row in ROWS]
        self.assertEqual(read(write(rows, ENGLISH, 'cp1252')), ENTRIES)

    def test_saved_by_excel(self):
        without_seconds = [
            entry._replace(time=entry.time.replace(second=0)) for entry in ENTRIES
        ]
        rows = save_by_excel(ROWS)
        self.assertEqual(rows[0][DATES[0]], "23.03.2026 14:02")
        self.assertEqual(rows[0][AMOUNTS[2]], "-47,25")
        for encoding, delimiter in (
            ('cp1252', ';'), ('utf-8-sig', ';'), ('utf-16', '\t'), ('cp850', ';'),
        ):
            with self.subTest(encoding=encoding):
                content = write(rows, encoding=encoding, delimiter=delimiter)
                self.assertEqual(read(content), without_seconds)
        self.assertEqual(read(write(save_by_excel(ROWS, True), delimiter=';')), ENTRIES)

    def test_opened_by_excel_in_the_wrong_encoding(self):
        garbled = write(delimiter=';').decode('cp1252', 'replace').encode()
        self.assertEqual(read(garbled), [
            entry._replace(unit_name=entry.unit_name.encode().decode('cp1252'))
            for entry in ENTRIES
        ])

    def test_amounts(self):
        for text, amount in (
            ("2700", 270000), ("2700.5", 270050), ("2700,50", 270050), ("2 700,50", 270050),
            ("2\u00a0700,50", 270050), ("2\u202f700", 270000), ("2.700,50", 270050),
            ("2,700.50", 270050), ("1.234.567,8", 123456780), ("-47.25", -4725),
            ("\u221247,25", -4725), ("+1", 100), ("0", 0), ("-0.05", -5),
        ):
            with self.subTest(text=text):
                [entry, *_others] = read(write(change(amount=text)))
                self.assertEqual(entry.amount, amount)

    def test_amounts_that_can_be_read_in_two_ways(self):
        for text in ("2.700", "2,700", "1.234,567", "27.005", "2 70,00", "1,2,3", "kr 5", "(5)",
                     "5-", "1e3", "NaN", "Infinity", "٣", "9" * 17, "", "--1", "0x1"):
            with self.subTest(text=text):
                self._assert_refused(write(change(amount=text)), portal_row.WRONG_CELL)

    def test_dates(self):
        for text in ("2026-03-23", "23.03.2026", "23.3.2026", "23-03-2026", "2026-03-23 00:00:00",
                     "2026-03-23T00:00:00"):
            with self.subTest(text=text):
                self.assertEqual(
                    read(write(change(ledger_date=text)))[0].ledger_date, date(2026, 3, 23)
                )
        for text in ("03/23/2026", "23.03.26", "2026-02-30", "23 March", "", "2026-03-23 25:00"):
            with self.subTest(text=text):
                self._assert_refused(write(change(ledger_date=text)), portal_row.WRONG_CELL)

    def test_times(self):
        for text, time in (
            ("23.03.2026 14:02:11", datetime(2026, 3, 23, 14, 2, 11)),
            ("23-03-2026 14.02", datetime(2026, 3, 23, 14, 2)),
            ("23.3.2026 9.02.11", datetime(2026, 3, 23, 9, 2, 11)),
            ("23.03.2026", None), ("", None),
        ):
            with self.subTest(text=text):
                self.assertEqual(read(write(change(time=text)))[0].time, time)
        self._assert_refused(write(change(time="yesterday")), portal_row.WRONG_CELL)

    def test_types_by_their_labels(self):
        for label, kind in (
            ("Refusjon", 'refund'), ("Refund", 'refund'),
            ("  payout  SCHEDULED", 'payout-scheduled'),
            ("Scheduled for payout", 'payout-scheduled'), ("Top-up", 'top-up'),
            ("Retained disputed capture", 'retained-disputed-capture'), ("Ny ting", 'ny-ting'),
        ):
            with self.subTest(label=label):
                entry = read(write(change(type=label, amount="-5.00")))[0]
                self.assertEqual((entry.entry_type, entry.amount), (kind, -500))

    def test_dumped_entries_are_the_same(self):
        for entry in ENTRIES:
            self.assertEqual(PortalEntry.load(entry.dump()), entry)
            self.assertNotIn('\n', entry.dump())

    def _assert_refused(self, content, sentence, text=None):
        with self.assertRaises(UnreadableFile) as caught:
            read(content)
        self.assertEqual(caught.exception.sentence, sentence)
        self.assertNotIn("Kari", str(caught.exception))
        if text:
            self.assertIn(text, str(caught.exception))

    #=== Refused ===#

    def test_other_files(self):
        other, old = portal_file.OTHER_FILE, portal_file.OLD_FILE
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, 'w') as file:
            file.writestr('report.xml', "<SettlementReport/>")
        for content, sentence in (
            (b"", other), (b"\n\n", other), (b"%PDF-1.4", other), (b"\x00\x01\x02" * 99, other),
            (b"<?xml version='1.0'?><SettlementReport/>", other),
            ("\ufeff<SettlementReport/>".encode(), other),
            (archive.getvalue(), other),
            (b"Date,Text,Type,Amount\n2026-03-23,Salary,X,5\n", other),
            (b"Navn;Valuta\nKari;NOK\n", other),
            (b"SettlementInfo,2000167,23.03.2026\nFeeInfo,1\n", old),
            (("Salgsdato,Salgssted,Vippsnummer,Produkt,Transaksjons-ID,Ordre-ID,Brutto,Gebyr,Netto,"
              "Transaksjonstype,Oppgjørs-ID,Oppgjørsdato,Oppgjørssum,Oppgjørskonto,Fornavn,"
              "Etternavn,Melding\n").encode(), old),
            (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", OLD_EXCEL),
            (b"PK\x03\x04 cut off", BROKEN),
            (write([]), portal_file.NO_ENTRIES),
        ):
            with self.subTest(content=content[:30]):
                self._assert_refused(content, sentence)

    def test_missing_and_double_columns(self):
        rows = [[cell for place, cell in enumerate(row) if place != AMOUNTS[0]] for row in ROWS]
        header = [name for name in NORWEGIAN if name != "Beløp"]
        self._assert_refused(write(rows, header), portal_file.MISSING_COLUMN, "Beløp / Amount")
        self._assert_refused(
            write([[*row, "1"] for row in ROWS], [*NORWEGIAN, "amount"]),
            portal_file.DOUBLE_COLUMN, "amount",
        )

    def test_labels_of_an_unknown_language(self):
        rows = [[f"Uusi {cell}" if place == 6 else cell for place, cell in enumerate(row)]
                for row in ROWS]
        self._assert_refused(write(rows), portal_file.NO_TYPE_KNOWN)

    def test_formulas(self):
        for cells in (
            {'amount': "=1+1"}, {'reference': "=HYPERLINK(1)"}, {'reference': "@SUM(1)"},
            {'psp_reference': "+1"}, {'currency': "=A1"}, {'ledger_date': "=TODAY()"},
        ):
            with self.subTest(cells=cells):
                self._assert_refused(write(change(1, **cells)), portal_row.FORMULA, "Row 3")

    def test_what_customers_write_is_no_formula(self):
        rows = [list(row) for row in ROWS]
        rows[0][NORWEGIAN.index("Melding")] = "=D"
        self.assertEqual(read(write(rows)), ENTRIES)

    def test_numbers_that_excel_has_shortened(self):
        for cells in ({'psp_reference': "3,34312E+13"}, {'psp_reference': "3E+13"},
                      {'reference': "1.2E+20"}):
            with self.subTest(cells=cells):
                self._assert_refused(write(change(**cells)), portal_row.SHORTENED, "Row 2")

    def test_rows_that_lack_something(self):
        for column in ('type', 'psp_reference'):
            with self.subTest(column=column):
                self._assert_refused(write(change(2, **{column: ""})), portal_row.WRONG_CELL)
        self._assert_refused(write(change(currency="")), portal_file.OTHER_CURRENCY)
        self._assert_refused(write(change(currency="USD")), portal_file.OTHER_CURRENCY)
        self._assert_refused(write(change(psp_reference="a\x00b")), portal_row.WRONG_CELL)

    def test_a_file_that_was_cut_off(self):
        content = write()
        end = len(content) - len("7,2000167,86011117947,2026-03-25\r\n")
        self._assert_refused(content[:end], portal_file.CUT_OFF, "Row 4")
        self._assert_refused(
            content[:content.index(b"For Kari,") + 9], BROKEN,
        )

    def test_empty_rows_are_left_out(self):
        self.assertEqual(read(write([[""] * 21, *ROWS, [""] * 21, []])), ENTRIES)

    @given(st.binary(max_size=200), st.integers(0, 400))
    def test_a_damaged_file_is_read_or_refused(self, damage, place):
        for content in (write(), make_xlsx([NORWEGIAN, *ROWS])):
            try:
                read(content[:place] + damage + content[place + len(damage):])
            except UnreadableFile:
                pass


class TestXlsx(unittest.TestCase):

    def _make_rows(self):
        """Return the rows as Excel holds them: numbers, and dates as numbers of days."""
        rows = [[cell or None for cell in row] for row in ROWS]
        for row in rows:
            for place in AMOUNTS:
                row[place] = row[place] and float(row[place])
            for place in DATES:
                moment = datetime.fromisoformat(row[place]) - portal_row.FIRST_DAY
                row[place] = moment.total_seconds() / 86400
            for name in ("MSN/Vippsnummer", "Utbetalingsnummer"):
                row[NORWEGIAN.index(name)] = int(row[NORWEGIAN.index(name)])
        rows[0][NORWEGIAN.index("PSP-referanse")] = 3343121302
        return rows

    def test_texts_and_numbers(self):
        for shared in (True, False):
            self.assertEqual(read(make_xlsx([NORWEGIAN, *ROWS], shared=shared)), ENTRIES)
            self.assertEqual(
                read(make_xlsx([NORWEGIAN, *self._make_rows()], shared=shared)), ENTRIES
            )

    def test_empty_cells_at_the_end_of_rows(self):
        rows = [NORWEGIAN, *(row[:19] for row in self._make_rows()), [], [Raw('<c r="{}"/>')] * 25]
        self.assertEqual(read(make_xlsx(rows)), ENTRIES)

    def test_a_number_is_not_shortened(self):
        rows = self._make_rows()
        rows[0][16] = 33431213020001230000
        with self.assertRaises(UnreadableFile) as caught:
            read(make_xlsx([NORWEGIAN, *rows]))
        self.assertEqual(caught.exception.sentence, portal_row.SHORTENED)

    def test_formulas_are_refused_but_in_columns_that_nobody_reads(self):
        formula = Raw('<c r="{}"><f>1+1</f><v>2</v></c>')
        for place in range(len(NORWEGIAN)):
            rows = self._make_rows()
            rows[0][place] = formula
            content = make_xlsx([NORWEGIAN, *rows])
            with self.subTest(column=NORWEGIAN[place]):
                if NORWEGIAN[place] not in {
                    name for names in portal_file.COLUMNS.values() for name in names
                }:
                    self.assertEqual(read(content), ENTRIES)
                    continue
                with self.assertRaises(UnreadableFile) as caught:
                    read(content)
                self.assertEqual(caught.exception.sentence, portal_row.FORMULA)

    def test_as_many_columns_as_there_may_be(self):
        self.assertEqual(
            read(make_xlsx([[*NORWEGIAN, Raw('<c r="IV1"/>')], *ROWS])), ENTRIES
        )

    def test_more_texts_than_there_may_be(self):
        content = make_xlsx([NORWEGIAN, *ROWS])
        count = len({cell for row in [NORWEGIAN, *ROWS] for cell in row})
        with patch.object(table, 'MAX_SHARED_TEXTS', count):
            self.assertEqual(read(content), ENTRIES)
        with patch.object(table, 'MAX_SHARED_TEXTS', count - 1), \
                self.assertRaises(UnreadableFile) as caught:
            read(content)
        self.assertEqual(caught.exception.sentence, BROKEN)

    def test_strange_workbooks(self):
        rows = [NORWEGIAN, *ROWS]
        entities = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">]><worksheet>&a;</worksheet>'
        for content, sentence in (
            (make_xlsx(rows, settings='date1904="1"'), OLD_EXCEL),
            (make_xlsx(rows, sheet=entities), BROKEN),
            (make_xlsx(rows, workbook=entities), BROKEN),
            (make_xlsx(rows, texts='<sst/>'), BROKEN),
            (make_xlsx(rows, sheet='<worksheet>'), BROKEN),
            (make_xlsx([NORWEGIAN, [Raw('<c r="B1"><v>x</v></c>')]]), BROKEN),
            (make_xlsx([NORWEGIAN, [Raw('<c r="ZZZ1"><v>1</v></c>')]]), BROKEN),
            (make_xlsx([[*NORWEGIAN, Raw('<c r="IW1"/>')], *ROWS]), BROKEN),
            (make_xlsx([NORWEGIAN, [Raw('<c r="B1"/><c r="A1"/>')]]), BROKEN),
            (make_xlsx([["a"]]), portal_file.OTHER_FILE),
            (make_xlsx([]), portal_file.OTHER_FILE),
        ):
            with self.subTest(sentence=sentence), self.assertRaises(UnreadableFile) as caught:
                read(content)
            self.assertEqual(caught.exception.sentence, sentence)
