# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo.tools import sql

# The documents that payments are linked with, with the tables and columns of the links.
DOCUMENTS = (
    ('sale_order', 'sale_order_transaction_rel', 'sale_order_id'),
    ('account_move', 'account_invoice_transaction_rel', 'invoice_id'),
)
# The views that are gone, and the field that they showed.
VIEWS = (
    'view_order_form_user_info', 'sale_order_tree', 'sale_order_form_paid_with',
    'sale_order_search', 'account_move_tree', 'account_move_form_paid_with',
    'account_invoice_search',
)
FIELD = 'vipps_paid_with'


def migrate(cr, version):
    """ Mark the documents that payments of Vipps MobilePay are linked with, and remove the field
    *Paid with* from saved searches and exports, which fail without it.

    :param Cursor cr: The database cursor.
    :param str version: The installed version.
    :return: None
    """
    for table, link_table, link_column in DOCUMENTS:
        if not sql.column_exists(cr, table, 'vipps_has_payment'):
            sql.create_column(cr, table, 'vipps_has_payment', 'boolean')
        cr.execute(f"""
            UPDATE {table}
               SET vipps_has_payment = TRUE
             WHERE id IN (
                    SELECT link.{link_column}
                      FROM {link_table} link
                      JOIN payment_transaction tx ON tx.id = link.transaction_id
                      JOIN payment_provider provider ON provider.id = tx.provider_id
                     WHERE provider.code = 'vipps'
                   )
        """)
    cr.execute("""
        DELETE FROM ir_filters
         WHERE model_id IN ('sale.order', 'account.move')
           AND (domain LIKE %(field)s OR context LIKE %(field)s OR sort LIKE %(field)s)
    """, {'field': f'%{FIELD}%'})
    cr.execute("DELETE FROM ir_exports_line WHERE name LIKE %s", [f'%{FIELD}'])
    # One that is protected from updates, or that others build upon, is left to the check of views.
    cr.execute("""
        WITH gone AS (
            DELETE FROM ir_model_data data
             USING ir_ui_view view
             WHERE data.module = 'mobilepay_vipps' AND data.model = 'ir.ui.view'
               AND data.name IN %s AND data.res_id = view.id AND data.noupdate IS NOT TRUE
               AND NOT EXISTS (SELECT FROM ir_ui_view child WHERE child.inherit_id = view.id)
            RETURNING view.id
        )
        DELETE FROM ir_ui_view WHERE id IN (SELECT id FROM gone)
    """, [VIEWS])
