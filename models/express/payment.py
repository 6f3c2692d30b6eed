# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import api, fields, models
from odoo.fields import NO_ACCESS
from odoo.tools import consteq
from odoo.tools.misc import hmac

from ... import const

# The error of a sales unit that may not use Express.
# https://developer.vippsmobilepay.com/docs/APIs/epayment-api/api-guide/errors/
EXPRESS_ERROR = '5020'


class PaymentTransaction(models.Model):
    """ Payments with Express: the amount grows by the delivery that the customer chooses in the
    app. """
    _inherit = 'payment.transaction'

    vipps_is_express = fields.Boolean(string="Express", copy=False, readonly=True)
    # The cart and its amount when the payment was created, and the countries and options that were
    # offered: what the customer approves must be one of them.
    vipps_express_offer = fields.Json(copy=False, readonly=True, groups='base.group_system')
    # The option that the customer chose, and the address: personal data.
    vipps_express_choice = fields.Json(copy=False, readonly=True, groups=NO_ACCESS)
    vipps_is_express_contact_set = fields.Boolean(copy=False, readonly=True)
    vipps_is_express_complete = fields.Boolean(copy=False, readonly=True)
    vipps_express_problem = fields.Char(
        string="Express Problem",
        help="Why the order was not confirmed although the customer approved the payment.",
        copy=False,
        readonly=True,
    )

    #=== CRUD METHODS ===#

    @api.model
    def _get_specific_create_values(self, provider_code, values):
        """ Override of `payment` to ask for all that an order needs, and for the address if
        something is to be delivered. """
        res = super()._get_specific_create_values(provider_code, values)
        if provider_code == 'vipps' and values.get('vipps_is_express'):
            is_delivered = values['vipps_express_offer'].get('is_delivered')
            res['vipps_scopes'] = 'name email phoneNumber' + (' address' if is_delivered else '')
        return res

    #=== BUSINESS METHODS - START ===#

    def _vipps_prepare_payment_values(self):
        """ Override to add the deliveries to choose from, and the legal pages of the shop. """
        values = super()._vipps_prepare_payment_values()
        offer = self.vipps_express_offer or {}
        if not self.vipps_is_express:
            return values
        values['legal_links'] = self._vipps_get_legal_links()
        receipt_lines = values['receipt_lines'] or []
        values['receipt_lines'] = [line for line in receipt_lines if not line['is_shipping']]
        if not offer.get('is_delivered'):
            return values
        values['shipping'] = {'countries': offer['countries']}
        if offer['options']:
            values['shipping']['options'] = self._vipps_get_app_options(offer['options'])
        else:
            values['shipping'].update(
                callback_url=self._vipps_get_shop_url() + self._vipps_get_shipping_route(),
                token=self._vipps_get_shipping_token(),
            )
        return values

    @api.model
    def _vipps_get_app_options(self, options):
        """ Return options as the door takes them, the cheapest first and preselected. """
        ids = sorted(options, key=lambda option_id: options[option_id]['amount'])
        return [
            {
                'id': option_id,
                'is_default': not index,
                'priority': index,
                **{name: options[option_id][name] for name in ('name', 'amount', 'type', 'brand')},
            }
            for index, option_id in enumerate(ids)
        ]

    def _vipps_is_scope_refused(self, error):
        """ Override not to do without data that an order cannot do without. """
        return not self.vipps_is_express and super()._vipps_is_scope_refused(error)

    def _vipps_report_refusal(self, error):
        """ Override to switch Express off for a sales unit that may not use it. """
        if self.vipps_is_express and error.code == EXPRESS_ERROR:
            self.provider_id._vipps_refuse_express()
        else:
            super()._vipps_report_refusal(error)

    #=== BUSINESS METHODS - CALLBACK ===#

    def _vipps_get_shipping_route(self):
        """ Return the signed route that Vipps MobilePay asks for deliveries. """
        reference = self.vipps_payment_reference
        return f'{const.SHIPPING_ROUTE}/{reference}/{self._vipps_sign_shipping(reference)}'

    def _vipps_sign_shipping(self, reference):
        return hmac(self.env(su=True), 'vipps_express_route', reference)

    def _vipps_get_shipping_token(self):
        """ Return the token that comes with the question; it is derived, and stored nowhere. """
        return hmac(
            self.env(su=True), 'vipps_express_token', self.vipps_payment_reference
        )[:const.SHIPPING_TOKEN_LENGTH]

    @api.model
    def _vipps_get_for_shipping(self, reference, signature):
        """ Return the transaction of a signed route, if its signature is right. """
        if not consteq(signature.encode(), self._vipps_sign_shipping(reference).encode()):
            return self.browse()
        return self.search([
            ('vipps_payment_reference', '=', reference), ('provider_code', '=', 'vipps'),
            ('vipps_is_express', '=', True),
        ])

    def _vipps_offer_deliveries(self, question):
        """ Return the answer to the question for the deliveries to an address.

        :param protocol.express.AddressRequest question: The question.
        :return: The body of the answer; None if nothing can be delivered there, or if the payment
                 is no longer for the cart as it is.
        :rtype: dict | None
        """
        order, offer = self.sale_order_ids, self.vipps_express_offer or {}
        if self.state != 'draft' or len(order) != 1 or order.state != 'draft' or (
            question.reference != self.vipps_payment_reference
            or not offer.get('is_delivered')
            or question.country not in offer['countries']
        ):
            return None
        with self._vipps_waiting(const.EXPRESS_LOCK_SECONDS):
            if order._vipps_read_cart()[1] != offer['cart']:
                return None
            address = self._vipps_prepare_address(question)
            if not self._vipps_is_taxed_as_shown(address):
                return None
            options = order._vipps_rate_express(address)
            if not options:
                return None
            known = {**offer['options'], **options}
            if known != offer['options']:  # Those of earlier addresses can still be chosen.
                self.vipps_express_offer = {**offer, 'options': known}
        return self.env['vipps.api.client']._prepare_shipping_answer(
            self._vipps_get_app_options(options), self.currency_id
        )

    def _vipps_is_taxed_as_shown(self, address):
        """ Return whether the cart has the same taxes at an address. """
        order = self.sale_order_ids
        return self.env['account.fiscal.position'].with_company(
            order.company_id
        )._vipps_is_taxed_alike(
            order.partner_id, self.env['res.partner'].new(address),
            order._vipps_get_cart_lines().product_id, order.fiscal_position_id,
        )

    @api.model
    def _vipps_prepare_address(self, address):
        """ Return an address of the app as values of a contact.

        :param protocol.express.Address address: The address.
        """
        country = self.env['res.country'].search([('code', '=', address.country)], limit=1)
        return {
            'street': address.line1, 'street2': address.line2, 'zip': address.postal_code,
            'city': address.city, 'country_id': country.id,
        }

    #=== BUSINESS METHODS - SYNC ===#

    def _vipps_check_payment(self, payment):
        """ Override to add the price of the delivery to the amount, once the customer has approved
        both. """
        amount = self._vipps_get_express_amount(payment)
        if amount and self.currency_id.compare_amounts(amount, self.amount):
            self.amount = amount
        return super()._vipps_check_payment(payment)

    def _vipps_get_read_amounts(self, payment):
        """ Override: of an approved payment, the amount without the delivery is no longer ours. """
        if self._vipps_get_express_amount(payment):
            return {payment.authorized}
        return super()._vipps_get_read_amounts(payment)

    def _vipps_get_express_amount(self, payment):
        """ Return the amount that the customer approved, if it is ours and a delivery.

        :return: The amount, in major units; None if it is that of any other payment.
        """
        offer = self.vipps_express_offer or {}
        if payment.state != 'AUTHORIZED' or not offer.get('is_delivered'):
            return None
        amount = self.env['vipps.api.client']._to_minor(offer['amount'], self.currency_id)
        is_ours = payment.amount in (amount, payment.authorized) and payment.authorized >= amount
        if not is_ours or (payment.reference, payment.currency) != (
            self.vipps_payment_reference, self.currency_id.name
        ):
            return None
        return self.env['vipps.api.client']._to_major(payment.authorized, self.currency_id)

    def _vipps_keep_state(self, payment):
        """ Override to keep the delivery that the customer chose. """
        super()._vipps_keep_state(payment)
        if not self.vipps_is_express or payment.state != 'AUTHORIZED':
            return
        choice = payment.shipping and self._vipps_convert_choice(payment.shipping)
        told_choice = self._vipps_take_told_choice()
        choice = choice or told_choice
        if not choice or self.vipps_user_info_state == 'erased':
            return
        if choice != self.vipps_express_choice:
            self.vipps_express_choice = choice

    def _vipps_take_told_choice(self):
        """ Return what an event says about the delivery, and have no event keep it any longer. """
        events = self.env['vipps.webhook.event'].sudo().search([
            ('reference', '=', self.vipps_payment_reference), ('express_choice', '!=', False),
            ('provider_id', '=', self.provider_id.id),
        ])
        choice = events[:1].express_choice
        events.express_choice = False
        return choice

    def _vipps_convert_choice(self, shipping):
        """ Return the delivery that the customer chose, in major units.

        :param protocol.express.Shipping shipping: The choice.
        :rtype: dict
        """
        address = shipping.address
        return {
            'option': shipping.option_id,
            'name': shipping.option_name,
            'amount': None if shipping.cost is None else self.env['vipps.api.client']._to_major(
                shipping.cost, self.currency_id
            ),
            'address': address and {
                'street': address.line1, 'street2': address.line2, 'zip': address.postal_code,
                'city': address.city, 'country': address.country,
            },
        }

    #=== BUSINESS METHODS - END ===#

    def _set_canceled(self, *args, **kwargs):
        """ Override of `payment` to cancel the order of a product that was to be bought at once:
        it is nobody's cart. """
        txs = super()._set_canceled(*args, **kwargs)
        self.filtered(
            lambda t: t.state == 'cancel' and t.vipps_is_express
        ).sale_order_ids.filtered(
            lambda order: order.vipps_is_express_cart and order.state == 'draft' and not any(
                tx.state in ('draft', 'pending', 'authorized', 'done')
                for tx in order.transaction_ids
            )
        )._action_cancel()
        return txs

    def _vipps_get_retry_url(self, has_cart):
        """ Override to lead back to the button. """
        order = self.sale_order_ids
        if not self.vipps_is_express:
            return super()._vipps_get_retry_url(has_cart)
        if order.vipps_is_express_cart:
            return order._vipps_get_cart_lines().product_id[:1].website_url or '/shop'
        return '/shop/cart' if has_cart else super()._vipps_get_retry_url(has_cart)

    #=== BUSINESS METHODS - FORGETTING ===#

    def _vipps_forget(self):
        """ Override to forget the delivery address, too. """
        super()._vipps_forget()
        self.sudo().vipps_express_choice = False
        for tx in self.filtered('vipps_is_express'):
            tx._vipps_take_told_choice()
