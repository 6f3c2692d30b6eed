# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import api, models

from ... import const


class PaymentTransaction(models.Model):
    """ Payments that were started on a page whose address is on paper: anybody may hold it, so
    that nothing of the contact is sent with them, and nothing is asked of the payer. In the portal,
    several people may pay for a company. """
    _inherit = 'payment.transaction'

    #=== CRUD METHODS ===#

    @api.model
    def _get_specific_create_values(self, provider_code, values):
        """ Override of `payment` not to ask the payer, who may be somebody else than the contact,
        to share data with it. """
        res = super()._get_specific_create_values(provider_code, values)
        if provider_code == 'vipps' and self._vipps_is_pay_route(values.get('landing_route')):
            res['vipps_scopes'] = False
        return res

    #=== BUSINESS METHODS ===#

    def _vipps_prepare_payment_values(self):
        """ Override not to show the phone number of the contact to whoever holds the paper, to show
        the legal pages of the shop, and to send the reference that accountants know an invoice by.
        """
        values = super()._vipps_prepare_payment_values()
        references = [
            move.payment_reference for move in self.invoice_ids
            if move.payment_reference and move.payment_reference != move.name
        ]
        if references:
            values['metadata'] = {
                **(values['metadata'] or {}), 'payment_reference': ", ".join(references),
            }
        if self._vipps_is_pay_route(self.landing_route):
            values['phone'] = None
            values['legal_links'] = self._vipps_get_legal_links()
        return values

    def _vipps_get_retry_url(self, has_cart):
        """ Override to lead back to the page: the document in the portal shows more. """
        if self._vipps_is_pay_route(self.landing_route):
            return self.landing_route.partition('?')[0]
        return super()._vipps_get_retry_url(has_cart)

    @api.model
    def _vipps_is_pay_route(self, route):
        return (route or '').startswith((f'{const.PAY_ROUTE}/', f'{const.PORTAL_PAY_ROUTE}/'))
