# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import logging

from odoo import SUPERUSER_ID, api
from odoo.exceptions import ValidationError

_logger = logging.getLogger('odoo.addons.mobilepay_vipps.migrations')


def migrate(cr, version):
    """ Take back the views that were set aside. One that somebody has protected from updates, and
    that does not fit this version, stays switched off.

    :param Cursor cr: The database cursor.
    :param str version: The installed version.
    :return: None
    """
    cr.execute("""
        UPDATE ir_ui_view
           SET active = TRUE
         WHERE id IN (SELECT id FROM vipps_views_aside WHERE NOT is_protected)
    """)
    env = api.Environment(cr, SUPERUSER_ID, {})
    env.invalidate_all()
    env.registry.clear_cache('templates')
    cr.execute("SELECT id FROM vipps_views_aside WHERE is_protected ORDER BY id")
    for view in env['ir.ui.view'].browse([row[0] for row in cr.fetchall()]):
        try:
            with cr.savepoint():
                view.active = True  # This checks it, together with the others of its form.
        except ValidationError as error:
            _logger.warning(
                "The view %s is protected from updates and does not fit this version: it is"
                " switched off. Correct it and switch it on, or remove the protection and update"
                " the module again. %s", view.xml_id, error,
            )
