# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).


def migrate(cr, version):
    """ Give activities about subscription keys the key of their problem.

    :param Cursor cr: The database cursor.
    :param str version: The installed version.
    :return: None
    """
    cr.execute("""
        UPDATE mail_activity
           SET vipps_problem = replace(vipps_problem, 'subscription_key:vipps_', '')
         WHERE vipps_problem LIKE 'subscription_key:vipps_%'
    """)
