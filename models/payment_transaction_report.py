# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from datetime import timedelta

from odoo import api, fields, models
from odoo.osv import expression


class PaymentTransaction(models.Model):
    _inherit = 'payment.transaction'

    vipps_is_deadline_near = fields.Boolean(
        string="Deadline Is Near",
        compute='_compute_vipps_is_deadline_near',
        search='_search_vipps_is_deadline_near',
        compute_sudo=True,
    )
    vipps_difference_count = fields.Integer(
        string="Differences", compute='_compute_vipps_difference_count', store=True
    )

    #=== COMPUTE METHODS ===#

    @api.depends('vipps_capture_deadline', 'vipps_remaining_amount')
    def _compute_vipps_is_deadline_near(self):
        now = fields.Datetime.now()
        for tx in self:
            warning_period = timedelta(days=tx.provider_id.vipps_deadline_warning_days)
            tx.vipps_is_deadline_near = (
                tx.vipps_remaining_amount > 0
                and bool(tx.vipps_capture_deadline)
                and tx.vipps_capture_deadline <= now + warning_period
            )

    @api.model
    def _search_vipps_is_deadline_near(self, operator, value):
        now = fields.Datetime.now()
        providers_sudo = self.env['payment.provider'].sudo().search([('code', '=', 'vipps')])
        query = self._search(expression.OR(
            [
                ('provider_id', '=', provider.id),
                ('vipps_remaining_amount', '>', 0),
                ('vipps_capture_deadline', '<=',
                 now + timedelta(days=provider.vipps_deadline_warning_days)),
            ]
            for provider in providers_sudo
        ))
        is_near = (operator == '=') == bool(value)
        return [('id', 'in' if is_near else 'not in', query)]

    @api.depends('vipps_difference')
    def _compute_vipps_difference_count(self):
        for tx in self:
            tx.vipps_difference_count = int(bool(tx.vipps_difference))
