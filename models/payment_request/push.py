# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from datetime import timedelta

from odoo import _, fields, models
from odoo.exceptions import ValidationError
from odoo.fields import Command

from ... import const
from ..jobs.task import DONE, FOLLOW_UP, KINDS, KINDS_BY_JOB, LATER, MONEY

KINDS['push'] = (MONEY, timedelta(minutes=1), timedelta(hours=1))
KINDS['request_mail'] = (FOLLOW_UP, timedelta(minutes=1), timedelta(hours=1))
KINDS['withdraw'] = (FOLLOW_UP, timedelta(minutes=1), timedelta(hours=6))
KINDS_BY_JOB[MONEY] += ('push',)
KINDS_BY_JOB[FOLLOW_UP] += ('request_mail', 'withdraw')

# The refusals of a sales unit that may not send payment requests as they are sent here: no consent,
# no approval, the time, no order lines.
# https://developer.vippsmobilepay.com/docs/APIs/epayment-api/api-guide/features/long-living-payments/
UNIT_ERRORS = ('5050', '5080', '6110', '6120', '6130')


class VippsTask(models.Model):
    """ The tasks of payment requests. """
    _inherit = 'vipps.task'

    kind = fields.Selection(
        selection_add=[
            ('push', "Send Payment Request"), ('request_mail', "Send Payment Request by Mail"),
            ('withdraw', "Withdraw Payment Request"),
        ],
        ondelete={'push': 'cascade', 'request_mail': 'cascade', 'withdraw': 'cascade'},
    )


class VippsPaymentRequest(models.Model):
    """ Payment requests that are sent as push messages. """
    _inherit = 'vipps.payment.request'

    def _vipps_create_push_payment(self):
        """ Create the transaction of the payment. It is committed before it is requested: it can be
        approved before we have the answer. """
        provider = self._vipps_find_offering_provider(self.amount)
        invoices = [Command.set(self.invoice_ids.ids)]
        Transaction = self.env['payment.transaction'].sudo()
        self.transaction_id = Transaction.create({
            'provider_id': provider.id,
            'payment_method_id': provider._vipps_get_payment_method(self.currency_id).id,
            'reference': Transaction._compute_reference('vipps', invoice_ids=invoices),
            'amount': self.amount,
            'currency_id': self.currency_id.id,
            'partner_id': self.partner_id.id,
            'operation': 'online_direct',
            'invoice_ids': invoices,
            'vipps_user_flow': 'PUSH_MESSAGE',
            # A request is sent for goods that are delivered.
            'vipps_capture_mode': 'automatic',
            'vipps_request_id': self.id,
        })
        self.env['vipps.task']._schedule(self.transaction_id, 'push')


class PaymentTransaction(models.Model):
    """ Payments that are requested on the phone of a customer, and open for days. """
    _inherit = 'payment.transaction'

    vipps_request_id = fields.Many2one(
        string="Payment Request", comodel_name='vipps.payment.request', copy=False, readonly=True,
        ondelete='set null', index='btree_not_null',
        groups='account.group_account_invoice,base.group_system',
    )

    #=== BUSINESS METHODS - SENDING ===#

    def _vipps_do_push(self):
        """ Create the payment, which sends the push message. If that is refused, a mail follows.

        Repetitions carry the same values, and cannot create a second payment.
        """
        if not self._vipps_lock():
            return self._vipps_wait_with_push()
        if self.state != 'draft' or self.vipps_payment_state:
            return DONE
        self = self._vipps_in_staff_language()
        if self.env['vipps.task']._get_tries(self, 'push') > 1:
            # An answer may be lost: the payment may be open, or decided.
            self._vipps_find_payment()
            if self.state != 'draft' or self.vipps_payment_state:
                return DONE
        else:
            reason = self.provider_id._vipps_find_push_obstacle(self.partner_id)
            if not reason:
                self._vipps_touch_documents()
                try:
                    self._vipps_cancel_open_attempts()
                except ValidationError:
                    return self._vipps_wait_with_push()
                reason = self._vipps_is_request_settled() and _("Nothing is left to pay.")
            if reason:
                self._set_canceled(reason)
                return DONE
        error = self._vipps_create_payment(
            'created', self._vipps_in_customer_language()._vipps_prepare_payment_values()
        )
        if error:
            if error.code in UNIT_ERRORS:
                self.provider_id._vipps_alert_administrator('requests', error)
            self._set_canceled(str(error))
            return DONE
        if not self.vipps_payment_state:
            return LATER
        self._vipps_keep_sent()
        return DONE

    def _vipps_wait_with_push(self):
        """ Put the creation of the payment off, as if it had not been tried: it was not. """
        self.env['vipps.task']._put_off(
            self, 'push', fields.Datetime.now() + KINDS['push'][1]
        )
        return LATER

    def _vipps_keep_state(self, payment):
        """ Override to know that a push message was sent although the answer was lost. """
        super()._vipps_keep_state(payment)
        self._vipps_keep_sent()

    def _vipps_keep_sent(self):
        """ Keep that the push message of the payment was sent, if it had to be. """
        request = self.sudo().vipps_request_id
        if request.state != 'waiting':
            return
        request.state = 'sent'
        self = self._vipps_in_staff_language()
        for move in self.invoice_ids:
            move._message_log(body=_(
                "A payment request for %s was sent to the phone of the customer.",
                self._vipps_format(self.amount),
            ))
        # The invoices may have been paid or changed before the answer came.
        self.env['vipps.task']._schedule(self, 'withdraw')

    def _set_canceled(self, state_message=None, **kwargs):
        """ Override of `payment` to send a mail in place of a push message that was not sent. """
        txs = super()._set_canceled(state_message=state_message, **kwargs)
        for tx in txs.filtered(lambda tx: tx.sudo().vipps_request_id.state == 'waiting'):
            tx.sudo().vipps_request_id.write({'channel': 'mail', 'reason': state_message})
            self.env['vipps.task']._schedule(tx, 'request_mail')
        return txs

    def _vipps_is_request_settled(self):
        """ Return whether less is left to pay than was requested, nothing, or by somebody else.
        """
        is_changed = self.invoice_ids - self.vipps_request_id._vipps_get_own_invoices()
        return self._vipps_is_document_cancelled() or bool(is_changed) or (
            self.currency_id.compare_amounts(
                self.amount, self._vipps_get_due_amount() - self._vipps_get_held_amount()
            ) > 0
        )

    def _vipps_do_request_mail(self):
        """ Send the mail in place of a push message, if anything is left to pay. """
        request = self.vipps_request_id.with_company(self.company_id)
        if request.state == 'waiting':
            if request.partner_id.email and request._vipps_get_offer().state == 'open':
                request._vipps_send_mail()
            else:
                request.state = 'dropped'
        return DONE

    def _vipps_do_withdraw(self):
        """ Cancel a request that is open although its invoices are paid otherwise. """
        if self.state != 'draft' or not self._vipps_is_request_settled():
            return DONE
        if not self._vipps_lock():
            return LATER
        error = self._vipps_try(
            lambda: self._vipps_execute('release', 0, only_unapproved=True), 'withdrawn'
        )
        if error and not error.is_not_found and error.retryable:
            return self._vipps_put_off('withdraw', error)
        return DONE

    #=== BUSINESS METHODS - VALUES ===#

    def _vipps_prepare_payment_values(self):
        """ Override to request a payment on the phone of the customer, which stays open, with the
        order lines that are compulsory there. """
        values = super()._vipps_prepare_payment_values()
        request = self.sudo().vipps_request_id
        if not request:
            return values
        return {
            **values,
            'user_flow': 'PUSH_MESSAGE',
            'return_url': None,
            'phone': self.partner_id._vipps_get_push_number(),
            'expires_at': self.create_date + const.MARKET_REQUEST_PERIODS[self.vipps_market],
            'receipt_lines': self._vipps_prepare_request_lines(request),
        }

    def _vipps_prepare_request_lines(self, request):
        """ Return a line for each invoice, for what is left to pay of it. """
        rest, lines = self.amount, []
        for move in self.invoice_ids:
            amount = min(move.amount_residual, rest)
            if self.currency_id.compare_amounts(amount, 0) <= 0:
                continue
            rest -= amount
            lines.append({
                'id': str(move.id),
                'name': move._vipps_get_payment_text(),
                'quantity': 1,
                'total': amount,
                'tax': self.currency_id.round(
                    amount * move.amount_tax / move.amount_total if move.amount_total else 0
                ),
                'tax_rate': None,
                'is_shipping': False,
                'url': request._vipps_get_pay_url(),
            })
        return lines


class AccountMove(models.Model):
    """ Invoices that are paid otherwise while their request is open. """
    _inherit = 'account.move'

    def _vipps_get_payment_text(self):
        """ Return the number of an invoice, with the reference that its payments carry. """
        if self.payment_reference and self.payment_reference != self.name:
            return _("Invoice %(name)s, reference %(reference)s",
                     name=self.name, reference=self.payment_reference)
        return _("Invoice %s", self.name)

    def _vipps_look_at_payments(self):
        """ Override of the document to withdraw open requests. """
        super()._vipps_look_at_payments()
        self.env['vipps.task']._schedule(self.filtered(
            lambda move: move.id and move.move_type == 'out_invoice'
        )._vipps_filter_paid().sudo().transaction_ids.filtered(
            lambda tx: tx.state == 'draft' and tx.vipps_request_id and tx.vipps_payment_state
        ), 'withdraw')
