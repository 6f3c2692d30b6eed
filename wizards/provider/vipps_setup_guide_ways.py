# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import fields, models


class VippsSetupGuide(models.TransientModel):
    """ The screen of the ways to pay that are optional: each is one switch, or one link. """
    _inherit = 'vipps.setup.guide'

    has_express = fields.Boolean(
        string="Express",
        help="Customers buy with one press, and choose address and delivery in the app.",
        related='provider_id.allow_express_checkout', related_sudo=False, readonly=False,
    )
    has_code_on_invoices = fields.Boolean(
        string="Code on Invoices", related='provider_id.vipps_code_on_invoices',
        related_sudo=False, readonly=False,
    )

    #=== ACTION METHODS ===#

    def action_open_tills(self):
        """ Open the tills of the provider: stickers are made in their settings. """
        guide = self._enter()
        return {
            **self.env['ir.actions.act_window']._for_xml_id(
                'point_of_sale.action_pos_config_tree'
            ),
            'domain': [('id', 'in', guide._get_till_methods().config_ids.ids)],
        }
