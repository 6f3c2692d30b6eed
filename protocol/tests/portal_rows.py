"""Rows of a file from the portal, and the ways in which it is saved."""

import csv
import io
from datetime import date, datetime

from .. import portal_file
from ..portal_file import PortalEntry, read_portal_file

NORWEGIAN = (
    "Salgssted,MSN/Vippsnummer,Land,Betalingsløsning,Tidspunkt,Bokføringsdato,Type,Beløp,Balanse,"
    "Gebyr,Nettobeløp,Valuta,Kundens navn,Kundens telefonnummer,Melding,Kategori,PSP-referanse,"
    "Ordre-ID/Referanse,Utbetalingsnummer,Bankkonto for utbetaling,Planlagt utbetalingsdato"
).split(',')
ENGLISH = (
    "Sales unit,MSN/Vipps number,Country,Payment solution,Time,Booking date,Type,Amount,Balance,"
    "Fee,Net amount,Currency,Customer name,Customer phone number,Message,Category,PSP reference,"
    "Order ID/Reference,Payout number,Payout bank account,Scheduled payout date"
).split(',')
ROWS = [
    ["Butikk Ås", "548005", "NO", "ePayment", "2026-03-23 14:02:11", "2026-03-23", "Belastning",
     "2700.00", "2700.00", "-47.25", "2652.75", "NOK", "Kari Nordmann", "+47 XXXXX321",
     "For Kari,\nby \"Ola\"", "SALE", "3343121302", "S00012", "2000167", "86011117947",
     "2026-03-25"],
    ["Butikk Ås", "548005", "NO", "ePayment", "2026-03-24 00:12:40", "2026-03-23",
     "Gebyrer fratrukket", "-47.25", "2652.75", "", "", "NOK", "", "", "", "", "460017-20260323",
     "", "2000167", "86011117947", "2026-03-25"],
    ["Butikk Ås", "548005", "NO", "ePayment", "2026-03-24 00:12:41", "2026-03-23",
     "Utbetaling planlagt", "-2652.75", "0.00", "", "", "NOK", "", "", "", "", "460017-2000167",
     "Utb. 2000167 Vippsnr 548005", "2000167", "86011117947", "2026-03-25"],
]
TYPES = {
    "Belastning": "Capture", "Gebyrer fratrukket": "Fees retained",
    "Utbetaling planlagt": "Payout scheduled", "Refusjon": "Refund",
}
ENTRIES = [
    PortalEntry(
        '548005', "Butikk Ås", 'capture', '3343121302', 'S00012', 'NOK', date(2026, 3, 23),
        datetime(2026, 3, 23, 14, 2, 11), 270000, 270000, -4725, '2000167',
    ),
    PortalEntry(
        '548005', "Butikk Ås", 'fees-retained', '460017-20260323', '', 'NOK', date(2026, 3, 23),
        datetime(2026, 3, 24, 0, 12, 40), -4725, 265275, None, '2000167',
    ),
    PortalEntry(
        '548005', "Butikk Ås", 'payout-scheduled', '460017-2000167', "Utb. 2000167 Vippsnr 548005",
        'NOK', date(2026, 3, 23), datetime(2026, 3, 24, 0, 12, 41), -265275, 0, None, '2000167',
    ),
]
AMOUNTS = [NORWEGIAN.index(name) for name in ("Beløp", "Balanse", "Gebyr", "Nettobeløp")]
DATES = [NORWEGIAN.index(name) for name in ("Tidspunkt", "Bokføringsdato")]


def write(rows=ROWS, header=NORWEGIAN, encoding='utf-8', delimiter=',', end='\r\n'):
    file = io.StringIO()
    csv.writer(file, delimiter=delimiter, lineterminator=end).writerows([header, *rows])
    return file.getvalue().encode(encoding)


def read(content):
    return list(read_portal_file(io.BytesIO(content)))


def change(row=0, **cells):
    """Return the rows with other cells, by the columns of `portal_file`."""
    rows = [list(each) for each in ROWS]
    for column, cell in cells.items():
        [place] = [NORWEGIAN.index(n) for n in portal_file.COLUMNS[column] if n in NORWEGIAN]
        rows[row][place] = cell
    return rows


def save_by_excel(rows, with_seconds=False):
    """Return rows as Excel shows them in Norway, and as it saves them in CSV."""
    def show(place, cell):
        if place in AMOUNTS and cell:
            whole, _point, part = cell.partition('.')
            part = part.rstrip('0')
            return f'{whole},{part}' if part else whole
        if place in DATES and cell:
            day, _blank, time = cell.partition(' ')
            day = '.'.join(reversed(day.split('-')))
            return f'{day} {time if with_seconds else time[:5]}'.strip()
        return cell
    return [[show(place, cell) for place, cell in enumerate(row)] for row in rows]
