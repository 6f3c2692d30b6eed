# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import logging

from psycopg2 import OperationalError

from odoo import SUPERUSER_ID, _, api, fields, models
from odoo.tools import SQL, format_date

from ..api.client import VippsError
from ..jobs.own_transaction import DONE, NOTHING_LEFT, run_steps

_logger = logging.getLogger(__name__)

# The dates that people are told of, by the key of the problem, the worst first.
WARNINGS = {'deadline': 'vipps_capture_deadline', 'guarantee': 'vipps_guaranteed_until'}


class PaymentTransaction(models.Model):
    """ The activities for people about payments. An activity is taken back when it is done. """
    _inherit = 'payment.transaction'

    # The last message to people, by the key of the problem: nobody is told the same again, least of
    # all a person who has solved the problem. With `order_mail`, the customer had a mail when the
    # payment was approved; `app_link` is the target of the last link in the app.
    vipps_told = fields.Json(copy=False, readonly=True, groups='base.group_system')

    #=== BUSINESS METHODS - ACTIVITIES ===#

    def _vipps_get_told(self, problem):
        """ Return the value that was kept when people were last told of a problem, or None. """
        return (self.sudo().vipps_told or {}).get(problem)

    def _vipps_keep_told(self, problem, value):
        """ Keep that people are told of a problem.

        :param str problem: The key, see `vipps_told`.
        """
        told = {**(self.vipps_told or {}), problem: value}
        self.vipps_told = {key: told[key] for key in told if told[key]}

    def _vipps_tell_safely(self, tell):
        """ Inform people; an error there does not undo the read or the operation before it. """
        try:
            with self.env.cr.savepoint():
                tell(self)
        except OperationalError:
            raise  # Another worker was faster: all of this is done again.
        except Exception:
            _logger.exception("Nobody is told of payments %s.", self.mapped('reference'))

    def _vipps_follow_up(self):
        """ Hook: give people their activities about an approved payment, and take back those that
        are done. """
        if self.state in ('draft', 'pending'):
            return
        self = self._vipps_in_staff_language()
        if not self._vipps_is_anything_paid():
            self._vipps_end_follow_up()
        if self.provider_id.state != 'disabled' and not self._vipps_is_open():
            self._vipps_end_activity('failure', _("Nothing is left to capture or to release."))
        if not self.vipps_remaining_amount:
            for problem in ('deadline', 'guarantee'):
                self._vipps_end_activity(problem, _("Nothing is reserved any longer."))
        self._vipps_propose_refund()
        self._vipps_follow_up_unpaid()

    def _vipps_tell_failure(self, error):
        """ Report to the staff that a due capture or release failed. """
        self = self._vipps_in_staff_language()
        self._vipps_schedule_activity(
            'failure',
            _("%(error)s We retry automatically. This message disappears once it succeeds.",
              error=error),
        )

    def _vipps_tell_delay(self, error):
        """ Report to the staff that a due capture or release has been tried for about an hour in
        vain. """
        self = self._vipps_in_staff_language()
        if self._vipps_is_reserved() and not self._vipps_get_activities('failure'):
            self._vipps_tell_failure(
                error or VippsError(_("Vipps MobilePay gives no clear answer."))
            )

    def _vipps_propose_refund(self):
        """ Propose to refund a captured amount that is not delivered, or no longer delivered. """
        amount = self._vipps_get_excess_amount()
        change = self.currency_id.compare_amounts(amount, self._vipps_get_told('refund') or 0)
        if not change:
            return
        self._vipps_keep_told('refund', amount)
        if not amount:
            self._vipps_end_activity('refund', _("The captured amount is delivered or refunded."))
        elif change > 0 or self._vipps_get_activities('refund'):
            self._vipps_schedule_activity(
                'refund', self._vipps_explain_excess(self._vipps_format(amount))
            )

    def _vipps_explain_excess(self, amount):
        """ Return the reason for a refund, and the way to make it. """
        if self._vipps_is_document_cancelled():
            reason = _("%s is captured, and the order or invoice that it paid is cancelled or"
                       " deleted.", amount)
        elif self.vipps_capture_mode == 'on_delivery':
            reason = _("%s more is captured than is delivered.", amount)
        else:
            reason = _(
                "%(amount)s more is paid than the order is worth. Its total was %(before)s when the"
                " customer started to pay, and is %(now)s now.", amount=amount,
                before=self._vipps_format(self.vipps_document_amount),
                now=self._vipps_format(self._vipps_get_total_amount()),
            )
        return reason + " " + _(
            "If the customer gets it back, make a credit note and choose Refund with Vipps"
            " MobilePay there, or choose Refund on the payment. If not, mark this as done."
        )

    def _vipps_schedule_activity(self, problem, note, summary=None):
        """ Create an activity for the responsible person, once per problem.

        :param str problem: The key of the problem, see `PROBLEMS`.
        :param str summary: The subject, if not that of the problem.
        """
        summary = summary or self.provider_id.with_context(
            lang=self.env.lang
        )._vipps_describe_problem(problem, name=self.reference)[0]
        activities = self._vipps_get_activities(problem)
        if activities:
            activities.write({'summary': summary, 'note': note})
            return
        user = (
            self.sale_order_ids[:1].user_id.filtered('active')
            or self.provider_id._vipps_get_administrator()
        )
        self.env['mail.activity']._vipps_schedule(
            self._vipps_get_activity_document(), user, f'{problem}:{self.id}', summary, note
        )

    def _vipps_end_activity(self, problem, feedback):
        """ Mark the activity about a problem as done. """
        self._vipps_get_activities(problem).action_feedback(feedback=feedback)

    def _vipps_get_activities(self, problem):
        return self.env['mail.activity']._vipps_find(
            self._vipps_get_activity_document(), f'{problem}:{self.id}'
        )

    def _vipps_get_activity_document(self):
        """ Hook: return the document that the activities are on: the order, else the provider.

        A customer or another reader of the payment is not shown as the author of the request.
        """
        return (self.sale_order_ids[:1] or self.provider_id).with_user(SUPERUSER_ID)

    #=== BUSINESS METHODS - DEADLINES ===#

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
