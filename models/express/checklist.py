# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import _, _lt, models

from ... import const
from ..provider.checklist import Item
from ..transaction.legal_links import PRIVACY_PAGE, TERMS_PAGE

EXPRESS = _lt("Express")

CHECKLIST = (
    Item(EXPRESS, 'express_delivery', '',
         _lt("Goods can be delivered"),
         _lt("Delivery methods are published for the countries of Express."),
         find='_vipps_find_missing_delivery'),
    Item(EXPRESS, 'express_address', '',
         _lt("The websites have an https address"),
         _lt("The app asks for deliveries there, and customers come back there."),
         find='_vipps_find_wrong_express_address'),
    Item(EXPRESS, 'express_legal', '',
         _lt("Customers can read the terms and the privacy policy in the app"),
         _lt("Their pages on the website are sent with each payment."),
         find='_vipps_find_missing_legal_page'),
    Item(EXPRESS, 'express_paid', "t.vipps_is_express AND t.vipps_authorized_amount > 0",
         _lt("A customer buys with Express"),
         _lt("Order Express for the sales unit, wait for the approval, and press Buy now in the"
             " cart."),
         url=const.EXPRESS_GUIDE_URL),
)


class PaymentProvider(models.Model):
    """ What Express needs before it goes live. """
    _inherit = 'payment.provider'

    #=== BUSINESS METHODS ===#

    def _vipps_get_checklist(self):
        """ Override to add Express. """
        checklist = super()._vipps_get_checklist()
        return checklist + CHECKLIST if self.allow_express_checkout else checklist

    def _vipps_get_websites(self):
        """ Return the websites that the provider is offered on. """
        return self.website_id or self.env['website'].search([
            ('company_id', 'child_of', self.company_id.id),
        ])

    def _vipps_find_missing_delivery(self):
        """ Return a sentence about the first website without a delivery to the countries of
        Express, or None. """
        countries = self.vipps_express_country_ids or self.env['res.country'].search([
            ('code', 'in', [
                const.CURRENCY_MARKETS.get(currency.name)
                for currency in self.available_currency_ids
            ] or list(const.CURRENCY_MARKETS.values())),
        ])
        for website in self._vipps_get_websites():
            has_goods = self.env['product.template'].search_count([
                ('is_published', '=', True), ('sale_ok', '=', True), ('type', '!=', 'service'),
                ('company_id', 'in', (False, website.company_id.id)), *website.website_domain(),
            ], limit=1)
            carriers = self.env['delivery.carrier']._vipps_get_for_express(website)
            if has_goods and not any(
                not carrier.country_ids or carrier.country_ids & countries for carrier in carriers
            ):
                return _(
                    "On %(website)s, publish a delivery method for these countries: %(countries)s."
                    " Until then, the button is only shown for services.",
                    website=website.name, countries=", ".join(countries.mapped('name')),
                )
        return None

    def _vipps_find_wrong_express_address(self):
        """ Return a sentence about the websites whose address Vipps MobilePay does not take, or
        None. """
        addresses = [
            f"{website.name} ({website.get_base_url()})"
            for website in self._vipps_get_websites()
            if not self._vipps_is_allowed_url(website.get_base_url())
        ]
        return _(
            "The address of these websites is not an https address that can be reached from the"
            " internet: %s. Set their domain, or the system parameter web.base.url.",
            ", ".join(addresses),
        ) if addresses else None

    def _vipps_find_missing_legal_page(self):
        """ Return a sentence about the first website without terms or privacy policy, or None. """
        for website in self._vipps_get_websites():
            missing_pages = website._vipps_find_missing_legal_pages()
            if TERMS_PAGE in missing_pages:
                return _(
                    "%(website)s has no page %(page)s. In Settings, Invoicing, switch on Default"
                    " Terms & Conditions, and add a link to a web page.",
                    website=website.name, page=TERMS_PAGE,
                )
            if missing_pages:
                return _(
                    "%(website)s has no page %(page)s that all visitors may read. Make a page with"
                    " this address in the website editor, and publish it.",
                    website=website.name, page=PRIVACY_PAGE,
                )
        return None
