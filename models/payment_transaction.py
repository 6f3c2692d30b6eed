# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import base64
import hashlib
import logging
import secrets
from datetime import timedelta

from psycopg2 import OperationalError

from odoo import _, api, fields, models
from odoo.exceptions import AccessError, ValidationError
from odoo.tools import SQL, format_amount

from .vipps_api_client import VippsError
from .vipps_job import run_steps

_logger = logging.getLogger(__name__)

# The alphabet of the random part of references, without look-alikes.
REFERENCE_ALPHABET = '23456789ABCDEFGHJKLMNPQRSTUVWXYZ'

# How long a payment that Vipps MobilePay does not know is looked for: its creation may be under way.
NOT_FOUND_PERIOD = timedelta(minutes=10)

FIRST_READ_DELAY = timedelta(minutes=1)
LAST_READ_DELAY = timedelta(hours=1)


class PaymentTransaction(models.Model):
    _inherit = 'payment.transaction'

    vipps_payment_reference = fields.Char(
        string="Vipps Payment Reference",
        help="The reference of the payment at Vipps MobilePay. Captures and refunds share the one"
             " of their source transaction.",
        copy=False,
        readonly=True,
    )
    vipps_psp_reference = fields.Char(
        string="Vipps PSP Reference",
        help="The reference of the capture or refund in the settlements of Vipps MobilePay.",
        copy=False,
        readonly=True,
        index='btree_not_null',
    )
    vipps_idempotency_key = fields.Char(copy=False, readonly=True, groups='base.group_system')
    vipps_payment_state = fields.Selection(
        string="Vipps Payment State",
        help="The state of the payment when it was last read.",
        selection=[
            ('CREATED', "Created"),
            ('AUTHORIZED', "Reserved"),
            ('CAPTURED', "Captured"),
            ('CANCELLED', "Released"),
            ('REFUNDED', "Refunded"),
            ('EXPIRED', "Expired"),
            ('ABORTED', "Aborted by the customer"),
            ('TERMINATED', "Cancelled before approval"),
        ],
        copy=False,
        readonly=True,
    )
    vipps_user_flow = fields.Selection(
        string="Vipps User Flow",
        selection=[
            ('WEB_REDIRECT', "Web page"), ('QR', "QR code"), ('PUSH_MESSAGE', "Push message")
        ],
        copy=False,
        readonly=True,
    )
    vipps_environment = fields.Selection(
        string="Vipps Environment",
        selection=[('test', "Test"), ('production', "Production")],
        copy=False,
        readonly=True,
    )
    vipps_merchant_serial_number = fields.Char(
        string="Merchant Serial Number", copy=False, readonly=True
    )
    # Carries a token: whoever has it can approve the payment. Cleared when it is decided.
    vipps_redirect_url = fields.Char(copy=False, readonly=True, groups='base.group_system')
    # Makes the next try after a definite refusal a new operation to Vipps MobilePay.
    vipps_refusal_count = fields.Integer(copy=False, readonly=True, groups='base.group_system')
    vipps_last_read = fields.Datetime(copy=False, readonly=True, groups='base.group_system')
    vipps_next_read = fields.Datetime(
        copy=False, readonly=True, groups='base.group_system', index='btree_not_null'
    )
    vipps_read_count = fields.Integer(copy=False, readonly=True, groups='base.group_system')

    _sql_constraints = [(
        'vipps_payment_reference_unique',
        'unique(vipps_payment_reference)',
        "A payment reference can be used only once.",
    )]

    #=== CRUD METHODS ===#

    @api.model_create_multi
    def create(self, values_list):
        """ Override of `payment` to let only the system create transactions of Vipps MobilePay. """
        txs = super().create(values_list)
        txs._vipps_check_system()
        return txs

    def write(self, values):
        """ Override of `payment` to let only the system write transactions of Vipps MobilePay.

        Accountants have the right to write transactions, but those of Vipps MobilePay only follow
        what was read there.
        """
        self._vipps_check_system()
        res = super().write(values)
        self._vipps_check_system()  # Nor can another transaction become one.
        return res

    def _vipps_check_system(self):
        txs_sudo = self.sudo()
        # A child counts in what is held and paid of the documents of its source transaction.
        if not self.env.su and 'vipps' in (
            txs_sudo | txs_sudo.source_transaction_id
        ).mapped('provider_code'):
            raise AccessError(_(
                "Transactions of Vipps MobilePay cannot be edited. Use their buttons, or those of"
                " the order or the invoice."
            ))

    @api.model
    def _get_specific_create_values(self, provider_code, values):
        """ Override of `payment` to keep what every later request is made with.

        Child transactions stand for operations on the payment of their source transaction.
        """
        res = super()._get_specific_create_values(provider_code, values)
        if provider_code != 'vipps' or values.get('source_transaction_id'):
            return res
        provider_sudo = self.env['payment.provider'].sudo().browse(values['provider_id'])
        reference = values['reference']
        if not self.env['vipps.api.client']._is_reference(reference):
            reference = self._vipps_make_reference(reference)
        return {
            **res,
            'vipps_payment_reference': reference,
            'vipps_user_flow': 'WEB_REDIRECT',
            'vipps_environment': provider_sudo.vipps_environment,
            'vipps_merchant_serial_number': provider_sudo.vipps_merchant_serial_number,
        }

    #=== BUSINESS METHODS - REFERENCES ===#

    @api.model
    def _compute_reference(self, provider_code, prefix=None, separator='-', **kwargs):
        """ Override of `payment` to meet the rules of Vipps MobilePay: a limited alphabet, and each
        reference only once per sales unit for ever.

        The reference of a capture or refund, which is made from the one of its payment, is not sent
        anywhere and left to core.
        """
        if provider_code != 'vipps' or self._vipps_get_reference_prefix() in (prefix or ''):
            return super()._compute_reference(
                provider_code, prefix=prefix, separator=separator, **kwargs
            )
        return self._vipps_make_reference(
            prefix or self.sudo()._compute_reference_prefix(provider_code, separator, **kwargs)
        )

    @api.model
    def _vipps_make_reference(self, document):
        """ Return a reference for a new attempt to pay a document.

        :param str document: The number of the document.
        :return: The prefix of this database, the number, and a random part, which makes the
                 reference unique after a backup was restored, too.
        :rtype: str
        """
        return self.env['vipps.api.client']._make_reference(
            self._vipps_get_reference_prefix(),
            document or 'tx',
            ''.join(secrets.choice(REFERENCE_ALPHABET) for _i in range(6)),
        )

    @api.model
    def _vipps_get_reference_prefix(self):
        """ Return the beginning of the references of this database: others may share its sales
        unit. """
        uuid = self.env['ir.config_parameter'].sudo().get_param('database.uuid')
        return base64.b32encode(hashlib.sha256(uuid.encode()).digest()).decode()[:5]

    #=== BUSINESS METHODS - READING ===#

    def _vipps_refresh(self, min_age=None, wait=True):
        """ Read the payment at Vipps MobilePay and converge to what it says.

        Note: `self.ensure_one()`

        :param timedelta min_age: Don't read again what was read within this time.
        :param bool wait: Whether to wait for others who work on the same payment or document.
        :return: Whether the payment was read.
        :rtype: bool
        :raise VippsError: If it cannot be read.
        """
        self.ensure_one()
        if not self._vipps_lock(wait=wait):
            return False
        now = fields.Datetime.now()
        # Times are kept in whole seconds: only a longer difference proves that the time has passed.
        if min_age and self.vipps_last_read and now - self.vipps_last_read <= min_age:
            return False
        self.vipps_last_read = now
        try:
            payment = self.env['vipps.api.client']._read_payment(self)
        except VippsError as error:
            was_never_created = not self.vipps_payment_state and (
                error.is_not_found and now - self.create_date > NOT_FOUND_PERIOD
            )
            if not was_never_created:
                raise
            self._vipps_in_customer_language()._vipps_set_canceled('TERMINATED')
        else:
            self._handle_notification_data('vipps', {'payment': payment})
        if not self._vipps_is_open():
            self.write({'vipps_next_read': False, 'vipps_read_count': 0})
        return True

    def _vipps_refresh_for_customer(self):
        """ Read open payments for a customer who waits: however many pages ask for the same payment,
        it is read at most once within two seconds, and nobody waits for somebody else's answer. """
        for tx in self.filtered(lambda t: t.provider_code == 'vipps' and t._vipps_is_open()):
            try:
                tx._vipps_refresh(min_age=timedelta(seconds=2), wait=False)
            except VippsError as error:
                _logger.info("Payment %s could not be read: %s", tx.reference, error.log_text)

    def _vipps_is_open(self):
        """ Tell whether we wait for something to happen at Vipps MobilePay. """
        return self.state in ('draft', 'pending') or self._vipps_is_capture_due()

    def _vipps_lock(self, wait=True):
        """ Lock the documents and then the transaction until the end of the database transaction.

        What was changed by others in the meantime ends in a serialization failure, after which
        Odoo repeats the whole request.

        :param bool wait: Whether to wait for others who hold a lock.
        :return: Whether everything is locked.
        :rtype: bool
        """
        self.flush_recordset()
        for records in (self.sale_order_ids, self.invoice_ids, self):
            if not records:
                continue
            self.env.cr.execute(SQL(
                "SELECT id FROM %s WHERE id IN %s ORDER BY id FOR NO KEY UPDATE %s",
                SQL.identifier(records._table),
                tuple(records.ids),
                SQL() if wait else SQL("SKIP LOCKED"),
            ))
            if self.env.cr.rowcount < len(records):
                return False
        return True

    def _vipps_touch_documents(self):
        """ Let everybody who waits for the documents of the transaction start anew.

        A lock alone does not show what was inserted while one waited for it.
        """
        for records in (self.sale_order_ids, self.invoice_ids):
            if records:
                self.env.cr.execute(SQL(
                    "UPDATE %s SET id = id WHERE id IN %s",
                    SQL.identifier(records._table), tuple(records.ids),
                ))

    def _vipps_schedule_next_read(self):
        """ Schedule when the job reads the payment, in growing intervals. """
        self.write({
            'vipps_next_read': fields.Datetime.now() + min(
                FIRST_READ_DELAY * 2 ** min(self.vipps_read_count, 10), LAST_READ_DELAY
            ),
            'vipps_read_count': self.vipps_read_count + 1,
        })

    @api.model
    def _cron_vipps_read_open_payments(self):
        """ Read the payments that are still open and that nobody else asks for. """
        if run_steps(self.env, lambda env: env[self._name]._vipps_read_next()):
            self.env.ref('mobilepay_vipps.cron_read_open_payments')._trigger()

    @api.model
    def _vipps_read_next(self):
        """ Read the payment that is due for the longest time.

        :return: Whether there was one.
        :rtype: bool
        """
        self.env.cr.execute("""
            SELECT id FROM payment_transaction
             WHERE vipps_next_read <= %s
             ORDER BY vipps_next_read
             LIMIT 1
               FOR NO KEY UPDATE SKIP LOCKED
        """, [fields.Datetime.now()])
        row = self.env.cr.fetchone()
        if not row:
            return False
        tx = self.browse(row[0])
        tx = tx.with_company(tx.company_id)
        tx._vipps_schedule_next_read()  # Whatever happens now, the next payment has its turn.
        tx._vipps_try(lambda: tx._vipps_refresh(wait=False))
        return True

    def _vipps_try(self, operation):
        """ Do something with the payment in a job, where nobody is there to read an error.

        :param function operation: What to do.
        :return: What went wrong, if anything.
        :rtype: str | None
        """
        try:
            with self.env.cr.savepoint():
                operation()
        except VippsError as error:
            _logger.info("Payment %s: %s", self.reference, error.log_text)
            return str(error)
        except OperationalError:
            raise  # Another worker was faster; the step is done again.
        except Exception as error:
            _logger.exception("Payment %s could not be processed.", self.reference)
            return type(error).__name__

    #=== BUSINESS METHODS - CONVERGING ===#

    def _get_tx_from_notification_data(self, provider_code, notification_data):
        """ Override of `payment` to find the transaction by the reference of the payment.

        :raise ValidationError: If there is none.
        """
        tx = super()._get_tx_from_notification_data(provider_code, notification_data)
        if provider_code != 'vipps' or len(tx) == 1:
            return tx

        tx = self.search([
            ('vipps_payment_reference', '=', notification_data['payment'].reference),
            ('provider_code', '=', 'vipps'),
        ])
        if not tx:
            raise ValidationError("Vipps MobilePay: " + _(
                "No transaction found matching reference %s.",
                notification_data['payment'].reference,
            ))
        return tx

    def _process_notification_data(self, notification_data):
        """ Override of `payment` to converge to a payment as read at Vipps MobilePay.

        Every way to learn of a payment ends here. It does not matter what was learned before, nor
        how often. The transaction is locked by the caller.

        Note: `self.ensure_one()`

        :param dict notification_data: The `payment`, as a `protocol.payment.Payment`.
        :return: None
        """
        super()._process_notification_data(notification_data)
        if self.provider_code != 'vipps':
            return

        tx = self._vipps_in_customer_language()
        payment = notification_data['payment']
        if not tx._vipps_check_payment(payment):
            return

        tx.provider_reference = payment.psp_reference
        # A state that is not known yet says nothing about the money, but is no reason to fail.
        if payment.derived_state in self._fields['vipps_payment_state'].get_values(self.env):
            tx.vipps_payment_state = payment.derived_state
        if payment.is_final:
            tx.vipps_redirect_url = False  # Nobody needs it anymore.
        if payment.state == 'AUTHORIZED':
            tx._vipps_process_authorized(payment)
        elif payment.is_final:
            tx._vipps_set_canceled(payment.state)

    def _vipps_check_payment(self, payment):
        """ Ensure that a payment is the one of this transaction, over the same amount.

        If it is not, somebody has to look at it: it is flagged, and never paid.

        :param protocol.payment.Payment payment: The payment as read.
        :return: Whether it is.
        :rtype: bool
        """
        api_client = self.env['vipps.api.client']
        amount = api_client._to_minor(self.amount, self.currency_id)
        amounts = {payment.amount}
        if payment.state == 'AUTHORIZED':
            amounts.add(payment.authorized)
        if (payment.reference, payment.currency, amounts) == (
            self.vipps_payment_reference, self.currency_id.name, {amount}
        ):
            return True
        read_amount = min(amounts - {amount}, default=amount)
        message = _(
            "Vipps MobilePay says that payment %(reference)s is over %(read)s %(read_currency)s,"
            " but %(expected)s was asked for. Nothing was booked. Compare both before you deliver.",
            reference=payment.reference,
            read=api_client._to_major(read_amount, self.currency_id),
            read_currency=payment.currency,
            expected=format_amount(self.env, self.amount, self.currency_id),
        )
        _logger.warning(
            "Payment %s was read with reference %s and amount %s %s.",
            self.vipps_payment_reference, payment.reference, read_amount, payment.currency,
        )
        if self.state in ('draft', 'pending', 'authorized'):
            self._set_error(message)
        self.provider_id._vipps_alert_administrator(
            _("Payment %s differs from Odoo", self.reference), message
        )
        return False

    def _vipps_process_authorized(self, payment):
        """ Converge to a payment that the customer approved. """
        if payment.captured == payment.amount:
            self._vipps_process_captured()
        elif not payment.captured and not payment.remaining:
            self._vipps_set_canceled('CANCELLED')
        elif self.state != 'done':
            if self.state != 'authorized':
                if self._vipps_is_paid_otherwise():
                    self._vipps_release_second_payment()
                    return
                self._vipps_touch_documents()
                self._set_authorized(extra_allowed_states=('cancel', 'error'))
            if not payment.captured:
                self._vipps_capture_if_due()

    def _vipps_process_captured(self):
        """ Converge to a payment that was captured in full. """
        if self.state == 'done':
            return
        try:
            events = self.env['vipps.api.client']._read_events(self)
        except VippsError as error:
            # Only the settlement reference comes from there; the money is certain.
            _logger.info("No events of payment %s: %s", self.reference, error.log_text)
        else:
            captures = [e for e in events if e.name == 'CAPTURED' and e.success]
            self.vipps_psp_reference = captures and captures[-1].psp_reference
        self._vipps_touch_documents()
        self._set_done(extra_allowed_states=('cancel',))
        # Nobody may be waiting for it on the status page.
        self.env.ref('payment.cron_post_process_payment_tx')._trigger()

    def _vipps_set_canceled(self, payment_state):
        if self.state in ('draft', 'pending', 'authorized'):
            self._set_canceled(self._vipps_explain_end(payment_state))

    def _vipps_explain_end(self, payment_state):
        """ Return what happened to a payment that was not paid, for the customer and the staff. """
        if payment_state == 'CANCELLED' and self._vipps_is_paid_otherwise():
            return _(
                "This is the second payment for the same order. It was released at once: you are"
                " charged only for the first one."
            )
        return {
            'ABORTED': _("The payment was cancelled in the app. Nothing has been charged."),
            'EXPIRED': _("The payment was not approved in time. Nothing has been charged."),
            'TERMINATED': _("The payment was cancelled. Nothing has been charged."),
            'CANCELLED': _("The reserved amount was released. Nothing has been charged."),
        }[payment_state]

    def _vipps_in_customer_language(self):
        return self.with_context(lang=self.partner_lang or self.env.lang)
