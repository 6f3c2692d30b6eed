# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import logging
import math
import time

from psycopg2 import IntegrityError, OperationalError

from odoo import _, models
from odoo.exceptions import UserError, ValidationError
from odoo.tools import float_compare

from ...step_log import log_step
from ..api.client import VippsError

_logger = logging.getLogger(__name__)

# The steps of the log, and the events at Vipps MobilePay, by the operation.
STEPS = {'capture': 'captured', 'release': 'released', 'refund': 'refunded'}
EVENTS = {'capture': 'CAPTURED', 'release': 'CANCELLED', 'refund': 'REFUNDED'}


class PaymentTransaction(models.Model):
    """ Captures, releases and refunds. There is one way to do one: it is written down, sent with a
    derived key, and followed by converging to the answer. """
    _inherit = 'payment.transaction'

    #=== BUSINESS METHODS - ONE OPERATION ===#

    def _vipps_execute(
        self, operation, amount, txs=None, is_person=False, only_unapproved=False, **values
    ):
        """ Do an operation, and converge to the answer. The payment is locked by the caller.

        :param str operation: `capture`, `release` or `refund`.
        :param float amount: The amount, in major units; a release is always of all that is left.
        :param payment.transaction txs: The transactions of the operation, if they are stored
                                        already, with their key.
        :param bool is_person: Whether a person asks for it, whose request may be rolled back.
        :param bool only_unapproved: Whether a payment that the customer approved is left alone.
        :return: The transactions of the operation; the payment itself if it is done in full.
        :raise VippsError: If it was refused, or if it is unknown whether it took effect.
        """
        self.ensure_one()
        root = self._vipps_get_root()
        key = txs[0].vipps_idempotency_key if txs else (
            root._vipps_get_operation_key(operation, amount)
        )
        payment = self._vipps_request(operation, amount, key, is_person, only_unapproved)
        with self.env.cr.savepoint():
            if not txs:
                txs = self._vipps_create_parts(operation, amount, **values)
                if key:
                    txs.vipps_idempotency_key = key
            root._handle_notification_data('vipps', {'payment': payment, 'own_tx': txs})
        return txs

    def _vipps_create_parts(self, operation, amount, **values):
        """ Return the transactions that stand for an operation: as in core, a payment that is
        captured or released in full at once stands for that itself. """
        if operation == 'refund':
            return self._vipps_get_root()._vipps_create_refunds(amount, self, **values)
        if amount and self.currency_id.compare_amounts(amount, self.amount):
            return self._create_child_transaction(amount, **values)
        return self

    def _vipps_request(self, operation, amount, key=None, is_person=False, only_unapproved=False):
        """ Write an operation down, in a database transaction of its own, then request it, and
        record the outcome. If no outcome follows, it is unknown, and the next sync settles it.

        See :meth:`_vipps_execute`.

        :return: The payment as it is then.
        :raise VippsError: If it was refused, or if it is unknown whether it took effect.
        """
        root = self._vipps_get_root()
        audit = self.env['vipps.audit.event']
        entry = {
            'tx': self, 'reference': root.reference, 'amount': amount, 'idempotency_key': key,
            'is_apart': True,
        }
        audit._record(operation, outcome='asked', is_to_sync=is_person, **entry)
        started = time.monotonic()
        entry.update(step=STEPS[operation], started=started)
        try:
            payment = root._vipps_send(operation, amount, key, only_unapproved)
        except VippsError as error:
            error.is_recorded = True
            refusals = 0 if error.is_unknown else root._vipps_count_refusals(operation, amount) + 1
            audit._record(operation, error=error, refusals=refusals, **entry)
            raise
        audit._record(operation, **entry)
        return payment

    def _vipps_send(self, operation, amount, key, only_unapproved=False):
        """ Send an operation to Vipps MobilePay, and ensure that it took effect: the sums in the
        answer decide.

        See :meth:`_vipps_request`.
        """
        api_client = self.env['vipps.api.client']
        held_amount = self._vipps_get_held_amounts()[EVENTS[operation]]
        if operation == 'release':
            payment = api_client._call_for(self, 'cancel', only_unapproved=only_unapproved)
            is_done = not payment.remaining and (
                payment.is_final or payment.state == 'AUTHORIZED'
            )
        else:
            payment = api_client._call_for(
                self, operation, amount=amount, idempotency_key=key
            )
            moved_amount = payment.captured if operation == 'capture' else payment.refunded
            is_done = moved_amount - held_amount >= api_client._to_minor(amount, self.currency_id)
        if not is_done:
            raise VippsError(_("Vipps MobilePay has not done this yet."), is_unknown=True)
        return payment

    def _vipps_get_operation_key(self, operation, amount, held_amounts=None):
        """ Return the idempotency key of an operation.

        It is the same for every repetition, until Odoo knows that the operation took effect, which
        changes the sum, or that it was refused, which is counted.

        :param str operation: `capture`, `refund`, or `release`, which needs none.
        :param float amount: The amount, in major units.
        :param dict held_amounts: The amounts that Odoo holds, in minor units, if not those of now.
        """
        if operation == 'release':
            return None
        held_amount = (held_amounts or self._vipps_get_held_amounts())[EVENTS[operation]]
        return self.env['vipps.api.client']._get_idempotency_key(
            self, operation, amount, (held_amount, self._vipps_count_refusals(operation, amount))
        )

    def _vipps_count_refusals(self, operation, amount):
        """ Return the recorded number of refusals of an operation by Vipps MobilePay: it repeats a
        refusal if it is asked with the same idempotency key.

        :param str operation: `capture`, `release` or `refund`.
        :param float amount: The amount, in major units.
        """
        refused = self.env['vipps.audit.event'].sudo().search([
            ('reference', '=', self.reference), ('action', '=', operation), ('refusals', '>', 0),
        ]).filtered(
            # The counts of earlier versions are for all amounts.
            lambda e: not e.amount or not self.currency_id.compare_amounts(e.amount, amount)
        )
        return max(refused.mapped('refusals'), default=0)

    #=== BUSINESS METHODS - FOR PEOPLE ===#

    def _send_capture_request(self, amount_to_capture=None):
        """ Override of `payment` to capture all or a part of the reserved amount.

        :raise UserError: If it was not captured, or if that is unknown.
        """
        if self.provider_code != 'vipps':
            return super()._send_capture_request(amount_to_capture=amount_to_capture)
        return self._vipps_execute_for_person('capture', amount_to_capture)

    def _send_void_request(self, amount_to_void=None):
        """ Override of `payment` to release the rest of the reserved amount.

        :raise UserError: If it was not released, or if that is unknown.
        """
        if self.provider_code != 'vipps':
            return super()._send_void_request(amount_to_void=amount_to_void)
        return self._vipps_execute_for_person('release', amount_to_void)

    def _send_refund_request(self, amount_to_refund=None):
        """ Override of `payment` to refund all or a part of the captured amount.

        A payment that was captured in parts is refunded capture by capture, or, from its own
        transaction, from all of them.

        :raise UserError: If it was not refunded, or if that is unknown.
        """
        if self.provider_code != 'vipps':
            return super()._send_refund_request(amount_to_refund=amount_to_refund)
        return self._vipps_execute_for_person('refund', amount_to_refund)

    def _vipps_execute_for_person(self, operation, amount=None, **values):
        """ Do an operation that a person asks for, after reading the payment.

        If something else has happened, the person decides again. An operation that was done before,
        and whose request was rolled back, is not done again.

        :param str operation: `capture`, `release` or `refund`.
        :param float|None amount: The amount, in major units; None means all, 0 never does.
        :return: The transactions of the operation, if it has any of its own, in sudo mode.
        :raise UserError: If it did not take effect, or if that is unknown.
        """
        self._vipps_check_company()
        self._ensure_provider_is_not_disabled()
        tx_sudo = self.sudo()  # The user may operate, but only the system writes.
        root_sudo = tx_sudo._vipps_get_root()
        amount = tx_sudo._vipps_check_amount(operation, amount)
        if operation == 'release' and amount and not tx_sudo.currency_id.compare_amounts(
            tx_sudo._vipps_get_released_amount(), amount
        ):
            return tx_sudo._vipps_get_releases() - tx_sudo  # By a request that was rolled back.
        # An operation that is rolled back here stays done at Vipps MobilePay.
        self.env['vipps.task']._schedule_after_rollback(root_sudo, 'verify')
        try:
            tx_sudo._vipps_check_operation(operation, amount)
            txs_sudo = root_sudo._vipps_read_before(operation, amount)
        except UserError as error:
            self.env['vipps.audit.event']._record(
                operation, tx=tx_sudo, is_apart=True, is_to_sync=True, outcome='refused',
                amount=amount, reference=root_sudo.reference, details=str(error),
            )
            raise
        if txs_sudo is not None:
            txs_sudo.write(values)
        else:
            try:
                txs_sudo = tx_sudo._vipps_execute(operation, amount, is_person=True, **values)
            except VippsError as error:
                if error.is_unknown and not error.is_not_now:
                    raise ValidationError(_(
                        "Vipps MobilePay does not answer, so it is not known whether this took"
                        " effect. Try again in a moment: it will not be done twice."
                    )) from error
                raise ValidationError("Vipps MobilePay: " + str(error)) from error
        root_sudo._vipps_post_process()
        return txs_sudo - root_sudo

    def _vipps_read_before(self, operation, amount):
        """ Read the payment once before an operation that a person asks for.

        :return: The transactions of the operation if it turns out to be done already, by a request
                 that was rolled back; None if it is to be done.
        :raise UserError: If something else has happened, or if the payment cannot be read.
        """
        self._vipps_lock_for_person()
        key = self._vipps_get_operation_key(operation, amount)
        held_amounts = self._vipps_get_held_amounts()
        try:
            self._vipps_with_patience()._vipps_sync(may_capture=False)
        except VippsError as error:
            log_step(_logger, 'read', self, outcome=error.outcome, error=error.log_text)
            raise ValidationError("Vipps MobilePay: " + str(error)) from error
        if self._vipps_get_held_amounts() == held_amounts:
            return None
        txs = self._vipps_find_done(operation, key, held_amounts)
        if txs is None:
            raise ValidationError(self._vipps_describe_change(held_amounts))
        return txs

    def _vipps_find_done(self, operation, key, held_amounts):
        """ Return the transactions of an operation that was found to be done when the payment was
        read, or None if something else happened.

        :param str operation: `capture`, `release` or `refund`.
        :param dict held_amounts: The amounts that Odoo held before, in minor units.
        """
        if operation == 'release':
            is_released = not self._vipps_get_reserved_amount() and all(
                self._vipps_get_held_amounts()[event_name] == held_amounts[event_name]
                for event_name in ('CAPTURED', 'REFUNDED')
            )
            return self._vipps_get_releases() if is_released else None
        txs = self._vipps_get_captures() | self._vipps_get_refunds()
        return txs.filtered(lambda t: t.vipps_idempotency_key == key) or None

    def _vipps_describe_change(self, held_amounts):
        """ Return the message for a person whose decision is based on amounts that have changed.
        """
        sentences = {
            'CAPTURED': _("Captured: %(now)s instead of %(before)s."),
            'CANCELLED': _("Released: %(now)s instead of %(before)s."),
            'REFUNDED': _("Refunded: %(now)s instead of %(before)s."),
        }
        changes = [
            sentences[name] % {
                'before': self._vipps_format(before), 'now': self._vipps_format(now),
            }
            for name, (before, now) in self._vipps_get_moved_amounts(held_amounts).items()
        ]
        return _(
            "Payment %(reference)s has changed at Vipps MobilePay, so nothing was done now."
            " %(changes)s Odoo is being updated: look at the payment again, and decide then.",
            reference=self.reference, changes=" ".join(changes),
        )

    def _vipps_post_process(self):
        """ Book the operation at once for the person who looks at the payment.

        An operation that fails, or that somebody else is working on, is left to the job.
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

    #=== BUSINESS METHODS - REQUESTS OF PEOPLE ===#

    def _vipps_get_available_amount(self, operation):
        """ Return the amount that is left for an operation, in major units. """
        if operation == 'refund':
            return self._vipps_get_refundable_amount()
        return self._vipps_get_reserved_amount()

    def _vipps_check_amount(self, operation, amount):
        """ Return the amount of an operation, which must be one of the API and of the currency.

        :param str operation: `capture`, `release` or `refund`.
        :param float|None amount: The amount, in major units; None means all, 0 never does.
        :raise ValidationError: If it is none.
        """
        if amount is None:
            return self._vipps_get_available_amount(operation)
        api_client, currency = self.env['vipps.api.client'], self.currency_id
        decimals = min(currency.decimal_places, api_client._get_decimals(currency))
        is_number = isinstance(amount, (int, float)) and math.isfinite(amount)
        if not is_number or currency.compare_amounts(amount, 0) <= 0:
            raise ValidationError(_(
                "Enter an amount of at least %s.",
                self._vipps_format(max(currency.rounding, 10 ** -decimals)),
            ))
        if not api_client._is_exact(amount, currency) or float_compare(
            amount, currency.round(amount), precision_digits=6
        ):
            raise ValidationError(_(
                "Amounts in %(currency)s have no more than %(decimals)s decimals.",
                currency=currency.name, decimals=decimals,
            ))
        return currency.round(amount)

    def _vipps_check_operation(self, operation, amount):
        """ Ensure that an operation is possible, as far as Odoo knows, and can be booked.

        :raise ValidationError: If it is not; it says why.
        """
        if operation != 'release':
            self._vipps_check_books()
        available_amount = self._vipps_get_available_amount(operation)
        if not available_amount:
            raise ValidationError(
                self.env['vipps.api.client']._get_sentence(self._vipps_get_refusal(operation))
            )
        excess = self.currency_id.compare_amounts(amount, available_amount)
        if excess > 0 or operation == 'release' and excess:
            raise ValidationError({
                'capture': _("Only %s is still reserved, so no more can be captured."),
                'release': _(
                    "Vipps MobilePay releases all that is still reserved, %s, and not a part of it."
                ),
                'refund': _(
                    "Only %s was captured and is not refunded yet, so no more can be refunded."
                ),
            }[operation] % self._vipps_format(available_amount))

    def _vipps_get_refusal(self, operation):
        """ Return the code with which Vipps MobilePay refuses an operation that nothing is left
        for. """
        if operation == 'refund':
            return '6180' if self._vipps_get_root()._vipps_get_captured_amount() else '6020'
        if operation == 'release':
            return '6040' if self.state == 'done' else '6050'
        return {'draft': '6080', 'pending': '6080', 'done': '6170'}.get(self.state) or (
            '6070' if self.vipps_payment_state == 'CANCELLED' else '6200'
        )
