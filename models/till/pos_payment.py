# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import _, api, fields, models
from odoo.exceptions import AccessError, UserError
from odoo.tools import format_amount

# The states of an order that is not sold, or no longer.
UNFINISHED_STATES = ('draft', 'cancel')


class PosPayment(models.Model):
    _inherit = 'pos.payment'

    # Core deletes and creates the payments of a draft order with each synchronization.
    vipps_uuid = fields.Char(
        help="The key by which the till knows this payment.",
        copy=False,
        readonly=True,
        index='btree_not_null',
    )
    vipps_transaction_id = fields.Many2one(
        string="Vipps MobilePay Transaction",
        comodel_name='payment.transaction',
        copy=False,
        readonly=True,
        index='btree_not_null',
        ondelete='restrict',
    )

    #=== CRUD METHODS ===#

    @api.model_create_multi
    def create(self, values_list):
        """ Override of `point_of_sale` to let nobody claim a payment: cashiers create these. """
        for values in values_list:
            if values.get('vipps_transaction_id'):
                self._vipps_check_system()
        payments = super().create(values_list)
        payments._vipps_check_finished()
        return payments

    def write(self, values):
        """ Override of `point_of_sale` to let nobody claim a payment, nor change a paid one. """
        if 'vipps_transaction_id' in values:
            self._vipps_check_system()
        is_other = bool(
            {'amount', 'payment_method_id', 'pos_order_id', 'vipps_uuid'} & values.keys()
        )
        if is_other and not self.env.su and self.sudo().vipps_transaction_id:
            raise AccessError(_(
                "A payment made with Vipps MobilePay cannot be edited. Refund the order instead."
            ))
        res = super().write(values)
        if is_other:
            self._vipps_check_finished()
        return res

    @api.ondelete(at_uninstall=False)
    def _unlink_except_paid_with_vipps(self):
        self._vipps_check_removable()

    def _vipps_check_removable(self):
        if self.sudo()._vipps_filter_finished().vipps_transaction_id:
            raise UserError(_(
                "A payment made with Vipps MobilePay stays in its order. Refund the order instead."
            ))

    def _vipps_check_system(self):
        if not self.env.su:
            raise AccessError(_("Payments of Vipps MobilePay can only be linked by Odoo itself."))

    def _vipps_check_finished(self):
        """ Ensure that nothing is claimed in orders that nobody checks again. """
        self._vipps_filter_finished()._vipps_check_paid()

    def _vipps_filter_finished(self):
        return self.filtered(lambda p: p.pos_order_id.state not in UNFINISHED_STATES)

    #=== BUSINESS METHODS ===#

    def _export_for_ui(self, payment):
        """ Override of `point_of_sale` to let each till know the payment by the same key. """
        return {
            **super()._export_for_ui(payment),
            'vipps_uuid': payment.vipps_uuid,
            'vipps_reference': payment.sudo().vipps_transaction_id.reference,
        }

    def _vipps_prepare_attempt(self, session):
        """ Return the values that link an attempt, or a refund, with its payment. """
        return {
            'vipps_pos_session_id': session.id,
            'vipps_pos_method_id': self.payment_method_id.id,
            'vipps_pos_reference': self.pos_order_id.pos_reference,
            'vipps_pos_order_id': self.pos_order_id.id,
            'vipps_pos_order_total': self.pos_order_id.amount_total,
            'vipps_pos_uuid': self.vipps_uuid,
        }

    def _vipps_link(self):
        """ Link the payments with the attempts that they stand for, and copy the known facts of
        those. """
        for payment in self.sudo().filtered(
            lambda p: p.vipps_uuid and p.payment_method_id.use_payment_terminal == 'vipps'
        ):
            tx = self.env['payment.transaction'].sudo()._vipps_find_attempt(
                payment.pos_order_id, payment.vipps_uuid
            )
            payment.vipps_transaction_id = tx
            if tx and tx._vipps_get_till_state() in ('paid', 'refunded'):
                payment.write({
                    'transaction_id': tx.reference,
                    'card_type': payment.payment_method_id.name,
                    'ticket': tx._vipps_get_ticket(),
                })

    def _vipps_check_paid(self):
        """ Ensure that the payments of a finished order are paid or refunded at Vipps MobilePay,
        with their amounts, and each once. """
        payments_sudo = self.sudo().filtered(
            lambda p: p.payment_method_id.use_payment_terminal == 'vipps'
            and (p.amount or p.vipps_transaction_id)
        )
        payments_sudo.vipps_transaction_id._vipps_touch()
        for payment in payments_sudo:
            tx = payment.vipps_transaction_id
            others = tx.vipps_pos_payment_ids - payment
            if (
                tx._vipps_get_till_state() != ('paid' if payment.amount > 0 else 'refunded')
                or payment.currency_id.compare_amounts(tx._vipps_get_till_amount(), payment.amount)
                or tx.currency_id != payment.currency_id
                or tx.vipps_pos_method_id != payment.payment_method_id
                or tx.vipps_pos_is_alone
                or others._vipps_filter_finished()
                or others & payment.pos_order_id.payment_ids
            ):
                raise UserError(_(
                    "%(amount)s of order %(order)s is not paid with %(method)s. Open the payments"
                    " of the order again: they show what is paid, and what is left to ask for.",
                    amount=format_amount(self.env, payment.amount, payment.currency_id),
                    order=payment.pos_order_id.pos_reference, method=payment.payment_method_id.name,
                ))
