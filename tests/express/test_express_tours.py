# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo.tests import tagged

from ..app_tour import clicking
from ..pos_tour_common import PosTourCommon
from .express_common import ExpressCommon

# What the customer does in the app: open it, choose address and delivery, approve, and come back.
BUY = ['a[name="open_app"]', 'button[name="choose"]', 'button[name="approve"]', 'a.o_sim_return']


@tagged('post_install', '-at_install', 'vipps_tour')
class TestExpressTours(ExpressCommon, PosTourCommon):
    """ A customer who buys with one press, in a browser. """

    def setUp(self):
        self.session = None  # Here, it is the one of the browser.
        super().setUp()

    def _buy_in_browser(self, size):
        self.env['product.pricelist'].search([]).action_archive()
        self.website.add_to_cart_action = 'go_to_cart'
        with clicking(self.simulator, BUY):
            self._start_page('/shop', 'vipps_express', self.env['res.users'], size)
        self._follow_up()
        self.env.invalidate_all()
        tx = self.env['payment.transaction'].search([('vipps_is_express', '=', True)])
        self.assertEqual(tx.sale_order_ids.state, 'sale')
        self.assertEqual(tx.sale_order_ids.carrier_id, self.parcel)
        self.assertEqual((tx.amount, tx.sale_order_ids.amount_total), (229, 229))

    def test_customer_buys_the_cart_with_one_press(self):
        self._buy_in_browser('1366,768')

    def test_customer_buys_the_cart_with_one_press_on_a_phone(self):
        self._buy_in_browser('375,667')

    def test_enter_in_the_quantity_fills_the_cart_and_buys_nothing(self):
        self.env['product.pricelist'].search([]).action_archive()
        self._start_page('/shop', 'vipps_express_enter', self.env['res.users'])
        self.assertFalse(self.simulator.payments)
