# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo.tests import tagged

from ..checklist_common import ChecklistCommon
from ..sticker_common import StickerCommon


@tagged('post_install', '-at_install')
class TestPosStickerChecklist(ChecklistCommon, StickerCommon):
    """ What the go-live checklist says of stickers. """

    def test_webhook_and_method_are_looked_at(self):
        self._assert_set_up('sticker_webhook')
        self._assert_set_up('sticker_method')
        self.vipps.sudo().vipps_check_in_webhook_id = False
        self._assert_missing('sticker_webhook', self.config.name)
        self.config.with_user(self.pos_manager).action_vipps_remove_sticker()
        self.assertNotIn('sticker_webhook', self._read())

    def test_address_that_check_ins_no_longer_reach_is_named(self):
        self._assert_set_up('sticker_webhook')
        calls = len(self.simulator.exchanges)
        self.env['ir.config_parameter'].set_param('web.base.url', 'https://new.example')
        self._assert_missing('sticker_webhook', "http://127.0.0.1:1/payment/vipps/webhook")
        self._assert_missing('sticker_webhook', "https://new.example/payment/vipps/webhook")
        self.assertEqual(len(self.simulator.exchanges), calls)
        self.env['ir.config_parameter'].set_param('web.base.url', 'http://127.0.0.1:1')
        self._assert_set_up('sticker_webhook')

    def test_customer_who_has_scanned_is_seen(self):
        self.assertEqual(self._get_cells('sticker_paid'), ["Not seen yet"] * 2)
        self._scan()
        status = self._go_on(self._question())
        self.assertEqual(status['state'], 'waiting')
        self.simulator.approve(status['reference'])
        self._look(status['reference'])
        self._assert_seen(self._get_attempt(status['reference']), 'sticker_paid')
