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

from .. import const

_logger = logging.getLogger(__name__)

# The fields of a transaction that say what it pays.
DOCUMENT_FIELDS = ('sale_order_ids', 'invoice_ids', 'pos_order_id')

IPV6_CUSTOMER_PREFIX = 64  # What a customer of a network has at least for themselves.


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
        limits = {f'address {self._get_client_address()}': const.MAX_STARTS_PER_ADDRESS}
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
        were too many of them from the same address, so that nothing more is done for it.

        :param payment.provider provider: The provider that it is about.
        :return: The seconds to wait until the next try; 0 if there were not too many.
        :rtype: int
        """
        return self._admit(
            {f'refused {self._get_client_address()}': const.MAX_REFUSALS_PER_ADDRESS}, provider
        )

    @api.model
    def _get_client_address(self):
        """ Return the address of the client, which comes from a proxy if `proxy_mode` says so.

        :return: The address; of IPv6 the network, as its addresses are changed at will.
        :rtype: str
        """
        text = request.httprequest.remote_addr or ''
        has_port = text.startswith('[') or text.count(':') == 1  # As some proxies tell it.
        try:
            address = ipaddress.ip_address(urlsplit(f'//{text}').hostname if has_port else text)
        except ValueError:
            return text
        if address.version == 4:
            return str(address)
        return str(
            address.ipv4_mapped
            or ipaddress.ip_network((int(address), IPV6_CUSTOMER_PREFIX), strict=False)
        )

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
        ids = []
        with self._in_own_transaction() as requests:
            wait, kind = requests._get_wait(limits, 1)
            if wait:
                requests._report(kind, provider)
            else:
                ids = requests._insert(limits)
        if ids:
            # Of those that came at the very same moment, none has seen all others.
            with self._in_own_transaction() as requests:
                wait, _kind = requests._get_wait(limits, 0)
                if wait:
                    requests.browse(ids).unlink()
        request.vipps_is_admitted = not wait
        return wait

    @contextmanager
    def _in_own_transaction(self):
        with self.pool.cursor() as cr:
            yield self.with_env(self.env(cr=cr, su=True))

    def _get_wait(self, limits, more):
        """ Return how long to wait until there is room for more requests.

        :param dict[str, int] limits: How many are admitted, by what they have in common.
        :param int more: How many more are to be admitted.
        :return: The seconds, 0 if there is room, and the kind of limit that is reached.
        :rtype: tuple[int, str]
        """
        now = fields.Datetime.now()
        found = {self._hash(name): (name.split()[0], limit) for name, limit in limits.items()}
        self.env.cr.execute("""
            SELECT key, count(*), min(moment)
              FROM vipps_request
             WHERE key = ANY(%s) AND moment > %s
             GROUP BY key
        """, (list(found), now - const.REQUEST_PERIOD))
        waits = [(0, '')]
        for key, count, oldest in self.env.cr.fetchall():
            kind, limit = found[key]
            if count + more > limit:
                seconds = (oldest + const.REQUEST_PERIOD - now).total_seconds()
                waits.append((max(1, math.ceil(seconds)), kind))
        return max(waits)

    def _insert(self, names):
        self.env.cr.execute(
            "INSERT INTO vipps_request (key, moment) SELECT unnest(%s), %s RETURNING id",
            ([self._hash(name) for name in names], fields.Datetime.now()),
        )
        return [row[0] for row in self.env.cr.fetchall()]

    def _hash(self, name):
        return hmac(self.env, 'vipps_request', name)

    def _report(self, kind, provider):
        """ Tell that requests are limited, once in a period.

        :param str kind: The limit that is reached: `document`, `partner`, `address`, `refused`.
        :param payment.provider provider: The provider that they are about.
        :return: None
        """
        limits = {f'limited {provider.id}': 1}
        if self._get_wait(limits, 1)[0]:
            return
        self._insert(limits)
        what = {
            'document': _("Payments of one order or invoice were started too often."),
            'partner': _("One customer started payments too often."),
            'address': _("Payments were started too often from one network address."),
            'refused': _("Requests that did not prove who sends them came too often from one"
                         " network address."),
        }[kind]
        self.env['vipps.audit.event']._record(
            'limited', provider=provider.with_env(self.env), outcome='refused', details=what
        )
        _logger.warning(
            "Requests to provider %s are limited for some minutes (%s). If all clients have the"
            " address of a proxy, set proxy_mode.", provider.id, kind,
        )

    @api.autovacuum
    def _gc_requests(self):
        """ Delete what is not counted anymore. """
        self.env.cr.execute(
            "DELETE FROM vipps_request WHERE moment < %s",
            (fields.Datetime.now() - const.REQUEST_PERIOD,),
        )
