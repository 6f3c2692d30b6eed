# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import base64
import re
import uuid

from odoo import _, api, fields, models
from odoo.exceptions import ValidationError
from odoo.fields import NO_ACCESS
from odoo.tools import format_amount

from ...trust import get_readable
from .payable import MODELS_BY_LETTER, Offer

MODELS_BY_LETTER['p'] = 'vipps.payment.page'

MAX_SUGGESTIONS = 6

ENTERED_AMOUNT = re.compile(r'[0-9]{1,9}([.,][0-9]{1,2})?')


class VippsPaymentPage(models.Model):
    """ A page on which the payer enters the amount: for donations, and whatever else has no price.
    """
    _name = 'vipps.payment.page'
    _inherit = ['vipps.payable', 'vipps.guarded.export']
    _description = "Vipps MobilePay Payment Page"
    _order = 'name, id'
    _vipps_page_template = 'mobilepay_vipps.pay_open_amount'

    name = fields.Char(string="Purpose", required=True, translate=True)
    description = fields.Text(
        string="Text", help="What the payer reads on the page.", translate=True,
    )
    active = fields.Boolean(default=True)
    company_id = fields.Many2one(
        string="Company", comodel_name='res.company', required=True,
        default=lambda self: self.env.company,
    )
    currency_id = fields.Many2one(
        string="Currency", comodel_name='res.currency', required=True,
        default=lambda self: self.env.company.currency_id,
    )
    product_id = fields.Many2one(
        string="Product",
        help="What is booked: the invoice of each payment has a line with this product, on its"
             " income account and with its taxes, which must be included in the price.",
        comodel_name='product.product', required=True, ondelete='restrict', check_company=True,
    )
    partner_id = fields.Many2one(
        string="Booked For",
        help="The contact in whose name the invoices are made: payers are not asked who they are.",
        comodel_name='res.partner', required=True, ondelete='restrict', check_company=True,
    )
    min_amount = fields.Monetary(string="Smallest Amount", required=True, default=10)
    max_amount = fields.Monetary(string="Largest Amount", required=True, default=10000)
    suggested_amounts = fields.Char(
        string="Suggested Amounts", help="Whole amounts, separated by spaces.",
        default="50 100 200",
    )
    access_token = fields.Char(
        default=lambda self: str(uuid.uuid4()), required=True, copy=False, groups=NO_ACCESS,
    )
    url = fields.Char(string="Link", compute='_compute_url', compute_sudo=True)
    qr_code = fields.Binary(string="QR Code", compute='_compute_url', compute_sudo=True)
    transaction_ids = fields.One2many(
        string="Payments", comodel_name='payment.transaction', inverse_name='vipps_page_id',
        readonly=True, groups='account.group_account_invoice',
    )
    paid_amount = fields.Monetary(
        string="Received", compute='_compute_paid_amount', compute_sudo=True,
        groups='account.group_account_invoice',
    )

    #=== COMPUTE METHODS ===#

    def _compute_url(self):
        for page in self:
            stored = get_readable(page)
            page.url = stored.id and stored._vipps_get_pay_url()
            page.qr_code = stored.id and base64.b64encode(
                self.env['ir.actions.report'].barcode('QR', page.url, width=600, height=600)
            )

    @api.depends('transaction_ids.state')
    def _compute_paid_amount(self):
        for page in self:
            page.paid_amount = sum(
                tx.vipps_captured_amount - tx.vipps_refunded_amount
                for tx in get_readable(page).transaction_ids
            )

    #=== CONSTRAINT METHODS ===#

    @api.constrains('min_amount', 'max_amount', 'suggested_amounts')
    def _check_amounts(self):
        """ Ensure that each suggested amount can be paid. """
        for page in self:
            try:
                amounts = page._get_suggested_amounts()
            except ValueError:
                amounts = [0]
            if not 0 < page.min_amount <= page.max_amount or len(amounts) > MAX_SUGGESTIONS or any(
                not page.min_amount <= amount <= page.max_amount for amount in amounts
            ):
                raise ValidationError(_(
                    "Enter a smallest and a largest amount, and at most %s whole amounts between"
                    " them as suggestions, separated by spaces.", MAX_SUGGESTIONS,
                ))

    @api.constrains('product_id', 'company_id')
    def _check_taxes(self):
        """ Ensure that the total of an invoice is the amount that the payer entered. """
        for page in self:
            if not all(page._get_taxes().mapped('price_include')):
                raise page._prepare_tax_refusal()

    #=== CRUD METHODS ===#

    def write(self, values):
        """ Override of `orm` to keep the books of a page in one company.

        :raise ValidationError: If a page with payments is to move to another one.
        """
        if 'company_id' in values and any(
            page.company_id.id != values['company_id'] and page.sudo().transaction_ids
            for page in self
        ):
            raise ValidationError(_("Payments of this page are booked in its company."))
        return super().write(values)

    #=== BUSINESS METHODS - PAYMENT PAGE ===#

    def _portal_ensure_token(self):
        return self.sudo().access_token

    def _get_taxes(self):
        """ Return the taxes of the product that apply in the company, which may be a branch. """
        taxes = self.product_id.taxes_id
        return taxes.filtered_domain(taxes._check_company_domain(self.company_id))

    def _prepare_tax_refusal(self):
        return ValidationError(_(
            "The payer enters an amount with taxes: those of the product must be included"
            " in its price.",
        ))

    def _get_suggested_amounts(self):
        return [int(text) for text in (self.suggested_amounts or '').split()]

    def _vipps_get_offer(self):
        """ Override of `vipps.payable` to let the payer enter the amount. """
        if not self.active:
            return Offer('closed')
        if not self._vipps_find_offering_provider(self.min_amount):
            return Offer('unavailable')
        return Offer('open', self.min_amount)

    def _vipps_read_amount(self, offer, part=None, amount=None, **data):
        """ Override of `vipps.payable` to take the amount that the payer chose or entered.

        :raise ValidationError: If it is not one that the page takes.
        """
        match = ENTERED_AMOUNT.fullmatch((part or amount or '').strip())
        entered = self.currency_id.round(float(match[0].replace(',', '.'))) if match else 0
        if not self.min_amount <= entered <= self.max_amount:
            raise ValidationError(_(
                "Enter an amount from %(min)s to %(max)s.",
                min=format_amount(self.env, self.min_amount, self.currency_id),
                max=format_amount(self.env, self.max_amount, self.currency_id),
            ))
        return entered

    def _vipps_get_landing_route(self):
        """ Override of `vipps.payable` to thank on the page, which looks the same otherwise. """
        return f'{self._vipps_get_pay_route()}?thanks=1'

    def _vipps_prepare_page_values(self):
        """ Override of `vipps.payable` to book the payment by the purpose, at once. """
        return {'vipps_page_id': self.id, 'vipps_capture_mode': 'automatic'}
