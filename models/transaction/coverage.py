# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import _, models


class PaymentTransaction(models.Model):
    """ Payments that cover too much or too little of their documents, which changed since, or were
    paid otherwise: the activities of the staff. """
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

    def _vipps_follow_up_change(self, is_new):
        """ Report to the staff that the documents changed, or were paid otherwise, and take that
        back when it is settled. """
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
        """ Hook: return the change of the documents that people have to know of.

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
        notes = {
            'dearer': _(
                "The total was %(before)s when the customer started to pay, and is %(now)s now, so"
                " the order is not confirmed. %(amount)s is reserved and waits, and the customer"
                " reads that you will get in touch. Agree on the order with the customer. Then"
                " confirm it and ask for the rest with a payment link, or change it back, or"
                " release the reservation.", **values,
            ),
            'paid': _(
                "%(amount)s was reserved for a total of %(now)s, but other payments leave only"
                " %(left)s to capture. Capture no more than that, and release the rest.", **values,
            ),
            'manual': _(
                "The total was %(before)s when the customer started to pay %(amount)s, and is"
                " %(now)s now. Capture at most %(left)s, and release the rest.", **values,
            ),
            'on_delivery': _(
                "The total was %(before)s when the customer started to pay %(amount)s, and is"
                " %(now)s now. Make sure that the order is what the customer wants, and mark this"
                " as done. Only what you deliver is captured.", **values,
            ),
            'automatic': _(
                "The total was %(before)s when the customer started to pay %(amount)s, and is"
                " %(now)s now. Only what is left to pay now is captured, and the rest is released."
                " Make sure that the order is what the customer wants, and mark this as done.",
                **values,
            ),
        }
        note = notes[self.vipps_capture_mode if change == 'cheaper' else change]
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

    #=== BUSINESS METHODS - UNCOVERED ORDERS ===#

    def _vipps_follow_up_unpaid(self):
        """ Hook: inform the salesperson about delivered goods of the orders that no payment covers,
        or about an amount that is no longer covered since a reservation was released, and take it
        back when it is settled.

        However many payments an order has, its first one tells it.
        """
        approved_txs = self.sale_order_ids.transaction_ids.filtered(
            lambda tx: tx.vipps_payment_reference and tx.vipps_authorized_amount > 0
        )
        if not approved_txs:
            return
        tx = approved_txs.sorted('id')[0].with_company(self.company_id)._vipps_in_staff_language()
        reason, amount = tx._vipps_find_unpaid()
        told = tx._vipps_get_told('unpaid') or ''
        told_reason, _separator, told_amount = told.partition(' ')
        if not reason:
            if told_reason:
                tx._vipps_keep_told('unpaid', None)
                tx._vipps_end_activity(
                    'unpaid', _("The delivered goods are paid, or going to be.")
                )
            return
        is_worse = reason != told_reason and told_reason != 'delivered' or (
            tx.currency_id.compare_amounts(amount, float(told_amount or 0)) > 0
        )
        if f'{reason} {amount:.6f}' == told:
            return
        if is_worse or tx._vipps_get_activities('unpaid'):
            tx._vipps_tell_unpaid(reason, amount)
        tx._vipps_keep_told('unpaid', f'{reason} {amount:.6f}')

    def _vipps_find_unpaid(self):
        """ Return the amount of the orders that payments and reservations do not cover.

        :return: The reason: `delivered`, or `released` if nothing of it is delivered yet; and the
                 amount, in major units. None and 0 if everything is covered.
        """
        orders = self.sale_order_ids.filtered(lambda order: order.state == 'sale')
        txs = orders.transaction_ids
        covered_amount = self._vipps_get_paid_amount() + sum(
            tx._vipps_get_reserved_amount() for tx in txs
        )
        asked_amount = self._vipps_get_asked_amount(orders)

        def get_uncovered(amount):
            return self.currency_id.round(min(amount, asked_amount) - covered_amount)

        amount = get_uncovered(self._vipps_get_delivered_amount())
        if amount > 0:
            return 'delivered', amount
        amount = get_uncovered(sum(orders.mapped('amount_total')))
        if amount > 0 and any(tx._vipps_get_releases() for tx in txs) and not all(
            order._vipps_is_closed() for order in orders
        ):
            return 'released', amount
        return None, 0

    def _vipps_get_asked_amount(self, orders):
        """ Return the amount that customers were asked for, plus the amount paid otherwise. If that
        is less than the orders were worth then, the rest is to be paid in another way.

        :return: The amount, in major units; infinite if customers were asked for all of it.
        """
        asked_txs = orders.transaction_ids.filtered(
            lambda tx: tx.state in ('authorized', 'done') or tx.vipps_authorized_amount > 0
        )
        amount = sum(asked_txs.mapped('amount')) + sum(
            order._vipps_get_amount_paid_otherwise() for order in orders
        )
        total_amount = max(asked_txs.mapped('vipps_document_amount'), default=0)
        is_part = self.currency_id.compare_amounts(amount, total_amount) < 0
        return amount if is_part else float('inf')

    def _vipps_tell_unpaid(self, reason, amount):
        """ Create an activity for the salesperson about an uncovered amount.

        :param str reason: See :meth:`_vipps_find_unpaid`.
        :param float amount: The amount, in major units.
        """
        amount = self._vipps_format(amount)
        summary, note = {
            'delivered': (None, _(
                "%s is delivered and not paid, and nothing is reserved for it. Ask the customer for"
                " it, with a payment link or an invoice. This disappears when it is paid. If it is"
                " settled in another way, mark it as done.", amount,
            )),
            'released': (_("Payment %s no longer covers the order", self.reference), _(
                "The reservation was released, and %s of the order is not paid. Ask the customer to"
                " pay again, with a payment link, before you deliver. This disappears when it is"
                " paid. If it is settled in another way, mark it as done.", amount,
            )),
        }[reason]
        self._vipps_schedule_activity('unpaid', note, summary)
