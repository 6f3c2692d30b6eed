# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import api, models


class AccountFiscalPosition(models.Model):
    """ The app adds the price of the delivery, and changes no tax: Express is for addresses at
    which the taxes are those that are shown. """
    _inherit = 'account.fiscal.position'

    #=== BUSINESS METHODS ===#

    @api.model
    def _vipps_is_taxed_alike(self, partner, address, products, shown_position):
        """ Return whether products have the taxes of a fiscal position at an address.

        :param res.partner partner: The customer, or the public one.
        :param res.partner address: Where to deliver; if there is no postal code yet, anywhere in
            its country.
        :param product.product products: The products.
        :param account.fiscal.position shown_position: The fiscal position of the shown prices.
        :rtype: bool
        """
        country = address.country_id
        if not address.zip and self.search_count([
            ('auto_apply', '=', True),
            *self._check_company_domain(self.env.company),
            '|', ('country_id', '=', country.id),
            ('country_group_id', 'in', country.country_group_ids.ids),
            '|', ('state_ids', '!=', False), ('zip_from', 'not in', (False, '')),
        ], limit=1):
            return False
        position = self._get_fiscal_position(
            address if partner.is_public else partner, delivery=address
        )
        taxes = products.taxes_id._filter_taxes_by_company(self.env.company)
        return position == shown_position or all(
            position.map_tax(tax) == shown_position.map_tax(tax) for tax in taxes
        )
