# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo.tools import sql

# Near enough: what is left is looked at again before keys are sent there.
LOOPBACK_PATTERN = (
    r'^https?://(localhost|127\.[0-9]+\.[0-9]+\.[0-9]+|\[::1\])(:[0-9]+)?/?$'
)


def migrate(cr, version):
    """ Remove the simulator address, which keys are no longer sent to, keys that were never stored
    on a provider, and the values that were kept of filled-in contacts.

    :param Cursor cr: The database cursor.
    :param str version: The installed version.
    :return: None
    """
    cr.execute("""
        DELETE FROM ir_config_parameter
         WHERE key = 'mobilepay_vipps.test_api_url' AND value !~ %s
    """, [LOOPBACK_PATTERN])
    if sql.table_exists(cr, 'vipps_key_rotation'):  # since 17.0.1.4.0
        cr.execute("DELETE FROM vipps_key_rotation")
    for table, column in (
        ('payment_provider', 'vipps_user_info_target'),
        ('payment_transaction', 'vipps_filled_partner_id'),
        ('payment_transaction', 'vipps_filled_fields'),
    ):
        if sql.column_exists(cr, table, column):
            cr.execute(f'ALTER TABLE "{table}" DROP COLUMN "{column}"')
