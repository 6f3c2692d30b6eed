# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.fields import Command
from odoo.tests import Form, tagged

from ...simulator.sales_units import NOK_UNIT
from ..common import TransactionCommon


@tagged('post_install', '-at_install', 'vipps_alone')
class TestCreditNote(TransactionCommon):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.env['product.pricelist'].search([]).currency_id = cls.currency_nok

    #=== What happens ===#

    def _pay_invoice(self, amounts=(1000,), total=1000):
        """ Return an invoice whose payment was captured in parts, and the payment. """
        invoice = self._create_invoice(total)
        tx = self._start_invoice(invoice)
        self._approve(tx)
        self._refresh(tx)
        for amount in amounts:
            self._capture(tx, amount)
        return invoice, tx

    def _reverse(self, invoice, amount=None, post=True):
        """ Return a credit note of an invoice, made by the accountant. """
        wizard = self.env['account.move.reversal'].with_user(self.accountant).with_context(
            active_model='account.move', active_ids=invoice.ids,
        ).create({'journal_id': invoice.journal_id.id})
        move = self.env['account.move'].with_user(self.accountant).browse(
            wizard.refund_moves()['res_id']
        )
        if amount:
            move.invoice_line_ids.price_unit = amount
        if post:
            move.action_post()
        return move

    def _open(self, move, **values):
        """ Press the button of the credit note, and fill in the window. """
        action = move.action_vipps_refund()
        wizard = self.env[action['res_model']].with_user(self.accountant).browse(action['res_id'])
        wizard.write(values)
        return wizard

    def _refund_elsewhere(self, tx, amount):
        self.simulator.refund(tx.vipps_payment_reference, amount)
        self._refresh(tx)
        for done_tx in tx._vipps_get_refunds().filtered(lambda t: not t.is_post_processed):
            done_tx._finalize_post_processing()
        self.env.invalidate_all()

    #=== What comes of it ===#

    def _assert_refunded(self, tx, amount):
        """ Check what was refunded, in minor units, at Vipps MobilePay and in Odoo. """
        self.assertEqual(self._get_aggregate(tx)['refunded'], amount)
        self.assertEqual(tx._vipps_get_refunded_amount(), amount / 100)

    def _assert_settled(self, move):
        self.assertEqual(move.amount_residual, 0)
        self.assertIn(move.payment_state, ('paid', 'in_payment', 'reversed'))

    def _assert_nothing_is_open(self):
        self.assertFalse(self.env['account.move.line'].search([
            ('partner_id', '=', self.partner.id),
            ('account_id', '=', self.partner.property_account_receivable_id.id),
            ('parent_state', '=', 'posted'), ('reconciled', '=', False),
        ]))

    def _assert_refused(self, wizard, sentence, method='action_refund'):
        calls = len(self._get_calls('refund') + self._get_calls('cancel'))
        with self.assertRaisesRegex(UserError, sentence), self.env.cr.savepoint():
            getattr(wizard, method)()
        self.assertEqual(len(self._get_calls('refund') + self._get_calls('cancel')), calls)

    #=== The button ===#

    def test_an_accountant_refunds_a_credit_note(self):
        invoice, tx = self._pay_invoice()
        move = self._reverse(invoice)
        self.assertTrue(move.vipps_is_refundable)
        wizard = self._open(move)
        self.assertEqual(wizard.amount, 1000)
        self.assertEqual(wizard.transaction_ids, tx)
        self.assertEqual(wizard.transaction_ids.vipps_refundable_amount, 1000)
        with Form(wizard) as form:
            form.amount = 1000

        action = wizard.action_refund()
        self.assertIn("1,000.00", action['params']['message'])
        self._assert_refunded(tx, 100000)
        self._assert_settled(move)
        self._assert_nothing_is_open()
        self.assertFalse(move.vipps_is_refundable)

    def test_a_credit_note_is_refunded_in_two_parts(self):
        invoice, tx = self._pay_invoice()
        move = self._reverse(invoice, 500)
        self._open(move, amount=200).action_refund()
        self.assertEqual(move.amount_residual, 300)
        wizard = self._open(move)
        self.assertEqual((wizard.amount, wizard.refundable_amount), (300, 800))
        wizard.action_refund()
        self._assert_refunded(tx, 50000)
        self._assert_settled(move)
        self._assert_nothing_is_open()
        refund_txs = tx._vipps_get_refunds()
        self.assertEqual(refund_txs.invoice_ids, move.sudo())
        for refund_tx in refund_txs:
            self.assertIn(move.name, refund_tx.payment_id.ref)
            self.assertIn(refund_tx.vipps_psp_reference, refund_tx.payment_id.ref)

    def test_the_journal_entry_of_a_refund_is_the_reverse_of_the_one_of_a_capture(self):
        invoice, tx = self._pay_invoice()
        self._open(self._reverse(invoice), amount=250).action_refund()
        receivable = self.partner.property_account_receivable_id
        payment = tx._vipps_get_refunds().payment_id
        self.assertEqual((payment.state, payment.journal_id), ('posted', self.vipps.journal_id))
        self.assertRecordValues(payment.line_ids.sorted('credit', reverse=True), [
            {
                'account_id': self.company.account_journal_payment_credit_account_id.id,
                'debit': 0, 'credit': 250, 'reconciled': False,
            },
            {'account_id': receivable.id, 'debit': 250, 'credit': 0, 'reconciled': True},
        ])

    def test_a_refund_takes_of_the_oldest_captures_first(self):
        invoice, tx = self._pay_invoice((400, 600))
        move = self._reverse(invoice)
        wizard = self._open(move, amount=700)
        self.assertEqual(wizard.transaction_ids, tx._vipps_get_captures())
        wizard.action_refund()
        self._assert_refunded(tx, 70000)
        self.assertEqual(
            [(t.amount, t.source_transaction_id.amount) for t in tx._vipps_get_refunds()],
            [(-400, 400), (-300, 600)],
        )
        self.assertEqual(len(self._get_calls('refund')), 1)
        self.assertEqual(move.amount_residual, 300)

    def test_a_refund_is_spread_over_the_payments_of_an_invoice(self):
        invoice, first_tx = self._pay_invoice((400,))
        first_tx.action_void()
        second_tx = self._start_invoice(invoice)
        self._approve(second_tx)
        self._refresh(second_tx)
        self._capture(second_tx)
        move = self._reverse(invoice)
        self._open(move, amount=700).action_refund()
        self._assert_refunded(first_tx, 40000)
        self._assert_refunded(second_tx, 30000)
        self.assertEqual(move.amount_residual, 300)

    def test_what_was_refunded_of_one_payment_is_kept_when_the_next_one_is_refused(self):
        invoice, first_tx = self._pay_invoice((400,))
        first_tx.action_void()
        second_tx = self._start_invoice(invoice)
        self._approve(second_tx)
        self._refresh(second_tx)
        self._capture(second_tx)
        move = self._reverse(invoice)
        wizard = self._open(move, amount=700)
        self.simulator.fault(
            'refund', 'refuse', code='5100', reference=second_tx.vipps_payment_reference
        )
        action = wizard.action_refund()
        self.assertEqual(action['params']['type'], 'warning')
        self.assertIn("400.00", action['params']['message'])
        self._assert_refunded(first_tx, 40000)
        self._assert_refunded(second_tx, 0)
        self.assertEqual(move.amount_residual, 600)

        # Vipps MobilePay repeats a refusal to whoever comes with the same key.
        self._open(move, amount=300).action_refund()
        self._assert_refunded(second_tx, 30000)
        self.assertEqual(move.amount_residual, 300)

    def test_the_payment_of_the_order_is_refunded(self):
        order = self._create_order(price=1000)
        tx = self._start_order(order)
        self._approve(tx)
        self._refresh(tx)
        self._capture(tx)
        invoice = order._create_invoices()
        invoice.transaction_ids = [Command.clear()]
        invoice.action_post()
        move = self._reverse(invoice, 250)
        self._open(move).action_refund()
        self._assert_refunded(tx, 25000)
        self._assert_settled(move)

    def test_there_is_no_button_where_there_is_nothing_to_refund(self):
        invoice, _tx = self._pay_invoice()
        self.assertFalse(invoice.vipps_is_refundable)
        self.assertFalse(self._reverse(invoice, post=False).vipps_is_refundable)
        self.assertFalse(self._reverse(self._create_invoice(100)).vipps_is_refundable)
        arch = self.env['account.move'].with_user(self.accountant).get_view(
            self.env.ref('account.view_move_form').id, 'form'
        )['arch']
        self.assertIn('action_vipps_refund', arch)

    #=== Refunds without the button ===#

    def test_a_refund_made_elsewhere_settles_the_credit_note_that_was_there(self):
        invoice, tx = self._pay_invoice((400, 600))
        move = self._reverse(invoice, 700)
        self._refund_elsewhere(tx, 50000)
        self.assertEqual(move.amount_residual, 200)
        self._refund_elsewhere(tx, 20000)
        self._assert_settled(move)
        self._assert_nothing_is_open()

    def test_a_credit_note_is_settled_by_the_refund_that_was_there(self):
        invoice, tx = self._pay_invoice((400, 600))
        self._refund_elsewhere(tx, 50000)
        move = self._reverse(invoice, 700)
        self.assertEqual(move.amount_residual, 200)
        self._open(move).action_refund()
        self._assert_settled(move)
        self._assert_nothing_is_open()

    def test_a_refund_made_on_the_payment_settles_the_credit_note(self):
        invoice, tx = self._pay_invoice()
        self._refund(tx.payment_id, 300, user=self.accountant)
        self._assert_settled(self._reverse(invoice, 300))
        self._assert_nothing_is_open()

    def test_a_refund_settles_only_credit_notes_of_the_same_documents(self):
        other_invoice, _other_tx = self._pay_invoice()
        other_move = self._reverse(other_invoice, 300)
        _invoice, tx = self._pay_invoice()
        self._refund_elsewhere(tx, 30000)
        self.assertEqual(other_move.amount_residual, 300)
        self.assertEqual(self._reverse(other_invoice, 100).amount_residual, 100)

    def test_a_refund_from_the_button_settles_its_credit_note_and_no_older_one(self):
        invoice, _tx = self._pay_invoice()
        older_move = self._reverse(invoice, 300)
        move = self._reverse(invoice, 300)
        self._open(move).action_refund()
        self.assertEqual((older_move.amount_residual, move.amount_residual), (300, 0))

    #=== What is only reserved ===#

    def test_what_is_only_reserved_is_released_instead(self):
        invoice, tx = self._pay_invoice((400,))
        move = self._reverse(invoice)
        self.assertEqual(move.amount_residual, 400)
        wizard = self._open(move)
        self.assertEqual((wizard.refundable_amount, wizard.reserved_amount), (400, 600))
        wizard.action_release()
        self.assertEqual(self._get_aggregate(tx)['cancelled'], 60000)
        self._assert_refused(self._open(move), "Nothing is reserved", 'action_release')
        self._open(move).action_refund()
        self._assert_settled(move)
        self._assert_nothing_is_open()

    #=== Bad input ===#

    def test_bad_amounts_are_refused_with_a_sentence(self):
        invoice, tx = self._pay_invoice()
        self._refund_elsewhere(tx, 50000)
        move = self._reverse(invoice)
        for amount, sentence in (
            (0, "more than 0"), (-1, "more than 0"), (0.004, "more than 0"),
            (500.01, "Only .*500.00"), (100000, "Only .*500.00"),
        ):
            with self.subTest(amount=amount):
                self._assert_refused(self._open(move, amount=amount), sentence)
        self._assert_refunded(tx, 50000)

    def test_no_more_than_the_credit_note_is_refunded(self):
        invoice, _tx = self._pay_invoice()
        self._assert_refused(self._open(self._reverse(invoice, 300), amount=301), "Only .*300.00")

    def test_a_window_that_is_open_twice_refunds_once(self):
        invoice, tx = self._pay_invoice()
        move = self._reverse(invoice)
        first, second = (self._open(move, amount=200) for _i in range(2))
        first.action_refund()
        self._assert_refused(second, "since you opened")
        self._assert_refused(first, "since you opened")
        self._assert_refunded(tx, 20000)

    def test_what_was_refunded_elsewhere_since_the_window_was_opened_is_seen_first(self):
        invoice, tx = self._pay_invoice()
        wizard = self._open(self._reverse(invoice), amount=200)
        self.simulator.refund(tx.vipps_payment_reference, 30000)
        self._assert_refused(wizard, "has changed")

    def test_the_window_shows_what_was_refunded_elsewhere(self):
        invoice, tx = self._pay_invoice()
        move = self._reverse(invoice)
        self.simulator.refund(tx.vipps_payment_reference, 30000)
        wizard = self._open(move)
        self.assertEqual((wizard.refundable_amount, wizard.residual_amount), (700, 700))

    def test_a_refund_whose_answer_was_lost_is_not_made_twice(self):
        invoice, tx = self._pay_invoice()
        move = self._reverse(invoice)
        wizard = self._open(move, amount=200)
        with self._without_pauses():
            self.simulator.fault('refund', 'lost_answer', times=None)
            with self.assertRaisesRegex(ValidationError, "not known"), self.env.cr.savepoint():
                wizard.action_refund()
            self.simulator.clear_faults()
        wizard.action_refund()
        self._assert_refunded(tx, 20000)
        self.assertEqual(move.amount_residual, 800)

    def test_a_refund_whose_answer_was_lost_is_not_offered_again(self):
        invoice, tx = self._pay_invoice()
        move = self._reverse(invoice, 200)
        wizard = self._open(move)
        with self._without_pauses():
            self.simulator.fault('refund', 'lost_answer', times=None)
            with self.assertRaisesRegex(ValidationError, "not known"), self.env.cr.savepoint():
                wizard.action_refund()
            self.simulator.clear_faults()
        self._assert_refused(self._open(move), "not posted or has nothing left")
        self._assert_refunded(tx, 20000)
        self._assert_settled(move)

    def test_what_was_refunded_and_cannot_be_booked_is_not_refunded_twice(self):
        invoice, tx = self._pay_invoice()
        move = self._reverse(invoice, 300)
        account = self.company.account_journal_payment_credit_account_id
        account.deprecated = True
        self._open(move, amount=200).action_refund()
        self.assertFalse(tx._vipps_get_refunds().payment_id)
        self.assertEqual(move.amount_residual, 300)
        self._assert_refused(self._open(move, amount=300), "Only .*100.00")
        other_move = self._reverse(invoice, 100)
        self.assertEqual(self._open(other_move).amount, 100)

        wizard = self._open(move)
        self.assertEqual(wizard.amount, 100)
        wizard.action_refund()
        self._assert_refused(self._open(move, amount=1), "Only .*0.00")
        account.deprecated = False
        tx._vipps_get_refunds().mapped(lambda t: t._create_payment())
        self._assert_settled(move)
        self._assert_refunded(tx, 30000)

    def test_a_refund_that_is_booked_on_another_account_is_not_made_twice(self):
        invoice, tx = self._pay_invoice()
        move = self._reverse(invoice, 300)
        self.partner.property_account_receivable_id = (
            self.partner.property_account_receivable_id.copy()
        )
        self._open(move, amount=200).action_refund()
        self.assertTrue(tx._vipps_get_refunds().payment_id)
        self.assertEqual(move.amount_residual, 300)
        self._assert_refused(self._open(move, amount=101), "Only .*100.00")
        self._assert_refunded(tx, 20000)

    def test_a_credit_note_that_is_not_posted_anymore_is_not_refunded(self):
        invoice, _tx = self._pay_invoice()
        move = self._reverse(invoice)
        wizard = self._open(move)
        move.button_draft()
        self._assert_refused(wizard, "not posted")

    def test_payments_in_another_currency_are_left_alone(self):
        invoice, tx = self._pay_invoice()
        move = self._reverse(invoice, post=False)
        self.env['res.currency.rate'].create({
            'currency_id': self.currency_dkk.id, 'company_id': self.company.id,
            'inverse_company_rate': 1.5,
        })
        move.currency_id = self.currency_dkk
        move.action_post()
        self._assert_refused(self._open(move, amount=100), "Only .*0.00")
        self._assert_refunded(tx, 0)

    def test_nothing_is_refunded_while_the_provider_is_disabled(self):
        invoice, tx = self._pay_invoice()
        wizard = self._open(self._reverse(invoice))
        self.vipps.state = 'disabled'
        self._assert_refused(wizard, "disabled")
        self._assert_refunded(tx, 0)

    def test_nothing_is_refunded_that_cannot_be_booked(self):
        invoice, _tx = self._pay_invoice()
        wizard = self._open(self._reverse(invoice))
        self.vipps.journal_id.active = False
        self._assert_refused(wizard, "missing or archived")

    def test_only_who_may_write_invoices_refunds(self):
        invoice, tx = self._pay_invoice()
        move = self._reverse(invoice)
        wizard = self._open(move)
        other_accountant = self._new_user(
            'vipps_other_accountant', 'base.group_user,account.group_account_invoice',
        )
        for user in (self.salesman, self.portal_user, other_accountant):
            with self.subTest(user=user.login), self.assertRaises(AccessError):
                wizard.with_user(user).action_refund()
        for user in (self.salesman, self.portal_user):
            with self.subTest(user=user.login), self.assertRaises(AccessError):
                move.with_user(user).action_vipps_refund()
        self._assert_refunded(tx, 0)

    def test_another_environment_is_never_refunded_in(self):
        invoice, tx = self._pay_invoice()
        wizard = self._open(self._reverse(invoice))
        self.vipps.vipps_merchant_serial_number = '999999'
        self.assertNotEqual(NOK_UNIT.msn, '999999')
        self._assert_refused(wizard, "Vipps MobilePay")
        self._assert_refunded(tx, 0)
