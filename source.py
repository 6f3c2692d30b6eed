# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).


class Source(str):
    """ A cause, in the context key `vipps_source`.

    It is more than a text so that only the server can say it: a browser can send any context.
    """

    def __eq__(self, other):
        # Odoo takes environments with equal contexts for the same one.
        return isinstance(other, Source) and super().__eq__(other)

    __hash__ = str.__hash__


class Fact(int):
    """ A decision of the server, in a context key: the id of a record, or yes.

    It is more than a number so that only the server can say it: a browser can send any context.
    """

    def __eq__(self, other):
        return isinstance(other, Fact) and super().__eq__(other)

    __hash__ = int.__hash__


WEBHOOK, RETURN, POLL, USER, TILL = map(Source, ('webhook', 'return', 'poll', 'user', 'till'))
