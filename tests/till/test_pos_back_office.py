# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from lxml import etree

from odoo import fields
from odoo.exceptions import AccessError, RedirectWarning, UserError, ValidationError
from odoo.fields import Command
from odoo.tests import Form, new_test_user, tagged

from ..pos_common import PosCommon


@tagged('post_install', '-at_install')
class TestPosBackOffice(PosCommon):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.pos_manager = cls._new_user(
            'vipps_pos_manager', 'base.group_user,point_of_sale.group_pos_manager',
        )

    #=== What happens ===#

    def _close_in_back_office(self, session=None, user=None):
        """ Click the button of the session. """
        session = (session or self.session).with_user(user or self.cashier)
        return session.action_pos_session_closing_control()

    def _run_action(self, action_id, session=None, user=None):
        """ Follow what the warning leads to, as the browser does. """
        session = session or self.session
        return self.env['ir.actions.server'].browse(action_id).with_user(
            user or self.cashier
        ).with_context(
            active_model=session._name, active_id=session.id, active_ids=session.ids
        ).run()

    def _get_listed(self, session=None, user=None):
        """ Open the list from the session. """
        session = (session or self.session).with_user(user or self.cashier)
        action = session.action_vipps_view_unsettled()
        return session.env[action['res_model']].search(action['domain'])

    def _get_buttons(self, attempt):
        return [
            name for name, is_shown in (
                ('attach', attempt.is_attachable),
                ('return', attempt.is_unattached),
                ('cancel', attempt.is_open),
            ) if is_shown
        ]

    def _open_refund(self, tx, user=None):
        """ Click on Refund, and return the window. """
        user = user or self.accountant
        action = tx.with_user(user).action_vipps_refund()
        return self.env[action['res_model']].with_user(user).browse(action['res_id'])

    #=== Payment methods ===#

    def _get_method_view(self, user):
        view = self.env['pos.payment.method'].with_user(user).get_view(view_type='form')
        return etree.fromstring(view['arch'])

    def test_who_sets_up_tills_gets_the_only_provider_and_sees_none(self):
        self.assertFalse(self._get_method_view(self.pos_manager).xpath(
            '//field[@name="vipps_provider_id"]'
        ))
        journal = self.pos_method.journal_id.copy({'code': 'VT2'})
        with Form(self.env['pos.payment.method'].with_user(self.pos_manager)) as form:
            form.name = "Vipps upstairs"
            form.journal_id = journal
            form.use_payment_terminal = 'vipps'
            form.vipps_allow_qr = False
            form.vipps_default_flow = 'push'
        method = form.record
        self.assertEqual(method.sudo().vipps_provider_id, self.vipps)
        with self.assertRaises(AccessError):
            method.read(['vipps_provider_id'])

    def test_an_administrator_chooses_the_provider(self):
        admin = self.env.ref('base.user_admin')
        self.assertTrue(self._get_method_view(admin).xpath(
            '//field[@name="vipps_provider_id"]'
        ))

    #=== Closing in the back office ===#

    def test_the_back_office_does_not_close_a_session_with_an_open_payment_but_leads_to_it(self):
        status = self._ask(self._prepare_ui_order())
        with self.assertRaises(RedirectWarning) as refusal:
            self._close_in_back_office()
        message, action_id = refusal.exception.args[:2]
        self.assertIn(status['order'], message)
        self.assertEqual(self.session.state, 'opened')
        self.assertEqual(self.session.with_user(self.cashier).vipps_unsettled_count, 1)
        action = self._run_action(action_id)
        attempt = self.env[action['res_model']].with_user(self.cashier).search(action['domain'])
        self.assertEqual(attempt.order_name, status['order'])
        self.assertEqual(self._get_buttons(attempt), ['cancel'])

    def test_an_open_payment_is_cancelled_in_the_back_office(self):
        self._ask(self._prepare_ui_order())
        attempt = self._get_listed()
        attempt.action_cancel()
        self.assertEqual(self._get_buttons(attempt), [])
        self.assertIn("cancelled", attempt.status)
        self.assertEqual(self.session.vipps_unsettled_count, 0)

    def test_a_payment_that_is_approved_in_the_meantime_is_shown_as_paid(self):
        status = self._ask(self._prepare_ui_order())
        attempt = self._get_listed()
        self.simulator.approve(status['reference'])
        attempt.action_cancel()
        self.assertEqual(self._get_buttons(attempt), ['attach', 'return'])

    def test_what_is_approved_is_found_by_looking_again(self):
        status = self._ask(self._prepare_ui_order())
        attempt = self._get_listed()
        self.simulator.approve(status['reference'])
        self._get_attempt(status['reference']).vipps_last_read = False
        attempt.action_look()
        self.assertEqual(self._get_buttons(attempt), ['attach', 'return'])

    def test_a_session_is_closed_after_its_payment_was_put_into_the_order(self):
        ui_order = self._prepare_ui_order()
        status = self._ask_and_approve(ui_order)
        with self.assertRaises(RedirectWarning):
            self._close_in_back_office()
        attempt = self._get_listed()
        self.assertEqual(self._get_buttons(attempt), ['attach', 'return'])
        attempt.action_attach()
        self.assertEqual(self._get_buttons(attempt), [])
        order = self.env['pos.order'].browse(status['order_id'])
        self.assertEqual(order.state, 'paid')
        self.assertFalse(self._get_listed())
        self.session.config_id.cash_control = False
        self._close_in_back_office()
        self.assertEqual(self.session.state, 'closed')

    def test_a_rescue_session_is_closed_after_its_payment_was_settled(self):
        rescue_session = self.env['pos.session'].with_context(onboarding_creation=True).create({
            'config_id': self.config.id, 'rescue': True, 'user_id': self.cashier.id,
            'state': 'opened', 'start_at': fields.Datetime.now(),
        })
        ui_order = self._prepare_ui_order(session=rescue_session)
        self._ask_and_approve(ui_order, session=rescue_session)
        with self.assertRaises(RedirectWarning):
            self._close_in_back_office(rescue_session)
        self._get_listed(rescue_session).action_attach()
        self._close_in_back_office(rescue_session)
        self.assertEqual(rescue_session.state, 'closed')

    def test_money_is_given_back_in_the_back_office(self):
        status = self._ask_and_approve(self._prepare_ui_order())
        attempt = self._get_listed()
        attempt.action_return()
        self.assertEqual(self._get_buttons(attempt), [])
        aggregate = self._get_aggregate(self._get_attempt(status['reference']))
        self.assertEqual(aggregate['refunded'], 4500)
        self.assertFalse(self._get_listed())

    def test_what_is_partly_given_back_is_not_put_into_the_order(self):
        status = self._ask_and_approve(self._prepare_ui_order())
        self.simulator.refund(status['reference'], 2000)
        self._get_attempt(status['reference'])._vipps_sync()
        self.assertEqual(self._get_buttons(self._get_listed()), ['return'])
        self._get_listed().action_return()
        self.assertFalse(self._get_listed())

    def test_a_refund_without_its_order_is_put_into_it(self):
        ui_refund = self._prepare_ui_refund(self._sell())
        self._ask(ui_refund, flow=False)
        attempt = self._get_listed()
        self.assertEqual(self._get_buttons(attempt), ['attach'])
        attempt.action_attach()
        self.assertFalse(self._get_listed())

    def test_each_sees_only_the_own_list_and_needs_the_rights_of_the_till(self):
        self._ask(self._prepare_ui_order())
        attempt = self._get_listed()
        with self.assertRaises(AccessError):
            attempt.with_user(self.pos_manager).read(['status'])
        with self.assertRaises(AccessError):
            attempt.with_user(self.pos_manager).action_cancel()
        for user in (self.accountant, self.salesman):
            with self.assertRaises(AccessError):
                self.session.with_user(user).action_vipps_view_unsettled()
            with self.assertRaises(AccessError):
                attempt.with_user(user).action_cancel()

    def test_no_list_shows_payments_of_other_tills(self):
        status = self._ask(self._prepare_ui_order())
        other_session = self._open_session(self._create_config(
            "Other Shop", payment_method_ids=[Command.set(self.pos_method.ids)]
        ))
        attempt = self.env['vipps.till.attempt'].with_user(self.cashier).create({
            'session_id': other_session.id, 'reference': status['reference'],
        })
        for function in (lambda: attempt.status, attempt.action_cancel):
            with self.assertRaises(AccessError):
                function()
        tx = self._authorize()
        attempt = self.env['vipps.till.attempt'].with_user(self.cashier).create({
            'session_id': self.session.id, 'reference': tx.reference,
        })
        with self.assertRaises(AccessError):
            attempt.action_return()

    #=== Refunds by accountants ===#

    def test_an_accountant_refunds_a_sale_of_a_till_in_parts(self):
        tx = self._get_paying_tx(self._sell(100))
        self.assertTrue(tx.with_user(self.accountant).vipps_is_refundable)
        wizard = self._open_refund(tx)
        self.assertEqual((wizard.amount, wizard.refundable_amount), (100, 100))
        wizard.amount = 20
        wizard.action_refund()
        self.assertEqual(self._get_aggregate(tx)['refunded'], 2000)
        self.assertTrue(self._close()['successful'])
        wizard = self._open_refund(tx)
        self.assertEqual(wizard.amount, 80)
        wizard.action_refund()
        self.assertEqual(self._get_aggregate(tx)['refunded'], 10000)
        self.assertEqual(
            tx.child_transaction_ids.payment_id.mapped('amount'), [20, 80]
        )
        self.assertFalse(tx.with_user(self.accountant).vipps_is_refundable)

    def test_an_accountant_refunds_no_wrong_amounts(self):
        tx = self._get_paying_tx(self._sell(100))
        for amount in (0, -10, 100.01, 1e9):
            with self.subTest(amount=amount):
                wizard = self._open_refund(tx)
                wizard.amount = amount
                with self.assertRaises(ValidationError):
                    wizard.action_refund()
        self.assertFalse(self._get_calls('refund'))

    def test_two_windows_refund_once(self):
        tx = self._get_paying_tx(self._sell(100))
        first, second = self._open_refund(tx), self._open_refund(tx)
        first.amount = second.amount = 20
        first.action_refund()
        with self.assertRaisesRegex(ValidationError, "done already"):
            second.action_refund()
        self.assertEqual(self._get_aggregate(tx)['refunded'], 2000)

    def test_only_who_may_write_transactions_refunds_in_the_back_office(self):
        tx = self._get_paying_tx(self._sell(100))
        wizard = self._open_refund(tx)
        for user in (self.cashier, self.pos_manager, self.salesman):
            with self.assertRaises(AccessError):
                tx.with_user(user).action_vipps_refund()
            with self.assertRaises(AccessError):
                wizard.with_user(user).action_refund()
        other_accountant = self._new_user(
            'vipps_other_accountant', 'base.group_user,account.group_account_invoice',
        )
        with self.assertRaises(AccessError):
            wizard.with_user(other_accountant).action_refund()

    def test_an_accountant_gives_back_what_belongs_to_no_order(self):
        status = self._ask_and_approve(self._prepare_ui_order())
        tx = self._get_attempt(status['reference'])
        wizard = self._open_refund(tx)
        self.assertTrue(wizard.is_unattached)
        wizard.action_refund()
        self.assertEqual(self._get_aggregate(tx)['refunded'], 4500)
        self.assertFalse(tx.child_transaction_ids.payment_id)
        self.assertFalse(self._get_listed())

    def test_a_refund_that_is_not_captured_is_refused_with_a_sentence(self):
        self.simulator.fault('capture', 'status', status=503, times=None)
        tx = self._get_paying_tx(self._sell(100))
        self.assertFalse(tx.with_user(self.accountant).vipps_is_refundable)
        with self.assertRaises(UserError):
            self._open_refund(tx).action_refund()

    #=== Lists and reports ===#

    def test_an_accountant_finds_what_is_paid_and_belongs_to_no_order(self):
        sold_tx = self._get_paying_tx(self._sell(100))
        status = self._ask_and_approve(self._prepare_ui_order())
        tx = self._get_attempt(status['reference'])
        txs = self.env['payment.transaction'].with_user(self.accountant)
        self.assertEqual(txs.search([('vipps_is_unattached', '=', True)]), tx)
        self.assertEqual(tx.with_user(self.accountant).vipps_is_unattached, True)
        self.assertIn(sold_tx, txs.search([('vipps_is_unattached', '=', False)]))
        self._call('vipps_undo_attempt', status['reference'])
        self.assertFalse(txs.search([('vipps_is_unattached', '=', True)]))
        self.assertFalse(tx.with_user(self.accountant).vipps_is_unattached)

    def test_the_report_is_grouped_by_till_for_who_may_not_read_tills(self):
        self._sell(100)
        refunded_tx = self._get_paying_tx(self._sell(45))
        self.simulator.refund(refunded_tx.reference)
        refunded_tx.sudo()._vipps_sync()
        txs = self.env['payment.transaction'].with_user(self.accountant)
        groups = txs.read_group(
            [('vipps_payment_reference', '!=', False), ('vipps_pos_config_id', '!=', False)],
            ['vipps_captured_amount:sum', 'vipps_refunded_amount:sum'], ['vipps_pos_config_id'],
        )
        self.assertEqual(
            [(group['vipps_pos_config_id'][0], group['vipps_captured_amount'],
              group['vipps_refunded_amount']) for group in groups],
            [(self.config.id, 145, 45)],
        )
        self.assertEqual(
            refunded_tx.child_transaction_ids.vipps_pos_config_id, self.config
        )
        view = txs.get_view(
            self.env.ref('mobilepay_vipps.payment_transaction_report_search').id, 'search'
        )
        self.assertIn('group_till', view['arch'])

    def test_an_accountant_reads_the_form_of_a_payment_at_a_till(self):
        tx = self._get_paying_tx(self._sell(100)).with_user(self.accountant)
        form = Form(tx)
        self.assertEqual(form.vipps_pos_reference, tx.vipps_pos_reference)

    def test_who_may_see_transactions_gets_from_the_payment_to_them(self):
        for user, is_shown in ((self.cashier, False), (self.pos_manager, False)):
            for view_type in ('form', 'tree'):
                arch = self.env['pos.payment'].with_user(user).get_view(view_type=view_type)['arch']
                self.assertEqual('vipps_transaction_id' in arch, is_shown)
        both = new_test_user(
            self.env, 'vipps_both',
            'base.group_user,point_of_sale.group_pos_user,account.group_account_invoice',
        )
        for view_type in ('form', 'tree'):
            self.assertIn(
                'vipps_transaction_id',
                self.env['pos.payment'].with_user(both).get_view(view_type=view_type)['arch'],
            )
