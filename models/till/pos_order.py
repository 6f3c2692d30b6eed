# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import _, api, models
from odoo.exceptions import UserError
from odoo.tools import format_amount

from ...source import TILL, Fact
from ...trust import clean
from ..jobs.serialize import serialize
from .pos_payment import UNFINISHED_STATES


class PosOrder(models.Model):
    _inherit = 'pos.order'

    #=== BUSINESS METHODS - SYNCHRONIZATION ===#

    @api.model
    def create_from_ui(self, orders, draft=False):
        """ Override of `point_of_sale` to collide with other work on the same payments here, where
        Odoo starts anew, and not where core logs that as an error. """
        self.check_access_rights('write')
        if not draft:
            self._vipps_prepare_finishing(orders)
        return super().create_from_ui(orders, draft)

    @api.model
    def _vipps_prepare_finishing(self, orders):
        """ Lock the orders that browsers finish, and their payments. Leave out the payments that
        were asked for and never made, or given back: they would be on the receipt. Sent once more,
        they are still the same orders to core.

        :param list[dict] orders: The orders as browsers send them, which are changed.
        """
        uuids = self._vipps_list_uuids(orders)
        if not uuids:
            return
        txs_sudo = self.env['payment.transaction'].sudo().search([('vipps_pos_uuid', 'in', uuids)])
        live_uuids = txs_sudo.filtered(
            lambda tx: tx._vipps_get_till_state() not in ('unpaid', 'returned')
        ).mapped('vipps_pos_uuid')
        for order in orders:
            order['data']['statement_ids'] = [
                command for command in order['data']['statement_ids']
                if command[2].get('amount') or command[2].get('vipps_uuid') in live_uuids
                or command[2].get('vipps_uuid') not in uuids
            ]
        uuids = self._vipps_list_uuids(orders)
        if uuids:
            serialize(self.sudo().search([
                ('state', '=', 'draft'),
                ('pos_reference', 'in', [order['data']['name'] for order in orders]),
            ]))
            txs_sudo.filtered(lambda tx: tx.vipps_pos_uuid in uuids)._vipps_touch()

    @api.model
    def _vipps_list_uuids(self, orders):
        """ Return the keys of our payments in orders as browsers send them. """
        keys = [
            command[2].get('vipps_uuid') for order in orders
            for command in order['data']['statement_ids']
        ]
        return [key for key in keys if isinstance(key, str) and key.isprintable()]

    @api.model
    def _process_order(self, order, draft, existing_order):
        """ Override of `point_of_sale` to let the total of an order that is being finished be less
        than the customer has paid: there is change. A draft that is emptied is not to be paid. """
        if existing_order and not draft:
            existing_order = existing_order.with_context(vipps_finishing=Fact(True))
        elif existing_order and not order['data']['lines']:
            existing_order._vipps_cancel_questions()
        return super()._process_order(order, draft, existing_order)

    def _vipps_cancel_questions(self):
        """ Cancel the payments that customers are asked for, unless they have approved them. """
        for tx_sudo in self._vipps_get_attempts()._vipps_filter_open():
            if tx_sudo.operation != 'refund':
                clean(tx_sudo).with_company(tx_sudo.company_id).with_context(
                    vipps_source=TILL
                )._vipps_cancel_attempt()

    @api.model
    def _payment_fields(self, order, ui_paymentline):
        """ Override of `point_of_sale` to keep the key by which the till knows the payment. """
        return {
            **super()._payment_fields(order, ui_paymentline),
            'vipps_uuid': ui_paymentline.get('vipps_uuid'),
        }

    def _process_payment_lines(self, pos_order, order, pos_session, draft):
        """ Override of `point_of_sale` to let no order be paid because a browser says so. """
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
        if values.get('amount_total') is not None:
            self._vipps_check_not_lowered(values['amount_total'])
        if 'state' not in values:
            return super().write(values)
        unfinished = self.filtered(lambda o: o.state in UNFINISHED_STATES)
        if values['state'] not in UNFINISHED_STATES:
            unfinished._vipps_check_payments()
        else:
            (self - unfinished).sudo().payment_ids._vipps_check_removable()
            if values['state'] == 'cancel':
                unfinished._vipps_check_nothing_paid()
        # Asked before: for a finished order, no attempt is open any longer.
        open_sudo = unfinished._vipps_get_attempts()._vipps_filter_open()
        res = super().write(values)
        # The job cancels the payments that customers are still asked for.
        self.env['vipps.task']._schedule(open_sudo.filtered(
            lambda tx: tx.operation != 'refund' and tx._vipps_is_paid_otherwise()
        ), 'capture')
        return res

    @api.ondelete(at_uninstall=False)
    def _unlink_except_paid_with_vipps(self):
        self._vipps_check_nothing_paid()

    def _vipps_check_nothing_paid(self):
        """ Ensure that no payment would belong to no order if these were gone. """
        unsettled_sudo = self._vipps_get_attempts()._vipps_filter_unsettled()
        if unsettled_sudo:
            raise UserError(_(
                "Order %s cannot be deleted, cancelled or renamed: a customer is paying or has paid"
                " it. Open the order, and cancel or refund the payment.",
                ", ".join(set(unsettled_sudo.mapped('vipps_pos_reference'))),
            ))

    def _vipps_check_not_lowered(self, amount_total):
        """ Ensure that the totals of drafts do not sink below the amounts that customers pay or
        have paid. """
        if isinstance(self.env.context.get('vipps_finishing'), Fact):
            return
        for order in self.filtered(lambda o: o.state == 'draft'):
            currency = order.currency_id
            if currency.compare_amounts(abs(amount_total), abs(order.amount_total)) >= 0:
                continue
            unsettled_sudo = order._vipps_get_attempts()._vipps_filter_unsettled()
            amount = sum(abs(tx._vipps_get_till_amount()) for tx in unsettled_sudo)
            if currency.compare_amounts(abs(order._vipps_round_for_app(amount_total)), amount) < 0:
                raise UserError(_(
                    "Order %(order)s cannot become less than %(amount)s, which a customer is paying"
                    " or has paid. Cancel or refund the payment first.",
                    order=order.pos_reference, amount=format_amount(self.env, amount, currency),
                ))

    def _vipps_check_payments(self):
        """ Ensure that the payments with Vipps MobilePay are paid, and that none is left out.

        An order that a till finished without a connection is taken as it is: the customer is gone.
        A payment that was left out of it shows when the session is closed.
        """
        self.payment_ids._vipps_check_paid()
        if self.env.context.get('is_receipt_printed'):
            return
        for order_sudo in self.sudo():
            txs = order_sudo._vipps_get_attempts()._vipps_filter_done()
            tx = (txs - order_sudo.payment_ids.vipps_transaction_id)[:1]
            if tx:
                raise UserError(_(
                    "%(amount)s of order %(order)s is paid or refunded with %(method)s, but that is"
                    " missing here. Open the payments of the order again.",
                    amount=format_amount(self.env, tx.amount, tx.currency_id),
                    order=order_sudo.pos_reference, method=tx.vipps_pos_method_id.name,
                ))

    def _vipps_get_attempts(self):
        """ Return the attempts to pay the orders, and to refund them, oldest first. """
        if not self.env['pos.payment.method']._vipps_is_known():
            return self.env['payment.transaction'].sudo()
        pos_references = self.filtered('pos_reference').mapped('pos_reference')
        txs_sudo = self.env['payment.transaction'].sudo().search([
            '|', ('vipps_pos_order_id', 'in', self.ids),
            ('vipps_pos_reference', 'in', pos_references),
        ], order='id')
        if not txs_sudo:
            return txs_sudo  # Orders that are paid otherwise cost no more than that.
        # Of those whose order is gone, it has to be the number that leads to another copy of it.
        orphans_sudo = txs_sudo._vipps_search_attempts(pos_references, self.config_id).filtered(
            lambda tx: not tx.vipps_pos_order_id and any(
                tx._vipps_is_for_order(order) for order in self
                if order.pos_reference == tx.vipps_pos_reference
            )
        )
        return txs_sudo.filtered(lambda tx: tx.vipps_pos_order_id in self or tx in orphans_sudo)

    #=== BUSINESS METHODS - RECEIPT IN THE APP ===#

    def _vipps_round_for_app(self, amount):
        """ Return an amount of the order as an app can pay it, whether or not a part is paid in
        cash. """
        if self.config_id.only_round_cash_method:
            return self.currency_id.round(amount)
        return self._get_rounded_amount(amount)

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
        """ Return the values of the till that the receipt in the app has beside the lines.

        :param str uuid: The key of the payment that is not to count as another one.
        :return: Amounts in major units.
        """
        def sum_of(kind):
            # A payment made in another way keeps the lines from adding up: then no receipt is sent.
            return sum(self.payment_ids.filtered(
                lambda p: p.vipps_uuid != uuid and p.payment_method_id.type == kind
            ).mapped('amount'))

        return {
            'pos_id': self.config_id.name,
            'receipt_number': self.pos_reference,
            'tip_amount': sum(self._vipps_get_tip_lines().mapped('price_subtotal_incl')),
            'cash_amount': sum_of('cash'),
            'card_amount': sum_of('bank'),
        }
