# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from datetime import datetime

from markupsafe import Markup

from odoo import _, api, fields, models
from odoo.tools import format_amount, format_date, format_datetime

from ...trust import get_readable

# The states that a customer brings a payment to: `False` when it was not read yet.
CUSTOMER_STATES = (False, 'CREATED', 'AUTHORIZED', 'ABORTED')


class PaymentTransaction(models.Model):
    _inherit = 'payment.transaction'

    vipps_status = fields.Char(
        string="Vipps MobilePay Status", compute='_compute_vipps_status'
    )
    vipps_timeline = fields.Html(
        string="History", compute='_compute_vipps_timeline', sanitize=False
    )
    vipps_operation_ids = fields.Many2many(
        string="Captures, Releases and Refunds",
        comodel_name='payment.transaction',
        compute='_compute_vipps_operation_ids',
    )
    vipps_operator = fields.Char(
        string="By", compute='_compute_vipps_operator', compute_sudo=True
    )
    vipps_is_refundable = fields.Boolean(
        compute='_compute_vipps_is_refundable', compute_sudo=True
    )

    vipps_payment_count = fields.Integer(
        string="Payments", compute='_compute_vipps_payment_count', compute_sudo=True
    )

    #=== COMPUTE METHODS ===#

    @api.depends(
        'provider_code', 'operation', 'state', 'amount', 'source_transaction_id',
        'vipps_payment_reference', 'vipps_payment_state', 'vipps_authorized_amount',
        'vipps_captured_amount', 'vipps_refunded_amount', 'vipps_remaining_amount',
        'vipps_capture_deadline', 'vipps_guaranteed_until', 'vipps_capture_mode',
    )
    @api.depends_context('lang', 'tz')
    def _compute_vipps_status(self):
        for tx in self:
            if tx.provider_code != 'vipps':
                tx.vipps_status = False
            elif tx.vipps_payment_reference:
                tx.vipps_status = " ".join(tx._vipps_describe_payment())
            else:
                tx.vipps_status = tx._vipps_describe_operation()

    @api.depends('vipps_event_log')
    @api.depends_context('lang', 'tz')
    def _compute_vipps_timeline(self):
        for tx in self:
            events = [tx._vipps_prepare_event(event) for event in tx.vipps_event_log or ()]
            tx.vipps_timeline = bool(events) and self.env['ir.qweb']._render(
                'mobilepay_vipps.payment_timeline', {'events': events}
            )

    @api.depends('child_transaction_ids.child_transaction_ids')
    def _compute_vipps_operation_ids(self):
        for tx in self:
            # Refunds are children of the capture that they give back.
            tx.vipps_operation_ids = (
                tx.child_transaction_ids | tx.child_transaction_ids.child_transaction_ids
            )

    @api.depends('state', 'create_uid', 'vipps_psp_reference', 'vipps_idempotency_key')
    @api.depends_context('lang')
    def _compute_vipps_operator(self):
        for tx in self:
            if tx._vipps_is_done_elsewhere():
                tx.vipps_operator = _("Vipps MobilePay portal")
            else:
                tx.vipps_operator = tx.create_uid.name

    @api.depends('state', 'child_transaction_ids.state', 'payment_id')
    def _compute_vipps_is_refundable(self):
        for tx in self:
            tx.vipps_is_refundable = tx._vipps_is_refundable()

    @api.depends('payment_id', 'child_transaction_ids.payment_id')
    def _compute_vipps_payment_count(self):
        for tx in self:
            tx.vipps_payment_count = len(get_readable(tx)._vipps_get_booked_payments())

    #=== BUSINESS METHODS - STATUS ===#

    def _vipps_describe_payment(self):
        """ Return the course of the payment, as sentences for the staff. """
        if self.state == 'error':
            return [_("Something is not right with this payment: compare it with Vipps MobilePay"
                      " before you deliver.")]
        unpaid_sentences = {
            'ABORTED': _("The customer cancelled the payment in the app. Nothing was charged."),
            'EXPIRED': _("The customer did not approve the payment in time. Nothing was charged."),
            'TERMINATED': _("The payment was cancelled before the customer approved it. Nothing was"
                            " charged."),
            'CANCELLED': _("The reservation was released. Nothing was charged."),
        }
        if self.vipps_payment_state in unpaid_sentences:
            return [unpaid_sentences[self.vipps_payment_state]]
        if self.state == 'cancel':
            return [_("The payment was cancelled. Nothing was charged.")]
        if self.vipps_payment_state in (False, 'CREATED'):
            return [_("The customer has not approved the payment yet.")]
        return [
            *filter(None, [self._vipps_describe_captured(), self._vipps_describe_refunded()]),
            *self._vipps_describe_reserved(),
        ]

    def _vipps_get_summary(self):
        """ Return the main facts of the payment, as sentences for the staff. """
        if self.vipps_difference:
            return _("Odoo and Vipps MobilePay do not agree. %s", self.vipps_difference)
        return self.vipps_status

    def _vipps_describe_captured(self):
        captured, remaining = self.vipps_captured_amount, self.vipps_remaining_amount
        if self.currency_id.is_zero(captured):
            return None
        amounts = {
            'captured': self._vipps_format(captured),
            'authorized': self._vipps_format(self.vipps_authorized_amount),
        }
        if not self.currency_id.compare_amounts(captured, self.vipps_authorized_amount):
            return _("Captured in full: %(captured)s", **amounts)
        if self.currency_id.is_zero(remaining):
            return _("Captured %(captured)s of %(authorized)s. The rest was released.", **amounts)
        return _("Captured %(captured)s of %(authorized)s.", **amounts)

    def _vipps_describe_refunded(self):
        if self.currency_id.is_zero(self.vipps_refunded_amount):
            return None
        refunded = self._vipps_format(self.vipps_refunded_amount)
        if not self.currency_id.compare_amounts(
            self.vipps_refunded_amount, self.vipps_captured_amount
        ):
            return _("Refunded %s: the customer got back everything.", refunded)
        return _(
            "Refunded %(refunded)s of %(captured)s.",
            refunded=refunded, captured=self._vipps_format(self.vipps_captured_amount),
        )

    def _vipps_describe_reserved(self):
        """ Return the next step for the amount that is still reserved, as sentences for the staff.
        """
        if self.currency_id.is_zero(self.vipps_remaining_amount):
            return []
        values = {
            'amount': self._vipps_format(self.vipps_remaining_amount),
            'guaranteed': format_date(self.env, self.vipps_guaranteed_until, date_format='long'),
            'deadline': format_date(self.env, self.vipps_capture_deadline, date_format='long'),
        }
        sentences = [_("Reserved: %(amount)s.", **values)]
        if self.vipps_capture_mode == 'on_delivery':
            sentences.append(_("Captured automatically on delivery."))
        now = fields.Datetime.now()
        if not self.vipps_capture_deadline:
            return sentences
        if self.vipps_capture_deadline < now:
            sentences.append(_("The last day of capture was %(deadline)s: try it now, and do not"
                               " deliver before it is captured.", **values))
        elif not self.vipps_guaranteed_until:
            sentences.append(_("It can be captured until %(deadline)s.", **values))
        elif self.vipps_guaranteed_until < now:
            sentences.append(_("It was guaranteed until %(guaranteed)s. A capture can still succeed"
                               " until %(deadline)s: do not deliver before it is captured.",
                               **values))
        else:
            sentences.append(_("It is guaranteed until %(guaranteed)s, and can be captured until"
                               " %(deadline)s.", **values))
        return sentences

    def _vipps_describe_operation(self):
        """ Return the outcome of a capture, release or refund, as a sentence for the staff. """
        values = {
            'amount': self._vipps_format(abs(self.amount)),
            'payment': self._vipps_get_root().reference,
        }
        if self.operation == 'refund':
            if self.state == 'done':
                return _("Refunded %(amount)s of payment %(payment)s.", **values)
            if self.state in ('cancel', 'error'):
                return _("The refund of %(amount)s of payment %(payment)s did not succeed.",
                         **values)
            return _("The refund of %(amount)s of payment %(payment)s is not confirmed yet.",
                     **values)
        if self.state == 'done':
            return _("Captured %(amount)s of payment %(payment)s.", **values)
        if self.state == 'cancel':
            return _("Released %(amount)s of payment %(payment)s. It is not charged.", **values)
        return _("The capture of %(amount)s of payment %(payment)s is not confirmed yet.", **values)

    def _vipps_format(self, amount):
        return format_amount(self.env, amount, self.currency_id)

    #=== BUSINESS METHODS - HISTORY ===#

    def _vipps_prepare_event(self, event):
        amount = self.env['vipps.api.client']._to_major(event['amount'], self.currency_id)
        return {
            'name': self._vipps_name_event(event['name']),
            'time': format_datetime(
                self.env, datetime.fromisoformat(event['time']), dt_format=False
            ),
            'amount': self._vipps_format(amount),
            'psp_reference': event['psp_reference'],
            'success': event['success'],
        }

    def _vipps_name_event(self, name):
        """ Return an event of Vipps MobilePay in words. """
        return {
            'CREATED': _("Payment started"),
            'AUTHORIZED': _("Approved by the customer"),
            'ABORTED': _("Cancelled by the customer"),
            'EXPIRED': _("Not approved in time"),
            'TERMINATED': _("Cancelled before it was approved"),
            'CAPTURED': _("Captured"),
            'CANCELLED': _("Released"),
            'REFUNDED': _("Refunded"),
            'CHECKED_IN': _("Customer scanned a sticker"),
        }.get(name, _("Something else happened"))

    #=== BUSINESS METHODS - OPERATIONS ===#

    def _vipps_get_booked_payments(self):
        """ Return the payments in the books of all that was captured and refunded of a payment. """
        if not self.vipps_payment_reference:
            return self.env['account.payment']
        return (self._vipps_get_captures() | self._vipps_get_refunds()).payment_id

    def _vipps_is_refundable(self):
        """ Hook: return whether something is left of the payment that staff can refund. """
        return bool(self._vipps_get_refundable_payments())

    def _vipps_get_refundable_payments(self):
        """ Return the posted payments of captures of this transaction that something is left to
        refund of. """
        if self.provider_code != 'vipps' or self.operation == 'refund':
            return self.env['account.payment']
        captures = self if self.source_transaction_id else self._vipps_get_captures()
        return captures.payment_id.filtered(
            lambda p: p.state == 'posted' and p.amount_available_for_refund > 0
        )

    #=== BUSINESS METHODS - LOGGING ===#

    def _log_message_on_linked_documents(self, message):
        """ Override of `sale` and `account_payment` to name who did it: core takes everything that
        happens to a payment for something that the customer did. """
        if self.provider_code != 'vipps':
            return super()._log_message_on_linked_documents(message)

        root = self._vipps_get_root()
        author = self._vipps_get_author()
        for document in (
            *root.sale_order_ids, *(root.invoice_ids | self.invoice_ids),
            *self.source_transaction_id.payment_id,
        ):
            document.message_post(body=message, author_id=author.id)

    def _vipps_get_author(self):
        """ Return the author of the messages that are written to the documents; OdooBot if nobody
        in Odoo caused them. """
        if self.env.user._is_internal() and not self._vipps_is_done_elsewhere():
            return self.env.user.partner_id
        is_payment = not self.source_transaction_id and self.state != 'error'
        if is_payment and self.vipps_payment_state in CUSTOMER_STATES:
            return self.partner_id
        return self.env.ref('base.partner_root')

    def _vipps_is_done_elsewhere(self):
        """ Return whether a capture or refund was made in the portal of Vipps MobilePay: then its
        event is known and has no key of ours. Releases never have one. """
        return bool(
            self.state == 'done' and self.vipps_psp_reference and not self.vipps_idempotency_key
        )

    def _log_sent_message(self):
        """ Override of `payment` to write only the outcome of a refund, as for captures. """
        payments = self.filtered(lambda t: t.provider_code != 'vipps' or t.operation != 'refund')
        return super(PaymentTransaction, payments)._log_sent_message()

    def _get_received_message(self):
        """ Override of `payment` to describe the change in the words and the language of the staff.
        """
        if self.provider_code != 'vipps':
            return super()._get_received_message()
        self = self._vipps_in_staff_language()
        values = {'amount': self._vipps_format(abs(self.amount)), 'payment': self.reference}
        if self.source_transaction_id:
            message = self._vipps_describe_operation()
        elif self.state == 'authorized':
            message = _(
                "The customer approved payment %(payment)s. %(amount)s is reserved.", **values
            )
        elif self.state == 'done':
            message = _("Captured %(amount)s of payment %(payment)s.", **values)
        else:
            message = _("Payment %(payment)s of %(amount)s was not completed.", **values)
            if self.state_message:
                message += Markup("<br/>") + _("The customer saw: %s", self.state_message)
        if self._vipps_is_done_elsewhere():
            message += " " + _("That was done in the Vipps MobilePay portal.")
        return message
