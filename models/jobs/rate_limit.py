# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import ipaddress
import logging
import math
from urllib.parse import urlsplit

from odoo import _, api, fields, models
from odoo.http import request
from odoo.tools import create_index
from odoo.tools.misc import hmac

from ... import const

_logger = logging.getLogger(__name__)

# Requests of the same moment do not see each other. As close to a limit as this, they are
# counted one after the other.
MAX_CONCURRENT = 8

# Count earlier requests, and add this one unless a limit is reached, or close. The row that is
# returned is that of the limit that is reached for the longest time, if any is.
ADMIT = """
    WITH asked AS (
        SELECT * FROM unnest(%(keys)s, %(limits)s) AS asked (key, most)
    ), counted AS (
        SELECT asked.key, most, count(request.id) AS number, min(request.moment) AS oldest
          FROM asked
          LEFT JOIN vipps_request request
            ON request.key = asked.key AND request.moment > %(since)s
         GROUP BY asked.key, most
    ), admitted AS (
        INSERT INTO vipps_request (key, moment)
        SELECT key, %(now)s
          FROM asked
         WHERE NOT EXISTS (SELECT FROM counted WHERE number >= most - %(margin)s)
        RETURNING id
    )
    SELECT EXISTS (SELECT FROM admitted), number >= most, key, oldest
      FROM counted
     ORDER BY number >= most DESC, oldest DESC NULLS LAST
     LIMIT 1
"""


class VippsRequest(models.Model):
    """ Requests that are counted to limit them. Rows are only inserted and deleted.

    The things that requests have in common are kept as keyed hashes: nobody reads a sender from
    them.
    """
    _name = 'vipps.request'
    _description = "Vipps MobilePay Request"
    _log_access = False

    key = fields.Char(required=True, readonly=True)
    moment = fields.Datetime(required=True, readonly=True)

    def init(self):
        """ Override to add the index that each request is counted with. """
        create_index(
            self.env.cr, 'vipps_request_key_moment_index', self._table, ['key', 'moment']
        )

    #=== BUSINESS METHODS - LIMITS ===#

    @api.model
    def _admit_start(self, tx):
        """ Count a customer's try to start a payment, unless there were too many of them.

        Public customers share a partner, which is not counted.

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
        for document in self._get_documents(tx):
            limits[f'document {document}'] = const.MAX_STARTS_PER_DOCUMENT
        return self._admit(limits, tx.provider_id)

    @api.model
    def _get_documents(self, tx):
        """ Hook to return the documents that a transaction pays for.

        :param payment.transaction tx: The transaction, which need not be stored, in sudo mode.
        :return: The stored documents, each as a record.
        :rtype: list
        """
        return [*tx.sale_order_ids._origin, *tx.invoice_ids._origin]

    @api.model
    def _admit_refused(self, provider):
        """ Count a request that does not prove its sender and is refused, unless there were too
        many of them, so that nothing more is done for it.

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
        """ Return how many requests are admitted from the address of this one, which comes from a
        proxy if `proxy_mode` says so; of IPv6, from each network that a customer may have.

        :param str kind: The kind of limit.
        :param int limit: How many are admitted from one address.
        :rtype: dict[str, int]
        """
        text = request.httprequest.remote_addr or ''
        has_port = text.startswith('[') or text.count(':') == 1  # As some proxies tell it.
        try:
            address = ipaddress.ip_address(urlsplit(f'//{text}').hostname if has_port else text)
        except ValueError:
            return {f'{kind} {text}': limit}
        address = getattr(address, 'ipv4_mapped', None) or address
        if address.version == 4:
            return {f'{kind} {address}': limit}
        return {
            f'{kind} {ipaddress.ip_network((int(address), prefix), strict=False)}': limit * factor
            for prefix, factor in const.IPV6_PREFIXES.items()
        }

    #=== BUSINESS METHODS - COUNTING ===#

    @api.model
    def _admit(self, limits, provider):
        """ Count a request, unless there were too many like it.

        It is counted in a database transaction of its own, so that all workers know of it before
        it does anything slow, and so that it stays counted if it fails.

        :param dict[str, int] limits: How many requests are admitted in a period, by a name that
                                      they share.
        :param payment.provider provider: The provider that they are about.
        :return: The seconds to wait until one is admitted again; 0 if this one is.
        :rtype: int
        """
        if getattr(request, 'vipps_is_admitted', False):
            return 0  # Odoo repeats a request that has collided.
        for margin in (MAX_CONCURRENT, 0):
            with self.pool.cursor() as cr:
                if not margin:  # The lock comes first, so that all earlier requests are seen.
                    cr.execute("LOCK TABLE vipps_request IN SHARE ROW EXCLUSIVE MODE")
                requests = self.with_env(self.env(cr=cr, su=True))
                is_admitted, wait, kind = requests._count(limits, margin)
                if wait:
                    requests._report(kind, provider)
            if is_admitted or wait:
                break
        request.vipps_is_admitted = is_admitted
        return wait

    def _count(self, limits, margin=0):
        """ Count a request with one query, unless a limit is reached.

        :param dict[str, int] limits: How many are admitted, by a name that they share.
        :param int margin: How close to a limit it is not counted either.
        :return: Whether it is counted; the seconds to wait and the kind of the limit if one is
                 reached.
        :rtype: tuple[bool, int, str]
        """
        now = fields.Datetime.now()
        names = {self._hash(name): name for name in limits}
        since = now - const.REQUEST_PERIOD
        self.env.cr.execute(ADMIT, {
            'keys': list(names), 'limits': list(limits.values()), 'now': now, 'since': since,
            'margin': margin,
        })
        is_counted, is_reached, key, oldest = self.env.cr.fetchone()
        wait = max(1, math.ceil((oldest - since).total_seconds())) if is_reached else 0
        return is_counted, wait, names[key].split()[0]

    def _hash(self, name):
        return hmac(self.env, 'vipps_request', name)

    def _report(self, kind, provider):
        """ Report that requests are limited, once in a period.

        :param str kind: The limit that is reached: `document`, `partner`, `address`, `provider`,
                         `refused`, `refusals` or `events`.
        :param payment.provider provider: The provider that they are about, if there is one.
        :return: None
        """
        is_first, _wait, _kind = self._count({f'limited {provider.id}': 1})
        if not is_first:
            return
        details = {
            'document': _("Payments of one order or invoice were started too often."),
            'partner': _("One customer started payments too often."),
            'address': _("Payments were started too often from one network address."),
            'provider': _("Payments were started too often, from many network addresses."),
            'refused': _("Too many requests without a valid signature or token arrived from one"
                         " network address."),
            'refusals': _("Too many requests without a valid signature or token arrived, from many"
                          " network addresses."),
            'events': _("More events with a valid signature arrived than a shop can have. Vipps"
                        " MobilePay sends them again later. If you did not sell that much, somebody"
                        " else has the secret: set up the webhooks again, and revoke the one that"
                        " was replaced."),
        }[kind]
        self.env['vipps.audit.event']._record(
            'limited', provider=provider.with_env(self.env), outcome='refused', details=details
        )
        _logger.warning(
            "Requests to provider %s are limited for some minutes (%s). If all clients have the"
            " address of a proxy, set proxy_mode.", provider.id or '-', kind,
        )

    @api.autovacuum
    def _gc_requests(self):
        """ Delete the requests that no longer count. """
        self.env.cr.execute(
            "DELETE FROM vipps_request WHERE moment < %s",
            (fields.Datetime.now() - const.REQUEST_PERIOD,),
        )
