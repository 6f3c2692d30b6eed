# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import fields, models


class ProductTemplate(models.Model):
    """ Products that Express is not offered for. """
    _inherit = 'product.template'

    vipps_is_express_excluded = fields.Boolean(
        string="Without Express",
        help="Carts with this product are not offered Express of Vipps MobilePay.",
    )

    #=== BUSINESS METHODS ===#

    def _vipps_is_without_express(self, provider):
        """ Return whether a provider does not offer Express for one of the products. """
        excluded = provider.vipps_express_excluded_category_ids
        return any(self.mapped('vipps_is_express_excluded')) or bool(excluded) and bool(
            self.public_categ_ids.parents_and_self & excluded
        )

    def _vipps_get_express_offer(self, website):
        """ Return the button on the product page, if there is one. A product with words of the
        customer goes through the cart.

        :param website website: The website, in the environment of the customer.
        :return: The `label` and the `brand`.
        :rtype: dict | None
        """
        self.ensure_one()
        if not self.env['payment.provider'].sudo().search_count([
            ('code', '=', 'vipps'), ('state', '!=', 'disabled'),
            ('allow_express_checkout', '=', True), ('vipps_express_on_product', '=', True),
        ], limit=1):
            return None
        lines = self.valid_product_template_attribute_line_ids
        if any(lines.product_template_value_ids.mapped('is_custom')):
            return None
        price = self._get_combination_info()['price']
        currency, partner = website.currency_id, self.env.user.partner_id
        provider = price > 0 and self.env['payment.provider']._vipps_find_for_express(
            website.company_id, partner, price, currency, website
        )
        if not provider or not provider.vipps_express_on_product or (
            provider._vipps_find_express_obstacle(
                website, partner, self.sudo().product_variant_ids,
                website.sudo().fiscal_position_id, currency,
            )
        ):
            return None
        return {
            'label': provider._vipps_get_express_label(currency),
            'brand': provider._vipps_get_express_brand(currency),
        }
