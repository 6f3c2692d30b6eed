# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo.tools import sql

# The columns of earlier versions, by the key of their problem.
COLUMNS = {
    'deadline': 'vipps_is_deadline_told',
    'guarantee': 'vipps_is_guarantee_told',
    'change': 'vipps_told_change',
    'unpaid': 'vipps_told_unpaid',
    'refund': 'vipps_proposed_refund',
    'order_mail': 'vipps_is_order_mail_sent',
    'app_link': 'vipps_app_link_key',
    'given_up': 'vipps_pos_is_given_up',
}


def migrate(cr, version):
    """ Keep all notices about payments in one column, so that nobody is told again after an update,
    and remove two indexes of reservations.

    :param Cursor cr: The database cursor.
    :param str version: The installed version.
    :return: None
    """
    # One index of the reservations takes their place.
    for name in ('reserved', 'guaranteed'):
        cr.execute(f"DROP INDEX IF EXISTS payment_transaction_vipps_{name}_index")
    if not sql.column_exists(cr, 'payment_transaction', 'vipps_told'):
        sql.create_column(cr, 'payment_transaction', 'vipps_told', 'jsonb')
    columns = {
        problem: column for problem, column in COLUMNS.items()
        if sql.column_exists(cr, 'payment_transaction', column)
    }
    if columns:
        is_told = "to_jsonb({}) NOT IN ('false', '0', '\"\"')".format
        notices = " || ".join(
            f"CASE WHEN {is_told(column)} THEN jsonb_build_object('{problem}', {column})"
            " ELSE '{}' END" for problem, column in columns.items()
        )
        # In one statement: each rewrites the rows of payments.
        cr.execute(
            f"UPDATE payment_transaction SET vipps_told = COALESCE(vipps_told, '{{}}') || {notices}"
            f" WHERE {' OR '.join(map(is_told, columns.values()))}"
        )
        drops = ", ".join(f"DROP COLUMN {column}" for column in columns.values())
        cr.execute(f"ALTER TABLE payment_transaction {drops}")  # With their indexes.
    # Searches and exports that people have saved fail without the fields.
    pattern = '|'.join(COLUMNS.values())
    cr.execute(
        "DELETE FROM ir_filters WHERE model_id = 'payment.transaction'"
        " AND concat(domain, context, sort) ~ %s", [pattern],
    )
    cr.execute("DELETE FROM ir_exports_line WHERE name ~ %s", [pattern])
