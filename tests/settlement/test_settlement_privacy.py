# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import json

from odoo.exceptions import AccessError
from odoo.tests import tagged

from .settlement_common import SettlementCommon


@tagged('post_install', '-at_install')
class TestSettlementPrivacy(SettlementCommon):
    """ Entries are accounting records without personal data. """

    def setUp(self):
        super().setUp()
        self.tx = self._sell(100, partner_id=self.partner.id)
        self._set_up()
        self._settle(days=1)
        self.entry = self._get_entries('capture')

    def _read_all(self):
        self.env.flush_all()
        self.env.cr.execute("SELECT to_jsonb(entry) FROM vipps_settlement_entry entry ORDER BY id")
        return [row[0] for row in self.env.cr.fetchall()]

    def test_entries_as_they_came_are_for_administrators_only(self):
        entry = self.entry.with_user(self.bookkeeper)
        self.assertEqual(entry.amount, 100)
        for read in (
            lambda: entry.read(['raw']), lambda: entry.mapped('raw'),
            lambda: entry.search([('raw', '!=', False)]),
        ):
            with self.assertRaises(AccessError):
                read()
        self.assertNotIn('raw', entry.fields_get())
        self.assertTrue(self.entry.sudo().raw)

    def test_entries_have_no_names_and_phone_numbers(self):
        stored = json.dumps(self._read_all())
        self.assertIn(self.tx.vipps_payment_reference, stored)
        for part in ("Kari", "Nordmann", "98765432", "98 76 54 32"):
            self.assertNotIn(part, stored)

    def test_an_erasure_of_personal_data_leaves_entries_alone(self):
        before = self._read_all()
        manager = self._new_user(
            'vipps_manager', 'base.group_user,mobilepay_vipps.group_payment_manager',
        )
        self.env['vipps.personal.data'].with_user(manager).create({
            'partner_id': self.partner.id,
        }).action_erase()
        self.assertFalse(self.tx.sudo().partner_phone)
        self.assertEqual(self._read_all(), before)
