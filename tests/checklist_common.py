# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from lxml import html

from .common import TransactionCommon


class ChecklistCommon(TransactionCommon):
    """ A payment manager who reads the go-live checklist. """

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.manager = cls._new_user(
            'vipps_manager', 'base.group_user,mobilepay_vipps.group_payment_manager',
        )

    def _read(self, provider=None):
        """ Return the rows of the page, by the name of the item. """
        self.env.invalidate_all()
        provider = (provider or self.vipps).with_user(self.manager)
        values, = provider.read(['vipps_checklist'])
        page = html.fromstring(f'<div>{values["vipps_checklist"]}</div>')
        return {row.get('data-item'): row for row in page.iterfind('.//tr[@data-item]')}

    def _get_cells(self, name, rows=None):
        """ Return what an item says of production and of test, or of both. """
        return [
            ' '.join(cell.text_content().split()) for cell in (rows or self._read())[name].iterfind(
                'td'
            )
        ]

    def _assert_seen(self, tx, *names):
        rows = self._read()
        for name in names:
            production, test = self._get_cells(name, rows)
            self.assertEqual(production, "Not seen yet", name)
            self.assertIn(tx.reference, test, name)

    def _assert_missing(self, name, sentence):
        rows = self._read()
        self.assertEqual(self._get_cells(name, rows), ["To be set up"])
        self.assertIn(sentence, rows[name].text_content())

    def _assert_set_up(self, name):
        self.assertEqual(self._get_cells(name), ["Set up"])
