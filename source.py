# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).


class Source(str):
    """ What caused something, in the context key `vipps_source`.

    It is more than a text so that only the server can say it: a browser can send any context.
    """


WEBHOOK, RETURN, POLL, USER, TILL = map(Source, ('webhook', 'return', 'poll', 'user', 'till'))
