# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import _, api, models
from odoo.fields import Command
from odoo.tools import format_amount

from ... import const


class VippsPaymentRequest(models.Model):
    """ What is due of a customer, for the customer who asks: such a request is never stored. """
    _inherit = 'vipps.payment.request'

    def _vipps_get_landing_route(self):
        """ Override of `vipps.payable` to lead back to the portal. """
        if self.id:
            return super()._vipps_get_landing_route()
        return f'{const.PORTAL_PAY_ROUTE}/{self.company_id.id}/{self.currency_id.id}'


class AccountMove(models.Model):
    """ Invoices that customers pay at once in the portal. """
    _inherit = 'account.move'

    @api.model
    def _vipps_find_due(self):
        """ Find what the user, who is a customer, can pay because it is due: of the invoices that
        the portal lists, those of the own company.

        :return: A request, in sudo mode and not stored, for each company and currency in which
                 something is due, and what can be paid of it.
        :rtype: list[tuple[VippsPaymentRequest, Offer]]
        """
        if not self.check_access_rights('read', raise_exception=False) or not (
            self.env['payment.provider'].sudo().search_count(
                [('code', '=', 'vipps'), ('state', '!=', 'disabled')], limit=1,
            )
        ):
            return []
        customer = self.env.user.partner_id.commercial_partner_id
        moves_sudo = self.search([
            ('commercial_partner_id', '=', customer.id), ('move_type', '=', 'out_invoice'),
            ('state', '=', 'posted'), ('payment_state', 'in', ('not_paid', 'partial')),
        ], order='id').sudo()
        due = []
        for (company, currency), group in moves_sudo.grouped(
            lambda move: (move.company_id, move.currency_id)
        ).items():
            request_sudo = self.env['vipps.payment.request'].sudo().with_company(company).new({
                'company_id': company.id, 'partner_id': customer.id, 'currency_id': currency.id,
                'invoice_ids': [Command.set(group.ids)],
            })
            offer = request_sudo._vipps_get_offer()
            if offer.state == 'open' and (
                request_sudo._vipps_get_amount_due_now(offer.amount) > 0
            ):
                due.append((request_sudo, offer))
        return due

    @api.model
    def _vipps_get_portal_buttons(self):
        """ Return the buttons of the list of invoices in the portal.

        :return: The `label`, the name of the `company`, and the `url` of each.
        :rtype: list[dict]
        """
        buttons = []
        for request_sudo, offer in self._vipps_find_due():
            amount, currency = offer.due_amount or offer.amount, request_sudo.currency_id
            label = _(
                "Pay all that is due with %(method)s: %(amount)s",
                method=request_sudo._vipps_find_offering_provider(
                    amount
                )._vipps_get_payment_method(currency).name,
                amount=format_amount(self.env, amount, currency),
            )
            buttons.append({
                'label': label,
                'company': request_sudo.company_id.name,
                'url': request_sudo._vipps_get_landing_route(),
            })
        return buttons
