# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo.exceptions import AccessError, ValidationError
from odoo.fields import Command
from odoo.tests import tagged

from .pos_common import PosCommon


@tagged('post_install', '-at_install')
class TestBranch(PosCommon):
    """ A branch, whose customers pay with the provider of its parent company. """

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.branch = cls.env['res.company'].create({
            'name': "A Branch", 'parent_id': cls.company.id,
        })
        cls.sibling = cls.env['res.company'].create({
            'name': "Another Branch", 'parent_id': cls.company.id,
        })
        cls.env.cr.precommit.run()  # Loads the chart of accounts.
        cls.dummy_provider.write({
            'state': 'test', 'is_published': True, 'company_id': cls.company.id,
            'maximum_amount': 0, 'available_country_ids': [Command.clear()],
            'available_currency_ids': [Command.clear()],
        })
        cls.env.user.company_ids += cls.branch | cls.sibling
        cls.branch_accountant, cls.sibling_accountant = (
            cls._create_user(f'{company.id}_accountant', 'account.group_account_invoice', company)
            for company in (cls.branch, cls.sibling)
        )
        cls.branch_salesman = cls._create_user(
            'branch_salesman', 'sales_team.group_sale_salesman_all_leads', cls.branch
        )

    @classmethod
    def _create_user(cls, login, group, company):
        return cls._new_user(login, f'base.group_user,{group}', company)

    def _get_offered(self, company):
        return self.env['payment.provider'].sudo()._get_compatible_providers(
            company.id, self.partner.id, 249.5, currency_id=self.currency_nok.id
        )

    def _pay_order(self, **values):
        order = self._create_order(company_id=self.branch.id, **values)
        tx = self._authorize(
            amount=order.amount_total, sale_order_ids=[Command.set(order.ids)]
        )
        return order, tx

    def _invoice(self, order):
        self.assertEqual(order.state, 'sale')
        order.order_line.qty_delivered = 1
        invoice = order.with_company(self.branch)._create_invoices()
        invoice.action_post()
        self.assertEqual(invoice.company_id, self.branch)
        return invoice

    #=== What is offered ===#

    def test_a_branch_is_offered_our_provider_of_its_parent_and_no_other_one(self):
        parents, branches = self._get_offered(self.company), self._get_offered(self.branch)
        self.assertIn(self.vipps, parents)
        self.assertIn(self.dummy_provider, parents)
        self.assertIn(self.vipps, branches)
        other_domain = self.env['payment.provider']._check_company_domain(self.branch.id)
        self.assertEqual(
            branches - self.vipps, parents.filtered_domain(other_domain) - self.vipps,
            "What others offer is core's.",
        )

    def test_a_branch_with_its_own_provider_is_not_offered_the_one_of_its_parent(self):
        own_vipps = self.vipps.copy({'company_id': self.branch.id})
        own_vipps.write({'state': 'test', 'is_published': True, 'vipps_client_id': 'x',
                         'vipps_client_secret': 'x', 'vipps_subscription_key': 'x'})
        self.assertEqual(
            self._get_offered(self.branch).filtered(lambda p: p.code == 'vipps'), own_vipps
        )

    def test_a_parent_is_not_offered_the_provider_of_its_branch(self):
        self.vipps.company_id = self.branch
        self.assertNotIn(self.vipps, self._get_offered(self.company))
        self.assertNotIn(self.vipps, self._get_offered(self.sibling))

    def test_a_provider_that_is_switched_off_is_not_offered(self):
        self.vipps.state = 'disabled'
        self.assertNotIn(self.vipps, self._get_offered(self.branch))

    #=== Orders and invoices ===#

    def test_a_customer_pays_an_order_of_a_branch(self):
        order, tx = self._pay_order()
        self.assertEqual((tx.state, tx.company_id), ('authorized', self.company))
        self.assertEqual(order.amount_paid, order.amount_total)

    def test_the_staff_of_the_branch_captures_its_orders_and_nobody_else_does(self):
        order, tx = self._pay_order()
        for user in (self.sibling_accountant,):
            with self.assertRaises(AccessError):
                order.with_user(user).payment_action_capture()
            with self.assertRaises(AccessError):
                tx.with_user(user).action_capture()
            with self.assertRaises(AccessError):
                tx.with_user(user).sudo().action_void()
        self._capture_in_window(
            order.with_user(self.branch_salesman).payment_action_capture(),
            user=self.branch_salesman,
        )
        self.assertEqual(self._get_aggregate(tx)['captured'], 24950)

    def test_an_invoice_of_a_branch_is_settled_and_its_accountant_refunds_the_credit_note(self):
        order, tx = self._pay_order()
        tx._send_capture_request()
        self._follow_up()
        invoice = self._invoice(order)
        self.assertEqual(invoice.sudo().transaction_ids, tx)
        self.assertIn(invoice.payment_state, ('paid', 'in_payment'))
        credit_note = invoice._reverse_moves()
        credit_note.action_post()
        self.env.invalidate_all()
        move = credit_note.with_user(self.branch_accountant)
        self.assertTrue(move.vipps_is_refundable)
        action = move.action_vipps_refund()
        wizard = self.env[action['res_model']].with_user(self.branch_accountant).browse(
            action['res_id']
        )
        wizard.web_read({
            'refundable_amount': {}, 'transaction_ids': {'fields': {'reference': {}}},
        })
        wizard.action_refund()
        self.assertEqual(self._get_aggregate(tx)['refunded'], 24950)
        self.assertEqual(credit_note.amount_residual, 0)

    def test_an_accountant_of_another_branch_refunds_nothing_of_it(self):
        order, tx = self._pay_order()
        tx._send_capture_request()
        self._follow_up()
        invoice = self._invoice(order)
        with self.assertRaises(AccessError):
            self.env['vipps.refund.wizard'].with_user(self.sibling_accountant).create({
                'move_id': invoice.id,
            })
        credit_note = self._create_invoice()._reverse_moves()
        # A link that no form makes.
        self.env.flush_all()
        self.env.cr.execute("""
            UPDATE account_move SET company_id = %s, reversed_entry_id = %s WHERE id = %s
        """, [self.sibling.id, invoice.id, credit_note.id])
        self.env.invalidate_all()
        with self.assertRaises(AccessError):
            credit_note.with_user(self.sibling_accountant).action_vipps_refund()
        self.assertEqual(self._get_aggregate(tx)['refunded'], 0)

    #=== Tills ===#

    def _create_branch_method(self, **values):
        journal = self.env['account.journal'].create({
            'name': "Vipps in the branch", 'type': 'bank', 'code': 'VBRAN',
            'company_id': self.branch.id,
        })
        return self.env['pos.payment.method'].with_company(self.branch).create({
            'name': "Vipps", 'journal_id': journal.id, 'use_payment_terminal': 'vipps',
            'company_id': self.branch.id, **values,
        })

    def test_a_till_of_a_branch_takes_payments_with_the_provider_of_its_parent(self):
        method = self._create_branch_method()
        self.assertEqual(method.vipps_provider_id, self.vipps)
        config = self.env['pos.config'].with_company(self.branch).create({
            'name': "Branch Shop", 'company_id': self.branch.id,
            'payment_method_ids': [Command.set(method.ids)],
        })
        cashier = self._create_user('branch_cashier', 'point_of_sale.group_pos_user', self.branch)
        config.with_company(self.branch).open_ui()
        session = config.current_session_id
        session.set_cashbox_pos(0, None)
        ui_order = self._prepare_ui_order(
            45, session=session, payments=[self._prepare_ui_payment(
                45, method, payment_status='pending', vipps_uuid='branch-uuid',
            )],
        )
        order = self._save_draft(ui_order, user=cashier)
        till = {'session': session, 'user': cashier}
        status = self._call('vipps_create_attempt', order.id, 'branch-uuid', 'qr', **till)
        self._call('vipps_start_attempt', status['reference'], **till)
        self.simulator.approve(status['reference'])
        self._get_attempt(status['reference']).vipps_last_read = False
        status = self._call('vipps_get_attempt', status['reference'], **till)
        self.assertEqual(status['state'], 'paid')
        self.assertEqual(self._finish(ui_order, user=cashier).state, 'paid')

    def test_a_till_takes_no_provider_of_a_branch_or_of_another_company(self):
        method = self._create_branch_method()
        other_company = self.env['res.company'].create({'name': "Another Shop"})
        for company in (self.sibling, other_company):
            provider = self.vipps.copy({'company_id': company.id})
            with self.subTest(company=company.name), self.assertRaises(ValidationError):
                method.sudo().vipps_provider_id = provider
