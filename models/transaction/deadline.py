# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import _, api, fields, models
from odoo.tools import SQL, format_date

from ..jobs.own_transaction import DONE, NOTHING_LEFT, run_steps

# The dates that people are told of, by the key of the problem, the worst first.
WARNINGS = {'deadline': 'vipps_capture_deadline', 'guarantee': 'vipps_guaranteed_until'}


class PaymentTransaction(models.Model):
    """ Reservations, which end when they are not captured in time. """
    _inherit = 'payment.transaction'

    #=== BUSINESS METHODS - JOB ===#

    @api.model
    def _cron_vipps_warn_of_deadlines(self):
        """ Warn of reservations whose guarantee or last day of capture is near. """
        if run_steps(
            self.env, lambda env: env[self._name]._vipps_warn_of_next_deadline(),
            job='warn_of_deadlines',
        ):
            self.env.ref('mobilepay_vipps.cron_warn_of_deadlines')._trigger()

    @api.model
    def _vipps_warn_of_next_deadline(self):
        """ Warn of a reservation whose last day of capture, or the end of whose guarantee, is near.

        :return: `DONE`, or `NOTHING_LEFT` if people know of all of them, see :func:`run_steps`.
        """
        for problem, date_field in WARNINGS.items():
            self.env.cr.execute(SQL(
                """
                SELECT tx.id
                  FROM payment_provider provider
                  JOIN payment_transaction tx ON tx.provider_id = provider.id
                 WHERE tx.vipps_remaining_amount > 0
                   AND tx.vipps_payment_state = 'AUTHORIZED'
                   AND tx.state = 'authorized'
                   AND tx.vipps_told -> %(problem)s IS NULL
                   AND tx.%(date)s
                       <= %(now)s + provider.vipps_deadline_warning_days * interval '1 day'
                 ORDER BY tx.%(date)s
                 LIMIT 1
                   FOR NO KEY UPDATE OF tx SKIP LOCKED
                """,
                problem=problem, date=SQL.identifier(date_field), now=fields.Datetime.now(),
            ))
            tx = self.browse(row[0] for row in self.env.cr.fetchall())
            if tx:
                tx.with_company(tx.company_id)._vipps_warn(problem)
                return DONE
        return NOTHING_LEFT

    def _vipps_warn(self, problem):
        """ Warn that a reservation will soon not be guaranteed, or can soon not be captured. """
        self = self._vipps_in_staff_language()  # `_` takes the language of the variable named self.
        self._vipps_keep_told('guarantee', True)
        values = {
            'amount': self._vipps_format(self.vipps_remaining_amount),
            'deadline': format_date(self.env, self.vipps_capture_deadline),
            'guaranteed': format_date(self.env, self.vipps_guaranteed_until),
        }
        if problem == 'deadline':
            self._vipps_keep_told('deadline', True)
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
