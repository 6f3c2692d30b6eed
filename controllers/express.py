# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import json
import logging

from psycopg2 import OperationalError
from psycopg2.errors import LockNotAvailable
from werkzeug.exceptions import NotFound

from odoo import http
from odoo.exceptions import UserError
from odoo.http import request

from odoo.addons.payment.controllers.post_processing import PaymentPostProcessing

from .. import const
from .limits import get_limited_sentence, refuse
from .main import VippsController

_logger = logging.getLogger(__name__)


class VippsExpressController(VippsController):

    @http.route(
        const.EXPRESS_ROUTE, type='http', auth='public', methods=['POST'], website=True,
        sitemap=False, max_content_length=const.MAX_FORM_SIZE,
    )
    def vipps_express_start(self, product_template_id=None, product_id=None, add_qty=1, **data):
        """ Start to pay the cart of the session, or a product at once, and send the customer to
        Vipps MobilePay.

        :param str product_template_id: The product, on its page.
        :param str product_id: The variant.
        :param str add_qty: The quantity.
        :param dict data: The values of attributes, by the names of their fields.
        """
        self._keep_private()
        website, back_url = request.website, '/shop/cart'
        website._vipps_give_coupon_back(is_anew=True)
        coupon_code = request.session.get('pending_coupon_code')
        try:
            with request.env.cr.savepoint():
                if product_template_id:
                    template_id = self._read_number(product_template_id)
                    back_url = self._get_product_url(template_id)
                    self._admit_express(request.env['sale.order'])
                    order_sudo = request.env['sale.order']._vipps_create_own_cart(
                        website, template_id, self._read_number(product_id),
                        self._read_number(add_qty), [
                            self._read_number(value)
                            for name in data if name.startswith('ptal-')
                            for value in request.httprequest.form.getlist(name)
                        ],
                    )
                else:
                    order_sudo = website.sale_get_order()
                    if not order_sudo:
                        return request.redirect('/shop/cart')
                    self._admit_express(order_sudo)
                tx_sudo = order_sudo._vipps_start_express()
        except UserError as error:
            if coupon_code:  # Core took it out for an order that was rolled back.
                request.session['pending_coupon_code'] = coupon_code
            return request.render('mobilepay_vipps.express_refused', {
                'message': str(error), 'back_url': back_url,
            })
        website._vipps_use_coupon(coupon_code, tx_sudo)
        request.session['sale_last_order_id'] = order_sudo.id
        PaymentPostProcessing.monitor_transaction(tx_sudo)
        if not tx_sudo.vipps_redirect_url:
            return self._render_result(tx_sudo, 'unavailable')
        return request.redirect(tx_sudo.vipps_redirect_url, local=False)

    @staticmethod
    def _read_number(text):
        return int(text) if text and str(text).isdecimal() and len(str(text)) < 10 else 0

    @staticmethod
    def _get_product_url(template_id):
        """ Return the page of a product, if the website shows it. """
        template_sudo = request.env['product.template'].sudo().browse(template_id).exists()
        is_shown = template_sudo.with_context(website_id=request.website.id).website_published
        return is_shown and template_sudo.website_url or '/shop'

    @staticmethod
    def _admit_express(order_sudo):
        """ Count the try to start a payment.

        :raise UserError: If there were too many of them.
        """
        partner = order_sudo.partner_id or request.env.user.partner_id
        provider_sudo = request.env['payment.provider'].sudo().search(
            [
                ('code', '=', 'vipps'), ('state', '!=', 'disabled'),
                ('allow_express_checkout', '=', True),
                ('company_id', 'parent_of', request.website.company_id.id),
            ], limit=1,
        )
        wait = request.env['vipps.request']._admit_start(
            request.env['payment.transaction'].sudo().new({
                'provider_id': provider_sudo.id, 'partner_id': partner.id,
                'sale_order_ids': order_sudo.ids,
            })
        )
        if wait:
            raise UserError(get_limited_sentence(wait))

    @http.route(
        f'{const.SHIPPING_ROUTE}/<string:reference>/<string:signature>', type='http',
        auth='public', methods=['POST'], csrf=False, save_session=False,
        max_content_length=const.MAX_FORM_SIZE,
    )
    def vipps_express_shipping(self, reference, signature, **data):
        """ Answer which deliveries there are to an address that the customer chose in the app.

        :param str reference: The reference of the payment.
        :param str signature: The signature of the route.
        :param dict data: Not used. Without it, Odoo would log the fields of a form.
        """
        api_client = request.env['vipps.api.client']
        tx_sudo = request.env['payment.transaction'].sudo()._vipps_get_for_shipping(
            reference, signature
        )
        if not tx_sudo or not api_client._is_shipping_token(
            request.httprequest.headers.get('Authorization'), tx_sudo._vipps_get_shipping_token()
        ):
            return refuse(
                tx_sudo.provider_id, NotFound().get_response(request.httprequest.environ)
            )
        try:
            question = api_client._parse_address_request(
                json.loads(request.httprequest.get_data())
            )
            answer = tx_sudo.with_company(tx_sudo.company_id)._vipps_in_customer_language(
                )._vipps_offer_deliveries(question)
        except (ValueError, RecursionError, LockNotAvailable):
            answer = None
        except OperationalError:
            raise  # Others have changed the order: Odoo does all of this again.
        except Exception:
            _logger.exception("Express: no deliveries can be offered for payment %s.", reference)
            answer = None
        if not answer:
            return request.make_json_response({}, status=400)
        return request.make_json_response(answer)
