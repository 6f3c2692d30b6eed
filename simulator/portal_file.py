"""The list of entries that merchants export from the portal, as CSV."""

import csv
import io
from datetime import datetime, timezone

from .ledger import FEES, FUNDS

# Column -> its Norwegian and its English label. The English ones of country, solution, customer,
# message, category, and of account and date of the payout were not seen: these are our own.
LABELS = {
    'unit': ("Salgssted", "Sales unit"),
    'msn': ("MSN/Vippsnummer", "MSN/Vipps number"),
    'country': ("Land", "Country"),
    'solution': ("Betalingsløsning", "Payment solution"),
    'time': ("Tidspunkt", "Time"),
    'ledger_date': ("Bokføringsdato", "Booking date"),
    'type': ("Type", "Type"),
    'amount': ("Beløp", "Amount"),
    'balance': ("Balanse", "Balance"),
    'fee': ("Gebyr", "Fee"),
    'net': ("Nettobeløp", "Net amount"),
    'currency': ("Valuta", "Currency"),
    'name': ("Kundens navn", "Customer name"),
    'phone': ("Kundens telefonnummer", "Customer phone number"),
    'message': ("Melding", "Message"),
    'category': ("Kategori", "Category"),
    'psp_reference': ("PSP-referanse", "PSP reference"),
    'reference': ("Ordre-ID/Referanse", "Order ID/Reference"),
    'payout_number': ("Utbetalingsnummer", "Payout number"),
    'payout_account': ("Bankkonto for utbetaling", "Payout bank account"),
    'payout_date': ("Planlagt utbetalingsdato", "Scheduled payout date"),
}
LANGUAGES = ('nb', 'en')
# The Norwegian label of a refund was not seen, nor were those of other types.
TYPES = {
    'capture': ("Belastning", "Capture"),
    'refund': ("Refusjon", "Refund"),
    'fees-retained': ("Gebyrer fratrukket", "Fees retained"),
    'payout-scheduled': ("Utbetaling planlagt", "Payout scheduled"),
}
COUNTRIES = {'NOK': 'NO', 'DKK': 'DK', 'EUR': 'FI'}


def export(ledgers, language='nb'):
    """Return the file with the entries of some ledgers: amounts in major units, local times.

    :param ledgers: The ledgers.
    :param str language: One of :data:`LANGUAGES`.
    :rtype: str
    """
    if language not in LANGUAGES:
        raise ValueError(f"language must be one of {', '.join(LANGUAGES)}")
    number = LANGUAGES.index(language)
    file = io.StringIO()
    writer = csv.writer(file, lineterminator='\r\n')
    writer.writerow(labels[number] for labels in LABELS.values())
    for ledger in ledgers:
        for row in _rows(ledger, number):
            writer.writerow(row.get(column, '') for column in LABELS)
    return file.getvalue()


def _rows(ledger, language):
    fees = {}
    for fee in ledger.entries[FEES]:
        if fee['entryType'] == 'capture-fee':
            fees[fee['pspReference']] = fees.get(fee['pspReference'], 0) + fee['amount']
    payouts = {payout['pspReference']: payout for payout in ledger.payouts}
    rows, covered = [], []
    for entry in ledger.entries[FUNDS]:
        row = _row(ledger, entry, language)
        if entry['entryType'] == 'capture':
            fee = fees.get(entry['pspReference'], 0)
            row.update(
                fee=_major(fee), net=_major(entry['amount'] + fee), name="Kari Nordmann",
                phone='+47 XXXXX321', message="For Kari,\nby \"Ola\"", category='SALE',
            )
        rows.append(row)
        covered.append(row)
        payout = payouts.get(entry['pspReference'])
        if payout:
            for each in covered if entry['entryType'] == 'payout-scheduled' else [row]:
                each.update(payout_number=payout['number'], payout_date=payout['bankDate'])
            covered = []
    return rows


def _row(ledger, entry, language):
    kind = entry['entryType']
    handle = entry['recipientHandle'] or f'api:{ledger.msns[0]}'
    msn = handle.partition(':')[2]
    moment = datetime.fromisoformat(entry['time'].replace('Z', '+00:00')).astimezone(timezone.utc)
    return {
        'unit': ledger.unit_names.get(msn, ''),
        'msn': msn,
        'country': COUNTRIES.get(ledger.currency, ''),
        'solution': 'ePayment',
        'time': ledger.local(moment).strftime('%Y-%m-%d %H:%M:%S'),
        'ledger_date': entry['ledgerDate'],
        'type': TYPES[kind][language] if kind in TYPES else kind.replace('-', ' ').capitalize(),
        'amount': _major(entry['amount']),
        'balance': _major(entry['balanceAfter']),
        'currency': entry['currency'],
        'psp_reference': entry['pspReference'],
        'reference': entry['reference'],
        'payout_account': '86011117947',
    }


def _major(amount):
    return f"{'-' if amount < 0 else ''}{abs(amount) // 100}.{abs(amount) % 100:02}"
