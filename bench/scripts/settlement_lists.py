"""Open lists of many entries as an accountant does, and store the seconds in a system parameter.

Run by `odoo-bin shell` after the entries were booked. `PARAMETERS` has the number of `rows`, half
of which are fees.
"""

import json
import time

from lxml import etree

DAYS = 2000  # with a payout each
LIMIT, COUNT_LIMIT = 80, 10_001  # as of the lists of the web client
SUMS = ['amount:sum', 'fee_amount:sum', 'net_amount:sum']
FUNDS, PAYMENTS = [('topic', '=', 'funds')], [('category', '=', 'payment')]
MONTH = [('ledger_date', '>=', '2014-03-01'), ('ledger_date', '<=', '2014-03-31')]
count = PARAMETERS['rows']
provider = env.ref('mobilepay_vipps.payment_provider_vipps')
ledger = env['vipps.settlement.ledger'].search([('provider_id', '=', provider.id)], limit=1)
ledger.start_date = '2010-01-01'
user = env['res.users'].create({
    'name': "Accountant", 'login': 'bench-accountant', 'company_id': ledger.company_id.id,
    'company_ids': ledger.company_id.ids,
    'groups_id': (env.ref('base.group_user') | env.ref('account.group_account_user')).ids,
})
env.flush_all()

# Each capture has a transaction; of one in a thousand, the entry is of another system.
env.cr.execute("""
    SELECT string_agg(quote_ident(column_name), ', ') FROM information_schema.columns
     WHERE table_name = 'payment_transaction' AND column_name NOT IN (
        'id', 'reference', 'vipps_payment_reference', 'vipps_psp_reference', 'last_state_change'
     )
""")
columns, = env.cr.fetchone()
env.cr.execute(f"""
    INSERT INTO payment_transaction (
        reference, vipps_payment_reference, vipps_psp_reference, last_state_change, {columns}
    )
    SELECT 'S' || 1000000 + n || '-1', 'S' || 1000000 + n || '-1', 'many-' || n,
           timestamp '2010-01-01 12:00' + (n::bigint * 2 * %(days)s / %(count)s) * interval '1 day',
           {columns}
      FROM generate_series(1, %(count)s / 2) n, (
        SELECT * FROM payment_transaction
         WHERE provider_id = %(provider)s AND state = 'done' AND vipps_psp_reference IS NOT NULL
         LIMIT 1
      ) pattern;
    INSERT INTO vipps_settlement_payout (
        ledger_id, company_id, currency_id, number, amount, ledger_date, reference, state, entry_id,
        overdue_date
    )
    SELECT %(ledger)s, %(company)s, %(currency)s, 'many-' || n, 100, date '2010-01-01' + n,
           'Utb. many-' || n, 'arrived', (SELECT min(id) FROM vipps_settlement_entry),
           date '2010-01-05' + n
      FROM generate_series(0, %(days)s) n;
    INSERT INTO vipps_settlement_entry (
        ledger_id, company_id, currency_id, msn, market, topic, entry_type, category,
        psp_reference, occurrence, reference, time, ledger_date, sequence, amount, has_balance,
        balance_before, balance_after, source, fee_amount, net_amount, fee_share, state, payout_id,
        transaction_id, create_date, raw
    )
    SELECT %(ledger)s, %(company)s, %(currency)s, %(msn)s, 'NO',
           CASE WHEN n %% 2 = 0 THEN 'funds' ELSE 'fees' END,
           CASE WHEN n %% 2 = 0 THEN 'capture' ELSE 'capture-fee' END,
           CASE WHEN n %% 2 = 1 THEN 'fee' WHEN n %% 50 = 0 THEN 'refund' ELSE 'payment' END,
           t.vipps_psp_reference, 1, t.reference, p.ledger_date, p.ledger_date, n, 100, true,
           0, 100, 'api', -3, 97, 3,
           CASE WHEN n %% 2 = 1 THEN 'info' WHEN n %% 5000 = 0 THEN 'check'
                WHEN n %% 2000 = 2 THEN 'foreign' ELSE 'matched' END,
           CASE WHEN n %% 2 = 0 THEN p.id END,
           CASE WHEN n %% 2 = 0 AND n %% 2000 != 2 THEN t.id END, now(),
           jsonb_build_object(
               'pspReference', md5(n::text), 'time', '2014-03-01T12:00:00.123456Z',
               'ledgerDate', p.ledger_date, 'entryType', 'capture', 'reference', t.reference,
               'currency', 'NOK', 'amount', 10000, 'balanceBefore', 0, 'balanceAfter', 10000,
               'recipientHandle', 'api:' || %(msn)s
           )
      FROM generate_series(1, %(count)s) n
      JOIN vipps_settlement_payout p
           ON p.number = 'many-' || (n::bigint * %(days)s / %(count)s)
      JOIN payment_transaction t ON t.vipps_psp_reference = 'many-' || (n + 1) / 2
""", {
    'provider': provider.id, 'ledger': ledger.id, 'company': ledger.company_id.id,
    'currency': ledger.currency_id.id, 'msn': ledger.msn, 'days': DAYS, 'count': count,
})
env.cr.commit()
connection = env.cr._cnx
connection.autocommit = True
for table in ('vipps_settlement_entry', 'vipps_settlement_payout', 'payment_transaction'):
    env.cr.execute(f'VACUUM ANALYZE {table}')  # As PostgreSQL does soon.
connection.autocommit = False

env = env(user=user, context={'allowed_company_ids': user.company_ids.ids})
Entry, Payout, Transaction, Ledger, Journal = (env[name] for name in (
    'vipps.settlement.entry', 'vipps.settlement.payout', 'payment.transaction',
    'vipps.settlement.ledger', 'account.journal',
))
figures = {}


def measure(theme, do):
    """Note the seconds that something takes, when all is loaded that is loaded once."""
    for _time in range(2):
        env.invalidate_all()
        started = time.monotonic()
        do()
        seconds = time.monotonic() - started
    figures.setdefault(theme, []).append(seconds)


def open_list(theme, Model, view, *domains, order=''):
    """Measure a list with each of some domains."""
    view = env.ref(f'mobilepay_vipps.{view}').sudo()
    tree = etree.fromstring(Model.get_view(view.id, 'tree')['arch'])
    columns = {
        name: {'fields': {'display_name': {}}} if Model._fields[name].type == 'many2one' else {}
        for name in tree.xpath('/tree/field/@name')
    }
    for domain in domains:
        measure(theme, lambda domain=domain: Model.web_search_read(
            domain, columns, limit=LIMIT, order=order, count_limit=COUNT_LIMIT,
        ))


open_list("Lists", Entry, 'vipps_settlement_entry_list', FUNDS, [], [('state', '=', 'foreign')])
open_list("Lists", Entry, 'vipps_settlement_entry_list', FUNDS, order='amount desc')
open_list("Lists", Payout, 'vipps_settlement_payout_list', [], [('state', '=', 'sent')])
open_list("Lists", Ledger, 'vipps_settlement_ledger_list', [])
open_list("Filters", Entry, 'vipps_settlement_entry_list', *(
    [*FUNDS, *domain] for domain in (
        PAYMENTS, [('category', '=', 'refund')], [('category', '=', 'payout')], MONTH,
        [('state', '=', 'check')], [('state', '=', 'waiting')], [('market', '=', 'DK')],
    )
))
open_list("Search", Entry, 'vipps_settlement_entry_list', *(
    [*FUNDS, '|', '|', ('reference', 'ilike', text), ('psp_reference', '=', text),
     ('transaction_id.sale_order_ids.name', '=', text)]
    for text in ('S', f'S{1000000 + count // 4}', 'many-1', "nothing")
))
open_list("Search", Entry, 'vipps_settlement_entry_list', [('payout_id', 'ilike', 'many-17')])
for group in (
    'payout_id', 'category', 'state', 'msn', 'market', 'currency_id', 'company_id',
    'ledger_date:day', 'ledger_date:month',
):
    measure("Groups", lambda group=group: Entry.web_read_group(FUNDS, SUMS, [group], limit=LIMIT))
for groups in ([], ['currency_id'], ['currency_id', 'ledger_date:month']):
    measure("Fees", lambda groups=groups: Entry.read_group(
        FUNDS + PAYMENTS, [*SUMS, 'fee_share'], groups, lazy=False,
    ))
measure("Fees", lambda: Entry.web_read_group(
    FUNDS + PAYMENTS, ['net_amount:sum'], ['ledger_date:day', 'currency_id'], lazy=False,
))
open_list(
    "Unsettled", Transaction, 'payment_transaction_unsettled_list',
    [('vipps_is_unsettled', '=', True)],
)
measure("Card", lambda: Ledger.search([])._prepare_cards())
measure("Health", provider._vipps_find_other_balance)
measure("Health", lambda: [
    env[model].sudo().search_count(domain)
    for model, domain, _since in provider._vipps_get_health_lists().values()
])
env['ir.config_parameter'].sudo().set_param('vipps_bench.settlement_lists', json.dumps(figures))
env.cr.commit()
