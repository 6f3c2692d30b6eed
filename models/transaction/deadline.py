# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import _, api, fields, models
from odoo.tools import SQL, create_index, format_date

from ..jobs.own_transaction import DONE, NOTHING_LEFT, run_steps

# What somebody is told of: when it is, and whether it was told. The worst is told first.
WARNINGS = {
    'deadline': ('vipps_capture_deadline', 'vipps_is_deadline_told'),
    'guarantee': ('vipps_guaranteed_until', 'vipps_is_guarantee_told'),
}


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
            'amount': self._vipps_format(self.vipps_remaining_amount),
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
