# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo.tools import SQL


def serialize(records):
    """ Let other work that needs the same records at the same time wait, and then start anew.

    A lock is not enough: a database transaction that has waited for it still sees everything as it
    was when it began, without rows that were inserted since. An update, although it changes
    nothing, makes PostgreSQL refuse a transaction that comes later, and Odoo then starts that anew.

    :param recordset records: The records.
    :return: Whether there are any, and they are all there.
    :rtype: bool
    """
    if not records:
        return False
    cr = records.env.cr
    cr.execute(SQL(
        "UPDATE %s SET id = id WHERE id IN %s",
        SQL.identifier(records._table), tuple(records.ids),
    ), log_exceptions=False)  # Collisions are expected.
    return cr.rowcount == len(records)
