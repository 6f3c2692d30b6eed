# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import _, _lt, api, fields, models, tools
from odoo.exceptions import UserError, ValidationError
from odoo.tools import format_amount

from ... import const

# The ways to ask for a payment, each with the user flow that the API knows it by: a customer's own
# code is scanned, or the customer scans a sticker, to find the customer for the push message.
# https://developer.vippsmobilepay.com/docs/APIs/epayment-api/features/
FLOWS = {'qr': 'QR', 'push': 'PUSH_MESSAGE', 'code': 'PUSH_MESSAGE', 'sticker': 'PUSH_MESSAGE'}
FLOW_NAMES = [
    ('qr', "QR code"), ('push', "Phone number"), ('code', "Customer's code"),
    ('sticker', "Sticker"),
]

# The API's answer when a sales unit may not send push messages.
# https://developer.vippsmobilepay.com/docs/APIs/epayment-api/api-guide/errors/
PUSH_REFUSED = '5080'


class PosPaymentMethod(models.Model):
    _name = 'pos.payment.method'
    _inherit = ['pos.payment.method', 'vipps.guarded.export', 'vipps.audited']
    _vipps_silent_fields = ('vipps_push_refused', 'vipps_sticker_redirects')

    vipps_provider_id = fields.Many2one(
        string="Vipps MobilePay Provider",
        help="The payment provider whose sales unit takes the payments of this method.",
        comodel_name='payment.provider',
        compute='_compute_vipps_provider_id',
        compute_sudo=True,
        store=True,
        readonly=False,
        ondelete='restrict',
        domain="[('code', '=', 'vipps'), ('company_id', 'parent_of', company_id)]",
        groups='base.group_system',
    )
    vipps_allow_qr = fields.Boolean(
        string="QR Code",
        help="The customer scans a QR code on the till or on the customer display.",
        default=True,
    )
    vipps_allow_push = fields.Boolean(
        string="Phone Number",
        help="The cashier enters the customer's phone number, and the app shows the payment. The"
             " sales unit needs an approval of Vipps MobilePay for these push messages.",
        default=True,
    )
    vipps_allow_code = fields.Boolean(
        string="Customer's Code",
        help="The cashier scans the code that the customer shows in the app. The sales unit needs"
             " an approval of Vipps MobilePay for that.",
        default=True,
    )
    vipps_allow_sticker = fields.Boolean(
        string="Sticker",
        help="The customer scans the printed sticker of the till, and the app shows the payment."
             " Make the sticker in the settings of the Point of Sale.",
        default=True,
    )
    vipps_default_flow = fields.Selection(
        string="Default",
        help="The way to pay that tills offer first.",
        selection=FLOW_NAMES,
        default='qr',
    )
    vipps_brand_id = fields.Many2one(
        string="App",
        help="The payment method with the name and the icon of the app that customers pay with.",
        comodel_name='payment.method',
        compute='_compute_vipps_brand_id',
        compute_sudo=True,
    )
    vipps_push_refused = fields.Boolean(
        string="Push Messages Refused",
        help="Vipps MobilePay has not approved push messages for the sales unit. Test the"
             " connection of the payment provider when it has.",
        copy=False,
        readonly=True,
    )
    # Found out by asking: the documentation has both ways.
    vipps_sticker_redirects = fields.Boolean(copy=False, readonly=True)
    vipps_is_paused = fields.Boolean(
        string="Not Answering",
        help="Vipps MobilePay did not answer several times in a row.",
        compute='_compute_vipps_is_paused',
        compute_sudo=True,
    )

    #=== COMPUTE METHODS ===#

    @api.depends('use_payment_terminal', 'company_id')
    def _compute_vipps_provider_id(self):
        """ Choose the only provider there can be: people that set up tills may not see
        providers. """
        for method in self:
            provider = method.vipps_provider_id
            if method.use_payment_terminal != 'vipps':
                provider = False
            elif provider.company_id not in method.company_id.parent_ids:
                providers = self.env['payment.provider'].search([
                    ('code', '=', 'vipps'), ('company_id', 'parent_of', method.company_id.id),
                ])
                # A branch uses the one of its nearest parent.
                for company in reversed(method.company_id.parent_ids):
                    provider = providers.filtered(lambda p, c=company: p.company_id == c)
                    if provider:
                        break
                provider = provider if len(provider) == 1 else False
            method.vipps_provider_id = provider

    @api.depends('vipps_provider_id', 'journal_id', 'company_id')
    def _compute_vipps_brand_id(self):
        for method in self:
            currency = method.journal_id.currency_id or method.company_id.currency_id
            method.vipps_brand_id = (
                method._vipps_get_brand(currency) if method.vipps_provider_id else False
            )

    @api.depends('vipps_provider_id')
    def _compute_vipps_is_paused(self):
        for method in self:
            provider = method.vipps_provider_id
            method.vipps_is_paused = bool(
                provider and provider._vipps_is_failing(provider._vipps_get_last_call())
            )

    #=== CONSTRAINT METHODS ===#

    @api.constrains('use_payment_terminal', 'vipps_provider_id', 'company_id')
    def _check_vipps_provider_id(self):
        """ Ensure that the payments have a sales unit of the same company or of a parent. """
        for method in self.sudo().filtered(lambda m: m.use_payment_terminal == 'vipps'):
            provider = method.vipps_provider_id
            if not provider:
                raise ValidationError(_(
                    "%(method)s has no payment provider of Vipps MobilePay in its company. Ask an"
                    " administrator to choose one on the payment method.", method=method.name,
                ))
            if provider.code != 'vipps' or (
                provider.company_id not in method.company_id.parent_ids
            ):
                raise ValidationError(_(
                    "%(provider)s is not a payment provider of Vipps MobilePay in the company of"
                    " %(method)s, nor in a parent of it. Choose another one.",
                    provider=provider.name, method=method.name,
                ))

    @api.constrains(
        'use_payment_terminal', 'vipps_allow_qr', 'vipps_allow_push', 'vipps_allow_code',
        'vipps_allow_sticker', 'vipps_default_flow',
    )
    def _check_vipps_default_flow(self):
        """ Ensure that the first way to ask is among those that are allowed. """
        for method in self.filtered(lambda m: m.use_payment_terminal == 'vipps'):
            flow = method.vipps_default_flow
            if not flow or not method[f'vipps_allow_{flow}']:
                raise ValidationError(_(
                    "The default way to pay with %s must be one of those that are allowed. Choose"
                    " another default.", method.name,
                ))

    #=== CRUD METHODS ===#

    @api.model_create_multi
    def create(self, values_list):
        """ Override of `point_of_sale` to look up anew whether tills take our payments. """
        methods = super().create(values_list)
        if 'vipps' in methods.mapped('use_payment_terminal'):
            self.env.registry.clear_cache()
        return methods

    def write(self, values):
        """ Override of `point_of_sale` to look up anew whether tills take our payments. """
        res = super().write(values)
        if 'use_payment_terminal' in values:
            self.env.registry.clear_cache()
        return res

    def _get_payment_terminal_selection(self):
        """ Override of `point_of_sale` to add Vipps MobilePay. """
        return super()._get_payment_terminal_selection() + [('vipps', "Vipps MobilePay")]

    def _is_write_forbidden(self, fields):
        """ Override of `point_of_sale` to let open tills learn that push messages are refused. """
        return super()._is_write_forbidden(
            fields - {'vipps_push_refused', 'vipps_sticker_redirects'}
        )

    #=== BUSINESS METHODS ===#

    @api.model
    @tools.ormcache()
    def _vipps_is_known(self):
        """ Return whether any till takes our payments or ever did, so that sales cost no query in
        databases whose tills never did. """
        return bool(
            self.sudo().search_count([('use_payment_terminal', '=', 'vipps')], limit=1)
            or self.env['payment.transaction'].sudo().search_count(
                [('vipps_pos_reference', '!=', False)], limit=1
            )
        )

    def _vipps_check_usable(self, currency, amount):
        """ Ensure that the method can take a payment. """
        provider_sudo = self.sudo().vipps_provider_id
        if provider_sudo.state == 'disabled' or not provider_sudo.is_published:
            self._vipps_refuse(_lt(
                "%s is switched off. Take another payment method, and ask an administrator to"
                " enable and publish the payment provider.", self.name,
            ))
        if currency not in provider_sudo.available_currency_ids:
            self._vipps_refuse(_lt(
                "%(method)s does not take payments in %(currency)s. Take another payment method.",
                method=self.name, currency=currency.name,
            ))
        if not self._vipps_get_brand(currency):
            self._vipps_refuse(_lt(
                "%s cannot take payments right now: the payment methods Vipps and MobilePay were"
                " deleted. Take another payment method, and ask an administrator to update the"
                " module Vipps MobilePay.", self.name,
            ))
        maximum_amount = provider_sudo.main_currency_id._convert(
            provider_sudo.maximum_amount, currency, provider_sudo.company_id,
            fields.Date.context_today(self),
        )
        if not self.env['vipps.api.client']._is_exact(amount, currency):
            raise UserError(_(
                "%(method)s takes amounts with at most two decimals. Enter another amount than"
                " %(amount)s, or take another payment method.",
                amount=format_amount(self.env, amount, currency), method=self.name,
            ))
        if not self.env['vipps.api.client']._is_payable(amount, currency) or (
            maximum_amount and currency.compare_amounts(amount, maximum_amount) > 0
        ):
            raise UserError(_(
                "%(amount)s is too little or too much for a payment with %(method)s. Enter another"
                " amount, or take another payment method.",
                amount=format_amount(self.env, amount, currency), method=self.name,
            ))

    def _vipps_refuse(self, sentence):
        """ Inform the cashier that the method takes no payments, and an administrator, as only
        administrators can change that. """
        self.sudo().vipps_provider_id._vipps_alert_administrator('tills', sentence)
        raise UserError(str(sentence))

    def _vipps_get_brand(self, currency):
        """ Return the payment method of the shop that carries the brand of payments at tills. It
        may be archived or not offered: shops without a webshop do that.

        :return: The payment method; empty if both were deleted.
        """
        provider_sudo = self.sudo().vipps_provider_id
        method_sudo = provider_sudo._vipps_get_payment_method(currency)
        if not method_sudo:
            methods_sudo = provider_sudo.env['payment.method'].with_context(
                active_test=False
            ).search([('code', 'in', list(const.DEFAULT_PAYMENT_METHOD_CODES))], order='id')
            code = const.CURRENCY_PAYMENT_METHODS.get(currency.name)
            method_sudo = methods_sudo.filtered(lambda m: m.code == code) or methods_sudo[:1]
        return method_sudo

    def _vipps_check_flow(self, flow, config):
        """ Ensure that a till may ask for a payment in this way. """
        if flow not in list(FLOWS) or not self[f'vipps_allow_{flow}'] or (
            flow == 'sticker' and self not in config.sudo().vipps_sticker_method_ids
        ):
            raise UserError(_("This way to ask for a payment is switched off. Take another one."))
        if flow in ('push', 'code') and self.vipps_push_refused:
            raise UserError(self.env['vipps.api.client']._get_sentence(PUSH_REFUSED))

    #=== BUSINESS METHODS - AUDIT TRAIL ===#

    def _vipps_filter_audited(self, values):
        """ Override of `vipps.audited` to leave other methods alone. """
        return self.filtered(lambda method: 'vipps' in (
            method.use_payment_terminal, values.get('use_payment_terminal')
        ))

    def _vipps_get_audited_provider(self):
        """ Override of `vipps.audited`. """
        return self.sudo().vipps_provider_id
