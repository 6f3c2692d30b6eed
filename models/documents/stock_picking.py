# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import models


class StockPicking(models.Model):
    _inherit = 'stock.picking'

    def write(self, values):
        """ Override of `stock` to have the link in the app lead to the tracking of a delivery, as
        soon as it is both done and tracked. """
        res = super().write(values)
        if {'carrier_tracking_ref', 'date_done'} & values.keys():
            orders_sudo = self.sudo().filtered(
                lambda picking: picking.state == 'done' and picking.carrier_tracking_ref
            ).sale_id._vipps_filter_paid()
            self.env['vipps.task']._schedule(orders_sudo.transaction_ids.filtered(
                lambda tx: tx.vipps_payment_reference and tx.state in ('authorized', 'done')
            ), 'capture')
        return res
