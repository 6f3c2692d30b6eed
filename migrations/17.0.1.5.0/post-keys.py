# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import SUPERUSER_ID, api


def migrate(cr, version):
    """ Bind encrypted values to their place. Without the encryption key nothing changes: health
    reports it, and Encrypt Anew binds them later.

    :param Cursor cr: The database cursor.
    :param str version: The installed version.
    :return: None
    """
    api.Environment(cr, SUPERUSER_ID, {})['payment.provider']._vipps_encrypt_anew()
