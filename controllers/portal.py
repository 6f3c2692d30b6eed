# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from werkzeug.exceptions import abort

from odoo.http import request

from odoo.addons.payment.controllers.portal import PaymentPortal

from .limits import get_limited_sentence


class VippsPaymentPortal(PaymentPortal):

    def _create_transaction(
        self, provider_id, *args, partner_id=None, custom_create_values=None, **kwargs
    ):
        """ Override of `payment` to limit how often payments of Vipps MobilePay are started, on any
        page. """
        tx_sudo = request.env['payment.transaction'].sudo().new({
            'provider_id': provider_id, 'partner_id': partner_id, **(custom_create_values or {}),
        })
        if tx_sudo.provider_id.code == 'vipps':
            wait = request.env['vipps.request']._admit_start(tx_sudo)
            if wait:
                self._vipps_refuse_start(wait)
        return super()._create_transaction(
            provider_id, *args, partner_id=partner_id, custom_create_values=custom_create_values,
            **kwargs,
        )

    def _vipps_refuse_start(self, wait):
        """ End the request with an answer that has the status and that the payment form shows.

        :raise HTTPException: Always. Odoo would answer any other error with the status 200.
        """
        sentence = get_limited_sentence(wait)
        abort(request.make_json_response({
            'jsonrpc': '2.0',
            'id': request.dispatcher.request_id,
            'error': {
                'code': 429,
                'message': "429: Too Many Requests",
                'data': {
                    'name': 'odoo.exceptions.UserError',
                    'message': sentence,
                    'arguments': [sentence],
                    'context': {},
                    'debug': '',
                },
            },
        }, status=429, headers=[('Retry-After', str(wait))]))
