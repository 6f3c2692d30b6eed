# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from datetime import timedelta

from odoo import fields
from odoo.fields import Command
from odoo.tests import tagged

from ...simulator.sales_units import DKK_UNIT
from ..common import TransactionCommon


class AccountingCommon(TransactionCommon):
    """ Orders, captures, invoices, and the books. """

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.env['product.pricelist'].search([]).currency_id = cls.currency_nok
        cls.product.invoice_policy = 'order'
        cls.receivable = cls.partner.property_account_receivable_id
        cls.outstanding = cls.vipps.journal_id.inbound_payment_method_line_ids.filtered(
            lambda line: line.payment_provider_id == cls.vipps
        ).payment_account_id or cls.company.account_journal_payment_debit_account_id
        # The day of the market.
        cls.today = fields.Date.context_today(cls.vipps.with_context(tz='Europe/Oslo'))

    #=== What happens ===#

    def _reserve_order(self, price=1000, **values):
        """ Return an order that is confirmed because it is reserved, and its payment. """
        order = self._create_order(price=price, **values)
        tx = self._start_order(order)
        self._approve(tx)
        self._refresh(tx)
        self.assertEqual((tx.state, order.state), ('authorized', 'sale'))
        return order, tx

    def _capture_elsewhere(self, tx, amount):
        self.simulator.capture(tx.vipps_payment_reference, amount)
        self._refresh(tx)
        self._post_process()

    def _release_elsewhere(self, tx):
        self.simulator.cancel(tx.vipps_payment_reference)
        self._refresh(tx)
        self._post_process()

    def _post_process(self):
        self._follow_up()

    def _invoice(self, order):
        invoice = order.with_user(self.accountant)._create_invoices()
        invoice.action_post()
        self.env.invalidate_all()
        return invoice

    def _set_automatic_invoice(self):
        self.env['ir.config_parameter'].set_param('sale.automatic_invoice', 'True')

    def _set_danish(self):
        """ Take payments in DKK, which were worth 1.5 NOK yesterday, and 1.25 today. """
        self.vipps.write({
            'vipps_merchant_serial_number': DKK_UNIT.msn,
            'vipps_client_id': DKK_UNIT.client_id,
            'vipps_client_secret': DKK_UNIT.client_secret,
            'vipps_subscription_key': DKK_UNIT.subscription_key,
        })
        self.env['res.currency.rate'].search([
            ('currency_id', 'in', (self.currency_dkk | self.currency_nok).ids),
        ]).unlink()
        self.env['res.currency.rate'].create([
            {
                'currency_id': self.currency_dkk.id, 'company_id': self.company.id,
                'name': self.today - timedelta(days=days), 'inverse_company_rate': rate,
            } for days, rate in ((1, 1.5), (0, 1.25))
        ])

    def _reserve_invoice(self, invoice, amount):
        tx = self._start_invoice(invoice, amount=amount)
        self._approve(tx)
        self._refresh(tx)
        return tx

    #=== What the books say ===#

    def _get_payments(self, tx):
        """ Return the payments of a transaction in the books, oldest first. """
        return self.env['account.payment'].search([
            ('payment_transaction_id', 'in', (
                tx | tx.child_transaction_ids | tx.child_transaction_ids.child_transaction_ids
            ).ids),
        ], order='id')

    def _assert_entry(self, payment, amount, is_reconciled=True):
        """ Check the journal entry of a payment line by line. """
        self.assertEqual((payment.state, payment.journal_id), ('posted', self.vipps.journal_id))
        self.assertRecordValues(payment.line_ids.sorted('debit', reverse=True), [
            {'account_id': self.outstanding.id, 'debit': amount, 'credit': 0, 'reconciled': False},
            {
                'account_id': self.receivable.id, 'debit': 0, 'credit': amount,
                'reconciled': is_reconciled,
            },
        ])

    def _assert_paid(self, invoice):
        self.assertEqual(invoice.amount_residual, 0)
        self.assertIn(invoice.payment_state, ('paid', 'in_payment'))

    def _assert_nothing_is_open(self):
        open_lines = self.env['account.move.line'].search([
            ('partner_id', '=', self.partner.id), ('account_id', '=', self.receivable.id),
            ('parent_state', '=', 'posted'), ('reconciled', '=', False),
        ])
        self.assertFalse(open_lines, open_lines.mapped(lambda line: (line.name, line.balance)))


@tagged('post_install', '-at_install')
class TestAccounting(AccountingCommon):
    """ Captures and refunds in the books, and the amounts paid of documents. """

    #=== Captures and invoices ===#

    def test_an_order_captured_in_two_deliveries_and_invoiced_then_is_paid(self):
        order, tx = self._reserve_order()
        self._capture(tx, 400, user=self.accountant)
        self._capture(tx, 600, user=self.accountant)
        first, second = self._get_payments(tx)
        self._assert_entry(first, 400, is_reconciled=False)
        self._assert_entry(second, 600, is_reconciled=False)

        self._assert_paid(self._invoice(order))
        self._assert_entry(first, 400)
        self._assert_entry(second, 600)
        self._assert_nothing_is_open()
        self.assertEqual(order.amount_paid, 1000)

    def test_a_capture_by_a_salesman_is_booked_at_once(self):
        order, tx = self._reserve_order(user_id=self.salesman.id)
        self._capture_in_window(
            order.with_user(self.salesman).payment_action_capture(), 400, self.salesman
        )
        self._assert_entry(self._get_payments(tx), 400, is_reconciled=False)

    def test_an_order_invoiced_per_delivery_has_each_invoice_paid(self):
        self.product.write({'invoice_policy': 'delivery', 'type': 'service'})
        order, tx = self._reserve_order(order_line=[Command.create({
            'product_id': self.product.id, 'product_uom_qty': 10, 'price_unit': 100,
            'tax_id': [Command.clear()],
        })])
        self._capture(tx, 400)
        self._capture(tx, 600)
        order.order_line.qty_delivered = 5
        self._assert_paid(self._invoice(order))
        order.order_line.qty_delivered = 10
        self._assert_paid(self._invoice(order))
        self._assert_nothing_is_open()

    def test_an_invoice_that_comes_first_is_paid_by_the_captures(self):
        order, tx = self._reserve_order()
        invoice = self._invoice(order)
        self._capture(tx, 400, user=self.accountant)
        self.assertEqual(invoice.amount_residual, 600)
        self._capture_elsewhere(tx, 60000)
        self._assert_paid(invoice)
        self._assert_nothing_is_open()

    def test_an_invoice_between_two_captures_is_paid_by_both(self):
        order, tx = self._reserve_order()
        self._capture(tx, 400)
        invoice = self._invoice(order)
        self.assertEqual(invoice.amount_residual, 600)
        self._capture(tx, 600)
        self._assert_paid(invoice)
        self._assert_nothing_is_open()

    def test_an_invoice_that_was_there_before_the_payment_of_its_order_is_paid(self):
        order = self._create_order(price=1000)
        order.action_confirm()
        invoice = self._invoice(order)
        for amounts in ([400, 100], [500]):
            tx = self._start_order(order, amount=500)
            self._approve(tx)
            self._refresh(tx)
            for amount in amounts:
                self._capture(tx, amount)
        self._assert_paid(invoice)
        self._assert_nothing_is_open()

    def test_a_draft_invoice_is_posted_and_paid_by_a_capture(self):
        for amounts in ([1000], [300, 700]):
            with self.subTest(amounts=amounts):
                order, tx = self._reserve_order()
                invoice = order._create_invoices()
                for amount in amounts:
                    self._capture(tx, amount, user=self.accountant)
                self.assertEqual(invoice.state, 'posted')
                self._assert_paid(invoice)
        self._assert_nothing_is_open()

    def test_a_draft_invoice_is_left_to_the_accountant_by_the_job_that_captures_deliveries(self):
        self.vipps.vipps_capture_mode = 'on_delivery'
        self.product.write({'invoice_policy': 'delivery', 'type': 'service'})
        for quantities in ([10], [4, 10]):
            with self.subTest(quantities=quantities):
                order, tx = self._reserve_order(order_line=[Command.create({
                    'product_id': self.product.id, 'product_uom_qty': 10, 'price_unit': 100,
                    'tax_id': [Command.clear()],
                })])
                order.order_line.qty_delivered = quantities[0]
                invoice = order._create_invoices()
                for quantity in quantities:
                    order.order_line.qty_delivered = quantity
                    self._refresh(tx)
                    self._post_process()
                self.assertEqual(tx.state, 'done')
                self.assertEqual(sum(self._get_payments(tx).mapped('amount')), 1000)
                self.assertEqual(invoice.state, 'draft')
                self.assertIn(invoice, tx.invoice_ids)
                invoice.action_post()
                self._assert_paid(invoice)

    def test_an_invoice_gets_no_more_than_it_asks_for(self):
        order, tx = self._reserve_order()
        self._capture(tx, 400)
        self._capture(tx, 600)
        order.order_line.price_unit = 700
        self._assert_paid(self._invoice(order))
        first, second = self._get_payments(tx)
        self.assertEqual(
            (first | second).line_ids.filtered(
                lambda line: line.account_id == self.receivable
            ).mapped('amount_residual'), [0, -300],
        )

    def test_a_cancelled_invoice_does_not_keep_captures_and_refunds_from_being_booked(self):
        for amounts in ([1000], [300, 700]):
            with self.subTest(amounts=amounts):
                order, tx = self._reserve_order()
                cancelled_invoice = order._create_invoices()
                cancelled_invoice.button_cancel()
                for amount in amounts:
                    self._capture(tx, amount)
                self._assert_paid(self._invoice(order))
                self._refund(self._get_payments(tx)[0], 50)
                self.assertEqual(self._get_payments(tx).mapped('amount'), [*amounts, 50])
                self.assertIn(cancelled_invoice, tx.invoice_ids)

    def test_payments_of_other_orders_of_the_customer_are_left_alone(self):
        _order, tx = self._reserve_order()
        self._capture(tx, 400)
        other_order = self._create_order(price=400)
        other_order.action_confirm()
        self.assertEqual(self._invoice(other_order).amount_residual, 400)

    def test_a_capture_is_booked_once_however_often_it_is_read(self):
        _order, tx = self._reserve_order()
        self._capture_elsewhere(tx, 40000)
        for _i in range(2):
            self._refresh(tx)
            tx.child_transaction_ids.is_post_processed = False
            self._post_process()
            self._follow_up()
        payment = self._get_payments(tx)
        self.assertEqual(len(payment), 1)
        self._assert_entry(payment, 400, is_reconciled=False)

    def test_a_capture_that_was_refunded_before_it_was_booked_is_booked_too(self):
        _order, tx = self._reserve_order()
        self.simulator.capture(tx.vipps_payment_reference)
        self.simulator.refund(tx.vipps_payment_reference, 25000)
        self._refresh(tx)
        self._post_process()
        self.assertEqual(
            sorted(self._get_payments(tx).mapped(lambda p: (p.payment_type, p.amount))),
            [('inbound', 1000), ('outbound', 250)],
        )

    def test_what_was_refunded_before_less_was_invoiced_is_settled_with_the_capture(self):
        for amounts in ([1000], [300, 700]):
            with self.subTest(amounts=amounts):
                order, tx = self._reserve_order()
                for amount in amounts:
                    self._capture(tx, amount)
                self._refund(self._get_payments(tx)[-1], 200, user=self.accountant)
                order.order_line.price_unit = 800
                self._assert_paid(self._invoice(order))
        self._assert_nothing_is_open()

    def test_a_refund_is_not_settled_with_the_capture_while_the_invoice_is_a_draft(self):
        invoice = self._create_invoice(1000)
        tx = self._reserve_invoice(invoice, 1000)
        self._capture(tx)
        invoice.button_draft()
        self._refund(self._get_payments(tx), 400, user=self.accountant)
        self._assert_entry(self._get_payments(tx)[0], 1000, is_reconciled=False)
        invoice.action_post()
        self._assert_paid(invoice)

    def test_the_refund_of_a_cancelled_order_is_settled_with_the_capture(self):
        order, tx = self._reserve_order()
        self._capture(tx)
        order._action_cancel()
        self._refund(self._get_payments(tx), user=self.accountant)
        self._assert_nothing_is_open()

    def test_a_surplus_is_left_open_when_the_customer_got_another_account(self):
        order, tx = self._reserve_order()
        self._capture(tx)
        self.partner.property_account_receivable_id = self.receivable.copy()
        self._refund(self._get_payments(tx)[0], 200)
        order.order_line.price_unit = 800
        self.assertEqual(self._invoice(order).state, 'posted')
        self._refund(self._get_payments(tx)[0], 100)
        self.assertEqual(self._get_payments(tx).mapped('amount'), [1000, 200, 100])
        self.assertEqual(self._get_payments(tx).mapped('is_reconciled'), [False] * 3)

    def test_a_refund_waits_for_its_credit_note_while_an_invoice_is_to_come(self):
        _order, tx = self._reserve_order()
        self._capture(tx)
        self._refund(self._get_payments(tx), 200)
        self.assertEqual(self._get_payments(tx).mapped('is_reconciled'), [False, False])

    #=== What is paid of a document ===#

    def test_what_was_released_of_a_payment_is_not_paid(self):
        order, tx = self._reserve_order(user_id=self.salesman.id)
        invoice = order._create_invoices()
        self._capture(tx, 400)
        self.assertEqual((order.amount_paid, invoice.amount_paid), (1000, 1000))
        self._release_elsewhere(tx)
        self.assertEqual(tx.state, 'done')
        self.assertEqual((order.amount_paid, invoice.amount_paid), (400, 400))
        self.assertEqual(order.with_user(self.salesman).amount_paid, 400)
        self.assertEqual(invoice.with_user(self.accountant).amount_paid, 400)
        self.assertFalse(order._is_paid())
        self.assertEqual(invoice.amount_residual, 600)

    def test_what_was_refunded_still_counts_as_paid_as_in_core(self):
        order, tx = self._reserve_order()
        self._capture(tx)
        self._refund(self._get_payments(tx), 300)
        self.assertEqual(order.amount_paid, 1000)

    def test_what_other_providers_release_counts_as_in_core(self):
        order = self._create_order(price=1000)
        tx = self._create_transaction(
            'redirect', provider_id=self.dummy_provider.id, amount=1000, state='done',
            reference="Other", sale_order_ids=[Command.set(order.ids)],
        )
        tx._create_child_transaction(600)._set_canceled()
        self.assertEqual(order.amount_paid, 1000)

    #=== What accountants see ===#

    def test_an_accountant_recognizes_a_payment_by_its_memo(self):
        order, tx = self._reserve_order()
        invoice = self._invoice(order)
        self._capture(tx, 400, user=self.accountant)
        child_tx = tx.child_transaction_ids
        self.assertTrue(child_tx.vipps_psp_reference)
        self.assertEqual(
            child_tx.payment_id.ref,
            f"{order.name}, {invoice.name} - {tx.vipps_payment_reference}"
            f" - {child_tx.vipps_psp_reference}",
        )

    def test_an_accountant_finds_payments_and_their_journal_items_by_every_reference(self):
        order, tx = self._reserve_order()
        self._capture(tx, 400)
        self._refund(self._get_payments(tx), 100)
        self._capture(tx, 600)
        other_order, other_tx = self._reserve_order()
        self._capture(other_tx)
        payments = self._get_payments(tx)
        self.assertEqual(len(payments), 3)
        Payment = self.env['account.payment'].with_user(self.accountant)
        Line = self.env['account.move.line'].with_user(self.accountant)
        for field_name, value, expected in (
            ('vipps_payment_reference', tx.vipps_payment_reference, payments),
            ('vipps_order_names', order.name, payments),
            ('vipps_order_names', other_order.name, self._get_payments(other_tx)),
            ('vipps_psp_reference', payments[0].vipps_psp_reference, payments[0]),
        ):
            with self.subTest(field=field_name):
                found = Payment.search([(field_name, 'ilike', value)])
                self.assertEqual(set(found.ids), set(expected.ids))
                lines = Line.search([(f'payment_id.{field_name}', 'ilike', value)])
                self.assertEqual(set(lines.payment_id.ids), set(expected.ids))
                self.assertTrue(all(value in payment[field_name] for payment in found))

    def test_the_screens_of_accountants_show_the_references(self):
        for model, view_type in (
            ('account.payment', 'form'), ('account.payment', 'tree'), ('account.payment', 'search'),
        ):
            arch = self.env[model].with_user(self.accountant).get_view(view_type=view_type)['arch']
            for field_name in (
                'vipps_payment_reference', 'vipps_psp_reference', 'vipps_order_names',
            ):
                self.assertIn(field_name, arch)
        arch = self.env['account.move.line'].with_user(self.accountant).get_view(
            self.env.ref('account.view_account_move_line_filter').id, 'search'
        )['arch']
        self.assertIn('payment_id.vipps_order_names', arch)
