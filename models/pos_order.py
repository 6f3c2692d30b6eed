# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import _, api, models
from odoo.exceptions import UserError
from odoo.tools import format_amount


class PosOrder(models.Model):
    _inherit = 'pos.order'

    #=== BUSINESS METHODS - SYNCHRONIZATION ===#

    @api.model
    def create_from_ui(self, orders, draft=False):
        """ Override of `point_of_sale` to collide with whoever works on the same payments here,
        where Odoo starts anew by itself, and not where core logs that as an error. """
        self.check_access_rights('write')
        uuids = [
            payment['vipps_uuid'] for order in orders
            for _command, _id, payment in order['data']['statement_ids']
            if isinstance(payment.get('vipps_uuid'), str)
        ]
        if uuids and not draft:
            self.env.cr.execute(
                "UPDATE pos_order SET id = id WHERE state = 'draft' AND pos_reference = ANY(%s)",
                [[order['data']['name'] for order in orders]], log_exceptions=False,
            )
            self.env.cr.execute(
                "UPDATE payment_transaction SET id = id WHERE vipps_pos_uuid = ANY(%s)",
                [uuids], log_exceptions=False,
            )
        return super().create_from_ui(orders, draft)

    @api.model
    def _payment_fields(self, order, ui_paymentline):
        """ Override of `point_of_sale` to keep what the till knows the payment by. """
        return {
            **super()._payment_fields(order, ui_paymentline),
            'vipps_uuid': ui_paymentline.get('vipps_uuid'),
        }

    def _process_payment_lines(self, pos_order, order, pos_session, draft):
        """ Override of `point_of_sale` to let no order be paid because a browser says so.

        :raise UserError: If a payment of Vipps MobilePay is not what the browser says.
        """
        super()._process_payment_lines(pos_order, order, pos_session, draft)
        order.payment_ids._vipps_link()
        if not draft:
            order._vipps_check_payments()

    def write(self, values):
        """ Override of `point_of_sale` to check the payments on all ways that finish an order, and
        to let no payment lose its order.

        :raise UserError: If a payment of Vipps MobilePay is not made, or would belong to no order.
        """
        if 'pos_reference' in values:
            self.filtered(
                lambda o: o.pos_reference != values['pos_reference']
            )._vipps_check_nothing_paid()
        if 'state' in values:
            unfinished = self.filtered(lambda o: o.state in ('draft', 'cancel'))
            if values['state'] not in ('draft', 'cancel'):
                unfinished._vipps_check_payments()
            elif (self - unfinished).sudo().payment_ids.vipps_transaction_id:
                raise UserError(_(
                    "What was paid with Vipps MobilePay stays in its order. Refund the order"
                    " instead."
                ))
        return super().write(values)

    @api.ondelete(at_uninstall=False)
    def _unlink_except_paid_with_vipps(self):
        self._vipps_check_nothing_paid()

    def _vipps_check_nothing_paid(self):
        """ Ensure that no payment would belong to no order if these were gone.

        :return: None
        :raise UserError: If one would.
        """
        unsettled_sudo = self._vipps_get_attempts()._vipps_filter_unsettled()
        if unsettled_sudo:
            raise UserError(_(
                "Order %s cannot be deleted or renamed: a customer is paying or has paid it. Open"
                " the order, and cancel the payment or give the money back.",
                ", ".join(set(unsettled_sudo.mapped('vipps_pos_reference'))),
            ))

    def get_and_set_online_payments_data(self, next_online_payment_amount=False):
        """ Override of `pos_online_payment` to keep the draft: an order that is not paid online is
        deleted otherwise, to be created again. """
        if next_online_payment_amount == 0 and self._vipps_get_attempts()._vipps_filter_unsettled():
            next_online_payment_amount = False
        return super().get_and_set_online_payments_data(next_online_payment_amount)

    def _vipps_check_payments(self):
        """ Ensure that what is paid with Vipps MobilePay is paid, and that nothing is left out.

        What a till finished without a connection is taken as it is: the customer is gone. What was
        left out of that shows when the session is closed.

        :return: None
        :raise UserError: If it is not; it says what to do.
        """
        self.payment_ids._vipps_check_paid()
        if self.env.context.get('is_receipt_printed'):
            return
        for order_sudo in self.sudo():
            txs = order_sudo._vipps_get_attempts()._vipps_filter_done()
            tx = (txs - order_sudo.payment_ids.vipps_transaction_id)[:1]
            if tx:
                raise UserError(_(
                    "%(amount)s of order %(order)s are paid or refunded with %(method)s, but that"
                    " is missing here. Open the payments of the order again.",
                    amount=format_amount(self.env, tx.amount, tx.currency_id),
                    order=order_sudo.pos_reference, method=tx.vipps_pos_method_id.name,
                ))

    def _vipps_get_attempts(self):
        """ Return the attempts to pay the orders, and to refund them, oldest first.

        :rtype: payment.transaction
        """
        return self.env['payment.transaction'].sudo()._vipps_search_attempts(
            self.filtered('pos_reference').mapped('pos_reference'), self.config_id
        )

    #=== BUSINESS METHODS - RECEIPT IN THE APP ===#

    def _vipps_prepare_receipt_lines(self):
        """ Return the lines of the order for the receipt in the app, in major units; without tips,
        which have a place of their own. """
        return [{
            'id': str(line.id),
            'name': line.full_product_name or line.product_id.display_name,
            'quantity': abs(line.qty),
            'total': line.price_subtotal_incl,
            'tax': line.price_subtotal_incl - line.price_subtotal,
            'tax_rate': self.env['payment.transaction']._vipps_get_tax_rate(
                line.tax_ids_after_fiscal_position
            ),
            'is_shipping': False,
        } for line in self.lines - self._vipps_get_tip_lines()]

    def _vipps_get_tip_lines(self):
        tip_product = self.config_id.tip_product_id
        return self.lines.filtered(lambda line: tip_product and line.product_id == tip_product)

    def _vipps_prepare_till_values(self, uuid):
        """ Return what else the receipt in the app tells of the till.

        :param str uuid: The key of the payment that is not to count as another one.
        :return: Amounts in major units.
        :rtype: dict
        """
        amounts = {'cash': 0, 'bank': 0}
        for payment in self.payment_ids.filtered(lambda p: p.vipps_uuid != uuid):
            # Whatever is paid in another way makes the lines not add up: then no receipt is sent.
            amounts[payment.payment_method_id.type] = amounts.get(
                payment.payment_method_id.type, 0
            ) + payment.amount
        return {
            'pos_id': self.config_id.name,
            'receipt_number': self.pos_reference,
            'tip_amount': sum(self._vipps_get_tip_lines().mapped('price_subtotal_incl')),
            'cash_amount': amounts['cash'],
            'card_amount': amounts['bank'],
        }
