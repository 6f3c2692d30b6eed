# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import re

from odoo import SUPERUSER_ID, api

# Until now, one system parameter said it for all providers.
RETENTION_PARAMETER = 'mobilepay_vipps.event_retention_days'


def migrate(cr, version):
    """ Keep the days for which events are kept.

    :param Cursor cr: The database cursor.
    :param str version: The installed version.
    :return: None
    """
    env = api.Environment(cr, SUPERUSER_ID, {'active_test': False})
    days = env['ir.config_parameter'].get_param(RETENTION_PARAMETER, '')
    if re.fullmatch(r'[0-9]{1,4}', days):
        providers = env['payment.provider'].search([('code', '=', 'vipps')])
        providers.vipps_event_days = min(max(int(days), 1), 3650)
    env['ir.config_parameter'].search([('key', '=', RETENTION_PARAMETER)]).unlink()
