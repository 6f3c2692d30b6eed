# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).


def migrate(cr, version):
    """ Add the column for which the ORM would read all transactions one by one: none of them was
    made at a till.

    :param Cursor cr: The database cursor.
    :param str version: The installed version.
    :return: None
    """
    cr.execute("ALTER TABLE payment_transaction ADD COLUMN vipps_pos_config_id integer")
