# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import api, fields, models

# Carriers of Odoo that need no service of others, and so take no time.
OWN_TYPES = ('fixed', 'base_on_rule', 'onsite')


class DeliveryCarrier(models.Model):
    """ How the app shows delivery methods. """
    _inherit = 'delivery.carrier'

    vipps_express_type = fields.Selection(
        string="Type in the App",
        help="How the app of Vipps MobilePay shows this delivery method when customers buy with"
             " Express.",
        selection=[
            ('HOME_DELIVERY', "Home delivery"), ('PICKUP_POINT', "Pick-up point"),
            ('MAILBOX', "Mailbox"), ('IN_STORE', "Pick-up in the shop"), ('OTHER', "Other"),
        ],
        compute='_compute_vipps_express',
        store=True,
        readonly=False,
    )
    vipps_express_brand = fields.Selection(
        string="Carrier in the App",
        help="The carrier whose logo the app of Vipps MobilePay shows.",
        selection='_vipps_get_brands',
        compute='_compute_vipps_express',
        store=True,
        readonly=False,
    )

    #=== COMPUTE METHODS ===#

    @api.depends('delivery_type')
    def _compute_vipps_express(self):
        for carrier in self:
            text = f'{carrier.delivery_type} {carrier.name or ""}'.upper()
            carrier.vipps_express_type = (
                'IN_STORE' if carrier.delivery_type == 'onsite' else 'HOME_DELIVERY'
            )
            carrier.vipps_express_brand = next(
                (brand for brand, _name in self._vipps_get_brands() if brand in text), 'OTHER'
            )

    #=== BUSINESS METHODS ===#

    @api.model
    def _vipps_get_brands(self):
        """ Return the carriers that the app knows; names of companies are not translated. """
        return [
            (brand, brand.title() if len(brand) > 3 else brand)
            for brand in self.env['vipps.api.client']._get_delivery_brands()
        ]

    @api.model
    def _vipps_get_for_express(self, website):
        """ Return the delivery methods of a website that need no choice of a pick-up point, which
        the app does not offer, and whose price is known before the delivery. """
        return self.sudo().with_context(website_id=website.id).search([
            ('website_published', '=', True),
            *self._check_company_domain(website.company_id),
        ]).filtered(lambda carrier: carrier.invoice_policy != 'real' and not getattr(
            carrier, f'{carrier.delivery_type}_use_locations', False
        ))

    def _vipps_depends_on_place(self, countries):
        """ Return whether the price of a delivery, or whether there is one, depends on the address
        within some countries. """
        return any(
            carrier.delivery_type not in OWN_TYPES or carrier.state_ids or carrier.zip_prefix_ids
            or carrier.country_ids & countries and countries - carrier.country_ids
            for carrier in self
        )
