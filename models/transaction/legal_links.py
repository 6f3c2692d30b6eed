# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from urllib.parse import urlsplit

from odoo import models

LEGAL_PAGES = TERMS_PAGE, PRIVACY_PAGE = '/terms', '/privacy'


class Website(models.Model):
    """ The legal pages of a website. """
    _inherit = 'website'

    #=== BUSINESS METHODS ===#

    def _vipps_find_missing_legal_pages(self):
        """ Return those of the legal pages that visitors would not find.

        :return: Some of :data:`LEGAL_PAGES`.
        :rtype: list[str]
        """
        self.ensure_one()
        rewrites = self.env['website.rewrite'].sudo().search([
            ('url_from', '=', TERMS_PAGE), ('redirect_type', 'in', ('404', '308')),
            *self.website_domain(),
        ])
        # Odoo has a page for the terms of companies, in front of any page that somebody makes.
        has_terms = not rewrites and self.company_id.sudo().terms_type == 'html' and (
            self.env['ir.config_parameter'].sudo().get_param('account.use_invoice_terms')
        )
        page_sudo = self.env['website.page'].sudo().search(
            [('url', '=', PRIVACY_PAGE), *self.website_domain()], order='website_id', limit=1
        )
        has_privacy = page_sudo.is_visible and not page_sudo.visibility and (
            # A page of all websites is not shown on one that has another version of it.
            page_sudo.website_id or self not in page_sudo.view_id._get_specific_views().website_id
        )
        return [
            page for page, is_found in zip(LEGAL_PAGES, (has_terms, has_privacy), strict=True)
            if not is_found
        ]


class PaymentTransaction(models.Model):
    """ The legal pages that the app shows of payments that no checkout page comes before. """
    _inherit = 'payment.transaction'

    #=== BUSINESS METHODS ===#

    def _vipps_get_legal_links(self):
        """ Return the URLs of the terms of sale and of the privacy policy of the shop: the app
        takes both, or none.

        :rtype: tuple[str, str] | None
        """
        website_sudo = (
            self.sale_order_ids.website_id or self.invoice_ids.website_id
            or self.company_id.website_id
        )[:1].sudo()
        base_url = website_sudo.get_base_url().rstrip('/')
        if (
            not website_sudo
            or not self.provider_id._vipps_is_allowed_url(base_url)
            # A website without a domain may be behind another one.
            or website_sudo._get_current_website_id(urlsplit(base_url).netloc) != website_sudo.id
            or website_sudo._vipps_find_missing_legal_pages()
        ):
            return None
        return tuple(base_url + page for page in LEGAL_PAGES)
