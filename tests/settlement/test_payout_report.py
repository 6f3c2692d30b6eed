# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import time
from datetime import date, datetime, timedelta

from lxml import html

from odoo.exceptions import AccessError
from odoo.tests import tagged

from odoo.addons.base.models.ir_qweb import QWebException

from .settlement_common import SettlementCommon

REPORT = 'mobilepay_vipps.action_report_settlement_payout'


@tagged('post_install', '-at_install')
class TestPayoutReport(SettlementCommon):
    """ The printed report of a payout. """

    def _print(self, payout, user=None):
        """ Return the page as the button Print makes it. """
        user = user or self.bookkeeper
        content, kind = self.env['ir.actions.report'].with_user(user).with_context(
            lang=user.lang
        )._render_qweb_html(REPORT, payout.ids)
        self.assertEqual(kind, 'html')
        return html.fromstring(content)

    def _get_cells(self, page, table):
        return self._get_texts(
            page.xpath(f'(//div[contains(@class, "page")]//table)[{table}]/tbody/tr')
        )

    def _get_rows(self, page):
        """ Return the rows of the entries, of all blocks. """
        return self._get_texts(page.xpath('//div[contains(@class, "o_vipps_entries")]//tbody/tr'))

    def _get_texts(self, rows):
        return [
            [' '.join(cell.text_content().replace('\ufeff', '').split()) for cell in row]
            for row in rows
        ]

    def _settle_payout(self):
        tx = self._sell(100, 100)
        self._sell(200)
        self._refund(tx.child_transaction_ids.payment_id[:1], 100)
        self._follow_up()
        self._set_up()
        self._settle(days=1)
        return self.env['vipps.settlement.payout'].search([])

    def test_the_report_has_all_that_an_auditor_looks_for(self):
        payout = self._settle_payout()
        line = self._receive(payout.amount, payout.reference)
        self._settle()
        page = self._print(payout)
        text = ' '.join(page.text_content().split())
        for part in (
            f"Payout {payout.number}", self.company.name, "123456", payout.ledger_id.number,
            payout.reference, payout.ledger_id.journal_id.name, line.move_id.name, "In the bank",
        ):
            self.assertIn(part, text)
        sums = self._get_cells(page, 2)
        self.assertEqual([row[:2] for row in sums], [
            ["Balance before", ""], ["Payments", "3"], ["Refunds", "1"], ["Fees", "1"],
            ["Payout", "1"], ["Balance after", ""],
        ])
        amounts = [float(row[2].replace('kr', '').replace(',', '')) for row in sums]
        self.assertEqual(amounts[0], 0)
        self.assertAlmostEqual(sum(amounts[:-1]), amounts[-1])
        self.assertAlmostEqual(-amounts[4], payout.amount)
        rows = self._get_rows(page)
        self.assertEqual(len(rows), 6)
        for row, entry in zip(rows, payout._get_report_entries(), strict=True):
            self.assertEqual(row[2:5], [entry.label, entry.reference or "", entry.psp_reference])
            self.assertEqual(row[8], entry.statement_line_id.move_id.name)
            self.assertTrue(row[0] and row[1] and row[5] and row[7])
        self.assertEqual([bool(row[6]) for row in rows], [True] * 3 + [False] * 3)
        [[label, amount, fee, _rest]] = self._get_texts(page.xpath('//tfoot/tr'))
        self.assertEqual((label, amount), ("Total", "kr 0.00"))
        self.assertEqual(
            round(sum(float(row[6].replace('kr', '')) for row in rows[:3]), 2),
            float(fee.replace('kr', '')),
        )
        self.assertIn(f", {self.bookkeeper.name}", text)

    def test_the_button_print_offers_the_report_and_names_the_file(self):
        payout = self._settle_payout()
        view = payout.with_user(self.bookkeeper).get_views(
            [(False, 'form'), (False, 'list')], {'toolbar': True},
        )['views']
        report = self.env.ref(REPORT)
        for kind in ('form', 'list'):
            self.assertIn(report.id, [item['id'] for item in view[kind]['toolbar']['print']])
        self.assertEqual(payout._get_report_base_filename(), f"Payout {payout.number}")
        self.assertEqual(report.get_paperformat().orientation, 'Landscape')

    def test_the_report_is_in_the_language_of_its_reader(self):
        self.env['res.lang']._activate_lang('nb_NO')
        payout = self._settle_payout()
        self.bookkeeper.lang = 'nb_NO'
        report = self.env.ref(REPORT)
        views = self.env['ir.ui.view'].search([('key', '=like', f'{report.report_name}%')])
        for view in views:
            view.update_field_translations('arch_db', {'nb_NO': {"Sales unit": "Salgssted X"}})
        text = self._print(payout).text_content()
        self.assertIn("Salgssted X", text)
        self.assertNotIn("Sales unit", text)

    def test_a_balance_that_does_not_add_up_is_shown(self):
        payout = self._settle_payout()
        self.env.flush_all()
        self.env.cr.execute(
            "UPDATE vipps_settlement_entry SET balance_after = 7 WHERE id = %s",
            [payout.entry_id.id],
        )
        self.env.invalidate_all()
        self.assertIn(["Difference", "", "kr 7.00"], self._get_cells(self._print(payout), 2))

    def test_entries_without_balances_have_sums_only(self):
        payout = self._settle_payout()
        payout.entry_ids.sudo().has_balance = False
        labels = [row[0] for row in self._get_cells(self._print(payout), 2)]
        self.assertEqual(labels, ["Payments", "Refunds", "Fees", "Payout"])

    def test_a_payout_with_thousands_of_entries_is_printed(self):
        ledger, day, count = self._set_up(), date(2026, 10, 1), 2000
        ledger.start_date = day
        moment = datetime(2026, 10, 1, 8)
        values_list, balance = [], 0
        for number in range(count + 1):
            amount = 10 if number < count else -10 * count
            values_list.append({
                'psp_reference': f'{10 ** 9 + number}', 'ledger_date': day,
                'entry_type': 'capture' if number < count else 'payout-scheduled',
                'time': moment + timedelta(seconds=number), 'reference': f'ABCDE-S{number}-7KQ2MX',
                'amount': amount, 'has_balance': True, 'balance_before': balance,
                'balance_after': balance + amount,
                'payout_number': None if number < count else '2000099',
            })
            balance += amount
        self.env['vipps.settlement.entry'].sudo()._store(ledger, 'funds', 'api', values_list)
        payout = self.env['vipps.settlement.payout'].search([])
        self.env.flush_all()
        self.env.invalidate_all()
        started = time.monotonic()
        page = self._print(payout)
        seconds = time.monotonic() - started
        self.assertEqual(len(self._get_rows(page)), count + 1)
        self.assertLess(seconds, 30)
        # No page break divides a block, and each has the headings.
        blocks = page.xpath('//div[contains(@class, "o_vipps_entries")]')
        lengths = [len(block.xpath('.//tbody/tr')) for block in blocks]
        self.assertLess(max(lengths), 12)
        self.assertTrue(all('avoid' in block.get('style') for block in blocks))
        self.assertEqual({len(block.xpath('.//thead/tr/th')) for block in blocks}, {9})
        self.assertEqual(len(page.xpath('//tfoot')), 1)

    def test_only_people_of_the_books_print_payouts(self):
        payout = self._settle_payout()
        with self.assertRaises(QWebException) as raised:
            self._print(payout, user=self.salesman)
        self.assertIsInstance(raised.exception.__cause__, AccessError)
