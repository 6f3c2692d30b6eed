# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo.tools import sql

# What the activities of earlier versions were called, in English only, and the keys of today.
PROVIDER_PROBLEMS = {
    "Events of Vipps MobilePay may not arrive": 'webhook_watch',
    "The webhook was repaired": 'webhook_repaired',
    "Events of Vipps MobilePay need attention": 'failed_events',
    "Payments differ from Vipps MobilePay": 'differences',
    "Payments cannot be compared with Vipps MobilePay": 'comparison',
    "Payments cannot be booked": 'bookings',
    "Customers cannot pay with %": 'checkout',
    "Tills cannot take payments with %": 'tills',
}
PAYMENT_PROBLEMS = {
    "Payment %s cannot be processed": 'payment',
    "Payment %s differs from Odoo": 'difference',
    "Payment %s: capture or release failed": 'failure',
    "Capture or release payment %s": 'deadline',
    "Refund payment %s": 'refund',
}


def migrate(cr, version):
    """ Prepare the columns that are new in this version.

    :param Cursor cr: The database cursor.
    :param str version: The installed version.
    :return: None
    """
    _add_measures(cr)
    _name_problems(cr)


def _add_measures(cr):
    """ Fill the columns for which the ORM would read all transactions one by one. """
    cr.execute("ALTER TABLE payment_transaction ADD COLUMN vipps_success_rate double precision")
    cr.execute("""
        UPDATE payment_transaction
           SET vipps_success_rate = CASE
                   WHEN vipps_payment_state IN ('AUTHORIZED', 'CAPTURED', 'CANCELLED', 'REFUNDED')
                   THEN 100 ELSE 0
               END
         WHERE vipps_payment_reference IS NOT NULL
    """)
    cr.execute("ALTER TABLE payment_transaction ADD COLUMN vipps_approval_seconds integer")
    # In 17.0.1.0.0 it was a text.
    if sql.table_columns(cr, 'vipps_webhook_event')['event_time']['udt_name'] != 'timestamp':
        return
    cr.execute("""
        UPDATE payment_transaction tx
           SET vipps_approval_seconds = GREATEST(
                   1, extract(epoch FROM event.event_time - tx.create_date)
               )
          FROM vipps_webhook_event event
         WHERE event.reference = tx.vipps_payment_reference
           AND event.name = 'AUTHORIZED'
           AND event.success
           AND event.event_time IS NOT NULL
    """)


def _name_problems(cr):
    """ Store the key of the problem on the activities of earlier versions. """
    cr.execute("ALTER TABLE mail_activity ADD COLUMN vipps_problem varchar")
    for summary, key in PROVIDER_PROBLEMS.items():
        cr.execute("""
            UPDATE mail_activity
               SET vipps_problem = %s
             WHERE res_model = 'payment.provider'
               AND summary LIKE %s
               AND vipps_problem IS NULL
        """, [key, summary])
    for summary, key in PAYMENT_PROBLEMS.items():
        start, end = summary.split('%s')
        cr.execute("""
            UPDATE mail_activity activity
               SET vipps_problem = %s || ':' || tx.id
              FROM payment_transaction tx
             WHERE activity.res_model IN ('payment.provider', 'sale.order', 'pos.session')
               AND activity.summary = %s || tx.reference || %s
               AND activity.vipps_problem IS NULL
        """, [key, start, end])
