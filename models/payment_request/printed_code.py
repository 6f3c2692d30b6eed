# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import base64
from urllib.parse import urljoin

from odoo import _, api, fields, models, tools

from ... import const

SWITCHES = ('vipps_code_on_invoices', 'vipps_code_on_quotations', 'vipps_code_in_app')


class PaymentProvider(models.Model):
    """ The documents that carry the address of their payment page. """
    _inherit = 'payment.provider'

    vipps_code_on_invoices = fields.Boolean(
        string="Code on Invoices",
        help="Print a QR code and a link on invoices, and put the link into their mails: they lead"
             " to a page on which the customer pays what is left to pay.",
    )
    vipps_code_on_quotations = fields.Boolean(
        string="Code on Quotations",
        help="Print a QR code and a link on quotations that are accepted by paying, and on orders,"
             " and put the link into their mails.",
    )
    vipps_code_in_app = fields.Boolean(
        string="Code Scans in the App",
        help="Have Vipps MobilePay make the QR codes of invoices, so that the scanner in the app"
             " reads them, too. Each takes a call when the invoice is posted. Until it is there,"
             " and for quotations, Odoo prints a code for the camera.",
    )

    #=== CRUD METHODS ===#

    @api.model_create_multi
    def create(self, values_list):
        """ Override of `payment` to look up anew which codes are printed. """
        providers = super().create(values_list)
        self.env.registry.clear_cache()
        return providers

    def write(self, values):
        """ Override of `payment` to look up anew which codes are printed. """
        res = super().write(values)
        if {*SWITCHES, 'state', 'code'} & values.keys():
            self.env.registry.clear_cache()
        return res

    def unlink(self):
        """ Override of `payment` to look up anew which codes are printed. """
        res = super().unlink()
        self.env.registry.clear_cache()
        return res

    #=== BUSINESS METHODS ===#

    @api.model
    @tools.ormcache()
    def _vipps_get_switches(self):
        """ Return the switches of codes that are on anywhere, so that documents cost no query in
        databases that print none. """
        providers_sudo = self.sudo().search([('code', '=', 'vipps'), ('state', '!=', 'disabled')])
        return frozenset(name for name in SWITCHES if any(providers_sudo.mapped(name)))


class ResPartner(models.Model):
    """ Customers whose documents carry no code. """
    _inherit = 'res.partner'

    vipps_without_code = fields.Boolean(
        string="No Vipps MobilePay Code",
        help="Print no QR code and no link to pay with Vipps MobilePay on the documents of this"
             " customer, for example because a system reads them.",
    )


class VippsPayable(models.AbstractModel):
    """ The QR code and the link that are printed on documents, and put into their mails. """
    _inherit = 'vipps.payable'

    #=== BUSINESS METHODS - PRINTED CODE ===#

    def _vipps_get_printed_code(self):
        """ Return the code that is printed on the document, if it carries one.

        A pause of the provider is no reason to leave it out: the paper lasts longer.

        :return: The `url` of the payment page, the `image` of the QR code, the `title`, and the
            `hint` how to use it.
        :rtype: dict | None
        """
        self.ensure_one()
        switches = self.env['payment.provider']._vipps_get_switches()
        if self._vipps_code_switch not in switches or not self._vipps_is_code_due() or (
            self.partner_id.commercial_partner_id | self.partner_id
        ).filtered('vipps_without_code'):
            return None
        provider_sudo = self._vipps_find_printing_provider()
        if not provider_sudo:
            return None
        url = self._vipps_get_pay_url()
        image = self.env['ir.actions.report'].barcode('QR', url, width=240, height=240)
        return {
            'url': url,
            'image': f'data:image/png;base64,{base64.b64encode(image).decode()}',
            'hint': _("Scan the code with the camera of your phone, or open this link:"),
            'title': _(
                "Pay with %s", provider_sudo._vipps_get_payment_method(self.currency_id).name
            ),
        }

    def _vipps_get_pay_url(self):
        """ Return the address of the payment page. """
        return urljoin(self.get_base_url(), self._vipps_get_pay_route())

    def _vipps_find_printing_provider(self):
        """ Return the provider that the code leads to, if it is switched on there. """
        providers_sudo = self.env['payment.provider'].sudo().search([
            ('code', '=', 'vipps'), ('state', '!=', 'disabled'),
            ('is_published', '=', True),  # The page takes nothing of customers otherwise.
            (self._vipps_code_switch, '=', True),
            ('company_id', 'parent_of', self.company_id.ids),
        ]).sorted(lambda provider: len(provider.company_id.parent_ids), reverse=True)
        return providers_sudo.filtered(
            lambda provider: self.currency_id in provider.available_currency_ids
            or not provider.available_currency_ids
        )[:1] if self.currency_id.name in const.CURRENCY_PAYMENT_METHODS else self.env[
            'payment.provider'
        ]

    def _vipps_is_code_due(self):
        """ Hook: return whether there is something to pay on the page of the document. """
        raise NotImplementedError

    def _notify_by_email_prepare_rendering_context(self, message, *args, **kwargs):
        """ Override of `mail` to put the link to the payment page into mails to the customer. """
        context = super()._notify_by_email_prepare_rendering_context(message, *args, **kwargs)
        # Notifications can be about no document.
        if len(self) == 1 and not message.is_internal and not message.subtype_id.internal:
            context['vipps_code'] = self.with_context(
                lang=context.get('lang') or self.env.lang
            )._vipps_get_printed_code()
        return context


class AccountMove(models.Model):
    """ The code on invoices. """
    _inherit = 'account.move'
    _vipps_code_switch = 'vipps_code_on_invoices'

    def _vipps_is_code_due(self):
        """ Override of `vipps.payable`. """
        return (
            self.move_type == 'out_invoice' and self.state == 'posted'
            and self.currency_id.compare_amounts(self.amount_residual, 0) > 0
        )


class SaleOrder(models.Model):
    """ The code on quotations and orders. """
    _inherit = 'sale.order'
    _vipps_code_switch = 'vipps_code_on_quotations'

    def _vipps_is_code_due(self):
        """ Override of `vipps.payable`. Not everybody who writes to the customer may read the
        invoices. """
        self = self.sudo()
        return not self._vipps_get_closed_state() and (
            self.currency_id.compare_amounts(self._vipps_get_left_to_pay(), 0) > 0
        )
