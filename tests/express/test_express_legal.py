# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo.tests import tagged

from ..checklist_common import ChecklistCommon
from .express_common import ExpressCommon


@tagged('post_install', '-at_install')
class TestExpressLegal(ChecklistCommon, ExpressCommon):
    """ The terms and the privacy policy that the app shows, and the checklist that asks for them.
    """

    def _publish_terms(self):
        self.env['ir.config_parameter'].set_param('account.use_invoice_terms', True)
        self.company.write({'terms_type': 'html', 'invoice_terms_html': "<p>Pay in time.</p>"})

    def _publish_privacy(self, **values):
        return self.env['website.page'].create({
            'name': "Privacy", 'url': '/privacy', 'type': 'qweb', 'key': 'website.test_privacy',
            'arch': '<t t-call="website.layout"><p>We keep little.</p></t>', 'is_published': True,
            'website_id': self.website.id, **values,
        })

    def _get_links(self):
        """ Return what the app is told of a cart that is bought now. """
        self._put_into_cart()
        return self._get_payment(self._start_express())['request'].get('merchantLegalLinks')

    def test_pages_that_visitors_find_are_sent(self):
        self._publish_terms()
        self._publish_privacy()
        links = self._get_links()
        self.assertEqual(links, {
            'termsOfSaleUrl': f'{self.base_url()}/terms',
            'privacyPolicyUrl': f'{self.base_url()}/privacy',
        })
        for url, text in zip(links.values(), ("Pay in time.", "We keep little."), strict=True):
            self.assertIn(text, self.url_open(url).text)
        self._assert_set_up('express_legal')

    def test_nothing_is_sent_without_both_pages(self):
        self.assertIsNone(self._get_links())
        self._assert_missing('express_legal', "/terms")
        self._publish_terms()
        self.assertIsNone(self._get_links())
        self._assert_missing('express_legal', "/privacy")

    def test_pages_that_visitors_do_not_find_are_not_sent(self):
        self._publish_terms()
        for values in (
            {'is_published': False}, {'visibility': 'connected'}, {'visibility': 'password'},
            {'website_id': self.env['website'].create({'name': "Other shop"}).id},
        ):
            with self.subTest(**values):
                page = self._publish_privacy(**values)
                self.assertIsNone(self._get_links())
                page.unlink()

    def test_page_that_is_moved_away_is_not_sent(self):
        self._publish_terms()
        self._publish_privacy()
        self.env['website.rewrite'].create({
            'name': "No terms", 'redirect_type': '404', 'url_from': '/terms',
        })
        self.assertIsNone(self._get_links())

    def test_customers_buy_when_the_links_are_refused(self):
        self._publish_terms()
        self._publish_privacy()
        self.simulator.fault(
            'create', 'invalid', times=None, field='merchantLegalLinks.termsOfSaleUrl'
        )
        self.assertIsNone(self._get_links())
        note = str(self._get_activities().note)
        self.assertIn('merchantLegalLinks.termsOfSaleUrl', note)

    def test_page_of_a_printed_code_sends_them(self):
        self._publish_terms()
        self._publish_privacy()
        self.vipps.vipps_code_on_invoices = True
        invoice = self._create_invoice()
        self.url_open(invoice._vipps_get_pay_route(), data={'part': 'all'}, allow_redirects=False)
        self.env.invalidate_all()
        self.assertIn(
            'merchantLegalLinks', self._get_payment(invoice.transaction_ids)['request']
        )

    def test_checkout_of_the_shop_sends_none(self):
        self._publish_terms()
        self._publish_privacy()
        tx = self._start()
        self.assertNotIn('merchantLegalLinks', self._get_payment(tx)['request'])

    def test_checklist_asks_for_a_delivery_to_the_countries(self):
        self._assert_set_up('express_delivery')
        (self.home | self.parcel).country_ids = self.env.ref('base.us')
        self._assert_missing('express_delivery', "publish a delivery method")
        self.vipps.vipps_express_country_ids = self.env.ref('base.us')
        self._assert_set_up('express_delivery')

    def test_checklist_asks_for_addresses_that_the_app_can_ask(self):
        self._assert_set_up('express_address')  # The simulator is on this machine, too.
        self.website.domain = 'https://shop.example'
        other, apart = self.env['website'].create([
            {'name': name, 'company_id': company.id, 'domain': f'http://{name}.example'}
            for name, company in (
                ("outlet", self.company), ("apart", self.env['res.company'].create({'name': "A"})),
            )
        ])
        self._assert_missing('express_address', "outlet (http://outlet.example)")
        text = self._read()['express_address'].text_content()
        self.assertNotIn(self.website.domain, text)
        self.assertNotIn(apart.domain, text)
        self.vipps.website_id = self.website
        self._assert_set_up('express_address')
        self.vipps.website_id = other
        self._assert_missing('express_address', "http://outlet.example")
        other.domain = 'https://outlet.example'
        self._assert_set_up('express_address')
        other.domain = False
        self.env['ir.config_parameter'].set_param('web.base.url', 'http://base.example')
        self._assert_missing('express_address', "http://base.example")

    def test_checklist_sees_who_bought_with_express(self):
        self._put_into_cart()
        self.assertEqual(self._get_cells('express_paid'), ["Not seen yet"] * 2)
        self._assert_seen(self._buy(), 'express_paid')
        self.vipps.allow_express_checkout = False
        self.assertNotIn('express_paid', self._read())
