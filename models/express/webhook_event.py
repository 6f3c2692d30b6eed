# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from psycopg2.extras import Json

from odoo import api, fields, models
from odoo.fields import NO_ACCESS


class VippsWebhookEvent(models.Model):
    """ Events that say where to deliver. Whether the payment says it, too, is not certain; until it
    is read, the event keeps the choice of the customer. """
    _inherit = 'vipps.webhook.event'

    express_choice = fields.Json(readonly=True, groups=NO_ACCESS)

    #=== BUSINESS METHODS ===#

    @api.model
    def _prepare_details(self, tx, event):
        """ Override to keep the delivery that the customer chose, if it is not known yet. """
        values = super()._prepare_details(tx, event)
        if event.shipping and tx.vipps_is_express and not tx.vipps_express_choice and (
            tx.vipps_user_info_state != 'erased'
        ):
            values['express_choice'] = Json(tx._vipps_convert_choice(event.shipping))
        return values
