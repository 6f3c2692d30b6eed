# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo.tools import sql

CRON_NAME = "Vipps MobilePay: read payments, capture and release"

# What was to be done with payments, by the column that said when, and the one that counted tries.
QUEUES = (
    ('sync', 'vipps_next_read', 'vipps_read_count'),
    ('compare', 'vipps_next_comparison', None),
    ('app_link', 'vipps_next_app_link', 'vipps_app_link_tries'),
)


def migrate(cr, version):
    """ Move scheduled work on payments into the queue of tasks, with one job for all of it.

    Captures and releases that are due are found when the payments are read.

    :param Cursor cr: The database cursor.
    :param str version: The installed version.
    :return: None
    """
    for kind, due, tries in QUEUES:
        if sql.column_exists(cr, 'payment_transaction', due):
            # An open payment that was never read counts as tried: its first read is a repetition.
            count = f'COALESCE({tries}, 0)' if tries else '1'
            cr.execute(f"""
                INSERT INTO vipps_task (transaction_id, kind, due, tries, create_date, write_date)
                SELECT id, %s, {due}, {count}, now() AT TIME ZONE 'UTC', now() AT TIME ZONE 'UTC'
                  FROM payment_transaction
                 WHERE {due} IS NOT NULL
            """, [kind])
    if sql.table_exists(cr, 'vipps_read_request'):
        cr.execute("""
            INSERT INTO vipps_task (transaction_id, kind, due, tries, create_date, write_date)
            SELECT DISTINCT transaction_id, 'verify', now() AT TIME ZONE 'UTC', 0,
                   now() AT TIME ZONE 'UTC', now() AT TIME ZONE 'UTC'
              FROM vipps_read_request
        """)
    if sql.column_exists(cr, 'vipps_webhook_event', 'next_try'):
        cr.execute("""
            UPDATE vipps_webhook_event SET state = 'pending'
             WHERE next_try IS NOT NULL AND state != 'pending'
        """)
    _merge_jobs(cr)


def _merge_jobs(cr):
    """ Make one job of the two that read payments, and keep the settings that somebody chose for
    it. """
    cr.execute("""
        SELECT name, res_id FROM ir_model_data
         WHERE module = 'mobilepay_vipps' AND model = 'ir.cron'
           AND name IN ('cron_process_webhook_events', 'cron_read_open_payments',
                        'cron_sync_payments')
    """)
    crons = dict(cr.fetchall())
    kept_id = crons.pop('cron_process_webhook_events', None)
    if not kept_id:
        return
    cr.execute(
        "SELECT ir_actions_server_id FROM ir_cron WHERE id = ANY(%s)", [list(crons.values())]
    )
    action_ids = [row[0] for row in cr.fetchall()]
    cr.execute("""
        DELETE FROM ir_model_data WHERE model = 'ir.cron' AND res_id = ANY(%s);
        DELETE FROM ir_cron WHERE id = ANY(%s);
        DELETE FROM ir_act_server WHERE id = ANY(%s)
    """, [list(crons.values())] * 2 + [action_ids])
    cr.execute("""
        UPDATE ir_model_data SET name = 'cron_sync_payments'
         WHERE module = 'mobilepay_vipps' AND model = 'ir.cron' AND res_id = %s
    """, [kept_id])
    cr.execute("UPDATE ir_cron SET cron_name = %s WHERE id = %s", [CRON_NAME, kept_id])
    cr.execute("""
        UPDATE ir_act_server
           SET name = jsonb_build_object('en_US', %s::text), code = 'model._cron_sync_payments()',
               model_id = model.id, model_name = model.model
          FROM ir_cron, ir_model model
         WHERE ir_cron.id = %s AND ir_act_server.id = ir_cron.ir_actions_server_id
           AND model.model = 'vipps.task'
    """, [CRON_NAME, kept_id])
