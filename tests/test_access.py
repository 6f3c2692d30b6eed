# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.fields import Command
from odoo.tests import tagged
from odoo.tools import mute_logger

from .pos_common import PosCommon

SHARED = {'name': "Hemmelig Hansen", 'email': 'hemmelig@example.com', 'email_verified': True}


@tagged('post_install', '-at_install')
class TestAccess(PosCommon):
    """ Nobody reads, moves or books records of others, with any data of a browser. """

    has_second_company = True

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.other_company = cls.company_data_2['company']
        cls.portal_user = cls._create_user('base.group_portal', cls.company)
        cls.stranger = cls._create_user(
            'base.group_user,account.group_account_invoice', cls.other_company
        )
        cls.other_salesman = cls._create_user(
            'base.group_user,sales_team.group_sale_salesman', cls.other_company
        )
        cls.manager = cls._create_user(
            'base.group_user,mobilepay_vipps.group_payment_manager', cls.company
        )

    @classmethod
    def _create_user(cls, groups, company):
        return cls._new_user(f'access_{groups.split(".")[-1]}_{company.id}', groups, company)

    def _pay_order(self, price=249.5, **values):
        order = self._create_order(price, **values)
        tx = self._authorize(amount=price, sale_order_ids=[Command.set(order.ids)])
        return order, tx

    def _pay_invoice(self, amount=249.5):
        invoice = self._create_invoice(amount)
        tx = self._authorize(amount=amount, invoice_ids=[Command.set(invoice.ids)])
        tx._send_capture_request()
        return invoice, tx

    def _create_other_move(self, move_type='out_invoice', post=False):
        move = self.env['account.move'].with_company(self.other_company).create({
            'move_type': move_type, 'partner_id': self.partner.id,
            'company_id': self.other_company.id, 'currency_id': self.currency_nok.id,
            'invoice_line_ids': [Command.create({
                'product_id': self.product.id, 'price_unit': 100, 'tax_ids': [Command.clear()],
            })],
        })
        if post:
            move.action_post()
        return move

    def _onchange(self, user, model, values, *names):
        """ Have a browser make up a record, and return the answer. """
        self.env.invalidate_all()
        return self.env[model].with_user(user).onchange(
            values, list(values), {name: {} for name in {*names, *values}}
        ).get('value', {})

    def _get_totals(self):
        return [
            self._get_aggregate(tx) for tx in self.env['payment.transaction'].sudo().search(
                [('vipps_payment_reference', '!=', False)], order='id'
            )
        ]

    #=== Records that a browser makes up ===#

    def test_shared_data_is_read_for_no_record_that_is_made_up(self):
        _order, tx = self._pay_order()
        tx.write({'vipps_user_details': SHARED, 'vipps_user_info_state': 'received'})
        values = {'partner_id': self.partner.id}
        for user in (self.portal_user, self.cashier, self.accountant, self.manager):
            with self.subTest(user=user.login):
                told = self._onchange(
                    user, 'vipps.personal.data', values, 'content', 'is_known'
                )
                self.assertNotIn(SHARED['name'], str(told))
                self.assertFalse(told.get('is_known'))
        wizard = self.env['vipps.personal.data'].with_user(self.manager).create(values)
        self.assertIn(SHARED['name'], wizard.content)
        self.env.invalidate_all()
        other_manager = self._create_user(
            'base.group_user,mobilepay_vipps.group_payment_manager', self.other_company
        )
        with self.assertRaises(AccessError):
            wizard.with_user(other_manager).read(['content'])

    def test_amounts_are_told_for_no_record_that_is_made_up(self):
        _invoice, tx = self._pay_invoice(1234.5)
        _order, reserved_tx = self._pay_order(2345.5)
        for model, values, names in (
            ('vipps.refund.wizard', {'move_id': self._create_invoice(1234.5).id},
             ('residual_amount', 'refundable_amount', 'seen_amounts', 'amount')),
            ('vipps.till.refund.wizard', {'transaction_id': tx.id},
             ('seen_amounts', 'amount', 'refundable_amount')),
            ('account.payment', {'payment_transaction_id': tx.id},
             ('vipps_payment_reference', 'vipps_order_names', 'vipps_psp_reference')),
            ('sale.order', {'transaction_ids': [Command.set(reserved_tx.ids)]},
             ('vipps_has_payment', 'vipps_status')),
            ('payment.refund.wizard', {'payment_id': tx.payment_id.id}, ('vipps_seen_amounts',)),
        ):
            for user in (self.portal_user, self.stranger, self.other_salesman):
                for name in names:
                    with self.subTest(model=model, user=user.login, name=name):
                        try:
                            told = self._onchange(user, model, values, name)
                        except (AccessError, ValueError):  # Some do not see the field at all.
                            continue
                        self.assertFalse(told.get(name))

    def test_nothing_is_exported_of_records_that_one_may_not_read(self):
        order, _reserved_tx = self._pay_order(2345.5)
        invoice, tx = self._pay_invoice()
        wizard = self.env['payment.refund.wizard'].create({'payment_id': tx.payment_id.id})
        group = self.env.ref('base.group_allow_export')
        (self.stranger | self.accountant).groups_id += group
        for record, names in (
            (order, ['vipps_status', 'vipps_authorized_amount']),
            (invoice, ['vipps_is_refundable']),
            (tx.payment_id, ['vipps_payment_reference', 'vipps_psp_reference']),
            (wizard, ['support_refund', 'vipps_seen_amounts']),
        ):
            self.env.flush_all()
            self.env.invalidate_all()
            with self.subTest(model=record._name), self.assertRaises(AccessError):
                record.with_user(self.stranger).export_data(names)
        self.env.invalidate_all()
        row = tx.payment_id.with_user(self.accountant).export_data(
            ['vipps_payment_reference']
        )['datas'][0]
        self.assertEqual(row, [tx.vipps_payment_reference])

    def test_the_guide_shows_no_payment_of_another_provider(self):
        _order, tx = self._pay_order()
        other_vipps = self.vipps.copy({'company_id': self.other_company.id})
        administrator = self._create_user('base.group_system', self.other_company)
        with self.assertRaises(ValidationError):
            other_vipps.with_user(administrator).write({'vipps_guide_transaction_id': tx.id})

    def test_notices_of_payments_with_the_numbers_of_parcels_are_for_the_system(self):
        _order, tx = self._pay_order()
        for user in (self.accountant, self.manager):
            tx.with_user(user).read(['vipps_status'])
            with self.assertRaises(AccessError):
                tx.with_user(user).read(['vipps_told'])

    def test_the_window_of_a_payment_is_for_those_who_may_read_it(self):
        _order, tx = self._pay_order()
        other_manager = self._create_user(
            'base.group_user,mobilepay_vipps.group_payment_manager', self.other_company
        )
        with self.assertRaises(AccessError):
            self.env['vipps.personal.data'].with_user(other_manager).create({
                'partner_id': self.partner.id, 'transaction_id': tx.id,
            })

    def test_windows_are_opened_for_ones_own_only(self):
        invoice, tx = self._pay_invoice()
        credit_note = invoice._reverse_moves()
        credit_note.action_post()
        _order, reserved_tx = self._pay_order()
        for model, values in (
            ('vipps.refund.wizard', {'move_id': credit_note.id}),
            ('vipps.till.refund.wizard', {'transaction_id': tx.id}),
            ('payment.refund.wizard', {'payment_id': tx.payment_id.id}),
            ('payment.capture.wizard', {'transaction_ids': [Command.set(reserved_tx.ids)]}),
            ('account.payment', {'payment_transaction_id': tx.id, 'partner_id': self.partner.id}),
        ):
            with self.subTest(model=model), self.assertRaises(AccessError):
                self.env[model].with_user(self.stranger).create(values)
            self.env.cr.clear()

    #=== What a browser says in the context ===#

    def test_no_context_decides_which_entry_is_posted_by_a_refund(self):
        _invoice, tx = self._pay_invoice()
        for move in (self._create_other_move(), self.env['account.move'].create({
            'move_type': 'out_invoice', 'partner_id': self.partner.id,
            'invoice_line_ids': [Command.create({'product_id': self.product.id})],
        })):
            messages = len(move.message_ids)
            tx.with_user(self.accountant).with_context(
                vipps_credit_note_id=move.id
            ).action_refund(amount_to_refund=1)
            self.assertEqual((move.state, len(move.message_ids)), ('draft', messages))
            self.assertFalse(move.transaction_ids)

    def test_no_context_of_a_cashier_decides_which_entry_is_posted(self):
        move = self._create_other_move()
        order = self._sell()
        ui_refund = self._prepare_ui_refund(order)
        session = self.session.with_context(vipps_credit_note_id=move.id)
        refund = self._save_draft(ui_refund)
        status = self._call(
            'vipps_create_attempt', refund.id, self._get_uuid(ui_refund), 'qr', session=session
        )
        self._call('vipps_start_attempt', status['reference'], session=session)
        with self.assertRaisesRegex(UserError, "cannot be deleted, cancelled"):
            refund.with_user(self.cashier).write({'state': 'cancel'})
        self._call('vipps_attach_attempt', status['reference'], session=session)
        self.assertEqual(move.state, 'draft')
        self.assertFalse(move.transaction_ids)
        self.assertNotIn("Refunded", str(move.message_ids.mapped('body')))

    def test_no_context_forges_records(self):
        order, tx = self._pay_order()
        self.simulator.capture(tx.vipps_payment_reference, 24950)
        forged = {'default_details': "Approved by the CFO", 'default_trace_id': '00-forged'}
        for record, user in ((tx, self.accountant), (order, self.env.user)):
            record.with_user(user).with_context(**forged).action_vipps_update()
        self.env.flush_all()
        events = self.env['vipps.audit.event'].sudo().search([('transaction_id', '=', tx.id)])
        self.assertIn('done', events.mapped('to_state'))
        self.assertNotIn("Approved by the CFO", events.mapped('details'))
        self.assertNotIn('00-forged', events.mapped('trace_id'))

    def test_administrators_of_another_company_read_no_tasks(self):
        _order, tx = self._pay_order()
        self.env['vipps.task']._schedule(tx, 'confirm')
        for company, is_read in ((self.company, True), (self.other_company, False)):
            administrator = self._new_user(
                f'vipps_administrator_{company.id}', 'base.group_system', company,
            )
            with self.subTest(company=company.name):
                tasks = self.env['vipps.task'].with_user(administrator).search([])
                self.assertEqual(tx in tasks.sudo().transaction_id, is_read)

    def test_no_company_is_taken_from_a_context(self):
        _order, tx = self._pay_order()
        with self.assertRaises(AccessError):
            tx.with_user(self.accountant).with_context(
                allowed_company_ids=self.other_company.ids
            ).action_vipps_update()

    #=== Links that people write ===#

    def test_no_credit_note_refunds_the_order_of_another_company(self):
        order, tx = self._pay_order()
        tx._send_capture_request()
        credit_note = self._create_other_move('out_refund', post=True)
        credit_note.invoice_line_ids.with_user(self.stranger).write({
            'sale_line_ids': [Command.set(order.order_line.ids)],
        })
        self.env.invalidate_all()
        self.assertFalse(credit_note.with_user(self.stranger).vipps_is_refundable)
        action = credit_note.with_user(self.stranger).action_vipps_refund()
        wizard = self.env[action['res_model']].with_user(self.stranger).browse(action['res_id'])
        self.assertEqual((wizard.refundable_amount, wizard.seen_amounts), (0, '{}'))
        with self.assertRaises(UserError):
            wizard.write({'amount': 100})
            wizard.action_refund()
        self.assertEqual(self._get_aggregate(tx)['refunded'], 0)

    def _get_commands(self, tx, other_tx):
        return [
            [Command.link(other_tx.id)], [Command.set(other_tx.ids)],
            [Command.set((tx | other_tx).ids)], [Command.unlink(tx.id)], [Command.clear()],
            [Command.delete(tx.id)], [Command.update(tx.id, {'amount': 1})],
            [Command.create({
                'provider_id': self.vipps.id, 'payment_method_id': self.method_vipps.id,
                'amount': 1, 'currency_id': self.currency_nok.id, 'reference': 'own-reference',
                'partner_id': self.partner.id,
            })],
        ]

    @mute_logger('odoo.sql_db')
    def test_nobody_links_or_unlinks_payments(self):
        order, tx = self._pay_order()
        other_order, other_tx = self._pay_order()
        invoice, invoice_tx = self._pay_invoice()
        administrator = self._create_user(
            'base.group_system,sales_team.group_sale_manager,account.group_account_manager',
            self.company,
        )
        for document, own_tx, users in (
            (order, tx, (self.salesman, administrator)),
            (invoice, invoice_tx, (self.accountant, administrator)),
        ):
            document.write({
                'invoice_user_id' if document == invoice else 'user_id': False
            })
            for user in users:
                for commands in self._get_commands(own_tx, other_tx):
                    with self.subTest(user=user.login, commands=commands):
                        with self.assertRaises(AccessError), self.env.cr.savepoint():
                            document.with_user(user).write({'transaction_ids': commands})
                        self.env.invalidate_all()
                        self.assertEqual(document.transaction_ids, own_tx)
        self.assertEqual(other_order.transaction_ids, other_tx)

    def test_nobody_adopts_payments_with_a_new_document(self):
        _order, tx = self._pay_order()
        values = {'partner_id': self.partner.id}
        for user, model in (
            (self.salesman, 'sale.order'), (self.other_salesman, 'sale.order'),
            (self.accountant, 'account.move'), (self.stranger, 'account.move'),
        ):
            documents = self.env[model].with_user(user)
            commands = [Command.set(tx.ids)]
            with self.subTest(user=user.login, model=model):
                with self.assertRaises(AccessError), self.env.cr.savepoint():
                    documents.create({**values, 'transaction_ids': commands})
                with self.assertRaises(AccessError), self.env.cr.savepoint():
                    documents.with_context(default_transaction_ids=commands).create(values)
                self.env.invalidate_all()

    def test_buttons_of_documents_move_no_money_of_another_company(self):
        """ However a payment got into a document: core's buttons press on in sudo mode. """
        _order, tx = self._pay_order()
        order = self.env['sale.order'].create({
            'partner_id': self.partner.id, 'company_id': self.other_company.id, 'user_id': False,
        })
        move = self._create_other_move()
        order.sudo().transaction_ids = move.sudo().transaction_ids = tx
        self.env.flush_all()
        totals = self._get_totals()
        for document, user in ((order, self.other_salesman), (move, self.stranger)):
            for name in ('payment_action_capture', 'payment_action_void'):
                self.env.invalidate_all()
                try:
                    getattr(document.with_user(user), name)()
                except AccessError:
                    self.env.cr.clear()
        with self.assertRaises(AccessError):
            tx.with_user(self.stranger).sudo()._send_capture_request()
        self.assertEqual(self._get_totals(), totals)

    def test_payments_in_the_books_are_linked_by_odoo_only(self):
        _invoice, tx = self._pay_invoice()
        payment = tx.payment_id
        with self.assertRaises(AccessError):
            payment.with_user(self.accountant).write({'payment_transaction_id': False})
        own_payment = payment.with_user(self.accountant).copy()
        self.assertFalse(own_payment.payment_transaction_id)
        with self.assertRaises(AccessError):
            own_payment.write({'payment_transaction_id': tx.id})

    #=== What the log tells ===#

    def test_the_log_names_no_customer(self):
        tx = self._start()

        def refresh():
            raise UserError(f"The address of {self.partner.name} is missing.")

        with self.assertLogs('odoo.addons.mobilepay_vipps', 'WARNING') as log:
            tx._vipps_try(refresh)
        self.assertIn('UserError', str(log.output))
        self.assertNotIn(self.partner.name, str(log.output))
        self.assertIn(self.partner.name, str(self._get_activities().mapped('note')))
