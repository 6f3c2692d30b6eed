# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import logging

from odoo import _, api, models
from odoo.exceptions import UserError
from odoo.tools import format_amount

from odoo.addons.payment import utils as payment_utils

from ...patience import WAITING_SECONDS
from ...step_log import log_step
from ..api.client import VippsError
from .pos_payment import UNFINISHED_STATES

_logger = logging.getLogger(__name__)


class PaymentTransaction(models.Model):
    """ Refunds at a till. Each is stored before it is asked for, so that no event of it is taken
    for a refund that somebody else made. """
    _inherit = 'payment.transaction'

    #=== BUSINESS METHODS - STORING ===#

    @api.model
    def _vipps_store_refund(self, payment, session):
        """ Store a refund to the payment with which the returned products were paid.

        :param pos.payment payment: The payment of the refund order; its amount is negative.
        """
        amount = -payment.amount
        root = self._vipps_choose_refunded(payment, amount)
        payment.pos_order_id._vipps_check_returned_value(payment, amount)
        root._vipps_check_enabled()
        root._vipps_lock_for_person()
        currency = root.currency_id
        capture_tx = root._vipps_get_captures().filtered(
            lambda tx: currency.compare_amounts(tx._vipps_get_refundable_amount(), amount) >= 0
        )[:1]
        # A reserved amount is captured before it is refunded.
        refund_tx = (capture_tx or root)._create_child_transaction(
            amount, is_refund=True, **payment._vipps_prepare_attempt(session),
        )
        # It stays the same until Vipps MobilePay refuses it: a cashier that asks again after a
        # refund that seemed to have failed does not make it twice.
        refund_tx.vipps_idempotency_key = self.env['vipps.api.client']._get_idempotency_key(
            root, 'refund', amount,
            (payment.vipps_uuid, root._vipps_count_refusals('refund', amount)),
        )
        root._vipps_watch()
        return refund_tx

    @api.model
    def _vipps_choose_refunded(self, payment, amount):
        """ Return the payment that is refunded: one with which the returned products were paid. """
        refunded_orders = payment.pos_order_id.lines.refunded_orderline_id.order_id.filtered(
            lambda order: order.company_id == payment.company_id
        )
        roots = refunded_orders.payment_ids.vipps_transaction_id.filtered(
            lambda tx: tx.operation != 'refund'
        ).sorted('id')
        currency = payment.currency_id
        left_amounts = {root: root._vipps_get_till_amount() for root in roots}
        for root, left_amount in left_amounts.items():
            if currency.compare_amounts(left_amount, amount) >= 0:
                return root
        most = max(left_amounts.values(), default=0)
        method = payment.payment_method_id.name
        if currency.is_zero(most):
            raise UserError(_(
                "These products cannot be refunded with %s: they were paid in another way, or are"
                " refunded already. Refund them the way they were paid.",
                method,
            ))
        raise UserError(_(
            "At most %(amount)s can be refunded to one payment with %(method)s. Enter that amount,"
            " and refund the rest with another line.",
            amount=format_amount(self.env, most, currency), method=method,
        ))

    #=== BUSINESS METHODS - REFUNDING ===#

    def _vipps_start_refund(self):
        """ Make the stored refund; this may be called again, and refunds once. """
        self.ensure_one()
        is_wanted = self._vipps_claim_order()
        root = self._vipps_get_root()
        if not root._vipps_lock(wait=WAITING_SECONDS) or self.state != 'draft':
            return
        if not is_wanted:
            self._vipps_drop_refund()
            return
        try:
            root._vipps_sync()
            if self.state != 'draft':
                return
            left_amount = min(
                root._vipps_get_refundable_amount(),
                self._vipps_get_pos_order()._vipps_get_returned_value(),
            )
            if self.currency_id.compare_amounts(left_amount, -self.amount) < 0:
                self._set_canceled(
                    _("This payment is not captured yet. Try again in a few minutes.")
                    if root.state == 'authorized' else
                    _("This payment was refunded in the meantime. Look at the order again.")
                )
                return
            root._vipps_execute('refund', -self.amount, txs=self)
        except VippsError as error:
            if not error.is_recorded:
                log_step(
                    _logger, 'refunded', self, outcome=error.outcome, error=error.log_text
                )
            if not error.is_unknown:
                self._set_canceled(str(error))

    def _vipps_drop_refund(self):
        """ Drop a stored refund that was not done, for a cashier who wants something else. """
        self.ensure_one()
        root = self._vipps_get_root()
        if not root._vipps_lock(wait=WAITING_SECONDS):
            return
        if self.state == 'draft' and not root._vipps_try(root._vipps_sync) and (
            self.state == 'draft'
        ):
            self._set_canceled(_("The refund was cancelled. Nothing has been refunded."))

    #=== BUSINESS METHODS - CONVERGING ===#

    def _vipps_get_till_refunds(self):
        """ Return the refunds of the payment that tills have stored, in any state. """
        children = self.child_transaction_ids
        return (children | children.child_transaction_ids).filtered(
            lambda tx: tx.operation == 'refund' and tx.vipps_pos_session_id
        )

    def _vipps_get_stored_refunds(self):
        """ Return the refunds of tills that are stored and not confirmed. """
        return self._vipps_get_till_refunds().filtered(lambda tx: tx.state == 'draft')

    def _vipps_choose_child(self, name, amount, own_tx, event):
        """ Override to know a refund that was stored before it was asked for by its key.

        Vipps MobilePay does not always give the key: then its amount has to do.
        """
        stored_txs = self._vipps_get_stored_refunds() if name == 'REFUNDED' else self.browse()
        key = event and event.idempotency_key
        return (
            key and stored_txs.filtered(lambda tx: tx.vipps_idempotency_key == key)
            or super()._vipps_choose_child(name, amount, own_tx, event)
            or not key and stored_txs.filtered(
                lambda tx: not tx.currency_id.compare_amounts(-tx.amount, amount)
            )[:1]
        )

    #=== BUSINESS METHODS - BACK OFFICE ===#

    def _vipps_is_refundable(self):
        """ Override to refund payments at tills, which have no payment of their own in the books.
        """
        if self.vipps_pos_session_id:
            return self.operation != 'refund' and self._vipps_get_refundable_amount() > 0
        return super()._vipps_is_refundable()

    def action_vipps_refund(self):
        """ Override to refund payments at tills, which have no payment of their own in the books.
        """
        if not self.sudo().vipps_pos_session_id:
            return super().action_vipps_refund()
        payment_utils.check_rights_on_recordset(self)
        self.ensure_one()
        self.sudo()._ensure_provider_is_not_disabled()
        wizard = self.env['vipps.till.refund.wizard'].create({'transaction_id': self.id})
        return {
            'name': _("Refund"),
            'type': 'ir.actions.act_window',
            'res_model': wizard._name,
            'res_id': wizard.id,
            'view_mode': 'form',
            'target': 'new',
        }


class PosOrder(models.Model):
    """ The limit of a refund order: browsers name the products and their prices. """
    _inherit = 'pos.order'

    #=== BUSINESS METHODS ===#

    def _vipps_check_returned_value(self, payment, amount):
        """ Ensure that no more is refunded than the returned products were sold for. """
        left_value = self._vipps_get_returned_value()
        if self.currency_id.compare_amounts(amount, left_value) > 0:
            raise UserError(_(
                "At most %(amount)s can be refunded with %(method)s: no more is left of the price"
                " of the returned products. Enter that amount.",
                amount=format_amount(self.env, max(left_value, 0), self.currency_id),
                method=payment.payment_method_id.name,
            ))

    def _vipps_get_returned_value(self):
        """ Return the part of the price of the returned products that is left to refund, in major
        units. """
        self.ensure_one()
        value = self._vipps_round_for_app(sum(
            lines._vipps_get_returned_value()
            for lines in self.lines.grouped('refunded_orderline_id').values()
        ))
        done_sudo = self._vipps_get_attempts()._vipps_filter_done()
        left_value = value + sum(done_sudo.mapped('amount'))
        # Taxes may have been rounded for each line, or for the whole order.
        missing = abs(self.amount_total) - value
        if 0 < missing <= self.currency_id.rounding * len(self.lines):
            left_value += missing
        return self.currency_id.round(left_value)


class PosOrderLine(models.Model):
    _inherit = 'pos.order.line'

    def _vipps_get_returned_value(self):
        """ Return the amount that lines of a refund order may give back of the line that they
        refund: no more than is left of its price.

        :return: The amount, in major units; below zero for a discount that is taken back.
        """
        original = self.refunded_orderline_id
        if original.company_id != self.company_id:
            return 0
        other_lines = (original.refund_orderline_ids - self).filtered(
            lambda line: line.order_id.state not in UNFINISHED_STATES
            or line.order_id._vipps_get_attempts()._vipps_filter_done()
        )
        left_value = original.price_subtotal_incl + sum(
            other_lines.mapped('price_subtotal_incl')
        )
        return min(-sum(self.mapped('price_subtotal_incl')), left_value)
