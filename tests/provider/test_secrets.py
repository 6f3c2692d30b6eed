# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import uuid

from odoo.exceptions import AccessError, UserError
from odoo.tests import Form, HttpCase, tagged
from odoo.tests.common import JsonRpcException
from odoo.tools import mute_logger

from ...models.provider.payment_provider import SECRET_FIELDS, SECRET_MASK
from ...simulator.sales_units import DKK_UNIT, NOK_UNIT
from ..common import KEYS, TransactionCommon

PROVIDER_LOGGER = 'odoo.addons.mobilepay_vipps.models.provider.payment_provider'
PROTECTED = {
    **{f'{name}_ciphertext': 'fake-ciphertext' for name in SECRET_FIELDS},
    'vipps_monitoring_token_hash': 'fake-hash',
    'vipps_webhook_previous_secrets': [{'url': 'x', 'ciphertext': 'y', 'until': '9'}],
}


@tagged('post_install', '-at_install')
class TestSecrets(TransactionCommon, HttpCase):
    """ Keys are good in their place only, are replaced when they were tried only, and nobody but
    Odoo itself writes what is behind them. """

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.administrator = cls._new_user(
            'vipps_administrator',
            'base.group_user,base.group_system,account.group_account_invoice',
        )

    def setUp(self):
        super().setUp()
        self.own_vipps = self.vipps.with_user(self.administrator)

    def _get_row(self):
        self.env.flush_all()
        self.env.cr.execute("SELECT p::text FROM payment_provider p WHERE id = %s", [self.vipps.id])
        return self.env.cr.fetchone()[0]

    def _set_column(self, name, value):
        self.env.flush_all()
        self.env.cr.execute(
            f'UPDATE payment_provider SET "{name}" = %s WHERE id = %s', [value, self.vipps.id]
        )
        self.env.invalidate_all()

    def _assert_unreadable(self):
        with (
            mute_logger(PROVIDER_LOGGER),
            self.assertRaisesRegex(UserError, "cannot be read.*is a copy.*enter the keys again"),
        ):
            self.own_vipps.action_vipps_test_connection()
        self.assertFalse(self.simulator.exchanges)

    #=== Bound to their place ===#

    def test_a_ciphertext_of_another_field_or_provider_cannot_be_used(self):
        other = self.vipps.copy({**KEYS, 'state': 'test'})
        for ciphertext in (
            self.vipps.vipps_client_id_ciphertext, other.vipps_client_secret_ciphertext,
        ):
            own_ciphertext = self.vipps.vipps_client_secret_ciphertext
            self._set_column('vipps_client_secret_ciphertext', ciphertext)
            self._assert_unreadable()
            self._set_column('vipps_client_secret_ciphertext', own_ciphertext)
        self.own_vipps.action_vipps_test_connection()

    def test_a_duplicated_database_has_no_keys_says_so_and_takes_new_ones(self):
        self.vipps.action_vipps_set_up_webhooks()
        self.simulator.reset()
        self.env['ir.config_parameter'].sudo().set_param('database.uuid', str(uuid.uuid4()))
        self._assert_unreadable()
        self.assertFalse(self.vipps._vipps_get_webhook_secrets())
        problem, = (p for p in self.vipps._vipps_get_problems() if p['key'] == 'encryption')
        self.assertIn("copy of another one", problem['note'])
        form = Form(self.own_vipps)
        self.assertIn("Client Secret", form.vipps_unreadable_keys)
        for name, key in KEYS.items():
            form[name] = key
        form.save()
        self.own_vipps.action_vipps_set_up_webhooks()
        self.assertFalse(self.own_vipps.vipps_unreadable_keys)
        self.assertTrue(self.vipps._vipps_get_webhook_secrets())

    #=== What only Odoo writes ===#

    def test_nobody_writes_what_is_behind_the_keys(self):
        row = self._get_row()
        admin, root = self.administrator, self.env.ref('base.user_root')
        for user, is_sudo in ((admin, False), (admin, True), (root, True)):
            vipps = self.vipps.with_user(user).sudo(is_sudo)
            claiming_vipps = vipps.with_context(vipps_permit=True)
            for name, value in PROTECTED.items():
                for call in (
                    lambda v=vipps, n=name, x=value: v.write({n: x}),
                    lambda v=vipps, n=name: v.write({n: False}),
                    lambda v=vipps, n=name, x=value: v.web_save({n: x}, {}),
                    lambda v=vipps, n=name, x=value: v.create({
                        'name': "New", 'code': 'vipps', n: x,
                    }),
                    lambda v=vipps, n=name, x=value: v.copy({n: x}),
                    lambda v=claiming_vipps, n=name: v.write({n: 'x'}),
                ):
                    with (
                        self.subTest(user=user.login, su=is_sudo, name=name),
                        self.assertRaisesRegex(AccessError, "Only Odoo itself writes"),
                        self.env.cr.savepoint(),
                    ):
                        call()
        result = self.own_vipps.load(
            ['id', 'vipps_client_id_ciphertext'],
            [['mobilepay_vipps.payment_provider_vipps', 'fake-ciphertext']],
        )
        self.assertFalse(result['ids'])
        self.env.invalidate_all()
        self.assertEqual(self._get_row(), row)

    def test_neither_the_context_nor_defaults_of_users_set_it(self):
        for name, value in {**PROTECTED, **dict.fromkeys(SECRET_FIELDS, 'fake-key')}.items():
            with self.subTest(name=name):
                context_vipps = self.own_vipps.with_context(**{f'default_{name}': value})
                provider = context_vipps.create({'name': "New", 'code': 'vipps'})
                self.assertFalse(provider[name])
                self.assertNotIn(name, context_vipps.default_get([name]))
                if isinstance(value, str):
                    self.env['ir.default'].set('payment.provider', name, value)
                    self.assertFalse(
                        self.own_vipps.create({'name': "New", 'code': 'vipps'})[name]
                    )

    def test_the_windows_that_keys_are_entered_in_are_as_closed(self):
        for model, values in (
            ('vipps.key.rotation', {}),
            ('vipps.setup.guide', {'step': 'keys', 'market': 'NO', 'capture_mode': 'manual'}),
        ):
            Window = self.env[model].with_user(self.administrator)
            values = {**values, 'provider_id': self.vipps.id}
            name = 'vipps_client_secret_ciphertext'
            window = Window.create(values)
            ciphertext = self.vipps.vipps_client_secret_ciphertext
            with self.subTest(model=model), self.assertRaises(AccessError):
                window.write({name: ciphertext})
            with self.subTest(model=model), self.assertRaises(AccessError):
                Window.create({**values, name: ciphertext})
            window = Window.with_context(**{f'default_{name}': ciphertext}).create(values)
            self.assertFalse(window[name])

    def test_the_secret_of_the_webhook_comes_from_vipps_mobilepay(self):
        self.own_vipps.action_vipps_set_up_webhooks()
        row = self._get_row()
        for call in (
            lambda: self.own_vipps.write({'vipps_webhook_secret': 'known'}),
            lambda: self.own_vipps.create({
                'name': "New", 'code': 'vipps', 'vipps_webhook_secret': 'known',
            }),
        ):
            with self.assertRaisesRegex(UserError, "Set up Webhooks"):
                call()
        self.assertEqual(self._get_row(), row)

    #=== Keys that are set ===#

    def test_a_key_that_is_set_is_not_replaced_by_one_that_was_not_tried(self):
        self.vipps.vipps_secondary_subscription_key = NOK_UNIT.secondary_subscription_key
        row = self._get_row()
        self.authenticate(self.administrator.login, self.administrator.login)
        for name in (*KEYS, 'vipps_secondary_subscription_key'):
            for state in ('test', 'disabled'):
                self.vipps.state = state
                with (
                    self.subTest(name=name, state=state), mute_logger('odoo.http'),
                    self.assertRaisesRegex(JsonRpcException, "UserError"),
                ):
                    self.make_jsonrpc_request('/web/dataset/call_kw', {
                        'model': 'payment.provider', 'method': 'write',
                        'args': [self.vipps.ids, {name: 'fake-untried'}], 'kwargs': {},
                    })
                with self.assertRaisesRegex(UserError, "set already.*Replace Keys"):
                    self.own_vipps.write({name: 'fake-untried'})
        self.vipps.state = 'test'
        self.assertEqual(
            self._get_row().split('write_date')[0], row.split('write_date')[0]
        )
        self.own_vipps.write(dict.fromkeys(KEYS, SECRET_MASK))
        self.own_vipps.action_vipps_test_connection()

    def test_a_key_is_entered_once_and_can_be_cleared(self):
        self.own_vipps.write({'vipps_secondary_subscription_key': 'fake-first'})
        self.own_vipps.write({'vipps_secondary_subscription_key': False})
        self.assertFalse(self.own_vipps.vipps_secondary_subscription_key)
        self.own_vipps.write({'vipps_secondary_subscription_key': 'fake-second'})
        self.assertEqual(
            self.vipps._vipps_get_secret('vipps_secondary_subscription_key'), 'fake-second'
        )

    def test_the_guide_stores_keys_only_if_they_work(self):
        guide = self.env['vipps.setup.guide'].browse(
            self.own_vipps.action_vipps_open_guide()['res_id']
        ).with_user(self.administrator)
        row = self._get_row()
        guide.write({
            'vipps_client_secret': 'fake-wrong', 'vipps_merchant_serial_number': DKK_UNIT.msn,
        })
        self.assertEqual(self._get_row(), row, "Nothing was tried yet.")
        self.assertEqual(guide.vipps_merchant_serial_number, DKK_UNIT.msn)
        with self.assertRaisesRegex(UserError, "is wrong"), self.env.cr.savepoint():
            guide.action_next()
        self.env.invalidate_all()
        self.assertEqual(self._get_row(), row)
        self.own_vipps.action_vipps_test_connection()
        guide.write({
            'vipps_merchant_serial_number': DKK_UNIT.msn,
            'vipps_client_id': DKK_UNIT.client_id,
            'vipps_client_secret': f' {DKK_UNIT.client_secret}\n',
            'vipps_subscription_key': DKK_UNIT.subscription_key,
        })
        guide.action_next()
        self.assertEqual(self.vipps.vipps_merchant_serial_number, DKK_UNIT.msn)
        self.assertEqual(
            self.vipps._vipps_get_secret('vipps_client_secret'), DKK_UNIT.client_secret
        )
        self.assertFalse(guide.vipps_client_secret_ciphertext, "Nobody needs it there anymore.")
        self.own_vipps.action_vipps_test_connection()
