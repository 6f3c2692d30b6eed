# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import logging
from datetime import timedelta

from odoo import _, _lt, api, fields, models

from ...step_log import log_step
from ..jobs.task import DONE

_logger = logging.getLogger(__name__)

# For so long after their last change in Odoo, payments are compared every night.
COMPARISON_PERIOD = timedelta(days=14)

# Later, so often, as long as they can be refunded in the portal.
# https://developer.vippsmobilepay.com/docs/APIs/epayment-api/api-guide/operations/refund/
LATE_COMPARISON_INTERVAL = timedelta(days=30)

REFUND_PERIOD = timedelta(days=365)

# Nothing more can happen at Vipps MobilePay to a payment in one of these states.
SETTLED_STATES = ('ABORTED', 'EXPIRED', 'TERMINATED', 'CANCELLED', 'REFUNDED')


class PaymentTransaction(models.Model):
    """ Differences between Odoo and Vipps MobilePay that Odoo may not settle, and the nightly
    comparison that finds them. """
    _inherit = 'payment.transaction'

    vipps_difference = fields.Char(
        string="Difference with Vipps MobilePay",
        help="The amounts at Vipps MobilePay that differ from those in Odoo, as last read.",
        copy=False,
        readonly=True,
    )

    #=== BUSINESS METHODS - DIFFERENCES ===#

    def _vipps_describe_difference(self, payment):
        """ Return the differences between a payment as read and the transaction, for the staff.

        :return: The difference, if there is one.
        """
        to_major, currency = self.env['vipps.api.client']._to_major, self.currency_id
        amounts = [
            (to_major(payment.remaining, currency), self._vipps_get_reserved_amount()),
            (to_major(payment.captured, currency), self._vipps_get_captured_amount()),
            (to_major(payment.refunded, currency), self._vipps_get_refunded_amount()),
        ]
        if not any(currency.compare_amounts(theirs, ours) for theirs, ours in amounts):
            return None
        self = self._vipps_in_staff_language()  # `_` looks for the language in what is called self.
        names = _("Reserved"), _("Captured"), _("Refunded")
        return ". ".join(
            _("%(what)s at Vipps MobilePay: %(theirs)s, in Odoo: %(ours)s",
              what=name, theirs=self._vipps_format(theirs), ours=self._vipps_format(ours))
            for name, (theirs, ours) in zip(names, amounts, strict=True)
            if currency.compare_amounts(theirs, ours)
        )

    def _vipps_flag_difference(self, difference):
        """ Keep the difference between the transaction and the payment, and alert an administrator
        once.

        :param str|None difference: The difference, if there is one.
        """
        if difference and not self.vipps_difference:
            log_step(_logger, 'compared', self, outcome='different', difference=difference)
            self.provider_id._vipps_alert_administrator(
                'differences',
                _lt("Payment %(reference)s: %(difference)s. All of them are listed under"
                    " Differences, at the top of this page.",
                    reference=self.reference, difference=difference),
            )
        if difference != (self.vipps_difference or None):
            self.vipps_difference = difference

    #=== BUSINESS METHODS - WRONG PAYMENTS ===#

    def _vipps_refuse_payment(self, payment, read_amount):
        """ Inform the staff that a payment is not the one that was asked for, and ask the customer
        not to pay again. """
        staff_tx = self._vipps_in_staff_language()
        message = staff_tx._vipps_describe_refusal(payment, read_amount)
        if self.state in ('draft', 'pending', 'authorized'):
            self._set_error(_(
                "Something is not right with this payment. We are looking into it: please do not"
                " pay again, and contact us."
            ))
            staff_tx._vipps_tell_safely(lambda tx: tx._log_message_on_linked_documents(message))
        if self.vipps_difference != message:
            log_step(
                _logger, 'compared', self, outcome='different', level=logging.WARNING,
                read_reference=payment.reference, read_amount=read_amount,
                read_currency=payment.currency,
            )
            staff_tx.vipps_difference = message
            staff_tx.provider_id._vipps_alert_administrator('difference', message, staff_tx)

    def _vipps_describe_refusal(self, payment, read_amount):
        amount = self.env['vipps.api.client']._to_major(read_amount, self.currency_id)
        is_same_currency = payment.currency == self.currency_id.name
        return _(
            "Vipps MobilePay says that payment %(reference)s is for %(read)s, but %(expected)s was"
            " asked for. Nothing was booked, but the customer may be charged. Compare both before"
            " you deliver.",
            reference=payment.reference,
            read=self._vipps_format(amount) if is_same_currency
            else ' '.join((format(amount, '.2f'), payment.currency)),
            expected=self._vipps_format(self.amount),
        )

    #=== BUSINESS METHODS - COMPARISON ===#

    @api.model
    def _cron_vipps_compare_payments(self):
        """ Have the payments compared that something may have happened to without our knowing.

        These are all that are reserved or differ, those that changed lately, and each month those
        that something can still happen to.
        """
        now = fields.Datetime.now()
        domain = [
            '|', '|', '|',
            ('vipps_payment_state', '=', 'AUTHORIZED'),
            ('vipps_difference', '!=', False),
            ('last_state_change', '>=', now - COMPARISON_PERIOD),
            '&',
            ('create_date', '>=', now - REFUND_PERIOD),
            ('vipps_last_read', '<', now - LATE_COMPARISON_INTERVAL),
        ]

        self._vipps_book_forgotten()
        self._vipps_schedule_comparison(domain)

    @api.model
    def _vipps_schedule_comparison(self, domain):
        """ Have payments read and compared with Vipps MobilePay, after those that are open.

        :return: The number of payments.
        """
        providers = self.env['payment.provider'].sudo().search([('code', '=', 'vipps')]).filtered(
            lambda provider: provider._vipps_has_key('vipps_client_secret')
        )
        txs = self.search([
            *domain,
            ('vipps_payment_reference', '!=', False),
            '|',
            ('vipps_payment_state', 'not in', SETTLED_STATES),
            ('vipps_difference', '!=', False),
            ('provider_id', 'in', providers.ids),
        ])
        # There are no keys for another sales unit than the current one.
        txs = txs.filtered(lambda tx: (
            tx.vipps_environment == tx.provider_id.vipps_environment
            and tx.vipps_merchant_serial_number == tx.provider_id.vipps_merchant_serial_number
        ))
        tasks = self.env['vipps.task']
        txs -= tasks._get_scheduled(txs, 'sync')  # Open ones are read anyway.
        # Nothing has happened to them: they come after all that is new.
        tasks._schedule(txs - tasks._get_scheduled(txs, 'compare'), 'compare', tries=1)
        return len(txs)

    def _vipps_do_compare(self):
        """ Read the payment, and keep the difference that is left then. """
        error = self._vipps_try(self._vipps_sync)
        if not error:
            self.provider_id._vipps_end_alert('comparison')
            return DONE
        if error.is_not_found:
            self = self._vipps_in_staff_language()  # `_` takes the language of what is called self.
            self._vipps_flag_difference(_("Vipps MobilePay does not know this payment"))
            return DONE
        if not error.retryable:  # Asking again does not help before somebody helps.
            self.provider_id._vipps_alert_administrator('comparison', error)
            return DONE
        return self._vipps_put_off('compare', error)
