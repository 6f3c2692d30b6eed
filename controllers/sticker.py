# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from werkzeug.exceptions import Forbidden

from odoo import _, http
from odoo.http import request

from .. import const
from ..models.api.client import VippsError


class VippsStickerController(http.Controller):

    @http.route(
        f'{const.STICKER_ROUTE}/<int:config_id>', type='http', auth='public', methods=['GET'],
        max_content_length=const.MAX_FORM_SIZE,
    )
    def vipps_sticker(self, config_id):
        """ Show the sticker of a till, to be printed.

        :param int config_id: The till.
        """
        # Nobody else learns which tills there are.
        if not request.env.user.has_group('point_of_sale.group_pos_manager'):
            raise Forbidden()
        config = request.env['pos.config'].search([('id', '=', config_id)])
        if not config or not config.vipps_sticker_number:
            raise Forbidden()
        config_sudo = config._vipps_get_for_stickers()
        brand_sudo = config_sudo.vipps_sticker_method_ids[:1].vipps_brand_id
        try:
            values = {
                'picture': config_sudo._vipps_read_sticker(),
                'sentence': _("Scan with the %s app to pay", brand_sudo.name or "Vipps MobilePay"),
            }
        except VippsError as error:
            values = {'problem': str(error)}
        response = request.render('mobilepay_vipps.till_sticker', {
            'config': config_sudo, 'brand': brand_sudo, **values,
        })
        response.headers['Cache-Control'] = 'no-store'
        return response
