# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).


def migrate(cr, version):
    """ Remember which payments customers had a mail about: earlier versions sent it when a payment
    was approved, and nobody gets a second one when it is captured.

    :param Cursor cr: The database cursor.
    :param str version: The installed version.
    :return: None
    """
    cr.execute("""
        UPDATE payment_transaction tx
           SET vipps_told = COALESCE(vipps_told, '{}') || '{"order_mail": true}'
          FROM sale_order_transaction_rel rel
         WHERE rel.transaction_id = tx.id
           AND tx.vipps_payment_reference IS NOT NULL
           AND (tx.state = 'authorized'
                -- Captured since then, and not booked so far.
                OR tx.state = 'done'
                   AND tx.is_post_processed IS NOT TRUE
                   AND tx.vipps_capture_mode != 'automatic')
    """)
