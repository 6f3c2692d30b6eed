# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from datetime import timedelta

from odoo import _, fields, models
from odoo.exceptions import UserError
from odoo.tools import format_amount

from .payment_transaction import LIFETIME

# After this time nobody can approve a payment any more, whether or not it could be read.
GIVE_UP_AGE = LIFETIME + timedelta(minutes=5)


class PaymentTransaction(models.Model):
    """ The decisions of managers that let a session be closed. """
    _inherit = 'payment.transaction'

    # Its outcome is unknown: the session was closed all the same.
    vipps_pos_is_given_up = fields.Boolean(copy=False, readonly=True)

    #=== BUSINESS METHODS - WITHOUT AN ANSWER ===#

    def _vipps_may_give_up(self):
        """ Return whether the session may be closed although the outcome of the attempt is unknown:
        nobody can approve it any more. """
        return (
            bool(self) and self._vipps_get_till_state() in ('unknown', 'waiting')
            and self.state == 'draft' and fields.Datetime.now() - self.create_date > GIVE_UP_AGE
        )

    def _vipps_give_up(self):
        """ Let the session be closed although the outcome of the attempt is unknown. The attempt is
        read until its outcome is known; an approved payment that is not captured is released then.

        :return: None
        :raise UserError: If the customer may still approve it.
        """
        self.ensure_one()
        root = self._vipps_get_root()
        root._vipps_lock_for_person()
        if self.state != 'draft':
            return
        if not self._vipps_may_give_up():
            raise UserError(_(
                "The customer may still approve this payment. Cancel it, or wait until %s minutes"
                " have passed since it was started.", int(GIVE_UP_AGE.total_seconds() // 60),
            ))
        self._set_canceled(_("It is not known whether the customer has paid."))
        self.vipps_pos_is_given_up = True
        root._vipps_watch()
        amount = format_amount(self.env, abs(self.amount), self.currency_id)
        self = self._vipps_in_staff_language()  # `_` looks for the language in `self`.
        if self.operation == 'refund':
            note = _(
                "It is not known yet whether %(amount)s of order %(order)s were refunded: Vipps"
                " MobilePay did not answer. Odoo keeps asking, and books the refund if it was made."
                " This disappears when it is known.",
                amount=amount, order=self.vipps_pos_reference,
            )
        else:
            note = _(
                "It is not known yet whether a customer has approved %(amount)s for order"
                " %(order)s: Vipps MobilePay did not answer. Odoo keeps asking, and releases the"
                " payment if it was approved. This disappears when it is known.",
                amount=amount, order=self.vipps_pos_reference,
            )
        self._vipps_schedule_activity('given_up', note)

    def _vipps_get_given_up(self):
        """ Return the transactions of the payment that were given up: itself, or refunds at
        tills. """
        children = self.child_transaction_ids
        return (self | children | children.child_transaction_ids).filtered('vipps_pos_is_given_up')

    def _vipps_is_decision_open(self):
        """ Override to look at a transaction that was given up until its outcome is known. """
        return super()._vipps_is_decision_open() or bool(self._vipps_get_given_up())

    def _vipps_follow_up(self):
        """ Override to end the activities for transactions that were given up: now their outcome is
        known. """
        super()._vipps_follow_up()
        for tx in self._vipps_get_given_up():
            tx.vipps_pos_is_given_up = False
            tx._vipps_in_staff_language()._vipps_end_activity(
                'given_up', _("It is known now how this payment stands.")
            )

    #=== BUSINESS METHODS - WITHOUT AN ORDER ===#

    def _vipps_may_be_booked_alone(self):
        """ Return whether the customer has paid for an order that is not finished with it. """
        return self._vipps_get_till_state() == 'paid' and not self._vipps_is_attached()

    def _vipps_book_without_order(self):
        """ Book the customer's payment outside of the session, which then can be closed without
        refunding it. From now on, no order can be paid with it.

        :return: None
        :raise UserError: If it was not paid, or if it cannot be booked.
        """
        self.ensure_one()
        self._vipps_lock_for_person()  # Nobody finishes the order with it from now on.
        if self.vipps_pos_is_alone:
            return
        if not self._vipps_may_be_booked_alone():
            raise UserError(_(
                "Payment %s is not paid, or it is part of a finished order.", self.reference
            ))
        problem = self._vipps_find_booking_problem()
        if problem:
            raise UserError(problem)
        self.vipps_pos_is_alone = True
        # Its refunds were not booked either. A reservation is booked when it is captured.
        for tx in self._vipps_get_captures() | self._vipps_get_refunds():
            if tx.is_post_processed and not tx.payment_id:
                tx.with_company(tx.company_id)._create_payment()
        amount = format_amount(self.env, self._vipps_get_till_amount(), self.currency_id)
        self = self._vipps_in_staff_language()
        self._vipps_schedule_activity(
            'alone',
            _("%(amount)s were paid for order %(order)s, which was not finished. The payment was"
              " booked without the sale: make an invoice for it, or refund the payment. Then mark"
              " this as done.", amount=amount, order=self.vipps_pos_reference),
        )
