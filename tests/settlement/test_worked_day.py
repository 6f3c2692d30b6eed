# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import json
from datetime import date
from pathlib import Path

from odoo.tests import tagged

from ...simulator.sales_units import NOK_UNIT
from .settlement_common import SettlementCommon

WORKED_DAY = json.loads(
    (Path(__file__).parents[2] / 'protocol' / 'tests' / 'worked_day.json').read_text()
)


@tagged('post_install', '-at_install')
class TestWorkedDay(SettlementCommon):
    """ The day that Vipps MobilePay explains its settlements with, to the øre. """

    def setUp(self):
        super().setUp()
        self._configure(ledger_id=WORKED_DAY['ledgerId'], automatic=False)
        self._add_day()

    def _add_day(self):
        for topic in ('funds', 'fees'):
            for entry in WORKED_DAY[topic]:
                self.settlement.add_entry(
                    NOK_UNIT.msn, topic=topic, entryType=entry['entryType'],
                    amount=entry['amount'], pspReference=entry['pspReference'],
                    reference=entry['reference'], recipientHandle=entry['recipientHandle'],
                    changes={'time': entry['time'], 'ledgerDate': entry['ledgerDate']},
                )

    def _take_payments(self):
        """ Have the payments of the day in the books, as they were at the time. """
        txs = self.env['payment.transaction']
        for entry in WORKED_DAY['funds'][:4]:
            tx = self._create_transaction(
                'redirect', reference=f"S-{entry['pspReference']}", state='done',
                amount=entry['amount'] / 100,
                operation='refund' if entry['amount'] < 0 else 'online_redirect',
                vipps_psp_reference=entry['pspReference'],
            )
            tx._create_payment()
            txs |= tx
        return txs

    def test_the_day_is_booked_to_the_ore(self):
        txs = self._take_payments()
        ledger = self._set_up(start_date=date(2022, 10, 1))
        self._settle()

        entries = self._get_entries()
        self.assertEqual(
            [(entry.entry_type, entry.amount, entry.balance_after) for entry in entries], [
                ('capture', 100, 100), ('capture', 100, 200), ('capture', 200, 400),
                ('refund', -100, 300), ('fees-retained', -12, 288), ('payout-scheduled', -288, 0),
            ],
        )
        self.assertEqual(set(entries.mapped('state')), {'matched'}, entries.mapped('reason'))
        self.assertEqual(set(entries.statement_line_id.mapped('date')), {date(2022, 10, 1)})
        self.assertEqual(entries[:4].transaction_id, txs)
        self.assertEqual(
            [(entry.fee_amount, entry.net_amount) for entry in entries[:3]],
            [(-4, 96), (-4, 96), (-4, 196)],
        )
        funds = self.env['account.move.line'].search([
            ('account_id', '=', ledger.journal_id.default_account_id.id),
        ], order='id')
        self.assertEqual(funds.mapped('balance'), [100, 100, 200, -100, -12, -288])
        outstanding = txs.payment_id.move_id.line_ids.filtered(
            lambda line: line.account_id.account_type == 'asset_current'
        )
        self.assertTrue(all(outstanding.mapped('reconciled')))
        self.assertEqual(self._get_balances(entries.move_line_id - entries[:4].move_line_id), {
            ledger.fee_account_id.name: 12, self.company.transfer_account_id.name: 288,
        })

        payout = self.env['vipps.settlement.payout'].search([])
        self.assertEqual((payout.number, payout.amount), ('2000023', 288))
        self.assertEqual(payout.statement_id.balance_start, 0)
        self.assertEqual(payout.statement_id.balance_end, 0)
        line = self._receive(288, "Utb. 2000023 Vippsnr 57860", date=date(2022, 10, 4))
        self._settle()
        self.assertEqual(payout.bank_line_id, line)
        self.assertFalse(self._get_balances(
            entries[-1].move_line_id | entries[-1].move_line_id.matched_credit_ids.credit_move_id
        ))
