# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import SUPERUSER_ID, _, models

from ..jobs.task import DONE


class PaymentTransaction(models.Model):
    """ Messages to customers about approved payments, about payments that end, and about
    reservations that are released. """
    _inherit = 'payment.transaction'

    #=== BUSINESS METHODS - STATUS ===#

    def _vipps_explain_end(self, payment_state):
        """ Return the reason for the end of an unpaid payment, for the customer and the staff. """
        # A payment that never was a reservation in Odoo was released because nobody needed it.
        if payment_state == 'CANCELLED' and self.state != 'authorized':
            if self._vipps_is_document_cancelled():
                return _(
                    "The order was cancelled before you approved the payment. It was released"
                    " immediately: nothing has been charged."
                )
            if self._vipps_is_paid_otherwise():
                return _(
                    "This is the second payment for the same order. It was released immediately:"
                    " you are charged only for the first one."
                )
        aborted_text = _("The payment was cancelled in the app. Nothing has been charged.")
        if self.vipps_scopes:
            aborted_text += " " + _(
                "If you do not want to share data, choose another payment method."
            )
        return {
            'ABORTED': aborted_text,
            'EXPIRED': _("The payment was not approved in time. Nothing has been charged."),
            'TERMINATED': _("The payment was cancelled. Nothing has been charged."),
            'CANCELLED': _("The reserved amount was released. Nothing has been charged."),
        }[payment_state]

    def _vipps_explain_failure(self):
        """ Return the message to the customer about a payment that was not paid. """
        later_txs = (self.sale_order_ids or self.invoice_ids).transaction_ids.filtered(
            lambda tx: tx.id > self.id and tx.provider_code == 'vipps' and tx.state == 'draft'
        )
        if self.vipps_payment_state == 'TERMINATED' and later_txs:
            return _(
                "You started to pay in another window, so this payment was cancelled. Nothing has"
                " been charged. Go on in the other window."
            )
        return self.state_message

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

    #=== BUSINESS METHODS - RELEASES ===#

    def _vipps_get_released_order(self):
        """ Return the order whose customer is told of a release: one that was confirmed. """
        return self.sale_order_ids.filtered(lambda order: order.state in ('sale', 'cancel'))[:1]

    def _vipps_do_release_message(self):
        """ Inform the customer that a reservation was released, or lowered, after the order was
        confirmed: without a word, it looks as if the order was paid.

        The mail is left to the queue: a mail server that hangs holds nothing up here.
        """
        amount = self.amount
        self = self._vipps_get_root()._vipps_in_customer_language()
        order = self._vipps_get_released_order()
        if order:
            author = order.user_id.partner_id or order.company_id.partner_id
            order.with_user(SUPERUSER_ID).with_context(
                lang=self.env.lang, mail_notify_force_send=False
            ).message_post(
                subject=_("Your payment for order %s", order.name),
                body=self._vipps_explain_release(order, amount),
                author_id=author.id,
                partner_ids=order.partner_id.ids,
                subtype_xmlid='mail.mt_comment',
            )
        self = self._vipps_in_staff_language()
        self._vipps_end_activity('mail', _("The mail was sent."))
        return DONE

    def _vipps_explain_release(self, order, amount):
        values = {
            'amount': self._vipps_format(amount),
            'order': order.name,
            'captured': self._vipps_format(self._vipps_get_captured_amount()),
        }
        sentences = []
        if order.state == 'cancel':
            sentences.append(_("Order %(order)s is cancelled.", **values))
        if self.currency_id.is_zero(self._vipps_get_captured_amount()):
            sentences.append(_(
                "The reservation of %(amount)s for order %(order)s is released. You have not been"
                " charged.", **values,
            ))
        else:
            sentences.append(_(
                "You have been charged %(captured)s for order %(order)s. The rest of the"
                " reservation, %(amount)s, is released: you are not charged for it.", **values,
            ))
        sentences.append(_(
            "It can take your bank a few days to show this. If you still expect something of this"
            " order, please contact us."
        ))
        return " ".join(sentences)
