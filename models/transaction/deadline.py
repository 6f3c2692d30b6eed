# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import _, api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL, create_index, format_amount, format_date

from odoo.addons.payment import utils as payment_utils

from ...trust import clean
from ..api.client import VippsError
from ..jobs.job import DONE, NOTHING_LEFT, run_steps

# What somebody is told of: when it is, and whether it was told. The worst is told first.
WARNINGS = {
    'deadline': ('vipps_capture_deadline', 'vipps_is_deadline_told'),
    'guarantee': ('vipps_guaranteed_until', 'vipps_is_guarantee_told'),
}

# Each calls Vipps MobilePay, and all are locked, within the time that a request may take.
MAX_PAYMENTS = 20


class PaymentTransaction(models.Model):
    """ Reservations, which end when they are not captured in time. """
    _inherit = 'payment.transaction'

    # Somebody who has been told and has decided to wait is not told again.
    vipps_is_deadline_told = fields.Boolean(copy=False, readonly=True)
    vipps_is_guarantee_told = fields.Boolean(copy=False, readonly=True)

    def init(self):
        """ Index the reservations that somebody may have to be told of, however many were captured.
        """
        super().init()
        for problem, (date_field, told_field) in WARNINGS.items():
            create_index(
                self.env.cr, f'payment_transaction_vipps_{problem}_index', self._table,
                [date_field],
                where=f"vipps_payment_state = 'AUTHORIZED' AND {told_field} IS NOT TRUE",
            )

    #=== ACTION METHODS ===#

    def action_vipps_capture_delivered(self):
        """ Capture what is delivered of the orders of the payments and not paid yet; payments
        without an order are captured in full.

        :return: The notification that says what was done.
        :rtype: dict
        """
        return self._vipps_operate_on_each(
            lambda tx: tx._vipps_capture_delivered(),
            _("%(reference)s: captured %(amount)s."),
        )

    def action_vipps_release(self):
        """ Release what is still reserved of the payments.

        :return: The notification that says what was done.
        :rtype: dict
        """
        return self._vipps_operate_on_each(
            lambda tx: tx._vipps_release_reserved(),
            _("%(reference)s: released %(amount)s."),
        )

    def _vipps_operate_on_each(self, operate, done_sentence):
        """ Do the same with each payment, whatever happens to the others.

        :param function operate: Operates on a transaction and returns the amount, in major units.
        :param str done_sentence: What was done then.
        :return: The notification that says what was done.
        :rtype: dict
        :raise UserError: If these are too many payments for one request.
        """
        payment_utils.check_rights_on_recordset(self)
        # In the same order for everybody, so that two people do not wait for each other.
        txs_sudo = clean(self).sudo().filtered('vipps_payment_reference').sorted('id')
        if len(txs_sudo) > MAX_PAYMENTS:
            raise UserError(_(
                "These are %(count)s payments. Select at most %(maximum)s at a time: each of them"
                " takes a moment. Nothing was done.",
                count=len(txs_sudo), maximum=MAX_PAYMENTS,
            ))
        sentences, has_failed = [], False
        for tx_sudo in txs_sudo:
            try:
                with self.env.cr.savepoint():
                    amount = operate(tx_sudo)
            except UserError as error:
                has_failed = True
                tx_sudo._vipps_remember_failure(error)
                sentences.append(f"{tx_sudo.reference}: {error}")
                continue
            if amount:
                sentences.append(done_sentence % {
                    'reference': tx_sudo.reference,
                    'amount': format_amount(self.env, amount, tx_sudo.currency_id),
                })
            else:
                sentences.append(_("%s: there is nothing to do.", tx_sudo.reference))
        return {
            'type': 'ir.actions.client',
            'tag': 'display_notification',
            'params': {
                'title': _("Vipps MobilePay"),
                'message': " ".join(sentences),
                'type': 'warning' if has_failed else 'success',
                'sticky': has_failed,
                'next': {'type': 'ir.actions.client', 'tag': 'soft_reload'},
            },
        }

    def _vipps_remember_failure(self, error):
        """ Keep what an operation left behind that was rolled back without the whole request.

        :param UserError error: What the person is told.
        :return: None
        """
        cause = error.__cause__
        if isinstance(cause, VippsError) and not cause.is_unknown:
            self.vipps_refusal_count += 1
        self.env['vipps.task']._schedule(self, 'verify')

    def _vipps_capture_delivered(self):
        """ Capture what is delivered and not paid, whatever the capture mode is.

        :return: The amount, in major units.
        :rtype: float
        :raise UserError: If it was not captured, or if that is unknown.
        """
        self._ensure_provider_is_not_disabled()
        if self.sale_order_ids:
            amount = self._vipps_get_delivered_due_amount()
        else:
            amount = self._vipps_get_reserved_amount()
        if amount:
            self._send_capture_request(amount_to_capture=amount)
        return amount

    def _vipps_release_reserved(self):
        """ Release what is still reserved.

        :return: The amount, in major units.
        :rtype: float
        :raise UserError: If it was not released, or if that is unknown.
        """
        self._ensure_provider_is_not_disabled()
        amount = self._vipps_get_reserved_amount()
        if amount:
            self._send_void_request(amount_to_void=amount)
        return amount

    #=== BUSINESS METHODS - JOB ===#

    @api.model
    def _cron_vipps_warn_of_deadlines(self):
        """ Tell somebody of reservations whose guarantee or last day of capture is near. """
        if run_steps(
            self.env, lambda env: env[self._name]._vipps_warn_of_next_deadline(),
            job='warn_of_deadlines',
        ):
            self.env.ref('mobilepay_vipps.cron_warn_of_deadlines')._trigger()

    @api.model
    def _vipps_warn_of_next_deadline(self):
        """ Tell somebody of a reservation that nobody was told of and whose last day of capture, or
        the end of its guarantee, is near.

        :return: What it came to, see :func:`run_steps`.
        :rtype: str
        """
        for problem, (date_field, told_field) in WARNINGS.items():
            self.env.cr.execute(SQL(
                """
                SELECT tx.id
                  FROM payment_transaction tx
                  JOIN payment_provider provider ON provider.id = tx.provider_id
                 WHERE tx.vipps_payment_state = 'AUTHORIZED'
                   AND tx.state = 'authorized'
                   AND tx.%(told)s IS NOT TRUE
                   AND tx.%(date)s - provider.vipps_deadline_warning_days * interval '1 day'
                       <= %(now)s
                 ORDER BY tx.%(date)s
                 LIMIT 1
                   FOR NO KEY UPDATE OF tx SKIP LOCKED
                """,
                told=SQL.identifier(told_field), date=SQL.identifier(date_field),
                now=fields.Datetime.now(),
            ))
            tx = self.browse(row[0] for row in self.env.cr.fetchall())
            if tx:
                tx.with_company(tx.company_id)._vipps_warn(problem)
                return DONE
        return NOTHING_LEFT

    def _vipps_warn(self, problem):
        """ Tell somebody that a reservation is not guaranteed, or cannot be captured, much longer.

        :param str problem: Which of both, see `WARNINGS`.
        :return: None
        """
        self = self._vipps_in_staff_language()  # `_` looks for the language in what is called self.
        self.vipps_is_guarantee_told = True
        values = {
            'amount': format_amount(self.env, self.vipps_remaining_amount, self.currency_id),
            'deadline': format_date(self.env, self.vipps_capture_deadline),
            'guaranteed': format_date(self.env, self.vipps_guaranteed_until),
        }
        if problem == 'deadline':
            self.vipps_is_deadline_told = True
            self._vipps_end_activity('guarantee', _("The last day of capture is near."))
            note = _(
                "%(amount)s is reserved, and cannot be captured after %(deadline)s: the customer"
                " gets it back. Capture what is delivered, and release what is not going to be.",
                **values,
            )
        else:
            note = _(
                "%(amount)s is reserved, and Vipps MobilePay guarantees it until %(guaranteed)s."
                " After that, a capture can fail, because the bank may have released the money; it"
                " can be tried until %(deadline)s. Capture what is delivered. What you deliver"
                " later, deliver only after it is captured.", **values,
            )
        self._vipps_schedule_activity(problem, note)
