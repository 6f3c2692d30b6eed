"""Payments in bulk: in Odoo's database by SQL, and at the simulator with one call."""

import itertools

from simulator.sales_units import NOK_UNIT

OPEN = {}
# Else it would be released, as its order is gone.
WITHOUT_DOCUMENT = {'vipps_has_document': 'false', 'vipps_document_amount': 'NULL'}
SETTLED = {
    'state': "'done'", 'vipps_payment_state': "'CAPTURED'", 'vipps_redirect_url': 'NULL',
}
# What the job does with payments of which nothing is heard, in an hour and at once.
WATCH = """
    INSERT INTO vipps_task (transaction_id, kind, due, tries)
    SELECT id, 'sync', now() AT TIME ZONE 'UTC' + interval '1 hour', 1
      FROM payment_transaction WHERE reference = ANY(%s)
"""
MAKE_DUE = """
    UPDATE vipps_task SET due = now() AT TIME ZONE 'UTC' - interval '1 minute'
     WHERE transaction_id IN (SELECT id FROM payment_transaction WHERE reference = ANY(%s))
"""
TABLES = [
    'payment_transaction', 'sale_order', 'sale_order_line', 'vipps_api_call', 'vipps_audit_event',
    'vipps_task', 'vipps_webhook_event',
]
_batches = itertools.count(1)


class Copies:
    """Makes as many payments as wanted, each like one that a customer has started."""

    def __init__(self, shop, provider='vipps'):
        """Have a customer start the payment that the others are like, with a provider."""
        self._shop = shop
        values = shop.new_customer().press_pay(provider)
        self._reference = values['reference']
        (self._transaction, self._order), = shop.sql("""
            SELECT t.id, r.sale_order_id
              FROM payment_transaction t
              JOIN sale_order_transaction_rel r ON r.transaction_id = t.id
             WHERE t.reference = %s
        """, self._reference)

    def add(self, count, changes=OPEN, with_orders=True, approved=None):
        """Add payments to Odoo; returns their references.

        Core's job for payments that are done has nothing to do for them: it is not what is
        measured.

        :param dict changes: SQL for columns of the transactions.
        :param bool with_orders: Whether each is for an order of its own.
        :param bool approved: Whether the customers approved them; None leaves them unknown to the
            simulator.
        """
        prefix = f"{self._reference.partition('-')[0]}-bench{next(_batches)}-"
        numbers = f'generate_series(1, {count}) n'
        name = f"'{prefix}' || n"
        self._copy('payment_transaction', self._transaction, numbers, **{
            'reference': name, 'vipps_payment_reference': name, 'is_post_processed': 'true',
            'vipps_last_read': 'NULL', **({} if with_orders else WITHOUT_DOCUMENT), **changes,
        })
        if with_orders:
            self._copy('sale_order', self._order, numbers, name=name, access_token='NULL')
            self._link_orders(prefix)
        references = [f'{prefix}{number + 1}' for number in range(count)]
        if changes is OPEN:
            self._shop.sql(WATCH, references)
        if approved is not None:
            request = self._shop.control('GET', f'payments/{self._reference}')['request']
            del request['reference']
            self._shop.control(
                'POST', 'payments', msn=NOK_UNIT.msn, references=references, request=request,
                approved=approved,
            )
        return references

    def _link_orders(self, prefix):
        """Give the orders their lines and their payments, which have the same names."""
        self._shop.sql("""
            INSERT INTO sale_order_transaction_rel (transaction_id, sale_order_id)
            SELECT t.id, o.id
              FROM payment_transaction t JOIN sale_order o ON o.name = t.reference
             WHERE starts_with(t.reference, %s)
        """, prefix)
        for line, in self._shop.sql(
            'SELECT id FROM sale_order_line WHERE order_id = %s', self._order
        ):
            orders = f"(SELECT id FROM sale_order WHERE starts_with(name, '{prefix}')) o"
            self._copy('sale_order_line', line, orders, order_id='o.id')

    def add_processed_events(self):
        """Add the three events that each settled payment had, dealt with yesterday: more events
        than a shop can have in an hour would be refused."""
        self._shop.sql("""
            INSERT INTO vipps_webhook_event (
                provider_id, msn, name, reference, psp_reference, amount, currency, event_time,
                success, state, create_date, write_date
            )
            SELECT t.provider_id, t.vipps_merchant_serial_number, e.name, t.reference,
                   'bench-' || t.id || e.name, 19900, 'NOK', moment, true, 'processed', moment,
                   moment
              FROM payment_transaction t,
                   (VALUES ('CREATED'), ('AUTHORIZED'), ('CAPTURED')) e(name),
                   LATERAL (SELECT t.create_date - interval '1 day' AS moment) yesterday
             WHERE t.vipps_payment_state = 'CAPTURED' AND t.is_post_processed
                ON CONFLICT DO NOTHING
        """)

    def settle_database(self):
        """Vacuum and analyze the tables, as PostgreSQL does after a while."""
        for table in TABLES:
            self._shop.sql(f'VACUUM ANALYZE {table}')

    def _copy(self, table, row, source, **changes):
        """Copy a row of a table once for each row of a source, with changes in SQL."""
        columns = [name for name, in self._shop.sql("""
            SELECT column_name FROM information_schema.columns
             WHERE table_name = %s AND table_schema = 'public' AND column_name != 'id'
        """, table)]
        values = ', '.join(changes.get(column, f't.{column}') for column in columns)
        self._shop.sql(
            f"INSERT INTO {table} ({', '.join(columns)})"
            f" SELECT {values} FROM {table} t, {source} WHERE t.id = {row}"
        )
