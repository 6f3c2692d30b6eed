# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from urllib.parse import urljoin

from odoo import fields, models
from odoo.tools import SQL

from ..jobs.task import DONE, LATER

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

    #=== BUSINESS METHODS - LINK IN THE APP ===#

    def _vipps_schedule_app_link(self):
        """ Have the job set the link in the app, if it is to lead elsewhere than before. """
        if self.state not in ('authorized', 'done'):
            return
        picking = self._vipps_get_tracked_pickings()[:1]
        order = self._vipps_get_confirmed_orders()[:1]
        # The link is made once for each shipment with its tracking reference, and for the order.
        key = f'{picking},{picking.carrier_tracking_ref}' if picking else str(order)
        if order and key != self._vipps_get_told('app_link'):
            self._vipps_keep_told('app_link', key)
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
        order = self._vipps_get_confirmed_orders()[:1]
        if order and not order.access_token:
            # Nobody who needs the order waits for Vipps MobilePay.
            order._portal_ensure_token()
            self.env['vipps.task']._limit_due(self, 'app_link', latest=fields.Datetime.now())
            return LATER
        self._vipps_lock_rows(self, SQL())
        error = self._vipps_try(self._vipps_set_app_link, 'app_link_set')
        return self._vipps_put_off('app_link', error) if error else DONE

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
