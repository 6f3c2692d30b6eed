# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import json
import logging
from contextlib import contextmanager

from odoo.exceptions import AccessError, UserError
from odoo.fields import Command
from odoo.tests import tagged
from odoo.tools import mute_logger

from ...simulator.sales_units import NOK_UNIT
from ..pos_common import PosCommon

OUR_LOGGER = 'odoo.addons.mobilepay_vipps'

GARBAGE = (
    None, False, True, 0, -1, 1.5, 10 ** 30, '', 'x', 'x' * 100_000, 'a\x00b', '%', "';--", [],
    ['x'], [1, 2], [None], [['x']], [{}], {}, {'x': 1},
)


@tagged('post_install', '-at_install')
class TestPosAccess(PosCommon):
    """ Who may do and read what, and what is refused. """

    has_second_company = True

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.other_company = cls.company_data_2['company']
        cls.manager = cls._new_user('vipps_pos_manager', 'point_of_sale.group_pos_manager')
        cls.internal_user = cls._new_user('vipps_internal', 'base.group_user')
        cls.portal_user = cls._new_user('vipps_portal', 'base.group_portal')
        cls.other_cashier = cls._new_user(
            'vipps_other_cashier', 'point_of_sale.group_pos_user', cls.other_company
        )
        cls.other_config = cls._create_config(
            "Kiosk", payment_method_ids=[Command.set(cls.pos_method.ids)]
        )
        cls.other_session = cls._open_session(cls.other_config)

    def _prepare_calls(self, order_id, uuid, reference, name):
        """ Return every request of a till. """
        return [
            ('vipps_create_attempt', order_id, uuid, 'qr'),
            ('vipps_start_attempt', reference),
            ('vipps_get_attempt', reference),
            ('vipps_cancel_attempt', reference),
            ('vipps_undo_attempt', reference),
            ('vipps_attach_attempt', reference),
            ('vipps_give_up_attempt', reference),
            ('vipps_book_attempt', reference),
            ('vipps_list_attempts', [name]),
        ]

    def _read_state(self):
        """ Return what no refused call may change: our rows, and what the simulator was asked. """
        self.env.cr.flush()  # With what is sent by the bus at the end of a database transaction.
        rows = []
        for table in (
            'payment_transaction', 'pos_payment', 'pos_order',
            # Administrators are told what they have to repair.
            "(SELECT * FROM bus_bus WHERE message NOT LIKE '%mail.activity/%')",
        ):
            self.env.cr.execute(f"SELECT t::text FROM {table} t ORDER BY id")
            rows.append(self.env.cr.fetchall())
        return rows, len(self.simulator.exchanges)

    @contextmanager
    def _assert_nothing_happens(self, exception=UserError, sentence=''):
        state = self._read_state()
        with self.assertRaisesRegex(exception, sentence):
            yield
        self.env.invalidate_all()
        self.assertEqual(self._read_state(), state)

    def _assert_refused(self, sentence, ui_order, flow='qr', **kwargs):
        """ Ensure that a payment is refused with a sentence, and that nothing is stored. """
        order = self._save_draft(ui_order)
        with self._assert_nothing_happens(UserError, sentence):
            self._call(
                'vipps_create_attempt', order.id, self._get_uuid(ui_order), flow, **kwargs
            )

    #=== Who ===#

    def test_only_cashiers_of_the_company_can_ask_for_anything(self):
        ui_order = self._prepare_ui_order()
        status = self._ask(ui_order)
        calls = self._prepare_calls(
            status['order_id'], status['uuid'], status['reference'], status['order']
        )
        for user in (
            self.internal_user, self.portal_user, self.accountant, self.other_cashier,
            self.env.ref('base.public_user'),
        ):
            for name, *args in [*calls, ('vipps_check_phone', '98765432')]:
                with self.subTest(user=user.id, name=name), \
                        self._assert_nothing_happens(AccessError), \
                        mute_logger('odoo.addons.base.models.ir_rule'):
                    self._call(name, *args, user=user)

    def test_only_cashiers_send_orders(self):
        ui_order = self._prepare_ui_order()
        self._ask_and_approve(ui_order)
        for user in (self.internal_user, self.portal_user, self.accountant):
            with self.subTest(user=user.id), self._assert_nothing_happens(AccessError), \
                    mute_logger('odoo.addons.base.models.ir_model'):
                self._finish(ui_order, user=user)

    def test_only_cashiers_of_the_company_learn_what_keeps_a_session_open(self):
        self._ask(self._prepare_ui_order())
        for user in (self.internal_user, self.portal_user, self.accountant, self.other_cashier):
            session = self.session.with_user(user)
            for name, *args in (
                ('post_closing_cash_details', 0),
                ('close_session_from_ui',),
                ('update_closing_control_state_session', ''),
                ('action_pos_session_closing_control',),
                ('action_pos_session_validate',),
            ):
                with self.subTest(user=user.id, name=name), \
                        self._assert_nothing_happens(AccessError), mute_logger(
                            'odoo.addons.base.models.ir_rule', 'odoo.addons.base.models.ir_model'
                        ):
                    getattr(session, name)(*args)
        self._start()
        self.assertFalse(self.session.browse().sudo()._vipps_get_unsettled())

    def test_a_cashier_of_several_companies_works_in_those_that_are_chosen(self):
        user = self.other_cashier.copy({
            'login': 'vipps_traveller',
            'company_ids': [Command.set((self.company | self.other_company).ids)],
        })
        ui_order = self._prepare_ui_order()
        status = self._ask(ui_order)
        session = self.session.with_context(allowed_company_ids=self.other_company.ids)
        with self._assert_nothing_happens(AccessError), \
                mute_logger('odoo.addons.base.models.ir_rule'):
            self._call('vipps_get_attempt', status['reference'], session=session, user=user)
        both = (self.other_company | self.company).ids
        session = self.session.with_context(allowed_company_ids=both)
        self.simulator.approve(status['reference'])
        status = self._call('vipps_get_attempt', status['reference'], session=session, user=user)
        self.assertEqual(status['state'], 'paid')
        status = self._call(
            'vipps_attach_attempt', status['reference'], session=session, user=user
        )
        self.assertTrue(status['is_attached'])

    def test_a_till_has_nothing_to_do_with_what_is_of_another_till(self):
        ui_order = self._prepare_ui_order()
        status = self._ask(ui_order)
        calls = self._prepare_calls(
            status['order_id'], status['uuid'], status['reference'], status['order']
        )
        for name, *args in calls[:-1]:
            with self.subTest(name=name), self._assert_nothing_happens():
                self._call(name, *args, session=self.other_session)
        name, *args = calls[-1]
        self.assertEqual(self._call(name, *args, session=self.other_session), [])
        self.assertEqual(self._call(name, session=self.other_session), [])

    def test_a_till_does_not_mix_up_orders_and_lines(self):
        ui_orders = [self._prepare_ui_order() for _i in range(2)]
        orders = [self._save_draft(ui_order) for ui_order in ui_orders]
        with self._assert_nothing_happens(UserError, "no longer part of the order"):
            self._call('vipps_create_attempt', orders[0].id, self._get_uuid(ui_orders[1]), 'qr')
        cash_order = self._save_draft(self._prepare_ui_order(payments=[
            self._prepare_ui_payment(45, self.cash_method, vipps_uuid='cash')
        ]))
        with self._assert_nothing_happens(UserError, "no longer part of the order"):
            self._call('vipps_create_attempt', cash_order.id, 'cash', 'qr')
        sold = self._sell()
        with self._assert_nothing_happens(UserError, "finished, deleted"):
            self._call('vipps_create_attempt', sold.id, sold.payment_ids.vipps_uuid, 'qr')

    def test_payments_of_webshops_are_none_of_a_till(self):
        tx = self._authorize()
        for name in ('start', 'get', 'cancel', 'undo', 'attach'):
            with self.subTest(name=name), self._assert_nothing_happens(AccessError):
                self._call(f'vipps_{name}_attempt', tx.reference)

    def test_another_cashier_takes_over(self):
        ui_order = self._prepare_ui_order()
        status = self._ask(ui_order)
        colleague = self.cashier.copy({'login': 'vipps_colleague'})
        listed = self._call('vipps_list_attempts', [status['order']], user=colleague)
        self.assertEqual([each['reference'] for each in listed], [status['reference']])
        self.simulator.approve(status['reference'])
        status = self._call('vipps_get_attempt', status['reference'], user=colleague)
        self.assertEqual(status['state'], 'paid')
        self.assertEqual(self._finish(ui_order, user=colleague).state, 'paid')

    #=== Garbage ===#

    def test_whatever_a_browser_sends_is_answered_with_a_sentence(self):
        ui_order = self._prepare_ui_order()
        order = self._save_draft(ui_order)
        uuid = self._get_uuid(ui_order)
        calls = {
            'order_id': lambda value: ('vipps_create_attempt', value, uuid, 'qr'),
            'uuid': lambda value: ('vipps_create_attempt', order.id, value, 'qr'),
            'flow': lambda value: ('vipps_create_attempt', order.id, uuid, value),
            'phone': lambda value: ('vipps_create_attempt', order.id, uuid, 'push', value),
            'reference': lambda value: ('vipps_get_attempt', value),
        }
        state = self._read_state()
        for name, prepare in calls.items():
            for value in GARBAGE:
                with self.subTest(name=name, value=str(value)[:50]), self.assertRaises(UserError):
                    self._call(*prepare(value))
        for name in ('start', 'cancel', 'undo', 'attach'):
            for value in (None, 'a\x00b', ['x'], {'x': 1}):
                with self.subTest(name=name, value=value), self.assertRaises(UserError):
                    self._call(f'vipps_{name}_attempt', value)
        for value in GARBAGE:
            with self.subTest(name='pos_references', value=str(value)[:50]):
                self.assertEqual(self._call('vipps_list_attempts', value), [])
        self.assertEqual(self._read_state(), state)

    def test_a_request_is_for_one_session_that_exists(self):
        sessions = self.env['pos.session']
        state = self._read_state()
        for session in (sessions, self.session | self.other_session, sessions.browse(10 ** 9)):
            for name, *args in self._prepare_calls(1, 'x', 'x', 'x'):
                with self.subTest(session=session, name=name), self.assertRaises(UserError):
                    getattr(session.with_user(self.cashier), name)(*args)
        self.assertEqual(self._read_state(), state)

    #=== What is not read ===#

    def _prepare_secrets(self):
        """ Leave payments of all flows behind, and return what nobody may read of them. """
        code = self.simulator.make_code()
        for flow, kwargs in (
            ('qr', {}), ('push', {'phone': '98765432'}), ('code', {'code': code}),
        ):
            self._ask(self._prepare_ui_order(), flow=flow, **kwargs)
        self._sell()
        urls = self.env['payment.transaction'].sudo().search([
            ('vipps_redirect_url', '!=', False),
        ]).mapped('vipps_redirect_url')
        self.assertTrue(urls)
        return [
            code, '98765432', *urls, *(url.partition('token=')[2] for url in urls),
            NOK_UNIT.client_id, NOK_UNIT.client_secret, NOK_UNIT.subscription_key,
            *(self.vipps[f'vipps_{name}_ciphertext'] for name in (
                'client_id', 'client_secret', 'subscription_key',
            )),
        ]

    def test_nothing_that_a_cashier_reads_has_a_secret(self):
        secrets = self._prepare_secrets()
        texts = {
            'load_pos_data': self.session.with_user(self.cashier).load_pos_data(),
            'export_for_ui': self.env['pos.order'].with_user(self.cashier).search(
                []
            ).export_for_ui(),
            'statuses': self._call('vipps_list_attempts'),
            'bus': [row.message for row in self.env['bus.bus'].sudo().search([])],
            **{
                # Each alone: `pos_self_order` computes a field for one Point of Sale only.
                model._name: [record.with_prefetch().read([
                    name for name, field in model.fields_get().items()
                    if field['type'] not in ('one2many', 'many2many')
                    and name not in ('online_account_payment_id', 'hide_use_payment_terminal')
                ]) for record in model.search([])] for model in (
                    self.env[name].with_user(self.cashier)
                    for name in ('pos.session', 'pos.payment', 'pos.payment.method', 'pos.config')
                )
            },
        }
        for name, text in texts.items():
            with self.subTest(name=name):
                self.assertGreater(len(text), 0)
                for secret in secrets:
                    self.assertNotIn(secret, json.dumps(text, default=str))
        methods = {
            method['id']: method for method in texts['load_pos_data']['pos.payment.method']
        }
        self.assertEqual({
            name for name in methods[self.pos_method.id] if 'vipps' in name
        }, {
            'vipps_allow_qr', 'vipps_allow_push', 'vipps_allow_code', 'vipps_default_flow',
            'vipps_is_paused', 'vipps_push_refused', 'vipps_brand_id',
        })

    def test_a_cashier_reads_neither_providers_nor_transactions_nor_events(self):
        self._prepare_secrets()
        self.cashier.groups_id |= self.env.ref('base.group_allow_export')
        for name in ('payment.provider', 'payment.transaction', 'vipps.webhook.event'):
            model = self.env[name].with_user(self.cashier)
            record = self.env[name].sudo().search([], limit=1)
            for call in (
                lambda model=model, record=record: model.browse(record.id or 1).read(),
                lambda model=model: model.search_read([]),
                lambda model=model: model.search_count([('id', '>', 0)]),
                lambda model=model: model.read_group([], ['id:count'], ['id']),
                lambda model=model, record=record: model.browse(
                    record.id or 1
                ).export_data(['create_date']),
                lambda model=model: model.web_search_read([], {'id': {}}),
            ):
                with self.subTest(model=name), self.assertRaises(AccessError), \
                        mute_logger('odoo.addons.base.models.ir_model'):
                    call()

    def test_a_cashier_reads_no_secret_by_way_of_tills(self):
        self._prepare_secrets()
        self.cashier.groups_id |= self.env.ref('base.group_allow_export')
        methods = self.env['pos.payment.method'].with_user(self.cashier)
        payments = self.env['pos.payment'].with_user(self.cashier)
        method = methods.browse(self.pos_method.id)
        self.assertNotIn('vipps_provider_id', method.read()[0])
        for name, call in {
            'read': lambda: method.read(['vipps_provider_id']),
            'search_read': lambda: methods.search_read([], ['vipps_provider_id']),
            'read_group': lambda: methods.read_group([], ['id:count'], ['vipps_provider_id']),
            'export': lambda: method.export_data(['vipps_provider_id/vipps_client_id']),
            'web_read': lambda: method.web_read({'vipps_provider_id': {'fields': {}}}),
            'search': lambda: methods.search([('vipps_provider_id', '=', self.vipps.id)]),
            'order': lambda: methods.search([], order='vipps_provider_id'),
            'search of a key': lambda: methods.search([
                ('vipps_provider_id.vipps_merchant_serial_number', '=like', '1%'),
            ]),
            'search of a number': lambda: payments.search([
                ('vipps_transaction_id.vipps_customer_phone', '=like', '4798%'),
            ]),
            'search of a link': lambda: payments.search([
                ('vipps_transaction_id.vipps_redirect_url', 'like', 'token'),
            ]),
            'export of a number': lambda: payments.search([]).export_data([
                'vipps_transaction_id/vipps_customer_phone',
            ]),
        }.items():
            with self.subTest(name=name), self.assertRaises(AccessError), \
                    mute_logger('odoo.models', 'odoo.addons.base.models.ir_model'):
                call()

    def test_nobody_but_administrators_reads_numbers_links_and_codes_of_attempts(self):
        self._prepare_secrets()
        txs = self.env['payment.transaction'].with_user(self.accountant).search([
            ('vipps_pos_session_id', '=', self.session.id),
        ])
        self.assertTrue(txs)
        self.accountant.groups_id |= self.env.ref('base.group_allow_export')
        for name in ('vipps_customer_phone', 'vipps_redirect_url', 'vipps_qr_code'):
            for call in (
                lambda name=name: txs.read([name]),
                lambda name=name: txs.web_read({name: {}}),
                lambda name=name: txs.export_data([name]),
            ):
                with self.subTest(name=name), self.assertRaises(AccessError), \
                        mute_logger('odoo.models'):
                    call()
        self.assertTrue(txs.read())

    def test_logs_have_no_number_no_code_and_no_link(self):
        code, wrong_code = self.simulator.make_code(), 'https://example.com/fake-code'
        with self.assertLogs(OUR_LOGGER, logging.DEBUG) as logs, self._without_pauses():
            for flow, kwargs in (
                ('push', {'phone': '98765432'}), ('code', {'code': code}),
                ('code', {'code': wrong_code}), ('qr', {}),
            ):
                for kind, values in (('lost_answer', {}), ('refuse', {'code': '7010'})):
                    self.simulator.fault('create', kind, times=3, **values)
                    status = self._ask(self._prepare_ui_order(), flow=flow, **kwargs)
                    self.simulator.clear_faults()
                    self._look(status['reference'])
                    self._call('vipps_cancel_attempt', status['reference'])
        text = ''.join(logs.output)
        self.assertIn("step=attempt_started", text)
        for secret in (code, wrong_code, 'fake-code', '98765432', 'token='):
            self.assertNotIn(secret, text)

    #=== What is not asked for ===#

    def test_amounts_outside_of_the_limits_are_refused(self):
        for amount in (0, 0.01, 0.99, 650_000.01, 10 ** 9):
            with self.subTest(amount=amount):
                self._assert_refused("too little or too much", self._prepare_ui_order(
                    amount or 45, payments=[self._prepare_ui_payment(amount)]
                ))
        self.vipps.maximum_amount = 40
        self._assert_refused("too little or too much", self._prepare_ui_order())
        self.vipps.maximum_amount = 0
        self._assert_refused("to refund", self._prepare_ui_order(
            payments=[self._prepare_ui_payment(-45)]
        ))

    def test_a_currency_that_the_sales_unit_does_not_take_is_refused(self):
        self.vipps.available_currency_ids = self.currency_dkk
        self._assert_refused("does not take payments in NOK", self._prepare_ui_order())

    def test_a_provider_that_is_disabled_or_not_published_is_refused(self):
        for values in ({'state': 'disabled'}, {'is_published': False}):
            with self.subTest(**values):
                self.vipps.write({'state': 'test', 'is_published': True})
                self.vipps.write(values)
                self._assert_refused("switched off", self._prepare_ui_order())

    def test_a_provider_that_is_disabled_while_somebody_pays_still_tells_the_truth(self):
        status = self._ask(self._prepare_ui_order())
        self.vipps.state = 'disabled'
        with self.assertRaisesRegex(UserError, "switched off"):
            self._call('vipps_start_attempt', status['reference'])
        self.assertEqual(self._look(status['reference'])['state'], 'waiting')
        self.assertEqual(
            self._call('vipps_cancel_attempt', status['reference'])['state'], 'unpaid'
        )

    def test_a_session_that_is_not_open_takes_no_payments(self):
        ui_order = self._prepare_ui_order()
        order = self._save_draft(ui_order)
        reference = self._call(
            'vipps_create_attempt', order.id, self._get_uuid(ui_order), 'qr'
        )['reference']
        for state in ('opening_control', 'closing_control', 'closed'):
            self.session.sudo().state = state
            with self.subTest(state=state):
                for call in (
                    ('vipps_create_attempt', order.id, self._get_uuid(ui_order), 'qr'),
                    ('vipps_start_attempt', reference),
                ):
                    with self._assert_nothing_happens(UserError, "closed or being closed"):
                        self._call(*call)
                self.assertEqual(
                    self._call('vipps_get_attempt', reference)['state'], 'unknown'
                )
        self.assertFalse(self.simulator.payments)
