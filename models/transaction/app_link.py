# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from datetime import timedelta
from urllib.parse import urljoin

from odoo import fields, models
from odoo.tools import SQL

from ..jobs.task import DONE, LATER, NO_ANSWER

CATEGORIES = {'order': 'ORDER_CONFIRMATION', 'delivery': 'DELIVERY'}


class PaymentTransaction(models.Model):
    _inherit = 'payment.transaction'

    vipps_app_link = fields.Selection(
        string="Link in the App",
        help="Where the link leads that the customer finds with the payment in the app.",
        selection=[('order', "Order"), ('delivery', "Tracking of the delivery")],
        copy=False,
        readonly=True,
    )
    # The shipment with its tracking reference, or the order, that the link was last made for. It is
    # made once for each.
    vipps_app_link_key = fields.Char(copy=False, readonly=True, groups='base.group_system')

    #=== BUSINESS METHODS - LINK IN THE APP ===#

    def _vipps_schedule_app_link(self):
        """ Have the job set the link in the app, if it is to lead elsewhere than before. """
        if self.state not in ('authorized', 'done'):
            return
        picking = self._vipps_get_tracked_pickings()[:1]
        order = self._vipps_get_confirmed_orders()[:1]
        key = f'{picking},{picking.carrier_tracking_ref}' if picking else str(order)
        if order and key != self.vipps_app_link_key:
            self.vipps_app_link_key = key
            self.env['vipps.task']._schedule(self, 'app_link')

    def _vipps_get_confirmed_orders(self):
        return self.sale_order_ids.filtered(lambda order: order.state == 'sale')

    def _vipps_get_tracked_pickings(self):
        """ Return the deliveries to the customer that can be tracked, the newest first. """
        return self._vipps_get_confirmed_orders().picking_ids.filtered(
            lambda picking: picking.state == 'done'
            and picking.location_dest_id.usage == 'customer'
            and picking.carrier_tracking_ref
        ).sorted(lambda picking: (picking.date_done, picking.id), reverse=True)

    def _vipps_do_app_link(self):
        """ Set the link in the app. """
        tasks, now = self.env['vipps.task'], fields.Datetime.now()
        order = self._vipps_get_confirmed_orders()[:1]
        if order and not order.access_token:
            # Nobody who needs the order waits for Vipps MobilePay.
            order._portal_ensure_token()
            tasks._limit_due(self, 'app_link', latest=now)
            return LATER
        self._vipps_lock_rows(self, SQL())
        error = self._vipps_try(self._vipps_set_app_link, 'app_link_set')
        if not error:
            return DONE
        tasks._limit_due(
            self, 'app_link', earliest=now + timedelta(seconds=error.retry_after)
        )
        return NO_ANSWER if error.is_no_answer else LATER

    def _vipps_set_app_link(self):
        """ Set the link in the app to the newest target that the app can show.

        :raise VippsError: If it was not set, or if that is unknown.
        """
        links = [
            ('delivery', self._vipps_get_tracking_url(picking))
            for picking in self._vipps_get_tracked_pickings()
        ]
        order = self._vipps_get_confirmed_orders()[:1]
        if order and not self.vipps_app_link:
            links.append(('order', urljoin(order.get_base_url(), order.get_portal_url())))
        for kind, url in links:
            if self.provider_id._vipps_is_allowed_url(url):
                self.env['vipps.api.client']._call_for(
                    self, 'category', name=CATEGORIES[kind], url=url
                )
                self.vipps_app_link = kind
                return

    def _vipps_get_tracking_url(self, picking):
        """ Return the address at which a delivery can be tracked, of several parcels that of the
        first one. """
        trackers = picking.get_multiple_carrier_tracking()
        return trackers[0][1] if trackers else picking.carrier_tracking_url or ''
