# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from contextlib import suppress

from odoo.exceptions import AccessError
from odoo.tests import tagged
from odoo.tools import mute_logger

from ...simulator.sales_units import NOK_UNIT
from ..common import TransactionCommon

STEERING = {
    'default_client_order_ref': "steered", 'default_reference': 'steered',
    'default_note': "steered", 'default_state_message': "steered", 'tracking_disable': True,
}


@tagged('post_install', '-at_install')
class TestSetupGuideAccess(TransactionCommon):
    """ What a browser sends to the windows of administrators, and what these tell. """

    has_second_company = True

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.other_company = cls.company_data_2['company']
        cls.administrator = cls._create_user('base.group_system', cls.company)
        cls.colleague = cls._create_user('base.group_system,base.group_no_one', cls.company)
        cls.other_administrator = cls._create_user('base.group_system', cls.other_company)
        cls.portal_user = cls._create_user('base.group_portal', cls.company, 'base.group_portal')

    @classmethod
    def _create_user(cls, group, company, base='base.group_user'):
        return cls._new_user(f'guide_{group}_{company.id}', f'{base},{group}', company)

    def _open(self, **context):
        vipps = self.vipps.with_user(self.administrator).with_context(**context)
        action = vipps.action_vipps_open_guide()
        return self.env['vipps.setup.guide'].with_user(self.administrator).with_context(
            **context
        ).browse(action['res_id'])

    def _read_rows(self, model):
        self.env.flush_all()
        self.env.cr.execute(f"SELECT t::text FROM {self.env[model]._table} t ORDER BY id")
        return str(self.env.cr.fetchall())

    def test_no_context_steers_the_test_payment(self):
        guide = self._open(**STEERING)
        guide.step = 'payment'
        guide.action_start_payment()
        self.env.invalidate_all()
        self.assertTrue(guide.transaction_id, guide.payment_problem)
        self._approve(guide.transaction_id)
        guide.get_payment_status()
        self.env.invalidate_all()
        guide.action_refund_payment()
        for model in ('sale.order', 'payment.transaction', 'vipps.audit.event', 'vipps.task'):
            self.assertNotIn('steered', self._read_rows(model), model)

    def test_no_context_steers_the_rotation_of_keys(self):
        wizard = self.env['vipps.key.rotation'].with_user(self.administrator).with_context(
            **STEERING
        ).create({
            'provider_id': self.vipps.id, 'vipps_client_secret': NOK_UNIT.client_secret,
        })
        wizard.action_rotate()
        events = self.env['vipps.audit.event'].sudo().search([('action', '=', 'keys_rotated')])
        self.assertTrue(events)
        self.assertNotIn('steered', self._read_rows('vipps.audit.event'))

    def test_guides_that_are_made_up_tell_nothing(self):
        guide = self._open()
        guide.step = 'payment'
        guide.action_start_payment()
        self.env['ir.config_parameter'].sudo().set_param('web.base.url.freeze', 'True')
        self.vipps.vipps_webhook_url = 'https://shop.example.com/hook'
        names = [
            name for name in guide._fields
            if name not in ('provider_id', 'step', 'market', 'capture_mode')
        ]
        plain = guide.with_user(self.portal_user).browse()
        for user in (self.portal_user, self.other_administrator):
            for record in (plain, guide):
                for name in names:
                    self.env.invalidate_all()
                    told = {}
                    with suppress(AccessError), mute_logger('odoo.models'):
                        told = record.with_user(user).onchange(
                            {'provider_id': self.vipps.id, 'step': 'payment', 'market': 'NO'},
                            ['provider_id'], {'provider_id': {}, name: {}},
                        ).get('value', {})
                    text = str(told.get(name))
                    with self.subTest(user=user.login, name=name):
                        for secret in (
                            guide.transaction_id.reference, 'shop.example.com',
                            self.company.name, NOK_UNIT.msn,
                        ):
                            self.assertNotIn(secret, text)
                        if name in ('payment_state', 'environment', 'is_published',
                                    'is_address_frozen', 'transaction_id', 'company_id'):
                            self.assertIn(told.get(name), (None, False, 'none'))

    def test_a_guide_is_of_one_administrator_and_of_a_provider_that_is_theirs(self):
        guide = self._open()
        self.env.invalidate_all()
        for user in (self.colleague, self.other_administrator):
            with self.assertRaises(AccessError):
                guide.with_user(user).read(['payment_state'])
            with self.assertRaises(AccessError):
                guide.with_user(user).action_next()
        with self.assertRaises(AccessError):
            guide.with_user(self.other_administrator).create({
                'provider_id': self.vipps.id, 'step': 'payment', 'market': 'NO',
                'capture_mode': 'manual',
            })
