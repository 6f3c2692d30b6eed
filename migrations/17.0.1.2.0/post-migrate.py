# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import SUPERUSER_ID, api


def migrate(cr, version):
    """ Store the sums that earlier versions knew, and schedule the other payments to be read.

    :param Cursor cr: The database cursor.
    :param str version: The installed version.
    :return: None
    """
    cr.execute("""
        UPDATE payment_transaction
           SET vipps_authorized_amount = amount,
               vipps_captured_amount = CASE WHEN state = 'done' THEN amount ELSE 0 END,
               vipps_remaining_amount = CASE WHEN state = 'authorized' THEN amount ELSE 0 END
         WHERE vipps_payment_reference IS NOT NULL
           AND state IN ('authorized', 'done')
    """)
    env = api.Environment(cr, SUPERUSER_ID, {})
    env['payment.transaction']._vipps_schedule_comparison([
        '|', ('state', '=', 'authorized'), ('vipps_difference', '!=', False),
    ])
