# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import _, http
from odoo.http import request

from odoo.addons.payment.controllers.post_processing import PaymentPostProcessing

from ..source import POLL


class VippsPostProcessing(PaymentPostProcessing):

    @http.route()
    def display_status(self, **kwargs):
        """ Override of `payment` to give the page of our payments a title that is translated. """
        response = super().display_status(**kwargs)
        if response.is_qweb and self._get_monitored_tx_sudo().provider_code == 'vipps':
            response.qcontext['vipps_title'] = _("Payment Status")
        return response

    @http.route()
    def poll_status(self, **kwargs):
        """ Override of `payment` to read the open payment while the customer waits, and to report
        the result in the language of the page, which this route does not know. The confirmation
        of the order is left to the job: the customer does not wait for it. """
        lang = request.env['ir.http'].get_nearest_lang(
            request.httprequest.cookies.get('frontend_lang')
        )
        if lang:
            request.update_context(lang=lang)
        tx_sudo = self._get_monitored_tx_sudo().with_context(vipps_source=POLL)
        if tx_sudo.provider_code != 'vipps':
            return super().poll_status(**kwargs)
        tx_sudo._vipps_sync_for_customer()
        return tx_sudo._get_post_processing_values()

    def _get_monitored_tx_sudo(self):
        return request.env['payment.transaction'].sudo().browse(
            self.get_monitored_transaction_id()
        ).exists()
