# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import _, models

from ..api.client import VippsError


class PaymentTransaction(models.Model):
    """ The operations of Vipps MobilePay, each of which ends in converging to its answer. """
    _inherit = 'payment.transaction'

    #=== BUSINESS METHODS - OPERATIONS ===#

    def _vipps_get_operation_key(self, name, amount, held_amounts=None):
        """ Return the idempotency key of an operation.

        It is the same for every repetition, until Odoo knows that the operation took effect, which
        changes the sum, or that it was refused, which is counted.

        :param str name: The operation: `capture`, `refund`, or `cancel`, which needs none.
        :param float amount: The amount, in major units.
        :param dict held_amounts: What Odoo holds, in minor units, if not what it holds now.
        :rtype: str
        """
        sums = held_amounts or self._vipps_get_held_amounts()
        sequence = (sums['REFUNDED' if name == 'refund' else 'CAPTURED'], self.vipps_refusal_count)
        return self.env['vipps.api.client']._get_idempotency_key(self, name, amount, sequence)

    def _vipps_capture(self, amount, child_tx=None):
        """ Capture a part of the payment or all of it, and converge to the answer.

        :param float amount: The amount, in major units.
        :param payment.transaction child_tx: The transaction of a capture that is not of the full
                                             amount, if it was created already.
        :return: None
        :raise VippsError: If it was refused, or if it is unknown whether it took effect.
        """
        key = self._vipps_get_operation_key('capture', amount)
        if not child_tx and self.currency_id.compare_amounts(amount, self.amount):
            child_tx = self._create_child_transaction(amount)
        own_tx = child_tx or self
        own_tx.vipps_idempotency_key = key
        api_client = self.env['vipps.api.client']
        with self._vipps_recorded('capture', amount):
            payment = api_client._capture_payment(self, amount, key)
            self._vipps_check_effect(
                payment.captured - self._vipps_get_held_amounts()['CAPTURED'], amount,
            )
        self._handle_notification_data('vipps', {'payment': payment, 'own_tx': own_tx})

    def _vipps_refund(self, amount, refund_tx):
        """ Refund a part of what was captured or all of it, and converge to the answer.

        :param float amount: The amount, in major units.
        :param payment.transaction refund_tx: The transaction of the refund, or none if it is to be
                                              spread over the captures.
        :return: The transactions of the refund.
        :rtype: payment.transaction
        :raise VippsError: If it was refused, or if it is unknown whether it took effect.
        """
        key = self._vipps_get_operation_key('refund', amount)
        refund_tx.vipps_idempotency_key = key
        refunds_before = self._vipps_get_refunds()
        with self._vipps_recorded('refund', amount):
            payment = self.env['vipps.api.client']._refund_payment(self, amount, key)
            self._vipps_check_effect(
                payment.refunded - self._vipps_get_held_amounts()['REFUNDED'], amount,
            )
        self._handle_notification_data('vipps', {'payment': payment, 'own_tx': refund_tx})
        return refund_tx or self._vipps_get_refunds() - refunds_before

    def _vipps_check_effect(self, effect, amount):
        """ Ensure that an answer says that an operation took effect: a success is what the sums
        say, not that there was an answer.

        :param int effect: By how much a sum is larger than what Odoo holds, in minor units.
        :param float amount: The amount of the operation, in major units.
        :return: None
        :raise VippsError: If it does not.
        """
        if effect < self.env['vipps.api.client']._to_minor(amount, self.currency_id):
            raise VippsError(_("Vipps MobilePay has not done this yet."), is_unknown=True)

    def _vipps_cancel(self, only_unapproved=False, child_tx=None):
        """ Cancel the payment, or what is left of it, and converge to the answer.

        :param bool only_unapproved: Whether a payment that the customer approved is left alone.
        :param payment.transaction child_tx: The transaction of the release, if it has one.
        :return: None
        :raise VippsError: If it was refused, or if it is unknown whether it took effect.
        """
        # Nothing is reserved of what is not approved.
        amount = 0 if only_unapproved else self._vipps_get_reserved_amount() or self.amount
        payment = self._vipps_request_release(amount, only_unapproved)
        self._handle_notification_data('vipps', {'payment': payment, 'own_tx': child_tx or self})

    def _vipps_request_release(self, amount, only_unapproved=False):
        """ Request to cancel the payment, or what is left of it, and ensure that it is.

        :param float amount: What is released by that, in major units.
        :param bool only_unapproved: Whether a payment that the customer approved is left alone.
        :return: The payment as it is then.
        :rtype: protocol.payment.Payment
        :raise VippsError: If it was refused, or if it is unknown whether it took effect.
        """
        with self._vipps_recorded('cancel', amount):
            payment = self.env['vipps.api.client']._cancel_payment(
                self, only_unapproved=only_unapproved
            )
            if payment.remaining or not (payment.is_final or payment.state == 'AUTHORIZED'):
                raise VippsError(_("Vipps MobilePay has not done this yet."), is_unknown=True)
        return payment

    #=== BUSINESS METHODS - AUTOMATIC OPERATIONS ===#

    def _vipps_capture_if_due(self):
        """ Capture what is due, and release what is not needed anymore.

        A failure leaves the payment reserved, and the job tries again.

        :return: Whether it is known what became of that.
        :rtype: bool
        """
        amount = self._vipps_get_due_capture_amount()
        try:
            if amount:
                with self.env.cr.savepoint():
                    self._vipps_capture(amount)
            if self._vipps_is_release_due():
                reserved_amount = self._vipps_get_reserved_amount()
                with self.env.cr.savepoint():
                    self._vipps_release()
                if self.vipps_capture_mode == 'manual' and not self._vipps_is_document_cancelled():
                    self._vipps_tell_safely(
                        lambda tx: tx._vipps_tell_paid_otherwise(reserved_amount)
                    )
        except VippsError as error:
            if error.is_unknown:
                return False
            self.vipps_refusal_count += 1
            self._vipps_tell_safely(lambda tx, error=error: tx._vipps_tell_failure(error))
        return True

    def _vipps_release(self):
        """ Release all that is still reserved.

        :return: None
        :raise VippsError: If it was refused, or if it is unknown whether it took effect.
        """
        amount = self._vipps_get_reserved_amount()
        child_tx = None
        if self.currency_id.compare_amounts(amount, self.amount):
            child_tx = self._create_child_transaction(amount)
        self._vipps_cancel(child_tx=child_tx)

    #=== BUSINESS METHODS - UNWANTED PAYMENTS ===#

    def _vipps_is_to_release(self, payment):
        """ Tell whether there is nothing anymore that a payment would pay, which was just approved.

        :param protocol.payment.Payment payment: The payment as read.
        :rtype: bool
        """
        return (
            payment.remaining > 0
            and self.state not in ('authorized', 'done')
            and (self._vipps_is_document_cancelled() or self._vipps_is_paid_otherwise())
        )
