# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import _, api, fields, models

from ... import const
from ..jobs.own_transaction import after_transaction


class PaymentProvider(models.Model):
    """ Express: customers buy with one press, and choose address and delivery in the app. """
    _inherit = 'payment.provider'

    vipps_express_in_cart = fields.Boolean(string="Express in the Cart", default=True)
    vipps_express_on_product = fields.Boolean(string="Express on Product Pages", default=True)
    vipps_express_country_ids = fields.Many2many(
        string="Express Countries",
        help="The countries that customers of Express can have goods delivered to. If empty, that"
             " of the sales unit. A country whose taxes differ from those in the cart is left out.",
        comodel_name='res.country',
        relation='vipps_express_country_rel',
    )
    vipps_express_excluded_category_ids = fields.Many2many(
        string="Categories without Express",
        help="Carts with products of these eCommerce categories, or of those below them, are not"
             " offered Express.",
        comodel_name='product.public.category',
        relation='vipps_express_category_rel',
    )

    #=== COMPUTE METHODS ===#

    def _compute_feature_support_fields(self):
        """ Override of `payment` to enable express checkout. """
        super()._compute_feature_support_fields()
        self.filtered(lambda p: p.code == 'vipps').support_express_checkout = True

    #=== BUSINESS METHODS ===#

    @api.model
    def _vipps_find_for_express(self, company, partner, amount, currency, website):
        """ Return the provider that offers Express on a website, if there is one. """
        return self.sudo()._get_compatible_providers(
            company.id, partner.id, amount, currency_id=currency.id, website_id=website.id,
            is_express_checkout=True,
        ).filtered(lambda p: p.code == 'vipps')[:1]

    def _vipps_get_express_brand(self, currency):
        """ Return the brand of the app in the market of a currency. """
        today = fields.Date.context_today(self).isoformat()
        return next(
            brand for since, brand in reversed(const.BRANDS[currency.name]) if since <= today
        )

    def _vipps_get_express_label(self, currency):
        """ Return the label of the button, as the design guidelines have it. """
        return _("Buy now with %s", self._vipps_get_express_brand(currency))

    def _vipps_find_express_obstacle(self, website, partner, products, fiscal_position, currency):
        """ Return the reason why Express is not offered for products, whoever puts them into the
        cart; None if it is.

        :param website website: The website.
        :param res.partner partner: The customer, or the public one.
        :param product.product products: The products in the cart.
        :param account.fiscal.position fiscal_position: The one of the prices that are shown.
        :param res.currency currency: The currency of these prices.
        :return: The reason, for the staff.
        :rtype: str | None
        """
        excluded = products.product_tmpl_id.filtered(lambda t: t._vipps_is_without_express(self))
        if excluded:
            return _("%s is excluded from Express.", excluded[0].display_name)
        if website.account_on_checkout == 'mandatory' and partner.is_public:
            return _("Customers of this website have to log in before they pay.")
        if all(product.type == 'service' for product in products):
            return None
        carriers = self.env['delivery.carrier']._vipps_get_for_express(website)
        country = self.env['res.country']
        for country in self._vipps_iterate_express_countries(
            website, partner, products | carriers.product_id, fiscal_position, currency
        ):
            if any(not c.country_ids or country in c.country_ids for c in carriers):
                return None
        if not country:
            return _("The taxes depend on the country, or the address, of the delivery.")
        return _("No delivery method is published for the countries of Express.")

    def _vipps_get_express_countries(self, website, partner, products, fiscal_position, currency):
        """ Return the countries to deliver to. The parameters are those of
        :meth:`_vipps_find_express_obstacle`.

        :rtype: res.country
        """
        return self.env['res.country'].union(*self._vipps_iterate_express_countries(
            website, partner, products, fiscal_position, currency
        ))

    def _vipps_iterate_express_countries(
        self, website, partner, products, fiscal_position, currency
    ):
        """ Yield the countries to deliver to: those of the settings, or the one of the market, in
        which the products have the taxes that are shown. """
        countries = self.vipps_express_country_ids or self.env['res.country'].search(
            [('code', '=', const.CURRENCY_MARKETS[currency.name])]
        )
        positions = self.env['account.fiscal.position'].with_company(website.company_id)

        def is_taxed_alike(country):
            return positions._vipps_is_taxed_alike(
                partner, self.env['res.partner'].new({'country_id': country.id}), products,
                fiscal_position,
            )

        if positions.search_count([
            ('auto_apply', '=', True), *positions._check_company_domain(website.company_id),
        ], limit=1):
            yield from filter(is_taxed_alike, countries)
        elif is_taxed_alike(countries[:1]):
            yield from countries

    def _vipps_refuse_express(self):
        """ Switch Express off, since the sales unit may not use it, and alert an administrator; the
        payment that was tried is rolled back. """
        provider_id = self.id

        def switch_off(env):
            provider = env['payment.provider'].browse(provider_id).exists()
            if provider.allow_express_checkout:
                provider.allow_express_checkout = False

        after_transaction(self.env, switch_off, is_always=True)
        self._vipps_alert_administrator('express_refused')
