# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import logging

from psycopg2 import OperationalError

from odoo import SUPERUSER_ID, _, fields, models
from odoo.tools import format_amount

from ..api.client import VippsError

_logger = logging.getLogger(__name__)


class PaymentTransaction(models.Model):
    """ The activities for people about payments. An activity is taken back when it is done. """
    _inherit = 'payment.transaction'

    # The last message to people, by the key of the problem: nobody is told the same again, least of
    # all a person who has solved the problem.
    vipps_told = fields.Json(copy=False, readonly=True)

    #=== BUSINESS METHODS - ACTIVITIES ===#

    def _vipps_get_told(self, problem):
        """ Return the value that was kept when people were last told of a problem, or None. """
        return (self.vipps_told or {}).get(problem)

    def _vipps_keep_told(self, problem, value):
        """ Keep that people are told of a problem.

        :param str problem: The key of the problem, see `PROBLEMS`.
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
            self._vipps_end_activity('refund', _("What is captured is delivered or refunded."))
        elif change > 0 or self._vipps_get_activities('refund'):
            self._vipps_schedule_activity(
                'refund',
                self._vipps_explain_excess(format_amount(self.env, amount, self.currency_id)),
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
                before=format_amount(self.env, self.vipps_document_amount, self.currency_id),
                now=format_amount(self.env, self._vipps_get_total_amount(), self.currency_id),
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
