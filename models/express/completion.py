# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from datetime import timedelta

from odoo import _, fields, models
from odoo.exceptions import UserError

from ..jobs.task import DONE, LATER
from ..transaction.follow_up import FAILED

# For how long the data of the customer are waited for, before somebody is told.
DETAILS_PERIOD = timedelta(minutes=15)


class PaymentTransaction(models.Model):
    """ The order of an approved payment gets its customer and its delivery, and is confirmed if it
    is worth what was approved. Until then nothing is captured. """
    _inherit = 'payment.transaction'

    #=== BUSINESS METHODS - WAITING ===#

    def _vipps_is_express_open(self):
        """ Return whether the order still is as it was when the payment was started. """
        return self.vipps_is_express and not self.vipps_is_express_complete and any(
            order.state in ('draft', 'sent') for order in self.sale_order_ids
        )

    def _vipps_get_total_amount(self):
        """ Override to compare carts without the delivery that they may have had before. """
        if not self._vipps_is_express_open():
            return super()._vipps_get_total_amount()
        return sum(order._vipps_get_goods_amount() for order in self.sale_order_ids)

    def _vipps_is_waiting_for_order(self):
        """ Override to capture nothing before the order is worth what was approved. """
        return self._vipps_is_express_open() or super()._vipps_is_waiting_for_order()

    def _vipps_get_change(self, is_new):
        """ Override: such an order has not changed, it is not complete. """
        return None if self._vipps_is_express_open() else super()._vipps_get_change(is_new)

    def _vipps_get_result(self):
        """ Override to announce to the customer that somebody will get in touch, if the order does
        not fit. """
        if self.state == 'authorized' and self._vipps_is_express_open():
            return 'contact' if self.vipps_express_problem else 'authorized'
        return super()._vipps_get_result()

    def _vipps_follow_up(self):
        """ Override to take the activity back when somebody has decided. """
        super()._vipps_follow_up()
        self._vipps_end_express_problem()

    def _vipps_end_follow_up(self):
        """ Override to take the activity back when somebody has decided. """
        super()._vipps_end_follow_up()
        self._vipps_get_root()._vipps_end_express_problem()

    def _vipps_end_express_problem(self):
        if self.vipps_express_problem and not (
            self._vipps_is_express_open() and self._vipps_is_anything_paid()
        ):
            self.vipps_express_problem = False
            self._vipps_in_staff_language()._vipps_end_activity('express', _("This is settled."))

    #=== BUSINESS METHODS - COMPLETING ===#

    def _vipps_prepare_documents(self):
        """ Override to complete the order. That is committed, and confirmed by the next task: if
        the confirmation fails, the payment is captured all the same. """
        outcome = super()._vipps_prepare_documents()
        if outcome != DONE or not self._vipps_is_express_open():
            return outcome
        if not self._vipps_has_express_details():
            if self.create_date > fields.Datetime.now() - DETAILS_PERIOD:
                return LATER
            return self._vipps_report_express(_(
                "Vipps MobilePay has not said who the customer is and where to deliver. Look into"
                " the portal."
            ))
        if not self.vipps_is_express_contact_set:  # Afterwards, the staff may have corrected it.
            self._vipps_set_express_contact()
            self.vipps_is_express_contact_set = True
        self = self._vipps_in_staff_language()
        try:
            with self.env.cr.savepoint():
                self._vipps_complete_express_order()
        except UserError as error:
            return self._vipps_report_express(str(error))
        self.write({
            'vipps_is_express_complete': True,
            'vipps_document_amount': self.sale_order_ids.amount_total,
        })
        self._vipps_end_express_problem()
        for kind in ('capture', 'confirm'):
            self.env['vipps.task']._schedule(self, kind)
        return LATER if self.state == 'authorized' else DONE

    def _check_amount_and_confirm_order(self):
        """ Override of `sale` not to confirm an order that is not complete. """
        open_txs = self.filtered(lambda t: t._vipps_get_root()._vipps_is_express_open())
        return super(PaymentTransaction, self - open_txs)._check_amount_and_confirm_order()

    def _vipps_has_express_details(self):
        """ Return whether the data of the customer are there, after asking for them once more. """
        if self._vipps_is_known() or self.vipps_user_info_state == 'erased':
            return self._vipps_is_known()
        self._vipps_fetch_user_info()
        self.env['vipps.task']._schedule(self, 'verify')  # The delivery is in the payment.
        return self._vipps_is_known()

    def _vipps_is_known(self):
        is_delivered = self.vipps_express_offer.get('is_delivered')
        address = (self.vipps_express_choice or {}).get('address')
        name = (self.vipps_user_details or {}).get('name')
        return bool(name and (address or not is_delivered))

    def _vipps_report_express(self, reason):
        """ Create an activity about an order that was not confirmed. """
        tx = self._vipps_in_staff_language()
        if self.vipps_express_problem != reason:
            self.vipps_express_problem = reason
            tx._vipps_schedule_activity('express', _(
                "%(reason)s The customer approved %(amount)s, which is reserved, and reads that you"
                " will get in touch. The order is worth %(total)s. Change the order so that it is"
                " what the customer wants, and confirm it, or release the reservation.",
                reason=reason, amount=self._vipps_format(self.amount),
                total=self._vipps_format(sum(self.sale_order_ids.mapped('amount_total'))),
            ))
        return FAILED

    def _vipps_complete_express_order(self):
        """ Give the order the delivery that the customer chose, at the price that was approved.

        :raise UserError: If the order is not worth what was approved then; the sentence is for the
                          staff.
        """
        order, offer = self.sale_order_ids, self.vipps_express_offer
        used_reward = order._vipps_find_used_reward()
        if used_reward:
            raise UserError(used_reward)
        if len(order) != 1 or order._vipps_read_cart()[1] != offer['cart']:
            raise UserError(_(
                "The cart, or a discount in it, was changed after the customer had started to pay."
            ))
        order = order.with_context(tracking_disable=True).with_company(order.company_id)
        if offer.get('is_delivered'):
            option = self._vipps_find_chosen_option()
            carrier = self.env['delivery.carrier'].browse(option['carrier']).exists()
            if not carrier:
                raise UserError(_("The delivery method was deleted."))
            order.carrier_id = False  # The address of a pick-up would be replaced.
            order.set_delivery_line(carrier, option['price_unit'])
            if carrier.delivery_type == 'onsite' and carrier.warehouse_id:
                order.warehouse_id = carrier.warehouse_id
        else:
            order.carrier_id = False
            order._remove_delivery_line()
        order._vipps_update_rewards()
        if self.currency_id.compare_amounts(order.amount_total, self.amount):
            raise UserError(_(
                "With the delivery, the order would be worth %s, which is not what the customer"
                " approved.", self._vipps_format(order.amount_total),
            ))

    def _vipps_find_chosen_option(self):
        """ Return the option that the customer chose.

        :raise UserError: If it was not offered, or not at this price, or not for this address.
        """
        choice, offer = self.vipps_express_choice, self.vipps_express_offer
        option = offer['options'].get(choice['option'])
        if not option:
            raise UserError(_("The customer chose a delivery that was not offered."))
        if choice['amount'] is None or self.currency_id.compare_amounts(
            choice['amount'], option['amount']
        ):
            raise UserError(_(
                "The delivery was offered for %s, and approved for another price.",
                self._vipps_format(option['amount']),
            ))
        address = self.sale_order_ids.partner_shipping_id
        if address.country_id.code not in offer['countries'] or not self._vipps_is_taxed_as_shown(
            {'country_id': address.country_id.id, 'zip': address.zip}
        ):
            raise UserError(_(
                "The customer chose an address in a country, or a place, to which Express does not"
                " deliver."
            ))
        return option
