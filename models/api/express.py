# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import api, models

from ...protocol import amount as protocol_amount
from ...protocol import express


class VippsApiClient(models.AbstractModel):
    """ Express: the customer chooses address and delivery in the app. """
    _inherit = 'vipps.api.client'

    #=== EXPRESS ===#

    @api.model
    def _get_delivery_types(self):
        """ Return the types of delivery that the app knows.

        :rtype: tuple[str]
        """
        return express.TYPES

    @api.model
    def _get_delivery_brands(self):
        """ Return the carriers that the app knows.

        :rtype: tuple[str]
        """
        return express.BRANDS

    @api.model
    def _prepare_shipping(self, values, currency):
        """ Return the choice of the delivery that a payment is created with.

        :param dict values: Either `options`, see :meth:`_prepare_shipping_options`, or the
            `callback_url` and the `token` of the question for them; and the codes of the
            `countries`, if not only that of the currency. None if there is nothing to deliver.
        :param res.currency currency: The currency of the payment.
        :rtype: dict | None
        :raise ValueError: If the API would refuse it.
        """
        if not values:
            return None
        countries = values.get('countries') or ()
        if 'callback_url' in values:
            return express.dynamic_shipping(values['callback_url'], values['token'], countries)
        return express.fixed_shipping(
            self._prepare_shipping_options(values['options'], currency), currency.name, countries,
        )

    @api.model
    def _prepare_shipping_answer(self, options, currency):
        """ Return the body of the answer to a question for options.

        :param list[dict] options: See :meth:`_prepare_shipping_options`.
        :param res.currency currency: The currency of the payment.
        :rtype: dict
        :raise ValueError: If the API would refuse it.
        """
        return express.answer(self._prepare_shipping_options(options, currency), currency.name)

    @api.model
    def _prepare_shipping_options(self, options, currency):
        """ Return options of delivery as the protocol takes them.

        :param list[dict] options: The fields of :class:`protocol.express.Option`, but the `amount`
            in major units; more decimals than the API has are rounded.
        :param res.currency currency: The currency of the payment.
        :rtype: list[protocol.express.Option]
        """
        return [
            express.Option(**{
                **option,
                'amount': protocol_amount.round_to_minor(option['amount'], currency.name),
            })
            for option in options
        ]

    @api.model
    def _parse_address_request(self, data):
        """ Return the question for options in the body of a callback.

        :param data: The parsed body.
        :rtype: protocol.express.AddressRequest
        :raise ValueError: If this is none.
        """
        return express.AddressRequest.parse(data)

    @api.model
    def _is_shipping_token(self, header, token):
        """ Return whether the `Authorization` of a callback carries a token. """
        return express.is_token(header, token)
