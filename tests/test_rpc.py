# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import inspect
import xmlrpc.client

from odoo.fields import Command
from odoo.tests import HttpCase, tagged
from odoo.tests.common import JsonRpcException, get_db_name
from odoo.tools import mute_logger

from ..models.provider.payment_provider import SECRET_FIELDS
from .common import TransactionCommon

OUR_MODULE = 'odoo.addons.mobilepay_vipps.'
ACCESS_ERROR = 'odoo.exceptions.AccessError'
XMLRPC_ACCESS_ERROR = 4

GROUPS = {
    'portal': 'base.group_portal',
    'internal': 'base.group_user',
    'sales': 'sales_team.group_sale_salesman',
    'invoicing': 'account.group_account_invoice',
    'till': 'point_of_sale.group_pos_user',
}


class RpcCommon(TransactionCommon, HttpCase):
    """ Users of all kinds who call methods from outside. """

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.users = {
            name: cls._new_user(
                f'vipps_{name}', f'{group},base.group_allow_export',
            ) for name, group in {**GROUPS, 'administrator': 'base.group_system'}.items()
        }

    def setUp(self):
        super().setUp()
        self.startPatcher(mute_logger(
            'odoo.http', 'odoo.models', 'odoo.addons.base.models.ir_model',
            'odoo.addons.base.models.ir_module', 'odoo.addons.base.models.ir_rule',
        ))
        self.vipps.vipps_webhook_secret = 'fake-webhook-secret'
        self.tx = self._authorize()
        self.event = self.env['vipps.webhook.event'].sudo().create({
            'provider_id': self.vipps.id, 'name': 'AUTHORIZED', 'psp_reference': 'fake-psp',
            'reference': self.tx.vipps_payment_reference, 'state': 'failed', 'success': True,
        })

    def startPatcher(self, context):
        context.__enter__()
        self.addCleanup(context.__exit__, None, None, None)

    def _log_in(self, name):
        user = self.users[name]
        self.authenticate(user.login, user.login)

    def _call(self, model, method, *args, **kwargs):
        """ Call a method as the browser does, and return the result. """
        return self.make_jsonrpc_request('/web/dataset/call_kw', {
            'model': model, 'method': method, 'args': args, 'kwargs': kwargs,
        })

    def _call_xmlrpc(self, user, model, method, *args):
        """ Call a method as scripts do, and return the result. """
        return self.xmlrpc_object.execute_kw(
            get_db_name(), user.id, user.login, model, method, args
        )

    def _assert_access_error(self, call, *args, **kwargs):
        with self.assertRaises(JsonRpcException) as refusal:
            call(*args, **kwargs)
        self.assertEqual(str(refusal.exception), ACCESS_ERROR)

    def _is_ours(self, cls):
        return cls.__module__.startswith(OUR_MODULE)

    def _get_methods(self, is_wanted):
        """ Return the model, the name and the function of our methods, from the registry. """
        return sorted({
            (model, name, getattr(value, '__func__', value))
            for model, model_class in self.registry.items()
            for cls in model_class.__mro__ if self._is_ours(cls)
            for name, value in vars(cls).items()
            if (inspect.isroutine(value) or isinstance(value, classmethod | staticmethod))
            and is_wanted(name)
        }, key=lambda method: method[:2])

    def _is_override(self, model, name):
        return any(
            name in vars(cls) for cls in self.registry[model].__mro__ if not self._is_ours(cls)
        )

    def _read_state(self):
        """ Return the state that no call may change: our rows, and the requests to the simulator.
        """
        self.env.flush_all()
        rows = []
        for table in (
            'payment_provider', 'payment_transaction', 'vipps_webhook_event',
            'vipps_settlement_entry', 'vipps_settlement_ledger', 'vipps_settlement_payout',
        ):
            self.env.cr.execute(f"SELECT t::text FROM {table} t ORDER BY id")
            rows.append(self.env.cr.fetchall())
        return rows, len(self.simulator.exchanges)


@tagged('post_install', '-at_install')
class TestRpcMethods(RpcCommon):
    """ Private methods, and the rights of administrators. """

    def test_no_private_method_can_be_called_by_anybody(self):
        methods = self._get_methods(lambda name: name.startswith('_'))
        self.assertGreater(len(methods), 80)
        state = self._read_state()
        self._log_in('administrator')
        for model, name, _function in methods:
            with self.subTest(model=model, method=name):
                self._assert_access_error(self._call, model, name, self.vipps.ids)
                with self.assertRaises(xmlrpc.client.Fault) as refusal:
                    self._call_xmlrpc(
                        self.users['administrator'], model, name, self.vipps.ids
                    )
                self.assertEqual(refusal.exception.faultCode, XMLRPC_ACCESS_ERROR)
        self.assertEqual(self._read_state(), state)

    def test_administrator_may_test_the_connection_by_rpc(self):
        self._log_in('administrator')
        result = self._call('payment.provider', 'action_vipps_test_connection', self.vipps.ids)
        self.assertEqual(result['tag'], 'display_notification')

    def test_administrator_may_replay_events_and_compare_payments_by_rpc(self):
        self._log_in('administrator')
        self._get_tasks(self.tx, 'sync').unlink()
        result = self._call('payment.provider', 'action_vipps_compare_payments', self.vipps.ids)
        self.assertEqual(result['tag'], 'display_notification')
        self._call('vipps.webhook.event', 'action_replay', self.event.ids)
        self.env.invalidate_all()
        self.assertEqual(self.event.state, 'pending')
        self.assertEqual(set(self.tx.vipps_task_ids.mapped('kind')), {'compare', 'sync'})

    def test_events_cannot_be_changed_by_administrators(self):
        model, values = 'vipps.webhook.event', {'state': 'ignored'}
        state = self._read_state()
        self._log_in('administrator')
        for method, args, kwargs in (
            ('write', [self.event.ids, values], {}),
            ('web_save', [self.event.ids, values], {'specification': {}}),
            ('create', [{
                **values, 'provider_id': self.vipps.id, 'name': 'CREATED', 'reference': 'other',
                'psp_reference': 'other',
            }], {}),
            ('copy', self.event.ids, {}),
            ('unlink', [self.event.ids], {}),
        ):
            with self.subTest(method=method):
                self._assert_access_error(self._call, model, method, *args, **kwargs)
        self.assertEqual(self._read_state(), state)


@tagged('post_install', '-at_install')
class TestRpcTransactions(RpcCommon):
    """ Invoicing users have the right to write transactions, but not those of Vipps MobilePay. """

    def setUp(self):
        super().setUp()
        self.other_tx = self._create_transaction(
            'redirect', provider_id=self.dummy_provider.id, reference="Other Transaction",
        )
        self._log_in('invoicing')

    def test_no_field_can_be_written(self):
        state = self._read_state()
        fields = self.env['payment.transaction']._fields
        self.assertIn('amount', fields)
        values = self.tx.read(load=False)[0]
        for name in fields:
            value = values[name]
            value = value if isinstance(value, str | int | float | list) else False
            with self.subTest(name=name):
                self._assert_access_error(
                    self._call, 'payment.transaction', 'write', self.tx.ids, {name: value}
                )
                self._assert_access_error(
                    self._call, 'payment.transaction', 'write', (self.tx + self.other_tx).ids,
                    {name: value},
                )
        self.assertEqual(self._read_state(), state)

    def test_none_can_be_created(self):
        self._let_everybody_read_providers()
        values = {
            'payment_method_id': self.method_vipps.id, 'amount': 10, 'reference': 'own-reference',
            'currency_id': self.currency_nok.id, 'provider_id': self.vipps.id,
            'partner_id': self.partner.id, 'state': 'done',
        }
        state = self._read_state()
        self._assert_access_error(self._call, 'payment.transaction', 'create', values)
        self._assert_access_error(
            self._call, 'payment.transaction', 'create', [values, {**values, 'reference': 'other'}]
        )
        self._assert_access_error(
            self._call, 'payment.transaction', 'web_save', [], values, specification={}
        )
        self._assert_access_error(self._call, 'payment.transaction', 'copy', self.tx.ids)
        self.assertEqual(self._read_state(), state)

    def test_no_other_transaction_can_become_one_or_belong_to_one(self):
        self._let_everybody_read_providers()
        state = self._read_state()
        for values in (
            {'provider_id': self.vipps.id},
            {'provider_id': self.vipps.id, 'state': 'done'},
            {'source_transaction_id': self.tx.id},
        ):
            with self.subTest(**values):
                self._assert_access_error(
                    self._call, 'payment.transaction', 'write', self.other_tx.ids, values
                )
        self._assert_access_error(self._call, 'payment.transaction', 'create', {
            'payment_method_id': self.payment_method.id, 'amount': -10, 'operation': 'refund',
            'reference': 'own-reference', 'currency_id': self.currency_nok.id,
            'provider_id': self.dummy_provider.id, 'partner_id': self.partner.id,
            'source_transaction_id': self.tx.id, 'state': 'done',
        })
        self.assertEqual(self._read_state(), state)

    def test_none_can_be_written_by_way_of_another_record(self):
        order = self._create_order()
        invoice = self.env['account.move'].create({
            'move_type': 'out_invoice', 'partner_id': self.partner.id,
        })
        self.tx.write({
            'sale_order_ids': [Command.set(order.ids)], 'invoice_ids': [Command.set(invoice.ids)],
        })
        state = self._read_state()
        for model, record in (('account.move', invoice), ('res.partner', self.partner)):
            for name, field in record._fields.items():
                if field.comodel_name == 'payment.transaction':
                    with self.subTest(model=model, field=name):
                        self._assert_access_error(self._call, model, 'write', record.ids, {
                            name: [Command.update(self.tx.id, {'amount': 1})],
                        })
        self.assertEqual(self._read_state(), state)

    def test_transactions_of_other_providers_are_those_of_core(self):
        self._call('payment.transaction', 'write', self.other_tx.ids, {'amount': 5})
        self.other_tx.invalidate_recordset()
        self.assertEqual(self.other_tx.amount, 5)

    def test_invoicing_user_may_capture(self):
        action = self._call('payment.transaction', 'action_capture', self.tx.ids)
        wizard = self._call(action['res_model'], 'create', {}, context=action['context'])
        self._call(action['res_model'], 'action_capture', [wizard])
        self.tx.invalidate_recordset()
        self.assertEqual(self.tx.state, 'done')

    def test_fields_that_are_secret_cannot_be_read(self):
        self.tx.vipps_redirect_url = 'http://127.0.0.1/fake-token'
        model = 'payment.transaction'
        for name, field in self.env[model]._fields.items():
            if not name.startswith('vipps_') or field.groups != 'base.group_system' or (
                not field.store  # It is made of those that are.
            ):
                continue
            for call in (
                lambda name=name: self._call(model, 'read', self.tx.ids, [name]),
                lambda name=name: self._call(model, 'search_read', [], [name]),
                lambda name=name: self._call(
                    model, 'web_search_read', domain=[], specification={name: {}}
                ),
                lambda name=name: self._call(model, 'export_data', self.tx.ids, [name]),
                lambda name=name: self._call(model, 'read_group', [], ['id:count'], [name]),
                lambda name=name: self._call(model, 'web_read', self.tx.ids, {name: {}}),
            ):
                with self.subTest(name=name):
                    self._assert_access_error(call)
        self.assertNotIn('fake-token', str(self._call(model, 'read', self.tx.ids)))

    def test_redirect_url_cannot_be_guessed_with_searches(self):
        self.tx.vipps_redirect_url = 'http://127.0.0.1/fake-token'
        for domain in (
            [('vipps_redirect_url', '=like', '%/fake-t%')],
            [('child_transaction_ids.source_transaction_id.vipps_redirect_url', 'like', 'fake-t')],
            ['|', ('id', '=', 0), ('vipps_redirect_url', 'like', 'fake-t')],
        ):
            with self.subTest(domain=domain):
                self._assert_access_error(
                    self._call, 'payment.transaction', 'search_count', domain
                )


@tagged('post_install', '-at_install')
class TestRpcSecrets(RpcCommon):
    """ Nobody reads the keys of a provider, nor guesses them with searches. """

    NAMES = [
        'vipps_merchant_serial_number', 'vipps_webhook_id', 'vipps_webhook_url',
        'vipps_webhook_previous_secrets', 'vipps_foreign_webhooks',
        'vipps_check_in_webhook_id', 'vipps_check_in_webhook_url',
        *SECRET_FIELDS, *(f'{name}_ciphertext' for name in SECRET_FIELDS),
    ]

    def setUp(self):
        super().setUp()
        self._let_everybody_read_providers()
        self.vipps.write({
            'vipps_secondary_subscription_key': 'fake-secondary-key',
            'vipps_webhook_id': 'fake-id', 'vipps_webhook_url': 'https://fake-url',
            'vipps_foreign_webhooks': 'https://fake-foreign-url',
            'vipps_check_in_webhook_id': 'fake-check-in-id',
            'vipps_check_in_webhook_url': 'https://fake-check-in-url',
        })
        self.vipps._vipps_write_protected({
            'vipps_check_in_secret': 'fake-check-in-secret',
            'vipps_webhook_previous_secrets': [{'ciphertext': 'fake-ciphertext'}],
        })
        values = self.vipps.read(self.NAMES)[0]
        self.assertTrue(all(values[name] for name in self.NAMES))
        texts = [value for value in values.values() if isinstance(value, str)]
        self.secrets = ['fake-ciphertext', *texts]

    def _assert_not_told(self, *args, **kwargs):
        try:
            result = str(self._call(*args, **kwargs))
        except JsonRpcException:
            return
        for secret in self.secrets:
            self.assertNotIn(secret, result)

    def test_keys_cannot_be_read(self):
        model, ids = 'payment.provider', self.vipps.ids
        for user in GROUPS:
            self._log_in(user)
            for name in self.NAMES:
                for method, args, kwargs in (
                    ('read', [ids, [name]], {}),
                    ('search_read', [[], [name]], {}),
                    ('web_search_read', [], {'domain': [], 'specification': {name: {}}}),
                    ('web_read', [ids, {name: {}}], {}),
                    ('export_data', [ids, [name]], {}),
                    ('read_group', [[], [name], [name]], {}),
                    ('onchange', [ids, {}, [name], {name: {}}], {}),
                ):
                    with self.subTest(user=user, name=name, method=method):
                        self._assert_not_told(model, method, *args, **kwargs)
                with self.subTest(user=user, name=name):
                    self._assert_access_error(
                        self._call, model, 'search_count', [(name, '=like', 'f%')]
                    )

    def test_keys_cannot_be_read_by_way_of_other_records(self):
        order = self._create_order()
        self.tx.sale_order_ids = order
        for user, model, records, path in (
            ('invoicing', 'payment.transaction', self.tx, ['provider_id']),
            ('sales', 'sale.order', order, ['transaction_ids', 'provider_id']),
            ('till', 'payment.method', self.method_vipps, ['provider_ids']),
            ('portal', 'payment.method', self.method_vipps, ['provider_ids']),
        ):
            self._log_in(user)
            for name in self.NAMES:
                specification = {name: {}}
                for part in reversed(path):
                    specification = {part: {'fields': specification}}
                with self.subTest(user=user, name=name):
                    self._assert_not_told(
                        model, 'export_data', records.ids, ['/'.join([*path, name])]
                    )
                    self._assert_not_told(model, 'web_read', records.ids, specification)
                    domain = [('.'.join([*path, name]), '=like', 'f%')]
                    self._assert_access_error(self._call, model, 'search_count', domain)

    def test_administrator_reads_the_mask(self):
        self._log_in('administrator')
        text = str(self._call('payment.provider', 'read', self.vipps.ids, list(SECRET_FIELDS)))
        text += str(self._call(
            'payment.provider', 'export_data', self.vipps.ids, list(SECRET_FIELDS)
        ))
        self.assertEqual(text.count('••••'), 2 * len(SECRET_FIELDS) * 3)
        self.assertNotIn('fake', text)
