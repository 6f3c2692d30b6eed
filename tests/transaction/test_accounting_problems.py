# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from datetime import datetime, timedelta

from freezegun import freeze_time

from odoo import fields
from odoo.exceptions import ValidationError
from odoo.fields import Command
from odoo.tests import tagged

from .test_accounting import AccountingCommon


@tagged('post_install', '-at_install')
class TestAccountingProblems(AccountingCommon):
    """ Captures and refunds that cannot be booked, or not on the day. """

    #=== What cannot be booked ===#

    def _assert_refused(self, tx, sentence, user=None):
        calls = len(self._get_calls('capture'))
        with self.assertRaisesRegex(ValidationError, sentence), self.env.cr.savepoint():
            self._capture(tx, 400, user=user)
        self.assertEqual(len(self._get_calls('capture')), calls)
        self.assertEqual((tx.state, tx.child_transaction_ids.ids), ('authorized', []))

    def test_nothing_is_captured_by_people_while_the_books_are_locked(self):
        _order, tx = self._reserve_order()
        self.company.fiscalyear_lock_date = self.today
        self._assert_refused(tx, "locked until", user=self.accountant)

    def test_what_was_captured_elsewhere_is_booked_on_the_first_open_day(self):
        order, tx = self._reserve_order()
        self.company.fiscalyear_lock_date = self.today + timedelta(days=3)
        self._capture_elsewhere(tx, 40000)
        self.assertEqual(self._get_payments(tx).date, self.today + timedelta(days=4))
        self.company.fiscalyear_lock_date = False
        self.assertEqual(self._invoice(order).amount_residual, 600)

    def test_a_lock_for_taxes_does_not_keep_payments_from_being_booked_today(self):
        _order, tx = self._reserve_order()
        self.company.tax_lock_date = self.today
        self._capture(tx, 400, user=self.accountant)
        self.assertEqual(self._get_payments(tx).date, self.today)

    def test_a_lock_for_all_but_advisers_binds_people_and_not_the_job(self):
        _order, tx = self._reserve_order()
        self.company.period_lock_date = self.today
        self._assert_refused(tx, "locked until", user=self.accountant)
        self._capture_elsewhere(tx, 40000)
        self.assertEqual(self._get_payments(tx).date, self.today)

    def _go_to(self, clock, text):
        """ Let it be another time, here and at Vipps MobilePay; of next year, as no time comes
        back. """
        moment = f'{self.today.year + 1}-{text}'
        clock.move_to(moment)
        self.simulator.advance(
            datetime.fromisoformat(f'{moment}+00:00').timestamp() - self.simulator.now()
        )

    def _get_dates(self, tx):
        return sorted(date.strftime('%m-%d') for date in self._get_payments(tx).mapped('date'))

    def test_captures_and_refunds_are_booked_on_their_day_in_the_market(self):
        """ Whoever books, and whenever: jobs know no time zone but UTC. """
        with freeze_time() as clock:
            self._go_to(clock, '06-30 21:30:00')
            _order, tx = self._reserve_order()
            self._go_to(clock, '06-30 22:30:00')  # In Oslo, July has begun.
            self.simulator.capture(tx.vipps_payment_reference, 40000)
            self._go_to(clock, '07-05 09:00:00')
            self._refresh(tx)
            self._post_process()
            self.assertEqual(self._get_dates(tx), ['07-01'])
            self._go_to(clock, '12-30 22:59:00')
            self.simulator.refund(tx.vipps_payment_reference, 10000)
            self._go_to(clock, '12-30 23:01:00')
            self.simulator.refund(tx.vipps_payment_reference, 5000)
            self._refresh(tx)
            self._post_process()
            self.assertEqual(self._get_dates(tx), ['07-01', '12-30', '12-31'])

    def test_what_a_person_captures_is_booked_on_the_day_in_the_market(self):
        self.accountant.tz = 'America/New_York'
        with freeze_time() as clock:
            self._go_to(clock, '06-30 22:30:00')
            _order, tx = self._reserve_order()
            self._capture(tx, 400, user=self.accountant)
            self.assertEqual(self._get_dates(tx), ['07-01'])

    def test_the_day_is_the_one_of_helsinki_for_euros(self):
        euro = self._prepare_currency('EUR')
        with freeze_time('2026-06-30 21:30:00'):
            tx = self._create_transaction('redirect', currency_id=euro.id)
            self.assertEqual(str(tx._vipps_get_booking_date()), '2026-07-01')
            self.assertEqual(
                str(self._create_transaction('redirect', reference='x')._vipps_get_booking_date()),
                '2026-06-30',
            )

    def test_people_capture_by_the_day_of_the_market_while_the_books_are_locked(self):
        with freeze_time() as clock:
            self._go_to(clock, '06-30 22:30:00')
            _order, tx = self._reserve_order()
            self.company.fiscalyear_lock_date = fields.Date.today()
            self._capture(tx, 400, user=self.accountant)
            self.company.fiscalyear_lock_date += timedelta(days=1)
            with self.assertRaisesRegex(ValidationError, "locked until"):
                self._capture(tx, 100, user=self.accountant)

    def test_a_credit_note_is_posted_although_its_refund_cannot_be_reconciled(self):
        self._set_danish()
        invoice = self._create_invoice(1000)
        invoice.button_draft()
        invoice.currency_id = self.currency_dkk
        invoice.action_post()
        tx = self._start(
            amount=1000, currency_id=self.currency_dkk.id,
            payment_method_id=self.method_mobile_pay.id, invoice_ids=[Command.set(invoice.ids)],
        )
        self._approve(tx)
        self._refresh(tx)
        self._capture(tx, 1000, user=self.accountant)
        self._refund(tx.payment_id, 1000, user=self.accountant)
        self.company.currency_exchange_journal_id = False
        credit_note = invoice._reverse_moves([{'invoice_date': self.today - timedelta(days=1)}])
        credit_note.action_post()
        self.assertEqual((credit_note.state, credit_note.payment_state), ('posted', 'not_paid'))
        self.assertIn("could not be reconciled", credit_note.message_ids[0].body)

    def test_what_cannot_be_booked_for_lack_of_a_journal_is_told_once_and_booked_later(self):
        order, tx = self._reserve_order()
        journal = self.vipps.journal_id
        journal.active = False
        self._assert_refused(tx, "missing or archived", user=self.accountant)
        for _i in range(2):
            self._capture_elsewhere(tx, 30000)
        self._follow_up()
        self.assertFalse(self._get_payments(tx))
        self.assertEqual(tx.child_transaction_ids.mapped('state'), ['done', 'done'])
        self.assertEqual(order.amount_paid, 1000)
        activity = self._get_activities()
        self.assertEqual(activity.summary, "Payments cannot be booked")
        self.assertIn("missing or archived", activity.note)

        journal.active = True
        invoice = self._invoice(order)
        self._follow_up()
        self.assertEqual(self._get_payments(tx).mapped('amount'), [300, 300])
        self.assertEqual(invoice.amount_residual, 400)
        self.assertFalse(self._get_tasks(tx))
        self._follow_up()
        self.assertEqual(len(self._get_payments(tx)), 2)

    def test_what_was_captured_while_the_provider_had_no_journal_is_booked_when_it_has_one(self):
        _order, tx = self._reserve_order()
        self.vipps.state = 'disabled'
        self.vipps.journal_id = False
        self._capture_elsewhere(tx, 40000)
        self.assertFalse(self._get_payments(tx))
        self.assertIn("missing or archived", self._get_activities().note)
        self.vipps.state = 'test'
        self._follow_up()
        self.assertEqual(self._get_payments(tx).mapped('amount'), [400])

    def test_each_lack_of_the_journal_is_told_in_a_sentence_of_its_own(self):
        _order, tx = self._reserve_order()
        method_line = self.vipps.journal_id.inbound_payment_method_line_ids.filtered(
            lambda line: line.payment_provider_id == self.vipps
        )
        method_line.payment_account_id = False
        self.company.account_journal_payment_debit_account_id = False
        self._assert_refused(tx, "no outstanding account", user=self.accountant)

    def test_what_core_refuses_to_post_is_kept_and_told(self):
        _order, tx = self._reserve_order()
        self.outstanding.deprecated = True
        self._capture_elsewhere(tx, 40000)
        self.assertFalse(self._get_payments(tx))
        self.assertIn("deprecated", self._get_activities().note)
        self.outstanding.deprecated = False
        self._follow_up()
        self._assert_entry(self._get_payments(tx), 400, is_reconciled=False)

    def test_a_capture_is_told_and_tried_again_when_its_draft_invoice_cannot_be_posted(self):
        for amounts in ([100000], [30000, 70000]):
            with self.subTest(amounts=amounts):
                self._get_activities().unlink()
                order, tx = self._reserve_order()
                invoice = order._create_invoices()
                partner, invoice.partner_id = invoice.partner_id, False
                for amount in amounts:
                    self._capture_elsewhere(tx, amount)
                self._follow_up()
                self.assertFalse(self._get_payments(tx))
                self.assertEqual(self._get_activities().summary, "Payments cannot be booked")
                self.assertIn("Customer", self._get_activities().note)

                invoice.partner_id = partner
                self._follow_up()
                self.assertEqual(sum(self._get_payments(tx).mapped('amount')), 1000)
                self._assert_paid(invoice)
                self._follow_up()
                self.assertEqual(len(self._get_payments(tx)), len(amounts))
                self.assertFalse(self._get_tasks(tx))
        self._assert_nothing_is_open()

    def test_a_capture_is_told_and_tried_again_when_its_order_cannot_be_invoiced(self):
        self._set_automatic_invoice()
        order, tx = self._reserve_order()
        journals = self.env['account.journal'].search([
            ('type', '=', 'sale'), ('company_id', '=', self.company.id),
        ])
        journals.active = False
        for amount in (30000, 70000):
            self._capture_elsewhere(tx, amount)
        self.assertFalse(tx.is_post_processed)
        self.assertEqual(self._get_activities().summary, "Payments cannot be booked")
        journals.active = True
        self._follow_up()
        self.assertTrue(tx.is_post_processed)
        self._assert_paid(order.invoice_ids)
        for _i in range(2):
            self._follow_up()
        self.assertEqual(self._get_payments(tx).mapped('amount'), [300, 700])
        self.assertFalse(self._get_tasks(tx))
        self._assert_nothing_is_open()
