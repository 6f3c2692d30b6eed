# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo.tests import tagged

from ..pos_sale_common import PosSaleCommon
from ..pos_tour_common import PosTourCommon


@tagged('post_install', '-at_install', 'vipps_tour')
class TestPosSaleTours(PosSaleCommon, PosTourCommon):
    """ What a cashier sees of orders of the shop. """

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.env['product.pricelist'].search([]).currency_id = cls.currency_nok
        cls.env['sale.order'].search([('company_id', '=', cls.company.id)])._action_cancel()
        cls.sweater.available_in_pos = True

    def test_cashier_is_warned_of_an_order_that_is_reserved(self):
        tx = self._buy(self._line(self.sweater, 5))
        self._start_tour('vipps_pos_sale_reserved', order=tx.sale_order_ids.name)
        self.assertSums(tx, 0, 50000)

    def test_cashier_takes_no_more_than_what_is_left_after_a_prepayment(self):
        self.vipps.vipps_capture_mode = 'automatic'
        tx = self._buy(self._line(self.sweater, 5), prepayment_percent=0.3, amount=150)
        self._start_tour('vipps_pos_sale_prepaid', order=tx.sale_order_ids.name)

    def test_cashier_opens_an_order_without_our_payment_as_ever(self):
        order = self._create_order(order_line=[self._line(self.sweater, 5)])
        self._start_tour('vipps_pos_sale_other', order=order.name)
