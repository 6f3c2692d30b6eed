# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import inspect
import re

from odoo.tests import tagged
from odoo.tests.common import JsonRpcException
from odoo.tools import mute_logger

from .penetration_common import REFUSALS, PenetrationCommon
from .test_rpc import ACCESS_ERROR

# Who may call what on records of their own companies; that they can is tested where it is done. A
# method that is not listed fails the test. Those of core that we override have the rights of core.
NOBODY = ()
TILL = ('till',)
INVOICING = ('invoicing',)
SALES = ('sales', 'invoicing')
READERS = ('portal', 'sales', 'invoicing', 'till')  # Of their own documents.
METHODS = {
    'account.bank.statement.line': {'create': INVOICING},
    'account.journal': {'action_vipps_open_settlement': ('sales', 'invoicing', 'till')},
    'account.move': {
        'action_vipps_refund': INVOICING,
        'action_vipps_request_payment': INVOICING,
        'create': INVOICING,
        'export_data': READERS,
        'payment_action_capture': INVOICING,
        'payment_action_void': INVOICING,
        'write': INVOICING,
    },
    'account.partial.reconcile': {'create': INVOICING, 'unlink': INVOICING},
    'account.payment': {
        'action_refund_wizard': INVOICING,
        'action_vipps_open_payouts': INVOICING,
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
        'action_vipps_open_payouts': INVOICING,
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
    'pos.config': {
        # Administrators of the Point of Sale do these.
        'action_vipps_make_sticker': NOBODY,
        'action_vipps_remove_sticker': NOBODY,
        'action_vipps_show_sticker': NOBODY,
        'action_vipps_take_over_sticker': NOBODY,
        'create': NOBODY,
        'write': NOBODY,
    },
    'pos.make.payment': {'check': TILL},
    'pos.order': {
        'action_vipps_open_payouts': INVOICING,
        'create_from_ui': TILL, 'get_and_set_online_payments_data': TILL, 'write': TILL,
    },
    'pos.payment': {'create': TILL, 'write': TILL},
    'pos.payment.method': {
        'create': NOBODY, 'export_data': ('till', 'invoicing'), 'unlink': NOBODY, 'write': NOBODY,
    },
    'pos.session': {
        'action_pos_session_closing_control': TILL,
        'action_vipps_open_payouts': INVOICING,
        'action_vipps_view_unsettled': ('till', 'invoicing'),
        'update_closing_control_state_session': TILL,
        'vipps_attach_attempt': TILL,
        'vipps_book_attempt': TILL,
        'vipps_cancel_attempt': TILL,
        'vipps_check_phone': TILL,
        'vipps_create_attempt': TILL,
        'vipps_dismiss_check_in': TILL,
        'vipps_get_attempt': TILL,
        'vipps_give_up_attempt': TILL,
        'vipps_list_attempts': TILL,
        'vipps_list_check_ins': TILL,
        'vipps_start_attempt': TILL,
        'vipps_undo_attempt': TILL,
    },
    'res.partner': {
        'action_vipps_give_consent': INVOICING,
        'action_vipps_personal_data': NOBODY,
        'action_vipps_withdraw_consent': INVOICING,
    },
    'sale.order': {
        'action_vipps_open_payouts': INVOICING,
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
    'vipps.paid.document': {
        'create': NOBODY,
        'export_data': NOBODY,
        'payment_action_capture': NOBODY,
        'payment_action_void': NOBODY,
        'write': NOBODY,
    },
    'vipps.personal.data': {
        'action_erase': NOBODY,
        'action_copy_to_contact': NOBODY,
        'action_export': NOBODY,
        'create': NOBODY,
    },
    # Managers of invoicing write and delete.
    'vipps.payment.page': {'export_data': INVOICING, 'write': NOBODY},
    'vipps.payment.request.send': {'action_send': INVOICING},
    'vipps.refund.wizard': {'action_refund': INVOICING, 'action_release': INVOICING},
    'vipps.secrets': {'create': NOBODY, 'default_get': NOBODY, 'write': NOBODY},
    # Accountants do this.
    'vipps.settlement.file': {
        'action_leave_out': NOBODY, 'action_open_entries': NOBODY, 'action_read': NOBODY,
    },
    'vipps.settlement.import': {'action_open_files': NOBODY, 'create': NOBODY},
    'vipps.setup.guide': {
        'action_back': NOBODY,
        'action_freeze_address': NOBODY,
        'action_next': NOBODY,
        'action_open_checklist': NOBODY,
        'action_open_health': NOBODY,
        'action_open_tills': NOBODY,
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
    'vipps.settlement.entry': {
        # Accountants and billing administrators do the first two.
        'action_done': NOBODY,
        'action_match_again': NOBODY,
        'action_open_documents': INVOICING,
        'action_open_journal_entry': INVOICING,
        'export_data': INVOICING,
        'write': NOBODY,
    },
    'vipps.settlement.ledger': {
        'action_check_day': NOBODY,
        'action_fetch': NOBODY,
        'action_go_on': NOBODY,
        'action_open_entries': INVOICING,
        'action_open_payouts': INVOICING,
        'action_set_up': NOBODY,
        'create': NOBODY,
        'export_data': INVOICING,
        'unlink': NOBODY,
        'write': NOBODY,
    },
    'vipps.settlement.payout': {
        'action_choose_bank_line': NOBODY,
        'action_open_bank_line': INVOICING,
        'action_open_entries': INVOICING,
        'action_open_journal_items': INVOICING,
        'export_data': INVOICING,
    },
    'vipps.settled': {'action_vipps_open_payouts': NOBODY},
    # Accountants and managers of invoicing choose and check.
    'vipps.settlement.choice': {'action_choose': NOBODY},
    'vipps.settlement.day': {'action_check': NOBODY},
    'vipps.till.attempt': {
        'action_attach': TILL, 'action_book_alone': TILL, 'action_cancel': TILL,
        'action_give_up': TILL, 'action_look': TILL, 'action_return': TILL,
    },
    'vipps.till.refund.wizard': {'action_refund': INVOICING},
    'vipps.webhook.event': {
        'action_dismiss': NOBODY, 'action_replay': NOBODY, 'export_data': NOBODY,
    },
    'website': {'sale_get_order': NOBODY},  # It is for pages of the shop.
}

# What everybody gets who has no token, no signature and no payment: the status, or the error.
ROUTES = {
    # The form has a token of the session.
    '/my/invoices/vipps/<int:company_id>/<int:currency_id>': 400,
    '/payment/vipps/express/shipping/<string:reference>/<string:signature>': 404,
    '/payment/vipps/express/start': 400,  # The form has a token of the session.
    '/payment/vipps/health': 401,
    '/payment/vipps/pay/<string:code>': 404,
    '/payment/vipps/redirect': 303,
    '/payment/vipps/return': 404,
    '/payment/vipps/webhook/<int:provider_id>': 401,
    '/pos/vipps/sticker/<int:config_id>': 403,
    '/payment/status': 200,  # It asks with the next one.
    '/payment/status/poll': 'builtins.Exception',  # `tx_not_found`
    '/pos/pay/confirmation/<int:pos_order_id>': 400,  # Of core: there is no such order.
}


@tagged('post_install', '-at_install')
class TestPenetration(PenetrationCommon):
    """ Every route and every method that can be called from outside, tried by everybody. """

    #=== Methods ===#

    def _get_public_methods(self):
        return self._get_methods(lambda name: not name.startswith('_') and name != 'init')

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
            self.env.cr.execute("DELETE FROM vipps_request")  # All of them have one address.
            with self._assert_nothing_changes():
                self.authenticate(*[user and self.users[user].login] * 2)
                for route, rule in self._get_routes().items():
                    with self.subTest(user=user, route=route):
                        path = re.sub('<int:[a-z_]+>', str(self.vipps.id), route)
                        if user or rule.endpoint.routing['auth'] != 'user':  # Odoo's own wall.
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
        is_post = 'POST' in (rule.methods or ())
        with mute_logger('odoo.http'):
            answer = self.opener.request(
                'POST' if is_post else 'GET', self.base_url() + path,
                params=values, data=values if is_post else None,
                headers={'Authorization': 'Bearer x', 'X-Vipps-Authorization': 'x'},
                allow_redirects=False, timeout=12,
            )
        # Odoo cannot show pages of the website to every user of the back office.
        missing = '/payment/vipps/nothing'
        shows_page = expected in (200, 400, 404) and 'express/shipping' not in path
        if shows_page and self.url_open(missing).status_code == 500:
            expected = 500
        self.assertEqual(answer.status_code, expected)
        self.assertNotIn(self.tx.vipps_redirect_url or self.tx.reference, answer.text)
        self.assertFalse(answer.headers.get('Location', '').startswith(self.simulator.url))
