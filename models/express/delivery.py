# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import logging
from time import monotonic

from psycopg2 import OperationalError

from odoo import _, models
from odoo.exceptions import ValidationError

from ... import const
from .carrier import OWN_TYPES

_logger = logging.getLogger(__name__)


class SaleOrder(models.Model):
    """ The deliveries that the app offers: those of the shop, at the prices that the order is going
    to have. """
    _inherit = 'sale.order'

    #=== BUSINESS METHODS ===#

    def _vipps_prepare_express_delivery(self, provider):
        """ Return what is offered to the customer when the payment is created.

        :return: The `countries`, by their codes, and the `options` if they are the same for each
                 address; nothing if there is nothing to deliver.
        :rtype: dict
        :raise ValidationError: If nothing can be delivered.
        """
        if self.only_services:
            return {}
        carriers = self.env['delivery.carrier']._vipps_get_for_express(self.website_id)
        countries = provider._vipps_get_express_countries(
            self.website_id, self.partner_id,
            self._vipps_get_cart_lines().product_id | carriers.product_id,
            self.fiscal_position_id, self.currency_id,
        )
        offer = {'countries': countries.mapped('code'), 'is_delivered': True}
        if carriers._vipps_depends_on_place(countries):
            return offer
        options = self._vipps_rate_express({'country_id': countries[:1].id})
        if not options:
            raise ValidationError(_(
                "None of the delivery methods fits this cart. Nothing has been charged. Please use"
                " the checkout."
            ))
        return {**offer, 'options': options}

    def _vipps_rate_express(self, address):
        """ Return the deliveries to an address, at the prices by which the total of the order
        grows, with taxes and discounts. Nothing is kept.

        :param dict address: The address, as values of a contact.
        :return: By the id of each option: the `carrier` and its `price_unit`; and for the app the
                 `name`, the `amount`, the `type` and the `brand`.
        :rtype: dict
        """
        start = monotonic()
        options = {}
        with self._vipps_trying() as order:
            order._vipps_move_to(address)
            order._remove_delivery_line()
            order._vipps_update_rewards()
            amount = order.amount_total
            # Those that ask others come last, and are not asked when half of the time is used.
            for carrier in order._vipps_get_express_carriers().sorted(
                lambda c: c.delivery_type not in OWN_TYPES
            ):
                share = 1 if carrier.delivery_type in OWN_TYPES else 0.5
                if monotonic() > start + const.EXPRESS_RATE_SECONDS * share:
                    _logger.warning("Express: carriers take too long, others are left out.")
                    break
                option = order._vipps_rate_carrier(carrier, amount)
                if option:
                    price = self.env['vipps.api.client']._to_minor(
                        option['amount'], self.currency_id
                    )
                    options[f'{carrier.id}-{price}'] = option
        return options

    def _vipps_move_to(self, address):
        """ Have the order delivered to an address that nobody has stored, in a trial. """
        self.write({
            'partner_shipping_id': self.env['res.partner'].create({
                'name': self.name, 'type': 'delivery', **address,
            }).id,
            'carrier_id': False,  # The removal of a pick-up would replace the address.
            'fiscal_position_id': self.fiscal_position_id.id,
            'pricelist_id': self.pricelist_id.id,
        })

    def _vipps_get_express_carriers(self):
        """ Return the delivery methods for the order in its website and at its address. """
        carriers = self.env['delivery.carrier']._vipps_get_for_express(self.website_id)
        available = carriers.browse()
        for carrier in carriers:
            try:
                with self.env.cr.savepoint():
                    if carrier._is_available_for_order(self):
                        available |= carrier
            except OperationalError:
                raise
            except Exception as error:
                self._vipps_note_failed_carrier(carrier, error)
        return available

    def _vipps_rate_carrier(self, carrier, amount):
        """ Return the option of a delivery method, or None if there is none.

        :param delivery.carrier carrier: The delivery method.
        :param float amount: The total of the order without a delivery.
        :rtype: dict | None
        """
        try:
            with self._vipps_trying() as order:
                rate = carrier.with_env(order.env).rate_shipment(order.with_context(
                    express_checkout_partial_delivery_address=True
                ))
                if not rate.get('success'):
                    return None
                order.set_delivery_line(carrier, rate['price'])
                order._vipps_update_rewards()
                price = order.currency_id.round(order.amount_total - amount)
        except OperationalError:
            raise
        except Exception as error:
            self._vipps_note_failed_carrier(carrier, error)
            return None
        if price < 0 or not self.env['vipps.api.client']._is_exact(price, self.currency_id):
            return None
        return {
            'carrier': carrier.id,
            'price_unit': rate['price'],
            'name': carrier.with_context(lang=self._get_lang()).name,
            'amount': price,
            'type': carrier.vipps_express_type or 'OTHER',
            'brand': carrier.vipps_express_brand or 'OTHER',
        }

    def _vipps_note_failed_carrier(self, carrier, error):
        # Its text can contain the address.
        _logger.warning(
            "Express: the delivery method %s is left out: %s", carrier.id, type(error).__name__
        )
