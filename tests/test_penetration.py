# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import inspect
import re
from contextlib import contextmanager

from odoo.fields import Command
from odoo.tests import new_test_user, tagged
from odoo.tests.common import JsonRpcException

from .test_rpc import ACCESS_ERROR, RpcCommon

# What Odoo answers to who may not, or is told nothing.
REFUSALS = (ACCESS_ERROR, 'odoo.exceptions.MissingError')

# Who may call what on records of their own companies; that they can is tested where it is done. A
# method that is not listed fails the test. Those of core that we override have the rights of core.
NOBODY = ()
TILL = ('till',)
INVOICING = ('invoicing',)
SALES = ('sales', 'invoicing')
READERS = ('portal', 'sales', 'invoicing', 'till')  # Of their own documents.
METHODS = {
    'account.move': {
        'action_vipps_refund': INVOICING,
        'create': INVOICING,
        'export_data': READERS,
        'payment_action_capture': INVOICING,
        'payment_action_void': INVOICING,
        'write': INVOICING,
    },
    'account.payment': {
        'action_refund_wizard': INVOICING,
        'copy_data': INVOICING,
        'create': INVOICING,
        'export_data': INVOICING,
        'write': INVOICING,
    },
    'account.payment.method.line': {
        'create': INVOICING, 'unlink': INVOICING, 'write': INVOICING,
    },
    'ir.config_parameter': {'create': NOBODY, 'unlink': NOBODY, 'write': NOBODY},
    'ir.module.module': {'button_uninstall': NOBODY},
    'mail.template': {'send_mail': NOBODY},
    'payment.capture.wizard': {
        'action_capture': INVOICING,
        # Everybody has the right to read those that they opened.
        'export_data': ('internal', 'sales', 'invoicing', 'till'),
    },
    'payment.provider': {
        'action_vipps_compare_payments': NOBODY,
        'action_vipps_create_monitoring_token': NOBODY,
        'action_vipps_open_checklist': NOBODY,
        'action_vipps_open_guide': NOBODY,
        'action_vipps_open_health': NOBODY,
        'action_vipps_open_list': NOBODY,
        'action_vipps_revoke_replaced_secrets': NOBODY,
        'action_vipps_rotate_encryption_key': NOBODY,
        'action_vipps_set_up_webhooks': NOBODY,
        'action_vipps_test_connection': NOBODY,
        'copy': NOBODY,
        'create': NOBODY,
        'default_get': NOBODY,
        'export_data': NOBODY,
        'unlink': NOBODY,
        'write': NOBODY,
    },
    'payment.refund.wizard': {'action_refund': INVOICING, 'export_data': INVOICING},
    'payment.transaction': {
        'action_capture': INVOICING,
        'action_refund': INVOICING,
        'action_vipps_capture_delivered': INVOICING,
        'action_vipps_copy_to_contact': NOBODY,
        'action_vipps_open_payments': INVOICING,
        'action_vipps_personal_data': NOBODY,
        'action_vipps_refund': INVOICING,
        'action_vipps_release': INVOICING,
        'action_vipps_update': INVOICING,
        'action_void': INVOICING,
        'create': NOBODY,
        'export_data': INVOICING,
        'write': NOBODY,
    },
    'pos.config': {'create': NOBODY, 'write': NOBODY},
    'pos.make.payment': {'check': TILL},
    'pos.order': {
        'create_from_ui': TILL, 'get_and_set_online_payments_data': TILL, 'write': TILL,
    },
    'pos.payment': {'create': TILL, 'write': TILL},
    'pos.payment.method': {
        'create': NOBODY, 'export_data': ('till', 'invoicing'), 'unlink': NOBODY, 'write': NOBODY,
    },
    'pos.session': {
        'action_pos_session_closing_control': TILL,
        'action_vipps_view_unsettled': ('till', 'invoicing'),
        'update_closing_control_state_session': TILL,
        'vipps_attach_attempt': TILL,
        'vipps_book_attempt': TILL,
        'vipps_cancel_attempt': TILL,
        'vipps_check_phone': TILL,
        'vipps_create_attempt': TILL,
        'vipps_get_attempt': TILL,
        'vipps_give_up_attempt': TILL,
        'vipps_list_attempts': TILL,
        'vipps_start_attempt': TILL,
        'vipps_undo_attempt': TILL,
    },
    'res.partner': {'action_vipps_personal_data': NOBODY},
    'sale.order': {
        'action_vipps_update': SALES,
        'create': SALES,
        'export_data': READERS,
        'payment_action_capture': SALES,
        'payment_action_void': SALES,
        'write': SALES,
    },
    'sale.order.line': {'write': SALES},
    'stock.picking': {'write': SALES},
    'vipps.api.call': {'export_data': NOBODY},
    'vipps.audit.event': {'create': NOBODY, 'unlink': NOBODY, 'write': NOBODY},
    'vipps.audited': {'create': NOBODY, 'unlink': NOBODY, 'write': NOBODY},
    'vipps.entered.keys': {'create': NOBODY, 'default_get': NOBODY, 'write': NOBODY},
    'vipps.guarded.export': {'export_data': NOBODY},
    'vipps.key.rotation': {
        'action_rotate': NOBODY, 'create': NOBODY, 'default_get': NOBODY, 'write': NOBODY,
    },
    'vipps.paid.document': {'create': NOBODY, 'export_data': NOBODY, 'write': NOBODY},
    'vipps.personal.data': {
        'action_erase': NOBODY,
        'action_copy_to_contact': NOBODY,
        'action_export': NOBODY,
        'create': NOBODY,
    },
    'vipps.refund.wizard': {'action_refund': INVOICING, 'action_release': INVOICING},
    'vipps.secrets': {'create': NOBODY, 'default_get': NOBODY, 'write': NOBODY},
    'vipps.setup.guide': {
        'action_back': NOBODY,
        'action_freeze_address': NOBODY,
        'action_next': NOBODY,
        'action_open_checklist': NOBODY,
        'action_open_health': NOBODY,
        'action_open_shop': NOBODY,
        'action_publish': NOBODY,
        'action_refund_payment': NOBODY,
        'action_skip': NOBODY,
        'action_start_payment': NOBODY,
        'create': NOBODY,
        'default_get': NOBODY,
        'export_data': NOBODY,
        'get_payment_status': NOBODY,
        'write': NOBODY,
    },
    'vipps.till.attempt': {
        'action_attach': TILL, 'action_book_alone': TILL, 'action_cancel': TILL,
        'action_give_up': TILL, 'action_look': TILL, 'action_return': TILL,
    },
    'vipps.till.refund.wizard': {'action_refund': INVOICING},
    'vipps.webhook.event': {
        'action_dismiss': NOBODY, 'action_replay': NOBODY, 'export_data': NOBODY,
    },
}

# What everybody gets who has no token, no signature and no payment: the status, or the error.
ROUTES = {
    '/payment/vipps/health': 401,
    '/payment/vipps/redirect': 303,
    '/payment/vipps/return': 404,
    '/payment/vipps/webhook/<int:provider_id>': 401,
    '/payment/status/poll': 'builtins.Exception',  # `tx_not_found`
    '/pos/pay/confirmation/<int:pos_order_id>': 400,  # Of core: there is no such order.
}


@tagged('post_install', '-at_install')
class TestPenetration(RpcCommon):
    """ Every route and every method that can be called from outside, tried by everybody. """

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.other_company = cls.env['res.company'].create({'name': "Another Shop"})
        cls.users = {**cls.users, **{
            name: new_test_user(
                cls.env, f'vipps_{name}',
                'base.group_user,base.group_allow_export,mobilepay_vipps.group_payment_manager',
                company_id=company.id, company_ids=[Command.set(company.ids)],
            ) for name, company in (('manager', cls.company), ('stranger', cls.other_company))
        }}

    def setUp(self):
        super().setUp()
        self.order = self._create_order()
        invoice = self._create_invoice()
        invoice_tx = self._authorize(invoice_ids=[Command.set(invoice.ids)])
        invoice_tx._send_capture_request()
        credit_note = invoice._reverse_moves()
        credit_note.action_post()
        self.env['vipps.api.call'].sudo().search([]).unlink()
        self.records = {
            record._name: record for record in (
                self.vipps,
                self._authorize(sale_order_ids=[Command.set(self.order.ids)]),
                self.event,
                self.env.ref('base.module_mobilepay_vipps'),
                self.order,
                credit_note,
                invoice_tx.payment_id,
                self.env['vipps.audit.event'].sudo().search(
                    [('provider_id', '=', self.vipps.id)], limit=1
                ),
                self.env['payment.capture.wizard'].create({
                    'transaction_ids': [Command.set(self.tx.ids)],
                }),
                self.env['payment.refund.wizard'].create({'payment_id': invoice_tx.payment_id.id}),
                self.env['vipps.refund.wizard'].create({'move_id': credit_note.id}),
                self.env['vipps.key.rotation'].create({'provider_id': self.vipps.id}),
                self.env['vipps.personal.data'].create({'partner_id': self.partner.id}),
            ) if record
        }

    #=== Methods ===#

    def _get_public_methods(self):
        return self._get_methods(lambda name: not name.startswith('_') and name != 'init')

    def _get_ids(self, model):
        return self.records.get(model, self.env['payment.provider']).ids

    def _prepare_calls(self, model, function):
        """ Yield arguments: on no record and on real ones; with `None`, `{}` and `[]` where the
        method demands something. """
        parameters = list(inspect.signature(function).parameters.values())[1:]
        count = sum(
            parameter.default is parameter.empty and parameter.kind not in
            (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD) for parameter in parameters
        )
        is_model_method = getattr(function, '_api', None) in ('model', 'model_create')
        for values in ([None] * count, [{}] * count, [[]] * count) if count else ([],):
            if is_model_method:
                yield values
            else:
                yield [[], *values]
                yield [self._get_ids(model), *values]

    @contextmanager
    def _assert_nothing_changes(self):
        state = self._read_state()
        yield
        self.assertEqual(self._read_state(), state)

    def test_every_public_method_is_in_the_table(self):
        found = {(model, name) for model, name, _function in self._get_public_methods()}
        listed = {(model, name) for model, names in METHODS.items() for name in names}
        self.assertEqual(found - listed, set(), "Say who may call it.")

    def test_every_method_is_refused_to_everybody_without_rights(self):
        methods = self._get_public_methods()
        with self._assert_nothing_changes():
            for user in ('portal', 'internal', 'sales', 'invoicing', 'till'):
                self._log_in(user)
                for model, name, function in methods:
                    if user in METHODS.get(model, {}).get(name, NOBODY):
                        continue
                    for args in self._prepare_calls(model, function):
                        with self.subTest(user=user, model=model, method=name, args=args):
                            self._assert_refused(model, name, args)

    def _assert_refused(self, model, name, args):
        """ Ensure that a call is refused. Effects of an overridden method of Odoo without any
        record, or with arguments that it cannot use, are Odoo's. """
        try:
            result = self._call(model, name, *args)
        except JsonRpcException as error:
            ids = self._get_ids(model)
            if (
                ids and args == [ids, {}] if self._is_override(model, name)
                else args[:1] != [[]]  # That may not be one record, before it may not be seen.
            ):
                self.assertEqual(str(error), ACCESS_ERROR)
            return
        self.assertTrue(self._is_override(model, name), f"It returned {result!r}.")
        self.assertIn(result, (True, [], None, {}))
        self.assertFalse(args and args[0], "It was called on a record.")

    def test_no_method_touches_records_of_another_company(self):
        self._log_in('stranger')
        with self._assert_nothing_changes():
            for model, name, function in self._get_public_methods():
                ids = self._get_ids(model)
                for args in self._prepare_calls(model, function):
                    if not ids or not args or args[0] != ids:
                        continue
                    with self.subTest(model=model, method=name, args=args):
                        with self.assertRaises(JsonRpcException) as refusal:
                            self._call(model, name, *args)
                        if not self._is_override(model, name) or args == [ids, {}]:
                            self.assertIn(str(refusal.exception), REFUSALS)

    def test_nobody_calls_anything_without_logging_in(self):
        self.authenticate(None, None)
        with self._assert_nothing_changes():
            for model, name, _function in self._get_public_methods():
                with self.subTest(model=model, method=name):
                    with self.assertRaises(JsonRpcException) as refusal:
                        self._call(model, name, self._get_ids(model))
                    self.assertIn('SessionExpired', str(refusal.exception))

    #=== Routes ===#

    def _get_routes(self):
        """ Return the rules of the routes that we add or override. """
        return {
            rule.rule: rule for rule in self.env['ir.http'].routing_map().iter_rules()
            if any(
                self._is_ours(cls) and rule.endpoint.func.__name__ in vars(cls)
                for cls in type(rule.endpoint.func.__self__).__mro__
            )
        }

    def test_every_route_is_in_the_table(self):
        self.assertEqual(set(self._get_routes()), set(ROUTES))

    def test_every_route_is_closed_without_a_proof(self):
        for user in (
            None, 'portal', 'till', 'sales', 'invoicing', 'manager', 'stranger', 'administrator',
        ):
            with self._assert_nothing_changes():
                self.authenticate(*[user and self.users[user].login] * 2)
                for route, rule in self._get_routes().items():
                    with self.subTest(user=user, route=route):
                        path = re.sub('<int:.*>', str(self.vipps.id), route)
                        self._assert_closed(path, rule, ROUTES[route])

    def _assert_closed(self, path, rule, expected):
        if rule.endpoint.routing['type'] == 'json':
            with self.assertRaises(JsonRpcException) as refusal:
                self.make_jsonrpc_request(path, {
                    'provider_id': self.vipps.id, 'reference': self.tx.reference,
                })
            self.assertEqual(str(refusal.exception), expected)
            return
        values = {'reference': self.tx.reference, 'access_token': 'x', 'retry': '1'}
        answer = self.opener.request(
            'POST' if 'POST' in rule.methods else 'GET', self.base_url() + path,
            params=values, data=values if 'POST' in rule.methods else None,
            headers={'Authorization': 'Bearer x', 'X-Vipps-Authorization': 'x'},
            allow_redirects=False, timeout=12,
        )
        # Odoo cannot show pages of errors to every user of the back office.
        if expected in (400, 404) and self.url_open('/payment/vipps/nothing').status_code == 500:
            expected = 500
        self.assertEqual(answer.status_code, expected)
        self.assertNotIn(self.tx.vipps_redirect_url or self.tx.reference, answer.text)
        self.assertFalse(answer.headers.get('Location', '').startswith(self.simulator.url))

    #=== What a payment manager of another company sees ===#

    def test_nothing_of_another_company_is_found_counted_or_read(self):
        self._log_in('stranger')
        for model, records in self.records.items():
            if model == 'ir.module.module':
                continue
            names = [
                name for name, field in self.env[model]._fields.items()
                if field._module == 'mobilepay_vipps' and field.store and not field.groups
            ][:1] or ['create_date']
            ids = records.ids
            with self.subTest(model=model):
                self._assert_hidden(model, ids, names)

    def _assert_hidden(self, model, ids, names):
        domain = [('id', 'in', ids)]
        try:
            self.assertEqual(self._call(model, 'search_count', domain), 0, model)
        except JsonRpcException as error:
            self.assertEqual(str(error), ACCESS_ERROR)  # The whole model is closed.
        for method, args in (
            ('search_read', [domain, names]), ('name_search', ['', domain]),
            ('read_group', [domain, names, names]), ('read', [ids, names]),
            ('web_read', [ids, {name: {} for name in names}]), ('export_data', [ids, names]),
            ('copy', [ids[0]]), ('write', [ids, {names[0]: False}]), ('unlink', [ids]),
        ):
            try:
                result = self._call(model, method, *args)
            except JsonRpcException as error:
                self.assertIn(str(error), REFUSALS, method)
            else:
                self.assertIn(result, ([], {'datas': []}), method)

    def test_nothing_of_another_company_is_reached_by_way_of_messages_and_activities(self):
        self.vipps.sudo()._vipps_alert_administrator('payment', "A secret note")
        self.vipps.sudo().message_post(body="A secret note")
        self._log_in('stranger')
        for model in ('payment.provider', 'payment.transaction'):
            ids = self._get_ids(model)
            for method, args, kwargs in (
                ('message_post', [ids], {'body': "x"}),
                ('message_subscribe', [ids, self.users['stranger'].partner_id.ids], {}),
                ('activity_schedule', [ids], {'summary': "x"}),
            ):
                if not hasattr(self.env[model], method):
                    continue
                with self.subTest(model=model, method=method):
                    try:
                        result = self._call(model, method, *args, **kwargs)
                    except JsonRpcException as error:
                        self.assertIn(str(error), REFUSALS)
                    else:
                        self.assertIs(result, False)
        for model in ('mail.message', 'mail.activity', 'mail.followers', 'mail.tracking.value'):
            with self.subTest(model=model):
                try:
                    found = self._call(model, 'search_read', [])
                except JsonRpcException:
                    continue
                self.assertNotIn("secret", str(found))

    def test_no_record_of_an_own_company_can_be_tied_to_another_one(self):
        """ A readable record must not become the way to an unreadable one. """
        own_order = self._create_order(company_id=self.other_company.id)
        self._log_in('stranger')
        with self._assert_nothing_changes():
            for model, values in (
                ('vipps.refund.wizard', {'move_id': self.records['account.move'].id}),
                ('payment.refund.wizard', {'payment_id': self.records['account.payment'].id}),
                ('payment.capture.wizard', {'transaction_ids': [Command.set(self.tx.ids)]}),
                ('sale.order', {
                    'partner_id': self.partner.id, 'transaction_ids': [Command.set(self.tx.ids)],
                }),
            ):
                with self.subTest(model=model):
                    try:
                        created = self._call(model, 'create', values)
                    except JsonRpcException as error:
                        self.assertIn(str(error), REFUSALS)
                        continue
                    fields = self.env[model]._fields
                    names = [
                        name for name, field in fields.items()
                        if field._module == 'mobilepay_vipps' and not field.groups
                    ]
                    try:
                        told = str(self._call(model, 'read', [created], names))
                    except JsonRpcException:
                        continue
                    self.assertNotIn(self.tx.reference, told)
                    self.assertNotIn(self.tx.vipps_payment_reference, told)
            with self.assertRaises(JsonRpcException):
                self._call('sale.order', 'write', own_order.ids, {
                    'transaction_ids': [Command.update(self.tx.id, {'amount': 1})],
                })

    #=== What a payment manager of the company sees ===#

    def test_a_payment_manager_reads_our_providers_and_no_others_and_no_keys(self):
        self._log_in('manager')
        codes = {
            provider['code'] for provider in
            self._call('payment.provider', 'search_read', [], ['code'])
        }
        self.assertEqual(codes, {'vipps'})
        with self.assertRaises(JsonRpcException) as refusal:
            self._call('payment.provider', 'read', self.dummy_provider.ids, ['name'])
        self.assertEqual(str(refusal.exception), ACCESS_ERROR)
        with self._assert_nothing_changes():
            for method, args in (
                ('write', [self.vipps.ids, {'name': "x"}]), ('unlink', [self.vipps.ids]),
                ('copy', self.vipps.ids), ('create', [{'name': "x", 'code': 'vipps'}]),
                ('load', [['.id', 'name'], [[str(self.vipps.id), "x"]]]),
                ('action_toggle_is_published', [self.vipps.ids]),
                ('message_post', [self.vipps.ids]),
            ):
                with self.subTest(method=method):
                    try:
                        result = self._call('payment.provider', method, *args)
                    except JsonRpcException as error:
                        self.assertEqual(str(error), ACCESS_ERROR)
                    else:
                        self.assertEqual((method, result['ids']), ('load', False))
        self._log_in('administrator')
        self.assertGreater(self._call('payment.provider', 'search_count', []), 1)

    def test_a_payment_manager_replays_events_of_the_own_company(self):
        self._log_in('manager')
        self._call('vipps.webhook.event', 'action_replay', self.event.ids)
        self.env.invalidate_all()
        self.assertEqual(self.event.state, 'pending')
