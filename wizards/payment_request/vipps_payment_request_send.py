# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from markupsafe import Markup

from odoo import _, api, fields, models
from odoo.tools import format_amount

from ...trust import check_access


class VippsPaymentRequestSend(models.TransientModel):
    """ The dialog that sends payment requests for invoices. """
    _name = 'vipps.payment.request.send'
    _description = "Vipps MobilePay Payment Requests to Send"

    invoice_ids = fields.Many2many(
        string="Invoices", comodel_name='account.move', relation='vipps_request_send_move_rel',
        readonly=True,
    )
    summary = fields.Html(string="Requests", compute='_compute_summary', sanitize=False)
    can_send = fields.Boolean(compute='_compute_summary')

    #=== COMPUTE METHODS ===#

    @api.depends('invoice_ids')
    def _compute_summary(self):
        for wizard in self:
            moves = check_access(wizard.invoice_ids._origin, 'read')
            requests, left_out = moves._vipps_prepare_requests()
            wizard.can_send = bool(requests)
            wizard.summary = self._render_summary(requests, left_out)

    def _render_summary(self, requests, left_out):
        rows = []
        for values in requests:
            partner = self.env['res.partner'].browse(values['partner_id'])
            currency = self.env['res.currency'].browse(values['currency_id'])
            rows.append((
                partner.display_name,
                format_amount(self.env, values['amount'], currency),
                _("Push message") if values['channel'] == 'push'
                else _("Mail. %s", values['reason']),
            ))
        rows += [
            (move.name or '', '', _("Left out. %s", reason)) for move, reason in left_out.items()
        ]
        return Markup('<table class="table table-sm"><tbody>%s</tbody></table>') % Markup().join(
            Markup('<tr><td>%s</td><td class="text-end text-nowrap">%s</td><td>%s</td></tr>') % row
            for row in rows
        )

    #=== ACTION METHODS ===#

    def action_send(self):
        """ Send the payment requests.

        :return: A notification.
        :rtype: dict
        :raise AccessError: If the user may not.
        """
        wizard = check_access(self, 'write')
        wizard.ensure_one()
        count = check_access(wizard.invoice_ids, 'write')._vipps_send_requests()
        return self.env['payment.provider']._vipps_notify(
            _("Payment requests sent: %s.", count), type='success' if count else 'warning',
        )
