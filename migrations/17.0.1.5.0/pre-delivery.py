# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo.tools import sql


def migrate(cr, version):
    """ Forget which orders a person locked: a lock does not close an order anymore. And keep apart
    until when a reservation is guaranteed, and the last day of capture.

    :param Cursor cr: The database cursor.
    :param str version: The installed version.
    :return: None
    """
    cr.execute("ALTER TABLE sale_order DROP COLUMN IF EXISTS vipps_is_locked_by_person")
    cr.execute("""
        ALTER TABLE payment_transaction
            ADD COLUMN IF NOT EXISTS vipps_guaranteed_until timestamp,
            ADD COLUMN IF NOT EXISTS vipps_is_guarantee_told boolean
    """)
    if not sql.column_exists(cr, 'payment_transaction', 'vipps_capture_deadline'):
        return  # There is none before 17.0.1.2.0.
    # What earlier versions kept as the deadline was the end of the guarantee, if there was one.
    cr.execute("""
        UPDATE payment_transaction tx
           SET vipps_guaranteed_until = tx.vipps_capture_deadline,
               vipps_is_guarantee_told = tx.vipps_is_deadline_told,
               vipps_is_deadline_told = tx.vipps_is_deadline_told
                                        AND tx.vipps_capture_deadline >= last.day,
               vipps_capture_deadline = GREATEST(tx.vipps_capture_deadline, last.day)
          FROM (
                SELECT t.id,
                       t.create_date + interval '1 day' * COALESCE(
                           NULLIF(p.vipps_reservation_days, 0),
                           CASE WHEN t.vipps_market = 'NO' THEN 180 ELSE 14 END
                       ) AS day
                  FROM payment_transaction t
                  JOIN payment_provider p ON p.id = t.provider_id
               ) last
         WHERE last.id = tx.id
           AND tx.vipps_capture_deadline IS NOT NULL
           AND tx.vipps_guaranteed_until IS NULL
           AND tx.vipps_capture_deadline <> last.day
    """)
