# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo.tests import tagged

from .settlement_common import SettlementCommon


@tagged('post_install', '-at_install')
class TestMatching(SettlementCommon):
    """ Entries and the payments that they are matched with. """

    #=== PAYMENTS ===#

    def test_invoices_stay_paid_and_their_payments_show_the_statement(self):
        invoice = self._create_invoice(200)
        tx = self._start_invoice(invoice)
        self._approve(tx)
        self._refresh(tx)
        self._capture(tx)
        self._follow_up()
        self.assertEqual(invoice.payment_state, 'paid')
        self._set_up()
        self._settle(days=1)
        entry = self._get_entries('capture')
        self.assertEqual(entry.state, 'matched', entry.reason)
        self.assertEqual(entry.payment_id, tx.payment_id)
        self.assertEqual(invoice.payment_state, 'paid')
        payment = tx.payment_id
        self.assertTrue(payment.is_matched)
        self.assertEqual(payment.reconciled_statement_line_ids, entry.statement_line_id)
        action = payment.button_open_statement_lines()
        self.assertEqual(action['res_id'], entry.statement_line_id.id)
        self.assertEqual(entry.move_line_id.partner_id, payment.partner_id)
        self.assertEqual(entry.statement_line_id.partner_id, payment.partner_id)

    def test_captures_and_refunds_of_the_portal_are_matched(self):
        tx = self._authorize(amount=200)
        self._set_up()
        reference = tx.vipps_payment_reference
        self.simulator.capture(reference, 15000)
        self.simulator.refund(reference, 5000)
        self._settle(days=1)
        entries = self._get_entries('capture', 'refund')
        self.assertEqual(entries.mapped('state'), ['waiting', 'waiting'])
        self.assertEqual(entries.transaction_id, tx)
        # The entry made Odoo read the payment.
        self._run_job()
        self._settle()
        self.assertEqual(entries.mapped('state'), ['matched', 'matched'], entries.mapped('reason'))
        self.assertTrue(all(entries.payment_id.mapped('is_matched')))
        self._assert_balanced()

    def test_refunds_are_matched_where_they_are_booked(self):
        """ With an outstanding account of the payment method, payments and refunds are on it;
        without, refunds are on an account of their own. """
        accounts = []
        for has_account in (False, True):
            if has_account:
                line = self.vipps.journal_id.inbound_payment_method_line_ids.filtered(
                    lambda line: line.payment_provider_id == self.vipps
                )
                debit = self.company.account_journal_payment_debit_account_id
                line.payment_account_id = debit.copy({'code': '101499'})
            tx = self._sell(100)
            self._refund(tx.payment_id, 40)
            self._follow_up()
            accounts.append((tx | tx.child_transaction_ids).payment_id.outstanding_account_id)
        self.assertEqual([len(group) for group in accounts], [2, 1])
        self._set_up()
        self._settle(days=1)
        entries = self._get_entries('capture', 'refund')
        self.assertEqual(set(entries.mapped('state')), {'matched'}, entries.mapped('reason'))
        self.assertTrue(all(entries.payment_id.mapped('is_matched')))
        self.assertEqual(entries.move_line_id.account_id, accounts[0] | accounts[1])

    def test_the_payment_journal_can_be_the_one_of_the_ledger(self):
        ledger = self._set_up()
        self.vipps.journal_id = ledger.journal_id
        tx = self._sell(100)
        self.assertEqual(tx.payment_id.journal_id, ledger.journal_id)
        self._settle(days=1)
        entry = self._get_entries('capture')
        self.assertEqual(entry.state, 'matched', entry.reason)
        self.assertTrue(tx.payment_id.is_matched)
        self.assertEqual(ledger.book_balance, 0)

    def test_a_payment_on_the_account_of_the_ledger_itself_is_not_taken_for_matched(self):
        ledger = self._set_up()
        self.vipps.journal_id = ledger.journal_id
        line = ledger.journal_id.inbound_payment_method_line_ids.filtered(
            lambda line: line.payment_provider_id == self.vipps
        )
        line.payment_account_id = ledger.journal_id.default_account_id
        self._sell(100)
        self._settle(days=1)
        entry = self._get_entries('capture')
        self.assertEqual(entry.state, 'check')
        self.assertIn("there twice", entry.reason)
        self.assertEqual(entry.move_line_id.account_id, ledger.journal_id.suspense_account_id)

    def test_a_refund_with_the_sign_of_a_payment_is_not_matched(self):
        self._set_up()
        tx = self._sell(100)
        self._refund(tx.payment_id, 40)
        self._follow_up()
        refund = tx.child_transaction_ids
        self._add('refund', 4000, pspReference=refund.vipps_psp_reference, reference=tx.reference)
        self._settle()
        states = {entry.amount: entry.state for entry in self._get_entries('refund')}
        self.assertEqual(states, {-40: 'matched', 40: 'check'})

    def test_an_outstanding_account_that_is_out_of_use_stops_no_other_entry(self):
        for values in ({'deprecated': True}, {'reconcile': False}):
            with self.subTest(**values):
                account = self.company.account_journal_payment_debit_account_id.copy({
                    'code': f'1014{len(values)}{list(values)[0][:1]}',
                })
                line = self.vipps.journal_id.inbound_payment_method_line_ids.filtered(
                    lambda line: line.payment_provider_id == self.vipps
                )
                line.payment_account_id = account
                tx = self._sell(100)
                line.payment_account_id = False
                other_tx = self._sell(50)
                self._set_up()
                account.write(values)
                self._settle()
                entries = self._get_entries('capture')[-2:]
                self.assertEqual(entries.transaction_id, tx | other_tx)
                self.assertEqual(entries.mapped('state'), ['check', 'matched'])
                self.assertIn("no longer in use, or does not allow", entries[0].reason)
                account.write({'deprecated': False, 'reconcile': True})
                entries[0].with_user(self.bookkeeper).action_match_again()
                self.assertEqual(entries[0].state, 'matched', entries[0].reason)

    def test_a_payment_that_is_matched_already_is_left_to_a_person(self):
        ledger = self._set_up()
        tx = self._sell(100)
        line = tx.payment_id._seek_for_lines()[0]
        bank_line = self._receive(100, "Vipps")
        suspense = bank_line._seek_for_lines()[1]
        suspense.with_context(skip_account_move_synchronization=True).account_id = line.account_id
        (suspense | line).reconcile()
        self._settle(days=1)
        entry = self._get_entries('capture')
        self.assertEqual((entry.state, entry.payment_id), ('check', tx.payment_id))
        self.assertIn("something else already", entry.reason)
        self.assertEqual(entry.move_line_id.account_id, ledger.journal_id.suspense_account_id)
        bank_line.action_undo_reconciliation()
        entry.with_user(self.bookkeeper).action_match_again()
        self.assertEqual(entry.state, 'matched', entry.reason)

    #=== PAYMENTS THAT CHANGE ===#

    def test_a_payment_that_is_booked_late_is_matched_at_once(self):
        tx = self._authorize(amount=100)
        journal = self.vipps.journal_id
        journal.active = False
        self.simulator.capture(tx.vipps_payment_reference)
        self._refresh(tx)
        self.assertFalse(tx.payment_id)
        self._set_up()
        self._settle(days=1)
        entry = self._get_entries('capture')
        self.assertEqual(entry.state, 'waiting')
        journal.active = True
        self.env['ir.cron.trigger'].search([]).unlink()
        self._follow_up()
        self.assertTrue(tx.payment_id)
        self.assertFalse(entry.match_at)
        self.assertTrue(self.env['ir.cron.trigger'].search([
            ('cron_id', '=', self.env.ref('mobilepay_vipps.cron_settle').id),
        ]))
        self._settle()
        self.assertEqual(entry.state, 'matched', entry.reason)
        self.assertTrue(tx.payment_id.is_matched)

    def test_a_payment_that_is_reset_to_draft_is_matched_when_it_is_posted_again(self):
        self._set_up()
        tx = self._sell(100)
        self._settle(days=1)
        entry, payment = self._get_entries('capture'), tx.payment_id
        payment.action_draft()
        self._settle()
        self.assertEqual(entry.state, 'waiting')
        self.assertIn(payment.display_name, entry.reason)
        payment.action_post()
        self._look_again()
        self.assertEqual(entry.state, 'matched', entry.reason)
        self.assertTrue(payment.is_matched)

    def test_a_payment_that_is_deleted_is_said(self):
        self._set_up()
        tx = self._sell(100)
        self._settle(days=1)
        entry = self._get_entries('capture')
        tx.payment_id.action_draft()
        tx.payment_id.unlink()
        self._settle()
        self.assertEqual(entry.state, 'check')
        self.assertIn("was deleted", entry.reason)
        entry.with_user(self.bookkeeper).action_done()
        self._settle()
        self.assertEqual(entry.state, 'done')

    def test_a_payment_whose_amount_was_changed_is_said(self):
        self._set_up()
        tx = self._sell(100)
        self._settle(days=1)
        entry, payment = self._get_entries('capture'), tx.payment_id
        payment.action_draft()
        payment.amount = 90
        payment.action_post()
        self._settle()
        self.assertEqual(entry.state, 'check')
        self.assertIn("another amount", entry.reason)
        self.assertFalse(entry.move_line_id.matched_debit_ids)
        payment.action_draft()
        payment.amount = 100
        payment.action_post()
        entry.with_user(self.bookkeeper).action_match_again()
        self.assertEqual(entry.state, 'matched', entry.reason)
