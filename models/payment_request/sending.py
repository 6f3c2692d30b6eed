# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from collections import defaultdict

from odoo import _, fields, models
from odoo.exceptions import UserError
from odoo.fields import Command

from ... import const
from ...trust import check_access
from ..jobs.serialize import serialize


class AccountMove(models.Model):
    """ Payment requests for invoices. """
    _inherit = 'account.move'

    vipps_request_ids = fields.Many2many(
        string="Payment Requests", comodel_name='vipps.payment.request',
        relation='vipps_payment_request_move_rel', column1='account_move_id',
        column2='vipps_payment_request_id', readonly=True, copy=False,
        groups='account.group_account_invoice',
    )

    #=== ACTION METHODS ===#

    def action_vipps_request_payment(self):
        """ Open the dialog that sends payment requests, or reminders, for invoices.

        :return: The action.
        :rtype: dict
        :raise AccessError: If the user may not.
        :raise UserError: If these are too many.
        """
        self.env['vipps.payment.request.send'].check_access_rights('create')
        moves = check_access(self, 'write')
        if len(moves) > const.MAX_REQUESTED_INVOICES:
            raise UserError(_(
                "Choose at most %s invoices at a time.", const.MAX_REQUESTED_INVOICES,
            ))
        wizard = moves.env['vipps.payment.request.send'].create({
            'invoice_ids': [Command.set(moves.ids)],
        })
        return {
            'name': _("Send Payment Request"),
            'type': 'ir.actions.act_window',
            'res_model': wizard._name,
            'res_id': wizard.id,
            'view_mode': 'form',
            'target': 'new',
        }

    #=== BUSINESS METHODS - REQUESTS ===#

    def _vipps_prepare_requests(self):
        """ Return the payment requests that can be sent for the invoices now, one for each customer
        and currency, and why the others cannot.

        :return: The values of the requests, and the reason by the invoice.
        :rtype: tuple[list[dict], dict]
        """
        left_out, groups = {}, defaultdict(self.browse)
        for move in self:
            reason = move._vipps_find_request_obstacle()
            if reason:
                left_out[move] = reason
            else:
                groups[move.company_id, move.partner_id, move.currency_id] |= move
        requests = []
        for (company, partner, currency), moves in groups.items():
            values = moves.sudo()._vipps_prepare_request(company, partner, currency)
            if isinstance(values, str):
                left_out.update(dict.fromkeys(moves, values))
            else:
                requests.append(values)
        return requests, left_out

    def _vipps_find_request_obstacle(self):
        """ Return why no payment request can be sent for an invoice, or None. """
        if not self._vipps_is_code_due():
            return _("Nothing is to be paid.")
        if self.currency_id.compare_amounts(self.sudo()._vipps_get_left_to_pay(), 0) <= 0:
            return _("A payment is on its way.")
        last = self.sudo().vipps_request_ids[:1]
        if last and last.create_date > fields.Datetime.now() - const.REQUEST_PAUSE:
            return _("A request was sent less than a day ago.")
        if len(self.sudo().vipps_request_ids) >= const.MAX_REQUESTS_PER_INVOICE:
            return _("%s requests were sent. Get in touch with the customer in another way.",
                     const.MAX_REQUESTS_PER_INVOICE)
        return None

    def _vipps_prepare_request(self, company, partner, currency):
        """ Return the values of the payment request for open invoices of one customer, or why it
        cannot be sent. """
        request = self.env['vipps.payment.request'].new({
            'company_id': company.id, 'partner_id': partner.id, 'currency_id': currency.id,
            'invoice_ids': [Command.set(self.ids)],
        })
        amount = currency.round(sum(self.mapped('amount_residual')) - (
            self.env['payment.transaction']._vipps_get_held_invoice_amount(self)
        ))
        provider = request._vipps_find_offering_provider(amount)
        if not provider.is_published:
            return _("Vipps MobilePay takes no payment of this amount in this currency for %s now.",
                     company.name)
        reason = provider._vipps_find_push_obstacle(partner)
        if reason and not partner.email:
            return _("%(reason)s And the customer has no e-mail address.", reason=reason)
        return {
            'company_id': company.id,
            'partner_id': partner.id,
            'currency_id': currency.id,
            'invoice_ids': [Command.set(self.ids)],
            'amount': amount,
            'channel': 'mail' if reason else 'push',
            'reason': reason or False,
            'is_reminder': bool(self.vipps_request_ids),
        }

    def _vipps_send_requests(self):
        """ Send the payment requests that can be sent for the invoices.

        Those who send for one of them at the same moment start anew, and find the request.

        :return: How many were sent.
        """
        serialize(self)
        requests_values, _left_out = self._vipps_prepare_requests()
        user = self.env.user
        for values in requests_values:
            self.env['vipps.payment.request'].sudo().with_company(values['company_id']).create({
                **values, 'user_id': user.id,
            })._vipps_send()
        return len(requests_values)


class PaymentProvider(models.Model):
    """ How payment requests are sent. """
    _inherit = 'payment.provider'

    vipps_push_requests = fields.Boolean(
        string="Push Payment Requests",
        help="Send payment requests as push messages to customers who agreed to that. Vipps"
             " MobilePay must have approved payments that are open for long, and push messages,"
             " for the sales unit. Others get a mail with the payment page.",
        tracking=True,
    )

    def _vipps_find_push_obstacle(self, partner):
        """ Return why a payment request cannot be sent to a customer as a push message, or None.
        """
        if not self.vipps_push_requests:
            return _("Push messages are switched off on the payment provider.")
        if not partner._vipps_get_push_number():
            return _("The customer has not agreed to push messages to the present phone number.")
        return None

