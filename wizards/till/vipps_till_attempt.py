# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import _, fields, models
from odoo.tools import format_amount

from ...models.till.attempt_order import OPEN_STATES


class VippsTillAttempt(models.TransientModel):
    """ An attempt to pay at a till that keeps its session from being closed, for the staff of the
    till, which may not read transactions. It only leads to actions that tills can ask for. """
    _name = 'vipps.till.attempt'
    _description = "Vipps MobilePay Payment of a Session"
    _order = 'id'

    session_id = fields.Many2one(
        comodel_name='pos.session', required=True, readonly=True, ondelete='cascade'
    )
    reference = fields.Char(required=True, readonly=True)
    create_time = fields.Datetime(string="Started", compute='_compute_status')
    order_name = fields.Char(string="Order", compute='_compute_status')
    amount = fields.Char(compute='_compute_status')
    status = fields.Char(compute='_compute_status')
    # Which buttons fit.
    is_open = fields.Boolean(compute='_compute_status')
    is_attachable = fields.Boolean(compute='_compute_status')
    is_unattached = fields.Boolean(compute='_compute_status')
    may_give_up = fields.Boolean(compute='_compute_status')

    #=== COMPUTE METHODS ===#

    def _compute_status(self):
        for attempt in self:
            tx_sudo = attempt.session_id._origin._vipps_get_attempt_sudo(attempt.reference)
            state, is_attached = tx_sudo._vipps_get_till_state(), tx_sudo._vipps_is_attached()
            attempt.create_time = tx_sudo.create_date
            attempt.order_name = tx_sudo.vipps_pos_reference
            attempt.amount = format_amount(self.env, tx_sudo.amount, tx_sudo.currency_id)
            attempt.status = self._describe(tx_sudo, state, is_attached)
            attempt.is_open = state in OPEN_STATES
            attempt.is_attachable = not is_attached and (
                state == 'refunded' or state == 'paid'
                and tx_sudo._vipps_get_pos_order().state == 'draft'
                # Nothing was given back of it.
                and not tx_sudo.currency_id.compare_amounts(
                    tx_sudo._vipps_get_till_amount(), tx_sudo.amount
                )
            )
            attempt.is_unattached = tx_sudo._vipps_is_unattached()
            attempt.may_give_up = tx_sudo._vipps_may_give_up()

    def _describe(self, tx_sudo, state, is_attached):
        """ Return the status of an attempt, as a sentence for the staff of the till. """
        if is_attached:
            return _("Settled. There is nothing left to do.")
        return {
            'waiting': _("Waiting for the customer."),
            'scan': _("Waiting for the customer to scan the sticker."),
            'unknown': _("Vipps MobilePay has not answered yet. Look again in a moment."),
            'paid': _("Paid, but the order is not finished."),
            'refunded': _("Refunded, but the order of the refund is not finished."),
            'returned': _("Refunded. There is nothing left to do."),
        }.get(state) or tx_sudo._vipps_get_till_message(state) or _("It was not completed.")

    #=== ACTION METHODS ===#

    def action_look(self):
        """ Read the status of the attempt.

        :raise AccessError: If this is not for the user.
        """
        self._call('vipps_get_attempt')

    def action_attach(self):
        """ Put the payment or the refund into its order.

        :return: The notification that says why the order is still a draft, if it is.
        :rtype: dict | None
        :raise AccessError: If this is not for the user.
        :raise UserError: If it cannot be; it says what to do.
        """
        notice = self._call('vipps_attach_attempt')['notice']
        return notice and self.env['payment.provider']._vipps_notify(notice)

    def action_return(self):
        """ Give back the payment.

        :raise AccessError: If this is not for the user.
        :raise UserError: If it was not given back, or if that is unknown.
        """
        self._call('vipps_undo_attempt')

    def action_cancel(self):
        """ Cancel the attempt, unless the customer has approved it.

        :raise AccessError: If this is not for the user.
        """
        self._call('vipps_cancel_attempt')

    def action_give_up(self):
        """ Let the session be closed although the outcome of the attempt is unknown.

        :raise AccessError: If this is not for the user.
        :raise UserError: If the customer may still approve it.
        """
        self._call('vipps_give_up_attempt')

    def action_book_alone(self):
        """ Book the payment outside of the session, without its order.

        :raise AccessError: If this is not for the user.
        :raise UserError: If it cannot be booked; it says what to do.
        """
        self._call('vipps_book_attempt')

    def _call(self, name):
        """ Call a method of the session as a till does. """
        self.check_access_rights('read')
        self.check_access_rule('read')
        self.ensure_one()
        status = getattr(self.session_id, name)(self.reference)
        self.invalidate_recordset()
        return status
