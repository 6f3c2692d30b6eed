# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import logging
from datetime import timedelta

from odoo import _, _lt, api, fields, models
from odoo.tools import format_amount

from ...step_log import log_step
from ..jobs.job import DONE, NO_ANSWER, NOTHING_LEFT, run_steps

_logger = logging.getLogger(__name__)

# For so long after their last change in Odoo, payments are compared every night.
COMPARISON_PERIOD = timedelta(days=14)

# Later, so often, as long as they can be refunded in the portal.
# https://developer.vippsmobilepay.com/docs/APIs/epayment-api/api-guide/operations/refund/
LATE_COMPARISON_INTERVAL = timedelta(days=30)
REFUND_PERIOD = timedelta(days=365)

COMPARISON_RETRY_DELAY = timedelta(minutes=10)

# Nothing can happen at Vipps MobilePay anymore to a payment in one of these states.
SETTLED_STATES = ('ABORTED', 'EXPIRED', 'TERMINATED', 'CANCELLED', 'REFUNDED')


class PaymentTransaction(models.Model):
    _inherit = 'payment.transaction'

    vipps_difference = fields.Char(
        string="Difference with Vipps MobilePay",
        help="What Vipps MobilePay said of the payment when it was last read, and Odoo does not.",
        copy=False,
        readonly=True,
    )
    vipps_next_comparison = fields.Datetime(copy=False, readonly=True, index='btree_not_null')

    #=== BUSINESS METHODS - DIFFERENCES ===#

    def _vipps_describe_difference(self, payment):
        """ Return what differs between a payment as read and what it made of the transaction.

        :param protocol.payment.Payment payment: The payment as read, in minor units.
        :return: The difference, if there is one.
        :rtype: str | None
        """
        to_major = self.env['vipps.api.client']._to_major
        differences = [
            (name, theirs, ours)
            for name, theirs, ours in (
                ('reserved', payment.remaining, self._vipps_get_reserved_amount()),
                ('captured', payment.captured, self._vipps_get_captured_amount()),
                ('refunded', payment.refunded, self._vipps_get_refunded_amount()),
            )
            if self.currency_id.compare_amounts(to_major(theirs, self.currency_id), ours)
        ]
        if not differences:
            return None
        names = {'reserved': _("Reserved"), 'captured': _("Captured"), 'refunded': _("Refunded")}
        return ". ".join(
            _("%(what)s at Vipps MobilePay: %(theirs)s, in Odoo: %(ours)s",
              what=names[name],
              theirs=format_amount(self.env, to_major(theirs, self.currency_id), self.currency_id),
              ours=format_amount(self.env, ours, self.currency_id))
            for name, theirs, ours in differences
        )

    def _vipps_describe_absence(self):
        return _("Vipps MobilePay does not know this payment")

    def _vipps_flag_difference(self, difference):
        """ Keep what differs between the transaction and the payment, and tell once that there is
        something.

        :param str|None difference: The difference, if there is one.
        :return: None
        """
        if difference and not self.vipps_difference:
            log_step(_logger, 'compared', self, outcome='different', difference=difference)
            self.provider_id._vipps_alert_administrator(
                'differences',
                _lt("Payments differ from Vipps MobilePay"),
                _lt("Payment %(reference)s: %(difference)s. All of them are listed under"
                    " Differences, at the top of this page.",
                    reference=self.reference, difference=difference),
            )
        if difference != (self.vipps_difference or None):
            self.vipps_difference = difference

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

        def schedule(env):
            env[self._name]._vipps_book_forgotten()
            env[self._name]._vipps_schedule_comparison(domain)
            return NOTHING_LEFT

        run_steps(self.env, schedule)

    @api.model
    def _vipps_schedule_comparison(self, domain):
        """ Have payments read and compared with Vipps MobilePay, after those that are open.

        :param list domain: The transactions to compare; others than those of payments that
                            something can still happen to are left out.
        :return: The number of payments.
        :rtype: int
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
            ('vipps_next_read', '=', False),  # Open ones are read anyway.
            ('provider_id', 'in', providers.ids),
        ])
        self.env.flush_all()
        # There are no keys for another sales unit than the current one.
        txs = txs.filtered(lambda tx: (
            tx.vipps_environment == tx.provider_id.vipps_environment
            and tx.vipps_merchant_serial_number == tx.provider_id.vipps_merchant_serial_number
        ))
        self.env.cr.execute("""
            UPDATE payment_transaction
               SET vipps_next_comparison = %s
             WHERE id IN (
                SELECT id FROM payment_transaction WHERE id = ANY(%s) FOR NO KEY UPDATE SKIP LOCKED
             )
            RETURNING id
        """, [fields.Datetime.now(), txs.ids], log_exceptions=False)
        scheduled_ids = [row[0] for row in self.env.cr.fetchall()]
        txs.invalidate_recordset(['vipps_next_comparison'])
        # Somebody works on the others right now, and may not read them.
        self.env['vipps.read.request']._request(txs - self.browse(scheduled_ids))
        self.env.ref('mobilepay_vipps.cron_read_open_payments').sudo()._trigger()
        return len(txs)

    def _vipps_compare(self):
        """ Read the payment, converge to it, and keep what still differs.

        :return: What it came to, see :func:`run_steps`.
        :rtype: str
        """
        now = fields.Datetime.now()
        # Until it is read. Whatever happens now, the next payment has its turn.
        self.vipps_next_comparison = now + COMPARISON_RETRY_DELAY
        error = self._vipps_try(lambda: self._vipps_refresh(wait=False))
        if not error:
            self.provider_id._vipps_end_alert('comparison')
            return DONE
        if error.is_not_found:
            self.vipps_next_comparison = False
            staff_tx = self._vipps_in_staff_language()
            staff_tx._vipps_flag_difference(staff_tx._vipps_describe_absence())
        elif error.retryable:
            self.vipps_next_comparison = now + max(
                COMPARISON_RETRY_DELAY, timedelta(seconds=error.retry_after)
            )
        else:
            self.vipps_next_comparison = False  # Asking again does not help before somebody helps.
            self.provider_id._vipps_alert_administrator(
                'comparison', _lt("Payments cannot be compared with Vipps MobilePay"), error
            )
        return NO_ANSWER if error.is_no_answer else DONE
