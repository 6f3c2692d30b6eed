# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo.tools import sql


def migrate(cr, version):
    """ Keep the capture mode of payments: there are three now. And fill the columns for which the
    ORM would read all transactions one by one.

    :param Cursor cr: The database cursor.
    :param str version: The installed version.
    :return: None
    """
    cr.execute("ALTER TABLE payment_transaction ADD COLUMN vipps_capture_mode varchar")
    cr.execute("""
        UPDATE payment_transaction
           SET vipps_capture_mode = CASE
                   WHEN vipps_is_captured_automatically THEN 'automatic' ELSE 'manual'
               END
         WHERE vipps_payment_reference IS NOT NULL
    """)
    cr.execute("ALTER TABLE payment_transaction DROP COLUMN vipps_is_captured_automatically")
    cr.execute("ALTER TABLE payment_transaction ADD COLUMN vipps_market varchar")
    cr.execute("""
        UPDATE payment_transaction tx
           SET vipps_market = CASE currency.name
                   WHEN 'NOK' THEN 'NO' WHEN 'DKK' THEN 'DK' WHEN 'EUR' THEN 'FI'
               END
          FROM res_currency currency
         WHERE currency.id = tx.currency_id
           AND tx.vipps_payment_reference IS NOT NULL
    """)
    cr.execute("ALTER TABLE payment_transaction ADD COLUMN vipps_difference_count integer")
    if sql.column_exists(cr, 'payment_transaction', 'vipps_difference'):  # since 17.0.1.1.0
        cr.execute("""
            UPDATE payment_transaction
               SET vipps_difference_count = 1
             WHERE vipps_difference IS NOT NULL
        """)
