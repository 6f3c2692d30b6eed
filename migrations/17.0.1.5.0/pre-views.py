# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).


def migrate(cr, version):
    """ Empty the extension views of the version before, which are loaded again after this: Odoo
    checks each view together with all others of its form, and some of them have fields that are
    gone.

    :param Cursor cr: The database cursor.
    :param str version: The installed version.
    :return: None
    """
    cr.execute("""
        UPDATE ir_ui_view
           SET arch_db = jsonb_build_object('en_US', '<data/>')
         WHERE inherit_id IS NOT NULL
           AND mode = 'extension'
           AND id IN (
                SELECT res_id FROM ir_model_data
                 WHERE module = 'mobilepay_vipps' AND model = 'ir.ui.view'
           )
    """)
