# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import http
from odoo.http import request

from .. import const
from .limits import refuse

# Longer than ours: no hash is computed of a text of any length.
MAX_TOKEN_LENGTH = 100


class VippsHealthController(http.Controller):
    _health_url = '/payment/vipps/health'

    @http.route(
        _health_url, type='http', auth='public', methods=['GET'], csrf=False, save_session=False,
        sitemap=False, max_content_length=const.MAX_FORM_SIZE,
    )
    def vipps_health(self, **data):
        """ Report the health of a provider to a monitoring system.

        The status is 200, or 503 if payments fail or money is not where it belongs.

        :param dict data: Not used.
        """
        authorization = request.httprequest.headers.get('Authorization', '')
        kind, _separator, token = authorization.partition(' ')
        provider_sudo = request.env['payment.provider'].sudo()
        if kind.lower() == 'bearer' and 0 < len(token) <= MAX_TOKEN_LENGTH:
            provider_sudo = provider_sudo._vipps_get_for_monitoring(token)
        if not provider_sudo:
            return refuse(provider_sudo, request.make_response(
                '', status=401, headers=[('WWW-Authenticate', 'Bearer')]
            ))
        report = provider_sudo.with_company(
            provider_sudo.company_id
        ).with_context(lang='en_US')._vipps_prepare_report()
        return request.make_json_response(
            report,
            headers=[('Cache-Control', 'no-store')],
            status=503 if report['status'] == 'error' else 200,
        )
