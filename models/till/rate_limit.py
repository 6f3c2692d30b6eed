# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import models


class VippsRequest(models.Model):
    _inherit = 'vipps.request'

    def _get_documents(self, tx):
        """ Override to limit how often payments of an order of a till are started. """
        return [*super()._get_documents(tx), *tx.pos_order_id._origin]
