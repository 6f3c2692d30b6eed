# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo.tools import sql


def migrate(cr, version):
    """ Schedule the booking of every capture and refund that is not in the books, also of those
    that Odoo gave up after four days.

    :param Cursor cr: The database cursor.
    :param str version: The installed version.
    :return: None
    """
    # Those that are post-processed and not booked are known since 17.0.1.2.0.
    is_unbooked = "tx.is_post_processed IS NOT TRUE"
    if sql.column_exists(cr, 'payment_transaction', 'vipps_next_booking'):
        is_unbooked += " OR tx.vipps_next_booking IS NOT NULL"
    cr.execute(f"""
        INSERT INTO vipps_task (transaction_id, kind, due, tries, create_date, write_date)
        SELECT tx.id, 'book', now() AT TIME ZONE 'UTC', 0,
               now() AT TIME ZONE 'UTC', now() AT TIME ZONE 'UTC'
          FROM payment_transaction tx
          JOIN payment_provider provider ON provider.id = tx.provider_id
         WHERE provider.code = 'vipps'
           AND tx.state = 'done'
           AND ({is_unbooked})
           AND NOT EXISTS (
                SELECT FROM vipps_task task WHERE task.transaction_id = tx.id AND task.kind = 'book'
               )
    """)
    # The money comes first. What somebody has chosen stays.
    cr.execute("""
        UPDATE ir_cron
           SET priority = 3
          FROM ir_model_data data
         WHERE data.module = 'mobilepay_vipps' AND data.model = 'ir.cron'
           AND data.name IN ('cron_process_webhook_events', 'cron_read_open_payments')
           AND data.res_id = ir_cron.id AND ir_cron.priority = 5
    """)
