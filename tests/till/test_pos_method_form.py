# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from lxml import etree

from odoo.tests import tagged
from odoo.tools.safe_eval import safe_eval

from ..pos_common import PosCommon


@tagged('post_install', '-at_install')
class TestPosMethodForm(PosCommon):
    """ What administrators see of the methods of tills, and what tills learn of them. """

    def test_the_settings_lead_to_the_methods(self):
        action = self.env.ref('mobilepay_vipps.action_vipps_pos_payment_methods')
        arch = etree.fromstring(self.env['res.config.settings'].get_view()['arch'])
        button, = arch.xpath(
            "//block[@id='pos_payment_terminals_section']"
            "//setting[@id='vipps_payment_terminal_setting']//button"
        )
        self.assertEqual((button.get('type'), button.get('name')), ('action', str(action.id)))
        methods = self.env[action.res_model].search(safe_eval(action.domain))
        self.assertIn(self.pos_method, methods)
        self.assertNotIn(self.cash_method, methods)

    def test_each_way_to_pay_has_one_name(self):
        fields = self.env['pos.payment.method'].fields_get()
        self.assertEqual(fields['vipps_default_flow']['selection'], [
            (key, fields[f'vipps_allow_{key}']['string'].capitalize().replace('Qr', "QR"))
            for key in ('qr', 'push', 'code')
        ])

    def test_tills_learn_the_app_of_their_currency(self):
        brand = self._load_method()['vipps_brand_id']
        self.assertEqual(brand[1], "Vipps")
        # The picture of the app is for cashiers, too.
        self.assertTrue(self.env['payment.method'].with_user(self.cashier).browse(brand[0]).image)
        self.pos_method.journal_id.currency_id = self.env.ref('base.EUR')
        self.assertEqual(self._load_method()['vipps_brand_id'][1], "MobilePay")

    def test_tills_learn_what_is_dialled_before_numbers_of_the_country(self):
        session = self.session.with_user(self.cashier)
        company = session._get_pos_ui_res_company(session._loader_params_res_company())
        self.assertEqual(company['country']['phone_code'], 47)

    def _load_method(self):
        self.env.invalidate_all()
        session = self.session.with_user(self.cashier)
        params = session._loader_params_pos_payment_method()
        methods = session._get_pos_ui_pos_payment_method(params)
        return next(method for method in methods if method['id'] == self.pos_method.id)
