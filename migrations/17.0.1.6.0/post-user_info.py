# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo.tools import sql

COLUMNS = ('vipps_next_user_info', 'vipps_user_info_tries')


def migrate(cr, version):
    """ Have the job of the tasks fetch the data that customers shared and that was still to be
    fetched, and remove the columns of the queue that did so before.

    :param Cursor cr: The database cursor.
    :param str version: The installed version.
    :return: None
    """
    if sql.column_exists(cr, 'payment_transaction', COLUMNS[0]):  # since 17.0.1.4.0
        cr.execute("""
            INSERT INTO vipps_task (transaction_id, kind, due, tries, create_date, write_date)
            SELECT id, 'user_info', now() AT TIME ZONE 'UTC', 0,
                   now() AT TIME ZONE 'UTC', now() AT TIME ZONE 'UTC'
              FROM payment_transaction
             WHERE vipps_next_user_info IS NOT NULL
        """)
    for column in COLUMNS:
        cr.execute(f'ALTER TABLE payment_transaction DROP COLUMN IF EXISTS {column}')
