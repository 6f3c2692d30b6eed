# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import logging
import math

from psycopg2 import IntegrityError, OperationalError

from odoo import _, models
from odoo.exceptions import ValidationError
from odoo.tools import float_compare, format_amount

from ...source import Fact
from ...step_log import log_step
from ..api.client import VippsError
from ..jobs.job import NOTHING_LEFT, run_steps

_logger = logging.getLogger(__name__)

# Vipps MobilePay repeats its refusal to whoever comes with the same idempotency key.
COUNT_REFUSAL = """
    UPDATE payment_transaction
       SET vipps_refusal_count = COALESCE(vipps_refusal_count, 0) + 1
     WHERE id = %s
"""


class PaymentTransaction(models.Model):
    """ The operations that people ask for. """
    _inherit = 'payment.transaction'

    #=== BUSINESS METHODS - WHAT PEOPLE ASK FOR ===#

    def _send_capture_request(self, amount_to_capture=None):
        """ Override of `payment` to capture a part of what is reserved or all of it.

        :raise ValidationError: If it was not captured, or if that is unknown.
        """
        if self.provider_code != 'vipps':
            return super()._send_capture_request(amount_to_capture=amount_to_capture)

        self._vipps_check_company()
        self._ensure_provider_is_not_disabled()
        tx_sudo = self.sudo()  # The user may operate, but only the system writes.
        amount = tx_sudo._vipps_check_amount(
            amount_to_capture, tx_sudo._vipps_get_reserved_amount()
        )

        def capture():
            tx_sudo._vipps_check_capturable(amount)
            child_tx = super(PaymentTransaction, tx_sudo)._send_capture_request(
                amount_to_capture=amount
            )
            tx_sudo._vipps_capture(amount, child_tx)
            return child_tx

        tx_sudo._vipps_check_books()
        return tx_sudo._vipps_operate(capture, 'capture', amount)

    def _send_void_request(self, amount_to_void=None):
        """ Override of `payment` to release what is still reserved.

        :raise ValidationError: If it was not released, or if that is unknown.
        """
        if self.provider_code != 'vipps':
            return super()._send_void_request(amount_to_void=amount_to_void)

        self._vipps_check_company()
        self._ensure_provider_is_not_disabled()
        tx_sudo = self.sudo()  # The user may operate, but only the system writes.
        amount = tx_sudo._vipps_check_amount(amount_to_void, tx_sudo._vipps_get_reserved_amount())

        def void():
            if not tx_sudo.currency_id.compare_amounts(
                tx_sudo._vipps_get_released_amount(), amount
            ):
                return tx_sudo._vipps_get_releases()  # By a request that was rolled back.
            tx_sudo._vipps_check_voidable(amount)
            child_tx = super(PaymentTransaction, tx_sudo)._send_void_request(amount_to_void=amount)
            tx_sudo._vipps_cancel(child_tx=child_tx)
            return child_tx

        return tx_sudo._vipps_operate(void, 'cancel', amount)

    def _send_refund_request(self, amount_to_refund=None):
        """ Override of `payment` to refund a part of what was captured or all of it.

        A payment that was captured in parts is refunded capture by capture, or, from its own
        transaction, over all of them.

        :raise ValidationError: If it was not refunded, or if that is unknown.
        """
        if self.provider_code != 'vipps':
            return super()._send_refund_request(amount_to_refund=amount_to_refund)

        self._vipps_check_company()
        self._ensure_provider_is_not_disabled()
        tx_sudo = self.sudo()  # The user may operate, but only the system writes.
        root_sudo = tx_sudo._vipps_get_root()
        amount = tx_sudo._vipps_check_amount(
            amount_to_refund, tx_sudo._vipps_get_refundable_amount()
        )

        def refund():
            tx_sudo._vipps_check_refundable(amount)
            refund_tx = self.browse().sudo()
            if tx_sudo in root_sudo._vipps_get_captures():
                refund_tx = super(PaymentTransaction, tx_sudo)._send_refund_request(
                    amount_to_refund=amount
                )
            return root_sudo._vipps_refund(amount, refund_tx)

        tx_sudo._vipps_check_books()
        return root_sudo.with_context(
            vipps_refunded_capture_id=Fact(tx_sudo.id)
        )._vipps_operate(refund, 'refund', amount)

    def _vipps_check_amount(self, amount, available_amount):
        """ Ensure that an amount can be operated with.

        :param float|None amount: The amount, in major units; core's way to say "all" is None, while
                                  0 never means all.
        :param float available_amount: What "all" is.
        :return: The amount.
        :rtype: float
        :raise ValidationError: If it is none.
        """
        if amount is None:
            return available_amount
        api_client, currency = self.env['vipps.api.client'], self.currency_id
        decimals = min(currency.decimal_places, api_client._get_decimals(currency))
        is_number = isinstance(amount, (int, float)) and math.isfinite(amount)
        if not is_number or currency.compare_amounts(amount, 0) <= 0:
            raise ValidationError(_(
                "Enter an amount of at least %s.",
                format_amount(self.env, max(currency.rounding, 10 ** -decimals), currency),
            ))
        if not api_client._is_exact(amount, currency) or float_compare(
            amount, currency.round(amount), precision_digits=6
        ):
            raise ValidationError(_(
                "Amounts in %(currency)s have no more than %(decimals)s decimals.",
                currency=currency.name, decimals=decimals,
            ))
        return currency.round(amount)

    def _vipps_check_capturable(self, amount):
        """ Ensure that so much is reserved.

        :param float amount: The amount, in major units.
        :return: None
        :raise ValidationError: If it is not.
        """
        reserved_amount = self._vipps_get_reserved_amount()
        if not reserved_amount:
            code = {'draft': '6080', 'pending': '6080', 'done': '6170'}.get(self.state) or (
                '6070' if self.vipps_payment_state == 'CANCELLED' else '6200'
            )
            raise ValidationError(self.env['vipps.api.client']._get_sentence(code))
        if self.currency_id.compare_amounts(amount, reserved_amount) > 0:
            raise ValidationError(_(
                "Only %s is still reserved, so no more can be captured.",
                format_amount(self.env, reserved_amount, self.currency_id),
            ))

    def _vipps_check_voidable(self, amount):
        """ Ensure that this is all that is reserved.

        :param float amount: The amount, in major units.
        :return: None
        :raise ValidationError: If it is not.
        """
        reserved_amount = self._vipps_get_reserved_amount()
        if not reserved_amount:
            code = '6040' if self.state == 'done' else '6050'
            raise ValidationError(self.env['vipps.api.client']._get_sentence(code))
        if self.currency_id.compare_amounts(amount, reserved_amount):
            raise ValidationError(_(
                "Vipps MobilePay releases all that is still reserved, %s, and not a part of it.",
                format_amount(self.env, reserved_amount, self.currency_id),
            ))

    def _vipps_check_refundable(self, amount):
        """ Ensure that so much was captured and is not refunded yet.

        :param float amount: The amount, in major units.
        :return: None
        :raise ValidationError: If it was not.
        """
        refundable_amount = self._vipps_get_refundable_amount()
        if not refundable_amount:
            is_refunded = bool(self._vipps_get_root()._vipps_get_captured_amount())
            raise ValidationError(
                self.env['vipps.api.client']._get_sentence('6180' if is_refunded else '6020')
            )
        if self.currency_id.compare_amounts(amount, refundable_amount) > 0:
            raise ValidationError(_(
                "Only %s was captured and is not refunded yet, so no more can be refunded.",
                format_amount(self.env, refundable_amount, self.currency_id),
            ))

    def _vipps_operate(self, operation, name, amount):
        """ Do an operation that a person asked for: read the payment first, and then decide.

        Whoever decided on what is not true anymore decides again. An operation that was done
        before, and whose request was rolled back, is not done again.

        :param function operation: Checks whether it can be done, does it, and returns its
                                   transactions.
        :param str name: The operation at Vipps MobilePay: `capture`, `cancel` or `refund`.
        :param float amount: The amount, in major units.
        :return: The transactions of the operation, if it has any of its own.
        :rtype: payment.transaction
        :raise ValidationError: If it did not take effect, or if that is unknown.
        """
        self.ensure_one()
        self._vipps_after_rollback()  # What is rolled back here, Vipps MobilePay remembers.
        self._vipps_lock_for_person()
        key = self._vipps_get_operation_key(name, amount)
        held_amounts = self._vipps_get_held_amounts()
        self._vipps_read_for_operator()
        if self._vipps_get_held_amounts() != held_amounts:
            txs = self._vipps_find_done(name, key, held_amounts)
            if txs is None:
                raise ValidationError(self._vipps_describe_change(held_amounts))
        else:
            self._vipps_record_asked(name, amount)
            txs = self._vipps_request(operation)
        self._vipps_post_process()
        return txs - self

    def _vipps_read_for_operator(self):
        """ Read the payment for a person who is about to operate on it.

        :return: None
        :raise ValidationError: If it cannot be read.
        """
        try:
            self._vipps_lock_for_person()
            self._vipps_with_patience()._vipps_refresh(may_capture=False)
        except VippsError as error:
            log_step(_logger, 'read', self, outcome=error.outcome, error=error.log_text)
            raise ValidationError("Vipps MobilePay: " + str(error)) from error

    def _vipps_request(self, operation):
        """ Send the request of an operation that a person asked for.

        :param function operation: Does it and returns its transactions.
        :return: The transactions.
        :rtype: payment.transaction
        :raise ValidationError: If it did not take effect, or if that is unknown.
        """
        with self.env.registry.cursor() as cr:  # For the case that nobody survives to tell.
            tx = self.with_env(self.env(cr=cr))
            tx.env['vipps.task']._schedule(tx, 'verify')
        try:
            return operation()
        except VippsError as error:
            if error.is_unknown and not error.is_not_now:
                raise ValidationError(_(
                    "Vipps MobilePay does not answer, so it is not known whether this took effect."
                    " Try again in a moment: it will not be done twice."
                )) from error
            if not error.is_unknown:
                self._vipps_after_rollback(COUNT_REFUSAL)
            raise ValidationError("Vipps MobilePay: " + str(error)) from error

    def _vipps_find_done(self, name, key, held_amounts):
        """ Return the transactions of an operation that was found to be done when the payment was
        read, or None if something else happened.

        :param str name: The operation.
        :param str key: Its idempotency key.
        :param dict held_amounts: What Odoo held before, in minor units.
        :rtype: payment.transaction | None
        """
        if name == 'cancel':
            is_released = not self._vipps_get_reserved_amount() and all(
                self._vipps_get_held_amounts()[event_name] == held_amounts[event_name]
                for event_name in ('CAPTURED', 'REFUNDED')
            )
            return self._vipps_get_releases() if is_released else None
        txs = self._vipps_get_captures() | self._vipps_get_refunds()
        return txs.filtered(lambda t: t.vipps_idempotency_key == key) or None

    def _vipps_describe_change(self, held_amounts):
        """ Return what somebody reads who decided on what is not true anymore.

        :param dict held_amounts: What Odoo held before, in minor units.
        :rtype: str
        """
        to_major = self.env['vipps.api.client']._to_major
        sentences = {
            'CAPTURED': _("Captured: %(now)s instead of %(before)s."),
            'CANCELLED': _("Released: %(now)s instead of %(before)s."),
            'REFUNDED': _("Refunded: %(now)s instead of %(before)s."),
        }
        changes = [
            sentences[event_name] % {
                'now': format_amount(self.env, to_major(now, self.currency_id), self.currency_id),
                'before': format_amount(
                    self.env, to_major(held_amounts[event_name], self.currency_id), self.currency_id
                ),
            }
            for event_name, now in self._vipps_get_held_amounts().items()
            if now != held_amounts[event_name]
        ]
        return _(
            "Payment %(reference)s has changed at Vipps MobilePay, so nothing was done now."
            " %(changes)s Odoo is being updated: look at the payment again, and decide then.",
            reference=self.reference, changes=" ".join(changes),
        )

    def _vipps_after_rollback(self, query=None):
        """ Have the payment read if the request is rolled back.

        :param str query: What to update first, in the row with the given id.
        :return: None
        """
        def request_read(env):
            if query:
                env.cr.execute(query, [self.id], log_exceptions=False)  # Collisions are expected.
            env['vipps.task']._schedule(env[self._name].browse(self.id), 'verify')
            return NOTHING_LEFT

        def update():
            try:
                run_steps(self.env, request_read)
            except Exception:
                # It would take the place of the error that the user is to read.
                _logger.exception("Payment with id %s is not read soon.", self.id)

        self.env.cr.postrollback.add(update)

    def _vipps_post_process(self):
        """ Put into the books what was just done, for who looks at them now.

        What fails, and what somebody else is working on, is left to the job.
        """
        if not self._vipps_get_root()._vipps_lock(wait=False):
            return
        parts = self._vipps_get_captures() | self._vipps_get_refunds() | self
        for tx in parts.filtered(lambda t: t.state == 'done' and not t.is_post_processed):
            try:
                with self.env.cr.savepoint():
                    tx.with_company(tx.company_id)._vipps_do_book()
            except OperationalError:
                raise  # Another worker was faster: all of this is done again.
            except IntegrityError as error:  # The same, for the number of a journal entry.
                log_step(_logger, 'booked', tx, outcome='later', error=error.pgcode)
            except Exception:
                _logger.exception("Payment %s is not in the books yet.", tx.reference)
