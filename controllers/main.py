# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import json
import logging
import time

from werkzeug.exceptions import NotFound, RequestEntityTooLarge, Unauthorized

from odoo import http
from odoo.exceptions import ValidationError
from odoo.http import request

from odoo.addons.payment.controllers.post_processing import PaymentPostProcessing

from .. import const
from ..source import RETURN
from ..step_log import log_step
from .limits import get_limited_sentence, refuse

_logger = logging.getLogger(__name__)


class VippsController(http.Controller):

    @http.route(
        const.REDIRECT_ROUTE, type='http', auth='public', methods=['GET', 'POST'], csrf=False,
        website=True, sitemap=False, max_content_length=const.MAX_FORM_SIZE,
    )
    def vipps_redirect(self, reference=None, retry=None, **data):
        """ Send the customer to the payment that was created for the transaction of this session.

        Only the form of the payment is sent to it: a browser that comes otherwise, for example
        after it was restored, goes on in the shop.

        :param str reference: The reference of the transaction.
        :param str retry: Whether to try again to create the payment.
        :param dict data: Not used.
        """
        self._keep_private()
        if request.httprequest.method != 'POST':
            return request.redirect('/shop')
        tx_sudo = request.env['payment.transaction'].sudo().browse(
            PaymentPostProcessing.get_monitored_transaction_id()
        ).exists()
        if tx_sudo.provider_code != 'vipps' or tx_sudo.reference != reference:
            return request.redirect('/payment/status')
        if tx_sudo.state == 'draft' and not tx_sudo.vipps_redirect_url:
            wait = retry and request.env['vipps.request']._admit_start(tx_sudo)
            if wait:
                response = self._render_result(tx_sudo, 'limited', get_limited_sentence(wait))
                response.status_code = 429
                response.headers['Retry-After'] = str(wait)
                return response
            try:
                is_created = retry and tx_sudo._vipps_try_again()
            except ValidationError as error:
                return self._render_result(tx_sudo, 'failed', str(error))
            if not is_created:
                return self._render_result(tx_sudo, 'unavailable')
        # A payment that is decided has no URL any longer: the return page shows the result.
        return request.redirect(
            tx_sudo.vipps_redirect_url or tx_sudo._vipps_get_return_route(), local=False
        )

    @http.route(
        const.RETURN_ROUTE, type='http', auth='public', methods=['GET'], website=True,
        sitemap=False, max_content_length=const.MAX_FORM_SIZE,
    )
    def vipps_return(self, reference=None, access_token=None, **data):
        """ Receive the customer who comes back, maybe in another browser and without a session.

        The payment is read and the answer shows the truth about the money. With the answer, the
        state of the payment is committed, and the job confirms the order: the status page shows it
        as soon as that is done, and no confirmation that hangs or fails keeps the customer waiting.

        :param str reference: The reference of the transaction.
        :param str access_token: The signature of the URL.
        :param dict data: Not used.
        """
        started = time.monotonic()
        self._keep_private()
        tx_sudo = request.env['payment.transaction'].sudo().with_context(
            vipps_source=RETURN
        )._vipps_get_from_return(reference, access_token)
        if not tx_sudo:
            return refuse(request.env['payment.provider'].sudo(), NotFound())
        tx_sudo._vipps_sync_for_customer(wait=True)
        log_step(
            _logger, 'returned', tx_sudo, started=started, result=tx_sudo._vipps_get_result()
        )
        if (
            PaymentPostProcessing.get_monitored_transaction_id() == tx_sudo.id
            and tx_sudo._vipps_get_result() not in ('contact', 'failed', 'unclear')
        ):
            return request.redirect('/payment/status')
        return self._render_result(tx_sudo, tx_sudo._vipps_get_result())

    @staticmethod
    def _keep_private():
        """ Let no browser, proxy or other website keep or learn the address with its token. """
        headers = request.future_response.headers
        headers.set('Cache-Control', 'no-store')
        headers.set('Referrer-Policy', 'no-referrer')

    def _render_result(self, tx_sudo, result, message=None):
        if result == 'failed' and tx_sudo._vipps_is_paid_otherwise():
            result = 'paid_otherwise'  # The customer must not be invited to pay again.
        retry_url = None
        if result in ('failed', 'unavailable', 'limited'):
            has_cart = request.session.get('sale_order_id') in tx_sudo.sale_order_ids.ids
            # The link opens the document, with the name and the address of the customer.
            is_payer = has_cart or self._is_payer(tx_sudo)
            retry_url = tx_sudo._vipps_get_retry_url(has_cart) if is_payer else '/shop'
        return request.render('mobilepay_vipps.payment_result', {
            'tx': tx_sudo,
            'result': result,
            'message': message or tx_sudo._vipps_explain_failure(),
            'document': tx_sudo._vipps_get_document_name(),
            'retry_url': retry_url,
            'is_payer': retry_url != '/shop',
        })

    @staticmethod
    def _is_payer(tx_sudo):
        """ Return whether the session started to pay the documents of a transaction, or is the
        customer's, or whether there are none that could be read. """
        documents_sudo = tx_sudo.sale_order_ids or tx_sudo.invoice_ids
        user = request.env.user
        if not documents_sudo or not user._is_public() and (
            user.partner_id.commercial_partner_id == tx_sudo.partner_id.commercial_partner_id
        ):
            return True
        monitored_sudo = tx_sudo.browse(
            PaymentPostProcessing.get_monitored_transaction_id()
        ).exists()
        return monitored_sudo == tx_sudo or bool(
            monitored_sudo.sale_order_ids & tx_sudo.sale_order_ids
            or monitored_sudo.invoice_ids & tx_sudo.invoice_ids
        )

    @http.route(
        f'{const.WEBHOOK_ROUTE}/<int:provider_id>', type='http', auth='public', methods=['POST'],
        csrf=False, save_session=False, max_content_length=const.MAX_WEBHOOK_SIZE,
    )
    def vipps_webhook(self, provider_id, **data):
        """ Store an event in the inbox.

        See https://developer.vippsmobilepay.com/docs/APIs/webhooks-api/api-guide/

        :param int provider_id: The provider that the webhook was registered for.
        :param dict data: Not used. Without it, Odoo would log the fields of a form.
        """
        httprequest = request.httprequest
        if (httprequest.content_length or 0) > const.MAX_WEBHOOK_SIZE:
            raise RequestEntityTooLarge()
        body = httprequest.get_data()  # Raw: the signature is for these bytes.
        if len(body) > const.MAX_WEBHOOK_SIZE:
            raise RequestEntityTooLarge()
        provider_sudo = request.env['payment.provider'].sudo()._vipps_get_for_webhook(provider_id)
        # Nobody learns which providers there are.
        if not provider_sudo or not provider_sudo._vipps_verify_webhook(
            body, httprequest.headers
        ):
            answer = refuse(provider_sudo, Unauthorized().get_response(httprequest.environ))
            answer.headers[const.DATABASE_HEADER] = (
                request.env['payment.transaction']._vipps_get_reference_prefix()
            )
            return answer
        # The jobs are woken when it is sent.
        answer = request.vipps_answer = request.make_response('')
        try:
            data = json.loads(body)
            check_in = request.env['vipps.api.client']._parse_check_in(data)
            event = None if check_in else request.env['vipps.api.client']._parse_webhook(data)
        except (ValueError, RecursionError):
            # Refusing it would only hold up the events behind it.
            _logger.warning("A webhook of provider %s is not an event of a payment.", provider_id)
        else:
            inbox_sudo = request.env['vipps.webhook.event'].sudo()
            if not (
                inbox_sudo._store_check_in(provider_sudo, check_in) if check_in
                else inbox_sudo._store(provider_sudo, event)
            ):
                answer.status_code = 429
                answer.headers['Retry-After'] = '3600'
        return answer
