# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo.exceptions import AccessError
from odoo.tests import tagged
from odoo.tools import mute_logger

from ...models.settlement import file as settlement_file
from ...simulator.sales_units import NOK_UNIT
from .file_common import FileCommon


@tagged('post_install', '-at_install')
class TestFileFailure(FileCommon):
    """ Files in the middle of which something goes wrong. """

    def setUp(self):
        super().setUp()
        self._take_a_week()
        self.ledger = self._set_up()
        self._without_access()
        self.patch(settlement_file, 'READING_LIMIT', 3)
        self.broken = "9-none"  # The reference of an entry that cannot be read.
        convert = self.env['vipps.api.client']._convert_portal_lines

        def fail(_client, lines, currency):
            if any(self.broken.encode() in line for line in lines):
                raise OSError("no disk")
            return convert(lines, currency)

        self.patch(type(self.env['vipps.api.client']), '_convert_portal_lines', fail)

    def _break(self, number):
        """ Let the entry of a row be one that cannot be read. """
        self.broken = self._get_row(number)[16]

    def _get_row(self, number):
        return self._read_rows()[number]

    def _settle_with_failure(self):
        with mute_logger('odoo.addons.mobilepay_vipps.models.settlement.file'):
            self._settle()

    def _find_problem(self):
        self.env.invalidate_all()
        return next((
            problem for problem in self.vipps._vipps_get_problems()
            if problem['key'] == 'settlement_file'
        ), None)

    def test_what_came_before_is_booked_and_the_rest_is_read_again(self):
        self._break(8)
        [file] = self._import()
        self.assertFalse(self._find_problem())
        self._settle_with_failure()
        self.assertEqual((file.state, file.new_count), ('failed', 6))
        self.assertIn("after row 6", file.result)
        self.assertEqual(set(self._get_entries().mapped('state')), {'matched'})
        self.assertEqual(len(self._get_entries()), 6)
        problem = self._find_problem()
        self.assertEqual((problem['level'], problem['count']), ('error', 1))
        self.assertIn("press Read Again", problem['note'])
        self._settle_with_failure()
        self.assertEqual((file.state, file.new_count), ('failed', 6))

        self.broken = "9-none"
        file.with_user(self.bookkeeper).action_read()
        self.env.invalidate_all()
        self.assertEqual((file.state, file.new_count), ('done', file.row_count))
        self._settle()
        self.assertFalse(self._find_problem())
        self.assertEqual(set(self._get_entries().mapped('state')), {'matched'})
        self.assertEqual(self.ledger.book_balance, 0)

    def test_a_new_export_takes_the_place_of_a_file_that_stays_unread(self):
        self._break(2)
        [file] = self._import()
        self._settle_with_failure()
        self.assertEqual((file.state, file.new_count), ('failed', 0))
        with mute_logger('odoo.addons.mobilepay_vipps.models.settlement.file'):
            file.with_user(self.bookkeeper).action_read()
        self.env.invalidate_all()
        self.assertEqual(file.state, 'failed')
        self.broken = "9-none"
        [other] = self._import()
        self._settle()
        self.assertEqual((other.state, other.new_count), ('done', other.row_count))
        self.assertTrue(self._find_problem())
        with self.assertRaises(AccessError):
            file.with_user(self.salesman).action_leave_out()
        (file | other).with_user(self.bookkeeper).action_leave_out()
        self.assertEqual((file.state, other.state), ('skipped', 'done'))
        self.assertIn(f"0 of {file.row_count} rows were read", file.result)
        self.assertFalse(file.sudo().content)
        self.assertFalse(self._find_problem())
        self.assertEqual(len(self._get_entries()), len(self.settlement.entries(NOK_UNIT.msn)))

    def test_a_content_that_was_lost_is_not_read_for_ever(self):
        [file] = self._import()
        self.env['ir.attachment'].sudo().search([
            ('res_model', '=', file._name), ('res_id', '=', file.id), ('res_field', '!=', False),
        ]).raw = b''
        self._settle_with_failure()
        self.assertEqual((file.state, file.new_count), ('failed', 0))

    def test_other_files_and_the_api_go_on(self):
        self._break(2)
        [broken] = self._import()
        day = self._get_row(-1)[5]
        [other] = self._import(self._export(change=lambda rows: [
            rows[0], *(row for row in rows if row[5] == day),
        ]))
        self._settle_with_failure()
        self.assertEqual((broken.state, other.state), ('failed', 'done'))
        self.assertTrue(self._get_entries().statement_line_id)
        self._with_access()
        self._settle()
        own = self._get_entries('opening-balance')
        self.assertEqual(
            set((self._get_entries() - own).mapped('state')), {'matched'}
        )
        self.assertEqual(self.ledger.book_balance, 0)
