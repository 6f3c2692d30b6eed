# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import _lt, models

from ..provider.problem import PROBLEMS, Problem

PROBLEMS['requests'] = Problem(
    _lt("Payment requests of %s are not sent as push messages"),
    _lt("Customers get a mail in place of it. Ask Vipps MobilePay to approve payments that are open"
        " for long, and push messages, for the sales unit; or switch off Push Payment Requests on"
        " the payment provider."),
    over='_vipps_are_requests_pushed',
)


class PaymentProvider(models.Model):
    """ The problems of payment requests. """
    _inherit = 'payment.provider'

    def _vipps_get_health_lists(self):
        """ Override to leave payments alone that are open for days because they are requests. """
        lists = super()._vipps_get_health_lists()
        for name in ('open_10_minutes', 'open_1_hour'):
            model, domain, field = lists[name]
            lists[name] = model, [*domain, ('vipps_request_id', '=', False)], field
        return lists

    def _vipps_are_requests_pushed(self, alert):
        """ Return whether a push message was sent after the one that was refused, or none is to be
        sent any longer. """
        return not self.vipps_push_requests or bool(
            self.env['vipps.payment.request'].sudo().search_count([
                ('transaction_id.provider_id', '=', self.id), ('channel', '=', 'push'),
                ('state', '=', 'sent'), ('write_date', '>', alert.create_date),
            ], limit=1)
        )
