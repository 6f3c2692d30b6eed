# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import fields
from odoo.exceptions import ValidationError
from odoo.fields import Command
from odoo.tests import Form, tagged

from ..delivery_common import DeliveryCommon


@tagged('post_install', '-at_install')
class TestPaidOtherwise(DeliveryCommon):
    """ Documents that are paid, or a part of them, without the payment that is reserved. """

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.bank_journal = cls.company_data['default_journal_bank']

    #=== What people do ===#

    def _reserve(self, mode='manual', price=200, **values):
        """ Return the payment of a confirmed order, reserved. """
        self.vipps.vipps_capture_mode = mode
        return self._buy(self._line(self.sweater, 2, price / 2), **values)

    def _invoice(self, orders, **values):
        """ Return the posted invoice of what is ordered and not invoiced yet, whatever the policy
        of the products is. """
        invoice = self.env['account.move'].sudo().create({
            **orders[0]._prepare_invoice(), **values,
            'invoice_line_ids': [
                Command.create(line._prepare_invoice_line(
                    quantity=line.product_uom_qty - line.qty_invoiced
                ))
                for line in orders.order_line if line.product_uom_qty > line.qty_invoiced
            ],
        })
        invoice.action_post()
        return invoice.sudo(False)

    def _create_entry(self, amount, account):
        """ Return a posted entry that gives the customer credit. """
        entry = self.env['account.move'].create({
            'move_type': 'entry',
            'line_ids': [
                Command.create({
                    'account_id': account.id, 'partner_id': self.partner.id, 'credit': amount,
                }),
                Command.create({
                    'account_id': self.company_data['default_account_revenue'].id, 'debit': amount,
                }),
            ],
        })
        entry.action_post()
        return entry

    def _create_credit_note(self, amount):
        credit_note = self.env['account.move'].create({
            'move_type': 'out_refund', 'partner_id': self.partner.id,
            'currency_id': self.currency_nok.id,
            'invoice_line_ids': [Command.create({
                'name': "Sorry", 'price_unit': amount, 'tax_ids': [Command.clear()],
            })],
        })
        credit_note.action_post()
        return credit_note

    def _create_statement_line(self, amount, account):
        """ Return the entry of money that came to the bank, booked on the customer. """
        line = self.env['account.bank.statement.line'].create({
            'journal_id': self.bank_journal.id, 'amount': amount, 'partner_id': self.partner.id,
            'payment_ref': "Invoice", 'date': fields.Date.today(),
        })
        _liquidity_line, suspense_line, _other_lines = line._seek_for_lines()
        suspense_line.account_id = account
        return line.move_id

    def _pay_invoice(self, invoice, how, amount):
        """ Pay a part of an invoice without a transaction. """
        line = invoice.line_ids.filtered(lambda li: li.account_type == 'asset_receivable')
        if how == 'payment':
            self.env['account.payment.register'].with_context(
                active_model='account.move', active_ids=invoice.ids
            ).create({'amount': amount, 'journal_id': self.bank_journal.id})._create_payments()
            return
        move = {
            'entry': lambda: self._create_entry(amount, line.account_id),
            'credit note': lambda: self._create_credit_note(amount),
            'statement': lambda: self._create_statement_line(amount, line.account_id),
        }[how]()
        (line | move.line_ids.filtered(lambda li: li.account_id == line.account_id)).reconcile()

    def _propose(self, tx):
        """ Return what the window that captures proposes, and what it says of that. """
        self.env.invalidate_all()
        action = tx.action_capture()
        wizard = Form(self.env[action['res_model']].with_context(**action['context']))
        return wizard.amount_to_capture, wizard.vipps_limit_hint

    #=== Invoices ===#

    def test_what_is_paid_of_an_invoice_is_not_captured_when_it_is_delivered(self):
        for how in ('payment', 'entry', 'credit note', 'statement'):
            with self.subTest(how=how):
                tx = self._reserve('on_delivery')
                order = tx.sale_order_ids
                invoice = self._invoice(order)
                self._pay_invoice(invoice, how, 60)
                self.assertEqual(invoice.amount_residual, 140)
                self._deliver(order)
                self.assertSums(tx, 14000, 0)

    def test_a_reservation_is_released_when_all_is_paid_otherwise(self):
        tx = self._reserve('on_delivery')
        self._pay_invoice(self._invoice(tx.sale_order_ids), 'payment', 200)
        self._settle()
        self.assertSums(tx, 0, 0)
        self.assertEqual(tx.state, 'cancel')

    def test_a_reservation_for_a_person_is_released_when_all_is_paid_otherwise(self):
        for how in ('payment', 'entry', 'credit note', 'statement'):
            with self.subTest(how=how):
                tx = self._reserve(user_id=self.salesman.id)
                order = tx.sale_order_ids
                invoice = self._invoice(order)
                self._pay_invoice(invoice, how, 150)
                self._settle()
                self.assertSums(tx, 0, 20000)
                activity = self._get_order_activities(order)
                self.assertIn("50.00", activity.note, "A part is left, and somebody decides.")
                self._pay_invoice(invoice, how, 50)
                self._settle()
                self.assertSums(tx, 0, 0)
                self.assertEqual(tx.state, 'cancel')
                activity = self._get_order_activities(order)
                self.assertEqual(activity.user_id, self.salesman)
                self.assertIn("200.00", activity.note)
                self.assertIn("You have not been charged", "".join(
                    order.message_ids.mapped('body')
                ))
                activity.action_feedback()
                tx._vipps_sync()
                self.assertFalse(self._get_order_activities(order))

    def test_a_reservation_for_a_person_is_released_when_another_provider_took_all(self):
        tx = self._reserve()
        order = tx.sale_order_ids
        other_tx = self._create_transaction(
            'redirect', provider_id=self.dummy_provider.id, amount=200, reference="Other",
            payment_method_id=self.payment_method.id, sale_order_ids=[Command.set(order.ids)],
        )
        other_tx._set_done()
        self._settle()
        self.assertSums(tx, 0, 0)

    def test_a_reservation_for_a_person_stays_when_the_order_becomes_cheaper(self):
        tx = self._reserve()
        self._capture(tx, 100)
        tx.sale_order_ids.order_line.product_uom_qty = 1
        self._settle()
        self.assertSums(tx, 10000, 10000)
        tx = self._reserve()
        tx.sale_order_ids.order_line.product_uom_qty = 0
        self._settle()
        self.assertSums(tx, 0, 20000)

    def test_a_reservation_for_a_person_is_released_when_its_invoice_is_paid_otherwise(self):
        self.vipps.vipps_capture_mode = 'manual'
        invoice = self._create_invoice(200)
        tx = self._start_invoice(invoice)
        self._approve(tx)
        self._refresh(tx)
        self._pay_invoice(invoice, 'payment', 200)
        self._settle()
        self.assertSums(tx, 0, 0)
        activities = self.vipps.activity_ids.filtered(
            lambda a: a.vipps_problem == f'released:{tx.id}'
        )
        self.assertEqual(len(activities), 1)

    def test_a_credit_note_that_corrects_an_invoice_pays_nothing(self):
        tx = self._reserve('on_delivery')
        order = tx.sale_order_ids
        invoice = self._invoice(order)
        self.env['account.move.reversal'].with_context(
            active_model='account.move', active_ids=invoice.ids
        ).create({'journal_id': invoice.journal_id.id}).refund_moves()
        invoice.reversal_move_id.action_post()
        self.assertFalse(order._vipps_get_amount_paid_otherwise())
        self._deliver(order)
        self.assertSums(tx, 20000, 0)

    def test_what_our_own_payment_booked_is_counted_once(self):
        tx = self._reserve()
        order = tx.sale_order_ids
        invoice = self._invoice(order)
        self._capture(tx, 80)
        tx.child_transaction_ids._finalize_post_processing()
        self.assertEqual(invoice.amount_residual, 120)
        self.assertEqual(self._propose(tx)[0], 120)

    def test_an_invoice_in_another_currency_is_converted(self):
        self.env['res.currency.rate'].create({
            'currency_id': self.currency_dkk.id, 'rate': 0.5, 'name': fields.Date.today(),
            'company_id': self.company.id,
        })
        tx = self._reserve()
        order = tx.sale_order_ids
        invoice = self._invoice(order, currency_id=self.currency_dkk.id)
        self.assertEqual(invoice.amount_total, 200)
        self._pay_invoice(invoice, 'payment', 25)
        self.assertEqual(invoice.amount_residual, 175)
        self.assertAlmostEqual(order._vipps_get_amount_paid_otherwise(), 50)

    def test_an_invoice_for_several_orders_pays_each_of_them(self):
        first, second = self._reserve(), self._reserve(price=600)
        orders = (first + second).sale_order_ids
        invoice = self._invoice(orders)
        self.assertEqual(invoice.amount_total, 800)
        self._pay_invoice(invoice, 'payment', 400)
        self.assertEqual(
            [order._vipps_get_amount_paid_otherwise() for order in orders.sorted('amount_total')],
            [100, 300],
        )
        self.assertEqual(self._propose(first)[0], 100)
        self.assertEqual(self._propose(second)[0], 300)

    def test_what_is_paid_of_an_invoice_for_several_orders_pays_what_our_payments_left(self):
        first, second = self._reserve(), self._reserve(price=600)
        invoice = self._invoice((first + second).sale_order_ids)
        self._capture(first)
        first._finalize_post_processing()
        invoice._vipps_assign_payments(first.payment_id)
        self.assertEqual(invoice.amount_residual, 600)
        self._pay_invoice(invoice, 'payment', 500)
        self.assertFalse(first.sale_order_ids._vipps_get_amount_paid_otherwise())
        self.assertEqual(second.sale_order_ids._vipps_get_amount_paid_otherwise(), 500)
        self.assertEqual(self._propose(second)[0], 100)

    #=== What people are proposed ===#

    def test_the_window_that_captures_proposes_what_is_left_to_pay(self):
        tx = self._reserve(user_id=self.salesman.id)
        self.assertEqual(self._propose(tx), (200, False))
        self._pay_invoice(self._invoice(tx.sale_order_ids), 'payment', 60)
        amount, hint = self._propose(tx)
        self.assertEqual(amount, 140)
        self.assertIn("140.00", hint)
        self._settle()
        activity = self._get_order_activities(tx.sale_order_ids)
        self.assertEqual(activity.user_id, self.salesman)
        self.assertIn("140.00", activity.note)
        self._capture(tx, 140, void_remaining_amount=True)
        self._settle()
        self.assertSums(tx, 14000, 0)
        self.assertFalse(self._get_order_activities(tx.sale_order_ids))

    def test_payment_links_are_for_what_is_left_to_pay(self):
        tx = self._reserve('on_delivery', amount=50)
        order = tx.sale_order_ids
        invoice = self._invoice(order)
        self._pay_invoice(invoice, 'payment', 60)

        def get_amount(document):
            wizard = self.env['payment.link.wizard'].with_context(
                active_model=document._name, active_id=document.id
            ).create({})
            return wizard.amount

        self.assertEqual(get_amount(order), 90)
        self.assertEqual(get_amount(invoice), 90)

    def test_no_payment_starts_and_none_is_kept_when_the_invoice_of_the_order_was_paid(self):
        order = self._create_order()
        order.action_confirm()
        tx = self._start_order(order)
        self._pay_invoice(self._invoice(order), 'payment', order.amount_total)
        self._approve(tx)
        tx._vipps_sync()
        self.assertEqual(tx.state, 'cancel')
        self.assertIn("second payment", tx.state_message)
        with self.assertRaisesRegex(ValidationError, "already paid"):
            self._start_order(order)

    def test_a_reservation_of_an_invoice_counts_for_its_order(self):
        self.vipps.vipps_capture_mode = 'manual'
        order = self._create_order()
        order.action_confirm()
        invoice = self._invoice(order)
        tx = self._start_invoice(invoice)
        self._approve(tx)
        tx._vipps_sync()
        with self.assertRaisesRegex(ValidationError, "already paid"):
            self._start_order(order)

    #=== Other providers ===#

    def _pay_with_other_provider(self, order, state):
        other = self._create_transaction(
            'redirect', provider_id=self.dummy_provider.id, amount=order.amount_total,
            payment_method_id=self.env.ref('payment.payment_method_unknown').id,
            reference=f'other-{order.id}', sale_order_ids=[Command.set(order.ids)],
        )
        self.env.flush_all()
        self.env.cr.execute(
            "UPDATE payment_transaction SET state = %s WHERE id = %s", [state, other.id]
        )
        self.env.invalidate_all()
        return other

    def test_what_another_provider_took_is_not_taken_again(self):
        for state, is_held in (('pending', False), ('authorized', True), ('done', True)):
            with self.subTest(state=state):
                order = self._create_order()
                tx = self._start_order(order)
                self._pay_with_other_provider(order, state)
                self._approve(tx)
                tx._vipps_sync()
                self.assertEqual(tx.state, 'cancel' if is_held else 'authorized')

    def test_what_another_provider_is_taking_is_not_taken_again(self):
        order = self._create_order()
        tx = self._start_order(order)
        other = self._pay_with_other_provider(order, 'pending')
        for code, is_held in (('custom', False), ('stripe', True)):
            self.env.cache.set(other, other._fields['provider_code'], code)
            self.assertEqual(tx._vipps_is_paid_otherwise(), is_held)

    #=== One reservation, several documents ===#

    def test_a_reservation_counts_once_for_all_invoices_of_its_order(self):
        tx = self._reserve(price=100)
        order = tx.sale_order_ids
        first_invoice = self._invoice(order)
        order.write({'order_line': [self._line(self.mittens, 1, 50)]})
        second_invoice = self._invoice(order)
        self.assertEqual(second_invoice.amount_total, 50)
        with self.assertRaisesRegex(ValidationError, "already paid"):
            self._start_invoice(first_invoice)
        second_tx = self._start_invoice(second_invoice)
        self._approve(second_tx)
        second_tx._vipps_sync()
        self.assertEqual(second_tx.state, 'authorized')
        with self.assertRaisesRegex(ValidationError, "already paid"):
            self._start_invoice(second_invoice)
        self.assertEqual(self._propose(tx)[0], 100)
        self.assertEqual(self._propose(second_tx)[0], 50)

    def test_two_reservations_count_for_all_invoices_of_their_order(self):
        self.vipps.vipps_capture_mode = 'manual'
        order = self._create_order(order_line=[self._line(self.sweater, 2)])
        for _number in range(2):
            tx = self._start_order(order, 100)
            self._approve(tx)
            self._refresh(tx)
        self.assertEqual(order.state, 'sale')
        order.order_line.product_uom_qty = 1
        first_invoice = self._invoice(order)
        order.order_line.product_uom_qty = 2
        second_invoice = self._invoice(order)
        self.assertEqual(second_invoice.amount_total, 100)
        for invoice in (first_invoice, second_invoice):
            with self.assertRaisesRegex(ValidationError, "already paid"):
                self._start_invoice(invoice)

    def test_a_payment_of_two_orders_counts_once_for_both(self):
        self.vipps.vipps_capture_mode = 'manual'
        orders = self._create_order(100) + self._create_order(100)
        tx = self._start_order(orders, 200)
        self._approve(tx)
        tx._vipps_sync()
        with self.assertRaisesRegex(ValidationError, "already paid"):
            self._start_order(orders[0], 100)
        orders[0].order_line.price_unit = 150
        rest_tx = self._start_order(orders[0], 50)
        self._approve(rest_tx)
        rest_tx._vipps_sync()
        self.assertEqual(rest_tx.state, 'authorized')
