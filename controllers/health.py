# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import http


class VippsHealthController(http.Controller):
    _health_url = '/payment/vipps/health'
