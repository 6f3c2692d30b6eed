# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).


def migrate(cr, version):
    """ Keep the capture mode of payments: there are three now.

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
