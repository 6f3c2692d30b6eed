# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo.tools import sql


def migrate(cr, version):
    """ Write down how often Vipps MobilePay has refused operations of payments, which earlier
    versions counted for each payment: the idempotency keys of open operations depend on it.

    :param Cursor cr: The database cursor.
    :param str version: The installed version.
    :return: None
    """
    if not sql.column_exists(cr, 'payment_transaction', 'vipps_refusal_count'):
        return
    cr.execute("""
        INSERT INTO vipps_audit_event (
            action, outcome, source, company_id, provider_id, transaction_id, reference,
            currency_id, refusals, details, create_date, write_date
        )
        SELECT asked.action, 'refused', 'job', provider.company_id, provider.id, tx.id,
               tx.reference, tx.currency_id, tx.vipps_refusal_count, 'Counted before the update',
               now() AT TIME ZONE 'UTC', now() AT TIME ZONE 'UTC'
          FROM payment_transaction tx
          JOIN payment_provider provider ON provider.id = tx.provider_id
          CROSS JOIN unnest(ARRAY['capture', 'refund']) AS asked(action)
         WHERE provider.code = 'vipps'
           AND tx.vipps_refusal_count > 0
           AND tx.state IN ('authorized', 'done')
           AND NOT EXISTS (
                SELECT FROM vipps_audit_event event
                 WHERE event.transaction_id = tx.id AND event.action = asked.action
                   AND event.refusals >= tx.vipps_refusal_count
               )
    """)
