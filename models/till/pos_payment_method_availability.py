# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import api, fields, models


class PosPaymentMethod(models.Model):
    _inherit = 'pos.payment.method'

    vipps_is_paused = fields.Boolean(
        string="Not Answering",
        help="Vipps MobilePay did not answer several times in a row.",
        compute='_compute_vipps_is_paused',
        compute_sudo=True,
    )

    @api.depends('vipps_provider_id')
    def _compute_vipps_is_paused(self):
        for method in self:
            provider = method.vipps_provider_id
            method.vipps_is_paused = bool(
                provider and provider._vipps_is_failing(provider._vipps_get_last_call())
            )
