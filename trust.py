# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The parts of a context that the server believes of a browser, and the records it may read."""

from .patience import Patience
from .source import Fact, Source

# Words, times, and companies, which Odoo compares with those of the user.
KEPT_KEYS = {'lang', 'tz', 'allowed_company_ids'}


def keep_trusted(context):
    """ Return the parts of a context that a browser may decide on, and those of the server. All
    others, like `default_...`, would steer code in sudo mode.

    :param dict context: The context.
    :rtype: dict
    """
    return {
        key: value for key, value in context.items()
        if key in KEPT_KEYS or isinstance(value, (Source, Fact, Patience))
    }


def clean(records):
    """ Return records without the parts of their context that a browser may not decide on.

    :param recordset records: The records that a method was called on from outside.
    :rtype: recordset
    :raise AccessError: If the user does not belong to the companies that the context names.
    """
    records.sudo(False).env.companies  # noqa: B018 - nobody compares them in sudo mode.
    return records.with_env(records.env(context=keep_trusted(records.env.context)))


def check_access(records, operation):
    """ Return records as :func:`clean` does, if their user may do an operation on them.

    :param recordset records: The records that a method was called on from outside.
    :param str operation: The operation, `read` or `write`.
    :rtype: recordset
    :raise AccessError: If the user may not.
    """
    records = clean(records)
    records.check_access_rights(operation)
    records.check_access_rule(operation)
    return records


def get_readable(record):
    """ Return the stored record that a form shows, for a field that is computed in sudo mode.

    `onchange` computes the fields of records that a browser makes up or changes, and asks nobody
    whether their user may read what they are made of. Odoo itself checks who reads stored records.

    :param recordset record: The record whose field is computed.
    :return: The stored record, empty if there is none or if the user may not read it.
    :rtype: recordset
    """
    if isinstance(record.id, int):
        return record
    stored = record._origin.sudo(False)
    if not stored.check_access_rights('read', raise_exception=False):
        return record.browse()
    return stored._filter_access_rules('read').with_env(record.env)
