# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).


def migrate(cr, version):
    """ Set the extension views of the version before aside, which are loaded again after this: Odoo
    checks each view together with all others of its form, and some of them have fields that are
    gone. The script with the same name takes them back.

    Their texts stay, in all languages, and those that somebody has protected from updates.

    :param Cursor cr: The database cursor.
    :param str version: The installed version.
    :return: None
    """
    cr.execute("DROP TABLE IF EXISTS vipps_views_aside")
    cr.execute("""
        CREATE TEMPORARY TABLE vipps_views_aside ON COMMIT DROP AS
        SELECT view.id, COALESCE(data.noupdate, FALSE) AS is_protected
          FROM ir_ui_view view
          JOIN ir_model_data data ON data.res_id = view.id
         WHERE data.module = 'mobilepay_vipps'
           AND data.model = 'ir.ui.view'
           AND view.inherit_id IS NOT NULL
           AND view.mode = 'extension'
           AND view.active
    """)
    cr.execute("""
        UPDATE ir_ui_view SET active = FALSE WHERE id IN (SELECT id FROM vipps_views_aside)
    """)
