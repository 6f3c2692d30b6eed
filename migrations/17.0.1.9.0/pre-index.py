# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).


def migrate(cr, version):
    """ Remove the index of captures, which is made again with their companies.

    :param Cursor cr: The database cursor.
    :param str version: The installed version.
    :return: None
    """
    cr.execute("DROP INDEX IF EXISTS payment_transaction_vipps_captured_index")
