# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import SUPERUSER_ID, _, models

from ..jobs.task import DONE


class PaymentTransaction(models.Model):
    """ Messages to customers about payments that end, and about reservations that are released. """
    _inherit = 'payment.transaction'

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

    def _vipps_get_released_order(self):
        """ Return the order whose customer is told of a release: one that was confirmed. """
        return self.sale_order_ids.filtered(lambda order: order.state in ('sale', 'cancel'))[:1]

    def _vipps_do_release_message(self):
        """ Inform the customer that a reservation was released, or lowered, after the order was
        confirmed: without a word, it looks as if the order was paid.

        The mail is left to the queue: a mail server that hangs holds nothing up here. """
        root_tx = self._vipps_get_root()
        order = root_tx._vipps_get_released_order()
        if order:
            tx = root_tx._vipps_in_customer_language()
            company_partner = order.company_id.partner_id
            order.with_user(SUPERUSER_ID).with_context(
                lang=tx.env.lang, mail_notify_force_send=False
            ).message_post(
                subject=tx._vipps_get_release_subject(order),
                body=tx._vipps_explain_release(order, self.amount),
                author_id=(order.user_id.partner_id or company_partner).id,
                partner_ids=order.partner_id.ids,
                subtype_xmlid='mail.mt_comment',
            )
        root_tx._vipps_in_staff_language()._vipps_end_activity('mail', _("The mail was sent."))
        return DONE

    def _vipps_get_release_subject(self, order):
        return _("Your payment for order %s", order.name)

    def _vipps_explain_release(self, order, amount):
        """ Return the message to the customer about a release. """
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
