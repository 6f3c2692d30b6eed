# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import models

from ...trust import clean


class VippsPersonalData(models.TransientModel):
    """ The agreement of a customer to push messages. """
    _inherit = 'vipps.personal.data'

    #=== ACTION METHODS ===#

    def action_erase(self):
        """ Override to erase the agreement of the customer to push messages, with its number. """
        action = super().action_erase()
        clean(self).partner_id.sudo().vipps_consent = False
        return action

    #=== BUSINESS METHODS ===#

    def _prepare_export(self):
        """ Override to hand out the agreement of the customer to push messages. """
        return {
            **super()._prepare_export(),
            'agreed_to_push_messages': self.partner_id.sudo().vipps_consent or None,
        }
