# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from lxml import etree

from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.fields import Command
from odoo.tests import new_test_user, tagged
from odoo.tools import mute_logger
from odoo.tools.safe_eval import safe_eval

from ...hooks import uninstall_hook
from ..common import KEYS
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
            for key in ('qr', 'push', 'code', 'sticker')
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


@tagged('post_install', '-at_install')
class TestPosMethod(PosCommon):
    """ The provider and the ways to pay of a method. """

    has_second_company = True

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.manager = new_test_user(
            cls.env, 'vipps_pos_manager', 'base.group_user,point_of_sale.group_pos_manager',
            company_id=cls.company.id, company_ids=[Command.set(cls.company.ids)],
        )
        cls.other_company = cls.company_data_2['company']

    def _prepare_method(self, **values):
        number = next(self.sequence)
        journal = self.env['account.journal'].create({
            'name': f"Vipps at till {number}", 'type': 'bank', 'code': f'VT{number}',
            'company_id': self.company.id,
        })
        return {
            'name': "Vipps 2", 'journal_id': journal.id, 'use_payment_terminal': 'vipps',
            'company_id': self.company.id, **values,
        }

    def test_a_pos_manager_creates_a_method_of_the_only_provider_and_sees_no_provider(self):
        methods = self.env['pos.payment.method'].with_user(self.manager)
        method = methods.create(self._prepare_method())
        self.assertEqual(method.sudo().vipps_provider_id, self.vipps)
        self.assertIn(method.vipps_default_flow, ('qr', 'push', 'code'))
        copy = method.copy({'journal_id': self._prepare_method()['journal_id']})
        self.assertEqual(copy.sudo().vipps_provider_id, self.vipps)
        with self.assertRaises(AccessError), mute_logger('odoo.models'):
            method.read(['vipps_provider_id'])
        with self.assertRaises(AccessError), mute_logger('odoo.models'):
            method.write({'vipps_provider_id': self.vipps.id})

    def test_a_method_without_one_provider_in_its_company_is_refused_with_a_sentence(self):
        other = self.vipps.copy({**KEYS, 'state': 'test'})
        with self.assertRaisesRegex(ValidationError, "Ask an administrator"):
            self.env['pos.payment.method'].with_user(self.manager).create(self._prepare_method())
        method = self.env['pos.payment.method'].create(
            self._prepare_method(vipps_provider_id=other.id)
        )
        self.assertEqual(method.vipps_provider_id, other)
        foreign = self.vipps.copy({**KEYS, 'company_id': self.other_company.id, 'state': 'test'})
        for provider in (foreign, self.dummy_provider):
            with self.subTest(provider=provider.name), \
                    self.assertRaisesRegex(ValidationError, "Choose another one"):
                method.vipps_provider_id = provider
        with self.assertRaisesRegex(ValidationError, "Ask an administrator"):
            method.vipps_provider_id = False

    def test_the_first_way_to_ask_is_one_that_is_allowed(self):
        methods = self.env['pos.payment.method'].with_user(self.manager)
        for values in (
            {'vipps_allow_qr': False},
            {'vipps_allow_push': False, 'vipps_default_flow': 'push'},
            {'vipps_default_flow': False},
            {'vipps_allow_qr': False, 'vipps_allow_push': False, 'vipps_allow_code': False},
        ):
            with self.subTest(**values), self.assertRaisesRegex(
                ValidationError, "one of those that are allowed"
            ):
                methods.create(self._prepare_method(**values))
        methods.create(self._prepare_method(vipps_allow_qr=False, vipps_default_flow='push'))

    def test_a_method_of_an_open_session_keeps_its_provider(self):
        other = self.vipps.copy({**KEYS, 'state': 'test'})
        with self.assertRaisesRegex(UserError, "close"):
            self.pos_method.vipps_provider_id = other
        self.assertEqual(self.pos_method.vipps_provider_id, self.vipps)

    def test_uninstallation_leaves_methods_without_a_terminal(self):
        method = self.env['pos.payment.method'].create(self._prepare_method(active=False))
        self.env.cr.postcommit.clear()
        self.session.sudo().state = 'closed'
        uninstall_hook(self.env(su=True))
        self.env.invalidate_all()
        self.assertFalse((self.pos_method | method).filtered('use_payment_terminal'))
        self.assertFalse(self.cash_method.use_payment_terminal)
