# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import logging

from odoo import _, api, fields, models
from odoo.exceptions import RedirectWarning
from odoo.tools import format_amount

from ...source import TILL
from ...trust import clean


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
            ('vipps_pos_is_alone', '=', False),
            # All others of a long day are not even looked at.
            ('vipps_pos_payment_ids', 'not any', [
                ('pos_order_id.state', 'not in', ('draft', 'cancel')),
            ]),
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

        :return: None
        :raise RedirectWarning: If not; it names the payments and leads to where to settle them.
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
                f"{tx.vipps_pos_reference}: {format_amount(self.env, tx.amount, tx.currency_id)}"
                f" ({tx.reference})" for tx in attempts_sudo
            ),
        )

    def _vipps_tell_uncaptured(self):
        """ Schedule an activity for payments that are part of an order, and only reserved, or not
        even that, when the session is closed. """
        attempts_sudo = self.env['payment.transaction'].sudo().search([
            ('vipps_pos_session_id', '=', self.id),
            ('state', 'in', ('authorized', 'cancel')),
            ('vipps_pos_payment_ids.pos_order_id.state', 'not in', ('draft', 'cancel')),
        ])
        for tx_sudo in attempts_sudo:
            if tx_sudo.state == 'cancel':  # Then it is too late to capture it.
                tx_sudo._vipps_follow_up_unpaid()
            else:
                tx_sudo._vipps_tell_uncaptured()
