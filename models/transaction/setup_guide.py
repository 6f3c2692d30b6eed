# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import models


class PaymentTransaction(models.Model):
    _inherit = 'payment.transaction'

    def _set_canceled(self, *args, **kwargs):
        """ Override of `payment` to cancel the order of a test payment of the set-up guide, which
        nobody would ever clean up. """
        txs = super()._set_canceled(*args, **kwargs)
        for tx in self.filtered(lambda t: t.provider_code == 'vipps' and t.state == 'cancel'):
            if tx.provider_id.sudo().vipps_guide_transaction_id == tx:
                tx._vipps_cancel_guide_order()
        return txs

    def _vipps_cancel_guide_order(self):
        """ Cancel the order of a test payment that nothing more comes of. """
        self.sale_order_ids.filtered(lambda order: order.state != 'cancel')._action_cancel()
