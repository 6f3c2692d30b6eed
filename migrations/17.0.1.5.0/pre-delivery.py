# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).


def migrate(cr, version):
    """ Forget which orders a person locked: a lock does not close an order anymore.

    :param Cursor cr: The database cursor.
    :param str version: The installed version.
    :return: None
    """
    cr.execute("ALTER TABLE sale_order DROP COLUMN IF EXISTS vipps_is_locked_by_person")
