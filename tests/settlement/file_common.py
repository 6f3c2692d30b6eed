# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import base64
import csv
import io

import xlsxwriter

from ...simulator.sales_units import NOK_UNIT
from .settlement_common import SettlementCommon


class FileCommon(SettlementCommon):
    """ Files from the portal, as they are or as they were saved. """

    def setUp(self):
        super().setUp()
        self._configure(automatic=False)

    def _settle(self, days=0):
        """ Override to let no payment have the worker first. """
        self.env['vipps.task'].sudo().search([]).unlink()
        return super()._settle(days)

    def _take_a_week(self):
        """ Have payments of two days in the books, with a refund and their payouts. """
        tx = self._sell(100, 50)
        self._sell(200)
        self.settlement.close(NOK_UNIT.msn)
        self._refund(tx.child_transaction_ids[:1].payment_id, 30)
        self._follow_up()
        self._sell(75.5)
        self.settlement.close(NOK_UNIT.msn)

    def _without_access(self):
        self._configure(access=False)

    def _with_access(self):
        self._configure(access=True)

    def _export(self, language='nb', delimiter=',', encoding='utf-8', change=None):
        """ Return the file of the portal, as it is or as it was saved. """
        rows = self._read_rows(language)
        if change:
            rows = change(rows)
        file = io.StringIO()
        csv.writer(file, delimiter=delimiter).writerows(rows)
        return file.getvalue().encode(encoding)

    def _read_rows(self, language='nb'):
        text = self.settlement.export(NOK_UNIT.msn, language)
        return list(csv.reader(io.StringIO(text)))

    def _import(self, content=None, user=None, name="entries.csv", **context):
        """ Import a file with the dialog, and return the results. """
        wizard = self.env['vipps.settlement.import'].with_user(user or self.bookkeeper)
        wizard = wizard.with_context(**context).create({
            'name': name,
            'content': base64.b64encode(self._export() if content is None else content).decode(),
        })
        return wizard.sudo().file_ids

    def _export_workbook(self, language='nb', change=None):
        """ Return the file of the portal as XLSX. """
        rows = self._read_rows(language)
        file = io.BytesIO()
        with xlsxwriter.Workbook(file, {'strings_to_numbers': True}) as workbook:
            sheet = workbook.add_worksheet()
            for number, row in enumerate(change(rows) if change else rows):
                sheet.write_row(number, 0, row)
        return file.getvalue()

    def _save_by_excel(self, rows):
        """ Return rows as Excel shows and saves them in Norway: times without seconds. """
        saved = []
        for row in rows:
            row = list(row)
            for place in (4, 5):
                day, _blank, time = row[place].partition(' ')
                if day[:2] == '20':
                    row[place] = f"{'.'.join(reversed(day.split('-')))} {time[:5]}".strip()
            for place in (7, 8, 9, 10):
                row[place] = row[place].replace('.', ',')
            saved.append(row)
        return saved

    def _shuffle(self, rows):
        """ Return rows by their amounts, and with the columns the other way round. """
        header, *others = rows
        others.sort(key=lambda row: float(row[7]))
        return [row[::-1] for row in [header, *others]]
