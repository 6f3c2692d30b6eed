# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import _, fields, http
from odoo.exceptions import ValidationError
from odoo.http import request
from odoo.tools import format_amount

from .. import const
from .limits import get_limited_sentence, refuse
from .main import VippsController
from .portal import VippsPaymentPortal


class VippsPayController(VippsController, VippsPaymentPortal):
    """ The pages whose addresses are printed on documents. """

    # Whoever knows the address may pay: a token of the session would protect nothing, and runs out
    # while the page is open.
    @http.route(
        f'{const.PAY_ROUTE}/<string:code>', type='http', auth='public', methods=['GET', 'POST'],
        csrf=False, website=True, sitemap=False, max_content_length=const.MAX_FORM_SIZE,
    )
    def vipps_pay(self, code, **data):
        """ Show what is left to pay of a document, or start to pay it.

        Nothing is started by reading the page: mail programs read links, too.

        :param str code: The code of the document.
        :param dict data: What the customer chose to pay, see `_vipps_read_amount`.
        """
        self._keep_private()
        request.future_response.headers.set('X-Robots-Tag', 'noindex')
        document_sudo = request.env['vipps.payable'].sudo()._vipps_find_by_code(code)
        if not document_sudo:
            answer = request.render('mobilepay_vipps.pay_unknown')
            answer.status_code = 404
            return refuse(request.env['payment.provider'].sudo(), answer)
        return self._answer(lambda: (document_sudo, document_sudo._vipps_get_offer()), data)

    @http.route(
        f'{const.PORTAL_PAY_ROUTE}/<int:company_id>/<int:currency_id>', type='http', auth='user',
        methods=['GET', 'POST'], website=True, sitemap=False,
        max_content_length=const.MAX_FORM_SIZE,
    )
    def vipps_pay_all(self, company_id, currency_id, **data):
        """ Show what the customer who is logged in has to pay to a company in a currency, or start
        to pay it.

        :param int company_id: The company.
        :param int currency_id: The currency.
        :param dict data: What the customer chose to pay, see `_vipps_read_amount`.
        """
        self._keep_private()
        return self._answer(lambda: next((
            (document_sudo, offer)
            for document_sudo, offer in request.env['account.move']._vipps_find_due()
            if document_sudo.company_id.id == company_id
            and document_sudo.currency_id.id == currency_id
        ), None), data)

    def _answer(self, find, data):
        """ Show the page of a document, or start to pay what the customer chose on it.

        :param function find: Returns the document and what can be paid of it, or None if a page of
                              the portal has nothing to show: it is paid, or not theirs.
        :param dict data: What the customer chose.
        """
        found = find()
        if not found:
            return request.redirect('/my/invoices')
        document_sudo, offer = found
        if request.httprequest.method != 'POST' or offer.state != 'open':
            return self._render_page(
                document_sudo, offer, offer.status, has_paid='thanks' in data
            )
        try:
            amount = document_sudo._vipps_read_amount(offer, **data)
        except ValidationError as error:
            return self._render_page(document_sudo, offer, 400, str(error))
        return self._start_on_page(document_sudo, offer, amount, find)

    def _start_on_page(self, document_sudo, offer, amount, find):
        """ Start to pay an amount, and send the customer to the app. """
        values = document_sudo._vipps_prepare_page_payment(amount)
        tx_sudo = request.env['payment.transaction'].sudo().new({
            # Not the contact: many payers can share it.
            'provider_id': values['provider_id'], **values['custom_create_values'],
        })
        wait = request.env['vipps.request']._admit_start(tx_sudo)
        if wait:
            return self._render_page(
                document_sudo, offer, 429, get_limited_sentence(wait), [('Retry-After', str(wait))]
            )
        try:
            with request.env.cr.savepoint():
                tx_sudo = self._create_transaction(**values)
                tx_sudo._get_processing_values()
        except ValidationError as error:
            request.env.invalidate_all()  # Documents that are not stored are forgotten, too.
            found = find()
            if not found:  # Somebody else has paid it meanwhile.
                return request.redirect('/my/invoices')
            return self._render_page(*found, 409, str(error))
        if not tx_sudo.vipps_redirect_url:
            return self._render_result(tx_sudo, 'unavailable')
        return request.redirect(tx_sudo.vipps_redirect_url, local=False)

    @staticmethod
    def _render_page(document_sudo, offer, status, message=None, headers=(), has_paid=False):
        due_amount, currency = offer.due_amount or offer.amount, document_sudo.currency_id
        method = offer.state == 'open' and document_sudo._vipps_find_offering_provider(
            due_amount
        )._vipps_get_payment_method(currency).name
        response = request.render(document_sudo._vipps_page_template, {
            'document': document_sudo,
            'offer': offer,
            'message': message,
            'has_paid': has_paid,
            'pay_label': method and _("Pay with %s", method),
            'pay_due_label': method and _(
                "Pay %(amount)s with %(method)s",
                amount=format_amount(request.env, due_amount, currency), method=method,
            ),
            'pay_all_label': _(
                "Pay all of it now: %s", format_amount(request.env, offer.amount, currency)
            ),
            'today': fields.Date.context_today(document_sudo),
        }, headers=list(headers))
        response.status_code = status
        return response
