# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).


def migrate(cr, version):
    """ Remove the job of the retention periods: Odoo's daily clean-up keeps them.

    :param Cursor cr: The database cursor.
    :param str version: The installed version.
    :return: None
    """
    cr.execute("""
        DELETE FROM ir_cron
         WHERE id = (
            SELECT res_id
              FROM ir_model_data
             WHERE module = 'mobilepay_vipps' AND name = 'cron_purge' AND model = 'ir.cron'
         )
        RETURNING ir_actions_server_id
    """)
    action_ids = [action_id for action_id, in cr.fetchall()]
    cr.execute("DELETE FROM ir_act_server WHERE id = ANY(%s)", [action_ids])
    cr.execute("""
        DELETE FROM ir_model_data
         WHERE module = 'mobilepay_vipps' AND name IN ('cron_purge', 'cron_purge_ir_actions_server')
    """)
