# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import uuid
from datetime import timedelta

from odoo import fields

from ..protocol.qr import CheckIn
from ..simulator.sales_units import NOK_UNIT
from .pos_common import PosCommon


class StickerCommon(PosCommon):
    """ A till with a sticker that is known at Vipps MobilePay, and customers who scan it. """

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.pos_manager = cls._new_user(
            'vipps_pos_manager', 'base.group_user,point_of_sale.group_pos_manager'
        )
        cls.env['ir.config_parameter'].set_param('web.base.url', 'http://127.0.0.1:1')

    def setUp(self):
        super().setUp()
        self._make_sticker()

    def _make_sticker(self, config=None):
        (config or self.config).with_user(self.pos_manager).action_vipps_make_sticker()

    def _get_check_ins(self):
        return self.env['vipps.webhook.event'].sudo().search([('name', '=', 'CHECKED_IN')])

    def _scan(self, number=None, token=None, age=0, msn=NOK_UNIT.msn, provider=None):
        """ Let a customer scan the sticker; store the check-in as the webhook does. """
        number = number or self.config.vipps_sticker_number
        token = token or self.simulator.check_in(number, age=age)
        self.env['vipps.webhook.event'].sudo()._store_check_in(provider or self.vipps, CheckIn(
            number, token, msn, fields.Datetime.now() - timedelta(seconds=age),
        ))
        self.env.flush_all()
        self.env.invalidate_all()
        return self._get_check_ins()[:1]

    def _question(self, ui_order=None, **kwargs):
        """ Save an order, and press Sticker; return the status. """
        return self._ask(ui_order or self._prepare_ui_order(), flow='sticker', **kwargs)

    def _go_on(self, status, check_in=False, **kwargs):
        """ Start the attempt again, as the till does. """
        return self._call('vipps_start_attempt', status['reference'], False, check_in, **kwargs)

    def _make_key(self):
        return str(uuid.uuid4())
