# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import logging
from datetime import timedelta

from odoo import _, api, fields, models
from odoo.exceptions import RedirectWarning, UserError

from ...source import TILL
from ...trust import clean
from ..api.client import VippsError
from .attempt import LIFETIME
from .attempt_order import OPEN_STATES, UNATTACHED_DOMAIN
from .pos_payment import UNFINISHED_STATES

# After this time nobody can approve a payment any more, whether or not it could be read.
GIVE_UP_AGE = LIFETIME + timedelta(minutes=5)


class PosSession(models.Model):
    """ The payments that keep a session from being closed, and the list in which people settle
    them. """
    _inherit = 'pos.session'

    vipps_unsettled_count = fields.Integer(compute='_compute_vipps_unsettled_count')

    #=== COMPUTE METHODS ===#

    @api.depends('order_ids.state')
    def _compute_vipps_unsettled_count(self):
        for session in self:
            session.vipps_unsettled_count = len(session._vipps_search_unsettled())

    #=== ACTION METHODS ===#

    def action_vipps_view_unsettled(self):
        """ Open the list of the attempts that are open, or that took money for no finished order.

        :rtype: dict
        :raise AccessError: If this is not for the user.
        """
        self = clean(self)
        self._vipps_check_till()
        attempts = self.env['vipps.till.attempt'].create([
            {'session_id': self.id, 'reference': tx_sudo.reference}
            for tx_sudo in self._vipps_get_unsettled()
        ])
        return {
            'name': _("Vipps MobilePay Payments"),
            'type': 'ir.actions.act_window',
            'res_model': attempts._name,
            'view_mode': 'tree',
            'domain': [('id', 'in', attempts.ids)],
        }

    #=== BUSINESS METHODS ===#

    def _vipps_search_unsettled(self):
        """ Return the attempts of the session that are open, or that took money for no finished
        order, for a user that may see the session. """
        self.check_access_rights('read')
        self.check_access_rule('read')
        return self.env['payment.transaction'].sudo().search([
            ('vipps_pos_session_id', 'in', self.ids),
            ('state', 'in', ('draft', 'authorized', 'done')),
            *UNATTACHED_DOMAIN,  # All others of a long day are not even looked at.
        ], order='id')._vipps_filter_unsettled()

    def _vipps_get_unsettled(self):
        """ Return the attempts of the session that are open, or that took money for no finished
        order, after a look at those that are open: at those that nobody has looked at for the
        longest time first, for no longer than a person waits. A till that is closed asks for this
        several times in a row. """
        attempts_sudo = clean(self)._vipps_search_unsettled().with_context(
            vipps_source=TILL
        )._vipps_with_patience(is_polling=True)
        for tx_sudo in attempts_sudo._vipps_filter_open().sorted(
            lambda tx: tx.vipps_last_read or tx.create_date
        ):
            tx_sudo._vipps_sync_for_till()
        return attempts_sudo._vipps_filter_unsettled()

    def _cannot_close_session(self, bank_payment_method_diffs=None):
        """ Override of `point_of_sale` to refuse while somebody is paying, or has paid for no
        finished order. """
        attempts_sudo = self._vipps_get_unsettled()
        if attempts_sudo:
            return {
                'successful': False,
                'message': self._vipps_describe_unsettled(attempts_sudo),
                'redirect': False,
                'vipps_attempts': [tx._vipps_get_till_status() for tx in attempts_sudo],
            }
        return super()._cannot_close_session(bank_payment_method_diffs)

    def update_closing_control_state_session(self, notes):
        """ Override of `point_of_sale` to keep on taking payments: tills without cash ask for
        nothing else before this. """
        self._vipps_check_settled()
        return super().update_closing_control_state_session(notes)

    def action_pos_session_closing_control(self, *args, **kwargs):
        """ Override of `point_of_sale` to refuse in the back office, too, before anything is
        changed. """
        for session in self:
            session._vipps_check_settled()
        return super().action_pos_session_closing_control(*args, **kwargs)

    def _validate_session(self, *args, **kwargs):
        """ Override of `point_of_sale` to refuse on all ways that close a session. """
        self._vipps_check_settled()
        self._vipps_tell_uncaptured()
        return super()._validate_session(*args, **kwargs)

    def _vipps_check_settled(self):
        """ Ensure that nobody is paying, and that all that was paid belongs to a finished order.
        """
        attempts_sudo = self._vipps_get_unsettled()
        if not attempts_sudo:
            return
        warning = RedirectWarning(
            self._vipps_describe_unsettled(attempts_sudo),
            self.env.ref('mobilepay_vipps.action_vipps_unsettled').id,
            _("Show the Payments"),
            {'active_model': self._name, 'active_id': self.id, 'active_ids': self.ids},
        )
        warning.loglevel = logging.WARNING  # It is no fault of the server, as a `UserError`.
        raise warning

    def _vipps_describe_unsettled(self, attempts_sudo):
        return _(
            "The session cannot be closed yet, because of payments with Vipps MobilePay that are"
            " open, or that belong to no finished order. Finish or cancel them at the till, or"
            " under Vipps MobilePay Payments on the session:\n%s",
            '\n'.join(
                f"{tx.vipps_pos_reference}: {tx._vipps_format(tx.amount)} ({tx.reference})"
                for tx in attempts_sudo
            ),
        )

    def _vipps_tell_uncaptured(self):
        """ Schedule an activity for payments that are part of an order, and only reserved, or not
        even that, when the session is closed. """
        attempts_sudo = self.env['payment.transaction'].sudo().search([
            ('vipps_pos_session_id', '=', self.id),
            ('state', 'in', ('authorized', 'cancel')),
            ('vipps_pos_payment_ids.pos_order_id.state', 'not in', UNFINISHED_STATES),
        ])
        for tx_sudo in attempts_sudo:
            if tx_sudo.state == 'cancel':  # Then it is too late to capture it.
                tx_sudo._vipps_follow_up_unpaid()
            elif not tx_sudo._vipps_get_activities('failure'):
                tx_sudo._vipps_tell_failure(
                    VippsError(_("This payment is reserved and not captured."))
                )


class PaymentTransaction(models.Model):
    """ The decisions of managers that let a session be closed, and the reports about payments that
    are not captured then. """
    _inherit = 'payment.transaction'

    #=== BUSINESS METHODS - WITHOUT AN ANSWER ===#

    def _vipps_may_give_up(self):
        """ Return whether the session may be closed although the outcome of the attempt is unknown:
        nobody can approve it any more. """
        return (
            bool(self) and self._vipps_get_till_state() in OPEN_STATES
            and self.state == 'draft'
            and fields.Datetime.now() - self._vipps_get_start_time() > GIVE_UP_AGE
        )

    def _vipps_give_up(self):
        """ Let the session be closed although the outcome of the attempt is unknown. The attempt is
        read until its outcome is known; an approved payment that is not captured is released then.
        """
        self.ensure_one()
        root = self._vipps_get_root()
        root._vipps_lock_for_person()
        if self.state != 'draft':
            return
        if not self._vipps_may_give_up():
            raise UserError(_(
                "The customer may still approve this payment. Cancel it, or wait until %s minutes"
                " have passed since it was started.", int(GIVE_UP_AGE.total_seconds() // 60),
            ))
        self._set_canceled(_("It is not known whether the customer has paid."))
        self._vipps_keep_told('given_up', True)
        root._vipps_watch()
        self = self._vipps_in_staff_language()  # `_` looks for the language in `self`.
        values = {
            'amount': self._vipps_format(abs(self.amount)), 'order': self.vipps_pos_reference,
        }
        if self.operation == 'refund':
            note = _(
                "It is not known yet whether %(amount)s of order %(order)s was refunded: Vipps"
                " MobilePay did not answer. Odoo keeps asking, and books the refund if it was made."
                " This disappears when it is known.", **values,
            )
        else:
            note = _(
                "It is not known yet whether a customer has approved %(amount)s for order"
                " %(order)s: Vipps MobilePay did not answer. Odoo keeps asking, and releases the"
                " payment if it was approved. This disappears when it is known.", **values,
            )
        self._vipps_schedule_activity('given_up', note)

    def _vipps_get_given_up(self):
        """ Return the transactions of the payment that were given up: itself, or refunds at
        tills. """
        return (self | self._vipps_get_till_refunds()).filtered(
            lambda tx: tx._vipps_get_told('given_up')
        )

    #=== BUSINESS METHODS - WITHOUT AN ORDER ===#

    def _vipps_book_without_order(self):
        """ Book the customer's payment outside of the session, which then can be closed without
        refunding it. From now on, no order can be paid with it. """
        self.ensure_one()
        self._vipps_lock_for_person()  # Nobody finishes the order with it from now on.
        if self.vipps_pos_is_alone:
            return
        if not self._vipps_is_unattached():
            raise UserError(_(
                "Payment %s is not paid, or it is part of a finished order.", self.reference
            ))
        problem = self._vipps_find_booking_problem()
        if problem:
            raise UserError(problem)
        self.vipps_pos_is_alone = True
        # Its refunds were not booked either. A reservation is booked when it is captured.
        for tx in self._vipps_get_captures() | self._vipps_get_refunds():
            if tx.is_post_processed and not tx.payment_id:
                tx.with_company(tx.company_id)._create_payment()
        self = self._vipps_in_staff_language()
        self._vipps_schedule_activity('alone', _(
            "%(amount)s was paid for order %(order)s, which was not finished. The payment was"
            " booked without the sale: make an invoice for it, or refund the payment. Then mark"
            " this as done.",
            amount=self._vipps_format(self._vipps_get_till_amount()),
            order=self.vipps_pos_reference,
        ))

    #=== BUSINESS METHODS - DELIVERED GOODS ===#

    def _vipps_get_delivered_amount(self):
        """ Override to count payments at a till, where customers take the goods at once. """
        return super()._vipps_get_delivered_amount() + sum(
            self._vipps_get_finished_payments().mapped('amount')
        )

    def _vipps_get_paid_amount(self):
        """ Override to count the captured amount of a payment at a till. """
        if self.vipps_pos_session_id:
            return self._vipps_get_captured_amount()
        return super()._vipps_get_paid_amount()

    def _vipps_follow_up_unpaid(self):
        """ Override to report goods that a customer took at a till and that are neither paid nor
        reserved. """
        if not self.vipps_pos_session_id:
            return super()._vipps_follow_up_unpaid()
        tx = self._vipps_in_staff_language()
        reason, amount = tx._vipps_find_unpaid()
        told = f'{reason} {amount:.6f}'
        if self.state == 'cancel' and reason and told != self._vipps_get_told('unpaid'):
            tx._vipps_tell_unpaid(reason, amount)
            tx._vipps_keep_told('unpaid', told)
