# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo.tests import tagged

from odoo.addons.base.models.ir_attachment import IrAttachment

from ...models.settlement import file as settlement_file
from ...simulator.sales_units import NOK_UNIT
from .settlement_common import SettlementCommon


@tagged('post_install', '-at_install')
class TestLargeFile(SettlementCommon):
    """ The content of files from the portal, which is read in pieces. """

    def setUp(self):
        super().setUp()
        self._configure(automatic=False)
        self._sell(100, 50)
        self._sell(200)
        self.settlement.close(NOK_UNIT.msn)
        self._set_up()
        self._configure(access=False)
        self.patch(settlement_file, 'READING_LIMIT', 2)

    def _import(self):
        content = self.settlement.export(NOK_UNIT.msn).encode()
        File = self.env['vipps.settlement.file'].sudo()
        file = File._import("entries.csv", content, self.company)
        self.env.flush_all()
        self.env.invalidate_all()
        return file

    def _read(self, file):
        pieces = 0
        while file.ledger_id._read_files() == 'done':
            pieces += 1
        self.assertGreater(pieces, 2)
        self.assertEqual((file.state, file.new_count), ('done', file.row_count))

    def test_a_piece_is_read_without_the_rest(self):
        def read_all(attachment, fname):
            raise AssertionError("All of it is read.")

        file = self._import()
        self.patch(IrAttachment, '_file_read', read_all)
        self._read(file)

    def test_content_in_the_database(self):
        self.env['ir.config_parameter'].sudo().set_param('ir_attachment.location', 'db')
        file = self._import()
        attachment = self.env['ir.attachment'].sudo().search([
            ('res_field', '=', 'content'), ('res_model', '=', file._name),
        ])
        self.assertFalse(attachment.store_fname)
        self._read(file)
