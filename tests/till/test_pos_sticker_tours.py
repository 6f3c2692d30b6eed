# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo.tests import tagged

from ...simulator.sales_units import NOK_UNIT
from ..pos_tour_common import PosTourCommon
from ..sticker_common import StickerCommon


@tagged('post_install', '-at_install', 'vipps_tour')
class TestPosStickerTours(StickerCommon, PosTourCommon):
    """ Customers scan the sticker of a till in a browser. """

    # Newer releases of Odoo refuse requests of others than the browser in a tour, unless this is
    # false; Vipps MobilePay sends the check-ins.
    http_request_strict_check = property(lambda self: False, lambda self, value: None)

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.env['ir.config_parameter'].set_param('web.base.url', cls.base_url())
        cls.config.auto_validate_terminal_payment = False

    def _start(self, name):
        self._start_tour(name, msn=NOK_UNIT.msn)
        self.assertEqual(self._get_payments(), [('AUTHORIZED', 4500)])
        self.assertEqual(self._get_finished(), [(45, 0)])
        return self.simulator.payments[0]['request']['customer']['customerToken']

    def test_the_question_waits_for_the_customer(self):
        self._start('vipps_pos_sticker')

    def test_the_customer_waits_for_the_question(self):
        self._start('vipps_pos_sticker_waiting')

    def test_the_cashier_dismisses_who_has_left_and_chooses_another(self):
        token = self._start('vipps_pos_sticker_choice')
        self.assertEqual(token, list(self.simulator._world.codes.tokens)[2])
        self.assertEqual(
            [bool(c.token_ciphertext or c.transaction_id) for c in self._get_check_ins()],
            [True, False, False],
        )

    def test_the_cashier_reaches_each_button_on_a_small_screen(self):
        self._start_tour('vipps_pos_sticker_small_screen', '1024,768', msn=NOK_UNIT.msn)
        self.assertFalse(self._get_check_ins().token_ciphertext)
        self.assertFalse(self.simulator.payments)

    def test_the_page_to_print(self):
        self.session = None  # Here, it is the one of the browser.
        self.authenticate('vipps_pos_manager', 'vipps_pos_manager')
        answer = self.url_open(self.config.with_user(
            self.pos_manager
        ).action_vipps_show_sticker()['url'])
        self.assertEqual(answer.status_code, 200)
        self.assertIn('src="data:image/png;base64,', answer.text)
        self.assertIn("Scan with the Vipps app to pay", answer.text)
