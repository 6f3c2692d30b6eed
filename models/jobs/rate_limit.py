# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import ipaddress
import logging
import math
from contextlib import contextmanager
from urllib.parse import urlsplit

from odoo import _, api, fields, models
from odoo.http import request
from odoo.tools import create_index
from odoo.tools.misc import hmac

from ... import const

_logger = logging.getLogger(__name__)

# The fields of a transaction that say what it pays.
DOCUMENT_FIELDS = ('sale_order_ids', 'invoice_ids', 'pos_order_id')

# Requests at the very same moment do not see each other. As close to a limit as this, they are
# counted once more.
MAX_CONCURRENT = 8

# Count what was asked before, and add this request unless a limit is reached.
ADMIT = """
    WITH asked AS (
        SELECT * FROM unnest(%(keys)s, %(limits)s) AS asked (key, most)
    ), counted AS (
        SELECT asked.key, asked.most, count(request.id) AS number, min(request.moment) AS oldest
          FROM asked
          LEFT JOIN vipps_request request
            ON request.key = asked.key AND request.moment > %(since)s
         GROUP BY asked.key, asked.most
    ), admitted AS (
        INSERT INTO vipps_request (key, moment)
        SELECT key, %(now)s
          FROM asked
         WHERE NOT EXISTS (SELECT FROM counted WHERE number >= most)
        RETURNING id
    )
    SELECT key, number, oldest, ARRAY(SELECT id FROM admitted) FROM counted
"""


class VippsRequest(models.Model):
    """ Requests that are counted to limit them. Rows are only inserted and deleted.

    What requests have in common is kept as a keyed hash: nobody reads from it who has asked.
    """
    _name = 'vipps.request'
    _description = "Vipps MobilePay Request"
    _log_access = False

    key = fields.Char(required=True, readonly=True)
    moment = fields.Datetime(required=True, readonly=True)

    def init(self):
        """ Index what is counted with every request. """
        create_index(
            self.env.cr, 'vipps_request_key_moment_index', self._table, ['key', 'moment']
        )

    #=== BUSINESS METHODS - WHAT IS LIMITED ===#

    @api.model
    def _admit_start(self, tx):
        """ Count a customer's try to start a payment, unless there were too many of them.

        Public customers share a partner, who is not counted.

        :param payment.transaction tx: The transaction, which need not be stored, in sudo mode.
        :return: The seconds to wait until the next try; 0 if this one is admitted.
        :rtype: int
        """
        limits = {
            f'provider {tx.provider_id.id}': const.MAX_STARTS_PER_PROVIDER,
            **self._get_address_limits('address', const.MAX_STARTS_PER_ADDRESS),
        }
        users = tx.partner_id.with_context(active_test=False).user_ids
        if tx.partner_id and not any(user._is_public() for user in users):
            limits[f'partner {tx.partner_id.id}'] = const.MAX_STARTS_PER_PARTNER
        for name in DOCUMENT_FIELDS:
            for document in tx[name]._origin:
                limits[f'document {document}'] = const.MAX_STARTS_PER_DOCUMENT
        return self._admit(limits, tx.provider_id)

    @api.model
    def _admit_refused(self, provider):
        """ Count a request that is refused because it does not prove who sends it, unless there
        were too many of them, so that nothing more is done for it.

        :param payment.provider provider: The provider that it is about, if there is one.
        :return: The seconds to wait until the next try; 0 if there were not too many.
        :rtype: int
        """
        return self._admit({
            f'refusals {provider.id}': const.MAX_REFUSALS_PER_PROVIDER,
            **self._get_address_limits('refused', const.MAX_REFUSALS_PER_ADDRESS),
        }, provider)

    @api.model
    def _get_address_limits(self, kind, limit):
        """ Return how many requests of a kind are admitted from where this one comes from.

        :param str kind: The kind of limit.
        :param int limit: How many are admitted from one address.
        :return: The limits of the address, or of IPv6 of the networks that it is in: whoever has
                 one address there has all of a network.
        :rtype: dict[str, int]
        """
        address = self._get_client_address()
        if not isinstance(address, ipaddress.IPv6Address):
            return {f'{kind} {address}': limit}
        return {
            f'{kind} {ipaddress.ip_network((int(address), prefix), strict=False)}': limit * factor
            for prefix, factor in const.IPV6_PREFIXES.items()
        }

    @api.model
    def _get_client_address(self):
        """ Return the address of the client, which comes from a proxy if `proxy_mode` says so.

        :return: The address; a text if it is none.
        :rtype: ipaddress.IPv4Address | ipaddress.IPv6Address | str
        """
        text = request.httprequest.remote_addr or ''
        has_port = text.startswith('[') or text.count(':') == 1  # As some proxies tell it.
        try:
            address = ipaddress.ip_address(urlsplit(f'//{text}').hostname if has_port else text)
        except ValueError:
            return text
        return getattr(address, 'ipv4_mapped', None) or address

    #=== BUSINESS METHODS - COUNTING ===#

    @api.model
    def _admit(self, limits, provider):
        """ Count a request, unless there were too many like it.

        It is counted in a database transaction of its own, so that all workers know of it before
        it does anything slow, and so that it stays counted if it fails.

        :param dict[str, int] limits: How many requests are admitted in a period, by what they have
                                      in common.
        :param payment.provider provider: The provider that they are about.
        :return: The seconds to wait until one is admitted again; 0 if this one is.
        :rtype: int
        """
        if getattr(request, 'vipps_is_admitted', False):
            return 0  # Odoo repeats what collided with something else.
        with self._in_own_transaction() as requests:
            wait, kind, ids, is_close = requests._insert_if_admitted(limits)
            if wait:
                requests._report(kind, provider)
        if is_close and ids:
            with self._in_own_transaction() as requests:
                wait = requests._get_wait(limits)
                if wait:
                    requests.browse(ids).unlink()
        request.vipps_is_admitted = not wait
        return wait

    @contextmanager
    def _in_own_transaction(self):
        with self.pool.cursor() as cr:
            yield self.with_env(self.env(cr=cr, su=True))

    def _insert_if_admitted(self, limits):
        """ Count a request with one query, unless a limit is reached.

        :param dict[str, int] limits: How many are admitted, by what they have in common.
        :return: The seconds to wait and the kind of limit that is reached, or 0; the rows; whether
                 a limit is close.
        :rtype: tuple[int, str, list[int], bool]
        """
        now = fields.Datetime.now()
        names = {self._hash(name): name for name in limits}
        self.env.cr.execute(ADMIT, {
            'keys': list(names), 'limits': list(limits.values()), 'now': now,
            'since': now - const.REQUEST_PERIOD,
        })
        waits, is_close = [(0, '')], False
        rows = self.env.cr.fetchall()
        for key, number, oldest, _ids in rows:
            name = names[key]
            if number >= limits[name]:
                waits.append((self._get_seconds(oldest, now), name.split()[0]))
            is_close = is_close or number >= limits[name] - MAX_CONCURRENT
        return (*max(waits), rows[0][3], is_close)

    def _get_wait(self, limits):
        """ Return how long to wait if more requests were counted than are admitted.

        :param dict[str, int] limits: How many are admitted, by what they have in common.
        :return: The seconds, 0 if there were not too many.
        :rtype: int
        """
        now = fields.Datetime.now()
        most = {self._hash(name): limit for name, limit in limits.items()}
        self.env.cr.execute("""
            SELECT key, count(*), min(moment)
              FROM vipps_request
             WHERE key = ANY(%s) AND moment > %s
             GROUP BY key
        """, (list(most), now - const.REQUEST_PERIOD))
        return max((
            self._get_seconds(oldest, now)
            for key, number, oldest in self.env.cr.fetchall() if number > most[key]
        ), default=0)

    @staticmethod
    def _get_seconds(oldest, now):
        return max(1, math.ceil((oldest + const.REQUEST_PERIOD - now).total_seconds()))

    def _insert(self, names):
        self.env.cr.execute(
            "INSERT INTO vipps_request (key, moment) SELECT unnest(%s), %s",
            ([self._hash(name) for name in names], fields.Datetime.now()),
        )

    def _hash(self, name):
        return hmac(self.env, 'vipps_request', name)

    def _report(self, kind, provider):
        """ Tell that requests are limited, once in a period.

        :param str kind: The limit that is reached: `document`, `partner`, `address`, `provider`,
                         `refused`, `refusals` or `events`.
        :param payment.provider provider: The provider that they are about, if there is one.
        :return: None
        """
        if self._insert_if_admitted({f'limited {provider.id}': 1})[0]:
            return
        what = {
            'document': _("Payments of one order or invoice were started too often."),
            'partner': _("One customer started payments too often."),
            'address': _("Payments were started too often from one network address."),
            'provider': _("Payments were started too often, from many network addresses."),
            'refused': _("Requests that did not prove who sends them came too often from one"
                         " network address."),
            'refusals': _("Requests that did not prove who sends them came too often, from many"
                          " network addresses."),
            'events': _("More events with a good signature came than a shop can have. Vipps"
                        " MobilePay sends them again later. If you did not sell that much, somebody"
                        " else has the secret: set up the webhooks again, and revoke the one that"
                        " was replaced."),
        }[kind]
        self.env['vipps.audit.event']._record(
            'limited', provider=provider.with_env(self.env), outcome='refused', details=what
        )
        _logger.warning(
            "Requests to provider %s are limited for some minutes (%s). If all clients have the"
            " address of a proxy, set proxy_mode.", provider.id or '-', kind,
        )

    @api.autovacuum
    def _gc_requests(self):
        """ Delete what is not counted anymore. """
        self.env.cr.execute(
            "DELETE FROM vipps_request WHERE moment < %s",
            (fields.Datetime.now() - const.REQUEST_PERIOD,),
        )
