# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import api, fields, models

from ...trust import get_readable


class SaleOrder(models.Model):
    _inherit = 'sale.order'

    vipps_has_user_info = fields.Boolean(
        compute='_compute_vipps_has_user_info',
        compute_sudo=True,
        groups='mobilepay_vipps.group_payment_manager',
    )

    #=== COMPUTE METHODS ===#

    @api.depends('transaction_ids.vipps_user_info_state')
    def _compute_vipps_has_user_info(self):
        for order in self:
            txs = get_readable(order).transaction_ids
            order.vipps_has_user_info = 'received' in txs.mapped('vipps_user_info_state')

    #=== ACTION METHODS ===#

    def action_vipps_personal_data(self):
        """ Show what the customer of the order shared; that is recorded.

        :return: The action that opens the window.
        :rtype: dict
        :raise AccessError: If the user is not a payment manager.
        """
        self.env['vipps.personal.data'].check_access_rights('create')
        self.ensure_one()
        return self.partner_id.action_vipps_personal_data()
