# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from datetime import timedelta

from odoo import fields
from odoo.tests import tagged

from ...simulator.sales_units import NOK_UNIT
from .settlement_common import SettlementCommon


@tagged('post_install', '-at_install')
class TestMultiCurrency(SettlementCommon):
    """ A ledger in another currency than that of the company. """

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.currency_eur = cls._prepare_currency('EUR')

    def _set_rate(self, day, rate):
        """ Let one EUR be worth so many NOK from a day on. """
        self.env['res.currency.rate'].search([
            ('currency_id', '=', self.currency_eur.id), ('name', '=', day),
            ('company_id', '=', self.company.id),
        ]).unlink()
        self.env['res.currency.rate'].create({
            'currency_id': self.currency_eur.id, 'company_id': self.company.id, 'name': day,
            'inverse_company_rate': rate,
        })

    def test_differences_of_exchange_rates_are_booked_when_payments_and_payouts_match(self):
        self._configure(currency='EUR', automatic=False)
        ledger = self._set_up(currency_id=self.currency_eur.id)
        day = self.settlement.find(NOK_UNIT.msn).open_date
        self._set_rate(day - timedelta(days=30), 11)
        self._set_rate(day, 11.5)
        self._set_rate(day + timedelta(days=2), 12)
        tx = self._create_transaction(
            'redirect', reference='S-EUR', state='done', amount=100, vipps_psp_reference='8001',
            currency_id=self.currency_eur.id, last_state_change=fields.Datetime.now(),
        )
        tx._create_payment(date=day - timedelta(days=3))
        self.assertEqual(tx.payment_id.move_id.line_ids.mapped('debit'), [1100, 0])
        self._add('capture', 10000, pspReference='8001', reference=tx.reference)
        self._add('fees-retained', -333)
        [payout] = self._settle(days=1)
        entry = self._get_entries('capture')
        self.assertEqual(entry.state, 'matched', entry.reason or ledger.booking_error)
        self.assertEqual(entry.move_line_id.balance, -1150)
        self.assertTrue(entry.move_line_id.reconciled)
        self.assertTrue(tx.payment_id.is_matched)
        exchange = entry.move_line_id.matched_debit_ids.exchange_move_id
        self.assertEqual(sum(exchange.line_ids.mapped('debit')), 50)
        self.assertEqual(ledger.book_balance, 0)
        self._assert_balanced()
        journal = self.env['account.journal'].create({
            'name': "Bank in EUR", 'type': 'bank', 'code': 'BEUR', 'company_id': self.company.id,
            'currency_id': self.currency_eur.id,
        })
        record = self.env['vipps.settlement.payout'].search([])
        self.assertEqual(record.amount, 96.67)
        line = self._receive(
            96.67, payout['reference'], date=day + timedelta(days=2), journal=journal,
        )
        self._settle()
        self.assertEqual((record.state, record.bank_line_id), ('arrived', line))
        self.assertTrue(record.entry_id.move_line_id.reconciled)
        self.assertTrue(record.statement_id.is_complete)

    def test_a_bank_account_in_the_currency_of_the_company(self):
        self._configure(currency='EUR', automatic=False)
        self._set_up(currency_id=self.currency_eur.id)
        self._set_rate(self.settlement.find(NOK_UNIT.msn).open_date, 11.5)
        self._add('top-up', 10000)
        [payout] = self._settle(days=1)
        record = self.env['vipps.settlement.payout'].search([])
        line = self.env['account.bank.statement.line'].create({
            'journal_id': self.company_data['default_journal_bank'].id,
            'date': record.ledger_date + timedelta(days=1), 'payment_ref': payout['reference'],
            'amount': 1148, 'foreign_currency_id': self.currency_eur.id, 'amount_currency': 100,
        })
        self._settle()
        self.assertEqual((record.state, record.bank_line_id), ('arrived', line))
        self.assertTrue(line.is_reconciled)
        self.assertTrue(record.entry_id.move_line_id.reconciled)
