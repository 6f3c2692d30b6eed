# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from .delivery_common import DeliveryCommon
from .pos_common import PosCommon


class PosSaleCommon(DeliveryCommon, PosCommon):
    """ A till that opens orders of the shop, with `pos_sale`. """

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.cashier.groups_id += cls.env.ref('sales_team.group_sale_salesman_all_leads')
        cls.down_payment = cls.env['product.product'].create({
            'name': "Down Payment", 'type': 'service', 'taxes_id': [(5, 0, 0)],
            'available_in_pos': True,
        })
        cls.config.down_payment_product_id = cls.down_payment

    def _prepare_settlement(self, order, quantity=None, method=None, payments=None, **values):
        """ Return the data of a till that settles an order, or a part of it. """
        line = order.order_line.filtered(lambda line: not line.is_downpayment)
        quantity = line.product_uom_qty if quantity is None else quantity
        amount = quantity * line.price_unit
        return self._prepare_ui_order(
            amount,
            lines=[self._prepare_ui_line(
                amount, product_id=line.product_id.id, qty=quantity, price_unit=line.price_unit,
                sale_order_origin_id={'id': order.id, 'name': order.name},
                sale_order_line_id={'id': line.id},
            )],
            payments=payments or [self._prepare_ui_payment(amount, method or self.cash_method)],
            **values,
        )

    def _prepare_down_payment(self, order, amount):
        """ Return the data of a till that takes a down payment of an order. """
        return self._prepare_ui_order(
            amount,
            lines=[self._prepare_ui_line(
                amount, product_id=self.down_payment.id,
                sale_order_origin_id={'id': order.id, 'name': order.name},
            )],
            payments=[self._prepare_ui_payment(amount, self.cash_method)],
        )
