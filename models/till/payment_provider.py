# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import _lt, api, models

from ..provider.problem import PROBLEMS, Problem

PROBLEMS.update({
    'tills': Problem(
        _lt("Tills cannot take payments with %s"),
        level='error', over='_vipps_do_tills_take_payments',
    ),
    'given_up': Problem(_lt("Payment %s was unknown when the session was closed")),
    'alone': Problem(_lt("Make an invoice for payment %s")),
})

AVAILABILITY_MESSAGE = 'VIPPS_AVAILABILITY'


class PaymentProvider(models.Model):
    """ The availability and the problems of tills. """
    _inherit = 'payment.provider'

    def _vipps_do_tills_take_payments(self, alert):
        return self._vipps_has_payment_since(alert, [('vipps_user_flow', '!=', 'WEB_REDIRECT')])

    @api.model
    def _vipps_is_in_books(self):
        """ Override to look for payments of tills, which `account_payment` does not know. """
        return super()._vipps_is_in_books() or bool(self.env['pos.payment'].sudo().search_count(
            [('payment_method_id.use_payment_terminal', '=', 'vipps')], limit=1
        ))

    def _vipps_follow_good_keys(self):
        """ Override to find out again at the tills whether push messages are approved. """
        super()._vipps_follow_good_keys()
        self.env['pos.payment.method'].sudo().search([
            ('vipps_provider_id', '=', self.id),
            '|', ('vipps_push_refused', '=', True), ('vipps_sticker_redirects', '=', True),
        ]).write({'vipps_push_refused': False, 'vipps_sticker_redirects': False})

    def _vipps_follow_availability(self, is_available):
        """ Override to inform the open tills whether their payments can be taken just now. """
        super()._vipps_follow_availability(is_available)
        methods = self.env['pos.payment.method'].sudo().search([
            ('vipps_provider_id', '=', self.id),
        ])
        sessions = self.env['pos.session'].sudo().search([
            ('state', '!=', 'closed'), ('config_id.payment_method_ids', 'in', methods.ids),
        ])
        self.env['bus.bus'].sudo()._sendmany([
            (session._get_bus_channel_name(), AVAILABILITY_MESSAGE, {
                'method_ids': (session.config_id.payment_method_ids & methods).ids,
                'is_available': is_available,
            })
            for session in sessions
        ])
