# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import logging
import re
import time
from urllib.parse import urlencode, urlsplit

from odoo import _, models
from odoo.exceptions import ValidationError
from odoo.tools import consteq
from odoo.tools.misc import hmac

from odoo.addons.payment import utils as payment_utils

from ... import const
from ...patience import WAITING_SECONDS
from ...step_log import log_step
from ..api.client import VippsError

_logger = logging.getLogger(__name__)

# Errors about a phone number, which is only sent to spare the customer from typing it.
# https://developer.vippsmobilepay.com/docs/APIs/epayment-api/api-guide/errors/
PHONE_ERRORS = ('4070', '7010')

METADATA_ERRORS = ('4100', '4110', '4120', '4130')
URL_ERRORS = ('4090',)

# Parts that a payment can be made without, or with the reference alone: the value, the part of
# the request, and the codes of its refusal.
OPTIONAL_PARTS = (
    ('phone', 'customer', PHONE_ERRORS),
    ('metadata', 'metadata', METADATA_ERRORS),
    ('receipt_lines', 'receipt', ()),
    ('description', 'paymentDescription', ()),
    ('legal_links', 'merchantLegalLinks', URL_ERRORS),
)

# Errors that a customer can meet while the settings are right.
CUSTOMER_ERRORS = (*PHONE_ERRORS, '6010')


class PaymentTransaction(models.Model):
    _inherit = 'payment.transaction'

    #=== BUSINESS METHODS - PAYMENT FLOW ===#

    def _get_specific_rendering_values(self, processing_values):
        """ Override of `payment` to create the payment at Vipps MobilePay.

        The URL of the payment carries a token and core logs these values: the form leads to a route
        of ours, which knows the URL.
        """
        res = super()._get_specific_rendering_values(processing_values)
        if self.provider_code != 'vipps':
            return res

        self._vipps_with_patience()._vipps_start_payment()
        return {'api_url': const.REDIRECT_ROUTE, 'reference': self.reference}

    def _get_post_processing_values(self):
        """ Override of `payment` to show customers the next step, and to send those who have not
        paid, or whose order is not confirmed, to the page with the result. """
        values = super()._get_post_processing_values()
        if self.provider_code == 'vipps':
            values['vipps_heading'] = _("Please wait")
        if self.provider_code == 'vipps' and self.state == 'draft':
            values['display_message'] = _(
                "We are checking your payment. If you have not approved it yet, do so in the app."
                " This page updates automatically."
            )
        elif self.provider_code == 'vipps' and self._vipps_get_result() in (
            'contact', 'failed', 'unclear'
        ):
            values['landing_route'] = self._vipps_get_return_route()
        elif self.provider_code == 'vipps' and self._vipps_get_unconfirmed_orders():
            values['vipps_is_confirming'] = True
            values['display_message'] = _(
                "Your payment is approved. Your order is being confirmed: you do not have to do"
                " anything."
            )
        return values

    def _vipps_start_payment(self):
        """ Create the payment, if it is offered and nothing else pays for the documents.

        :raise ValidationError: If the customer cannot or need not pay this way.
        """
        if not self._vipps_is_offered():
            raise self._vipps_prepare_refusal()
        if not self._vipps_lock(wait=WAITING_SECONDS):
            raise self._vipps_prepare_doubt()
        self._vipps_touch_documents()
        self._vipps_cancel_open_attempts()
        if self._vipps_is_document_cancelled():
            raise ValidationError(_("The order was cancelled, so it can no longer be paid."))
        if self._vipps_is_paid_otherwise():
            raise ValidationError(_(
                "This is already paid, or being paid. Nothing more has been charged. Reload the"
                " page to see how it went."
            ))
        error = self._vipps_create_payment(
            'created', self._vipps_in_customer_language()._vipps_prepare_payment_values()
        )
        if error:
            if error.code not in CUSTOMER_ERRORS:
                self._vipps_report_refusal(error)
            raise self._vipps_prepare_refusal() from error

    def _vipps_report_refusal(self, error):
        """ Hook: alert an administrator of a payment that could not be created. """
        self.provider_id._vipps_alert_administrator('checkout', error)

    def _vipps_is_offered(self):
        """ Return whether the payment form offers the provider for this payment: core takes any
        provider and amount that a browser sends. """
        companies = (self.sale_order_ids or self.invoice_ids).company_id or self.company_id
        return all(
            self.provider_id in self.env['payment.provider']._get_compatible_providers(
                company.id, self.partner_id.id, self.amount, currency_id=self.currency_id.id
            )
            for company in companies
        )

    def _vipps_create_payment(self, step, values):
        """ Create the payment, in the shop or at a till, or find it again after a lost answer.

        If it is unknown whether it was created, the transaction stays as it is, without a URL to
        send the customer to. Calling this again cannot create a second payment.

        :param str step: The step of the log.
        :param dict values: The values of :meth:`_vipps_prepare_payment_values`.
        :return: The error, if the payment is refused.
        :raise VippsError: If a payment was found whose movements cannot be read.
        """
        self._vipps_watch()
        audit = self.env['vipps.audit.event']
        entry = {
            'tx': self, 'step': step, 'started': time.monotonic(), 'amount': self.amount,
            'log': {'currency': self.currency_id.name, 'flow': self.vipps_user_flow},
        }
        try:
            self.vipps_redirect_url = self._vipps_request_payment(values)
        except VippsError as error:
            audit._record('started', error=error, **entry)
            if error.is_conflict:
                self._vipps_find_payment()
            elif not error.is_unknown:
                return error
        else:
            self.vipps_payment_state = 'CREATED'
            audit._record('started', **entry)
        return None

    def _vipps_request_payment(self, values):
        """ Request the payment, in the shop or at a till, and again without a part that is refused
        and can be left out.

        :param dict values: The values of :meth:`_vipps_prepare_payment_values`.
        :return: The URL to send the customer to.
        :raise VippsError: If it is refused, or if it is unknown whether it was created.
        """
        sequence = 0
        while True:
            try:
                return self.env['vipps.api.client']._create_payment(self, values, sequence)
            except VippsError as error:
                part = self._vipps_find_refused_part(values, error)
                changed_values = self._vipps_change_refused_values(values, error)
                if part:
                    values = {**values, part: self._vipps_get_replacement(part)}
                elif changed_values:
                    values = changed_values
                elif not self._vipps_is_scope_refused(error):
                    raise
            sequence += 1

    def _vipps_change_refused_values(self, values, error):
        """ Hook to return the values to ask with instead of refused ones, or None.

        :param dict values: The values of :meth:`_vipps_prepare_payment_values`.
        :param VippsError error: The refusal, which may as well be an unknown outcome.
        :rtype: dict | None
        """
        return None

    def _vipps_find_refused_part(self, values, error):
        """ Return the part of a refused payment request that can be left out.

        An administrator learns of faulty data in Odoo; the phone number is the customer's.

        :return: The name of the value; None if nothing can be left out.
        """
        is_form_refused = error.status in (400, 422) and not error.code
        for name, part, codes in OPTIONAL_PARTS:
            if not values.get(name) or values[name] == self._vipps_get_replacement(name) or (
                name == 'phone' and values.get('user_flow') == 'PUSH_MESSAGE'
            ):
                continue
            is_named = any(
                re.match(rf'{part}\b', field, re.IGNORECASE) for field in error.fields
            )
            # If no part is named, the receipt is left out: it contains the shop's own texts.
            if error.code in codes or is_form_refused and (
                is_named or not error.fields and name == 'receipt_lines'
            ):
                if name != 'phone':
                    self.provider_id._vipps_alert_administrator('refused_part', values={
                        'reference': self.reference,
                        'fields': ", ".join(error.fields) or error.code or '-',
                    })
                return name
        return None

    def _vipps_get_replacement(self, part):
        return self.reference if part == 'description' else None

    def _vipps_try_again(self):
        """ Try again to create the payment, after it was unknown whether it was created.

        :return: Whether the customer can go on, or the payment is decided.
        :raise ValidationError: If the payment is refused.
        """
        self._vipps_with_patience()._vipps_start_payment()
        return bool(self.vipps_redirect_url) or self.state != 'draft'

    def _vipps_find_payment(self):
        """ Find the payment that was created by a request whose answer was lost. """
        try:
            payment = self.env['vipps.api.client']._call_for(self, 'get')
        except VippsError as error:
            log_step(_logger, 'read', self, outcome=error.outcome, error=error.log_text)
            return
        self._handle_notification_data('vipps', {'payment': payment})
        if self.state == 'draft':
            self.vipps_redirect_url = payment.redirect_url

    def _vipps_prepare_refusal(self):
        """ Return the error that tells the customer that the payment is not possible. """
        return ValidationError(_(
            "%s cannot take this payment right now. Nothing has been charged. Please choose another"
            " payment method, or try again later.", self.payment_method_id.name,
        ))

    def _vipps_prepare_doubt(self):
        """ Return the error that tells the customer that an earlier payment may be approved. """
        return ValidationError(_(
            "It is not known yet whether your earlier payment with %s was approved, so no second"
            " one is started. Nothing more has been charged. Try again in a few minutes, or choose"
            " another payment method: if the earlier payment turns out to be approved as well, it"
            " is released.", self.payment_method_id.name,
        ))

    def _vipps_cancel_open_attempts(self):
        """ Cancel earlier attempts that would, together with this one, exceed the amount due.

        An attempt that was approved in the meantime is not cancelled, but paid. One that Vipps
        MobilePay does not know was never created. While the customer is busy with one in the app,
        both are open, and one of them is released.

        :raise ValidationError: If the outcome of one of them is unknown: the customer may have
                                approved it.
        """
        txs = (self.sale_order_ids or self.invoice_ids).transaction_ids - self
        txs = txs.filtered(lambda t: t.state in ('draft', 'pending') and t.vipps_payment_reference)
        if not txs:
            return
        due_amount = self._vipps_get_due_amount() - self._vipps_get_held_amount()
        started_txs = self.env['vipps.task']._get_scheduled(txs, 'sync')
        for tx in txs.filtered('vipps_payment_state') | started_txs:
            if self.currency_id.compare_amounts(tx.amount + self.amount, due_amount) <= 0:
                continue
            if not tx._vipps_lock(wait=WAITING_SECONDS):
                raise self._vipps_prepare_doubt()
            try:
                tx._vipps_execute('release', 0, only_unapproved=True)  # Nothing is reserved yet.
            except VippsError as error:
                if error.is_not_found:
                    continue
                if tx._vipps_try(tx._vipps_sync):
                    raise self._vipps_prepare_doubt() from error

    #=== BUSINESS METHODS - PAYMENT REQUEST ===#

    def _vipps_prepare_payment_values(self):
        """ Hook: return the values to create the payment with.

        :return: The values, amounts in major units.
        """
        company = self.company_id
        country = self.partner_country_id or company.country_id
        normalize_phone = self.env['vipps.api.client']._normalize_phone
        document = self._vipps_get_document_name()
        return {
            'description': _("%(document)s at %(company)s", document=document, company=company.name)
            if document else company.name,
            'return_url': self._vipps_get_return_url(),
            'phone': normalize_phone(self.partner_phone, country)
            or normalize_phone(self.partner_id.mobile, country),
            'receipt_lines': self._vipps_prepare_receipt_lines(),
            'metadata': {'document': document} if document else None,
        }

    def _vipps_get_document_name(self):
        """ Hook: return the numbers of the documents as customers know them. """
        return ", ".join(
            name for name in (self.sale_order_ids or self.invoice_ids).mapped('name')
            if name and name != '/'
        )

    def _vipps_prepare_receipt_lines(self):
        """ Return the lines of the documents for the receipt in the app, in major units. """
        lines = [{
            'id': str(line.id),
            'name': (line.name or line.product_id.display_name or '').split('\n')[0],
            'quantity': abs(line.product_uom_qty),
            'total': line.price_total,
            'tax': line.price_tax,
            'tax_rate': self._vipps_get_tax_rate(line.tax_id),
            'is_shipping': line.is_delivery,
        } for line in self.sale_order_ids.order_line if not line.display_type]
        return lines or [{
            'id': str(line.id),
            'name': (line.name or line.product_id.display_name or '').split('\n')[0],
            'quantity': abs(line.quantity),
            'total': line.price_total,
            'tax': line.price_total - line.price_subtotal,
            'tax_rate': self._vipps_get_tax_rate(line.tax_ids),
            'is_shipping': False,
        } for line in self.invoice_ids.invoice_line_ids if line.display_type == 'product']

    @staticmethod
    def _vipps_get_tax_rate(taxes):
        """ Return the rate of taxes in percent, or None if they have no single one. """
        if not taxes:
            return 0
        return taxes.amount if len(taxes) == 1 and taxes.amount_type == 'percent' else None

    #=== BUSINESS METHODS - RETURN ===#

    def _vipps_get_return_url(self):
        """ Return the URL that the customer comes back to.

        It is taken from the website that the customer is on, if it is one of ours and Vipps
        MobilePay takes its address.
        """
        return self._vipps_get_shop_url() + self._vipps_get_return_route()

    def _vipps_get_shop_url(self):
        provider = self.provider_id
        base_url = provider.get_base_url()
        if not self._vipps_is_own_url(base_url) or not provider._vipps_is_allowed_url(base_url):
            base_url = self.env['ir.config_parameter'].sudo().get_param('web.base.url', '')
        return base_url.rstrip('/')

    def _vipps_is_own_url(self, url):
        """ Return whether a URL leads to a website of this database: browsers, and proxies that are
        not careful, may name any host as the one of the request. """
        host = self._vipps_get_host(url)
        own_url = self.env['ir.config_parameter'].sudo().get_param('web.base.url', '')
        return bool(host) and (host == self._vipps_get_host(own_url) or host in map(
            self._vipps_get_host,
            self.env['website'].sudo().search([('domain', '!=', False)]).mapped('domain'),
        ))

    @staticmethod
    def _vipps_get_host(url):
        try:
            return urlsplit(url).hostname
        except ValueError:  # Not an address at all.
            return None

    def _vipps_get_return_route(self):
        """ Return the signed route that shows how the payment went. """
        return const.RETURN_ROUTE + '?' + urlencode({
            'reference': self.reference,
            'access_token': self._vipps_sign_return(self.reference),
        })

    def _vipps_sign_return(self, reference):
        return hmac(self.env(su=True), 'vipps_return', reference)

    def _vipps_get_from_return(self, reference, access_token):
        """ Return the transaction of a return URL, if its signature is right. """
        # As bytes: the value from a URL may be any text, and is compared all the same.
        if not reference or not access_token or not consteq(
            access_token.encode(), self._vipps_sign_return(reference).encode()
        ):
            return self.browse()
        return self.search_fetch(
            [('reference', '=', reference), ('provider_code', '=', 'vipps')],
            self._vipps_get_column_names(),
        )

    def _vipps_get_retry_url(self, has_cart):
        """ Hook: return the page on which the customer can pay again. """
        order, invoice = self.sale_order_ids[:1], self.invoice_ids[:1]
        if order.website_id and order.state == 'draft':
            if has_cart:
                return '/shop/payment'
            return '/shop/cart?' + urlencode({
                'access_token': order._portal_ensure_token(), 'revive': 'squash',
            })
        if order or invoice:
            return (order or invoice).get_portal_url()
        return '/payment/pay?' + urlencode({
            'amount': self.amount,
            'currency_id': self.currency_id.id,
            'partner_id': self.partner_id.id,
            'company_id': self.company_id.id,
            'access_token': payment_utils.generate_access_token(
                self.partner_id.id, self.amount, self.currency_id.id
            ),
        })

    def _vipps_get_result(self):
        """ Hook: return the result for the customer: `paid`, `authorized`, `contact`, `waiting`,
        `unclear` or `failed`. """
        if self.state == 'authorized' and self._vipps_is_waiting_for_order():
            return 'contact'
        results = {
            'draft': 'waiting', 'pending': 'waiting', 'authorized': 'authorized', 'done': 'paid',
            'error': 'unclear',
        }
        return results.get(self.state, 'failed')
