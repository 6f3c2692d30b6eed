# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import base64
import io
import logging
import re
from datetime import timedelta

import qrcode
import qrcode.image.svg

from odoo import SUPERUSER_ID, _, api, fields, models
from odoo.exceptions import UserError
from odoo.tools import format_datetime

from ...patience import WAITING_SECONDS
from ...step_log import log_step
from ..api.client import VippsError
from ..transaction.sync import NOT_FOUND_PERIOD
from .pos_payment_method import FLOW_NAMES, FLOWS, PUSH_REFUSED

_logger = logging.getLogger(__name__)

# How long a customer can approve a payment.
# https://developer.vippsmobilepay.com/docs/knowledge-base/timeouts/
LIFETIME = timedelta(minutes=10)

# However many tills look at a payment, polling reads it only after more than this time. Times are
# kept in whole seconds: that is once in two seconds.
POLLING_INTERVAL = timedelta(seconds=1)

# The faults of a phone number: cashiers do not read which of both it is.
PHONE_ERRORS = ('4070', '7010')

# The refusals that a cashier can meet although the settings are right: check-ins, codes, phone
# numbers, amounts.
TILL_ERRORS = (PUSH_REFUSED, '4050', '4060', *PHONE_ERRORS, '6010')

BUS_MESSAGE = 'VIPPS_PAYMENT'

# The line of a receipt with a number from `_vipps_mask_phone`.
MASKED_PHONE_LINE = re.compile(r'^[0-9]+\*+[0-9]+\n', re.MULTILINE)


class PaymentTransaction(models.Model):
    """ Attempts to pay at a till, which are held by the server: browsers only show them. """
    _inherit = 'payment.transaction'

    vipps_pos_session_id = fields.Many2one(
        string="POS Session", comodel_name='pos.session', copy=False, readonly=True,
        ondelete='restrict', index='btree_not_null',
    )
    vipps_pos_config_id = fields.Many2one(
        string="Point of Sale",
        comodel_name='pos.config',
        compute='_compute_vipps_pos_config_id',
        recursive=True,
        store=True,
    )
    vipps_pos_method_id = fields.Many2one(
        string="POS Payment Method", comodel_name='pos.payment.method', copy=False, readonly=True,
        ondelete='restrict',
    )
    # Orders of tills are deleted and created again; this stays.
    vipps_pos_reference = fields.Char(
        string="Order of the Till", copy=False, readonly=True, index='btree_not_null',
    )
    # Core gives two orders the same number when two browsers have the same login number.
    vipps_pos_order_id = fields.Many2one(
        string="POS Order to Pay", comodel_name='pos.order', copy=False, readonly=True,
        ondelete='set null', index='btree_not_null',
    )
    vipps_pos_order_total = fields.Monetary(
        help="The total of the order when the customer was asked to pay.",
        copy=False,
        readonly=True,
    )
    vipps_pos_uuid = fields.Char(copy=False, readonly=True, index='btree_not_null')
    vipps_pos_flow = fields.Selection(selection=FLOW_NAMES, copy=False, readonly=True)
    vipps_pos_payment_ids = fields.One2many(
        string="POS Payments",
        comodel_name='pos.payment',
        inverse_name='vipps_transaction_id',
        groups='point_of_sale.group_pos_user',  # Others that read transactions may not read these.
    )
    # Masked as soon as it is decided whether the customer pays.
    vipps_customer_phone = fields.Char(copy=False, readonly=True, groups='base.group_system')
    vipps_qr_code = fields.Char(compute='_compute_vipps_qr_code', groups='base.group_system')
    # Booked without an order: a refund whose order is gone, or a payment that a manager booked so.
    vipps_pos_is_alone = fields.Boolean(copy=False, readonly=True)

    #=== COMPUTE METHODS ===#

    @api.depends('vipps_pos_session_id', 'source_transaction_id.vipps_pos_config_id')
    def _compute_vipps_pos_config_id(self):
        for tx in self:
            tx.vipps_pos_config_id = (
                tx.vipps_pos_session_id.config_id or tx.source_transaction_id.vipps_pos_config_id
            )

    @api.depends('vipps_redirect_url', 'vipps_pos_flow')
    def _compute_vipps_qr_code(self):
        """ Draw the URL that the customer's app scans, as the data URI of an image. """
        for tx in self:
            tx.vipps_qr_code = tx.vipps_pos_flow == 'qr' and tx._vipps_draw_redirect_url()

    def _vipps_draw_redirect_url(self):
        """ Return a QR code of the URL to send the customer to, as the data URI of an image; False
        if there is no URL. """
        if not self.vipps_redirect_url:
            return False
        stream = io.BytesIO()
        qrcode.make(
            self.vipps_redirect_url,
            image_factory=qrcode.image.svg.SvgPathFillImage,
            error_correction=qrcode.constants.ERROR_CORRECT_M,
        ).save(stream)
        return 'data:image/svg+xml;base64,' + base64.b64encode(stream.getvalue()).decode()

    #=== BUSINESS METHODS - STATUS ===#

    def _vipps_get_till_state(self):
        """ Return the state on which tills act, see :meth:`_vipps_get_till_status`. """
        if not self:
            return None
        if self.operation == 'refund':
            return {'draft': 'unknown', 'done': 'refunded'}.get(self.state, 'unpaid')
        if self.state == 'draft':
            if self._vipps_waits_for_scan():
                return 'scan'
            return 'waiting' if self.vipps_payment_state == 'CREATED' else 'unknown'
        if self.state in ('authorized', 'done'):
            if not self._vipps_get_till_amount():
                return 'returned'
            is_unknown = self._vipps_is_in_doubt() and not self._vipps_is_attached()
            return 'unknown' if is_unknown else 'paid'
        return 'returned' if self._vipps_get_releases() else 'unpaid'

    def _vipps_get_till_amount(self):
        """ Return the value of an attempt that succeeded for its order, in major units. """
        if self.operation == 'refund':
            return self.amount
        return self.currency_id.round(
            self.amount - self._vipps_get_released_amount() - self._vipps_get_refunded_amount()
        )

    def _vipps_get_till_status(self, with_qr=False):
        """ Return the status of the attempt that tills show.

        :param bool with_qr: Whether the till needs the QR code.
        :return: `state` is `unknown`: not known whether Vipps MobilePay has it; `scan`: the
                 customer has to scan the sticker, see `_vipps_get_scan_status`; `waiting` for the
                 customer; `paid`, whether captured or only reserved; `unpaid`; `returned`: undone;
                 `refunded`. The amount is in major units. Keys with `may_` are for managers.
        :rtype: dict
        """
        state = self._vipps_get_till_state()
        remaining_time = self._vipps_get_start_time() + LIFETIME - fields.Datetime.now()
        order = self._vipps_get_pos_order()
        return {
            'reference': self.reference,
            'uuid': self.vipps_pos_uuid,
            'order': self.vipps_pos_reference,
            'order_id': order.id,
            'method_id': self.vipps_pos_method_id.id,
            # A part of it may have been given back elsewhere.
            'amount': self._vipps_get_till_amount() if state == 'paid' else self.amount,
            'flow': self.vipps_pos_flow,
            'state': state,
            'is_captured': self.state == 'done',
            'is_attached': self._vipps_is_attached(),
            'message': self._vipps_get_till_message(state),
            'seconds_left': max(int(remaining_time.total_seconds()), 0),
            'qr': with_qr and state == 'waiting' and self.vipps_qr_code,
            'may_give_up': self._vipps_may_give_up(),
            'may_book_alone': self._vipps_is_unattached(),
            'push_refused': self.vipps_pos_method_id.vipps_push_refused,
            'ticket': self._vipps_get_ticket() if state in ('paid', 'refunded') else '',
            **self._vipps_get_scan_status(),
        }

    def _vipps_get_till_message(self, state):
        """ Return the message for the cashier, in the cashier's language. """
        if state == 'unpaid' and self.vipps_payment_state == 'EXPIRED':
            return _("The time ran out. Nothing was charged.")
        if state == 'unpaid' and self.operation != 'refund' and self.vipps_payment_state in (
            'ABORTED', 'TERMINATED'
        ):
            return self._vipps_explain_end(self.vipps_payment_state)
        if state in ('unpaid', 'returned'):
            return self.state_message or ''
        if state == 'paid' and self.state == 'authorized':
            return _("Charged automatically.")
        return ''

    def _vipps_get_ticket(self):
        """ Return the text about the payment or the refund on the receipt. """
        root = self._vipps_get_root()
        phone = root.sudo().vipps_customer_phone
        moment = format_datetime(self.env, self.last_state_change or self.create_date)
        return '\n'.join(filter(None, [
            self.vipps_pos_method_id.name,
            self._vipps_mask_phone(phone) if self.operation != 'refund' else None,
            _("Refunded %s", moment) if self.operation == 'refund' else moment,
            _("Reference %s", root.vipps_payment_reference),
        ])) + '\n'

    @api.model
    def _vipps_mask_phone(self, phone):
        """ Return a phone number with country code of which only the beginning and the end are
        shown. """
        if not phone or '*' in phone:
            return phone
        return f"{phone[:2]}{'*' * (len(phone) - 4)}{phone[-2:]}"

    def _vipps_forget_customer(self):
        """ Override to remove the masked phone number from the receipts of the till, too. """
        for payment in self.sudo().vipps_pos_payment_ids.filtered('ticket'):
            payment.ticket = MASKED_PHONE_LINE.sub('', payment.ticket)
        super()._vipps_forget_customer()

    #=== BUSINESS METHODS - STARTING ===#

    def _vipps_start_attempt(self, code=None, check_in_id=None):
        """ Create the payment at Vipps MobilePay, or find it again after a lost answer.

        It may be called again: that never makes a second payment.
        """
        self.ensure_one()
        is_wanted = self._vipps_claim_order()
        if not self._vipps_lock(wait=WAITING_SECONDS):
            return  # The till asks again.
        if self.state != 'draft' or self.vipps_payment_state:
            return
        if not is_wanted:
            self._vipps_cancel_attempt()
            return
        if self.vipps_pos_flow == 'sticker':
            self._vipps_start_by_sticker(check_in_id)
            return
        if self.vipps_pos_flow == 'code' and not self.env['vipps.api.client']._is_code(code):
            self._vipps_find_payment()
            if code and self.state == 'draft' and not self.vipps_payment_state:
                self._set_canceled(self.env['vipps.api.client']._get_sentence('4060'))
            return
        error = self._vipps_create_payment(
            'attempt_started', self._vipps_prepare_attempt_values(code)
        )
        if error:
            self._vipps_refuse_attempt(error)

    def _vipps_check_enabled(self):
        """ Ensure that the provider takes payments and refunds. """
        if self.provider_id.state == 'disabled':
            raise UserError(_(
                "%s is switched off. Take another payment method, and ask an administrator to"
                " enable the payment provider.", self.vipps_pos_method_id.name,
            ))

    def _vipps_prepare_attempt_values(self, code=None, customer_token=None):
        """ Return the values to create the payment with.

        :return: The values, amounts in major units.
        """
        order = self._vipps_get_pos_order()
        return {
            'user_flow': FLOWS[self.vipps_pos_flow],
            'description': _(
                "%(document)s at %(company)s",
                document=self.vipps_pos_reference, company=self.company_id.name,
            ),
            'return_url': None,
            'phone': self.vipps_customer_phone if self.vipps_pos_flow == 'push' else None,
            'personal_qr': code if self.vipps_pos_flow == 'code' else None,
            'customer_token': customer_token,
            'receipt_lines': order._vipps_prepare_receipt_lines(),
            'metadata': {'document': self.vipps_pos_reference},
            'pos': order._vipps_prepare_till_values(self.vipps_pos_uuid),
            **(self._vipps_prepare_redirection() if self.vipps_sticker_redirects else {}),
        }

    def _vipps_refuse_attempt(self, error):
        """ Inform the cashier that there is no payment, and an administrator about a fault that the
        cashier cannot correct. """
        sentence = str(error)
        if error.code == PUSH_REFUSED:
            self.vipps_pos_method_id.vipps_push_refused = True
        elif error.code in PHONE_ERRORS:
            sentence = _(
                "No payment was sent to this number. Check it with the customer, show a QR code"
                " instead, or take another payment method."
            )
        elif error.code not in TILL_ERRORS:
            self.provider_id._vipps_alert_administrator('tills', error)
            sentence = _(
                "%s cannot take payments right now. Nothing has been charged. Take another payment"
                " method, and inform an administrator.", self.vipps_pos_method_id.name,
            )
        self._set_canceled(sentence)

    #=== BUSINESS METHODS - FOLLOWING ===#

    def _vipps_sync_for_till(self):
        """ Read an open attempt for a till that waits, without waiting for somebody else's answer.

        A payment with a new event is read at once. One that cannot be read now is read later.
        """
        tx = self._vipps_get_root()._vipps_with_patience(is_polling=True)
        is_open = tx._vipps_is_open() or tx._vipps_is_in_doubt()
        if not is_open or tx._vipps_waits_for_scan() or not tx._vipps_may_ask():
            return
        min_age = None if tx._vipps_has_news() else POLLING_INTERVAL

        tx._vipps_try(lambda: tx._vipps_sync(min_age=min_age, wait=False))

    def _vipps_is_in_doubt(self):
        """ Return whether something was asked for whose outcome may be unknown: giving the payment
        back, above all. """
        return bool(self.env['vipps.task']._get_scheduled(self, 'verify'))

    def _vipps_has_news(self):
        """ Return whether an event of the payment came that it was not read after, and that says
        more than that it was created. """
        return bool(self.env['vipps.webhook.event'].search_count([
            ('reference', '=', self.vipps_payment_reference),
            ('name', '!=', 'CREATED'),
            ('state', '=', 'pending'),
            ('create_date', '>=', self.vipps_last_read or self.create_date),
        ], limit=1))

    def _vipps_is_decision_open(self):
        """ Override to look at payments as long as the outcome of a refund, or of an attempt that
        was given up, is unknown. """
        return super()._vipps_is_decision_open() or bool(
            self._vipps_get_stored_refunds() | self._vipps_get_given_up()
        )

    def _vipps_follow_up(self):
        """ Override to end the activities for attempts that were given up, whose outcome is known
        now, and to drop refunds that a till stored and then never asked for. """
        super()._vipps_follow_up()
        for tx in self._vipps_get_given_up():
            tx._vipps_keep_told('given_up', None)
            tx._vipps_in_staff_language()._vipps_end_activity(
                'given_up', _("The outcome of this payment is known now.")
            )
        for tx in self._vipps_get_stored_refunds():
            if fields.Datetime.now() - tx.create_date > NOT_FOUND_PERIOD:
                tx._set_canceled(_("The refund was not done. Nothing has been refunded."))

    def _vipps_keep_state(self, payment):
        """ Override to show the QR code although the answer that brought it was lost. """
        super()._vipps_keep_state(payment)
        if payment.state == 'CREATED' and self.vipps_pos_session_id:
            self.vipps_redirect_url = self.vipps_redirect_url or payment.redirect_url

    def _update_state(self, allowed_states, target_state, state_message):
        """ Override of `payment` to let tills look at the change, and to keep no more of the phone
        number than the receipt shows: now it is decided whether the customer pays. """
        drafts = self.filtered(lambda tx: tx.state == 'draft')
        txs = super()._update_state(allowed_states, target_state, state_message)
        for tx in txs.filtered('vipps_pos_session_id').sudo():
            tx.vipps_customer_phone = self._vipps_mask_phone(tx.vipps_customer_phone)
            if tx in drafts and tx.state != 'draft':
                log_step(_logger, 'attempt_decided', tx, state=tx.state)
        txs._vipps_wake_tills()
        return txs

    def _vipps_wake_tills(self):
        """ Override to send the reference of the attempts to their tills, and nothing else. """
        for tx in self.sudo().filtered('vipps_pos_session_id'):
            self.env['bus.bus'].sudo()._sendone(
                tx.vipps_pos_session_id._get_bus_channel_name(), BUS_MESSAGE,
                {'reference': tx.reference},
            )

    #=== BUSINESS METHODS - CANCELLING ===#

    def _vipps_cancel_attempt(self):
        """ Cancel an attempt that the customer has not approved; one that was approved is paid.

        Without an answer, or while others work on it, it stays as it is, and the till asks again.
        """
        self.ensure_one()
        if not self._vipps_lock(wait=WAITING_SECONDS) or self.state != 'draft':
            return
        try:
            self._vipps_execute('release', 0, only_unapproved=True)  # Nothing is reserved yet.
        except VippsError as error:
            if error.is_not_found:
                self._set_canceled(_("The payment was cancelled. Nothing has been charged."))
            elif not error.is_unknown:  # It was approved or ended in the meantime.
                self._vipps_try(self._vipps_sync)

    def _vipps_undo_attempt(self):
        """ Give back a payment that is part of no finished order. """
        self.ensure_one()
        self._vipps_lock_for_person()  # Nobody finishes the order with it from now on.
        if self._vipps_is_attached():
            raise UserError(_(
                "Payment %s is part of a finished order. Refund the order instead.", self.reference
            ))
        if self.state == 'authorized':
            self._send_void_request()
        elif self.state == 'done' and self._vipps_get_refundable_amount():
            self._send_refund_request()

    #=== BUSINESS METHODS - ACTIVITIES ===#

    def _vipps_get_activity_document(self):
        """ Override to show on the session the activities for its payments. """
        if self.vipps_pos_session_id:
            return self.vipps_pos_session_id.with_user(SUPERUSER_ID)
        return super()._vipps_get_activity_document()
