# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import _, models


class PaymentTransaction(models.Model):
    """ Payments whose documents changed since they were started, or were paid otherwise: the
    messages to the customer, and the activities of the staff. """
    _inherit = 'payment.transaction'

    #=== BUSINESS METHODS - CHANGES ===#

    def _vipps_is_total_changed(self):
        """ Return whether the total of the documents is not, or lately was not, the one that the
        payment was started with. """
        return bool(self._vipps_get_told('change') or self.vipps_document_amount and (
            self.currency_id.compare_amounts(
                self._vipps_get_total_amount(), self.vipps_document_amount
            )
        ))

    def _vipps_is_waiting_for_order(self):
        """ Return whether the payment no longer confirms its orders since they became dearer. """
        orders = self.sale_order_ids.filtered(lambda order: order.state in ('draft', 'sent'))
        now_amount, then_amount = self._vipps_get_total_amount(), self.vipps_document_amount
        if not orders or not then_amount or (
            self.currency_id.compare_amounts(now_amount, then_amount) <= 0
        ):
            return False
        # Prepayments need to reach a part of the total only.
        required_amount = sum(order._get_prepayment_required_amount() for order in orders)
        paid_amount = self.amount + sum(
            tx._vipps_get_used_amount(self) for tx in orders.transaction_ids - self
        ) + sum(order._vipps_get_amount_paid_otherwise() for order in orders)
        then_required_amount = self.currency_id.round(then_amount * max(
            order.prepayment_percent if order.require_payment else 1 for order in orders
        ))
        return (
            self.currency_id.compare_amounts(paid_amount, required_amount) < 0
            and self.currency_id.compare_amounts(paid_amount, then_required_amount) >= 0
        )

    def _vipps_is_lowered(self):
        """ Return whether the documents became cheaper than the amount that the customer approved.
        """
        return bool(self.vipps_document_amount) and (
            self.currency_id.compare_amounts(
                self._vipps_get_total_amount(), self.vipps_document_amount
            ) < 0
            and self.currency_id.compare_amounts(
                self._vipps_get_due_amount() - self._vipps_get_held_amount(later=False),
                self.amount,
            ) < 0
        )

    #=== BUSINESS METHODS - FOLLOW-UP ===#

    def _vipps_follow_up_change(self, is_new=False):
        """ Report to the staff that the documents changed, or were paid otherwise, and take that
        back when it is settled. """
        if self.state not in ('authorized', 'done', 'cancel'):
            return
        change = self._vipps_get_change(is_new)
        told = self._vipps_get_told('change') or ''
        is_waiting = change == 'dearer'
        if is_waiting != told.startswith('dearer '):
            self.state_message = is_waiting and (
                self._vipps_in_customer_language()._vipps_explain_waiting()
            )
        if not change:
            if told:
                self._vipps_keep_told('change', None)
                self._vipps_in_staff_language()._vipps_end_activity(
                    'change', _("This is settled.")
                )
            return
        signature = f'{change} {self._vipps_get_total_amount():.6f}'
        if told != signature:
            self._vipps_keep_told('change', signature)
            self._vipps_in_staff_language()._vipps_tell_change(change)

    def _vipps_get_change(self, is_new):
        """ Return the change of the documents that people have to know of.

        :param bool is_new: Whether the customer has just approved the payment.
        :return: `dearer` if the payment waits for the order, `cheaper` if the documents became
                 cheaper than the approved amount, `paid` if other payments leave too little to
                 capture, or None.
        """
        if not self.vipps_document_amount or not self.vipps_authorized_amount or (
            self._vipps_is_document_cancelled()
        ):
            return None
        is_reserved = self.state == 'authorized'
        if self._vipps_is_waiting_for_order():
            return 'dearer' if is_reserved else None
        is_too_much = is_reserved and self.currency_id.compare_amounts(
            self.vipps_remaining_amount, self._vipps_get_left_amount()
        ) > 0
        if self.vipps_capture_mode == 'manual':
            if not is_too_much:
                return None
            return 'cheaper' if self._vipps_is_lowered() else 'paid'
        if not self._vipps_is_lowered():
            return None
        # A salesperson who lowers an order later knows that, and the delivered goods are captured.
        is_told = is_new or (self._vipps_get_told('change') or '').startswith('cheaper ')
        if self.vipps_capture_mode == 'automatic' and self.state != 'cancel':
            is_told = is_too_much or self._vipps_get_released_amount() > 0
        return 'cheaper' if is_told else None

    def _vipps_tell_change(self, change):
        """ Create an activity about changed documents. """
        values = {
            'before': self._vipps_format(self.vipps_document_amount),
            'now': self._vipps_format(self._vipps_get_total_amount()),
            'amount': self._vipps_format(self.amount),
            'left': self._vipps_format(self._vipps_get_left_amount()),
        }
        if change == 'dearer':
            note = _(
                "The total was %(before)s when the customer started to pay, and is %(now)s now, so"
                " the order is not confirmed. %(amount)s is reserved and waits, and the customer"
                " reads that you will get in touch. Agree on the order with the customer. Then"
                " confirm it and ask for the rest with a payment link, or change it back, or"
                " release the reservation.", **values,
            )
        elif change == 'paid':
            note = _(
                "%(amount)s was reserved for a total of %(now)s, but other payments leave only"
                " %(left)s to capture. Capture no more than that, and release the rest.", **values,
            )
        elif self.vipps_capture_mode == 'manual':
            note = _(
                "The total was %(before)s when the customer started to pay %(amount)s, and is"
                " %(now)s now. Capture at most %(left)s, and release the rest.", **values,
            )
        elif self.vipps_capture_mode == 'on_delivery':
            note = _(
                "The total was %(before)s when the customer started to pay %(amount)s, and is"
                " %(now)s now. Make sure that the order is what the customer wants, and mark this"
                " as done. Only what you deliver is captured.", **values,
            )
        else:
            note = _(
                "The total was %(before)s when the customer started to pay %(amount)s, and is"
                " %(now)s now. Only what is left to pay now is captured, and the rest is released."
                " Make sure that the order is what the customer wants, and mark this as done.",
                **values,
            )
        self._vipps_schedule_activity('change', note)

    def _vipps_tell_paid_otherwise(self, amount):
        """ Inform people that Odoo has released a reservation that they would have decided on. """
        self = self._vipps_in_staff_language()  # `_` takes the language of the variable named self.
        self._vipps_schedule_activity(
            'released',
            _("Other payments cover all of it, so the reservation of %s was released: the customer"
              " is not charged. Make sure that you really have the other payments, and mark this as"
              " done.", self._vipps_format(amount)),
        )

    #=== BUSINESS METHODS - TEXTS FOR CUSTOMERS ===#

    def _vipps_explain_waiting(self):
        """ Return the message to the customer about a payment that waits for the order. """
        return _(
            "Your order changed while you paid, so it is not confirmed yet. The amount is reserved,"
            " and nothing has been charged. We will contact you: please do not pay again."
        )

    def _vipps_get_status_message(self):
        """ Return the message to the customer about an approved payment, in place of that of the
        provider, which is about a delivery; or None. """
        if self.provider_code != 'vipps' or self.state != 'authorized':
            return None
        if self._vipps_is_waiting_for_order():
            return _("Your payment is approved.") + " "
        if self.vipps_capture_mode != 'automatic' and not self.sale_order_ids:
            return _("Your payment is approved. The amount is reserved, and we will charge it soon."
                     " You need not do anything more.")
        return None

    def _update_source_transaction_state(self):
        """ Override of `payment` to let customers read how much was charged, and not how core keeps
        account of it. """
        super()._update_source_transaction_state()
        for tx in self.source_transaction_id.filtered(
            lambda t: t.provider_code == 'vipps' and t.operation != 'refund' and t.state == 'done'
        ):
            tx.state_message = tx._vipps_in_customer_language()._vipps_explain_charged()

    def _vipps_explain_charged(self):
        """ Return the message to the customer about a payment that was captured in parts; False if
        all of it was charged. """
        captured_amount = self._vipps_get_captured_amount()
        if not self.currency_id.compare_amounts(captured_amount, self.amount):
            return False
        return _(
            "%(captured)s of %(amount)s was charged. The rest was released: it is not charged.",
            captured=self._vipps_format(captured_amount), amount=self._vipps_format(self.amount),
        )
