# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import SUPERUSER_ID, api


def migrate(cr, version):
    """ Bind what is encrypted to its place. Without the encryption key nothing is changed: health
    says so, and it is done later with Encrypt Anew.

    :param Cursor cr: The database cursor.
    :param str version: The installed version.
    :return: None
    """
    api.Environment(cr, SUPERUSER_ID, {})['payment.provider']._vipps_encrypt_anew()
