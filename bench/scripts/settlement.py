"""Book payments, and store the figures in a system parameter.

Run by `odoo-bin shell`. `PARAMETERS` has the numbers of `payments` that are booked in each way, and
of entries of other systems that are booked for the `memory`.
"""

import json
import math
import time
from datetime import date, datetime, timedelta
from pathlib import Path

from odoo.fields import Command

BATCH, PAGE, ROUNDS = 50, 1000, 4
WARM = 0.2  # of the entries, after which everything is loaded that is loaded once
figures = {}
env.ref('mobilepay_vipps.cron_settle').active = False
provider = env.ref('mobilepay_vipps.payment_provider_vipps')
provider._vipps_find_ledgers()._set_up()
ledger = env['vipps.settlement.ledger'].search([('provider_id', '=', provider.id)], limit=1)
ledger.start_date = date(2020, 1, 1)
ledger.write({'funds_cursor': False, 'fees_cursor': False})
ledger = ledger._in_company()
env = ledger.env
Entry, Payout = env['vipps.settlement.entry'], env['vipps.settlement.payout']
day = date(2024, 1, 1)


def take_payments(count):
    """Return the transactions of payments that are in the books."""
    name = f'bench-{time.time_ns()}'
    txs = env['payment.transaction'].create([{
        'provider_id': provider.id, 'reference': f'{name}-{number}', 'amount': 100, 'state': 'done',
        'payment_method_id': env.ref('payment.payment_method_vipps').id,
        'currency_id': ledger.currency_id.id, 'partner_id': env.user.partner_id.id,
        'operation': 'online_redirect', 'is_post_processed': True,
        'vipps_psp_reference': f'{name}-{number}',
    } for number in range(count)])
    for tx in txs:
        tx._create_payment()
    env.cr.execute("DELETE FROM vipps_task")
    env.cr.commit()
    return txs


def prepare(references):
    """Return the entries of a day with so many payments, which is paid out at its end."""
    global day
    day += timedelta(days=1)
    common = {
        'time': datetime.combine(day, datetime.min.time()), 'ledger_date': day,
        'has_balance': True, 'recipient_handle': f'api:{ledger.msn}', 'raw': {'key': "value"},
    }
    return [*({
        **common, 'psp_reference': reference, 'entry_type': 'capture', 'reference': reference,
        'amount': 100, 'balance_before': 100 * number, 'balance_after': 100 * number + 100,
    } for number, reference in enumerate(references)), {
        **common, 'psp_reference': f'{ledger.number}-{day:%y%m%d}',
        'entry_type': 'payout-scheduled', 'reference': f'Utb. {day:%y%m%d}',
        'payout_number': f'{day:%y%m%d}', 'amount': -100 * len(references),
        'balance_before': 100 * len(references), 'balance_after': 0,
    }]


def store(values_list):
    """Store entries page by page, as they are fetched."""
    for start in range(0, len(values_list), PAGE):
        ledger._store('funds', 'api', values_list[start:start + PAGE])
        env.cr.commit()
        env.invalidate_all()


def book():
    """Book all entries, as the job does."""
    outcome = 'done'
    while outcome == 'done':
        outcome = ledger._book_next()
        env.cr.commit()
        env.invalidate_all()


def book_by_core(txs):
    """Create and reconcile the statement lines that our entries have, with Odoo's own means."""
    journal = ledger.journal_id
    for start in range(0, len(txs), BATCH):
        batch = txs[start:start + BATCH]
        outstanding = [tx.payment_id._seek_for_lines()[0] for tx in batch]
        lines = env['account.bank.statement.line'].create([{
            'journal_id': journal.id, 'date': day, 'payment_ref': tx.reference, 'amount': 100,
            'partner_id': tx.partner_id.id, 'line_ids': [Command.create({
                'name': tx.reference, 'account_id': account.id, 'partner_id': tx.partner_id.id,
                'currency_id': ledger.currency_id.id, 'amount_currency': amount, 'balance': amount,
            }) for account, amount in (
                (journal.default_account_id, 100), (other.account_id, -100),
            )],
        } for tx, other in zip(batch, outstanding, strict=True)])
        env['account.move.line']._reconcile_plan([
            line.move_id.line_ids.filtered(
                lambda item, other=other: item.account_id == other.account_id
            ) | other for line, other in zip(lines, outstanding, strict=True)
        ])
        env.cr.commit()
        env.invalidate_all()


def measure(what, do, *args):
    """Note the seconds that something takes, when it is fastest: other work only adds to them."""
    env.invalidate_all()
    started = time.monotonic()
    do(*args)
    figures[what] = min(figures.get(what, math.inf), time.monotonic() - started)


def private_memory():
    """Return the memory that this process shares with no other, in MiB."""
    return sum(
        int(line.split()[1]) for line in Path('/proc/self/smaps_rollup').read_text().splitlines()
        if line.startswith('Private_')
    ) / 1024


# Booking, each way in turn; the first time, everything is loaded that is loaded once.
for _round in range(ROUNDS):
    measure('core', book_by_core, take_payments(PARAMETERS['payments']))
    for mode in ('entry', 'day'):
        ledger.booking_mode = mode
        values_list = prepare(
            take_payments(PARAMETERS['payments']).mapped('vipps_psp_reference')
        )
        measure('store', store, values_list)
        measure(mode, book)
        left = Entry.search([('ledger_date', '=', day), ('state', '!=', 'matched')])
        assert not left and not ledger.booking_error, (left[:1].reason, ledger.booking_error)

# Memory: entries of other systems, a day after the other.
ledger.booking_mode = 'day'
ledger.foreign_account_id = ledger.company_id.account_journal_payment_debit_account_id
sizes, done = {}, 0
while done < PARAMETERS['memory']:
    store(prepare([f'other-{done + number}' for number in range(PAGE - 1)]))
    book()
    done += PAGE
    sizes[done] = private_memory()
figures['memory'] = [sizes[min(
    count for count in sizes if count >= WARM * PARAMETERS['memory']
)], sizes[done]]

env['ir.config_parameter'].set_param('vipps_bench.settlement', json.dumps(figures))
env.cr.commit()
